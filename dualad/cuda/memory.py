"""How much of a GPU's memory is in use, and giving back what is not."""

from __future__ import annotations

from typing import Any

from .devices import backend, complete, is_available


def memory_allocated(device: Any = None) -> int:
    """Return the bytes that arrays have on a GPU, the current one for None: those of CuPy's pool in use.

    The pool keeps no record of the most there has been. What it holds does: `memory_reserved`, after
    `empty_cache` and the program that is looked at.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     used = dualad.cuda.memory_allocated()
    """
    return backend().memory(complete(device))["allocated"]


def memory_reserved(device: Any = None) -> int:
    """Return the bytes that CuPy's pool holds on a GPU, in use and ready for use.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     unused = dualad.cuda.memory_reserved() - dualad.cuda.memory_allocated()
    """
    return backend().memory(complete(device))["reserved"]


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Return the bytes of a GPU that are free, for whichever program, and all it has.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     free, total = dualad.cuda.mem_get_info()
    """
    known = backend().memory(complete(device))
    return known["free"], known["total"]


def empty_cache() -> None:
    """Give the memory that CuPy's pool holds and no array has back to all GPUs; without one, do nothing.

    Examples
    --------
    >>> import dualad
    >>> dualad.cuda.empty_cache()
    """
    if is_available():
        for device in backend().devices():
            backend().free_memory(device)
