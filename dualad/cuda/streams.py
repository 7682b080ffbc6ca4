"""Streams and events by PyTorch's names, each one of CuPy's inside.

A stream of CuPy's is as good: ``with cupy.cuda.Stream():`` is respected by all that dualad does.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from ..backends import Device
from .devices import complete, native


class Stream:
    """A queue of work of a GPU.

    Like PyTorch's it does not wait for the default stream: see to the order with `wait_stream`.

    Parameters
    ----------
    device : int, str or Device, optional
        The current GPU if None.
    priority : int, optional
        The lower the sooner.
    stream : object, optional
        A stream of CuPy's, or another's by CUDA's protocol ``__cuda_stream__``, to stand for instead of
        a new one.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     s = dualad.cuda.Stream()
    ...     with dualad.cuda.stream(s):
    ...         x = dualad.ones(3, device="cuda")
    ...     dualad.cuda.current_stream().wait_stream(s)
    """

    def __init__(self, device: Any = None, priority: int = 0, *, stream: Any = None) -> None:
        self.device: Device = complete(device)
        self._contexts: list[ExitStack] = []
        cuda = native()
        if stream is None:
            with cuda.Device(self.device.index):
                self.native = cuda.Stream(non_blocking=True, priority=priority or None)
        elif hasattr(stream, "record") and hasattr(stream, "ptr"):
            self.native = stream
        else:
            self.native = cuda.Stream.from_external(stream)

    @property
    def cuda_stream(self) -> int:
        """CUDA's handle of the stream."""
        return int(self.native.ptr)

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, self.cuda_stream)

    def wait_stream(self, stream: Any) -> None:
        """Let work queued from now on wait for what is queued on another stream."""
        self.wait_event(_wrapped(stream, self.device).record_event())

    def wait_event(self, event: Any) -> None:
        """Let work queued from now on wait for an event."""
        with native().Device(self.device.index):
            self.native.wait_event(getattr(event, "native", event))

    def record_event(self, event: Any = None) -> Event:
        """Return an event that is over when what is queued by now is done."""
        event = event or Event()
        event.record(self)
        return event

    def synchronize(self) -> None:
        """Wait until what is queued is done."""
        with native().Device(self.device.index):
            self.native.synchronize()

    def query(self) -> bool:
        """Return whether all that was queued is done."""
        return bool(self.native.done)

    def __enter__(self) -> Stream:
        context = ExitStack()
        context.enter_context(native().Device(self.device.index))
        context.enter_context(self.native)
        self._contexts.append(context)
        return self

    def __exit__(self, *exc: object) -> None:
        self._contexts.pop().close()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return (self.device, self.cuda_stream) == (other.device, other.cuda_stream)

    def __hash__(self) -> int:
        return hash((self.device, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<dualad.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A mark in a stream's queue, to be waited for.

    Parameters
    ----------
    enable_timing : bool
        Whether `elapsed_time` is to be asked.
    blocking : bool
        Whether `synchronize` lets the thread sleep.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     begin, end = (dualad.cuda.Event(enable_timing=True) for _ in range(2))
    ...     begin.record()
    ...     y = dualad.rand(100, device="cuda").sum()
    ...     end.record()
    ...     end.synchronize()
    ...     milliseconds = begin.elapsed_time(end)
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False) -> None:
        self.native = native().Event(block=blocking, disable_timing=not enable_timing)

    def record(self, stream: Any = None) -> None:
        """Put the mark behind what is queued on a stream, the current one for None."""
        s = current_stream() if stream is None else _wrapped(stream, None)
        with native().Device(s.device.index):
            s.native.record(self.native)

    def wait(self, stream: Any = None) -> None:
        """Let work queued from now on on a stream, the current one for None, wait for the mark."""
        (current_stream() if stream is None else _wrapped(stream, None)).wait_event(self)

    def synchronize(self) -> None:
        """Wait until the mark is reached."""
        self.native.synchronize()

    def query(self) -> bool:
        """Return whether the mark has been reached."""
        return bool(self.native.done)

    def elapsed_time(self, end_event: Event) -> float:
        """Return the milliseconds from this mark to another."""
        return float(native().get_elapsed_time(self.native, end_event.native))


def current_stream(device: Any = None) -> Stream:
    """Return the stream that work on a GPU, the current one for None, goes to.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     s = dualad.cuda.current_stream()
    """
    full = complete(device)
    return Stream(full, stream=native().get_current_stream(full.index))


def default_stream(device: Any = None) -> Stream:
    """Return the stream that work on a GPU goes to where no other is chosen.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     s = dualad.cuda.default_stream()
    """
    return Stream(complete(device), stream=native().Stream.null)


def stream(stream: Any) -> AbstractContextManager[Any]:
    """Return a context in which a stream, dualad's or CuPy's, is the current one; None changes nothing.

    Examples
    --------
    >>> import dualad
    >>> with dualad.cuda.stream(None):
    ...     x = dualad.ones(3)
    """
    return nullcontext() if stream is None else _wrapped(stream, None)


def set_stream(stream: Any) -> None:
    """Make a stream the current one, and its GPU the current one; None changes nothing.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     dualad.cuda.set_stream(dualad.cuda.default_stream())
    """
    if stream is not None:
        s = _wrapped(stream, None)
        native().Device(s.device.index).use()
        s.native.use()


def _wrapped(stream: Any, device: Any) -> Stream:
    """Return a stream of CuPy's, or by CUDA's protocol, as one of dualad's."""
    if isinstance(stream, Stream):
        return stream
    number = getattr(stream, "device_id", -1)
    return Stream(number if number >= 0 else device, stream=stream)
