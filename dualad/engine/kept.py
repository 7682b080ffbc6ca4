"""What the nodes of a graph keep alive: the arrays they have saved, and where these are counted."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from ..backends.registry import BY_TYPE, DTYPES
from .node import Batched, CallNode, Dual, Leaf, Node, Output, Packed
from .tensor import Tensor

#: The attribute itself, not the property that some nodes have: that would fetch what is packed.
_SAVED: Any = Node.__dict__["saved"]


class Kept:
    """What one node keeps.

    Attributes
    ----------
    arrays : list
        The arrays that it has saved, or has among its keyword arguments, as often as they are there.
    nodes : list of Node
        The nodes of lower levels that the saved values have.
    state : {"", "freed", "packed"}
        Whether what it saved is freed, or in the keeping of others.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.saved = _SAVED.__get__(node)
        self.state = "freed" if self.saved is None else "packed" if type(self.saved) is Packed else ""
        self.arrays, self.nodes = _held([None if self.state else self.saved, node.static])

    def of_leaves(self) -> Iterator[Any]:
        """Give the arrays that are the values of leaves."""
        node = self.node
        if self.state or isinstance(node, CallNode):
            return
        for rule, reads in zip(node.op.maps_for(len(self.saved)), self.saved, strict=True):
            for place, value in () if reads is None else zip(rule.reads, reads, strict=True):
                if place >= 0 and isinstance(node.parents[place], Leaf):
                    yield from _held([value])[0]


def _held(values: list[Any]) -> tuple[list[Any], list[Node]]:
    """Return the arrays in some values, and the nodes of the Tensors among them."""
    arrays, nodes, stack = [], [], values
    while stack:
        v = stack.pop()
        if isinstance(v, (tuple, list)):
            stack.extend(reversed(v))
        elif isinstance(v, dict):
            stack.extend(v.values())
        elif isinstance(v, Tensor):
            if isinstance(v._node, Node):
                nodes.append(v._node)
            stack.append(v._value)
            stack.append(v._node.tangent if type(v._node) is Dual else None)
        elif isinstance(v, Batched):
            stack.append(v.value)
        elif v is not None and BY_TYPE[type(v)] is not None:
            arrays.append(v)
    return arrays, nodes


def nodes_kept_by(values: list[Any]) -> list[Node]:
    """Return the nodes of ops that some Tensors or nodes keep, of all levels below them too, as created."""
    stack = [v for v in values if isinstance(v, Node)] + _held(list(values))[1]
    seen: dict[int, Node] = {}
    while stack:
        node = stack.pop()
        if node.number in seen:
            continue
        seen[node.number] = node
        stack.extend(p for p in node.parents if p is not None)
        stack.extend(Kept(node).nodes)
    return [seen[n] for n in sorted(seen) if not isinstance(seen[n], (Leaf, Output))]


def op_name(node: Node) -> str:
    """Return the name of a node's op in the namespace, or the node's own where the op has none."""
    return getattr(node.op, "name", None) or node.name()


def owner(array: Any) -> Any:
    """Return the array that owns an array's memory: itself, where the library does not tell."""
    while isinstance(base := getattr(array, "base", None), type(array)):
        array = base
    return array


def nbytes(array: Any) -> int:
    """Return the bytes of an array's elements."""
    told = getattr(array, "nbytes", None)
    return int(told) if told is not None else prod(array.shape) * DTYPES[array.dtype].itemsize
