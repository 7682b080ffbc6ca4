"""NumPy's functions that are not ufuncs, each by what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from ...engine.tensor import Tensor
from .. import (
    creation,
    cumulative,
    elementwise,
    fourier,
    frequencies,
    indexing,
    joining,
    linalg,
    manipulation,
    pytorch,
    reductions,
    searching,
    sets,
)  # fmt: skip
from ..common import as_shape
from ..conversion import asarray
from ..einsum import einsum
from . import made
from .calls import call as pass_on
from .calls import operand


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **kw: Any
    ) -> Any:
        return pass_on(
            f"np.{function.__name__}",
            function,
            a,
            axis=axis,
            dtype=dtype,
            out=out,
            keepdims=bool(keepdims),
            **kw,
        )

    return call


def _extremum(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **kw: Any) -> Any:
        return pass_on(
            f"np.{function.__name__}", function, a, axis=axis, out=out, keepdims=bool(keepdims), **kw
        )

    return call


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: float = 0,
        keepdims: Any = False,
        **kw: Any,
    ) -> Any:
        correction = kw.pop("correction", ddof)
        kw = {"out": out, **kw}
        return pass_on(
            f"np.{function.__name__}",
            function,
            a,
            axis=axis,
            correction=correction,
            keepdims=keepdims is True,
            **kw,
        )

    return call


def _outer(a: Any, b: Any) -> Tensor:
    return manipulation.reshape(a, (-1, 1)) * manipulation.reshape(b, (1, -1))


def _at_least(ndim: int) -> Callable[..., Any]:
    def call(x: Any) -> Tensor:
        x = asarray(x)
        return x if x.ndim >= ndim else manipulation.reshape(x, (1,) * (ndim - x.ndim) + x.shape)

    return call


def _joined(ndim: int, axis: int) -> Callable[..., Any]:
    def call(arrays: Any, **kw: Any) -> Tensor:
        parts = [_at_least(ndim)(a) for a in arrays]
        return joining.concat(parts, axis=axis if parts[0].ndim > 1 else 0)

    return call


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
    a = manipulation.moveaxis(asarray(a), (axis1, axis2), (-2, -1))
    eye = creation.eye(*a.shape[-2:], k=offset, dtype=a.dtype, device=a.device)
    return reductions.sum(a * eye, axis=(-2, -1), dtype=dtype)


def _reshape(a: Any, shape: Any, order: str = "C", copy: bool | None = None) -> Tensor:
    a = asarray(a)
    if order != "F":  # a Tensor's elements are in C's order, whatever lies in memory
        return manipulation.reshape(a, shape, copy=copy)
    backwards = manipulation.reshape(manipulation.transpose(a), as_shape(shape)[::-1], copy=copy)
    return manipulation.transpose(backwards)


def _like(make: Callable[..., Tensor], make_like: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(a: Any, *value: Any, dtype: Any = None, shape: Any = None, device: Any = None, **kw: Any) -> Any:
        if shape is None:
            return make_like(a, *value, dtype=dtype, device=device)
        a = asarray(a)
        return make(as_shape(shape), *value, dtype=dtype or a.dtype, device=device or a.device)

    return call


def _sorting(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(a: Any, axis: int | None = -1, **kw: Any) -> Tensor:
        return function(_reshape(a, (-1,)) if axis is None else a, axis=-1 if axis is None else axis)

    return call


def _choose(condition: Any, x: Any = None, y: Any = None) -> Any:
    return searching.where(asarray(condition), *(() if x is None else map(operand, (x, y))))


def _transform(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, n_or_s: Any = None, axis_or_axes: Any = None, norm: Any = None, **kw: Any) -> Tensor:
        names = list(signature(function).parameters)[1:]
        given = dict(zip(names, (n_or_s, axis_or_axes, norm), strict=False)) | kw
        return function(_floating(a), **{k: v for k, v in given.items() if v is not None})

    return call


def _triangle(a: Any, uplo: str) -> Tensor:
    """Return a Hermitian matrix of which the lower triangle holds what the one named did."""
    return asarray(a) if uplo.upper() == "L" else elementwise.conj(asarray(a)).mT


def _named(theirs: Any, ours: Any, names: str, adapted: Any = lambda f: f) -> dict[Any, Callable[..., Any]]:
    """Return NumPy's functions of these names with ours of the same."""
    return {getattr(theirs, n): adapted(getattr(ours, n)) for n in names.split()}


