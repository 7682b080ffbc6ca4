"""Whether ops are recorded, from which level on, and who looks on.

Both are per thread and per async task.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from time import perf_counter
from typing import Any

#: Read by every op: a ContextVar costs 20 ns, and each thread and each asyncio task has a value of
#: its own. True, False, or, where there is more to say, a `Watched` that is as true as it says.
RECORDING: ContextVar[Any] = ContextVar("dualad_recording", default=True)


class Observer:
    """Somebody who is told of each op; the methods of this class do nothing.

    The profiler, anomaly mode and the hooks for saved values are such. While there is one, ops and
    walks take their general path; while there is none, nothing is spent on it.
    """

    def computed(self, op: Any, values: Any, y: Any, start: float) -> None:
        """Be told that an op has computed `y`, an array or a tuple of them, of arrays and numbers.

        `start` is what `perf_counter` said before. On a GPU the work need not be done yet.
        """

    def pushed(self, op: Any, duals: list[Any], t: Any, start: float) -> None:
        """Be told of the tangent that an op's arguments, with a Dual or None each, gave its result."""

    def recorded(self, node: Any) -> None:
        """Be told of a new node of a tape."""

    def pulled(self, node: Any, g: Any, parts: list[Any], start: float) -> None:
        """Be told of a node's cotangent (a list for several outputs) and of those it gave its parents."""


class Watched:
    """Whether ops are recorded, from which level on, who looks on, and whose derivative is being computed.

    Attributes
    ----------
    recording : bool
        What the mode would be if nobody looked on.
    observers : tuple of Observer
        The one that came last is at the end.
    within : Node, Op or None
        Whose rule is being evaluated: that of a node in a reverse pass, or of an op in forward mode.
    lowest : int
        The level from which on ops are recorded: that of a transform called where nothing should be.
    """

    __slots__ = ("lowest", "observers", "recording", "within")

    def __init__(
        self, recording: bool, observers: tuple[Observer, ...] = (), within: Any = None, lowest: int = 0
    ) -> None:
        self.recording, self.observers, self.within, self.lowest = recording, observers, within, lowest

    def __bool__(self) -> bool:
        return self.recording

    def records(self, level: int) -> bool:
        """Whether ops on Tensors of a level are recorded."""
        return self.recording and level >= self.lowest

    def compute(self, op: Any, function: Any, values: Any, static: dict[str, Any]) -> Any:
        """Call a backend's function for an op, and tell who looks on."""
        start = perf_counter()
        y = function(*values, **static)
        for observer in self.observers:
            observer.computed(op, values, y, start)
        return y

    def push(self, op: Any, y: Any, values: list[Any], duals: list[Any], static: dict[str, Any]) -> Any:
        """Let an op push tangents on, and tell who looks on."""
        start = perf_counter()
        t = self.evaluate(op, op.push, y, values, duals, static)
        for observer in self.observers:
            observer.pushed(op, duals, t, start)
        return t

    def evaluate(self, within: Any, rule: Callable[..., Any], *args: Any) -> Any:
        """Call what evaluates rules, and let it be known whose they are."""
        token = RECORDING.set(Watched(self.recording, self.observers, within, self.lowest))
        try:
            return rule(*args)
        finally:
            RECORDING.reset(token)

    def recorded(self, node: Any) -> None:
        """Tell who looks on of a new node."""
        for observer in self.observers:
            observer.recorded(node)

    def pulled(self, node: Any, g: Any, parts: list[Any], start: float) -> None:
        """Tell who looks on what a node's pull gave."""
        for observer in self.observers:
            observer.pulled(node, g, parts, start)


def records(level: int) -> bool:
    """Whether ops on Tensors of a level are recorded."""
    mode = RECORDING.get()
    return mode if type(mode) is bool else mode.records(level)


def observers() -> tuple[Observer, ...]:
    """Return who looks on in this thread or task, the one that came last at the end."""
    mode = RECORDING.get()
    return () if type(mode) is bool else mode.observers


def set_recording(recording: bool) -> Token[Any]:
    """Set whether ops are recorded, whoever looks on."""
    mode = RECORDING.get()
    if type(mode) is bool:
        return RECORDING.set(recording)
    return RECORDING.set(Watched(recording, mode.observers, mode.within))


def restore(before: Any) -> None:
    """Set what is recorded to what it was, whoever looks on by now."""
    mode = RECORDING.get()
    if type(mode) is bool and type(before) is bool:
        RECORDING.set(before)
        return
    lowest = 0 if type(before) is bool else before.lowest
    within, observers = (None, ()) if type(mode) is bool else (mode.within, mode.observers)
    RECORDING.set(Watched(bool(before), observers, within, lowest) if observers or lowest else bool(before))


def set_observers(observers: tuple[Observer, ...]) -> None:
    """Set who looks on in this thread or task."""
    mode = RECORDING.get()
    within, lowest = (None, 0) if type(mode) is bool else (mode.within, mode.lowest)
    RECORDING.set(Watched(bool(mode), observers, within, lowest) if observers or lowest else bool(mode))


class recording_from:
    """Record ops on Tensors of a level and above, those of a transform, until the ``with`` ends.

    The levels around a transform that is called under `no_grad` stay unrecorded.
    """

    def __init__(self, level: int) -> None:
        self._level = level

    def __enter__(self) -> None:
        mode = RECORDING.get()
        if not mode:
            within = None if type(mode) is bool else mode.within
            mode = Watched(True, observers(), within, self._level)
        self._token = RECORDING.set(mode)

    def __exit__(self, *exc: object) -> None:
        RECORDING.reset(self._token)


class observing:
    """Let an observer look on, in this thread or task, until the ``with`` ends."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def __enter__(self) -> None:
        before = observers()
        try:
            set_observers((*before, self._observer))
        except BaseException:  # Ctrl-C, between two instructions
            set_observers(before)
            raise

    def __exit__(self, *exc: object) -> None:
        left = list(observers())
        left.reverse()  # entered twice, it leaves the inner one
        if self._observer in left:
            left.remove(self._observer)
        remaining = tuple(left[::-1])
        try:
            set_observers(remaining)
        except BaseException:
            set_observers(remaining)
            raise
