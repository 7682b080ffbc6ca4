"""What a graph keeps alive: the arrays that its nodes have saved, by op and by the user's line."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..engine.kept import Kept, nbytes, nodes_kept_by, op_name, owner
from ..engine.node import CallNode
from ..words import bytes_text, clipped, counted, table
from .structure import graph_tensors

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
    nodes = nodes_kept_by([x for _, x in graph_tensors("memory", y)])
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
