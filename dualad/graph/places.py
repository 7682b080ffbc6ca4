"""Where the boxes of each layer stand, in an order that is given: edges are straight where they can be."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

#: The sweeps over the layers: which neighbors are followed, and whether from the bottom up.
SWEEPS = [("above", False), ("below", True)] * 4 + [("both", False), ("both", True)] * 4

#: How little a leaf, which stands where there is room for it, matters beside the others.
LIGHT = 0.02


class Places:
    """The horizontal places of vertices: boxes, and the points at which long edges pass a layer.

    First, in sweeps, each layer takes the places that its neighbors would have it take, as near as
    widths allow. Then vertices that continue each other, in a chain of ops or along an edge, are
    bound into strands, each of which has one place.

    Parameters
    ----------
    rows : list of list of int
        The vertices of each layer, from left to right.
    links : list of (int, int)
        What is linked, from a layer to the next.
    halves : list of float
        Half the room that each vertex takes.
    boxes : int
        The first so many vertices are boxes, the others points.
    """

    def __init__(
        self, rows: list[list[int]], links: list[tuple[int, int]], halves: list[float], boxes: int
    ) -> None:
        self.rows, self.links, self.halves, self.boxes = rows, links, halves, boxes
        self.xs = [0.0] * len(halves)
        fed = {stop for _, stop in links}
        self.light = [i < boxes and i not in fed for i in range(len(halves))]
        self.above: list[list[tuple[int, float]]] = [[] for _ in halves]
        self.below: list[list[tuple[int, float]]] = [[] for _ in halves]
        for start, stop in links:
            # Long edges shall be straight above all.
            pull = LIGHT if self.light[start] else float((1 + (start >= boxes)) * (1 + (stop >= boxes)))
            self.above[stop].append((start, pull))
            self.below[start].append((stop, pull))
        self.both = [a + b for a, b in zip(self.above, self.below, strict=True)]

    def settled(self) -> list[float]:
        """Return the place of each vertex."""
        for row in self.rows:
            for left, right in pairwise(row):
                self.xs[right] = self.xs[left] + self.halves[left] + self.halves[right]
        for which, upwards in SWEEPS:
            self._sweep({"above": self.above, "below": self.below, "both": self.both}[which], upwards)
        self._bind(self._strands())
        return self.xs

    # -- sweeps --------------------------------------------------------------------------------

    def _sweep(self, ties: list[list[tuple[int, float]]], upwards: bool) -> None:
        for row in reversed(self.rows) if upwards else self.rows:
            wanted = [_mean([(self.xs[j], pull) for j, pull in ties[i]], self.xs[i]) for i in row]
            weights = [LIGHT if self.light[i] else 1.0 for i in row]
            for i, x in zip(row, spread(wanted, weights, [self.halves[i] for i in row]), strict=True):
                self.xs[i] = x

    # -- strands -------------------------------------------------------------------------------

    def _strands(self) -> list[int]:
        """Return the strand that each vertex is in, numbered by one of its vertices."""
        ranks = {link: self._rank(*link) for link in self.links}
        leaving = Counter((start, rank) for (start, _), rank in ranks.items())
        arriving = Counter((stop, rank) for (_, stop), rank in ranks.items())
        place = {i: k for row in self.rows for k, i in enumerate(row)}
        layer = {i: k for k, row in enumerate(self.rows) for i in row}
        taken: list[list[tuple[int, int]]] = [[] for _ in self.rows]
        strand = list(range(len(self.halves)))
        continued, begun = set(), set()
        for start, stop in sorted(ranks, key=lambda link: -ranks[link]):
            # Of two that are alike neither is preferred: they stand left and right of what they share.
            alike = max(leaving[start, ranks[start, stop]], arriving[stop, ranks[start, stop]]) > 1
            here = place[start], place[stop]
            crosses = any((a - here[0]) * (b - here[1]) < 0 for a, b in taken[layer[stop]])
            if not (alike or crosses or start in continued or stop in begun):
                taken[layer[stop]].append(here)
                continued.add(start)
                begun.add(stop)
                strand[stop] = start
        for row in self.rows:  # downwards, so that what is above has its number already
            for i in row:
                strand[i] = strand[strand[i]]
        return strand

    def _rank(self, start: int, stop: int) -> int:
        """Return how much it matters that a link is straight."""
        points = (start >= self.boxes) + (stop >= self.boxes)
        if points == 2:
            return 3
        return 0 if self.light[start] else 2 - points

    def _bind(self, strand: list[int]) -> None:
        """Give each strand one place, near those that its vertices have."""
        members: dict[int, list[int]] = {}
        for i, s in enumerate(strand):
            members.setdefault(s, []).append(i)
        gaps: dict[tuple[int, int], float] = {}  # the least distance of strands side by side
        for row in self.rows:
            for i, j in pairwise(row):
                pair, gap = (strand[i], strand[j]), self.halves[i] + self.halves[j]
                gaps[pair] = max(gaps.get(pair, 0.0), gap)
        left: dict[int, list[tuple[int, float]]] = {s: [] for s in members}
        right: dict[int, list[tuple[int, float]]] = {s: [] for s in members}
        for (a, b), gap in gaps.items():
            left[b].append((a, gap))
            right[a].append((b, gap))
        order = _left_to_right(members, left, right)
        wanted = {s: sum(self.xs[i] for i in group) / len(group) for s, group in members.items()}
        # Where strands overlap they are pushed to the right, or to the left: the middle is as good.
        high, low = dict(wanted), dict(wanted)
        for s in order:
            high[s] = max([high[s], *(high[a] + gap for a, gap in left[s])])
        for s in reversed(order):
            low[s] = min([low[s], *(low[b] - gap for b, gap in right[s])])
        at = {s: (high[s] + low[s]) / 2 for s in members}
        for turn in range(8):  # each to where its neighbors would have it, as far as there is room
            for s in order if turn % 2 else reversed(order):
                ties = [(at[strand[j]], p) for i in members[s] for j, p in self.both[i] if strand[j] != s]
                most = min((at[b] - gap for b, gap in right[s]), default=float("inf"))
                least = max((at[a] + gap for a, gap in left[s]), default=-float("inf"))
                at[s] = max(least, min(most, _mean(ties, at[s])))
        self.xs = [at[s] for s in strand]


def _mean(weighted: list[tuple[float, float]], default: float) -> float:
    total = sum(weight for _, weight in weighted)
    return sum(x * weight for x, weight in weighted) / total if total else default


def _left_to_right(
    members: dict[int, list[int]],
    left: dict[int, list[tuple[int, float]]],
    right: dict[int, list[tuple[int, float]]],
) -> list[int]:
    """Return the strands, each after those on its left; no two cross, so there is such an order."""
    waiting = {s: len(left[s]) for s in members}
    order = [s for s in members if not waiting[s]]
    for s in order:  # which grows as it is read
        for b, _ in right[s]:
            waiting[b] -= 1
            if not waiting[b]:
                order.append(b)
    return order


def spread(wanted: list[float], weights: list[float], halves: list[float]) -> list[float]:
    """Return the places nearest to those wanted, by weighted squares, at which neighbors do not overlap.

    That is a regression on rising numbers once the widths are taken off, solved by pooling neighbors
    that violate it (Ayer et al., Annals of Mathematical Statistics 26, 1955).

    Examples
    --------
    >>> from dualad.graph.places import spread
    >>> spread([0.0, 0.0, 9.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    [-1.0, 1.0, 9.0]
    """
    offsets = [0.0]
    for a, b in pairwise(halves):
        offsets.append(offsets[-1] + a + b)
    pools: list[tuple[float, float, int]] = []  # a weighted sum, its weight, and of how many
    for x, weight, offset in zip(wanted, weights, offsets, strict=True):
        pool = ((x - offset) * weight, weight, 1)
        while pools and pools[-1][0] * pool[1] > pool[0] * pools[-1][1]:
            last = pools.pop()
            pool = (last[0] + pool[0], last[1] + pool[1], last[2] + pool[2])
        pools.append(pool)
    means = [total / weight for total, weight, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
