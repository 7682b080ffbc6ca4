"""The standard's functions on dask arrays: array-api-compat's, and what it lacks or has otherwise."""

from __future__ import annotations

import functools
import math
from typing import Any

import dask.array as da
import numpy as np
from array_api_compat.dask import array as _compat
from numpy import float16 as float16

from . import fft as fft
from . import linalg as linalg
from .blocks import numbers, reshaped, without_empty_blocks

Array = Any


def __getattr__(name: str) -> Any:
    return getattr(_compat, name)


def _filled(name: str) -> Any:
    made = getattr(_compat, name)

    @functools.wraps(made)
    def fill(shape: tuple[int, ...], *args: Any, **keywords: Any) -> Array:
        # Of how many elements a block is dask finds by a division by their number.
        return made(shape, *args, chunks="auto" if math.prod(shape) else -1, **keywords)

    return fill


empty, zeros, ones, full = map(_filled, ("empty", "zeros", "ones", "full"))


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any, device: Any = None) -> Array:
    """Return ones on a diagonal; dask's own makes numbers of the dtype as indices, also complex ones."""
    return _compat.eye(n_rows, n_cols, k=k, dtype=np.int8, device=device).astype(dtype)


def tril(x: Array, /, *, k: int = 0) -> Array:
    """Return the elements on and below a diagonal, and zeros above."""
    return da.where(_below(x, k), x, x.dtype.type(0))


def triu(x: Array, /, *, k: int = 0) -> Array:
    """Return the elements on and above a diagonal, and zeros below."""
    return da.where(_below(x, k - 1), x.dtype.type(0), x)


def _below(x: Array, k: int) -> Array:
    return da.tri(*x.shape[-2:], k=k, dtype=bool, chunks=x.chunks[-2:])


def reshape(x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Array:
    """Return the elements in another shape."""
    y = reshaped(x, shape)
    return y.copy() if copy else y


def searchsorted(x1: Array, x2: Array, /, *, side: str = "left") -> Array:
    """Return where elements are to be put into a sorted vector; dask's own wants an axis in x2."""
    y = da.searchsorted(x1, x2 if x2.ndim else x2[None], side=side)
    return y if x2.ndim else y[0]


def _without_empty_blocks(name: str) -> Any:
    own = getattr(_compat, name)

    @functools.wraps(own)
    def call(x: Array, /, **keywords: Any) -> Array:
        return own(without_empty_blocks(x), **keywords)

    return call


# Dask's own fail where a block has no elements.
argmax, argmin, cumulative_prod, cumulative_sum = map(
    _without_empty_blocks, ("argmax", "argmin", "cumulative_prod", "cumulative_sum")
)


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """Return where elements are not 0; how many they are is computed here."""
    places = da.argwhere(x)
    places.compute_chunk_sizes()
    return tuple(places[:, i] for i in range(x.ndim))


def unique_all(x: Array, /) -> tuple[Array, ...]:
    """Return the distinct elements and what belongs to them, computed here, in this process."""
    return tuple(da.from_array(part) for part in np.unique_all(numbers(x)))
