"""NumPy's ufuncs by other names than the standard's, and those that are sentences in others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine.tensor import Tensor
from .. import cumulative, elementwise, linalg, reductions, searching
from .. import manipulation as manip
from .calls import array, floating, operand

# NumPy's names that are not the standard's.
OTHER_NAMES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "conjugate": "conj", "rint": "round",
    "invert": "bitwise_invert", "left_shift": "bitwise_left_shift", "power": "pow",
    "right_shift": "bitwise_right_shift", "true_divide": "divide", "mod": "remainder",
}  # fmt: skip

LN2 = float(np.log(2.0))


def fmod(x1: Any, x2: Any) -> Tensor:
    """The remainder that has the sign of x1: exact, as `remainder` is, where a quotient is rounded."""
    x1, x2 = operand(x1), operand(x2)
    rest = elementwise.remainder(abs(x1), abs(x2))
    if isinstance(x1, Tensor):
        return searching.where(x1 < 0, -rest, rest)
    return -rest if x1 < 0 else rest


def fmax(x1: Any, x2: Any) -> Tensor:
    """The greater one, or that which is not NaN."""
    return _but_nan(elementwise.maximum, x1, x2)


def fmin(x1: Any, x2: Any) -> Tensor:
    """The smaller one, or that which is not NaN."""
    return _but_nan(elementwise.minimum, x1, x2)


def _but_nan(choose: Any, x1: Any, x2: Any) -> Tensor:
    x1, x2 = operand(x1), operand(x2)
    y = choose(x1, x2)
    for x, other in ((x1, x2), (x2, x1)):
        if not isinstance(x, Tensor):
            y = array(other) if x != x else y
        elif x.dtype.is_differentiable:
            y = searching.where(elementwise.isnan(x), other, y)
    return y


def cbrt(x: Any) -> Tensor:
    """The real root, of negative numbers too."""
    x = floating(x)
    return elementwise.sign(x) * elementwise.abs(x) ** (1 / 3)


def heaviside(x1: Any, x2: Any) -> Tensor:
    """0, x2 or 1 by the sign of x1."""
    x1 = array(x1, x2) if isinstance(x2, Tensor) else array(x1)
    x1 = floating(x1)
    step = searching.where(x1 == 0, operand(x2), (x1 > 0).to(x1.dtype))
    return searching.where(elementwise.isnan(x1), x1, step)


def float_power(x1: Any, x2: Any) -> Tensor:
    """The power in double precision at least."""
    return elementwise.pow(*(_double(x) for x in (operand(x1), operand(x2))))


def _double(x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    return x if x.dtype.name.startswith("complex") else x.to("float64")


def matvec(x1: Any, x2: Any) -> Tensor:
    """Matrices times vectors."""
    return linalg.matmul(array(x1), manip.expand_dims(array(x2), -1))[..., 0]


def vecmat(x1: Any, x2: Any) -> Tensor:
    """Vectors, conjugated, times matrices."""
    return linalg.matmul(manip.expand_dims(elementwise.conj(array(x1)), -2), array(x2))[..., 0, :]


def outer(function: Any, x1: Any, x2: Any) -> Tensor:
    """A ufunc of all pairs."""
    x1, x2 = array(x1), array(x2)
    return function(manip.reshape(x1, (*x1.shape, *[1] * x2.ndim)), x2)


UFUNCS: dict[str, Callable[..., Any]] = {
    "matmul": linalg.matmul,
    "vecdot": linalg.vecdot,
    "matvec": matvec,
    "vecmat": vecmat,
    "divmod": lambda x, y: (elementwise.floor_divide(x, y), elementwise.remainder(x, y)),
    "deg2rad": lambda x: floating(x) * (np.pi / 180),
    "rad2deg": lambda x: floating(x) * (180 / np.pi),
    "degrees": lambda x: floating(x) * (180 / np.pi),
    "radians": lambda x: floating(x) * (np.pi / 180),
    "exp2": lambda x: elementwise.pow(2.0, floating(x)),
    "logaddexp2": lambda x, y: elementwise.logaddexp(x * LN2, y * LN2) / LN2,
    "fabs": lambda x: elementwise.abs(floating(x)),
    "float_power": float_power,
    "fmod": fmod,
    "fmax": fmax,
    "fmin": fmin,
    "cbrt": cbrt,
    "heaviside": heaviside,
}

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": reductions.sum,
    "multiply": reductions.prod,
    "maximum": reductions.max,
    "minimum": reductions.min,
    "logical_and": reductions.all,
    "logical_or": reductions.any,
}

ACCUMULATIONS: dict[str, Callable[..., Any]] = {
    "add": cumulative.cumulative_sum,
    "multiply": cumulative.cumulative_prod,
}
