"""NumPy's functions that are not ufuncs, each by what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine.operands import PYTHON_SCALARS
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
from . import arrangement, made, statistics
from .calls import array, cast, floating, numpy_dtype, operand, together
from .calls import call as pass_on

# -- reductions --------------------------------------------------------------------------------


def _extremum(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **kw: Any) -> Any:
        return pass_on(f"np.{name}", function, a, axis=axis, out=out, keepdims=_flag(keepdims), **kw)

    return call


def _reduction(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    reduce = _extremum(name, function)

    def call(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **kw: Any
    ) -> Any:
        return reduce(cast(a, dtype), axis, out, keepdims, **kw)

    return call


def _spread(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    reduce = _reduction(name, function)

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
        return reduce(floating(a), axis, dtype, out, keepdims, correction=correction, **kw)

    return call


_mean = _reduction("mean", reductions.mean)


def _flag(keepdims: Any) -> bool:
    return keepdims is not np._NoValue and bool(keepdims)


def _running(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
        return function(array(a), axis=axis, dtype=numpy_dtype(dtype))

    return call


def _cumulative(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(
        x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
    ) -> Tensor:
        return function(array(x), axis=axis, dtype=numpy_dtype(dtype), include_initial=include_initial)

    return call


# -- shapes and contents -----------------------------------------------------------------------


def _outer(a: Any, b: Any) -> Tensor:
    return manipulation.reshape(array(a), (-1, 1)) * manipulation.reshape(array(b), (1, -1))


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
    diagonal = arrangement.diagonal(a, offset, axis1, axis2)
    return reductions.sum(diagonal, axis=-1, dtype=numpy_dtype(dtype))


def _reshape(a: Any, shape: Any, order: str = "C", copy: bool | None = None) -> Tensor:
    a = array(a)
    if order != "F":  # a Tensor's elements are in C's order, whatever lies in memory
        return manipulation.reshape(a, shape, copy=copy)
    backwards = manipulation.reshape(manipulation.transpose(a), as_shape(shape)[::-1], copy=copy)
    return manipulation.transpose(backwards)


def _like(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(
        a: Any,
        dtype: Any = None,
        order: str = "K",
        subok: bool = True,
        shape: Any = None,
        *,
        device: Any = None,
    ) -> Any:
        return _full_like(make, a, (), dtype, shape, device)

    return call


def _filled_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    return _full_like(creation.full, a, (fill_value,), dtype, shape, device)


def _full_like(make: Any, a: Any, value: Any, dtype: Any, shape: Any, device: Any) -> Tensor:
    """Make an array; its order in memory is of no meaning for a Tensor."""
    a = array(a)
    where = {"dtype": numpy_dtype(dtype) or a.dtype, "device": device or a.device}
    return make(a.shape if shape is None else as_shape(shape), *value, **where)


def _sorting(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(a: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
        return function(_reshape(a, (-1,)) if axis is None else a, axis=-1 if axis is None else axis)

    return call


def _choose(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return searching.where(array(condition))
    # Beside an array a number is weak; two numbers get the dtype that NumPy gives them.
    of = array if type(x) in PYTHON_SCALARS and type(y) in PYTHON_SCALARS else operand
    return searching.where(array(condition), of(x), of(y))


def _rounded(a: Any, decimals: int = 0) -> Tensor:
    a = array(a)
    return a.round(decimals).to(a.dtype) if decimals < 0 or a.dtype.is_differentiable else a


def _size(a: Any, axis: Any = None) -> int:
    lengths = (
        a.shape if axis is None else [a.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,))]
    )
    return int(np.prod(lengths, dtype=int))


def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    a1, a2 = array(a1).detach(), array(a2).detach()
    same = elementwise.equal(a1, a2) if a1.shape == a2.shape else None
    if same is not None and equal_nan:
        same = elementwise.logical_or(same, elementwise.logical_and(a1 != a1, a2 != a2))
    return same is not None and bool(reductions.all(same))


def _triangle_indices(indices: Callable[..., Any]) -> Callable[..., Any]:
    def call(arr: Any, k: int = 0) -> Any:
        return tuple(array(i, arr) for i in indices(*arr.shape[:1], k, *arr.shape[1:]))

    return call


# -- Fourier transforms ------------------------------------------------------------------------


def _transform(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
        return function(floating(a), n=n, axis=axis, norm=norm or "backward")

    return call


def _transform_n(function: Callable[..., Any], axes: Any = None) -> Callable[..., Any]:
    default = axes

    def call(a: Any, s: Any = None, axes: Any = default, norm: str | None = None) -> Tensor:
        return function(floating(a), s=s, axes=axes, norm=norm or "backward")

    return call


def _named(theirs: Any, ours: Any, names: str, adapted: Any = lambda f: f) -> dict[Any, Callable[..., Any]]:
    """Return NumPy's functions of these names with ours of the same."""
    return {getattr(theirs, n): adapted(getattr(ours, n)) for n in names.split()}


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _reduction("sum", reductions.sum), np.prod: _reduction("prod", reductions.prod),
    np.mean: lambda a, *args, **kw: _mean(floating(a), *args, **kw),
    np.max: _extremum("max", reductions.max), np.min: _extremum("min", reductions.min),
    np.amax: _extremum("max", reductions.max), np.amin: _extremum("min", reductions.min),
    np.all: _extremum("all", reductions.all), np.any: _extremum("any", reductions.any),
    np.var: _spread("var", reductions.var), np.std: _spread("std", reductions.std),
    np.argmax: _extremum("argmax", searching.argmax), np.argmin: _extremum("argmin", searching.argmin),
    np.reshape: _reshape, np.ravel: lambda a, order="C": _reshape(a, (-1,), order),
    np.transpose: lambda a, axes=None: manipulation.transpose(array(a), *(() if axes is None else (axes,))),
    np.swapaxes: lambda a, i, j: manipulation.transpose(array(a), i, j),
    np.moveaxis: manipulation.moveaxis, np.squeeze: manipulation.squeeze,
    np.expand_dims: lambda a, axis: manipulation.expand_dims(a, axis=axis),
    np.broadcast_to: lambda a, shape, subok=False: manipulation.broadcast_to(a, shape),
    np.broadcast_arrays: lambda *arrays, subok=False: manipulation.broadcast_arrays(*arrays),
    np.meshgrid: lambda *arrays, indexing="xy": manipulation.meshgrid(*map(array, arrays), indexing=indexing),
    np.atleast_1d: lambda *arrays: arrangement.at_least(1, *arrays),
    np.atleast_2d: lambda *arrays: arrangement.at_least(2, *arrays),
    np.atleast_3d: lambda *arrays: arrangement.at_least(3, *arrays),
    np.flip: lambda a, axis=None: manipulation.flip(a, axis=axis),
    np.fliplr: lambda m: manipulation.flip(m, axis=1), np.flipud: lambda m: manipulation.flip(m, axis=0),
    np.roll: lambda a, shift, axis=None: manipulation.roll(a, shift, axis=axis),
    np.repeat: lambda a, repeats, axis=None: manipulation.repeat(a, repeats, axis=axis),
    np.tile: lambda a, reps: manipulation.tile(a, reps),
    np.tril: lambda a, k=0: manipulation.tril(a, k=k), np.triu: lambda a, k=0: manipulation.triu(a, k=k),
    np.tril_indices_from: _triangle_indices(np.tril_indices),
    np.triu_indices_from: _triangle_indices(np.triu_indices),
    np.copy: lambda a, order="K", subok=False: manipulation.clone(a),
    np.where: _choose, np.nonzero: searching.nonzero,
    np.clip: lambda a, a_min=None, a_max=None, *, min=None, max=None: elementwise.clip(
        a, operand(a_min if min is None else min), operand(a_max if max is None else max)
    ),
    np.sort: _sorting(searching.sort), np.argsort: _sorting(searching.argsort),
    np.take_along_axis: lambda a, indices, axis=-1: indexing.take_along_axis(a, array(indices), axis=axis),
    np.dot: lambda a, b: linalg.dot(operand(a, b), operand(b, a)), np.inner: made.inner, np.outer: _outer,
    np.vdot: lambda a, b: linalg.vecdot(*(x.ravel() for x in together((a, b)))),
    np.tensordot: lambda a, b, axes=2: linalg.tensordot(operand(a, b), operand(b, a), axes=axes),
    np.trace: _trace, np.einsum: made.either_einsum,
    np.real: elementwise.real, np.imag: elementwise.imag, np.angle: made.angle,
    np.iscomplexobj: lambda x: array(x).dtype.name.startswith("complex"),
    np.isrealobj: lambda x: not array(x).dtype.name.startswith("complex"),
    np.isposinf: lambda x: x == np.inf, np.isneginf: lambda x: x == -np.inf,
    np.round: _rounded, np.around: _rounded, np.fix: lambda x: elementwise.trunc(x),
    np.zeros_like: _like(creation.zeros), np.ones_like: _like(creation.ones),
    np.empty_like: _like(creation.empty), np.full_like: _filled_like, np.linspace: made.linspace,
    np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim, np.size: _size,
    np.array_repr: lambda arr: repr(arr), np.array_str: lambda a: str(a),
    np.cumsum: _running(cumulative.cumsum), np.cumprod: _running(cumulative.cumprod),
    np.cumulative_sum: _cumulative(cumulative.cumulative_sum),
    np.cumulative_prod: _cumulative(cumulative.cumulative_prod),
    np.diff: lambda a, n=1, axis=-1, prepend=None, append=None: cumulative.diff(
        array(a), n=n, axis=axis, prepend=operand(prepend), append=operand(append)
    ),
    np.count_nonzero: lambda a, axis=None, *, keepdims=False: searching.count_nonzero(
        a, axis=axis, keepdims=keepdims
    ),
    np.searchsorted: lambda a, v, side="left", sorter=None: searching.searchsorted(
        array(a), array(v), side=side, sorter=sorter
    ),
    np.isclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: pytorch.isclose(
        array(a), array(b), rtol, atol, equal_nan
    ),
    np.allclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: pytorch.allclose(
        array(a), array(b), rtol, atol, equal_nan
    ),
    np.array_equal: _array_equal,
    np.isin: lambda element, test_elements, *, invert=False: sets.isin(
        operand(element), operand(test_elements), invert=invert
    ),
    np.astype: lambda x, dtype, /, *, copy=True: manipulation.astype(array(x), numpy_dtype(dtype), copy=copy),
    np.linalg.norm: made.norm,
    np.linalg.eigh: lambda a, UPLO="L": linalg.eigh(made.triangle(a, UPLO)),
    np.linalg.eigvalsh: lambda a, UPLO="L": linalg.eigvalsh(made.triangle(a, UPLO)),
    np.linalg.solve: lambda a, b: linalg.solve(array(a), array(b)),
    np.fft.fft2: _transform_n(fourier.fftn, (-2, -1)), np.fft.ifft2: _transform_n(fourier.ifftn, (-2, -1)),
    np.fft.rfft2: _transform_n(fourier.rfftn, (-2, -1)),
    np.fft.irfft2: _transform_n(fourier.irfftn, (-2, -1)),
    np.fft.fftshift: lambda x, axes=None: frequencies.fftshift(x, axes=axes),
    np.fft.ifftshift: lambda x, axes=None: frequencies.ifftshift(x, axes=axes),
    **_named(np.fft, fourier, "fft ifft rfft irfft hfft ihfft", _transform),
    **_named(np.fft, fourier, "fftn ifftn rfftn irfftn", _transform_n),
    **_named(np, made, "convolve correlate cross gradient interp kron pad polyval sinc trapezoid"),
    **_named(np, statistics, "average corrcoef cov median nan_to_num nanmax nanmean nanmedian nanmin"),
    **_named(np, statistics, "nanpercentile nanprod nanquantile nanstd nansum nanvar percentile ptp"),
    **_named(np, arrangement, "append argwhere array_split block column_stack compress concatenate delete"),
    **_named(np, arrangement, "diag diagflat diagonal dsplit dstack extract fill_diagonal"),
    **_named(np, arrangement, "hstack piecewise resize rollaxis rot90 select split stack take unique vander"),
    **_named(np, statistics, "quantile"), **_named(np, arrangement, "flatnonzero hsplit vsplit vstack"),
    **_named(np, sets, "unique_all unique_counts unique_inverse unique_values"),
    **_named(np, manipulation, "matrix_transpose"), **_named(np, joining, "unstack"),
    **_named(np.linalg, made, "multi_dot pinv qr svd"),
    **_named(np.linalg, linalg, "cholesky cross det diagonal eig eigvals inv matmul matrix_norm"),
    **_named(np.linalg, linalg, "matrix_power matrix_rank matrix_transpose outer slogdet svdvals"),
    **_named(np.linalg, linalg, "tensordot trace vecdot vector_norm"),
}  # fmt: skip
