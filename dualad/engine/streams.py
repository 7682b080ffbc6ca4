"""Streams: a reverse pass sends an op's derivative to the stream that the op itself went to.

A GPU library queues its work on streams, and what is on one does not wait for what is on another. The
user has seen to the order of his program; a pass that walks it backwards has to see to its own.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..backends import Backend
from ..backends.registry import BY_TYPE
from .node import Leaf, Node, Output, Tended
from .tensor import raw_value


def note_stream(node: Node, result: Any) -> None:
    """Let a node remember the stream that its op went to, unless that is the default one."""
    array = raw_value(result[0] if type(result) is tuple else result)
    backend = BY_TYPE[type(array)]
    stream = backend.current_stream(array) if backend is not None and backend.has_streams else None
    if stream is not None:
        node.stream = stream
        if type(node) is Node:
            node.__class__ = Tended


class Streams:
    """Which streams the cotangents of one reverse pass are made on.

    Attributes
    ----------
    outer : object or None
        The stream that was current when the pass began: gradients are complete on it when it ends.
    apart : bool
        Whether the pass has work for a stream other than the default one.
    """

    def __init__(self, backend: Backend, array: Any) -> None:
        self._backend = backend
        self.outer = self._now = backend.current_stream(array)
        self.apart = self.outer is not None
        self._made: dict[int, Any] = {}  # by the number of a node, where its cotangent was made
        self._used: list[Any] = []
        # Memory is given back to the stream it was taken from, which knows nothing of another that
        # still reads it: what crosses from stream to stream is kept to the end.
        self._crossed: list[Any] = []

    @classmethod
    def of_pass(cls, totals: dict[int, Any]) -> Streams | None:
        """Return the streams of a pass from these cotangents; None if their library has none."""
        for g in totals.values():
            array = raw_value(next((a for a in g if a is not None), None) if type(g) is list else g)
            backend = BY_TYPE[type(array)]
            if backend is not None and backend.has_streams:
                return cls(backend, array)
        return None

    def at(self, node: Node, g: Any) -> AbstractContextManager[Any]:
        """Return a context in which work goes to the stream of a node, when its cotangent is there."""
        stream = self._of(node)
        self._wait(self._made.get(node.number, self.outer), stream, g)
        if stream == self._now:
            return nullcontext()
        self.apart = True
        return _On(self, stream, self._backend.on_stream(stream))

    def add(self, number: int, total: Any) -> None:
        """Be told that the cotangent of a node is made, or added to, on the current stream."""
        if total is not None:
            self._wait(self._made.get(number, self.outer), self._now, total)
        self._made[number] = self._now

    def end(self) -> None:
        """Let the stream that was current at the beginning wait for all others, and these for it."""
        for stream in self._used:
            self._backend.join(stream, self.outer)
        for stream in self._used:
            self._backend.join(self.outer, stream)
        self._crossed.clear()

    def _of(self, node: Node) -> Any:
        if type(node) is Output:
            node = node.parents[0]
        return self.outer if type(node) is Leaf else getattr(node, "stream", None)

    def _wait(self, source: Any, target: Any, g: Any) -> None:
        """Let a stream wait for what is queued on another, where `g` was made."""
        for stream in (source, target):
            if stream != self.outer and stream not in self._used:
                self._used.append(stream)
        if source != target:
            self._backend.join(source, target)
            self._crossed.append(g)


class _On:
    """A context in which a pass works on a stream."""

    def __init__(self, streams: Streams, stream: Any, context: AbstractContextManager[Any]) -> None:
        self._streams, self._stream, self._context = streams, stream, context

    def __enter__(self) -> None:
        self._context.__enter__()
        self._before, self._streams._now = self._streams._now, self._stream

    def __exit__(self, *exc: Any) -> None:
        self._streams._now = self._before
        self._context.__exit__(*exc)
