"""Dataclasses as parts of pytrees: a user's are registered when first met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from threading import Lock
from typing import Any

import optree

from ..backends.registry import BY_TYPE

#: Where optree looks for types that only dualad takes apart, besides those it takes apart for everybody.
NAMESPACE = "dualad"

_registering = Lock()


class _Known(dict[type, bool]):
    """Whether a type of leaf is a dataclass, which by now is registered and no leaf any more."""

    def __missing__(self, kind: type) -> bool:
        # An array that is implemented as a dataclass is an array.
        if not is_dataclass(kind) or BY_TYPE[kind] is not None:
            self[kind] = False
            return False
        with _registering:
            if kind not in self:
                _register(kind)
                self[kind] = True
        return True


_known = _Known()


def registered(leaves: Iterable[Any]) -> bool:
    """Register the classes of those leaves that are dataclasses' instances; return whether there were any.

    The parts of such an instance are the fields that its ``__init__`` takes. Those with
    ``metadata={"static": True}`` belong to the structure: names, sizes, functions.
    """
    return True in {_known[kind] for kind in set(map(type, leaves))}  # all are registered, at once


def _register(kind: type) -> None:
    taken = [f for f in fields(kind) if f.init]
    parts = tuple(f.name for f in taken if not f.metadata.get("static", False))
    static = tuple(f.name for f in taken if f.metadata.get("static", False))

    def flatten(tree: Any) -> tuple[Any, Any, Any]:
        return [getattr(tree, n) for n in parts], tuple(getattr(tree, n) for n in static), parts

    def unflatten(kept: Any, children: Any) -> Any:
        return kind(**dict(zip(parts, children, strict=True)), **dict(zip(static, kept, strict=True)))

    optree.register_pytree_node(
        kind, flatten, unflatten, path_entry_type=optree.GetAttrEntry, namespace=NAMESPACE
    )
