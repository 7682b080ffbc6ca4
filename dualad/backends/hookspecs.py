"""The hooks through which a plugin adds to dualad."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from .base import Backend

PROJECT = "dualad"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def dualad_backends(hook_version: int) -> Iterable[Backend]:  # type: ignore[empty-body]
    """Return the backends this plugin brings.

    A backend whose library is missing or whose devices do not work is returned all the same:
    its `unavailable` attribute holds the reason in one sentence, and a user who asks for its
    devices is told so. To return none at all, or None, is an error.

    Parameters
    ----------
    hook_version : int
        `dualad.backends.HOOK_VERSION` of the dualad that asks, for a plugin that serves several.
        An implementation may leave it out. New in version 2.
    """
