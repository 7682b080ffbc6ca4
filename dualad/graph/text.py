"""A picture as text: the graph as a program, a line for each box."""

from __future__ import annotations

from ..words import table
from .drawing import Box, Drawing


def text(drawing: Drawing) -> str:
    """Return the boxes as lines: what each is called, the op with its arguments, what it gives and saves."""
    header = ["", "op", "gives", "saves", "line"]
    rows = [[box.name or box.title, *_columns(box)] for box in drawing.boxes]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return "\n".join([drawing.headline, *drawing.notes, "", table(header, rows, right=(3,))])


def _columns(box: Box) -> list[str]:
    return [box.call, ", ".join(box.arrays), box.saves, box.line]
