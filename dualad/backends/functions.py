"""How a function of a backend is found: by its name, unless that is a declared gap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ..errors import BackendError


def gap_of(gaps: Mapping[str, str], name: str) -> str | None:
    """Return the declared gap, a name or a pattern, that a function is part of; None if it is no gap."""
    return name if name in gaps else next((gap for gap in gaps if fnmatchcase(name, gap)), None)


def function_of(backend: Any, name: str) -> Callable[..., Any]:
    """Return the function of that name of a `Backend`.

    Raises
    ------
    BackendError
        If it has none, and declares no gap.
    """
    try:
        return backend.function(name)
    except AttributeError:
        raise BackendError(
            f"{name}: the {backend.name} backend has no such function; declare it in gaps"
        ) from None


#: The parts of a namespace that have functions of their own.
_PARTS = ("fft", "linalg")


class Functions:
    """A backend's functions by name, each looked up once and kept as an attribute."""

    def __init__(self, backend: Any, prefix: str = "") -> None:
        self._backend, self._prefix = backend, prefix
        self.fuses = backend.fuses

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's own protocols
            raise AttributeError(name)
        found: Any
        if name in _PARTS and not self._prefix:
            found = Functions(self._backend, f"{name}.")
        else:
            found = function_of(self._backend, self._prefix + name)
        setattr(self, name, found)
        return found
