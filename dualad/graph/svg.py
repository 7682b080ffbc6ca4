"""A picture as SVG and HTML.

Boxes have a light ground of their own and what stands outside them is of a middle gray, so that
a picture is legible on any page, light or dark. Styles are attributes and arrowheads are drawn:
several pictures in a notebook share no names.
"""

from __future__ import annotations

import re
from html import escape

from ..words import clipped, width
from .drawing import Box, Drawing
from .layout import Layout, laid_out, port

#: The sizes of the letters of titles and lines, and the width of one in terms of its size.
TITLE, LINE, LETTER = 13.0, 11.5, 0.61
ROW, PADDING, COLUMNS = 15.0, 9.0, 36
#: The gray of what stands on the page's own ground: 4.5 to 1 in contrast with white and black.
GRAY = "#767676"
INK = "#1d2733"
FAMILY = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"

#: Ground and border of each kind of box.
COLORS = {
    "op": ("#eef3fb", "#5f7fb4"),
    "leaf": ("#e4f4e6", "#4a9153"),
    "result": ("#fdf0d9", "#bb8420"),
    "constant": ("#f2f2f2", "#8a8a8a"),
}
SAVED = "#d2603a"  # the bar that shows how much a box saves, beside the others
STACK = 4.0  # how far the boxes behind a folded one look out


def svg(drawing: Drawing) -> str:
    """Return a drawing as an SVG element.

    Raises
    ------
    BackendError
        If igraph is not installed.
    """
    texts = [_lines(box) for box in drawing.boxes]
    sizes = [_size(box, lines) for box, lines in zip(drawing.boxes, texts, strict=True)]
    outputs = [_outputs(box) for box in drawing.boxes]
    layout = laid_out(sizes, drawing.edges, outputs)
    head, head_width = _head(drawing)
    top = ROW * (1 + len(drawing.notes)) + 22
    across, down = max(layout.width, head_width) + 24, top + layout.height + 16
    most = max((box.kept for box in drawing.boxes), default=0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:.0f} {down:.0f}" width="{across:.0f}" '
        f'height="{down:.0f}" role="img" aria-label="{_safe(drawing.headline)}" font-family="{FAMILY}">',
        *head,
        f'<g transform="translate({(across - layout.width) / 2:.1f} {top:.1f})">',
        *_edges(drawing, layout),
    ]
    for box, lines, size, center in zip(drawing.boxes, texts, sizes, layout.centers, strict=True):
        parts += _box(box, lines, size, center, most)
    return "\n".join([*parts, "</g>", "</svg>"])


