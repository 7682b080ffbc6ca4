"""NumPy's functions that have no counterpart, made of dualad's: what they are made of differentiates."""

from __future__ import annotations

from functools import reduce
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np

from ...engine.tensor import Tensor
from ...errors import NumPyFunctionError, ShapeError
from .. import creation, cumulative, elementwise, indexing, joining, linalg, reductions, searching
from .. import manipulation as manip
from ..common import one_axis
from ..einsum import einsum
from ..linalg.norms import norm_by_axes
from .calls import array, floating, numpy_dtype, operand

# Up to so many elements a convolution reads all windows at once.
WINDOWS = 1 << 20

# -- along an axis -----------------------------------------------------------------------------


def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = None) -> Tensor:
    x = array(x)
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise NumPyFunctionError(f"np.pad: the mode {mode!r} is not available on Tensors")
    if mode != "constant" and constant_values is not None:
        raise ValueError(f"np.pad: the mode {mode!r} takes no constant_values")
    widths = np.broadcast_to(np.asarray(_of_each_axis(pad_width, x.ndim)), (x.ndim, 2))
    values = np.broadcast_to(np.asarray(0 if constant_values is None else constant_values), (x.ndim, 2))
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


def _of_each_axis(pad_width: Any, ndim: int) -> Any:
    if not isinstance(pad_width, dict):
        return pad_width
    widths: list[Any] = [(0, 0)] * ndim
    for axis, n in pad_width.items():
        widths[axis] = n if isinstance(n, tuple) else (n, n)
    return widths


def convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    """Multiply the windows of one with the other, reversed; long ones an element of it at a time."""
    like = a if isinstance(a, Tensor) else v
    a, v = (manip.reshape(x, (1,)) if not x.ndim else x for x in (array(a, like), array(v, like)))
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise ShapeError(f"np.convolve: expected vectors with elements, got shapes {a.shape} and {v.shape}")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"np.convolve: mode must be 'full', 'same' or 'valid', got {mode!r}")
    if a.shape[0] < v.shape[0]:
        a, v = v, a
    n, m = a.shape[0], v.shape[0]
    y = _convolved(pad(a, m - 1), manip.flip(v), n + m - 1, m)
    if mode == "same":
        return y[(m - 1) // 2 : (m - 1) // 2 + n]
    return y if mode == "full" else y[m - 1 : n]


def _convolved(padded: Tensor, factors: Tensor, n: int, m: int) -> Tensor:
    if n * m <= WINDOWS:
        return linalg.matmul(padded[np.arange(n)[:, None] + np.arange(m)], factors)
    shifted = (padded[i : i + n] * factor for i, factor in enumerate(joining.unstack(factors)))
    return reduce(elementwise.add, shifted)


def correlate(a: Any, v: Any, mode: str = "valid") -> Tensor:
    like = a if isinstance(a, Tensor) else v
    a, v = array(a, like), elementwise.conj(array(v, like))
    y = convolve(a, manip.flip(v), mode)
    if mode == "same" and a.shape[0] < v.shape[0] and a.shape[0] % 2 == 0:
        full = convolve(a, manip.flip(v), "full")  # NumPy cuts the other of two middles then
        start = a.shape[0] // 2
        return full[start : start + v.shape[0]]
    return y


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Tensor:
    like = next(t for t in (x, xp, fp) if isinstance(t, Tensor))
    x, xp, fp = (floating(array(t, like)) for t in (x, xp, fp))
    if period is not None:
        x, xp, fp = _in_period(x, xp, fp, period)
        left = right = None
    n = xp.shape[0]
    if n == 1:
        y = manip.broadcast_to(fp[0], x.shape)
    else:
        after = searching.searchsorted(xp.detach(), manip.reshape(x.detach(), (-1,)), side="right")
        at = manip.reshape(elementwise.clip(after - 1, 0, n - 2), x.shape)
        x0, f0, f1 = xp[at], fp[at], fp[at + 1]
        step = xp[at + 1] - x0
        apart = step != 0  # the last two places may be one
        slope = (f1 - f0) / searching.where(apart, step, 1.0)
        y = searching.where(apart, f0 + (x - x0) * slope, f1)
    y = searching.where(x < xp[0], fp[0] if left is None else operand(left), y)
    return searching.where(x > xp[-1], fp[-1] if right is None else operand(right), y)


def _in_period(x: Tensor, xp: Tensor, fp: Tensor, period: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Sort the places within one period, and repeat the last before it and the first after it."""
    if not period:
        raise ValueError("np.interp: period must not be 0")
    period = abs(period)
    x, xp = elementwise.remainder(x, period), elementwise.remainder(xp, period)
    order = searching.argsort(xp)
    xp, fp = xp[order], fp[order]
    xp = joining.concat([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, joining.concat([fp[-1:], fp, fp[:1]])


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    y = manip.moveaxis(array(y), axis, -1)
    steps = dx
    if x is not None:
        x = array(x)
        steps = cumulative.diff(manip.moveaxis(x, axis if x.ndim > 1 else -1, -1))
    return reductions.sum(steps * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Differences: central inside, one-sided at the edges."""
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient: edge_order must be 1 or 2, got {edge_order!r}")
    f = floating(f)
    axes = tuple(range(f.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(one_axis("np.gradient", i, f.ndim) for i in axes)
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(steps) != len(axes):
        raise ShapeError(f"np.gradient: got {len(varargs)} spacings for {len(axes)} axes")
    if any(f.shape[i] <= edge_order for i in axes):
        raise ShapeError(
            f"np.gradient: shape {f.shape} needs more than {edge_order} elements along axis {axes}"
        )
    slopes = [_slope(manip.moveaxis(f, i, -1), h, edge_order) for i, h in zip(axes, steps, strict=True)]
    moved = [manip.moveaxis(s, -1, i) for s, i in zip(slopes, axes, strict=True)]
    return moved[0] if len(axes) == 1 else tuple(moved)


def _slope(f: Tensor, spacing: Any, edge_order: int) -> Tensor:
    h = array(spacing, f).to(f.dtype)
    h = cumulative.diff(h) if h.ndim else h
    d = (f[..., 1:] - f[..., :-1]) / h
    if not h.ndim:
        inner = (d[..., 1:] + d[..., :-1]) / 2
        ends: list[Any] = [0.5, 0.5]
    else:
        a, b = h[:-1], h[1:]
        inner = (d[..., :-1] * b + d[..., 1:] * a) / (a + b)
        ends = [h[0] / (h[0] + h[1]), h[-1] / (h[-1] + h[-2])] if h.shape[0] > 1 else [0.0, 0.0]
    first, last = d[..., :1], d[..., -1:]
    if edge_order == 2:  # the parabola through three elements
        first = first + (first - d[..., 1:2]) * ends[0]
        last = last + (last - d[..., -2:-1]) * ends[1]
    return joining.concat([first, inner, last], axis=-1)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, dtype: Any = None) -> Tensor:
    like = start if isinstance(start, Tensor) else stop
    start, stop = (floating(array(t, like)) for t in (start, stop))
    return creation.linspace(start, stop, num, endpoint=endpoint, dtype=numpy_dtype(dtype))


# -- products ------------------------------------------------------------------------------------


def kron(a: Any, b: Any) -> Tensor:
    like = a if isinstance(a, Tensor) else b
    a, b = array(a, like), array(b, like)
    n = max(a.ndim, b.ndim)
    x, y = (manip.reshape(t, (1,) * (n - t.ndim) + t.shape) for t in (a, b))
    apart = manip.reshape(x, tuple(k for m in x.shape for k in (m, 1)))
    beside = manip.reshape(y, tuple(k for m in y.shape for k in (1, m)))
    return manip.reshape(apart * beside, tuple(p * q for p, q in zip(x.shape, y.shape, strict=True)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Tensor:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = manip.moveaxis(array(a), axisa, -1), manip.moveaxis(array(b), axisb, -1)
    return manip.moveaxis(linalg.cross(x, y), -1, axisc)


def multi_dot(arrays: Any) -> Tensor:
    return reduce(linalg.dot, map(array, arrays))


def inner(a: Any, b: Any) -> Tensor:
    a, b = operand(a), operand(b)
    if not np.ndim(a) or not np.ndim(b):
        return elementwise.multiply(a, b)
    return linalg.tensordot(a, b, axes=((-1,), (-1,)))


def polyval(p: Any, x: Any) -> Tensor:
    """Horner's scheme, the highest power first."""
    p, x = array(p), operand(x)
    first, *others = joining.unstack(p)
    return reduce(lambda y, c: y * x + c, others, creation.zeros_like(x) + first)


def either_einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Tensor:
    """In both of NumPy's forms; `optimize` says how fast, not what."""
    if not isinstance(subscripts, str):  # operands and lists of axes take turns
        given = [subscripts, *operands]
        arrays, axes = given[: len(given) // 2 * 2 : 2], given[1::2]
        names = ",".join(map(_lettered, axes))
        subscripts = f"{names}->{_lettered(given[-1])}" if len(given) % 2 else names
        operands = tuple(arrays)
    return einsum(subscripts, *map(array, operands))


def _lettered(axes: Any) -> str:
    letters = ascii_uppercase + ascii_lowercase  # their order is that of the numbers
    return "".join("..." if a is Ellipsis else letters[a] for a in axes)


# -- linear algebra ------------------------------------------------------------------------------


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    return norm_by_axes(floating(x), ord, axis, keepdims)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    return linalg.svd(a, full_matrices=full_matrices) if compute_uv else linalg.svdvals(a)


def qr(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r"):
        raise NumPyFunctionError(f"np.linalg.qr: the mode {mode!r} is not available on Tensors")
    return linalg.qr(a).R if mode == "r" else linalg.qr(a, mode=mode)


def pinv(a: Any, rcond: Any = None, *, rtol: Any = np._NoValue) -> Tensor:
    if rcond is not None and rtol is not np._NoValue:
        raise ValueError("np.linalg.pinv: rtol and rcond cannot both be given")
    if rcond is None:
        rcond = 1e-15 if rtol is np._NoValue else rtol  # NumPy's default is not the standard's
    return linalg.pinv(array(a), rtol=rcond)


def triangle(a: Any, uplo: str) -> Tensor:
    """Return a Hermitian matrix of which the lower triangle holds what the one named did."""
    if uplo.upper() not in ("L", "U"):
        raise ValueError(f"np.linalg.eigh: UPLO must be 'L' or 'U', got {uplo!r}")
    return array(a) if uplo.upper() == "L" else elementwise.conj(array(a)).mT


def sinc(x: Any) -> Tensor:
    from .. import special  # its hundred ops take as long to import as the rest of dualad

    return special.sinc(floating(x))


def angle(z: Any, deg: bool = False) -> Tensor:
    z = floating(z)
    of_complex = z.dtype.name.startswith("complex")
    y = elementwise.imag(z) if of_complex else creation.zeros_like(z)
    phase = elementwise.atan2(y, elementwise.real(z) if of_complex else z)
    return phase * (180 / np.pi) if deg else phase
