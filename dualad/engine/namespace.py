"""Where rules find their functions.

A rule is written against a namespace `xp`. On a backend's arrays that is the backend's
functions; on Tensors it is `ops`, the differentiable ones. The engine stands below the ops and yet must
hand them to rules, so it owns the object and the ops fill it (`dualad.ops`).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..backends import Backend
from ..backends.registry import BY_TYPE

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


class _Spaces(dict[type, Any]):
    """The namespace in which rules run on a type of array; that of all else is `ops`."""

    def __missing__(self, kind: type) -> Any:
        backend = BY_TYPE[kind]
        if backend is None:
            return ops
        known = (space for k, space in list(self.items()) if BY_TYPE[k] is backend)
        self[kind] = next(known, None) or _BackendNamespace(backend)
        return self[kind]


#: ``SPACES[type(value)]``: one look-up, as the walk makes it for every node.
SPACES = _Spaces()