def page(drawing: Drawing) -> str:
    """Return a drawing as an HTML page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{_safe(drawing.headline)}</title>\n"
        "<style>:root { color-scheme: light dark } body { margin: 1em } svg { display: block; margin: auto }"
        f"</style>\n</head>\n<body>\n{svg(drawing)}\n</body>\n</html>"
    )


def _head(drawing: Drawing) -> tuple[list[str], float]:
    """Return what stands above the boxes, the counts with the colors of what they count, and its width."""
    parts, x, y = [f'<g font-size="{LINE}" fill="{GRAY}">'], 12.0, 18.0
    for kind, words in drawing.counts:
        if kind in COLORS:
            ground, border = COLORS[kind]
            radius = 2 if kind == "op" else 5
            shape = f'width="14" height="10" rx="{radius}" fill="{ground}" stroke="{border}"'
            parts.append(f'<rect x="{x:.1f}" y="{y - 9:.1f}" {shape}/>')
        elif kind == "saved":
            parts.append(f'<rect x="{x:.1f}" y="{y - 5:.1f}" width="14" height="3" fill="{SAVED}"/>')
        x += 20 if kind else 0
        parts.append(_text(x, y, words))
        x += _across(words) + 16
    notes = [clipped(note, 110) for note in drawing.notes]
    parts += [_text(12, y + ROW * (i + 1), note) for i, note in enumerate(notes)]
    return [*parts, "</g>"], max([x, *(12 + _across(note) for note in notes)])


# -- boxes -----------------------------------------------------------------------------------------


def _outputs(box: Box) -> int:
    """Return how many outputs edges start from; those of folded ops are not told apart."""
    return 1 if box.folded else max(1, len(box.arrays))


def _lines(box: Box) -> list[str]:
    wrapped = [part for line in box.lines for part in _wrapped(line)]
    saves = [f"saves {box.saves}"] if box.saves else []
    return [clipped(line, COLUMNS) for line in (*wrapped, *box.arrays, *saves)]


def _wrapped(line: str) -> list[str]:
    """Break a list at its commas or arrows, into three lines at most."""
    out = [""]
    for word in re.split(r"(?<=[,→]) ", line):
        if out[-1] and width(out[-1]) + 1 + width(word) > COLUMNS and len(out) < 3:
            out.append("")
        out[-1] = f"{out[-1]} {word}".lstrip()
    return out


def _across(text: str, size: float = LINE) -> float:
    """Return how wide a text is, about."""
    return width(text) * size * LETTER


def _size(box: Box, lines: list[str]) -> tuple[float, float]:
    """Return width and height of a box, those that look out behind it included."""
    across = max(_across(clipped(box.title, COLUMNS), TITLE), *map(_across, lines), 56.0)
    behind = 2 * STACK if box.folded else 0.0
    ports = 8.0 if _outputs(box) > 1 else 0.0
    return across + 2 * PADDING + 6 + behind, 2 * PADDING + 4 + ROW * (1 + len(lines)) + ports + behind


def _box(
    box: Box, lines: list[str], size: tuple[float, float], center: tuple[float, float], most: int
) -> list[str]:
    (w, h), (x, y) = size, center
    left, top = x - w / 2, y - h / 2
    behind = 2 * STACK if box.folded else 0.0
    w, h, x = w - behind, h - behind, x - behind / 2
    ground, border = COLORS[box.kind]
    radius = 6.0 if box.kind == "op" else min(h / 2, 16.0)
    dashes = ' stroke-dasharray="4 3"' if box.kind == "constant" else ""
    shape = f'width="{w:.1f}" height="{h:.1f}" rx="{radius:.0f}" fill="{ground}" stroke="{border}"{dashes}'
    parts = ["<g>", f"<title>{_safe(chr(10).join(box.details))}</title>"]
    for offset in (2 * STACK, STACK, 0.0) if box.folded else (0.0,):
        parts.append(f'<rect x="{left + offset:.1f}" y="{top + offset:.1f}" {shape}/>')
    parts.append(f'<g fill="{INK}" text-anchor="middle" font-size="{LINE}">')
    y = top + PADDING + 11
    parts.append(f'<g font-size="{TITLE}" font-weight="bold">{_text(x, y, clipped(box.title, COLUMNS))}</g>')
    parts += [_text(x, y + ROW * (i + 1), line) for i, line in enumerate(lines)]
    outputs = _outputs(box)
    if outputs > 1:
        numbers = (_text(port(x, w, outputs, i), top + h - 9, str(i)) for i in range(outputs))
        parts += [f'<g font-size="9.5" fill="{border}">', *numbers, "</g>"]
    parts.append("</g>")
    if box.kept and most:
        bar = max(2.0, (w - 16) * box.kept / most)
        shape = f'width="{bar:.1f}" height="3" fill="{SAVED}"'
        parts.append(f'<rect x="{left + 8:.1f}" y="{top + h - 6:.1f}" {shape}/>')
    return [*parts, "</g>"]


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{_safe(text)}</text>'


# -- edges -----------------------------------------------------------------------------------------


def _edges(drawing: Drawing, layout: Layout) -> list[str]:
    parts = [f'<g fill="none" stroke="{GRAY}" stroke-width="1.3">']
    for edge, path in zip(drawing.edges, layout.paths, strict=True):
        parts += ["<g>", f"<title>{_safe(chr(10).join(edge.details))}</title>"]
        line = _path(path)
        tip = f"M{path[-1][0]:.1f} {path[-1][2]:.1f}l-4 -8h8z"
        parts.append(f'<path d="{line}" stroke="transparent" stroke-width="9"/><path d="{line}"/>')
        parts.append(f'<path d="{tip}" fill="{GRAY}" stroke="none"/></g>')
    return [*parts, "</g>"]


def _path(path: list[tuple[float, float, float]]) -> str:
    """Return a path's commands: straight down past the boxes of a layer, bending between layers."""
    (x, start, stop), *others = path
    out = [f"M{x:.1f} {start:.1f}V{stop:.1f}"]
    for i, (x1, top, bottom) in enumerate(others):
        if i == len(others) - 1:  # the arrowhead is there
            bottom -= 7
            top = min(top, bottom)
        middle = (stop + top) / 2
        out.append(f"C{x:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {top:.1f}V{bottom:.1f}")
        x, stop = x1, bottom
    return "".join(out)


def _safe(text: str) -> str:
    """Return a text as XML has it; characters that XML has no place for are left out."""
    return escape("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))
