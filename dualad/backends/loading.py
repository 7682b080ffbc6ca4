"""Plugins that could not be loaded: which, of which distribution, and why."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from ..errors import BackendError


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
        Why it could not be loaded, on one line.

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

    def __str__(self) -> str:
        origin = f" of {self.distribution} {self.version}" if self.distribution else ""
        return f"plugin {self.plugin!r}{origin} failed to load: {self.reason}"


def failure(entry: Any, error: BaseException) -> Failure:
    """Return what there is to say of an entry point whose loading ended in an error."""
    distribution = getattr(entry, "dist", None)
    name, version = (distribution.name, distribution.version) if distribution else ("", "")
    return Failure(entry.name, name, version, " ".join(_reason(entry, error).split()))


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
