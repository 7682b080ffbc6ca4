"""Where boxes and edges are drawn: a layered layout, in which everything flows downwards.

The method is Sugiyama's. Which layer a box is in is settled here; in what order the boxes of a
layer stand, so that few edges cross, is igraph's affair, which knows no widths; `places` gives them
places in that order. An edge over several layers is laid out as a chain of points, one in each
layer between, which edges of the same value share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..errors import BackendError
from .drawing import Edge
from .places import Places, spread

#: The least space between boxes side by side, between an edge and what it passes, and between layers.
BESIDE, PASSING, BETWEEN = 26.0, 9.0, 34.0

Point = tuple[float, float]


@dataclass
class Layout:
    """Where everything is, in pixels.

    Attributes
    ----------
    centers : list of (x, y)
        The middle of each box.
    paths : list of list of (x, top, bottom)
        For each edge where it leaves, the layers it passes, and where it arrives: it goes straight
        down from `top` to `bottom` at x, and bends only between two of these.
    width, height : float
        The size of all of it.
    """

    centers: list[Point]
    paths: list[list[tuple[float, float, float]]]
    width: float
    height: float


def laid_out(sizes: Sequence[Point], edges: Sequence[Edge], outputs: Sequence[int]) -> Layout:
    """Return a layout for boxes of given widths and heights, each of which comes after its sources.

    Parameters
    ----------
    sizes : list of (width, height)
        Those of each box.
    edges : list of Edge
        What is between them.
    outputs : list of int
        How many outputs each box has, from which edges start side by side.

    Raises
    ------
    BackendError
        If igraph is not installed.
    """
    layers = _layers(len(sizes), edges)
    ways, all_layers, links = _with_points(layers, edges)
    halves = [w / 2 + BESIDE / 2 for w, _ in sizes] + [PASSING] * (len(all_layers) - len(sizes))
    xs = Places(_igraph_order(all_layers, links), links, halves, len(sizes)).settled()
    left = min((x - h for x, h in zip(xs, halves, strict=True)), default=0.0)
    xs = [x - left for x in xs]
    bends = [(all_layers[stop], abs(xs[start] - xs[stop])) for start, stop in links]
    tops, bottoms = _rows(layers, sizes, bends)
    centers = [(xs[i], (tops[layer] + bottoms[layer]) / 2) for i, layer in enumerate(layers)]
    paths = _paths(sizes, edges, outputs, ways, centers, xs, [(tops[k], bottoms[k]) for k in all_layers])
    width = max((x + h for x, h in zip(xs, halves, strict=True)), default=0.0)
    return Layout(centers, paths, width, bottoms[-1] if bottoms else 0.0)


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """Return a layer for each box, below those of its sources; long edges are few."""
    layers = [0] * count
    starts: list[set[int]] = [set() for _ in range(count)]
    stops: list[set[int]] = [set() for _ in range(count)]
    for edge in edges:
        starts[edge.stop].add(edge.start)
        stops[edge.start].add(edge.stop)
    for i in range(count):
        layers[i] = max((layers[s] + 1 for s in starts[i]), default=0)
    # What more boxes use than it uses itself is nearer to those: a leaf stands above its op.
    for i in reversed(range(count)):
        if stops[i] and len(stops[i]) >= len(starts[i]):
            layers[i] = min(layers[s] for s in stops[i]) - 1
    return layers


def _with_points(
    layers: list[int], edges: Sequence[Edge]
) -> tuple[list[list[int]], list[int], list[tuple[int, int]]]:
    """Return, for each edge, the points it passes, by number; the layers of boxes and points; the links."""
    all_layers, links = list(layers), dict[tuple[int, int], None]()
    points: dict[tuple[int, int, int], int] = {}
    ways = []
    for edge in edges:
        way = []
        for layer in range(layers[edge.start] + 1, layers[edge.stop]):
            key = (edge.start, edge.output, layer)
            if key not in points:
                points[key] = len(all_layers)
                all_layers.append(layer)
            way.append(points[key])
        ways.append(way)
        links.update(dict.fromkeys(pairwise([edge.start, *way, edge.stop])))
    return ways, all_layers, list(links)


def _igraph_order(layers: list[int], links: list[tuple[int, int]]) -> list[list[int]]:
    """Return the vertices of each layer from left to right, in an order in which few links cross."""
    try:
        import igraph  # few programs draw a graph, and those that do not need not have it
    except ModuleNotFoundError:
        raise BackendError(
            "dualad.graph: pictures are laid out by igraph, which is not installed: "
            "pip install 'dualad[graph]'; print(picture) needs nothing"
        ) from None
    graph: Any = igraph.Graph(n=len(layers), edges=links, directed=True)
    places = graph.layout_sugiyama(layers=layers).coords
    rows: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
    for i in sorted(range(len(layers)), key=lambda i: places[i][0]):
        rows[layers[i]].append(i)
    return rows


def _rows(
    layers: list[int], sizes: Sequence[Point], bends: list[tuple[int, float]]
) -> tuple[list[float], list[float]]:
    """Return the top and the bottom of each layer; there is more room above one that edges bend to."""
    count = max(layers, default=-1) + 1
    heights, gaps = [0.0] * count, [BETWEEN] * count
    for layer, (_, height) in zip(layers, sizes, strict=True):
        heights[layer] = max(heights[layer], height)
    for layer, bend in bends:
        gaps[layer] = max(gaps[layer], BETWEEN + min(bend / 12, BETWEEN))
    tops: list[float] = []
    bottoms: list[float] = []
    for layer, (height, gap) in enumerate(zip(heights, gaps, strict=True)):
        tops.append(bottoms[-1] + gap if layer else 0.0)
        bottoms.append(tops[-1] + height)
    return tops, bottoms


def port(center: float, width: float, outputs: int, output: int) -> float:
    """Return where on a box's lower side the edges of one of its outputs start."""
    return center + (output - (outputs - 1) / 2) * min(36.0, (width - 28) / outputs)


def _paths(
    sizes: Sequence[Point],
    edges: Sequence[Edge],
    outputs: Sequence[int],
    ways: list[list[int]],
    centers: list[Point],
    xs: list[float],
    rows: list[Point],
) -> list[list[tuple[float, float, float]]]:
    """Return the way of each edge; they arrive side by side, each as near its origin as can be."""
    begins = [port(xs[e.start], sizes[e.start][0], outputs[e.start], e.output) for e in edges]
    before = [xs[way[-1]] if way else begin for way, begin in zip(ways, begins, strict=True)]
    arriving: dict[int, list[int]] = {}
    for k in sorted(range(len(edges)), key=lambda k: before[k]):
        arriving.setdefault(edges[k].stop, []).append(k)
    ends = [0.0] * len(edges)
    for stop, group in arriving.items():
        count, reach = len(group), 0.3 * sizes[stop][0]
        half = min(7.0, reach / count)
        places = spread([before[k] for k in group], [1.0] * count, [half] * count)
        for i, (k, x) in enumerate(zip(group, places, strict=True)):
            room = 2 * half * i, 2 * half * (count - 1 - i)  # for those on the left and on the right
            ends[k] = min(max(x, xs[stop] - reach + room[0]), xs[stop] + reach - room[1])
    paths = []
    for edge, way, begin, end in zip(edges, ways, begins, ends, strict=True):
        path = [(begin, centers[edge.start][1] + sizes[edge.start][1] / 2, rows[edge.start][1])]
        path += [(xs[p], *rows[p]) for p in way]
        path.append((end, rows[edge.stop][0], centers[edge.stop][1] - sizes[edge.stop][1] / 2))
        paths.append(path)
    return paths
