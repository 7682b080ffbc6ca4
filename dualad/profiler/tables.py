"""What was measured, summed up by op or by line, as rows and as tables of plain text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..words import bytes_text, clipped, counted
from ..words import table as text_table


@dataclass
class Row:
    """What was measured of one op, or of one line of the user's program.

    Attributes
    ----------
    name : str
        The op's name, or the line.
    calls, forward, forward_bytes
        How often ops were computed, the seconds that took, and the bytes of new arrays it made.
    pushes, tangent, tangent_bytes
        The same for tangents, in forward mode.
    pulls, backward, backward_bytes
        The same for backward passes.
    saved : int
        The bytes that graphs kept of it when they kept most in all.
    total : float
        The seconds of all three.
    """

    name: str
    calls: int = 0
    forward: float = 0.0
    forward_bytes: int = 0
    pushes: int = 0
    tangent: float = 0.0
    tangent_bytes: int = 0
    pulls: int = 0
    backward: float = 0.0
    backward_bytes: int = 0
    saved: int = 0
    total: float = 0.0

    def add(self, phase: str, seconds: float, size: int) -> None:
        """Count what was computed once."""
        count = _COUNTS[phase]
        setattr(self, count, getattr(self, count) + 1)
        setattr(self, phase, getattr(self, phase) + seconds)
        setattr(self, f"{phase}_bytes", getattr(self, f"{phase}_bytes") + size)
        self.total += seconds

    def include(self, other: Row) -> None:
        """Add what another row has."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


_COUNTS = {"forward": "calls", "tangent": "pushes", "backward": "pulls"}
_NUMBERS = [f.name for f in fields(Row) if f.name != "name"]
_WIDTH = 70  # of the names in tables
UNKNOWN = "(not in the user's program)"


def rows(events: Iterable[Any], at_peak: dict[Any, int], by: str, sort: str) -> list[Row]:
    """Return a row for each op or line, sorted."""
    if by not in ("op", "line"):
        raise ValueError(f"profile: by must be 'op' or 'line', got {by!r}")
    if sort != "name" and sort not in _NUMBERS:
        raise ValueError(f"profile: sort must be 'name' or one of {', '.join(_NUMBERS)}, got {sort!r}")
    found: dict[Any, Row] = {}

    def row(op: str, line: Any) -> Row:
        key = op if by == "op" else line
        if key not in found:
            found[key] = Row(str(UNKNOWN if key is None else key))
        return found[key]

    for event in events:
        if not event.inside:
            row(event.name, event.line).add(event.phase, event.stop - event.start, event.bytes)
    for (op, line), size in at_peak.items():
        if size:
            row(op, line).saved += size
    if sort == "name":
        return sorted(found.values(), key=lambda r: r.name)
    return sorted(found.values(), key=lambda r: (-getattr(r, sort), r.name))


def table(rows: list[Row], by: str, limit: int | None) -> str:
    """Return rows as a table; those beyond the limit are summed up."""
    all_of_it = sum(r.total for r in rows)
    tangents = any(r.pushes for r in rows)
    if limit is not None and len(rows) > limit:
        rest = Row(f"… and {counted(len(rows) - limit, by)} more")
        for r in rows[limit:]:
            rest.include(r)
        rows = [*rows[:limit], rest]
    header = [by, "calls", "forward", "made"]
    header += ["pushes", "tangents", "made"] if tangents else []
    header += ["pulls", "backward", "made", "saved at peak", "total", "share"]
    cells = []
    for r in rows:
        cell = [clipped(r.name, _WIDTH), *_three(r.calls, r.forward, r.forward_bytes)]
        cell += _three(r.pushes, r.tangent, r.tangent_bytes) if tangents else []
        cell += _three(r.pulls, r.backward, r.backward_bytes)
        share = f"{r.total / all_of_it:.1%}" if all_of_it else ""
        cells.append([*cell, bytes_text(r.saved) if r.saved else "", seconds_text(r.total), share])
    return text_table(header, cells, right=range(1, len(header)))


def _three(count: int, seconds: float, size: int) -> list[str]:
    if not count:
        return ["", "", ""]
    return [f"{count:,}", seconds_text(seconds), bytes_text(size)]


def headline(events: Iterable[Any], seconds: float, peak: int) -> str:
    """Return in a sentence what there was in all."""
    outer = [e for e in events if not e.inside]
    ops = counted(sum(e.phase == "forward" for e in outer), "op")
    spent = sum(e.stop - e.start for e in outer)
    kept = bytes_text(peak)
    what = f"{ops} and their derivatives" if len(outer) > sum(e.phase == "forward" for e in outer) else ops
    return f"{what} took {seconds_text(spent)} of {seconds_text(seconds)}; graphs kept {kept} at most"


def seconds_text(seconds: float) -> str:
    """Return a duration with a unit, in three digits.

    Examples
    --------
    >>> from dualad.profiler.tables import seconds_text
    >>> seconds_text(0.00001234), seconds_text(0.5), seconds_text(12.0)
    ('12.3 µs', '500 ms', '12 s')
    """
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    unit, size = next((u for u in units if seconds >= 0.9995 * u[1]), units[-1])
    return f"{seconds / size:.3g} {unit}"
