"""How numbers, shapes and tables are written, in pictures and tables alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import east_asian_width

from .dtypes import DType


def bytes_text(count: int) -> str:
    """Return a number of bytes with a unit, in three digits or so.

    Examples
    --------
    >>> from dualad.words import bytes_text
    >>> bytes_text(24), bytes_text(1536), bytes_text(3 << 30)
    ('24 B', '1.5 KiB', '3 GiB')
    """
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1000:
            break
        size, unit = size / 1024, larger
    digits = f"{size:.3g}" if size < 1000 else f"{size:.0f}"
    return f"{digits} {unit}"


def counted(count: int, noun: str) -> str:
    """Return a number with a noun in the plural where it is due."""
    plural = f"{noun[:-1]}ves" if noun.endswith("f") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def array_text(shape: Any, dtype: Any) -> str:
    """Return a shape and a dtype in words, such as ``"(3, 4) float32"``."""
    return f"{tuple(shape)} {dtype.name}"


def value_text(value: Any) -> str:
    """Return what a keyword argument of an op is, in few words."""
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(value_text, value[:8])) + (", …" if len(value) > 8 else "")
        return f"({inner},)" if isinstance(value, tuple) and len(value) == 1 else f"({inner})"
    if isinstance(value, slice):
        ends = ":".join("" if v is None else value_text(v) for v in (value.start, value.stop))
        return ends if value.step is None else f"{ends}:{value_text(value.step)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{value.dtype} {tuple(value.shape)}>"
    if value is ...:
        return "..."
    plain = value is None or isinstance(value, (bool, int, float, complex, str, DType))
    return clipped(repr(value), 24) if plain else f"<{type(value).__name__}>"


def width(text: str) -> int:
    """Return how many columns a text takes where all letters are as wide, or twice."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def clipped(text: str, columns: int) -> str:
    """Return a text, on one line and with an ellipsis where it is longer than so many columns."""
    text = " ".join(text.split())
    if width(text) <= columns:
        return text
    text = text[:columns]
    while width(text) >= columns:
        text = text[:-1]
    return text + "…"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return rows of cells in columns below a header; the columns `right` are aligned to the right."""
    widths = [max(width(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = []
        for i, (cell, columns) in enumerate(zip(row, widths, strict=True)):
            padding = " " * (columns - width(cell))
            cells.append(padding + cell if i in right else cell + padding)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def listed(texts: Iterable[str], most: int = 12) -> list[str]:
    """Return the first texts, and how many more there are."""
    texts = list(texts)
    return texts if len(texts) <= most else [*texts[: most - 1], f"… {len(texts) - most + 1:,} more"]
