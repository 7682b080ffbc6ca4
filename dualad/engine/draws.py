"""Random numbers that can be drawn again: what a function that is run a second time needs.

While a function runs, `Draws` notes where the generators stood that it draws from; `replaying` lets it
draw the same numbers again, and nobody else is disturbed: the generators that others draw from are
not set back.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any


class Stream:
    """The random numbers of a device, one after the other.

    Attributes
    ----------
    backend, device
        Whose they are.
    generator
        The backend's random number generator.
    count : int
        How many times it has been drawn from.
    """

    __slots__ = ("backend", "count", "device", "generator")

    def __init__(self, backend: Any, device: Any, generator: Any) -> None:
        self.backend, self.device, self.generator, self.count = backend, device, generator, 0

    def drawn(self) -> Any:
        """Return the generator for one draw; whoever notes draws is told."""
        for draws in _NOTING.get():
            draws.note(self)
        self.count += 1
        return self.generator

    def copy(self) -> Stream:
        """Return a stream of the numbers that come next."""
        return Stream(self.backend, self.device, self.backend.copy_generator(self.generator))


class Draws:
    """Where generators stood when a function drew from them.

    A generator is copied at the first draw, and again where others have drawn in between.
    """

    def __init__(self) -> None:
        #: For each device the number of draws before which a copy was made, and the copy.
        self.copies: dict[Any, list[tuple[int, Stream]]] = {}
        self._drawn: dict[Any, int] = {}
        self._next: dict[Any, tuple[Stream, int]] = {}

    def note(self, stream: Stream) -> None:
        """Be told of a draw that is about to be made."""
        device, count = stream.device, self._drawn.get(stream.device, 0)
        expected = self._next.get(device)
        if expected is None or expected[0] is not stream or expected[1] != stream.count:
            self.copies.setdefault(device, []).append((count, stream.copy()))
        self._drawn[device] = count + 1
        self._next[device] = stream, stream.count + 1


class _Replay:
    """The streams that a function draws from when it is run again."""

    def __init__(self, draws: Draws) -> None:
        self._left = {device: list(reversed(copies)) for device, copies in draws.copies.items()}
        self._streams: dict[Any, Stream] = {}
        self._drawn: dict[Any, int] = {}

    def stream(self, device: Any) -> Stream | None:
        left, count = self._left.get(device), self._drawn.get(device, 0)
        if left and left[-1][0] == count:
            self._streams[device] = left.pop()[1].copy()
        self._drawn[device] = count + 1
        return self._streams.get(device)


_NOTING: ContextVar[tuple[Draws, ...]] = ContextVar("dualad_noting_draws", default=())
_REPLAY: ContextVar[_Replay | None] = ContextVar("dualad_replaying_draws", default=None)


class noting:
    """Note where generators stand when they are drawn from, in this thread or task."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws

    def __enter__(self) -> None:
        self._before = _NOTING.get()
        _NOTING.set((*self._before, self._draws))

    def __exit__(self, *exc: object) -> None:
        _NOTING.set(self._before)


class replaying:
    """Draw the numbers that have been noted once more, in this thread or task; None for new ones.

    Whoever notes draws has noted them the first time.
    """

    def __init__(self, draws: Draws | None) -> None:
        self._replay = None if draws is None else _Replay(draws)

    def __enter__(self) -> None:
        self._before = _REPLAY.get(), _NOTING.get()
        _REPLAY.set(self._replay)
        _NOTING.set(())

    def __exit__(self, *exc: object) -> None:
        _REPLAY.set(self._before[0])
        _NOTING.set(self._before[1])


def is_replaying() -> bool:
    """Return whether numbers are drawn once more here: a seed that is set then counts for nothing."""
    return _REPLAY.get() is not None


def replayed(device: Any) -> Stream | None:
    """Return the stream to draw from once more; None where a device's own is to be drawn from."""
    replay = _REPLAY.get()
    return None if replay is None else replay.stream(device)
