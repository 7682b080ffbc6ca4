"""Events in Chrome's trace format, which chrome://tracing and ui.perfetto.dev show.

The format is described in "Trace Event Format" (Google, 2016): complete events ("X") with a start and
a duration in microseconds, counters ("C"), and metadata ("M").
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from ..backends.registry import DTYPES


def write(path: str | os.PathLike[str], events: Sequence[Any], history: Sequence[tuple[float, int]]) -> None:
    """Write events, and how many bytes graphs kept over time, as a file."""
    start = min([e.start for e in events] + [time for time, _ in history], default=0.0)
    process = os.getpid()
    threads = {thread: n for n, thread in enumerate(dict.fromkeys(e.thread for e in events))}
    entries: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": "dualad"}},
        *(
            {"ph": "M", "name": "thread_name", "pid": process, "tid": n, "args": {"name": f"thread {n}"}}
            for n in threads.values()
        ),
    ]
    for e in sorted(events, key=lambda e: (e.start, -e.stop)):  # what is inside comes after
        entries.append({
            "ph": "X",
            "name": e.name if e.phase == "forward" else f"{e.name} {e.phase}",
            "cat": e.phase,
            "ts": _microseconds(e.start - start),
            "dur": _microseconds(e.stop - e.start),
            "pid": process,
            "tid": threads[e.thread],
            "args": _details(e),
        })  # fmt: skip
    for time, total in history:
        counter = {"ph": "C", "name": "bytes kept by graphs", "ts": _microseconds(time - start)}
        entries.append({**counter, "pid": process, "tid": 0, "args": {"bytes": total}})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"traceEvents": entries, "displayTimeUnit": "ms"}, file)


def _microseconds(seconds: float) -> float:
    return round(seconds * 1e6, 3)


def _details(event: Any) -> dict[str, Any]:
    details = {
        "arguments": [_array(*a) for a in event.arguments],
        "results": [_array(*a) for a in event.results],
        "bytes made": event.bytes,
    }
    return details if event.line is None else {**details, "line": str(event.line)}


def _array(shape: tuple[int, ...], dtype: Any) -> str:
    return f"{shape} {DTYPES[dtype].name}"
