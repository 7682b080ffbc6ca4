"""NumPy's order statistics, averages and covariances, and those that pass over NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.tensor import Tensor
from ...errors import NumPyFunctionError, ShapeError
from .. import elementwise, indexing, joining, linalg, reductions, searching
from .. import manipulation as manip
from ..common import all_axes, one_axis
from .calls import array, floating

# -- order statistics --------------------------------------------------------------------------


def quantile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Tensor:
    """Interpolate linearly between the sorted elements; NaN if one is NaN, and it is sorted last."""
    places = _places("np.quantile", q, method)
    lined, kept = _lined("np.quantile", a, axis)
    at = np.ravel(places) * (lined.shape[-1] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, lined.shape[-1] - 1)
    y = _between(lined[..., low], lined[..., high], array(at - low, lined).to(lined.dtype))
    y = searching.where(elementwise.isnan(lined[..., -1:]), np.nan, y)
    return _placed(y, places, kept, keepdims)


def percentile(a: Any, q: Any, axis: Any = None, **keywords: Any) -> Tensor:
    """Quantiles in per cent."""
    return quantile(a, np.asarray(q) / 100, axis, **keywords)


def median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """The middle of the sorted elements, or the mean of the two there."""
    return quantile(a, 0.5, axis, keepdims=keepdims)


def nanquantile(
    a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """Quantiles of what is not NaN: of so many elements as each line has, the first when sorted."""
    places = _places("np.nanquantile", q, method)
    lined, kept = _lined("np.nanquantile", a, axis)
    last = reductions.sum((lined == lined).to(lined.dtype), axis=-1, keepdims=True) - 1
    at = elementwise.maximum(last, 0) * array(np.ravel(places), lined).to(lined.dtype)
    low = elementwise.floor(at)
    high = elementwise.maximum(elementwise.minimum(low + 1, last), 0)
    below, above = (indexing.take_along_axis(lined, i.to("int64"), axis=-1) for i in (low, high))
    return _placed(_between(below, above, at - low), places, kept, keepdims)


def nanpercentile(a: Any, q: Any, axis: Any = None, **keywords: Any) -> Tensor:
    """Quantiles in per cent of what is not NaN."""
    return nanquantile(a, np.asarray(q) / 100, axis, **keywords)


def nanmedian(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """The median of what is not NaN."""
    return nanquantile(a, 0.5, axis, keepdims=keepdims)


def _places(name: str, q: Any, method: str) -> Any:
    if method != "linear":
        raise NumPyFunctionError(f"{name}: method must be 'linear' on Tensors, got {method!r}")
    places = np.asarray(q, dtype=float)
    if not ((places >= 0) & (places <= 1)).all():
        raise ValueError(f"{name}: quantiles must be in the range [0, 1]")
    return places


def _lined(name: str, a: Any, axis: Any) -> tuple[Tensor, tuple[int, ...]]:
    """Return the elements sorted along one last axis, and the shape with keepdims."""
    a = floating(a)
    axes = all_axes(name, axis, a.ndim)
    moved = manip.moveaxis(a, axes, tuple(range(-len(axes), 0))) if axes else a
    lined = manip.reshape(moved, (*moved.shape[: a.ndim - len(axes)], -1))
    return searching.sort(lined), tuple(1 if i in axes else n for i, n in enumerate(a.shape))


def _between(low: Tensor, high: Tensor, part: Tensor) -> Tensor:
    """Interpolate; where an element itself is asked for, an infinite neighbour does not matter."""
    return searching.where(part == 0, low, low + (high - low) * part)


def _placed(y: Tensor, places: Any, kept: tuple[int, ...], keepdims: bool) -> Tensor:
    """Put the axes of the quantiles first, as NumPy does."""
    lead = kept if keepdims else y.shape[:-1]
    y = manip.moveaxis(y, -1, 0)
    return manip.reshape(y, (*places.shape, *lead))


# -- averages ----------------------------------------------------------------------------------


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """The weighted mean, and the sum of the weights if `returned`."""
    a = floating(a)
    if weights is None:
        y = reductions.mean(a, axis=axis, keepdims=keepdims)
        return (y, y * 0 + a.size // y.size) if returned else y
    weights = array(weights)
    if weights.shape != a.shape:
        if not isinstance(axis, int) or weights.shape != (a.shape[axis],):
            raise ShapeError(
                f"np.average: weights of shape {weights.shape} need one axis of that length, got axis={axis} "
                f"of an array of shape {a.shape}"
            )
        shape = [1] * a.ndim
        shape[one_axis("np.average", axis, a.ndim)] = -1
        weights = manip.broadcast_to(manip.reshape(weights, tuple(shape)), a.shape)
    total = reductions.sum(weights, axis=axis, keepdims=keepdims)
    y = reductions.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (y, total) if returned else y


def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """From the least to the greatest."""
    a = array(a)
    return reductions.max(a, axis=axis, keepdims=keepdims) - reductions.min(a, axis=axis, keepdims=keepdims)


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Tensor:
    """Covariances of variables, one in a row."""
    x = _variables(m, rowvar)
    if y is not None:
        x = joining.concat([x, _variables(y, rowvar)])
    x = x - reductions.mean(x, axis=1, keepdims=True)
    freedom = x.shape[1] - (int(not bias) if ddof is None else ddof)
    return manip.squeeze(linalg.matmul(x, elementwise.conj(x).mT) / freedom)


def _variables(m: Any, rowvar: bool) -> Tensor:
    x = floating(m)
    if x.ndim > 2:
        raise ShapeError(f"np.cov: expected a vector or a matrix, got shape {x.shape}")
    return manip.reshape(x, (1, -1)) if x.ndim < 2 else x if rowvar else x.mT


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Tensor:
    """Covariances over the standard deviations."""
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    s = elementwise.sqrt(elementwise.real(linalg.diagonal(c)))
    return c / s / s[:, None]


# -- what is not NaN ---------------------------------------------------------------------------


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    """Put numbers where there are none; in the real and the imaginary part of complex ones."""
    x = array(x)
    if x.dtype.name.startswith("complex"):
        parts = (
            nan_to_num(part(x), True, nan, posinf, neginf) for part in (elementwise.real, elementwise.imag)
        )
        y = next(parts) + next(parts) * 1j
    elif not x.dtype.is_differentiable:
        return x
    else:
        largest = float(np.finfo(x.dtype.name).max)
        y = searching.where(elementwise.isnan(x), nan, x)
        y = searching.where(y == np.inf, largest if posinf is None else posinf, y)
        y = searching.where(y == -np.inf, -largest if neginf is None else neginf, y)
    if copy:
        return y
    x[...] = y
    return x


def nansum(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """The sum of what is not NaN."""
    return reductions.sum(_without_nan(a, 0.0), axis=axis, keepdims=keepdims)


def nanprod(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """The product of what is not NaN."""
    return reductions.prod(_without_nan(a, 1.0), axis=axis, keepdims=keepdims)


def nanmean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """The mean of what is not NaN."""
    return nansum(floating(a), axis, keepdims=keepdims) / _count(a, axis, keepdims)


def nanvar(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The variance of what is not NaN."""
    a = floating(a)
    d = _without_nan(a - nanmean(a, axis, keepdims=True), 0.0)
    square = elementwise.real(d * elementwise.conj(d))
    return reductions.sum(square, axis=axis, keepdims=keepdims) / (_count(a, axis, keepdims) - ddof)


def nanstd(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation of what is not NaN."""
    return elementwise.sqrt(nanvar(a, axis, ddof=ddof, keepdims=keepdims))


def nanmax(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """The greatest of what is not NaN."""
    return _extremum(reductions.max, -np.inf, a, axis, keepdims)


def nanmin(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """The least of what is not NaN."""
    return _extremum(reductions.min, np.inf, a, axis, keepdims)


def _extremum(function: Any, least: float, a: Any, axis: Any, keepdims: bool) -> Tensor:
    a = array(a)
    y = function(_without_nan(a, least), axis=axis, keepdims=keepdims)
    if not a.dtype.is_differentiable:
        return y
    nothing = reductions.all(elementwise.isnan(a), axis=axis, keepdims=keepdims)
    return searching.where(nothing, np.nan, y)


def _count(a: Any, axis: Any, keepdims: bool) -> Tensor:
    a = floating(a)
    there = elementwise.logical_not(elementwise.isnan(a)).to(elementwise.real(a).dtype)
    return reductions.sum(there, axis=axis, keepdims=keepdims)


def _without_nan(a: Any, value: float) -> Tensor:
    a = array(a)
    return searching.where(elementwise.isnan(a), value, a) if a.dtype.is_differentiable else a
