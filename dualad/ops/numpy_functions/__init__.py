"""NumPy's own functions on Tensors: ``np.sin(t)``, ``np.sum(t, axis=0)`` reach the same ops.

NumPy asks an argument's ``__array_ufunc__`` (for its ufuncs) and ``__array_function__`` (for the
others) before it does anything itself. The tables say which function each becomes; NumPy's
arguments that the standard lacks (``out=``, ``where=``) are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from ...engine.tensor import Tensor
from ...errors import NumPyFunctionError
from .. import elementwise, linalg, reductions
from ..conversion import asarray
from . import made
from .calls import call
from .functions import FUNCTIONS

# -- ufuncs ------------------------------------------------------------------------------------

# NumPy's names that are not the standard's.
_OTHER_NAMES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "conjugate": "conj", "rint": "round",
    "invert": "bitwise_invert", "left_shift": "bitwise_left_shift", "power": "pow",
    "right_shift": "bitwise_right_shift", "fabs": "abs", "float_power": "pow", "true_divide": "divide",
    "mod": "remainder",
}  # fmt: skip

LN2 = float(np.log(2.0))
_UFUNCS: dict[str, Callable[..., Any]] = {
    "matmul": linalg.matmul,
    "vecdot": linalg.vecdot,
    "deg2rad": lambda x: asarray(x) * (np.pi / 180),
    "rad2deg": lambda x: asarray(x) * (180 / np.pi),
    "degrees": lambda x: asarray(x) * (180 / np.pi),
    "radians": lambda x: asarray(x) * (np.pi / 180),
    "exp2": lambda x: elementwise.pow(2.0, x),
    "logaddexp2": lambda x, y: elementwise.logaddexp(x * LN2, y * LN2) / LN2,
    "fmod": made.fmod,
    "fmax": made.fmax,
    "fmin": made.fmin,
    "cbrt": made.cbrt,
    "heaviside": made.heaviside,
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
        return call(f"np.{name}.reduce", _REDUCTIONS[name], inputs[0], axis=axis, **kwargs)
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
    return call(f"np.{name}", function, *inputs, **kwargs)


def _special(name: str) -> Any:
    """Return the special function of that name: SciPy's are ufuncs, and ask as NumPy's do."""
    from .. import special

    return getattr(special, name, None)


def _array_function(self: Tensor, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    function = FUNCTIONS.get(func)
    name = f"{func.__module__}.{func.__name__}".replace("numpy", "np", 1)
    if function is not None:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            raise _unknown_argument(error, name, function, args, kwargs) from error
    if func in (np.array_equal, np.allclose):  # about values, not derivatives
        plain = (a.detach().numpy() if type(a) is Tensor else a for a in args)
        return func(*plain, **kwargs)
    raise NumPyFunctionError(
        f"{name}: not available on Tensors; use x.detach().numpy() if its derivative is not wanted"
    )


def _unknown_argument(error: TypeError, name: str, function: Any, args: Any, kwargs: Any) -> TypeError:
    """Return the error to raise: ours, if it is that an argument of NumPy's is not taken."""
    try:
        signature(function).bind(*args, **kwargs)
    except TypeError as reason:
        return NumPyFunctionError(f"{name}: on Tensors, {reason}")
    return error
