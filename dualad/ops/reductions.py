"""The standard's reductions: sums, extrema, truth.

The ops take axes as a tuple and write the public functions' defaults out; the functions below
them bring any axis into that form.
"""

from __future__ import annotations

from math import prod as _product
from typing import Any, NamedTuple

from ..backends.registry import DTYPES
from ..batching import along
from ..dtypes import as_dtype, real_of
from ..engine.fit import astype
from ..engine.shapes import kept, reduced
from ..engine.tensor import Tensor, is_tracked
from ..errors import BackendError, ShapeError
from ..op import Unary
from ..rules import Linear, Weighted, conjugate
from . import elementwise as elem
from . import manipulation as manip
from .common import all_axes, boolean, real_result
from .conversion import asarray
from .joining import concat
from .searching import argmax, argmin, where

# -- rules -------------------------------------------------------------------------------------


def _spread(xp: Any, g: Any, like: Any, *, axis: Any) -> Any:
    """The adjoint of a sum: each element gets the cotangent of its sum."""
    shape = like.shape
    if len(axis) < len(shape):
        g = xp.reshape(g, kept(shape, axis))
    return xp.broadcast_to(g, shape)


def _spread_mean(xp: Any, g: Any, like: Any, *, axis: Any) -> Any:
    return _spread(xp, g / _product([like.shape[i] for i in axis]), like, axis=axis)


def _extremal(xp: Any, x: Any, y: Any, *, axis: Any) -> Any:
    """Even weights on the elements that attain the extremum."""
    at = astype(xp, x == y, DTYPES[y.dtype])
    return at / xp.sum(at, axis=axis, keepdims=True)


def _radial(xp: Any, x: Any, y: Any) -> Any:
    """The direction of x; 0 where x is 0. `fit` takes the real part of a tangent along it."""
    return conjugate(xp, elem.times_inverse(xp, x, y))


def _norm_of(xp: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    try:
        return xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims)
    except BackendError:  # `linalg` is an optional part of the standard
        return _norm_by_sums(xp, x, axis=axis, keepdims=keepdims)


