"""Elliptic and exponential integrals, hypergeometric and Legendre functions (DLMF 6, 8, 13-15, 19)."""

from __future__ import annotations

from math import pi
from typing import Any

from ...op import Binary, Op, Unary
from ...rules import Missing, Scale
from .common import beside, singular

# A quotient whose limit is finite cancels near it: there its hypergeometric series is taken.
_NEAR = 0.25


def _ellipk_slope(xp: Any, m: Any, p: Any) -> Any:
    """(E - p K) / (2 m p), where p = 1 - m (DLMF 19.4.1); near 0 the derivative of 19.5.1."""
    near = xp.abs(m) < _NEAR
    series = pi / 8 * xp.special.hyp2f1(1.5, 1.5, 2.0, xp.where(near, m, 0))
    m, p = xp.where(near, 0.5, m), xp.where(near, 0.5, p)
    e, k = xp.special.ellipe(m), xp.special.ellipkm1(p)
    return xp.where(near, series, (e - p * k) / (2 * m * p))


def _ellipe_slope(xp: Any, m: Any) -> Any:
    """(E - K) / (2 m) (DLMF 19.4.2); near 0 the derivative of 19.5.2."""
    near = xp.abs(m) < _NEAR
    series = -pi / 8 * xp.special.hyp2f1(0.5, 1.5, 2.0, xp.where(near, m, 0))
    m = xp.where(near, 0.5, m)
    return xp.where(near, series, (xp.special.ellipe(m) - xp.special.ellipk(m)) / (2 * m))


def _spence_slope(xp: Any, x: Any) -> Any:
    """log(x) / (1 - x), by the definition; near 1 its series, DLMF 15.4.1."""
    near = xp.abs(x - 1) < _NEAR
    series = -xp.special.hyp2f1(1.0, 1.0, 2.0, 1 - xp.where(near, x, 1))
    x = xp.where(near, 2, x)
    return xp.where(near, series, xp.log(x) / (1 - x))


def _expn_slope(xp: Any, n: Any, x: Any) -> Any:
    """-expn(n - 1, x) (DLMF 8.19.13); SciPy has no order below 0, where 8.19.12 leads to."""
    n = beside(xp, n, x)
    first = n == 0
    x1 = xp.where(first, x, 1)
    below = xp.exp(-x1) * (1 + 1 / x1) / x1
    return -xp.where(first, below, xp.special.expn(xp.where(first, 1, n) - 1, x))


def _hyp1f1_slope(xp: Any, a: Any, b: Any, x: Any) -> Any:
    a, b = beside(xp, a, x), beside(xp, b, x)
    return a / b * xp.special.hyp1f1(a + 1, b + 1, x)


def _hyp2f1_slope(xp: Any, a: Any, b: Any, c: Any, x: Any) -> Any:
    a, b, c = beside(xp, a, x), beside(xp, b, x), beside(xp, c, x)
    return a * b / c * xp.special.hyp2f1(a + 1, b + 1, c + 1, x)


def _lpmv_slope(xp: Any, m: Any, v: Any, x: Any, y: Any) -> Any:
    """(v x P(v) - (v + m) P(v - 1)) / (x**2 - 1), DLMF 14.10.5 with 14.10.3."""
    m, v = beside(xp, m, x), beside(xp, v, x)
    return (v * x * y - (v + m) * xp.special.lpmv(m, v - 1, x)) / (x * x - 1)


def _parameter() -> Missing:
    return Missing("it has no closed form in a parameter, only in the variable")


# -- elliptic integrals ------------------------------------------------------------------------

ellipk = Unary("special.ellipk(m)", singular(lambda xp, m: _ellipk_slope(xp, m, 1 - m)))
ellipkm1 = Unary("special.ellipkm1(p)", singular(lambda xp, p: -_ellipk_slope(xp, 1 - p, p)))
ellipe = Unary("special.ellipe(m)", singular(_ellipe_slope))

# -- exponential integrals, DLMF 6.2.1, 6.2.5, 8.19.13; the dilogarithm, DLMF 25.12.1 ----------

exp1 = Unary("special.exp1(x)", singular(lambda xp, x: -xp.exp(-x) / x))
expi = Unary("special.expi(x)", singular(lambda xp, x: xp.exp(x) / x))
expn = Binary("special.expn(n, x)", Missing("the order is an integer"), singular(_expn_slope))
spence = Unary("special.spence(x)", singular(_spence_slope))

# -- hypergeometric functions, DLMF 13.3.15, 15.5.1; Legendre's --------------------------------

hyp1f1 = Op(
    "special.hyp1f1(a, b, x)",
    _parameter(),
    _parameter(),
    Scale(_hyp1f1_slope),
)
hyp2f1 = Op(
    "special.hyp2f1(a, b, c, x)",
    _parameter(),
    _parameter(),
    _parameter(),
    singular(_hyp2f1_slope),
)
lpmv = Op(
    "special.lpmv(m, v, x)",
    Missing("the order is an integer"),
    Missing("it has no closed form in the degree"),
    Scale(_lpmv_slope),
)
