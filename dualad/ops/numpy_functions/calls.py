"""How arguments that NumPy passes on reach a function of dualad's."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from ...engine.operands import PYTHON_SCALARS
from ...engine.tensor import Tensor
from ...errors import NumPyFunctionError
from ..conversion import asarray

# What NumPy's arguments are when the caller has not given them; casting and order are strings.
_DEFAULTS = (None, True, np._NoValue)


def call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function with those of NumPy's arguments that are not at their defaults."""
    for unsupported in ("out", "where", "casting", "order", "subok", "initial"):
        value = kwargs.pop(unsupported, None)
        if not any(value is default for default in _DEFAULTS) and not isinstance(value, str):
            raise NumPyFunctionError(f"{name}: the argument {unsupported}= is not available on Tensors")
    kwargs = {k: v for k, v in kwargs.items() if v is not None and v is not np._NoValue}
    operands = [a if type(a) is Tensor or type(a) in PYTHON_SCALARS else operand(a) for a in args]
    try:
        return function(*operands, **kwargs)
    except TypeError as error:
        unknown = sorted(set(kwargs) - set(signature(function).parameters))
        if not unknown:
            raise
        raise NumPyFunctionError(f"{name}: the argument {unknown[0]}= is not available on Tensors") from error


def operand(a: Any) -> Any:
    """Return an argument as a Tensor, if NumPy would make it an array."""
    return asarray(a) if isinstance(a, (list, np.ndarray, np.generic)) else a
