"""CUDA streams, as the core asks for them: which one is current, and what waits for what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A stream of one of several GPUs: the default streams of all of them have the same handle."""

    device: int
    stream: Any


@contextmanager
def on_place(cupy: Any, place: Place) -> Iterator[None]:
    """Send work to a stream of one of several GPUs, and make that GPU the current one."""
    with cupy.cuda.Device(place.device), place.stream:
        yield


def join(cupy: Any, source: Place, target: Place) -> None:
    """Let what is queued on one stream from now wait for what is on another, of that or another GPU."""
    with cupy.cuda.Device(source.device):
        event = source.stream.record(cupy.cuda.Event(disable_timing=True))
    with cupy.cuda.Device(target.device):
        target.stream.wait_event(event)


def copy_to(cupy: Any, array: Any, device: Any) -> Any:
    """Return a copy of an array on another GPU; nothing is waited for here.

    The copy is queued on the current stream of that GPU, behind what is on the current one of the array's.
    That one in turn waits for the copy, as the array's memory may be given back to it, and used again.
    """
    with array.device:
        array = cupy.ascontiguousarray(array)
        here = Place(array.device.id, cupy.cuda.get_current_stream())
    with device:
        there = Place(device.id, cupy.cuda.get_current_stream())
    join(cupy, here, there)
    with device:
        new = array.copy()
    join(cupy, there, here)
    return new
