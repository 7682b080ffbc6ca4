"""Plugins that could not be loaded: which, of which distribution, where and why."""

from __future__ import annotations

import sys
import traceback
from inspect import isroutine
from typing import Any, NamedTuple

from ..errors import BackendError
from .base import Backend


class Failure(NamedTuple):
    """A plugin that could not be loaded.

    Attributes
    ----------
    plugin : str
        The name of its entry point.
    distribution : str
        The distribution that it came with; empty if that is not known.
    version : str
        The distribution's version.
    reason : str
        Why it could not be loaded, on one line, with the place in the plugin where that is known.
    error : BaseException or None
        What was raised, without its traceback, which would keep alive what all callers hold.
    traceback : str
        The traceback as text.

    Examples
    --------
    >>> from dualad.backends import Failure
    >>> print(Failure("abacus", "dualad-abacus", "0.3", "RuntimeError: no beads"))
    plugin 'abacus' of dualad-abacus 0.3 failed to load: RuntimeError: no beads
    """

    plugin: str
    distribution: str
    version: str
    reason: str
    error: BaseException | None = None
    traceback: str = ""

    def __str__(self) -> str:
        origin = f" of {self.distribution} {self.version}" if self.distribution else ""
        return f"plugin {self.plugin!r}{origin} failed to load: {self.reason}"


def failure(entry: Any, error: BaseException) -> Failure:
    """Return what there is to say of an entry point whose loading ended in an error."""
    distribution = getattr(entry, "dist", None)
    name, version = (distribution.name, distribution.version) if distribution else ("", "")
    reason = " ".join(_reason(entry, error).split()) + _place(entry, error)
    text = "".join(traceback.format_exception(error))
    _without_frames(error)
    return Failure(entry.name, name, version, reason, error, text)


def advice(plugin: object, entry: Any = None) -> str:
    """Return what is to be done with something that has no hook; `entry` is the entry point that names it."""
    if isinstance(plugin, type):
        kind = "class"
    elif isroutine(plugin):
        kind = "function"
    elif isinstance(plugin, Backend):
        kind = "backend"
    else:
        return "mark one with hookimpl"
    if entry is None:
        return f"it is a {kind}; hand in the module, or an object, that has one marked with hookimpl"
    return (
        f"its entry point names the {kind} {entry.value!r}, and must name the module that has the hook: "
        f"{entry.name} = {entry.module!r}"
    )


def _reason(entry: Any, error: BaseException) -> str:
    module = getattr(entry, "module", "")
    if isinstance(error, BackendError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        if f"{module}.".startswith(f"{error.name}."):
            return f"its entry point names the module {module!r}, which is not there; reinstall the plugin"
        if error.name.partition(".")[0] == module.partition(".")[0]:
            return f"it lacks its own module {error.name!r}; reinstall the plugin"
        return f"it needs the module {error.name!r}, which is not installed"
    if isinstance(error, AttributeError) and error.obj is sys.modules.get(module) is not None:
        return f"its entry point names {entry.value!r}, and the module has no {error.name!r}"
    return f"{type(error).__name__}: {error}"


def _place(entry: Any, error: BaseException) -> str:
    """Return the innermost place in the plugin's own code that an error went through; empty if none."""
    if isinstance(error, SyntaxError):  # its message ends with the place
        return ""
    package = getattr(entry, "module", "").partition(".")[0]
    own = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
    ]
    return f" (file {own[-1][0]}, line {own[-1][1]})" if own else ""


def _without_frames(error: BaseException) -> None:
    """Drop the tracebacks of an error and of those before it."""
    known: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in known:
            known.add(id(one))
            one.__traceback__ = None
            waiting += [one.__cause__, one.__context__]
