"""The frequencies that Fourier transforms have, and their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import as_dtype, get_default_dtype
from ..engine.tensor import Tensor
from ..errors import DTypeError, ShapeError
from . import manipulation as manip
from .common import all_axes, whole
from .conversion import asarray


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the frequencies that the results of `fft` belong to, the negative ones last.

    Parameters
    ----------
    n : int
        The length of the transform.
    d : float
        The distance of the samples.
    dtype : DType, optional
        A real floating type, the default dtype if None.
    device : str or Device, optional
        The CPU if None.

    Examples
    --------
    >>> import dualad
    >>> dualad.fft.fftfreq(4, d=0.5)
    tensor([ 0.0000,  0.5000, -1.0000, -0.5000])
    """
    n = _count("fftfreq", n)
    return _frequencies("fftfreq", (np.arange(n) + n // 2) % n - n // 2, n, d, dtype, device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the frequencies that the results of `rfft` belong to; the parameters are those of `fftfreq`.

    Examples
    --------
    >>> import dualad
    >>> dualad.fft.rfftfreq(4, d=0.5)
    tensor([0.0000, 0.5000, 1.0000])
    """
    n = _count("rfftfreq", n)
    return _frequencies("rfftfreq", np.arange(n // 2 + 1), n, d, dtype, device)


def _count(name: str, n: Any) -> int:
    if whole(name, "n", n) < 1:
        raise ShapeError(f"{name}: n must be at least 1, got {n}")
    return int(n)


def _frequencies(name: str, k: Any, n: int, d: float, dtype: Any, device: Any) -> Tensor:
    wanted = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not wanted.is_floating_point:
        raise DTypeError(f"{name}: dtype must be a real floating one, got {wanted}")
    return asarray((k / (n * d)).astype(wanted.name), device=device)


def fftshift(x: Any, /, *, axes: Any = None) -> Tensor:
    """Return a spectrum with the frequency 0 in the middle.

    Parameters
    ----------
    x : array
        Of any dtype, ordered as by `fft`.
    axes : int or sequence of int, optional
        The axes to shift; all if None.

    Examples
    --------
    >>> import dualad
    >>> dualad.fft.fftshift(dualad.fft.fftfreq(5, d=0.2))
    tensor([-2., -1.,  0.,  1.,  2.])
    """
    x = asarray(x)
    axes = all_axes("fftshift", axes, x.ndim)
    return manip.roll(x, tuple(x.shape[i] // 2 for i in axes), axis=axes) if axes else manip.clone(x)


def ifftshift(x: Any, /, *, axes: Any = None) -> Tensor:
    """Undo `fftshift`, whose parameters it has.

    Examples
    --------
    >>> import dualad
    >>> dualad.fft.ifftshift(dualad.tensor([-2, -1, 0, 1, 2]))
    tensor([ 0,  1,  2, -2, -1])
    """
    x = asarray(x)
    axes = all_axes("ifftshift", axes, x.ndim)
    return manip.roll(x, tuple(-(x.shape[i] // 2) for i in axes), axis=axes) if axes else manip.clone(x)
