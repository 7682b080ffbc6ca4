"""`draw`, and the picture it returns."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from operator import index
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..errors import BackendError
from .drawing import Drawing, described
from .folding import FEWEST, fold
from .structure import Graph, graph_tensors, named_tensors
from .svg import page, svg
from .text import text

#: The most boxes that a picture can have: more takes long to lay out, and nobody could read it.
MOST = 1000


class Picture:
    """A picture of a graph, as text, SVG or HTML. It holds words only, nothing of the graph.

    ``print(picture)`` shows it in a terminal, `save` writes a file, a notebook shows it by itself.
    SVG and HTML need igraph (``pip install 'dualad[graph]'``), the text nothing.
    """

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing

    def __str__(self) -> str:
        return text(self._drawing)

    def __repr__(self) -> str:
        return f"<Picture of a graph: {self._drawing.headline}>"

    def svg(self) -> str:
        """Return the picture as an SVG element.

        Raises
        ------
        BackendError
            If igraph is not installed.
        """
        return svg(self._drawing)

    def html(self) -> str:
        """Return the picture as an HTML page.

        Raises
        ------
        BackendError
            If igraph is not installed.
        """
        return page(self._drawing)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the picture to a file.

        Parameters
        ----------
        path : str or path
            Where; its ending says as what: ``.svg``, ``.html`` or ``.txt``.

        Raises
        ------
        ValueError
            If it ends otherwise.
        BackendError
            If igraph is not installed and the ending is not ``.txt``.
        """
        forms: dict[str, Callable[[], str]] = {
            ".svg": self.svg,
            ".html": self.html,
            ".txt": lambda: str(self),
        }
        suffix = Path(path).suffix.lower()
        if suffix not in forms:
            raise ValueError(
                f"save: a picture can be written as .svg, .html or .txt, and {fspath(path)!r} ends otherwise"
            )
        Path(path).write_text(f"{forms[suffix]()}\n", encoding="utf-8")

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except BackendError:  # no notebook should lose its output to that: HTML says it
            return None

    def _repr_html_(self) -> str:
        try:
            return f'<div style="overflow: auto; max-height: 85vh">{self.svg()}</div>'
        except BackendError as error:
            return f"<pre>{escape(str(self))}\n\n{escape(str(error))}</pre>"


def draw(y: Any, params: Any = None, *, limit: int = 80) -> Picture:
    """Return a picture of the graph of y: its ops, what they give and save, and the leaves they came from.

    Data flows down, from the leaves (green, round) through the ops (blue) to the results (yellow).
    Each box shows shapes and dtypes, and what the op has saved for the backward pass, with a bar
    in proportion; where many nodes have saved one array it is shown at each of them and counts
    once in the total. Tooltips name arguments, keywords, each saved array and, if it was recorded,
    the line of the user's program.

    Parameters
    ----------
    y : Tensor or pytree of Tensors
        The results. A constant is drawn as a box by itself. Inside a transform it is the graph of
        the innermost level that is drawn; inside `vmap` that of all examples together, which have
        an axis of their own in front.
    params : pytree of Tensors, optional
        Names for leaves, or results on the way: ``{"w": w, "layers": [a, b]}`` calls them ``w``,
        ``layers.0`` and ``layers.1``. Those that are not in the graph are said to be absent.
    limit : int
        The most boxes to be drawn, from 16 to 1,000. Of a larger graph, stretches that repeat
        (``63 × (matmul → add → maximum)``) and others are folded into one box each.

    Returns
    -------
    Picture
        ``print`` it, ``save`` it as ``"graph.svg"`` or ``"graph.html"``, or let a notebook show it.

    Raises
    ------
    TypeError
        If y or params has something in it that is no Tensor, or limit is no integer.
    GradientError
        If y is a Tensor of forward mode, which has no graph, or holds no Tensor.
    ValueError
        If limit is not from 16 to 1,000.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.ones(3)
    >>> w = dualad.ones(3, requires_grad=True)
    >>> print(dualad.graph.draw((w * x).sum(), params={"w": w}))
    2 ops, 1 leaf, 12 B saved
    <BLANKLINE>
            op                                  gives         saves
    w       leaf                                (3,) float32
    %1      multiply(w, const)                  (3,) float32   12 B
    %2      sum(%1, axis=(0,), keepdims=False)  () float32
    result  %2                                  () float32
    """
    if not FEWEST <= index(limit) <= MOST:
        raise ValueError(f"draw: limit must be from {FEWEST} to {MOST:,}, got {limit}")
    results = graph_tensors("draw", y)
    named = [] if params is None else named_tensors("draw", "params", params)
    graph = Graph(results, named, limit)
    return Picture(described(graph, fold(graph, limit)))
