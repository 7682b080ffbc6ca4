"""Folding: which ops, leaves and results of a graph are drawn as boxes of their own, and which together.

A graph that fits is drawn as it is. Of a larger one, the ops stand in an order in which each comes
after those it depends on; whatever stretch of it becomes one box, no cycle can arise. First come
the longest stretches in which a pattern repeats (the layers of a network, the steps of a
recurrence); what is left between them is cut into even pieces, each cut moved a little to where the
fewest values are alive. Leaves go with the box that alone uses them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.kept import op_name
from .structure import Graph, is_leaf

#: The fewest boxes that a graph can be folded into, whatever it is.
FEWEST = 16

#: The longest pattern whose repetitions are looked for, in ops.
LONGEST_PATTERN = 64


@dataclass
class Block:
    """What is drawn as one box.

    Attributes
    ----------
    kind : {"op", "leaf", "result"}
        What is in it.
    members : list of int
        The places of its ops or leaves in the graph, or of its results among the results.
    leaves : list of int
        Leaves that are drawn in the box of the ops that use them.
    pattern : int
        After so many ops the same ones come again; 0 where none repeats.
    """

    kind: str
    members: list[int]
    leaves: list[int]
    pattern: int = 0


def fold(graph: Graph, limit: int) -> list[Block]:
    """Return the boxes of a graph, at most `limit`, each after those it depends on."""
    leaves = [i for i, node in enumerate(graph.nodes) if is_leaf(node)]
    ops = [i for i, node in enumerate(graph.nodes) if not is_leaf(node)]
    results = list(range(len(graph.results)))
    if len(graph.nodes) + len(results) <= limit:
        blocks = [Block("leaf" if is_leaf(node) else "op", [i], []) for i, node in enumerate(graph.nodes)]
        return blocks + [Block("result", [i], []) for i in results]
    stretches = _stretches(graph, ops, limit // 2)
    blocks = [Block("op", ops[start:stop], [], pattern) for start, stop, pattern in stretches]
    sources = _leaf_blocks(graph, leaves, blocks, limit // 4)
    of_op = {place: k for k, block in enumerate(blocks) for place in block.members}
    origins = {r: of_op.get(s[0], -1) if (s := graph.results[r].source) is not None else -2 for r in results}
    sinks = _grouped("result", results, origins, limit // 4)
    return sources + blocks + sinks


# -- ops -------------------------------------------------------------------------------------------


def _stretches(graph: Graph, ops: list[int], limit: int) -> list[tuple[int, int, int]]:
    """Cut the ops into at most `limit` stretches: ``(start, stop, pattern)``, in their order."""
    if len(ops) <= limit:
        return [(i, i + 1, 0) for i in range(len(ops))]
    parents = _op_parents(graph, ops)
    runs = _runs(_signatures(graph, ops, parents), limit // 4)
    gaps, end = [], 0
    for start, stop, _ in runs:
        gaps.append((end, start))
        end = stop
    gaps.append((end, len(ops)))
    left = sum(stop - start for start, stop in gaps)
    length = max(1, -(-left // (limit - 2 * len(runs) - 1)))
    alive = _values_alive(len(ops), parents)
    pieces = [piece for gap in gaps for piece in _pieces(*gap, length, alive)]
    return sorted([*runs, *((start, stop, 0) for start, stop in pieces)])


def _op_parents(graph: Graph, ops: list[int]) -> list[list[int]]:
    """Return, for each op, which ops its arguments come from; -1 for a constant, -2 for a leaf."""
    order = {place: i for i, place in enumerate(ops)}
    return [[-1 if s is None else order.get(s[0], -2) for s in graph.sources[place]] for place in ops]


def _signatures(graph: Graph, ops: list[int], parents: list[list[int]]) -> np.ndarray:
    """Return a number for each op, the same for ops alike in name, result and where arguments come from."""
    codes: dict[Any, int] = {}
    out = np.empty(len(ops), dtype=np.int64)
    for i, place in enumerate(ops):
        node = graph.nodes[place]
        # An argument from far away, the same in each repetition, say, is as good as another.
        distances = tuple(p if p < 0 else min(i - p, LONGEST_PATTERN + 1) for p in parents[i])
        signature = (op_name(node), node.shape, node.dtype, distances)
        out[i] = codes.setdefault(signature, len(codes))
    return out


def _runs(signatures: np.ndarray, limit: int) -> list[tuple[int, int, int]]:
    """Return the longest stretches, at most `limit`, in which a pattern comes three times or more."""
    found: list[tuple[int, int, int]] = []
    for pattern in range(1, min(LONGEST_PATTERN, len(signatures) // 3) + 1):
        same = np.concatenate([[False], signatures[pattern:] == signatures[:-pattern], [False]])
        starts = np.flatnonzero(~same[:-1] & same[1:])
        lengths = np.flatnonzero(same[:-1] & ~same[1:]) - starts + pattern
        keep = np.argsort(-lengths, kind="stable")[: 4 * limit]
        found += [
            (a, a + n, pattern) for a, n in zip(starts[keep].tolist(), lengths[keep].tolist(), strict=True)
        ]
    # Where the ops of a run do not come out even, the first are left out: what a layer begins with is
    # the first to be unlike the layers before.
    least = max(4, len(signatures) // (4 * limit))  # a shorter one is not worth a box
    taken: list[tuple[int, int, int]] = []
    for start, stop, pattern in sorted(found, key=lambda r: (r[0] - r[1], r[2])):
        for first, last, _ in taken:  # what another run has of it is not there any more
            if start < last and first < stop:
                start, stop = (min(last, stop), stop) if first <= start else (start, first)
        times = (stop - start) // pattern
        if times >= 3 and stop - start >= least and len(taken) < limit:
            taken.append((stop - times * pattern, stop, pattern))
    return sorted(taken)


def _values_alive(count: int, parents: list[list[int]]) -> np.ndarray:
    """Return how many ops before each place have results that are used at it or after."""
    last = list(range(count))
    for i, sources in enumerate(parents):
        for p in sources:
            if p >= 0:
                last[p] = i  # in rising order
    ends = np.bincount(np.array(last, dtype=np.int64) + 1, minlength=count + 2)
    begins = np.zeros(count + 2, dtype=np.int64)
    begins[1 : count + 1] = 1
    return np.cumsum(begins - ends)


def _pieces(start: int, stop: int, length: int, alive: np.ndarray) -> list[tuple[int, int]]:
    """Cut a stretch into pieces of about `length`, where the fewest values are alive."""
    count = -(-(stop - start) // length)
    cuts, slack = [start], length // 3
    for k in range(1, count):
        even = start + k * (stop - start) // count
        places = np.arange(max(even - slack, cuts[-1] + 1), min(even + slack, stop - 1) + 1)
        if len(places):
            cuts.append(int(places[np.lexsort((np.abs(places - even), alive[places]))[0]]))
    return list(zip(cuts, [*cuts[1:], stop], strict=True)) if count else []


# -- leaves and results ----------------------------------------------------------------------------


def _leaf_blocks(graph: Graph, leaves: list[int], blocks: list[Block], limit: int) -> list[Block]:
    """Put leaves into the folded blocks that alone use them; return blocks for the others."""
    users: dict[int, set[int]] = {leaf: set() for leaf in leaves}
    for k, block in enumerate(blocks):
        for place in block.members:
            for source in graph.sources[place]:
                if source is not None and source[0] in users:
                    users[source[0]].add(k)
    shown = {r.source[0] for r in graph.results if r.source is not None}
    others = []
    for leaf, used in users.items():
        home = blocks[min(used)] if len(used) == 1 and leaf not in shown else None
        if home is not None and len(home.members) > 1:
            home.leaves.append(leaf)
        else:
            others.append(leaf)
    return _grouped("leaf", others, {leaf: tuple(sorted(used)) for leaf, used in users.items()}, limit)


def _grouped(kind: str, members: Iterable[int], key: dict[int, Any], limit: int) -> list[Block]:
    """Return a block for each member if they are at most `limit`, else one for each key, else one."""
    members = list(members)
    if len(members) <= limit:
        return [Block(kind, [m], []) for m in members]
    groups: dict[Any, list[int]] = defaultdict(list)
    for m in members:
        groups[key[m]].append(m)
    if len(groups) <= limit:
        return [Block(kind, group, []) for group in groups.values()]
    return [Block(kind, members, [])]
