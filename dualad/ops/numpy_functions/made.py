"""NumPy's functions that have no counterpart, made of dualad's: what they are made of differentiates."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np

from ...engine.tensor import Tensor
from ...errors import NumPyFunctionError, ShapeError
from .. import creation, cumulative, elementwise, indexing, joining, linalg, pytorch, reductions, searching
from .. import manipulation as manip
from ..common import all_axes, one_axis
from ..conversion import asarray
from .calls import operand

# -- statistics --------------------------------------------------------------------------------


def quantile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Tensor:
    """Interpolate linearly between the sorted elements."""
    if method != "linear":
        raise NumPyFunctionError(f"np.quantile: method must be 'linear' on Tensors, got {method!r}")
    a, places = asarray(a), np.asarray(q, dtype=float)
    if (places < 0).any() or (places > 1).any():
        raise ValueError("np.quantile: quantiles must be in the range [0, 1]")
    axes = all_axes("np.quantile", axis, a.ndim)
    lined = manip.moveaxis(a, axes, tuple(range(-len(axes), 0))) if axes else a
    lined = searching.sort(manip.reshape(lined, (*lined.shape[: a.ndim - len(axes)], -1)))
    at = places * (lined.shape[-1] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, lined.shape[-1] - 1)
    part = asarray(at - low, device=a.device).to(lined.dtype)
    y = lined[..., low] + (lined[..., high] - lined[..., low]) * part
    if keepdims:
        kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
        y = manip.reshape(y, (*kept, *places.shape))
    back = tuple(range(places.ndim))
    return manip.moveaxis(y, tuple(range(-places.ndim, 0)), back) if places.ndim else y


def percentile(a: Any, q: Any, axis: Any = None, **keywords: Any) -> Tensor:
    return quantile(a, np.asarray(q) / 100, axis, **keywords)


def median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return quantile(a, 0.5, axis, keepdims=keepdims)


def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Tensor:
    a = asarray(a)
    if weights is None:
        return reductions.mean(a, axis=axis, keepdims=keepdims)
    weights = asarray(weights)
    if weights.shape != a.shape:
        shape = [1] * a.ndim
        shape[one_axis("np.average", axis, a.ndim)] = -1
        weights = manip.broadcast_to(manip.reshape(weights, tuple(shape)), a.shape)
    total = reductions.sum(weights, axis=axis, keepdims=keepdims)
    return reductions.sum(a * weights, axis=axis, keepdims=keepdims) / total


def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    a = asarray(a)
    return reductions.max(a, axis=axis, keepdims=keepdims) - reductions.min(a, axis=axis, keepdims=keepdims)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    x = asarray(x)
    largest = float(np.finfo(x.dtype.name).max)
    x = searching.where(elementwise.isnan(x), nan, x)
    x = searching.where(x == np.inf, largest if posinf is None else posinf, x)
    return searching.where(x == -np.inf, -largest if neginf is None else neginf, x)


def nansum(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return reductions.sum(_without_nan(a, 0.0), axis=axis, keepdims=keepdims)


def nanmean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    a = asarray(a)
    there = elementwise.logical_not(elementwise.isnan(a)).to(a.dtype)
    count = reductions.sum(there, axis=axis, keepdims=keepdims)
    return nansum(a, axis, keepdims=keepdims) / count


def nanmax(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return reductions.max(_without_nan(a, -np.inf), axis=axis, keepdims=keepdims)


def nanmin(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return reductions.min(_without_nan(a, np.inf), axis=axis, keepdims=keepdims)


def _without_nan(a: Any, value: float) -> Tensor:
    a = asarray(a)
    return searching.where(elementwise.isnan(a), value, a)


# -- along an axis -----------------------------------------------------------------------------


def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Tensor:
    x = asarray(array)
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    values = np.broadcast_to(np.asarray(constant_values), (x.ndim, 2))
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise NumPyFunctionError(f"np.pad: the mode {mode!r} is not available on Tensors")
    for axis in range(x.ndim):
        before, after = (int(n) for n in widths[axis])
        if mode != "constant":  # NumPy says which element stands where
            places = np.pad(np.arange(x.shape[axis]), (before, after), mode=mode)  # type: ignore[call-overload]
            x = indexing.take(x, places, axis=axis)
            continue
        ends = []
        for n, value in zip((before, after), values[axis], strict=True):
            shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
            ends.append(creation.full(shape, value.item(), dtype=x.dtype, device=x.device))
        x = joining.concat([ends[0], x, ends[1]], axis=axis)
    return x


def convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    """Multiply the windows of one with the other, reversed."""
    a, v = asarray(a), asarray(v)
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise ShapeError(f"np.convolve: expected vectors with elements, got shapes {a.shape} and {v.shape}")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"np.convolve: mode must be 'full', 'same' or 'valid', got {mode!r}")
    if a.shape[0] < v.shape[0]:
        a, v = v, a
    n, m = a.shape[0], v.shape[0]
    windows = np.arange(n + m - 1)[:, None] + np.arange(m)
    y = linalg.matmul(pad(a, m - 1)[windows], manip.flip(v))
    if mode == "same":
        return y[(m - 1) // 2 : (m - 1) // 2 + n]
    return y if mode == "full" else y[m - 1 : n]


def correlate(a: Any, v: Any, mode: str = "valid") -> Tensor:
    a, v = asarray(a), elementwise.conj(asarray(v))
    y = convolve(a, manip.flip(v), mode)
    if mode == "same" and a.shape[0] < v.shape[0] and a.shape[0] % 2 == 0:
        full = convolve(a, manip.flip(v), "full")  # NumPy cuts the other of two middles then
        start = a.shape[0] // 2
        return full[start : start + v.shape[0]]
    return y


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Tensor:
    x = asarray(x)
    xp, fp = (a if type(a) is Tensor else asarray(a, device=x.device) for a in (xp, fp))
    known, asked = xp.detach().cpu().numpy(), x.detach().cpu().numpy()
    at = np.clip(np.searchsorted(known, asked, side="right") - 1, 0, len(known) - 2)
    x0, f0 = xp[at], fp[at]
    y = f0 + (x - x0) * ((fp[at + 1] - f0) / (xp[at + 1] - x0))
    y = searching.where(x < xp[0], fp[0] if left is None else left, y)
    return searching.where(x > xp[-1], fp[-1] if right is None else right, y)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    y = manip.moveaxis(asarray(y), axis, -1)
    steps = dx
    if x is not None:
        x = asarray(x)
        steps = cumulative.diff(manip.moveaxis(x, axis if x.ndim > 1 else -1, -1))
    return reductions.sum(steps * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)


def gradient(f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Differences: central inside, one-sided at the edges."""
    if edge_order != 1:
        raise NumPyFunctionError("np.gradient: edge_order must be 1 on Tensors")
    f = asarray(f)
    axes = all_axes("np.gradient", axis, f.ndim)
    steps = spacing * len(axes) if len(spacing) == 1 else spacing or (1.0,) * len(axes)
    if len(steps) != len(axes):
        raise ShapeError(f"np.gradient: got {len(spacing)} spacings for {len(axes)} axes")
    slopes = [_slope(manip.moveaxis(f, i, -1), h) for i, h in zip(axes, steps, strict=True)]
    moved = [manip.moveaxis(s, -1, i) for s, i in zip(slopes, axes, strict=True)]
    return moved[0] if isinstance(axis, int) or f.ndim == 1 else tuple(moved)


