"""What graphs keep for backward passes while a program runs, and when that is most."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Any
from weakref import ref

from ..engine.kept import Kept, nbytes, owner
from ..engine.node import Node, is_freed

Key = tuple[str, Any]  # an op's name, and the line that called it


class Saved:
    """The bytes that nodes keep, buffer by buffer: what several share counts once, for the first.

    Attributes
    ----------
    total, peak : int
        The bytes that are kept now, and the most that were.
    history : list of (float, int)
        The total after each change, with its time.
    """

    def __init__(self) -> None:
        self.total = self.peak = 0
        self.history: list[tuple[float, int]] = []
        self._by_key: dict[Key, int] = {}
        self._at_peak: dict[Key, int] | None = {}  # None while the total is at its peak
        self._buffers: dict[int, list[Any]] = {}  # by identity: how many nodes keep it, its bytes, its key
        self._nodes: dict[int, tuple[Any, list[int]]] = {}  # by number: a reference, and the buffers' ids
        # The numbers of nodes that are gone. What is told of a node's end may come at any moment, from
        # any thread: it is only noted, and seen to before the next change.
        self._gone: deque[int] = deque()
        self._walked: Node | None = None

    @property
    def at_peak(self) -> dict[Key, int]:
        """The bytes that were kept of each op and line when the total was highest."""
        return dict(self._by_key) if self._at_peak is None else self._at_peak

    def add(self, node: Node, key: Key) -> None:
        """Count what a new node keeps."""
        self.settle()
        buffers = {id(b): b for b in map(owner, Kept(node).arrays)}
        if not buffers:
            return
        gone, number = self._gone, node.number
        self._nodes[number] = (ref(node, lambda _: gone.append(number)), list(buffers))
        before = self.total
        for identity, buffer in buffers.items():
            if identity in self._buffers:
                self._buffers[identity][0] += 1
            else:
                size = nbytes(buffer)
                self._buffers[identity] = [1, size, key]
                self.total += size
                self._by_key[key] = self._by_key.get(key, 0) + size
        if self.total != before:
            self.history.append((perf_counter(), self.total))
        if self.total > self.peak:
            self.peak, self._at_peak = self.total, None

    def walked(self, node: Node) -> None:
        """Note that a backward pass has come by a node: what it keeps may be freed right after."""
        self.settle()
        self._walked = node

    def settle(self) -> None:
        """See to what has been freed."""
        node, self._walked = self._walked, None
        if node is not None and is_freed(node):
            self._release(node.number)
        del node
        while self._gone:
            self._release(self._gone.popleft())

    def _release(self, number: int) -> None:
        _, identities = self._nodes.pop(number, (None, []))
        freed = 0
        for identity in identities:
            buffer = self._buffers[identity]
            buffer[0] -= 1
            if not buffer[0]:
                freed += buffer[1]
                self._uncount(buffer[2], buffer[1])
                del self._buffers[identity]
        if freed:
            self.total -= freed
            self.history.append((perf_counter(), self.total))

    def _uncount(self, key: Key, size: int) -> None:
        if self._at_peak is None:
            self._at_peak = dict(self._by_key)
        self._by_key[key] -= size
