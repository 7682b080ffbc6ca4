"""Where rules find their functions.

A rule is written against a namespace `xp`. On a backend's arrays that is the backend's
functions; on Tensors it is `ops`, the differentiable ones. The engine stands below the ops and yet must
hand them to rules, so it owns the object and the ops fill it (`dualad.ops`).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..backends.registry import BY_TYPE, Cache

#: The differentiable functions, filled by `dualad.ops` by plain assignment.
ops: Any = SimpleNamespace(fuses=False)


class _Spaces(Cache[type, Any]):
    """The namespace in which rules run on a type of array; that of all else is `ops`."""

    def __missing__(self, kind: type) -> Any:
        backend = BY_TYPE[kind]
        if backend is None:
            return ops
        self[kind] = backend.namespace
        return self[kind]


#: ``SPACES[type(value)]``: one look-up, as the walk makes it for every node.
SPACES = _Spaces()
