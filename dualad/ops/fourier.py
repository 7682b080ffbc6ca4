"""The Fourier transforms: the standard's ``fft`` namespace.

Four ops carry it: the transform of complex arrays, that of real ones to half a spectrum, and the
inverses of both, over any axes, whose lengths they keep. Cutting and padding comes before them.

The transform without a factor has as its adjoint the inverse without one. ``"backward"`` puts a factor
of 1/n on the inverse, ``"forward"`` on the transform: so an adjoint is the other transform under
the other norm. A real array's half spectrum leaves out the negative frequencies, the conjugates of
those it has; where it is made of all of them its terms count twice, but for the frequency 0 and,
of an even length, the highest, which have no other.
"""

from __future__ import annotations

from typing import Any

from ..backends.registry import DTYPES
from ..batching import along
from ..dtypes import complex_of
from ..engine.shapes import same
from ..engine.tensor import Tensor
from ..errors import AxisError, DTypeError, ShapeError
from ..op import Unary
from ..rules import Linear
from . import manipulation as manip
from .common import one_axis, real_result, whole
from .conversion import asarray, require_dtype
from .elementwise import conj
from .indexing import getitem, scatter

_OTHER = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

# -- what the ops compute ------------------------------------------------------------------------
# One axis has a function of its own: it takes half the time on small arrays.


def _transform(xp: Any, x: Any, *, axes: tuple[int, ...], norm: str) -> Any:
    if len(axes) == 1:
        return xp.fft.fft(x, axis=axes[0], norm=norm)
    return xp.fft.fftn(x, axes=axes, norm=norm)


def _inverse(xp: Any, x: Any, *, axes: tuple[int, ...], norm: str) -> Any:
    if len(axes) == 1:
        return xp.fft.ifft(x, axis=axes[0], norm=norm)
    return xp.fft.ifftn(x, axes=axes, norm=norm)


def _real_transform(xp: Any, x: Any, *, axes: tuple[int, ...], norm: str) -> Any:
    if len(axes) == 1:
        return xp.fft.rfft(x, axis=axes[0], norm=norm)
    return xp.fft.rfftn(x, axes=axes, norm=norm)


def _real_inverse(xp: Any, x: Any, *, n: int, axes: tuple[int, ...], norm: str) -> Any:
    # Not by one irfftn: on a spectrum that no real array has, libraries do not agree what it gives.
    if len(axes) > 1:
        x = _inverse(xp, x, axes=axes[:-1], norm=norm)
    return xp.fft.irfft(x, n=n, axis=axes[-1], norm=norm)


# -- rules ---------------------------------------------------------------------------------------


