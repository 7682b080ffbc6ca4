"""Reading, writing and adding by index, on the GPU alone: nothing is pulled to the host to find out where.

Of a boolean mask on the GPU the host must know how many elements it selects where something of that
size is read, or written; that is the one thing that is waited for here. Where an integer array on the
GPU reaches out of bounds, it wraps around, as always in CuPy: to say so would be to wait for it.
Indices that come from the host are checked there.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from dualad.backends.keys import is_basic
from dualad.errors import DeviceError

# What CUDA adds atomically. Half precision is left out: each of its sums would be rounded.
_ATOMIC = frozenset("iIlLqQfd")


class Indexing:
    """Reading and writing by index with CuPy.

    Parameters
    ----------
    cupy, cupyx : module
        The library.
    """

    def __init__(self, cupy: Any, cupyx: Any) -> None:
        self.cupy, self.cupyx = cupy, cupyx

    def read(self, array: Any, key: Any) -> Any:
        """Return ``array[key]``."""
        return array[key if is_basic(key) else self._key(array, key)]

    def write(self, array: Any, value: Any, key: Any) -> Any:
        """Do ``array[key] = value`` in place, of several values for an element the last; return the array."""
        if is_basic(key):
            array[key] = value
            return array
        key = self._key(array, key)
        several = isinstance(value, self.cupy.ndarray) and value.size != 1
        if self._is_mask(key) and not several:
            value = self.cupy.reshape(value, ()) if isinstance(value, self.cupy.ndarray) else value
            self.cupy.copyto(array, value, casting="unsafe", where=self._spread(key, array.ndim))
            return array
        if several and not self._is_mask(key) and self._may_repeat(key):
            value = self._last(array, value, key)
        array[key] = value
        return array

    def add(self, array: Any, value: Any, key: Any, deterministic: bool) -> Any:
        """Add `value` at `key` in place, repeated positions counted each time; return the array."""
        if is_basic(key):
            view = array[key]
            view += value
            return array
        key = self._key(array, key)
        if self._is_mask(key):
            array += self._unmasked(array, value, key)
            return array
        if array.dtype.kind == "c" and not deterministic:  # part by part
            self.cupyx.scatter_add(array.real, key, value.real)
            self.cupyx.scatter_add(array.imag, key, value.imag)
        elif array.dtype.char in _ATOMIC and (array.dtype.kind in "iu" or not deterministic):
            self.cupyx.scatter_add(array, key, value)
        else:
            self._add_in_order(array, value, key)
        return array

    # -- keys --------------------------------------------------------------------------------

    def _key(self, array: Any, key: Any) -> Any:
        """Return a key as CuPy takes it: index arrays on the GPU, and masks beside others as integers.

        Raises
        ------
        IndexError
            If an index from the host is out of bounds, and all of them are from the host.
        DeviceError
            If an index array is on another GPU.
        """
        parts = key if isinstance(key, tuple) else (key,)
        kind = self.cupy.ndarray
        if not any(isinstance(k, kind) for k in parts):
            _check(array.shape, parts)
        ready: list[Any] = []
        for k in parts:
            if isinstance(k, (np.ndarray, list, bool, np.bool_)):
                k = np.asarray(k)
                masked = k.dtype.kind == "b" and k.ndim > 0
                ready.extend(map(self.cupy.asarray, k.nonzero() if masked else (k,)))
            elif isinstance(k, kind):
                if k.device != array.device:
                    raise DeviceError(
                        f"an array on cuda:{array.device.id} is indexed by one on cuda:{k.device.id}; move "
                        "the index first"
                    )
                masked = k.dtype.kind == "b" and k.ndim > 0
                if masked and len(parts) == 1 and k.shape != array.shape[: k.ndim]:
                    raise IndexError(
                        f"a mask of shape {k.shape} does not fit an array of shape {array.shape}"
                    )
                ready.extend(k.nonzero() if masked and len(parts) > 1 else (k,))
            else:
                ready.append(k)
        return ready[0] if len(ready) == 1 else tuple(ready)

    def _is_mask(self, key: Any) -> bool:
        return isinstance(key, self.cupy.ndarray) and key.dtype.kind == "b"

    def _may_repeat(self, key: Any) -> bool:
        """Whether a key, no mask, may have an element twice."""
        parts = key if isinstance(key, tuple) else (key,)
        return any(isinstance(k, self.cupy.ndarray) and k.size > 1 for k in parts)

    def _spread(self, mask: Any, ndim: int) -> Any:
        """Return a mask of the first axes with an axis of length 1 for each other."""
        return self.cupy.reshape(mask, (*mask.shape, *[1] * (ndim - mask.ndim)))

    # -- writing and adding ------------------------------------------------------------------

    def _unmasked(self, array: Any, value: Any, mask: Any) -> Any:
        """Return an array of zeros with `value` where a mask of the first axes is true."""
        cupy, rest = self.cupy, array.shape[mask.ndim :]
        if value.size == 0:
            return cupy.zeros((), array.dtype)
        # The number of each element among those that are true; of others, of no matter, one that is there.
        number = cupy.maximum(cupy.cumsum(mask.ravel(), dtype=np.int64) - 1, 0)
        found = cupy.reshape(cupy.take(value, number, axis=0), (*mask.shape, *rest))
        return cupy.where(self._spread(mask, array.ndim), found, cupy.zeros((), value.dtype))

    def _last(self, array: Any, value: Any, key: Any) -> Any:
        """Return a value to write in which what goes to one element is equal: the last, as in NumPy.

        Threads write in no order, so that of different values any might be the one that stays.
        """
        cupy = self.cupy
        axis = self._only_axis(key)
        if axis is None:
            last = self._last_of(array.shape, key)
            return cupy.reshape(cupy.take(self._broadcast(value, last.shape), last), last.shape)
        # Count along that axis alone.
        index = key[axis] if isinstance(key, tuple) else key
        before, rest = array.shape[:axis], array.shape[axis + 1 :]
        shape = (*before, *index.shape, *rest)
        last = self._last_of(array.shape[axis : axis + 1], index)
        values = cupy.reshape(self._broadcast(value, shape), (*before, index.size, *rest))
        return cupy.reshape(cupy.take(values, last.ravel(), axis=axis), shape)

    def _broadcast(self, value: Any, shape: tuple[int, ...]) -> Any:
        while value.ndim > len(shape) and value.shape[0] == 1:
            value = value[0]
        return self.cupy.broadcast_to(value, shape)

    def _last_of(self, shape: tuple[int, ...], key: Any) -> Any:
        """Return, for each number in the order of what `key` selects, the last that selects the same."""
        cupy = self.cupy
        winners = cupy.zeros(shape, np.int64)
        read = winners[key].shape
        self.cupyx.scatter_max(winners, key, cupy.reshape(cupy.arange(prod(read)), read))
        return winners[key]

    def _only_axis(self, key: Any) -> int | None:
        """Return the axis of the one index array of a key that has all of each other axis; else None."""
        if isinstance(key, self.cupy.ndarray):
            return 0
        whole = [isinstance(k, slice) and k == slice(None) for k in key]
        arrays = [i for i, k in enumerate(key) if isinstance(k, self.cupy.ndarray)]
        return arrays[0] if len(arrays) == 1 and sum(whole) == len(key) - 1 else None

    def _add_in_order(self, array: Any, value: Any, key: Any) -> None:
        """Add `value` at `key` the same way each time, halves in single precision.

        What goes to one element is brought together by sorting, and added up in a tree: in step s each
        number gets the one 2**s places behind it, if that goes to the same element. The first of each
        then has the sum, and all are given it, so that it does not matter which of them is written last.
        """
        cupy = self.cupy
        places = cupy.reshape(cupy.arange(array.size), array.shape)[key].ravel()
        value = cupy.broadcast_to(value, array[key].shape).ravel()
        if not places.size:
            return
        order = cupy.argsort(places)
        places = places[order]
        wide = value.dtype if value.dtype.itemsize > 2 or value.dtype.kind in "iub" else np.float32
        sums = value[order].astype(wide)
        step, n = 1, places.size
        while step < n:
            same = places[step:] == places[:-step]
            added = cupy.where(same, sums[step:], cupy.zeros((), wide))
            sums = cupy.concatenate([sums[:-step] + added, sums[-step:]])
            step *= 2
        first = cupy.searchsorted(places, places)
        where = _coordinates(places, array.shape)
        array[where] = (array[where].astype(wide) + sums[first]).astype(array.dtype)


def _coordinates(places: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the index along each axis of places counted over all; CuPy's unravel_index looks at values."""
    along = []
    for n in reversed(shape):
        along.append(places % n)
        places = places // n
    return tuple(reversed(along))


def _check(shape: tuple[int, ...], parts: tuple[Any, ...]) -> None:
    """Raise if a key of the host's is out of bounds, as NumPy would, at no cost on the GPU."""
    np.broadcast_to(np.int8(0), shape)[tuple(np.asarray(k) if isinstance(k, list) else k for k in parts)]
