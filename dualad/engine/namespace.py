"""Where rules find their functions.

A rule is written against a namespace `xp`. On a backend's arrays that is `of_backend(backend)`; on
Tensors it is `ops`, the differentiable functions. The engine stands below the ops and yet must
hand them to rules, so it owns the object and the ops fill it (`dualad.ops`).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..backends import Backend

#: The differentiable functions, filled by `dualad.ops` by plain assignment.
ops: Any = SimpleNamespace()


class _BackendNamespace:
    """A backend's functions by name, each looked up once and kept as an attribute."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        function = self._backend.function(name)
        setattr(self, name, function)
        return function


_namespaces: dict[str, Any] = {}


def of_backend(backend: Backend) -> Any:
    """Return the namespace in which rules run on a backend's own arrays."""
    if backend.name not in _namespaces:
        _namespaces[backend.name] = _BackendNamespace(backend)
    return _namespaces[backend.name]