def _floating(a: Any) -> Tensor:
    a = asarray(a)
    return a if a.dtype.is_differentiable else a.to("float64")


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _reduction(reductions.sum), np.prod: _reduction(reductions.prod),
    np.mean: _reduction(reductions.mean),
    np.max: _extremum(reductions.max), np.amax: _extremum(reductions.max),
    np.min: _extremum(reductions.min), np.amin: _extremum(reductions.min),
    np.all: _extremum(reductions.all), np.any: _extremum(reductions.any),
    np.var: _spread(reductions.var), np.std: _spread(reductions.std),
    np.argmax: _extremum(searching.argmax), np.argmin: _extremum(searching.argmin),
    np.reshape: _reshape, np.ravel: lambda a, order="C": _reshape(a, (-1,), order),
    np.transpose: lambda a, axes=None: manipulation.transpose(asarray(a), *(() if axes is None else (axes,))),
    np.swapaxes: lambda a, i, j: manipulation.transpose(asarray(a), i, j),
    np.moveaxis: manipulation.moveaxis, np.squeeze: manipulation.squeeze,
    np.expand_dims: lambda a, axis: manipulation.expand_dims(a, axis=axis),
    np.broadcast_to: lambda a, shape, subok=False: manipulation.broadcast_to(a, shape),
    np.broadcast_arrays: lambda *arrays, subok=False: manipulation.broadcast_arrays(*arrays),
    np.meshgrid: lambda *arrays, indexing="xy": manipulation.meshgrid(*arrays, indexing=indexing),
    np.concatenate: lambda arrays, axis=0, **kw: joining.concat(arrays, axis=axis),
    np.stack: lambda arrays, axis=0, **kw: joining.stack(arrays, axis=axis),
    np.vstack: _joined(2, 0), np.hstack: _joined(1, 1),
    np.atleast_1d: _at_least(1), np.atleast_2d: _at_least(2),
    np.flip: lambda a, axis=None: manipulation.flip(a, axis=axis),
    np.roll: lambda a, shift, axis=None: manipulation.roll(a, shift, axis=axis),
    np.repeat: lambda a, repeats, axis=None: manipulation.repeat(a, repeats, axis=axis),
    np.tile: lambda a, reps: manipulation.tile(a, reps),
    np.tril: lambda a, k=0: manipulation.tril(a, k=k), np.triu: lambda a, k=0: manipulation.triu(a, k=k),
    np.copy: lambda a, **kw: manipulation.clone(a),
    np.where: _choose, np.nonzero: searching.nonzero,
    np.clip: lambda a, a_min=None, a_max=None, out=None, *, min=None, max=None: elementwise.clip(
        a, a_min if min is None else min, a_max if max is None else max
    ),
    np.sort: _sorting(searching.sort), np.argsort: _sorting(searching.argsort),
    np.take: lambda a, indices, axis=None, **kw: asarray(a).take(asarray(indices), axis),
    np.take_along_axis: lambda a, indices, axis=-1: indexing.take_along_axis(a, indices, axis=axis),
    np.dot: linalg.dot, np.vdot: lambda a, b: linalg.vecdot(asarray(a).ravel(), asarray(b).ravel()),
    np.inner: lambda a, b: linalg.tensordot(a, b, axes=((-1,), (-1,))), np.outer: _outer,
    np.tensordot: lambda a, b, axes=2: linalg.tensordot(a, b, axes=axes),
    np.trace: _trace,
    np.real: elementwise.real, np.imag: elementwise.imag,
    np.round: lambda a, decimals=0, out=None: asarray(a).round(decimals),
    np.zeros_like: _like(creation.zeros, creation.zeros_like),
    np.ones_like: _like(creation.ones, creation.ones_like),
    np.empty_like: _like(creation.empty, creation.empty_like),
    np.full_like: _like(creation.full, creation.full_like),
    np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim, np.size: lambda a, axis=None: int(a.size)
    if axis is None else a.shape[axis],
    np.einsum: lambda subscripts, *operands, optimize=False: einsum(subscripts, *operands),
    np.cumsum: lambda a, axis=None, dtype=None: cumulative.cumsum(a, axis, dtype),
    np.cumprod: lambda a, axis=None, dtype=None: cumulative.cumprod(a, axis, dtype),
    np.diff: lambda a, n=1, axis=-1, **ends: cumulative.diff(asarray(a), n=n, axis=axis, **ends),
    np.fliplr: lambda m: manipulation.flip(m, axis=1), np.flipud: lambda m: manipulation.flip(m, axis=0),
    np.count_nonzero: lambda a, axis=None, *, keepdims=False: searching.count_nonzero(
        a, axis=axis, keepdims=keepdims
    ),
    np.searchsorted: lambda a, v, side="left", sorter=None: searching.searchsorted(
        a, v, side=side, sorter=sorter
    ),
    np.isclose: pytorch.isclose,
    np.unique: lambda ar: sets.unique_values(ar),
    np.isin: lambda element, test_elements, *, invert=False: sets.isin(element, test_elements, invert=invert),
    np.around: lambda a, decimals=0: asarray(a).round(decimals),
    np.linalg.norm: made.matrix_norm, np.linalg.svd: made.svd, np.linalg.qr: made.qr,
    np.linalg.multi_dot: made.multi_dot,
    np.linalg.eigh: lambda a, UPLO="L": linalg.eigh(_triangle(a, UPLO)),
    np.linalg.eigvalsh: lambda a, UPLO="L": linalg.eigvalsh(_triangle(a, UPLO)),
    **_named(np, made, "append argwhere array_split average column_stack convolve correlate cross diag"),
    **_named(np, made, "diagonal dstack flatnonzero gradient hsplit interp kron median nan_to_num nanmax"),
    **_named(np, made, "nanmean nanmin nansum pad percentile polyval ptp quantile rot90 select sinc split"),
    **_named(np, made, "trapezoid vsplit"),
    **_named(np, cumulative, "cumulative_prod cumulative_sum"),
    **_named(np, sets, "unique_all unique_counts unique_inverse unique_values"),
    **_named(np, manipulation, "astype matrix_transpose"), **_named(np, joining, "unstack"),
    **_named(np.fft, frequencies, "fftshift ifftshift"),
    **_named(np.linalg, linalg, "cholesky cross det diagonal eig eigvals inv matmul matrix_norm"),
    **_named(np.linalg, linalg, "matrix_power matrix_rank matrix_transpose outer pinv slogdet solve svdvals"),
    **_named(np.linalg, linalg, "tensordot trace vecdot vector_norm"),
    **_named(np.fft, fourier, "fft ifft rfft irfft hfft ihfft fftn ifftn rfftn irfftn",
             _transform),
}  # fmt: skip