def _scaled_pairs(xp: Any, half: Any, factor: float, *, n: int, axis: int) -> Any:
    """Return half a spectrum of length n with a factor on the frequencies that have a negative."""
    pairs = (*[slice(None)] * axis, slice(1, (n + 1) // 2))
    return xp.setitem(half, xp.getitem(half, key=pairs) * factor, key=pairs)


def _real_adjoint(xp: Any, g: Any, like: Any, *, axes: tuple[int, ...], norm: str) -> Any:
    n = like.shape[axes[-1]]
    return _real_inverse(xp, _scaled_pairs(xp, g, 0.5, n=n, axis=axes[-1]), n=n, axes=axes, norm=_OTHER[norm])


def _real_inverse_adjoint(xp: Any, g: Any, like: Any, *, n: int, axes: tuple[int, ...], norm: str) -> Any:
    return _scaled_pairs(xp, _real_transform(xp, g, axes=axes, norm=_OTHER[norm]), 2.0, n=n, axis=axes[-1])


# -- ops -----------------------------------------------------------------------------------------


def _with_last(shape: tuple[int, ...], axes: tuple[int, ...], n: int) -> tuple[int, ...]:
    return tuple(n if i == axes[-1] else m for i, m in enumerate(shape))


_fftn = Unary(
    "fft.fftn(x)",
    Linear(lambda xp, g, like, *, axes, norm: _inverse(xp, g, axes=axes, norm=_OTHER[norm])),
    shape=same,
    compute=_transform,
    batch=along("axes"),
    node_name="FftC2C",
)
_ifftn = Unary(
    "fft.ifftn(x)",
    Linear(lambda xp, g, like, *, axes, norm: _transform(xp, g, axes=axes, norm=_OTHER[norm])),
    shape=same,
    compute=_inverse,
    batch=along("axes"),
    node_name="FftC2C",
)
_rfftn = Unary(
    "fft.rfftn(x)",
    Linear(_real_adjoint),
    shape=lambda x, *, axes, norm: _with_last(x.shape, axes, x.shape[axes[-1]] // 2 + 1),
    dtype=lambda x, **static: complex_of(DTYPES[x.dtype]),
    compute=_real_transform,
    batch=along("axes"),
    node_name="FftR2C",
)
_irfftn = Unary(
    "fft.irfftn(x)",
    Linear(_real_inverse_adjoint),
    shape=lambda x, *, n, axes, norm: _with_last(x.shape, axes, n),
    dtype=real_result,
    compute=_real_inverse,
    batch=along("axes"),
    node_name="FftC2R",
)

# -- arguments -----------------------------------------------------------------------------------


def _floating(name: str, x: Any) -> Tensor:
    x = asarray(x)
    if not x.dtype.is_differentiable:
        raise DTypeError(
            f"{name}: x must be of a floating dtype, got {x.dtype}; convert it with .to(dualad.float32) say"
        )
    return x


def _complex(name: str, x: Any) -> Tensor:
    x = _floating(name, x)
    return x if x.dtype.is_complex else manip.astype(x, complex_of(x.dtype))


def _real(name: str, x: Any) -> Tensor:
    x = _floating(name, x)
    if x.dtype.is_complex:
        raise DTypeError(f"{name}: x must be of a real dtype, got {x.dtype}; take dualad.fft.fft or x.real")
    return x


def _norm(name: str, norm: Any) -> str:
    if norm not in _OTHER:
        raise ValueError(f"{name}: norm must be 'backward', 'ortho' or 'forward', got {norm!r}")
    return norm


def _axes(name: str, axes: Any, s: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes to transform in their order, counted from the front."""
    if axes is None:
        count = ndim if s is None else len(s)
        if count > ndim:
            raise ShapeError(f"{name}: s has {count} lengths, and the array {ndim} axes")
        return tuple(range(ndim - count, ndim))
    found = tuple(one_axis(name, a, ndim) for a in (axes if isinstance(axes, (tuple, list)) else (axes,)))
    if len(set(found)) < len(found):
        raise AxisError(f"{name}: axes {tuple(axes)} names one twice")
    if s is not None and len(s) != len(found):
        raise ShapeError(f"{name}: s has {len(s)} lengths for {len(found)} axes")
    return found


def _lengths(name: str, x: Tensor, s: Any, axes: tuple[int, ...], half: bool = False) -> list[int]:
    """Return the lengths to transform: `s`, where -1 or no s at all leaves an axis as it is.

    Of half a spectrum the last length is that of the real array.
    """
    have = [x.shape[a] for a in axes]
    if s is not None:  # NumPy's -1 is the length of x itself, also where x is half a spectrum
        s = [h if n == -1 else n for h, n in zip(have, s, strict=True)]
    if half:
        have[-1] = 2 * (have[-1] - 1)
    wanted = have if s is None else [whole(name, "s", n) for n in s]
    for n, axis in zip(wanted, axes, strict=True):
        if n < 1:
            raise ShapeError(
                f"{name}: a transform needs a length of at least 1, got {n} for axis {axis} of {x.shape}"
            )
    return wanted


def _one(name: str, n: Any) -> tuple[int, ...] | None:
    """Return the length of a transform over one axis as one over several has it."""
    if n is None:
        return None
    if whole(name, "n", n) < 1:
        raise ShapeError(f"{name}: n must be at least 1, got {n}")
    return (n,)


def _resized(x: Tensor, axes: tuple[int, ...], lengths: list[int]) -> Tensor:
    """Return x cut, or padded with zeros, at the end of some axes to have these lengths there."""
    if lengths == [x.shape[a] for a in axes]:
        return x
    wanted = list(x.shape)
    for axis, n in zip(axes, lengths, strict=True):
        wanted[axis] = n
    common = tuple(slice(0, min(n, m)) for n, m in zip(x.shape, wanted, strict=True))
    if any(n > m for n, m in zip(x.shape, wanted, strict=True)):
        x = getitem(x, key=common)
    return x if x.shape == tuple(wanted) else scatter(x, shape=tuple(wanted), key=common)


def _of_complex(op: Any, name: str, x: Any, s: Any, axes: Any, norm: Any) -> Tensor:
    x, norm = _complex(name, x), _norm(name, norm)
    axes = _axes(name, axes, s, x.ndim)
    x = _resized(x, axes, _lengths(name, x, s, axes))
    return op(x, axes=axes, norm=norm) if axes else manip.clone(x)


def _half_of_real(name: str, x: Any, s: Any, axes: Any, norm: Any) -> Tensor:
    x, norm = _real(name, x), _norm(name, norm)
    require_dtype(x, complex_of(x.dtype))
    axes = _some_axes(name, _axes(name, axes, s, x.ndim))
    return _rfftn(_resized(x, axes, _lengths(name, x, s, axes)), axes=axes, norm=norm)


def _real_of_half(name: str, x: Any, s: Any, axes: Any, norm: Any) -> Tensor:
    x, norm = _complex(name, x), _norm(name, norm)
    axes = _some_axes(name, _axes(name, axes, s, x.ndim))
    *others, n = _lengths(name, x, s, axes, half=True)
    return _irfftn(_resized(x, axes, [*others, n // 2 + 1]), n=n, axes=axes, norm=norm)


def _some_axes(name: str, axes: tuple[int, ...]) -> tuple[int, ...]:
    if not axes:
        raise AxisError(f"{name}: there must be at least one axis to transform")
    return axes


# -- transforms ----------------------------------------------------------------------------------


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the discrete Fourier transform along an axis.

    Parameters
    ----------
    x : array of shape (..., m, ...)
        Of a floating dtype; real arrays become complex ones of the same precision.
    n : int, optional
        The length to transform: the axis is cut to it or padded with zeros. By default m.
    axis : int
        The axis to transform.
    norm : {"backward", "ortho", "forward"}
        Where the factor of 1/n goes: to the inverse, as its square root to both, or to this
        transform.

    Returns
    -------
    Tensor of shape (..., n, ...)
        Complex.

    Raises
    ------
    AxisError
        If there is no such axis.
    ShapeError
        If there is nothing to transform, or n is less than 1.
    DTypeError
        If x is of an integer or boolean dtype.

    Examples
    --------
    >>> import dualad
    >>> dualad.real(dualad.fft.fft(dualad.tensor([1.0, 2.0, 3.0, 2.0])))
    tensor([ 8., -2.,  0., -2.])
    """
    return _of_complex(_fftn, "fft", x, _one("fft", n), axis, norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the inverse discrete Fourier transform along an axis; the parameters are those of `fft`.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 2.0, 3.0])
    >>> dualad.real(dualad.fft.ifft(dualad.fft.fft(x)))
    tensor([1., 2., 3.])
    """
    return _of_complex(_ifftn, "ifft", x, _one("ifft", n), axis, norm)


def fftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """Return the discrete Fourier transform along several axes.

    Parameters
    ----------
    x : array
        Of a floating dtype; real arrays become complex ones of the same precision.
    s : sequence of int, optional
        The lengths to transform, one for each axis: they are cut or padded with zeros. -1 leaves an
        axis as it is.
    axes : sequence of int, optional
        The axes to transform. By default all or, if `s` is given, as many as it has at the end.
    norm : {"backward", "ortho", "forward"}
        Where the factor of one over the product of the lengths goes; see `fft`.

    Returns
    -------
    Tensor
        Complex, of the shape of x with the lengths `s` along the axes.

    Raises
    ------
    AxisError
        If there is no such axis, or one is named twice.
    ShapeError
        If a length is less than 1, or there are not as many of them as axes.
    DTypeError
        If x is of an integer or boolean dtype.

    Examples
    --------
    >>> import dualad
    >>> dualad.real(dualad.fft.fftn(dualad.ones(2, 3)))
    tensor([[6., 0., 0.],
            [0., 0., 0.]])
    """
    return _of_complex(_fftn, "fftn", x, s, axes, norm)


def ifftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """Return the inverse transform along several axes; the parameters are those of `fftn`.

    Examples
    --------
    >>> import dualad
    >>> dualad.real(dualad.fft.ifftn(dualad.ones(2, 2)))
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _of_complex(_ifftn, "ifftn", x, s, axes, norm)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the discrete Fourier transform of real numbers along an axis.

    The negative frequencies are left out, being the conjugates of the others.

    Parameters
    ----------
    x : array of shape (..., m, ...)
        Of a real floating dtype.
    n, axis, norm
        As for `fft`.

    Returns
    -------
    Tensor of shape (..., n // 2 + 1, ...)
        Complex.

    Raises
    ------
    DTypeError
        If x is not of a real floating dtype.

    Examples
    --------
    >>> import dualad
    >>> dualad.abs(dualad.fft.rfft(dualad.tensor([1.0, -1.0, 1.0, -1.0])))
    tensor([0., 0., 4.])
    """
    return _half_of_real("rfft", x, _one("rfft", n), axis, norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the inverse of `rfft` along an axis.

    The imaginary part of the frequency 0, and of the highest where n is even, is ignored: it
    is 0 in the transform of real numbers. So is its gradient.

    Parameters
    ----------
    x : array of shape (..., m, ...)
        Half a spectrum, complex; real arrays become complex ones.
    n : int, optional
        The length of the result; the axis is cut or padded with zeros to n // 2 + 1. By default
        2 * (m - 1), an even one.
    axis, norm
        As for `fft`.

    Returns
    -------
    Tensor of shape (..., n, ...)
        Real.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 2.0, 4.0])
    >>> dualad.fft.irfft(dualad.fft.rfft(x), n=3)
    tensor([1., 2., 4.])
    """
    return _real_of_half("irfft", x, _one("irfft", n), axis, norm)


def rfftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """Return the transform of real numbers: `rfft` along the last of several axes, `fftn` along the others.

    Parameters
    ----------
    x : array
        Of a real floating dtype.
    s, axes, norm
        As for `fftn`; the order of the axes says which is the last.

    Returns
    -------
    Tensor
        Complex, of length s[-1] // 2 + 1 along the last of the axes.

    Examples
    --------
    >>> import dualad
    >>> dualad.fft.rfftn(dualad.ones(4, 6)).shape
    (4, 4)
    """
    return _half_of_real("rfftn", x, s, axes, norm)


def irfftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """Return the inverse of `rfftn`: `ifftn` along all axes but the last, and then `irfft`.

    Parameters
    ----------
    x : array
        Half a spectrum, complex; real arrays become complex ones.
    s : sequence of int, optional
        The lengths of the result along the axes. By default those of x, and along the last 2 * (m - 1).
    axes, norm
        As for `fftn`.

    Returns
    -------
    Tensor
        Real.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([[1.0, 2.0, 4.0], [5.0, 6.0, 7.0]])
    >>> dualad.fft.irfftn(dualad.fft.rfftn(x), s=x.shape)
    tensor([[1., 2., 4.],
            [5., 6., 7.]])
    """
    return _real_of_half("irfftn", x, s, axes, norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the transform of a signal of which the half is given that is not the conjugate of the other.

    Parameters
    ----------
    x : array of shape (..., m, ...)
        The first half of the signal, complex; real arrays become complex ones.
    n : int, optional
        The length of the result, by default 2 * (m - 1).
    axis, norm
        As for `fft`.

    Returns
    -------
    Tensor of shape (..., n, ...)
        The spectrum, which is real.

    Examples
    --------
    >>> import dualad
    >>> dualad.fft.hfft(dualad.tensor([1.0, 2.0, 3.0]))
    tensor([ 8., -2.,  0., -2.])
    """
    other = _OTHER[_norm("hfft", norm)]
    return _real_of_half("hfft", conj(_complex("hfft", x)), _one("hfft", n), axis, other)


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the inverse of `hfft`: half a signal from its spectrum, which is real.

    Parameters
    ----------
    x : array of shape (..., m, ...)
        Of a real floating dtype.
    n, axis, norm
        As for `fft`.

    Returns
    -------
    Tensor of shape (..., n // 2 + 1, ...)
        Complex.

    Examples
    --------
    >>> import dualad
    >>> dualad.real(dualad.fft.ihfft(dualad.tensor([8.0, -2.0, 0.0, -2.0])))
    tensor([1., 2., 3.])
    """
    return conj(_half_of_real("ihfft", x, _one("ihfft", n), axis, _OTHER[_norm("ihfft", norm)]))
