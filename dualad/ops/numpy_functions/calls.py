"""How arguments that NumPy passes on reach a function of dualad's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

from ...dtypes import DType, as_dtype
from ...engine.operands import PYTHON_SCALARS
from ...engine.tensor import Tensor
from ...errors import NumPyFunctionError
from .. import manipulation as manip
from ..conversion import asarray

# What NumPy's arguments are when the caller has not given them; casting and order are strings.
_DEFAULTS = (None, True, np._NoValue)


def call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function with those of NumPy's arguments that are not at their defaults."""
    for unsupported in ("out", "where", "casting", "order", "subok", "initial", "mean"):
        value = kwargs.pop(unsupported, None)
        if not any(value is default for default in _DEFAULTS) and not isinstance(value, str):
            raise NumPyFunctionError(f"{name}: the argument {unsupported}= is not available on Tensors")
    kwargs = {k: v for k, v in kwargs.items() if v is not None and v is not np._NoValue}
    operands = map(operand, args)
    try:
        return function(*operands, **kwargs)
    except TypeError as error:
        unknown = sorted(set(kwargs) - set(signature(function).parameters))
        if not unknown:
            raise
        raise NumPyFunctionError(f"{name}: the argument {unknown[0]}= is not available on Tensors") from error


# -- arguments ---------------------------------------------------------------------------------


def array(a: Any, like: Tensor | None = None) -> Tensor:
    """Return an argument as a Tensor, a number or list in the dtype that NumPy would give it."""
    if isinstance(a, Tensor):
        return a
    if type(a) in PYTHON_SCALARS or (isinstance(a, (list, tuple)) and not _holds_tensors(a)):
        a = np.asarray(a)  # where dualad's default dtype is float32
    return asarray(a, device=None if like is None else like.device)


def together(items: Any) -> list[Tensor]:
    """Return arguments as Tensors, numbers and lists of numbers on the device of a Tensor among them."""
    items = list(items)
    home = next((a for a in items if isinstance(a, Tensor)), None)
    loose = (int, float, complex, np.generic, list, tuple)
    return [array(a, home if isinstance(a, loose) else None) for a in items]


def operand(a: Any, beside: Any = None) -> Any:
    """Return an argument as a Tensor, if it is an array or a list; a number stays one.

    A list goes to the device of the Tensor `beside`, if that is one.
    """
    if isinstance(a, (list, tuple)):
        return array(a, beside if isinstance(beside, Tensor) else None)
    return array(a) if isinstance(a, np.ndarray) else a


def _holds_tensors(items: Any) -> bool:
    return any(isinstance(i, Tensor) or (isinstance(i, (list, tuple)) and _holds_tensors(i)) for i in items)


def numpy_dtype(dtype: Any) -> DType | None:
    """Return the DType of what NumPy takes for one: `float` is double precision there."""
    if dtype is None or isinstance(dtype, DType):
        return dtype
    return as_dtype(np.dtype(dtype).name)


def cast(x: Any, dtype: Any) -> Tensor:
    """Return an argument as a Tensor of the dtype that NumPy's argument `dtype` names."""
    x = array(x)
    wanted = numpy_dtype(dtype)
    return x if wanted is None else manip.astype(x, wanted, copy=False)


def floating(a: Any) -> Tensor:
    """Return an argument as a Tensor of floating dtype: integers become what NumPy makes of them."""
    a = array(a)
    return a if a.dtype.is_differentiable else a.to("float64")


# -- NumPy's defaults --------------------------------------------------------------------------


@cache
def _signature(function: Any) -> Signature | None:
    try:
        return signature(function)
    except ValueError:  # NumPy's compiled functions tell theirs from NumPy 2.4 on
        return None


def without_defaults(theirs: Any, ours: Any, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Leave out arguments that are at the defaults of NumPy's function; name those that ours lacks.

    What is given and cannot be taken by position then shows itself by name.
    """
    known = _signature(theirs)
    if known is None:
        return list(args), kwargs
    room = _positional(ours)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    given = known.bind(*args, **kwargs).arguments
    for name, parameter in known.parameters.items():
        value = given.get(name, parameter.default)
        if parameter.kind is Parameter.VAR_POSITIONAL:
            positional += given.get(name, ())
        elif parameter.kind is Parameter.VAR_KEYWORD:
            named |= given.get(name, {})
        elif _same(value, parameter.default):
            room = 0  # what follows no longer stands where it stood
        elif len(positional) < room and parameter.kind is not Parameter.KEYWORD_ONLY:
            positional.append(value)
        else:
            named[name] = value
    return positional, named


def _positional(function: Any) -> float:
    parameters = signature(function).parameters.values()
    if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters):
        return float("inf")
    return sum(p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for p in parameters)


def _same(value: Any, default: Any) -> bool:
    plain = isinstance(value, (bool, int, float, str)) and type(value) is type(default)
    return value is default or (plain and value == default)
