"""NumPy's own functions on Tensors: ``np.sin(t)``, ``np.sum(t, axis=0)`` reach the same ops.

NumPy asks an argument's ``__array_ufunc__`` (for its ufuncs) and ``__array_function__`` (for the
others) before it does anything itself. The tables say which function each becomes; NumPy's
arguments that the standard lacks (``out=``, ``where=``) are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.operands import PYTHON_SCALARS
from ..engine.tensor import Tensor
from ..errors import NumPyFunctionError
from . import creation, elementwise, indexing, joining, linalg, manipulation, reductions, searching
from .common import as_shape
from .creation import asarray

# -- ufuncs ------------------------------------------------------------------------------------

# NumPy's names that are not the standard's.
_OTHER_NAMES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "conjugate": "conj", "rint": "round",
    "invert": "bitwise_invert", "left_shift": "bitwise_left_shift", "power": "pow",
    "right_shift": "bitwise_right_shift", "fabs": "abs", "float_power": "pow", "true_divide": "divide",
    "mod": "remainder",
}  # fmt: skip

_UFUNCS: dict[str, Callable[..., Any]] = {
    "matmul": linalg.matmul,
    "vecdot": linalg.vecdot,
    "deg2rad": lambda x: asarray(x) * (np.pi / 180),
    "rad2deg": lambda x: asarray(x) * (180 / np.pi),
    "exp2": lambda x: elementwise.pow(2.0, x),
}

_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": reductions.sum,
    "multiply": reductions.prod,
    "maximum": reductions.max,
    "minimum": reductions.min,
    "logical_and": reductions.all,
    "logical_or": reductions.any,
}


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    name = ufunc.__name__
    if method == "reduce" and name in _REDUCTIONS:
        axis = kwargs.pop("axis", 0)
        return _call(f"np.{name}.reduce", _REDUCTIONS[name], inputs[0], axis=axis, **kwargs)
    function: Any = _UFUNCS.get(name)
    if function is None:
        function = getattr(elementwise, _OTHER_NAMES.get(name, name), None) or _special(name)
    if method != "__call__" or function is None:
        raise NumPyFunctionError(
            f"np.{name}{'' if method == '__call__' else '.' + method}: not available on Tensors"
        )
    out = kwargs.pop("out", None)
    if out is not None:  # an array's `a += tensor` asks for this too
        raise NumPyFunctionError(
            f"np.{name}: a NumPy array cannot take the result of an op on a Tensor in place; "
            "make it a Tensor first, with dualad.asarray"
        )
    return _call(f"np.{name}", function, *inputs, **kwargs)


def _special(name: str) -> Any:
    """Return the special function of that name: SciPy's are ufuncs, and ask as NumPy's do."""
    from . import special

    return getattr(special, name, None)


# What NumPy's arguments are when the caller has not given them; casting and order are strings.
_DEFAULTS = (None, True, np._NoValue)


def _call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function with those of NumPy's arguments that are not at their defaults."""
    for unsupported in ("out", "where", "casting", "order", "subok", "initial"):
        value = kwargs.pop(unsupported, None)
        if not any(value is default for default in _DEFAULTS) and not isinstance(value, str):
            raise NumPyFunctionError(f"{name}: the argument {unsupported}= is not available on Tensors")
    kwargs = {k: v for k, v in kwargs.items() if v is not None and v is not np._NoValue}
    return function(
        *(a if type(a) is Tensor or type(a) in PYTHON_SCALARS else _operand(a) for a in args), **kwargs
    )


def _operand(a: Any) -> Any:
    return asarray(a) if isinstance(a, (list, np.ndarray, np.generic)) else a


# -- other functions ---------------------------------------------------------------------------


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **kw: Any
    ) -> Any:
        return _call(
            function.__name__, function, a, axis=axis, dtype=dtype, out=out, keepdims=bool(keepdims), **kw
        )

    return call


def _extremum(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **kw: Any) -> Any:
        return _call(function.__name__, function, a, axis=axis, out=out, keepdims=bool(keepdims), **kw)

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
        return _call(
            function.__name__, function, a, axis=axis, correction=correction, keepdims=keepdims is True, **kw
        )

    return call


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    x = asarray(x)
    of_matrices = x.ndim > 1 if axis is None else isinstance(axis, tuple) and len(axis) == 2
    if ord not in (None, "fro") and of_matrices:
        raise NumPyFunctionError(f"np.linalg.norm: the matrix norm {ord!r} is not available on Tensors")
    return linalg.norm(x, ord, axis, keepdims)


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
    return searching.where(asarray(condition), *(() if x is None else map(_operand, (x, y))))


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _reduction(reductions.sum), np.prod: _reduction(reductions.prod),
    np.mean: _extremum(lambda a, **kw: reductions.mean(a, **kw)),
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
    np.trace: _trace, np.linalg.norm: _norm,
    np.real: elementwise.real, np.imag: elementwise.imag,
    np.round: lambda a, decimals=0, out=None: asarray(a).round(decimals),
    np.zeros_like: _like(creation.zeros, creation.zeros_like),
    np.ones_like: _like(creation.ones, creation.ones_like),
    np.empty_like: _like(creation.empty, creation.empty_like),
    np.full_like: _like(creation.full, creation.full_like),
    np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim, np.size: lambda a, axis=None: int(a.size)
    if axis is None else a.shape[axis],
}  # fmt: skip


def _array_function(self: Tensor, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    function = _FUNCTIONS.get(func)
    if function is not None:
        return function(*args, **kwargs)
    if func in (np.array_equal, np.allclose, np.isclose):  # about values, not derivatives
        plain = (a.detach().numpy() if type(a) is Tensor else a for a in args)
        return func(*plain, **kwargs)
    name = f"{func.__module__}.{func.__name__}".replace("numpy", "np", 1)
    raise NumPyFunctionError(
        f"{name}: not available on Tensors; use x.detach().numpy() if its derivative is not wanted"
    )
