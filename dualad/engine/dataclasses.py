"""Dataclasses as parts of pytrees: a user's are registered when first met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import optree

from ..backends.registry import BY_TYPE
from .tensor import Tensor

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

    The parts of such an instance are the fields that its ``__init__`` takes, and whatever else it holds
    in which there are arrays: what ``__post_init__`` has computed. Fields with
    ``metadata={"static": True}`` belong to the structure: names, sizes, functions.

    An instance is rebuilt as it was, by assigning to its attributes: ``__init__`` and ``__post_init__``
    do not run again, as what they do (scale, normalize, draw) has been done.
    """
    return True in {_known[kind] for kind in set(map(type, leaves))}  # all are registered, at once


class _Beside:
    """What an instance holds besides its parts and static fields; it tells no structures apart."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Beside)

    def __hash__(self) -> int:
        return hash(_Beside)

    def __repr__(self) -> str:
        return "..."


def _register(kind: type) -> None:
    taken = {f.name for f in fields(kind) if f.init and not f.metadata.get("static", False)}
    static = tuple(f.name for f in fields(kind) if f.metadata.get("static", False))
    order = [f.name for f in fields(kind)]

    def flatten(tree: Any) -> tuple[Any, Any, Any]:
        held = _attributes(tree)
        names = [n for n in order if n in held] + [n for n in held if n not in order]
        parts = tuple(n for n in names if n in taken or (n not in static and _has_arrays(held[n])))
        kept = tuple((n, held[n]) for n in static if n in held)
        beside = _Beside({n: x for n, x in held.items() if n not in parts and n not in static})
        return [held[n] for n in parts], (parts, kept, beside), parts

    def unflatten(metadata: Any, children: Any) -> Any:
        parts, kept, beside = metadata
        tree: Any = object.__new__(kind)
        for name, x in (*zip(parts, children, strict=True), *kept, *beside.held.items()):
            object.__setattr__(tree, name, x)  # a frozen one's own does not
        return tree

    optree.register_pytree_node(
        kind, flatten, unflatten, path_entry_type=optree.GetAttrEntry, namespace=NAMESPACE
    )


def _attributes(tree: Any) -> dict[str, Any]:
    """Return what an instance holds, in its ``__dict__`` and slots, but for cached properties."""
    state = object.__getstate__(tree)
    of_dict, of_slots = state if isinstance(state, tuple) else (state, None)
    held = {**(of_dict or {}), **(of_slots or {})}
    return {n: x for n, x in held.items() if not isinstance(getattr(type(tree), n, None), cached_property)}


def _has_arrays(x: Any) -> bool:
    """Return whether there is an array, or a number that counts as one, in an attribute."""
    return any(
        isinstance(leaf, (Tensor, float, complex)) or is_dataclass(type(leaf)) or _is_array(leaf)
        for leaf in optree.tree_leaves(x, namespace=NAMESPACE)
    )


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) or BY_TYPE[type(leaf)] is not None
