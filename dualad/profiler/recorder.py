"""The profiler: it looks on at ops and their derivatives, and notes what each takes and makes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock, get_ident
from time import perf_counter
from typing import Any

from ..backends.base import Backend
from ..backends.registry import BY_TYPE, Cache
from ..engine.kept import nbytes, op_name, owner
from ..engine.lines import Line, record_line, user_line
from ..engine.node import Node
from ..engine.operands import arrays_in
from ..engine.recording import RECORDING, Observer, observing
from ..errors import GradientError
from . import tables, trace
from .saved import Saved


@dataclass(slots=True)
class Event:
    """What was computed: an op, its tangents, or its part of a backward pass.

    Attributes
    ----------
    name : str
        The op's.
    phase : {"forward", "tangent", "backward"}
        Which of these.
    start, stop : float
        When, in seconds.
    line : Line or None
        The line of the user's program that called the op.
    arguments, results : list of (shape, dtype)
        Of the arrays that went in and came out.
    bytes : int
        Of the results, without those that share the memory of an argument.
    thread : int
        Which thread it ran in.
    inside : bool
        Whether it was part of another event, which counts it.
    """

    name: str
    phase: str
    start: float
    stop: float
    line: Line | None
    arguments: list[tuple[Any, Any]]
    results: list[tuple[Any, Any]]
    bytes: int
    thread: int
    inside: bool = False


class profile(Observer):
    """Measure the time and the memory of what is computed inside a ``with``, op by op.

    A context manager, for the current thread or async task. Entered again, it goes on counting.

    Attributes
    ----------
    events : list of Event
        All that was computed, in the order in which it ended.
    seconds : float
        How long the ``with`` took, all in all.
    peak : int
        The most bytes that graphs kept for backward passes at one time.

    Notes
    -----
    An op takes some 15 µs longer while it is looked at, and its part of a backward pass as much. That is
    not in its time, but in that of what it is part of: a derivative whose rule is made of ops, which is
    so at higher orders. Devices that work on their own, such as GPUs, are waited for after each op, so
    that its time is its own; nothing overlaps then.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.ones((100, 100), requires_grad=True)
    >>> with dualad.profile() as p:
    ...     (x @ x).log().sum().backward()
    >>> print(p)
    3 ops and their derivatives took ... of ...; graphs kept 78.1 KiB at most
    <BLANKLINE>
    op      calls  forward      made  pulls  backward      made  saved at peak    total  share
    ...
    >>> p.save_trace("trace.json")  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seconds = 0.0
        self.saved = Saved()
        self._entered: float | None = None
        self._observing = observing(self)
        self._ended: dict[int, list[Event]] = {}  # by thread, what is not known to be part of another
        self._lines: dict[int, Line | None] = {}  # by thread, that of the op computed last
        self._lock = Lock()  # a context may be copied into several threads

    def __enter__(self) -> profile:
        if self._entered is not None:
            raise GradientError("profile: this profile is running already; make another for what is inside")
        self._observing.__enter__()
        self._entered = perf_counter()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._entered is None:
            raise GradientError("profile: it is not running; enter it first, by a with statement")
        self.seconds += perf_counter() - self._entered
        self._entered = None
        self._observing.__exit__(*exc)
        self.saved.settle()

    @property
    def peak(self) -> int:
        return self.saved.peak

    # -- looking on ------------------------------------------------------------------------------------

    def computed(self, op: Any, values: Any, y: Any, start: float) -> None:
        results = arrays_in(y)
        stop = _clock(results)
        # What a rule computes is part of the rule's time, and its line is not the user's.
        line = None
        if RECORDING.get().within is None:
            line = self._lines[get_ident()] = user_line()
        self._note(op.name, "forward", start, stop, line, arrays_in(values), results)

    def pushed(self, op: Any, duals: list[Any], t: Any, start: float) -> None:
        results = arrays_in(t)
        stop = _clock(results)
        line = self._lines.get(get_ident()) if RECORDING.get().within is None else None
        tangents = arrays_in([d.tangent for d in duals if d is not None])
        self._note(op.name, "tangent", start, stop, line, tangents, results)

    def recorded(self, node: Node) -> None:
        if "line" not in node.metadata:  # anomaly mode has seen to it if it is on
            if RECORDING.get().within is None and get_ident() in self._lines:
                node.metadata["line"] = self._lines[get_ident()]  # that of the op, which was just computed
            else:
                record_line(node)
        with self._lock:
            self.saved.add(node, (op_name(node), node.metadata["line"]))

    def pulled(self, node: Node, g: Any, parts: list[Any], start: float) -> None:
        results = arrays_in(parts)
        stop = _clock(results)
        line = node.metadata.get("line")
        self._note(op_name(node), "backward", start, stop, line, arrays_in(g), results)
        with self._lock:
            self.saved.walked(node)

    def _note(
        self, name: str, phase: str, start: float, stop: float, line: Any, arguments: Any, results: Any
    ) -> None:
        owners = {id(owner(a)) for a in arguments}
        made = {id(own): nbytes(a) for a in results if id(own := owner(a)) not in owners}
        event = Event(
            name, phase, start, stop, line,
            [(tuple(a.shape), a.dtype) for a in arguments], [(tuple(a.shape), a.dtype) for a in results],
            sum(made.values()), get_ident(),
        )  # fmt: skip
        with self._lock:
            self.events.append(event)
            ended = self._ended.setdefault(event.thread, [])
            while ended and ended[-1].start >= start:
                ended.pop().inside = True
            ended.append(event)

    # -- telling ---------------------------------------------------------------------------------------

    def rows(self, by: str = "op", sort: str = "total") -> list[tables.Row]:
        """Return what was measured for each op, or for each line of the program.

        Parameters
        ----------
        by : {"op", "line"}
            What a row is for.
        sort : str
            Which attribute of `Row` to sort by: the largest first, or, for "name", in their order.

        Raises
        ------
        ValueError
            If `by` or `sort` is none of these.
        """
        return tables.rows(self.events, self.saved.at_peak, by, sort)

    def table(self, by: str = "op", sort: str = "total", limit: int | None = None) -> str:
        """Return the rows as a table in plain text, the first `limit` ones.

        The columns: how often the op was called, the time that took and the bytes of new arrays it made;
        the same for its part of backward passes (its pulls), and for tangents if there were any; the bytes
        that graphs kept of it when they kept most; and the time in all.

        Parameters
        ----------
        by, sort : str
            See `rows`.
        limit : int, optional
            How many rows to show; the rest is summed up in one.
        """
        return tables.table(self.rows(by, sort), by, limit)

    def __str__(self) -> str:
        headline = tables.headline(self.events, self.seconds, self.peak)
        return "\n\n".join([headline, self.table(limit=_SHOWN), self.table(by="line", limit=_SHOWN)])

    def __repr__(self) -> str:
        return f"<profile: {tables.headline(self.events, self.seconds, self.peak)}>"

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the events as a file that chrome://tracing and ui.perfetto.dev show.

        Parameters
        ----------
        path : str or PathLike
            Where to; by custom its name ends in ``.json``.
        """
        trace.write(path, self.events, self.saved.history)


_SHOWN = 20

#: For each type of array, whether its device works on its own and has to be waited for.
_WAITS: Cache[type, bool] = Cache()


def _clock(arrays: Iterable[Any]) -> float:
    """Return the time when the arrays are there."""
    for a in arrays:
        kind = type(a)
        waits = _WAITS.get(kind)
        if waits is None:
            synchronize = getattr(type(BY_TYPE[kind]), "synchronize", Backend.synchronize)
            waits = _WAITS[kind] = synchronize is not Backend.synchronize
        if waits:
            backend = BY_TYPE[kind]
            assert backend is not None
            backend.synchronize(backend.device_of(a))
    return perf_counter()
