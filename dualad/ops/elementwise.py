"""The standard's elementwise functions, an op on a line: what it is called, and its derivatives.

In a rule ``x`` or ``x1, x2`` are the arguments and ``y`` is the result. Longer rules stand below.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

from ..backends.registry import DTYPES
from ..batching import broadcast
from ..dtypes import int8
from ..engine.fit import astype
from ..engine.namespace import ops
from ..engine.operands import PYTHON_SCALARS
from ..engine.tensor import Tensor
from ..op import Binary, Op, Unary
from ..rules import Differential, Linear, Scale, conjugate, product
from .common import array_dtype, boolean, real_result

# -- rules that are more than a line -----------------------------------------------------------


def times_inverse(xp: Any, a: Any, x: Any) -> Any:
    """A / x, and 0 where x is 0: the convention for norms and signs at 0."""
    zero = x == 0
    return xp.where(zero, 0, a / xp.where(zero, 1, x))


def _pow_base(xp: Any, x1: Any, x2: Any) -> Any:
    """x2 * x1 ** (x2 - 1), without the 0 * 0 ** -1 of x1 ** 0 at 0."""
    if type(x2) in PYTHON_SCALARS:
        if x2 in (0, 1):
            return x2
        return 2 * x1 if x2 == 2 else x2 * xp.pow(x1, x2 - 1)
    both_zero = (x1 == 0) & (x2 == 0)
    return x2 * xp.pow(x1, xp.where(both_zero, 1, x2 - 1))


def _pow_exponent(xp: Any, x1: Any, y: Any) -> Any:
    """Y * log(x1), and 0 where x1 is 0: 0 ** x2 is constant for x2 > 0; of a negative x1 NaN."""
    if type(x1) in PYTHON_SCALARS:
        if x1 == 0:
            return 0
        if isinstance(x1, complex) or (x1 < 0 and DTYPES[y.dtype].is_complex):
            return y * cmath.log(x1)
        return y * (math.log(x1) if x1 > 0 else math.nan)
    return y * xp.log(xp.where(x1 == 0, 1, x1))


def _pow_is_singular(x1: Any, x2: Any) -> bool:
    """Whether the derivative in the base may be infinite: not for x ** 2."""
    return type(x2) not in PYTHON_SCALARS or isinstance(x2, complex) or x2 < 1


def _quotient(xp: Any, g: Any, like: Any, x2: Any) -> Any:
    """G / conj(x2), and 0 where g is 0: a quotient that does not count may be 0 / 0."""
    if type(x2) not in PYTHON_SCALARS:
        return product(xp, g, 1 / conjugate(xp, x2))
    if x2 and x2 == x2:
        return g / conjugate(xp, x2)
    nothing = g == 0  # by 0, or by NaN
    return xp.where(nothing, 0, xp.where(nothing, 1, g) / x2)


def _larger(xp: Any, a: Any, b: Any) -> Any:
    """1 where a > b, 0 where a < b, and a half where they tie."""
    dtype = next(d for v in (a, b) if (d := array_dtype(v)).is_differentiable)
    halves = astype(xp, a > b, int8) + astype(xp, a >= b, int8)  # bytes: a quarter of where()'s time
    return astype(xp, halves, dtype) * 0.5


def _complex_sign(xp: Any, t: Any, x: Any, y: Any) -> Any:
    """The differential of x / |x|: what turns x, without what lengthens it."""
    return times_inverse(xp, t - y * xp.real(xp.conj(y) * t), xp.abs(x))


def _between(xp: Any, x: Any, low: Any, high: Any) -> Any:
    inside = (x >= low) & (x <= high)
    return astype(xp, inside, DTYPES[x.dtype])


# -- arithmetic --------------------------------------------------------------------------------

add = Binary("add(x1, x2)", Scale(1), Scale(1))
subtract = Binary("subtract(x1, x2)", Scale(1), Scale(-1), node_name="Sub")
multiply = Binary("multiply(x1, x2)", Scale(lambda xp, x2: x2), Scale(lambda xp, x1: x1), node_name="Mul")
divide = Binary(
    "divide(x1, x2)",
    Linear(_quotient, elementwise=True),
    Scale(lambda xp, x2, y: -y / x2, singular=True),
    node_name="Div",
)
floor_divide = Binary("floor_divide(x1, x2)", Scale(0), Scale(0))
remainder = Binary("remainder(x1, x2)", Scale(1), Scale(lambda xp, x1, x2: -xp.floor_divide(x1, x2)))
pow = Binary("pow(x1, x2)", Scale(_pow_base, singular=_pow_is_singular), Scale(_pow_exponent, singular=True))
positive = Unary("positive(x)", Scale(1))
negative = Unary("negative(x)", Scale(-1), node_name="Neg")
square = Unary("square(x)", Scale(lambda xp, x: 2 * x))
reciprocal = Unary("reciprocal(x)", Scale(lambda xp, y: -y * y, singular=True))
sqrt = Unary("sqrt(x)", Scale(lambda xp, y: 0.5 / y, singular=True))

# -- exponentials and logarithms ---------------------------------------------------------------

exp = Unary("exp(x)", Scale(lambda xp, y: y))
expm1 = Unary("expm1(x)", Scale(lambda xp, y: y + 1))
log = Unary("log(x)", Scale(lambda xp, x: 1 / x, singular=True))
log1p = Unary("log1p(x)", Scale(lambda xp, x: 1 / (1 + x), singular=True))
log2 = Unary("log2(x)", Scale(lambda xp, x: 1 / (math.log(2) * x), singular=True))
log10 = Unary("log10(x)", Scale(lambda xp, x: 1 / (math.log(10) * x), singular=True))
logaddexp = Binary(
    "logaddexp(x1, x2)",
    Scale(lambda xp, x1, x2: xp.exp(-xp.logaddexp(x2 - x1, xp.zeros_like(x1))), singular=True),
    Scale(lambda xp, x1, x2: xp.exp(-xp.logaddexp(x1 - x2, xp.zeros_like(x2))), singular=True),
)

# -- circular and hyperbolic functions ---------------------------------------------------------

sin = Unary("sin(x)", Scale(lambda xp, x: xp.cos(x)))
cos = Unary("cos(x)", Scale(lambda xp, x: -xp.sin(x)))
tan = Unary("tan(x)", Scale(lambda xp, y: 1 + y * y))
asin = Unary("asin(x)", Scale(lambda xp, x: 1 / (xp.sqrt(1 - x) * xp.sqrt(1 + x)), singular=True))
acos = Unary("acos(x)", Scale(lambda xp, x: -1 / (xp.sqrt(1 - x) * xp.sqrt(1 + x)), singular=True))
atan = Unary("atan(x)", Scale(lambda xp, x: 1 / (1 + x * x)))
atan2 = Binary(
    "atan2(x1, x2)",
    Scale(lambda xp, x1, x2: x2 / (x1 * x1 + x2 * x2), singular=True),
    Scale(lambda xp, x1, x2: -x1 / (x1 * x1 + x2 * x2), singular=True),
)
sinh = Unary("sinh(x)", Scale(lambda xp, x: xp.cosh(x)))
cosh = Unary("cosh(x)", Scale(lambda xp, x: xp.sinh(x)))
tanh = Unary("tanh(x)", Scale(lambda xp, y: 1 - y * y))
asinh = Unary("asinh(x)", Scale(lambda xp, x: 1 / xp.sqrt(1 + x * x)))
acosh = Unary("acosh(x)", Scale(lambda xp, x: 1 / (xp.sqrt(x - 1) * xp.sqrt(x + 1)), singular=True))
atanh = Unary("atanh(x)", Scale(lambda xp, x: 1 / ((1 - x) * (1 + x)), singular=True))
hypot = Binary(
    "hypot(x1, x2)",
    Scale(lambda xp, x1, y: times_inverse(xp, x1, y)),
    Scale(lambda xp, x2, y: times_inverse(xp, x2, y)),
)

# Of functions of the standard that neither overflow nor cancel.
sigmoid = Unary(
    "sigmoid(x)",
    Scale(lambda xp, y: y * (1 - y)),
    compute=lambda xp, x: xp.exp(-xp.logaddexp(-x, xp.zeros_like(x))),
)

# -- sign, size and order ----------------------------------------------------------------------

# A complex factor moves a real result: `fit` takes the real part of its tangent.
abs = Unary("abs(x)", Scale(lambda xp, x: conjugate(xp, xp.sign(x))), dtype=real_result)
sign_of_complex = Unary(
    "sign_of_complex(x)", Differential(_complex_sign), compute=lambda xp, x: xp.sign(x), batch=broadcast
)
sign_of_real = Unary("sign_of_real(x)", Scale(0), compute=lambda xp, x: xp.sign(x), node_name="Sign")
maximum = Binary(
    "maximum(x1, x2)",
    Scale(lambda xp, x1, x2: _larger(xp, x1, x2)),
    Scale(lambda xp, x1, x2: _larger(xp, x2, x1)),
)
minimum = Binary(
    "minimum(x1, x2)",
    Scale(lambda xp, x1, x2: _larger(xp, x2, x1)),
    Scale(lambda xp, x1, x2: _larger(xp, x1, x2)),
)
copysign = Binary("copysign(x1, x2)", Scale(lambda xp, x1, y: xp.sign(x1) * xp.sign(y)), Scale(0))
nextafter = Binary("nextafter(x1, x2)", Scale(1), Scale(0))
relu = Unary(
    "relu(x)",
    Scale(lambda xp, y: astype(xp, y > 0, DTYPES[y.dtype])),
    compute=lambda xp, x: xp.clip(x, 0, None),
)
floor = Unary("floor(x)", Scale(0))
ceil = Unary("ceil(x)", Scale(0))
round = Unary("round(x)", Scale(0))
trunc = Unary("trunc(x)", Scale(0))
clip_both = Op(
    "clip_both(x, low, high)",
    Scale(lambda xp, x, low, high: _between(xp, x, low, high)),
    Scale(lambda xp, x, low: astype(xp, x < low, DTYPES[x.dtype])),
    Scale(lambda xp, x, high: astype(xp, x > high, DTYPES[x.dtype])),
    compute=lambda xp, x, low, high: xp.clip(x, low, high),
    node_name="Clamp",
)
clip_below = Binary(
    "clip_below(x, low)",
    Scale(lambda xp, x, low: astype(xp, x >= low, DTYPES[x.dtype])),
    Scale(lambda xp, x, low: astype(xp, x < low, DTYPES[x.dtype])),
    compute=lambda xp, x, low: xp.clip(x, low, None),
    node_name="Clamp",
)
clip_above = Binary(
    "clip_above(x, high)",
    Scale(lambda xp, x, high: astype(xp, x <= high, DTYPES[x.dtype])),
    Scale(lambda xp, x, high: astype(xp, x > high, DTYPES[x.dtype])),
    compute=lambda xp, x, high: xp.clip(x, None, high),
    node_name="Clamp",
)

# -- complex numbers ---------------------------------------------------------------------------

conj_of_complex = Unary("conj(x)", Linear(lambda xp, g, like: xp.conj(g)), batch=broadcast)
real_of_complex = Unary("real(x)", Linear(lambda xp, g, like: g), dtype=real_result, batch=broadcast)
imag_of_complex = Unary(
    "imag(x)",
    Linear(lambda xp, g, like: astype(xp, g, DTYPES[like.dtype]) * 1j),
    dtype=real_result,
    batch=broadcast,
)
# 0 also where x is infinite.
imag_of_real = Unary("imag_of_real(x)", Scale(0), compute=lambda xp, x: xp.zeros_like(x), node_name="Imag")

# -- constants: results that do not move -------------------------------------------------------

equal = Binary("equal(x1, x2)", dtype=boolean, batch=broadcast)
not_equal = Binary("not_equal(x1, x2)", dtype=boolean, batch=broadcast)
less = Binary("less(x1, x2)", dtype=boolean, batch=broadcast)
less_equal = Binary("less_equal(x1, x2)", dtype=boolean, batch=broadcast)
greater = Binary("greater(x1, x2)", dtype=boolean, batch=broadcast)
greater_equal = Binary("greater_equal(x1, x2)", dtype=boolean, batch=broadcast)
isfinite = Unary("isfinite(x)", dtype=boolean, batch=broadcast)
isinf = Unary("isinf(x)", dtype=boolean, batch=broadcast)
isnan = Unary("isnan(x)", dtype=boolean, batch=broadcast)
signbit = Unary("signbit(x)", dtype=boolean, batch=broadcast)
logical_and = Binary("logical_and(x1, x2)", dtype=boolean, batch=broadcast)
logical_or = Binary("logical_or(x1, x2)", dtype=boolean, batch=broadcast)
logical_xor = Binary("logical_xor(x1, x2)", dtype=boolean, batch=broadcast)
logical_not = Unary("logical_not(x)", dtype=boolean, batch=broadcast)
bitwise_and = Binary("bitwise_and(x1, x2)", batch=broadcast)
bitwise_or = Binary("bitwise_or(x1, x2)", batch=broadcast)
bitwise_xor = Binary("bitwise_xor(x1, x2)", batch=broadcast)
bitwise_left_shift = Binary("bitwise_left_shift(x1, x2)", batch=broadcast)
bitwise_right_shift = Binary("bitwise_right_shift(x1, x2)", batch=broadcast)
bitwise_invert = Unary("bitwise_invert(x)", batch=broadcast)

# -- functions that choose an op ---------------------------------------------------------------


def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """Return x with elements below `min` and above `max` replaced by these.

    Parameters
    ----------
    x : array
        Of a real dtype.
    min, max : array or number, optional
        The bounds, which broadcast with x; None for no bound.

    Returns
    -------
    Tensor
        At a bound the gradient goes to x.

    Examples
    --------
    >>> import dualad
    >>> dualad.clip(dualad.tensor([-2.0, 0.5, 3.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None:
        return positive(x) if max is None else clip_above(x, max)
    return clip_below(x, min) if max is None else clip_both(x, min, max)


def masked_product(g: Any, p: Any) -> Tensor:
    """Return ``g * p``, and 0 where g is 0 and p infinite or NaN; linear in g where p is finite."""
    nothing = logical_and(equal(g, 0), logical_not(isfinite(p)))
    return g * ops.where(nothing, 0, p)


def sign(x: Any) -> Tensor:
    """Return the sign of each element: -1, 0 or 1; of complex ones, ``x / |x|``.

    Examples
    --------
    >>> import dualad
    >>> dualad.sign(dualad.tensor([-2.0, 0.0, 5.0]))
    tensor([-1.,  0.,  1.])
    """
    return sign_of_complex(x) if array_dtype(x).is_complex else sign_of_real(x)


def conj(x: Any) -> Tensor:
    """Return the complex conjugate; real arrays are returned as they are.

    Examples
    --------
    >>> import dualad
    >>> dualad.conj(dualad.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return conj_of_complex(x) if array_dtype(x).is_complex else positive(x)


def real(x: Any) -> Tensor:
    """Return the real part; real arrays are returned as they are.

    Examples
    --------
    >>> import dualad
    >>> dualad.real(dualad.tensor([1 + 2j]))
    tensor([1.])
    """
    return real_of_complex(x) if array_dtype(x).is_complex else positive(x)


def imag(x: Any) -> Tensor:
    """Return the imaginary part; that of a real array is 0.

    Examples
    --------
    >>> import dualad
    >>> dualad.imag(dualad.tensor([1 + 2j]))
    tensor([2.])
    """
    return imag_of_complex(x) if array_dtype(x).is_complex else imag_of_real(x)
