"""Keys that index an array without other arrays, as the standard wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Key = Any  # an index: an int, slice, ellipsis, None, integer or boolean array, or a tuple of them

BASIC_KEYS = (int, slice, type(None), type(...), np.integer)


def is_basic(key: Key) -> bool:
    """Whether a key is made of integers, slices, ellipses and newaxes alone."""
    if type(key) is int or type(key) is slice:
        return True
    parts = key if isinstance(key, tuple) else (key,)
    return all(isinstance(k, BASIC_KEYS) and not isinstance(k, bool) for k in parts)


def basic_key(key: Key, shape: Sequence[int]) -> tuple[Any, ...]:
    """Return a basic key as the standard demands it: complete, and with slices inside the bounds."""
    parts = key if isinstance(key, tuple) else (key,)
    used = sum(k is not None and k is not ... for k in parts)
    if used > len(shape):
        raise IndexError(f"too many indices: the array is {len(shape)}-dimensional, {used} given")
    if ... not in parts:
        parts = (*parts, ...)
    out: list[Any] = []
    axis = 0
    for k in parts:
        if k is ...:
            axis += len(shape) - used
            out.append(k)
        elif k is None:
            out.append(k)
        else:
            out.append(_inside(k, shape[axis], axis))
            axis += 1
    return tuple(out)


def _inside(k: Any, n: int, axis: int) -> Any:
    if isinstance(k, slice):
        start, stop, step = k.indices(n)
        if not range(start, stop, step):
            return slice(0, 0, 1)
        return slice(start, stop if stop >= 0 else None, step)
    if not -n <= k < n:
        raise IndexError(f"index {k} is out of bounds for axis {axis} with size {n}")
    return int(k)
