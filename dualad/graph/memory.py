"""What a graph keeps alive: the arrays that its nodes have saved, by op and by the user's line."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from ..backends.registry import BY_TYPE, DTYPES
from ..engine.node import Batched, CallNode, Dual, Leaf, Node, Output, Packed
from ..engine.operands import PYTHON_SCALARS
from ..engine.tensor import Tensor
from .structure import graph_tensors
from .words import bytes_text, clipped, counted, table

UNKNOWN_LINE = "(unknown: record under dualad.autograd.detect_anomaly() or dualad.profile())"

#: How many rows of a table are shown, and how much of a line of a program.
SHOWN, COLUMNS = 20, 88


class Row(NamedTuple):
    """What the nodes of one op, or of one line of the user's program, keep alive."""

    name: str
    nodes: int
    arrays: int
    bytes: int


@dataclass(frozen=True, repr=False)
class Memory:
    """What a graph keeps alive; ``str`` and ``print`` give it as tables.

    Attributes
    ----------
    total : int
        The bytes of all arrays.
    leaves : int
        How many of these are values of leaves, such as parameters, that live on anyway.
    arrays : int
        How many arrays there are.
    nodes : int
        How many ops the graph has.
    by_op, by_line : tuple of Row
        ``(name, nodes, arrays, bytes)`` for each op, and for each line of the user's program that
        recorded some. Those that keep most come first.
    notes : tuple of str
        What is not in these numbers, in sentences.
    """

    total: int
    leaves: int
    arrays: int
    nodes: int
    by_op: tuple[Row, ...]
    by_line: tuple[Row, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        tables = [table(header, cells, right=(1, 2, 3)) for header, cells in self._tables() if cells]
        return "\n\n".join([self._headline(), *tables, *self.notes])

    def __repr__(self) -> str:
        return f"<Memory: {self._headline()}>"

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(self._headline())}</p>"]
        for header, cells in self._tables():
            if cells:
                lines = ["".join(f"<th>{html.escape(h)}</th>" for h in header)]
                lines += ["".join(f"<td>{html.escape(c)}</td>" for c in row) for row in cells]
                parts.append("<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>")
        return "\n".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in self.notes)])

    def _headline(self) -> str:
        text = f"{counted(self.nodes, 'op')}: {bytes_text(self.total)} in {counted(self.arrays, 'array')}"
        return text + (f", {bytes_text(self.leaves)} of them values of leaves" if self.leaves else "")

    def _tables(self) -> Iterator[tuple[list[str], list[list[str]]]]:
        for name, rows in (("op", self.by_op), ("line", self.by_line)):
            heavy = [row for row in rows if row.bytes]
            shown, rest = heavy[:SHOWN], heavy[SHOWN:]
            if rest:
                nodes, arrays = sum(row.nodes for row in rest), sum(row.arrays for row in rest)
                shown.append(Row(f"… and {len(rest)} more", nodes, arrays, sum(row.bytes for row in rest)))
            cells = [
                [clipped(r.name, COLUMNS), f"{r.nodes:,}", f"{r.arrays:,}", bytes_text(r.bytes)]
                for r in shown
            ]
            yield [name, "nodes", "arrays", "bytes"], cells


def memory(y: Any) -> Memory:
    """Return what the graph of y keeps alive, by op and by line of the user's program.

    That is what its nodes have saved for the backward pass, and the arrays among their keyword
    arguments (an index, say). An array counts once, with all the memory it keeps: views of one
    buffer are one array, and a small view of a large one counts as the large one. Where several
    nodes keep an array it is the first that is charged.

    Inside transforms the graphs of all levels around y are looked at.

    Parameters
    ----------
    y : Tensor or pytree of Tensors
        The results whose graphs are looked at, together.

    Returns
    -------
    Memory
        With `total`, `leaves`, `by_op`, `by_line`; ``print`` shows it as tables. It holds nothing
        of the graph. Lines are known of what was recorded while anomaly mode or the profiler
        looked on.

    Raises
    ------
    TypeError
        If y is no Tensor, or a pytree with something else in it.
    GradientError
        If y is a Tensor of forward mode, which has no graph.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.ones((100, 100), requires_grad=True)
    >>> y = (x.exp() * 2).sum()
    >>> print(dualad.graph.memory(y))
    3 ops: 39.1 KiB in 1 array
    <BLANKLINE>
    op   nodes  arrays     bytes
    exp      1       1  39.1 KiB
    <BLANKLINE>
    line                                                                             nodes  arrays     bytes
    (unknown: record under dualad.autograd.detect_anomaly() or dualad.profile())      ...
    """
    nodes = _all_levels([x for _, x in graph_tensors("memory", y)])
    sums: tuple[dict[str, list[int]], ...] = ({}, {})
    counted_once: dict[int, Any] = {}  # by identity; the arrays are held so that it stays theirs
    of_leaves: set[int] = set()
    states = {"freed": 0, "packed": 0, "ruled": 0}
    for node in nodes:
        kept = Kept(node)
        if kept.state:
            states[kept.state] += 1
        elif isinstance(node, CallNode):
            states["ruled"] += 1
        of_leaves.update(id(owner(a)) for a in kept.of_leaves())
        new = {id(a): a for a in map(owner, kept.arrays) if id(a) not in counted_once}
        counted_once.update(new)
        count, size = len(new), sum(map(nbytes, new.values()))
        for rows, name in zip(sums, (op_name(node), node.line or UNKNOWN_LINE), strict=True):
            row = rows.setdefault(name, [0, 0, 0])
            row[0], row[1], row[2] = row[0] + 1, row[1] + count, row[2] + size
    by_op, by_line = (
        tuple(sorted((Row(k, *v) for k, v in rows.items()), key=lambda r: (-r.bytes, r.name)))
        for rows in sums
    )
    return Memory(
        total=sum(row.bytes for row in by_op),
        leaves=sum(nbytes(a) for key, a in counted_once.items() if key in of_leaves),
        arrays=len(counted_once),
        nodes=len(nodes),
        by_op=by_op,
        by_line=by_line,
        notes=_notes(states),
    )


def _notes(states: dict[str, int]) -> tuple[str, ...]:
    out = []
    if states["freed"]:
        out.append(f"{counted(states['freed'], 'op')} kept values that a backward pass has freed.")
    if states["packed"]:
        out.append(
            f"{counted(states['packed'], 'op')} gave values to saved_tensors_hooks or checkpoint, which are "
            "not counted."
        )
    if states["ruled"]:
        out.append(
            f"{counted(states['ruled'], 'function')} with rules of their own may keep more than their "
            "arguments and results, which alone are counted."
        )
    return tuple(out)


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
        elif v is not None and type(v) not in PYTHON_SCALARS and BY_TYPE[type(v)] is not None:
            arrays.append(v)
    return arrays, nodes


def _all_levels(tensors: list[Tensor]) -> list[Node]:
    """Return the nodes of ops that some Tensors keep, of their own level and those below, as created."""
    stack = _held(list(tensors))[1]
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
