"""CuPy as a backend of dualad: the device type ``cuda``.

Importing this never fails and touches no GPU beyond counting them. Where CuPy or a GPU is
missing, the backend is registered all the same and says why it cannot be used.
"""

from __future__ import annotations

from dualad.backends import Backend, hookimpl

from .backend import CupyBackend

__all__ = ["CupyBackend"]


@hookimpl
def dualad_backends() -> list[Backend]:
    """Return the backend."""
    return [CupyBackend()]
