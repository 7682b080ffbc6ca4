"""The standard's functions on dask arrays: array-api-compat's, and what it lacks or has otherwise."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from array_api_compat.dask import array as _compat
from numpy import float16 as float16

from . import fft as fft
from . import linalg as linalg

Array = Any


def __getattr__(name: str) -> Any:
    return getattr(_compat, name)


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """Return where elements are not 0; how many they are is computed here."""
    places = da.argwhere(x)
    places.compute_chunk_sizes()
    return tuple(places[:, i] for i in range(x.ndim))


def unique_all(x: Array, /) -> tuple[Array, ...]:
    """Return the distinct elements and what belongs to them, computed here, in this process."""
    return tuple(da.from_array(part) for part in np.unique_all(x.compute()))
