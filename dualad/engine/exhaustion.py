"""Running out of memory: an error that says what held it, for whoever has to run something smaller."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..backends import Backend, Device
from ..backends.registry import BY_TYPE
from ..errors import OutOfMemoryError
from ..words import bytes_text, counted
from .kept import Kept, nbytes, nodes_kept_by, op_name, owner
from .node import Node

#: How many ops are named that hold memory.
NAMED = 3


def exhaustion(error: BaseException, what: str, arrays: list[Any]) -> OutOfMemoryError | None:
    """Return the error to raise for one of a backend; None if that is not about memory.

    Parameters
    ----------
    error : BaseException
        What a backend has raised.
    what : str
        What was going on: the name of an op.
    arrays : list of array
        What it was going on with, of one backend.
    """
    for a in arrays:
        backend = BY_TYPE[type(a)]
        if backend is not None:
            about = f", with {bytes_text(_size(arrays))} in the arguments"
            return shortage(error, what, backend, backend.device_of(a), about)
    if not isinstance(error, MemoryError) or isinstance(error, OutOfMemoryError):
        return None
    return OutOfMemoryError(f"{what}: out of memory. {_in_a_line(error)}")


def shortage(
    error: BaseException, what: str, backend: Backend, device: Device, about: str = ""
) -> OutOfMemoryError | None:
    """Return the error to raise for one of a backend, on a device; None if that is not about memory."""
    if isinstance(error, OutOfMemoryError) or not backend.is_out_of_memory(error):
        return None
    message = f"{what}: out of memory on {device}{about}"
    if figures := backend.memory(device):
        message += "; of the device " + ", ".join(f"{bytes_text(n)} {k}" for k, n in figures.items())
    return OutOfMemoryError(f"{message}. {_in_a_line(error)}")


def describe_graph(error: OutOfMemoryError, nodes: list[Node]) -> None:
    """Add to an error what the graph behind some nodes has saved."""
    sizes: Counter[str] = Counter()
    buffers: dict[int, Any] = {}
    for node in nodes_kept_by(nodes):
        for a in map(owner, Kept(node).arrays):
            if id(a) not in buffers:
                buffers[id(a)] = a
                sizes[op_name(node)] += nbytes(a)
    if sizes:
        most = ", ".join(f"{name} {bytes_text(n)}" for name, n in sizes.most_common(NAMED))
        error.held = (
            f"The graph holds {bytes_text(sizes.total())} in {counted(len(buffers), 'array')} for the "
            f"backward pass ({most}). Run on fewer examples at a time, under dualad.no_grad() if no "
            "gradient is wanted, or with dualad.checkpoint, which computes again rather than hold"
        )


def _in_a_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _size(arrays: list[Any]) -> int:
    known = {id(a): a for a in arrays if BY_TYPE[type(a)] is not None}  # no numbers
    return sum(map(nbytes, known.values()))
