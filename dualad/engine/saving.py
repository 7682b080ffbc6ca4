"""What the nodes of a tape save, taken out of their keeping: by hooks of the user's, or to be computed anew.

A node saves arrays, and above the first level Tensors of a lower one, whose history must not be lost.
So what is saved is taken apart into the arrays at the bottom, which others keep, and the rest, which
stays with the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..backends.registry import BY_TYPE
from .node import GROUND, Batched, Dual, Node, is_packed
from .operands import PYTHON_SCALARS
from .recording import Observer, observers
from .tensor import Tensor, wrap
from .walk import current_walk

Rebuild = Callable[[Iterator[Any]], Any]


def apart(value: Any, arrays: list[Any]) -> Rebuild:
    """Take a saved value apart: append its arrays to a list, and return what puts it together again.

    That is called with an iterator over arrays like these.
    """
    kind = type(value)
    if kind is tuple or kind is list:
        parts = [apart(v, arrays) for v in value]
        return lambda found: kind(part(found) for part in parts)
    if kind is Tensor:
        value._refresh()
        below, node = apart(value._value, arrays), value._node
        if type(node) is not Dual:
            return lambda found: Tensor(below(found), node)
        tangent, level = apart(node.tangent, arrays), node.level
        return lambda found: Tensor(below(found), Dual(level, tangent(found)))
    if kind is Batched:
        inner, batch = apart(value.value, arrays), value.batch
        return lambda found: Batched(inner(found), batch)
    if BY_TYPE[kind] is None or kind in PYTHON_SCALARS:
        return lambda found: value
    arrays.append(value)
    return next


class Values(Node):
    """Values that somebody needs for a derivative beside the tape: keepers take them like a node's."""

    __slots__ = ()

    def __init__(self, values: list[Any]) -> None:
        super().__init__(None, GROUND, (), values, None, None, None)

    def name(self) -> str:
        return "a checkpoint"


class Keeper(Observer):
    """An observer that takes what nodes save into its keeping; of several the innermost does."""

    def recorded(self, node: Any) -> None:
        walk = current_walk()
        # What a pass tapes for a while, at levels of its own, is walked and forgotten at once.
        inner = walk is not None and node.level > walk.roots[0].level
        # Who has been entered twice is told twice.
        if not inner and keeper() is self and not is_packed(node):
            self.keep(node)

    def keep(self, node: Node) -> None:
        """Be told of a node that this one is to keep for."""
        raise NotImplementedError


def keeper() -> Keeper | None:
    """Return who takes what nodes save into their keeping, in this thread or task."""
    return next((o for o in reversed(observers()) if isinstance(o, Keeper)), None)


def saved_places(node: Node) -> dict[int, Any]:
    """Return what an op's node saved by place: arguments from 0 on, the result at -1.

    They stand in the order in which its maps read them.
    """
    found: dict[int, Any] = {}
    for rule, reads in zip(node.op.maps_for(len(node.parents)), node.saved or (), strict=False):
        if reads is not None:
            found.update(zip(rule.reads, reads, strict=True))
    return found


def saved_value(node: Node, place: int) -> Tensor | None:
    """Return what a node saved at a place, as a Tensor with its history; None if that is nothing."""
    value = saved_places(node).get(place) if node.op is not None else None
    if value is None or type(value) is tuple:
        return None
    history = origin(node, place)
    return wrap(value) if history is None else Tensor(value, history)


def origin(node: Node, place: int) -> Node | None:
    """Return the node that gave what is saved at a place; None for a constant."""
    parent: Node | None = node if place < 0 else node.parents[place]
    return parent
