"""NumPy's own functions on Tensors: ``np.sin(t)``, ``np.sum(t, axis=0)`` reach the same ops.

NumPy asks an argument's ``__array_ufunc__`` (for its ufuncs) and ``__array_function__`` (for the
others) before it does anything itself. The tables say which function each becomes; NumPy's
arguments that the standard lacks (``out=``, ``where=``) are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from ...engine.tensor import Tensor
from ...errors import NumPyFunctionError
from .. import elementwise
from .calls import call, without_defaults
from .functions import FUNCTIONS
from .ufuncs import ACCUMULATIONS, OTHER_NAMES, REDUCTIONS, UFUNCS, outer


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    function = _of_ufunc(ufunc.__name__, method)
    if function is None:
        raise NumPyFunctionError(f"np.{name}: not available on Tensors")
    if method in ("reduce", "accumulate"):
        return call(f"np.{name}", function, inputs[0], axis=kwargs.pop("axis", 0), **kwargs)
    out = kwargs.pop("out", None) or ()
    if len(out) > 1:
        raise NumPyFunctionError(f"np.{name}: the argument out= is not available on Tensors")
    if out and not isinstance(out[0], Tensor):  # an array's `a += tensor` asks for this too
        raise NumPyFunctionError(
            f"np.{name}: a NumPy array cannot take the result of an op on a Tensor in place; "
            "make it a Tensor first, with dualad.asarray, or begin with np.zeros_like(x), where x is a Tensor"
        )
    result = call(f"np.{name}", function, *inputs, **kwargs)
    return out[0].copy_(result) if out else result


def _of_ufunc(name: str, method: str) -> Callable[..., Any] | None:
    if method == "reduce":
        return REDUCTIONS.get(name)
    if method == "accumulate":
        return ACCUMULATIONS.get(name)
    function = UFUNCS.get(name) or getattr(elementwise, OTHER_NAMES.get(name, name), None) or _special(name)
    if method == "outer" and function is not None:
        return partial(outer, function)
    return function if method == "__call__" else None


def _special(name: str) -> Any:
    """Return the special function of that name: SciPy's are ufuncs, and ask as NumPy's do."""
    from .. import special

    return getattr(special, name, None)


def _array_function(self: Tensor, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    function = FUNCTIONS.get(func)
    if function is None:
        raise NumPyFunctionError(
            f"{_name(func)}: not available on Tensors; use x.detach().numpy() if its derivative is not wanted"
        )
    try:
        return function(*args, **kwargs)
    except TypeError:
        if _refusal(function, args, kwargs) is None:
            raise
    args, kwargs = without_defaults(func, function, args, kwargs)
    reason = _refusal(function, args, kwargs)
    if reason is not None:
        raise NumPyFunctionError(f"{_name(func)}: on Tensors, {reason}")
    return function(*args, **kwargs)


def _name(func: Any) -> str:
    return f"{func.__module__}.{func.__name__}".replace("numpy", "np", 1)


def _refusal(function: Any, args: Any, kwargs: Any) -> TypeError | None:
    """Return why a function does not take these arguments."""
    try:
        signature(function).bind(*args, **kwargs)
    except TypeError as reason:
        return reason
    return None