def _norm_by_sums(xp: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    """The root of the sum of squares, of numbers divided by the largest: squares do not overflow."""
    size, scale = xp.abs(x), None
    if 0 not in x.shape:
        largest = xp.max(size, axis=axis, keepdims=True)
        scale = xp.where((largest > 0) & xp.isfinite(largest), largest, xp.ones_like(largest))
        size = size / scale
    total = xp.sqrt(xp.sum(size * size, axis=axis, keepdims=True))
    y = total if scale is None else total * scale
    return y if keepdims else xp.squeeze(y, axis=axis)


# -- ops ---------------------------------------------------------------------------------------

_ALONG = along("axis")
_sum = Unary("sum(x)", Linear(_spread), shape=reduced, batch=_ALONG)
_mean = Unary("mean(x)", Linear(_spread_mean), shape=reduced, batch=_ALONG)
_max = Unary("max(x)", Weighted(_extremal), shape=reduced, batch=_ALONG)
_min = Unary("min(x)", Weighted(_extremal), shape=reduced, batch=_ALONG)
_norm = Unary("norm(x)", Weighted(_radial), shape=reduced, batch=_ALONG, dtype=real_result, compute=_norm_of)
_prod = Unary("prod(x)", shape=reduced, batch=_ALONG)
_all = Unary("all(x)", shape=reduced, batch=_ALONG, dtype=boolean)
_any = Unary("any(x)", shape=reduced, batch=_ALONG, dtype=boolean)

# -- functions ---------------------------------------------------------------------------------


def sum(
    x: Any, /, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, dim: Any = None,
    keepdim: bool = False,
) -> Tensor:  # fmt: skip
    """Return the sum of the elements, or of those along axes.

    Parameters
    ----------
    x : array
        Of a numeric dtype, or boolean: integers of up to 64 bits are summed in 64.
    axis : int or tuple of int, optional
        The axes to sum over; all if None.
    keepdims : bool
        Keep the axes summed over, with length 1.
    dtype : DType, optional
        The dtype to sum in.
    dim, keepdim
        PyTorch's names of `axis` and `keepdims`, taken by all reductions.

    Raises
    ------
    AxisError
        If there is no such axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.sum(dualad.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([4., 6.])
    """
    x = _accumulator(asarray(x), dtype)
    axes = all_axes("sum", axis if dim is None else dim, len(x.shape))
    y = _sum(x, axis=axes, keepdims=keepdims or keepdim)
    return y if dtype is None else manip.astype(y, x.dtype, copy=False)  # of small integers it is wider


def mean(
    x: Any, /, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, dim: Any = None,
    keepdim: bool = False,
) -> Tensor:  # fmt: skip
    """Return the mean of the elements, or of those along axes.

    Examples
    --------
    >>> import dualad
    >>> dualad.mean(dualad.tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    x = _accumulator(asarray(x), dtype)
    axes = all_axes("mean", axis if dim is None else dim, len(x.shape))
    return _mean(x, axis=axes, keepdims=keepdims or keepdim)


class Extremum(NamedTuple):
    """What PyTorch's ``x.max(dim)`` and ``x.min(dim)`` give."""

    values: Tensor
    indices: Tensor


def max(
    x: Any, /, *dim_or_other: Any, axis: Any = None, keepdims: bool = False, dim: Any = None,
    keepdim: bool = False,
) -> Any:  # fmt: skip
    """Return the largest element, or those along axes; tied ones share the gradient evenly.

    Parameters
    ----------
    x : array
        Of a real dtype.
    *dim_or_other : int or array, optional
        As in PyTorch, ``max(x, 0)`` is ``max(x, dim=0)`` and ``max(x, other)`` is `maximum`.
    axis : int or tuple of int, optional
        The axes to reduce; all if None.
    keepdims, keepdim : bool
        Keep the reduced axes, with length 1.
    dim : int, optional
        An axis for which PyTorch's named tuple ``(values, indices)`` is given.

    Raises
    ------
    ShapeError
        If there is no element to choose from.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 5.0, 5.0], requires_grad=True)
    >>> dualad.max(x).backward()
    >>> x.grad
    tensor([0.0000, 0.5000, 0.5000])
    """
    return _extremum("max", x, dim_or_other, axis, dim, keepdims or keepdim)


def min(
    x: Any, /, *dim_or_other: Any, axis: Any = None, keepdims: bool = False, dim: Any = None,
    keepdim: bool = False,
) -> Any:  # fmt: skip
    """Return the smallest element, or those along axes; the parameters are those of `max`.

    Examples
    --------
    >>> import dualad
    >>> dualad.min(dualad.tensor([[1.0, 2.0], [4.0, 3.0]]), axis=1)
    tensor([1., 3.])
    """
    return _extremum("min", x, dim_or_other, axis, dim, keepdims or keepdim)


def _extremum(name: str, x: Any, positional: Any, axis: Any, dim: Any, keepdims: bool) -> Any:
    reduce, locate, pairwise = (_max, argmax, elem.maximum) if name == "max" else (_min, argmin, elem.minimum)
    if positional and not isinstance(positional[0], int):
        return pairwise(x, positional[0])
    x = asarray(x)
    dim = positional[0] if positional else dim
    if dim is None:
        return reduce(x, axis=_nonempty(name, x, axis), keepdims=keepdims)
    values = reduce(x, axis=_nonempty(name, x, dim), keepdims=keepdims)
    return Extremum(values, locate(x, axis=dim, keepdims=keepdims))


def prod(
    x: Any, /, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, dim: Any = None,
    keepdim: bool = False,
) -> Tensor:  # fmt: skip
    """Return the product of the elements, or of those along axes.

    Where gradients are recorded, halves of the array are multiplied until one element is left:
    that has the right derivatives of any order where elements are 0, which a division by the
    elements would not.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([2.0, 0.0, 4.0], requires_grad=True)
    >>> dualad.prod(x).backward()
    >>> x.grad
    tensor([0., 8., 0.])
    """
    x = _accumulator(asarray(x), dtype)
    axes = all_axes("prod", axis if dim is None else dim, len(x.shape))
    keepdims = keepdims or keepdim
    if not is_tracked(x):
        y = _prod(x, axis=axes, keepdims=keepdims)
        return y if dtype is None else manip.astype(y, x.dtype, copy=False)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    if not x.size:  # an empty product is 1, and so is what it is of the graph
        return _sum(x, axis=axes, keepdims=keepdims) * 0 + 1
    y = manip.reshape(manip.permute_dims(x, (*rest, *axes)), (*(x.shape[i] for i in rest), -1))
    if y.shape[-1] == 1:
        y = manip.clone(y)  # a result of its own, and no view of x
    while (n := y.shape[-1]) > 1:
        half = n // 2
        pairs = y[..., :half] * y[..., half : 2 * half]
        y = pairs if n % 2 == 0 else concat([pairs, y[..., 2 * half :]], axis=-1)
    return manip.reshape(y, reduced(x, axis=axes, keepdims=keepdims))


def all(
    x: Any, /, axis: Any = None, keepdims: bool = False, *, dim: Any = None, keepdim: bool = False
) -> Tensor:
    """Return whether all elements are true (not 0), or all along axes.

    Examples
    --------
    >>> import dualad
    >>> dualad.all(dualad.tensor([True, False]))
    tensor(False)
    """
    x = asarray(x)
    axes = all_axes("all", axis if dim is None else dim, len(x.shape))
    return _all(x, axis=axes, keepdims=keepdims or keepdim)


def any(
    x: Any, /, axis: Any = None, keepdims: bool = False, *, dim: Any = None, keepdim: bool = False
) -> Tensor:
    """Return whether any element is true (not 0), or any along axes.

    Examples
    --------
    >>> import dualad
    >>> dualad.any(dualad.tensor([True, False]))
    tensor(True)
    """
    x = asarray(x)
    axes = all_axes("any", axis if dim is None else dim, len(x.shape))
    return _any(x, axis=axes, keepdims=keepdims or keepdim)


def var(
    x: Any, /, axis: Any = None, *, correction: float = 0.0, keepdims: bool = False, dim: Any = None,
    keepdim: bool = False, ddof: float | None = None, unbiased: bool | None = None,
) -> Tensor:  # fmt: skip
    """Return the variance of the elements, or of those along axes.

    Parameters
    ----------
    x : array
        Of a floating dtype; of complex numbers the mean of ``abs(x - mean) ** 2``, which is real.
    axis : int or tuple of int, optional
        The axes to reduce; all if None.
    correction : float
        The sum of squares is divided by the number of elements less this: 0 for the variance of
        a population, 1 for the unbiased estimate from a sample.
    keepdims : bool
        Keep the reduced axes, with length 1.
    dim, keepdim, unbiased, ddof
        PyTorch's names of `axis`, `keepdims` and a correction of 1, and NumPy's of `correction`.

    Examples
    --------
    >>> import dualad
    >>> dualad.var(dualad.tensor([1.0, 2.0, 3.0]), correction=1)
    tensor(1.)
    """
    deviation, axes, n = _deviation("var", x, axis if dim is None else dim)
    squares = elem.real(elem.conj(deviation) * deviation)
    squares = _sum(squares, axis=axes, keepdims=keepdims or keepdim)
    return squares / _freedom(n, _corrected(correction, ddof, unbiased))


def std(
    x: Any, /, axis: Any = None, *, correction: float = 0.0, keepdims: bool = False, dim: Any = None,
    keepdim: bool = False, ddof: float | None = None, unbiased: bool | None = None,
) -> Tensor:  # fmt: skip
    """Return the standard deviation of the elements, or of those along axes; see `var`.

    Where all elements are equal its gradient is 0, the convention for norms.

    Examples
    --------
    >>> import dualad
    >>> dualad.std(dualad.tensor([1.0, 2.0, 3.0]), correction=1)
    tensor(1.)
    """
    deviation, axes, n = _deviation("std", x, axis if dim is None else dim)
    return (
        _norm(deviation, axis=axes, keepdims=keepdims or keepdim)
        / _freedom(n, _corrected(correction, ddof, unbiased)) ** 0.5
    )


def _deviation(name: str, x: Any, axis: Any) -> tuple[Tensor, tuple[int, ...], int]:
    x = asarray(x)
    axes = all_axes(name, axis, x.ndim)
    return x - _mean(x, axis=axes, keepdims=True), axes, _product([x.shape[i] for i in axes])


def _corrected(correction: float, ddof: float | None, unbiased: bool | None) -> float:
    if unbiased is not None:
        return float(unbiased)
    return correction if ddof is None else ddof


def _freedom(n: int, correction: float) -> float:
    return n - correction if n > correction else 0.0  # then NaN or infinity, as NumPy has it


def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """Return the vector norm of all elements, or along axes.

    Parameters
    ----------
    x : array
        Of a floating dtype, real or complex.
    axis : int or tuple of int, optional
        The axes of the vectors; all if None.
    keepdims : bool
        Keep the reduced axes, with length 1.
    ord : number
        The order p of ``sum(abs(x) ** p) ** (1 / p)``; infinity for the largest absolute value,
        minus infinity for the smallest, 0 for the number of elements that are not 0.

    Returns
    -------
    Tensor
        Real. The gradient of a norm of zeros is 0.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.vector_norm(dualad.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = asarray(x)
    axes = all_axes("vector_norm", axis, x.ndim)
    if not isinstance(ord, (int, float)):
        raise TypeError(f"vector_norm: ord must be a number, got {ord!r}")
    if ord == 2:
        return _norm(x, axis=axes, keepdims=keepdims)
    if ord == 0:
        return _sum(manip.astype(x != 0, real_of(x.dtype)), axis=axes, keepdims=keepdims)
    size = elem.abs(x)
    if ord == float("inf"):
        return _max(size, axis=axes, keepdims=keepdims)
    if ord == -float("inf"):
        return _min(size, axis=axes, keepdims=keepdims)
    if ord == 1:
        return _sum(size, axis=axes, keepdims=keepdims)
    if ord < 1:  # the slope at 0 is infinite, and 0 by the convention for norms
        nothing = size == 0
        powers = where(nothing, 0 if ord > 0 else float("inf"), elem.pow(where(nothing, 1, size), ord))
    else:
        powers = elem.pow(size, ord)
    total = _sum(powers, axis=axes, keepdims=keepdims)
    zero = total == 0
    return where(zero, 0, elem.pow(where(zero, 1, total), 1 / ord))


def _accumulator(x: Tensor, dtype: Any) -> Tensor:
    return x if dtype is None else manip.astype(x, as_dtype(dtype))


def _nonempty(name: str, x: Tensor, axis: Any) -> tuple[int, ...]:
    axes = all_axes(name, axis, x.ndim)
    if 0 in [x.shape[i] for i in axes]:
        raise ShapeError(f"{name}: no element to choose from: shape {x.shape}, axis {axis}")
    return axes
