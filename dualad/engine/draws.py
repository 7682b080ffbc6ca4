"""Random numbers that can be drawn again: what a function that is run a second time needs.

While a function runs, `Draws` notes where the generators stood that it draws from; `replaying` lets it
draw the same numbers again, and nobody else is disturbed: the generators that others draw from are
not set back.
"""

from __future__ import annotations

from contextvars import ContextVar
from threading import Lock
from typing import Any


class Stream:
    """The random numbers of one generator, drawn one after the other, by one thread at a time.

    Attributes
    ----------
    backend, device
        Whose they are.
    generator
        The backend's random number generator.
    seed : int
        Where it began.
    count : int
        How many times it has been drawn from, or been set elsewhere.
    """

    __slots__ = ("_born", "_lock", "backend", "count", "device", "generator", "seed")

    def __init__(self, backend: Any, device: Any, generator: Any, seed: int) -> None:
        self.backend, self.device, self.generator, self.seed = backend, device, generator, seed
        self.count, self._lock, self._born = 0, Lock(), _REPLAY.get()

    def draw(self, kind: str, shape: tuple[int, ...], dtype: Any, **parameters: Any) -> Any:
        """Return an array of the next numbers, as `Backend.random` gives them; whoever notes is told."""
        with self._lock:
            stream = self._now(drawing=1)
            stream.count += 1
            return self.backend.random(stream.generator, kind, shape, dtype, self.device, **parameters)

    def copy(self) -> Stream:
        """Return a stream of the numbers that come next."""
        with self._lock:
            return self._now(drawing=0).copied()

    def _now(self, drawing: int) -> Stream:
        """Return the stream to read: this one, or, where numbers are drawn once more, what it was then."""
        replay = _REPLAY.get()
        stream = self if replay is None else replay.stream(self) or self
        for draws in _NOTING.get():
            draws.note(self, stream, drawing)
        return stream

    def copied(self) -> Stream:
        """Return a copy that nobody is told of."""
        return Stream(self.backend, self.device, self.backend.copy_generator(self.generator), self.seed)

    def set(self, generator: Any, seed: int) -> None:
        """Go on with another generator.

        Where numbers are drawn once more it is known how they go on: only a stream that was made since
        then is set.
        """
        with self._lock:
            replay = _REPLAY.get()
            if replay is None or self._born is replay:
                self.generator, self.seed = generator, seed
                self.count += 1


class Draws:
    """Where generators stood when a function drew from them, or read where they stand.

    A generator is copied at the first draw, and again where others have drawn in between, or it was set.
    """

    def __init__(self) -> None:
        #: For each stream the number of readings before which a copy was made, and the copy.
        self.copies: dict[Stream, list[tuple[int, Stream]]] = {}
        self._read: dict[Stream, int] = {}
        self._next: dict[Stream, tuple[Stream, int]] = {}

    def note(self, stream: Stream, source: Stream, drawing: int) -> None:
        """Be told that a stream is about to be read: where its numbers are from, and if one is drawn."""
        count, expected = self._read.get(stream, 0), self._next.get(stream)
        if expected is None or expected[0] is not source or expected[1] != source.count:
            self.copies.setdefault(stream, []).append((count, source.copied()))
        self._read[stream] = count + 1
        self._next[stream] = source, source.count + drawing


class _Replay:
    """The streams that a function draws from when it is run again."""

    def __init__(self, draws: Draws) -> None:
        self._left = {stream: list(reversed(copies)) for stream, copies in draws.copies.items()}
        self._streams: dict[Stream, Stream] = {}
        self._read: dict[Stream, int] = {}

    def stream(self, stream: Stream) -> Stream | None:
        """Return what a stream was when it was read in this place; None for one that was not."""
        left, count = self._left.get(stream), self._read.get(stream, 0)
        if left and left[-1][0] == count:
            self._streams[stream] = left.pop()[1].copied()
        self._read[stream] = count + 1
        return self._streams.get(stream)


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
