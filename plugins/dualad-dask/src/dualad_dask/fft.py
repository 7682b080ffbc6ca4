"""The standard's Fourier transforms on dask arrays, the axes that are transformed each in one block."""

from __future__ import annotations

from typing import Any

import numpy as np

from .blocks import along

Array = Any


def fft(x: Array, /, *, axis: int = -1, norm: str = "backward") -> Array:
    """Return the transform along an axis."""
    return _transform(np.fft.fft, x, axis % x.ndim, None, norm)


def ifft(x: Array, /, *, axis: int = -1, norm: str = "backward") -> Array:
    """Return the inverse transform along an axis."""
    return _transform(np.fft.ifft, x, axis % x.ndim, None, norm)


def fftn(x: Array, /, *, axes: tuple[int, ...], norm: str = "backward") -> Array:
    """Return the transform along several axes, one after the other: one axis in one block at a time."""
    for axis in axes:
        x = fft(x, axis=axis, norm=norm)
    return x


def ifftn(x: Array, /, *, axes: tuple[int, ...], norm: str = "backward") -> Array:
    """Return the inverse transform along several axes."""
    for axis in axes:
        x = ifft(x, axis=axis, norm=norm)
    return x


def rfft(x: Array, /, *, axis: int = -1, norm: str = "backward") -> Array:
    """Return half the spectrum of a real array."""
    axis %= x.ndim
    return _transform(np.fft.rfft, x, axis, x.shape[axis] // 2 + 1, norm)


def rfftn(x: Array, /, *, axes: tuple[int, ...], norm: str = "backward") -> Array:
    """Return half the spectrum of a real array, halved along the last of several axes."""
    return fftn(rfft(x, axis=axes[-1], norm=norm), axes=axes[:-1], norm=norm)


def irfft(x: Array, /, *, n: int, axis: int = -1, norm: str = "backward") -> Array:
    """Return the real array of length n that half a spectrum is of."""
    return _transform(np.fft.irfft, x, axis % x.ndim, n, norm, n=n)


def _transform(function: Any, x: Array, axis: int, length: int | None, norm: str, **keywords: Any) -> Array:
    dtype = function(np.ones(2, x.dtype)).dtype
    lengths = None if length is None else {axis: length}
    return along(function, x, (axis,), lengths, dtype, axis=axis, norm=norm, **keywords)
