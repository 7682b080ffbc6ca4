"""What a graph is made of: the ops and leaves that lead to some Tensors, read off their nodes.

Several outputs of one op are nodes of their own for the engine (`dualad.engine.node.Output`);
here they are places on the op's node. Nothing recurses: a graph may be a million ops deep.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import optree

from ..backends.registry import DTYPES
from ..engine.dataclasses import NAMESPACE, registered
from ..engine.node import Batch, Dual, Leaf, Node, Output
from ..engine.operands import type_name
from ..engine.tensor import Tensor, wrap
from ..errors import GradientError

#: Where a value comes from: the place of its op or leaf in `Graph.nodes`, and which output it is.
Source = tuple[int, int]


class Result(NamedTuple):
    """A Tensor whose graph is looked at."""

    name: str
    source: Source | None  # None for a constant
    shape: tuple[int, ...]
    dtype: Any


class Graph:
    """The ops and leaves that lead to some Tensors.

    Attributes
    ----------
    nodes : list of Node
        Those of ops and leaves, each after the nodes it depends on.
    sources : list of list of (Source or None)
        Where each argument of each node comes from; None for a constant.
    results : list of Result
        The Tensors.
    names : dict of Source to str
        What the user calls some values.
    absent : list of str
        The user's names of Tensors that are not in the graph.

    Parameters
    ----------
    results : list of (str, Tensor)
        What to look at, with names.
    named : list of (str, Tensor)
        Tensors on the way with the user's names for them.
    limit : int
        Up to so many nodes are listed in the order of creation, the program's own. More are listed
        depth first, so that branches that a program builds in turns stand one after another.
    """

    def __init__(
        self, results: list[tuple[str, Tensor]], named: list[tuple[str, Tensor]], limit: int
    ) -> None:
        roots = [x._node for _, x in results]
        self.nodes = depth_first(_resolved(node)[0] for node in roots if node is not None)
        if len(self.nodes) <= limit:
            self.nodes.sort(key=lambda node: node.number)
        self._places = {node.number: place for place, node in enumerate(self.nodes)}
        self.sources = [[self._source(p) for p in node.parents] for node in self.nodes]
        self.results = [
            Result(name, self._source(node), tuple(x.shape), x.dtype)
            for (name, x), node in zip(results, roots, strict=True)
        ]
        self.names: dict[Source, str] = {}
        self.absent: list[str] = []
        for name, x in named:
            source = self._source(x._node) if isinstance(x._node, Node) else None
            if source is None:
                self.absent.append(name)
            else:
                self.names[source] = ", ".join(filter(None, (self.names.get(source), name)))

    def _source(self, node: Node | None) -> Source | None:
        if node is None:
            return None
        owner, index = _resolved(node)
        place = self._places.get(owner.number)
        return None if place is None else (place, index)


def is_leaf(node: Node) -> bool:
    """Whether a node is where a derivative ends, and no op's."""
    return isinstance(node, Leaf)


def outputs(node: Node) -> tuple[tuple[tuple[int, ...], Any], ...]:
    """Return the shape and DType of each output of a node."""
    if node.shape is None:
        return tuple((tuple(shape), DTYPES[dtype]) for shape, dtype in node.dtype)
    return ((tuple(node.shape), DTYPES[node.dtype]),)


def depth_first(roots: Iterable[Node]) -> list[Node]:
    """Return the nodes of ops and leaves that lead to some, each after those it depends on."""
    order: list[Node] = []
    done: set[int] = set()
    for root in roots:
        stack = [root]
        while stack:
            node = stack[-1]
            if node.number in done:
                stack.pop()
                continue
            owners = [_resolved(p)[0] for p in node.parents if p is not None]
            missing = [p for p in reversed(owners) if p.number not in done]
            if missing:
                stack.extend(missing)
            else:
                done.add(node.number)
                order.append(node)
                stack.pop()
    return order


def _resolved(node: Node) -> tuple[Node, int]:
    """Return the node of an op or leaf, and which of its outputs a node stands for."""
    return (node.parents[0], node.index) if isinstance(node, Output) else (node, 0)


def named_tensors(function: str, argument: str, tree: Any) -> list[tuple[str, Tensor]]:
    """Return the Tensors of a pytree, up to date, with their paths in it joined by dots.

    Raises
    ------
    TypeError
        If one of its leaves is no Tensor.
    """
    paths, leaves, _ = optree.tree_flatten_with_path(tree, namespace=NAMESPACE)
    while registered(leaves):  # dataclasses, perhaps with others in them
        paths, leaves, _ = optree.tree_flatten_with_path(tree, namespace=NAMESPACE)
    found = []
    for path, leaf in zip(paths, leaves, strict=True):
        if not isinstance(leaf, Tensor):
            raise TypeError(
                f"{function}: expected {argument} to be a Tensor, or a pytree of Tensors, got "
                f"{type_name(leaf)}; only Tensors have graphs"
            )
        leaf._refresh()
        while type(leaf._node) is Batch:  # a level of vmap has no graph: that below is of all examples
            leaf = wrap(leaf._value.value)
        found.append((".".join(map(str, path)), leaf))
    return found


def graph_tensors(function: str, tree: Any) -> list[tuple[str, Tensor]]:
    """Return the Tensors of a pytree whose graph is asked for, with names.

    Raises
    ------
    TypeError
        If one of its leaves is no Tensor.
    GradientError
        If it has no Tensors, or one is of forward mode, which keeps no graph.
    """
    found = named_tensors(function, "y", tree)
    if not found:
        raise GradientError(f"{function}: there is no Tensor in y, and so no graph")
    for name, x in found:
        if type(x._node) is Dual:
            what = f"y[{name!r}]" if name else "y"
            raise GradientError(
                f"{function}: {what} is a Tensor of forward mode (jvp, jacfwd): its tangent is computed with "
                "it, and there is no graph. Look at it outside the transform, or under grad or vjp"
            )
    return found