def _slope(f: Tensor, spacing: Any) -> Tensor:
    h = asarray(spacing, device=f.device).to(f.dtype)
    d = f[..., 1:] - f[..., :-1]
    if not h.ndim:
        inner, first, last = (d[..., 1:] + d[..., :-1]) / (2 * h), d[..., :1] / h, d[..., -1:] / h
    else:
        h = cumulative.diff(h)
        slope = d / h
        a, b = h[:-1], h[1:]
        inner = (slope[..., :-1] * b + slope[..., 1:] * a) / (a + b)
        first, last = slope[..., :1], slope[..., -1:]
    return joining.concat([first, inner, last], axis=-1)


# -- products ------------------------------------------------------------------------------------


def kron(a: Any, b: Any) -> Tensor:
    a, b = asarray(a), asarray(b)
    n = max(a.ndim, b.ndim)
    x, y = (manip.reshape(t, (1,) * (n - t.ndim) + t.shape) for t in (a, b))
    apart = manip.reshape(x, tuple(k for m in x.shape for k in (m, 1)))
    beside = manip.reshape(y, tuple(k for m in y.shape for k in (1, m)))
    return manip.reshape(apart * beside, tuple(p * q for p, q in zip(x.shape, y.shape, strict=True)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Tensor:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = manip.moveaxis(asarray(a), axisa, -1), manip.moveaxis(asarray(b), axisb, -1)
    return manip.moveaxis(linalg.cross(x, y), -1, axisc)


def multi_dot(arrays: Any) -> Tensor:
    return reduce(linalg.dot, map(asarray, arrays))


def polyval(p: Any, x: Any) -> Tensor:
    """Horner's scheme, the highest power first."""
    p, x = asarray(p), asarray(x)
    return reduce(lambda y, c: y * x + c, joining.unstack(p), x * 0)


def matrix_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """``np.linalg.norm``: of vectors or of matrices, by the number of axes."""
    x = asarray(x)
    of_matrices = x.ndim == 2 if axis is None else isinstance(axis, tuple) and len(axis) == 2
    if ord is None or not of_matrices:
        if isinstance(ord, str):
            raise ValueError(f"np.linalg.norm: the norm {ord!r} is one of matrices, got shape {x.shape}")
        return linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    if axis is not None:
        moved = manip.moveaxis(x, axis, (-2, -1))
        y = linalg.matrix_norm(moved, ord=ord)
        return manip.expand_dims(y, tuple(sorted(i % x.ndim for i in axis))) if keepdims else y
    return linalg.matrix_norm(x, ord=ord, keepdims=keepdims)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    return linalg.svd(a, full_matrices=full_matrices) if compute_uv else linalg.svdvals(a)


def qr(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r"):
        raise NumPyFunctionError(f"np.linalg.qr: the mode {mode!r} is not available on Tensors")
    return linalg.qr(a).R if mode == "r" else linalg.qr(a, mode=mode)


# -- parts and arrangements ----------------------------------------------------------------------


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Cut where NumPy cuts the places along the axis."""
    x = asarray(ary)
    axis = one_axis("np.array_split", axis, x.ndim)
    cuts = np.array_split(np.arange(x.shape[axis]), indices_or_sections)
    before = (slice(None),) * axis
    starts = np.cumsum([0, *(len(c) for c in cuts)])
    if not np.isscalar(indices_or_sections):  # cuts may overlap or reach out
        return [indexing.take(x, c, axis=axis) for c in cuts]
    return [indexing.read(x, (*before, slice(int(i), int(j)))) for i, j in pairwise(starts)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    x = asarray(ary)
    n = x.shape[one_axis("np.split", axis, x.ndim)]
    if np.isscalar(indices_or_sections) and n % int(indices_or_sections):  # type: ignore[arg-type]
        raise ShapeError(f"np.split: {n} elements cannot be divided into {indices_or_sections!r} equal parts")
    return array_split(x, indices_or_sections, axis)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    return split(ary, indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    return split(ary, indices_or_sections, 1 if asarray(ary).ndim > 1 else 0)


def append(arr: Any, values: Any, axis: Any = None) -> Tensor:
    return joining.concat([arr, values], axis=axis)


def dstack(arrays: Any) -> Tensor:
    return joining.concat([_in_three(asarray(a)) for a in arrays], axis=2)


def _in_three(x: Tensor) -> Tensor:
    if x.ndim < 2:
        return manip.reshape(x, (1, -1, 1))
    return x if x.ndim > 2 else manip.expand_dims(x, 2)


def column_stack(arrays: Any) -> Tensor:
    tensors = [asarray(a) for a in arrays]
    return joining.concat([t if t.ndim > 1 else manip.reshape(t, (-1, 1)) for t in tensors], axis=1)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return linalg.diagonal(manip.moveaxis(asarray(a), (axis1, axis2), (-2, -1)), offset=offset)


def diag(v: Any, k: int = 0) -> Tensor:
    return pytorch.diag(v, k)


def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Tensor:
    m = asarray(m)
    i, j = (one_axis("np.rot90", a, m.ndim) for a in axes)
    for _ in range(k % 4):
        m = manip.flip(manip.transpose(m, i, j), axis=i)
    return m


def argwhere(a: Any) -> Tensor:
    a = asarray(a)
    return manip.transpose(joining.stack(searching.nonzero(a))) if a.ndim else a.reshape(1)[:0]


def flatnonzero(a: Any) -> Tensor:
    return searching.nonzero(manip.reshape(asarray(a), (-1,)))[0]


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tensor:
    y = operand(default)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        y = searching.where(asarray(condition), operand(choice), y)
    return asarray(y)


# -- elementwise -------------------------------------------------------------------------------


def fmod(x1: Any, x2: Any) -> Tensor:
    """The remainder that has the sign of x1."""
    x1, x2 = operand(x1), operand(x2)
    whole = elementwise.trunc(elementwise.divide(x1, x2))
    return elementwise.subtract(x1, whole * x2)


def fmax(x1: Any, x2: Any) -> Tensor:
    return _but_nan(elementwise.maximum, x1, x2)


def fmin(x1: Any, x2: Any) -> Tensor:
    return _but_nan(elementwise.minimum, x1, x2)


def _but_nan(choose: Any, x1: Any, x2: Any) -> Tensor:
    x1, x2 = operand(x1), operand(x2)
    y = choose(x1, x2)
    return searching.where(elementwise.isnan(x1), x2, searching.where(elementwise.isnan(x2), x1, y))


def cbrt(x: Any) -> Tensor:
    x = asarray(x)
    return elementwise.sign(x) * elementwise.abs(x) ** (1 / 3)


def heaviside(x1: Any, x2: Any) -> Tensor:
    x1 = asarray(x1)
    return searching.where(x1 == 0, operand(x2), (x1 > 0).to(x1.dtype))


def sinc(x: Any) -> Tensor:
    from .. import special  # its hundred ops take as long to import as the rest of dualad

    return special.sinc(asarray(x))
