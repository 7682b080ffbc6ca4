"""The version of the hooks, and how a plugin written for an older one keeps working.

A hook that gains an argument gains it at the end and with a default, and the argument may be
ignored: it is a wish or a piece of news, never what decides the result. So a plugin that does not
know it is called without it. pluggy does that for the hooks in `hookspecs`; for methods of
`Backend` it is done here, once, when the class is made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, getattr_static, isfunction, signature
from typing import Any

#: The version of the hooks that this dualad calls. It is raised when a hook is added or gains an argument.
HOOK_VERSION = 2

#: The oldest version whose plugins still work; who says nothing of a version has this one.
OLDEST_VERSION = 1

#: What has been added to methods that were there before: (method, argument) -> in which version.
GAINED = {("to_device", "non_blocking"): 2, ("from_numpy", "non_blocking"): 2}


def adapt(kind: type, base: type) -> None:
    """Let the methods that a subclass of `base` overrides be called with all arguments of `base`'s own.

    Parameters
    ----------
    kind : type
        The new subclass. A method of it that lacks an argument of `GAINED` is replaced by one that
        leaves the argument out.
    base : type
        The class whose methods say where the argument stands.
    """
    for name, argument in GAINED:
        method = getattr_static(kind, name)
        if isfunction(method) and not _takes(method, argument):
            position = list(signature(getattr(base, name)).parameters).index(argument)
            setattr(kind, name, _without(method, argument, position))


def _takes(method: Callable[..., Any], argument: str) -> bool:
    parameters = signature(method, follow_wrapped=False).parameters
    return argument in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())


def _without(method: Callable[..., Any], argument: str, position: int) -> Callable[..., Any]:
    """Return the method without its argument number `position`, and all behind it, if they are given."""

    @wraps(method)
    def adapted(*args: Any, **keywords: Any) -> Any:
        keywords.pop(argument, None)
        return method(*args[:position], **keywords)

    return adapted
