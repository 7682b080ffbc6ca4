"""What a certification has found: a table, faults in words, a verdict, and all of it as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["right", "wrong", "gap", "absent"]

#: How a cell of the table tells the state of what is behind it, the one that counts most first.
_MARKS: dict[State, str] = {"wrong": "FAIL", "gap": "gap", "right": "ok", "absent": "-"}


#: How many places are named in which the same words were said as in the first.
_SHOWN = 8


@dataclass(frozen=True)
class Finding:
    """What one check has found on one device.

    Attributes
    ----------
    row, column : str
        The function and what of it was checked, or the group of the check and its name.
    case : str
        With what a function was called.
    device : str
        Where.
    state : {"right", "wrong", "gap", "absent"}
        Whether all was right, or was not and no gap is declared, or a gap is, or the device has not
        what the check needs.
    words : str
        What is wrong, or what is not there.
    """

    row: str
    column: str
    case: str
    device: str
    state: State
    words: str = ""


@dataclass(frozen=True)
class Gap:
    """Something that a backend declares it cannot do, why, and whether it can after all.

    Attributes
    ----------
    name : str
        The name or pattern that is declared.
    reason : str
        Why.
    works : bool
        Whether what it is of passes.
    hidden : int
        How many checks have failed by it.
    """

    name: str
    reason: str
    works: bool
    hidden: int = 0


@dataclass
class Certificate:
    """What `dualad.testing.certify` returns; printed, it is a table with a verdict below it.

    Attributes
    ----------
    backend : str
        The name of the backend.
    devices : list of str
        The devices that were looked at.
    versions : dict of str to str
        Of dualad, of Python and of what the backend comes from.
    is_whole : bool
        Whether all checks were made, and not only some that were asked for.
    columns : tuple of str
        Those of the table of functions.
    findings : list of Finding
        One for each check and device, in the order of the checks.
    gaps : list of Gap
        The declared ones.
    seconds : float
        How long it took.
    """

    backend: str
    devices: list[str]
    versions: dict[str, str]
    is_whole: bool
    columns: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    seconds: float = 0.0

    # -- what it comes to --------------------------------------------------------------------

    @property
    def faults(self) -> list[Finding]:
        """The checks that have failed, and not by a declared gap."""
        return [f for f in self.findings if f.state == "wrong"]

    @property
    def passed(self) -> bool:
        """Whether nothing has failed but what is declared."""
        return not self.faults and any(f.state == "right" for f in self.findings)

    @property
    def verdict(self) -> str:
        """One line: whether the backend passes, and why not."""
        where = f"{self.backend} on {', '.join(self.devices)}"
        if not self.is_whole:
            where += ", looked at in part"
        if not self.passed:
            wrong = self._grouped(self.faults)
            named = ", ".join(list(wrong)[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
            count = _counted(self._fault_count, "fault")
            what = f"{count} in {named}" if wrong else "nothing could be checked"
            return f"FAILED: {where}: {what}"
        rows = {f.row for f in self._part(True) if f.state == "right"}
        others = {(f.row, f.column) for f in self._part(False) if f.state == "right"}
        right = f"{_counted(len(rows), 'function')} and {_counted(len(others), 'other check')} are right"
        gaps = f", {_counted(len(self.gaps), 'gap')} declared" if self.gaps else ""
        return f"PASSED: {where}: {right}{gaps}"

    @property
    def _fault_count(self) -> int:
        """How many columns of functions, and other checks, have failed."""
        return len({(f.row, f.column) for f in self.faults})

    def _part(self, of_functions: bool) -> list[Finding]:
        return [f for f in self.findings if (f.column in self.columns) is of_functions]

    @staticmethod
    def _grouped(findings: Iterable[Finding]) -> dict[str, dict[str, list[Finding]]]:
        """Return the findings by row and column."""
        rows: dict[str, dict[str, list[Finding]]] = {}
        for f in findings:
            rows.setdefault(f.row, {}).setdefault(f.column, []).append(f)
        return rows

    # -- as text -----------------------------------------------------------------------------

    def __str__(self) -> str:
        head = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        parts = [
            f"Certification of the {self.backend} backend ({head}; {self.seconds:.0f} s)",
            _table(("function", *self.columns), self._function_rows()),
            _table(("other checks", "", ""), self._other_rows()),
            self._fault_text(),
            self._gap_text(),
            self._absent_text(),
            self.verdict,
        ]
        return "\n\n".join(p for p in parts if p)

    def _function_rows(self) -> list[tuple[str, ...]]:
        return [
            (row, *(_cell(columns.get(c, ())) for c in self.columns))
            for row, columns in self._grouped(self._part(True)).items()
        ]

    def _other_rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for row, columns in self._grouped(self._part(False)).items():
            counts = Counter(_cell(findings) for findings in columns.values())
            told = ", ".join(f"{counts[mark]} {mark}" for mark in _MARKS.values() if counts[mark])
            rows.append((row, _cell([f for part in columns.values() for f in part]), told))
        return rows

    def _fault_text(self) -> str:
        lines = []
        for words, groups in self._by_words().items():
            lines.append(f"  {self._place(groups[0])}:\n      {words}")
            if others := [f"{faults[0].row}: {faults[0].column}" for faults in groups[1:]]:
                more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
                lines.append(f"      The same in {', '.join(others[:_SHOWN])}{more}")
        return "\n".join(["What is wrong:", *lines]) if lines else ""

    def _by_words(self) -> dict[str, list[list[Finding]]]:
        """Return the faults of each function and column, or check, by the words of the first."""
        found: dict[str, list[list[Finding]]] = {}
        for columns in self._grouped(self.faults).values():
            for faults in columns.values():
                found.setdefault(faults[0].words, []).append(faults)
        return found

    def _place(self, faults: list[Finding]) -> str:
        first = faults[0]
        count = len([f for f in self.findings if (f.row, f.column) == (first.row, first.column)])
        several = f", in {len(faults)} of {count} cases" if count > 1 else ""
        case = f" ({first.case})" if first.case else ""
        return f"{first.row}: {first.column}{several}; on {first.device}{case}"

    def _gap_text(self) -> str:
        lines = []
        for gap in self.gaps:
            note = f" ({_counted(gap.hidden, 'check')})" if gap.hidden else ""
            if gap.works:
                note = " (works although declared: remove it from gaps)"
            lines.append(f"  {gap.name}: {gap.reason}{note}")
        return "\n".join(["Declared gaps:", *lines]) if lines else ""

    def _absent_text(self) -> str:
        counts = Counter(f.words for f in self.findings if f.state == "absent")
        lines = [f"  {words}: {_counted(n, 'check')}" for words, n in counts.items()]
        return "\n".join(["What was not checked:", *lines]) if lines else ""

    # -- as JSON -----------------------------------------------------------------------------

    def badge(self) -> dict[str, Any]:
        """Return what an endpoint badge of shields.io is made of; that site takes no further keys."""
        part = "" if self.is_whole else ", looked at in part"
        if self.faults:
            message, color = f"{_counted(self._fault_count, 'fault')}{part}", "red"
        elif not self.passed:
            message, color = f"unknown{part}", "lightgrey"
        elif part:
            message, color = "looked at in part", "lightgrey"
        else:
            gaps = f", {_counted(len(self.gaps), 'gap')}" if self.gaps else ""
            message, color = f"certified{gaps}", "green" if self.gaps else "brightgreen"
        return {"schemaVersion": 1, "label": "dualad", "message": message, "color": color}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as dictionaries, lists, texts and numbers."""
        tables = {
            name: {
                row: {column: _state(findings) for column, findings in columns.items()}
                for row, columns in self._grouped(self._part(of_functions)).items()
            }
            for name, of_functions in (("functions", True), ("others", False))
        }
        return {
            "backend": self.backend,
            "devices": self.devices,
            "versions": self.versions,
            "passed": self.passed,
            "whole": self.is_whole,
            "verdict": self.verdict,
            "badge": self.badge(),
            **tables,
            "faults": [
                {"row": f.row, "column": f.column, "case": f.case, "device": f.device, "words": f.words}
                for f in self.faults
            ],
            "absent": dict(Counter(f.words for f in self.findings if f.state == "absent")),
            "gaps": {g.name: {"reason": g.reason, "works": g.works, "hidden": g.hidden} for g in self.gaps},
            "seconds": round(self.seconds, 1),
        }

    def write(self, path: str | Path) -> None:
        """Write all of it to a file as JSON."""
        _write(path, self.to_dict())

    def write_badge(self, path: str | Path) -> None:
        """Write the badge to a file as JSON, as https://shields.io/badges/endpoint-badge reads it."""
        _write(path, self.badge())


def _write(path: str | Path, content: Mapping[str, Any]) -> None:
    Path(path).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _state(findings: Iterable[Finding]) -> State | None:
    """Return the state that counts most; None of nothing."""
    states = {f.state for f in findings}
    return next((s for s in _MARKS if s in states), None)


def _cell(findings: Iterable[Finding]) -> str:
    state = _state(findings)
    return "" if state is None else _MARKS[state]


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    padded = ([c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in (head, *rows))
    lines = ["  ".join(cells).rstrip() for cells in padded]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
