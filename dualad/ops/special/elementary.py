"""Exponentials, powers, angles in degrees and the functions SciPy sets beside them."""

from __future__ import annotations

from math import inf, log, pi
from typing import Any

from ...op import Binary, Op, Unary
from ...rules import Missing, Scale
from ..elementwise import times_inverse
from .common import beside, singular

_DEGREE = pi / 180

# -- rules that are more than a line -----------------------------------------------------------


def _exprel_slope(xp: Any, x: Any) -> Any:
    """The derivative of exprel(x) = M(1, 2, x), M(2, 3, x) / 2 (DLMF 13.3.15): 1/2 at 0."""
    infinite = xp.abs(x) == inf  # SciPy's M does not come back from there
    slope = 0.5 * xp.special.hyp1f1(2.0, 3.0, xp.where(infinite, 0, x))
    return xp.where(infinite, xp.where(x > 0, inf, xp.zeros_like(x)), slope)


def _box_slope(xp: Any, logarithm: Any, lmbda: Any) -> Any:
    """The derivative of L * exprel(lmbda * L) in lmbda, finite at 0; 1 / lmbda**2 for lmbda * L = -inf."""
    lmbda = beside(xp, lmbda, logarithm)
    infinite = xp.abs(logarithm) == inf
    finite = xp.where(infinite, 0, logarithm)
    slope = finite * finite * _exprel_slope(xp, lmbda * finite)
    falls = lmbda * xp.where(infinite, xp.sign(logarithm), 1) < 0
    limit = xp.where(falls, 1 / xp.where(falls, lmbda * lmbda, 1), inf)
    return xp.where(infinite, limit, slope)


def _spherical_slope(xp: Any, n: Any, x: Any) -> Any:
    """DLMF 10.51.2, (n j(n - 1) - (n + 1) j(n + 1)) / (2n + 1): no division by x."""
    above = xp.special.spherical_jn(n + 1, x)
    if type(n) is int:
        return (n * xp.special.spherical_jn(max(n - 1, 0), x) - (n + 1) * above) / (2 * n + 1)
    below = xp.special.spherical_jn(xp.where(n == 0, 0, n - 1), x)
    n = beside(xp, n, x)
    return (n * below - (n + 1) * above) / (2 * n + 1)


# -- exponentials and logistic functions -------------------------------------------------------

exp2 = Unary("special.exp2(x)", Scale(lambda xp, y: log(2) * y))
exp10 = Unary("special.exp10(x)", Scale(lambda xp, y: log(10) * y))
exprel = Unary("special.exprel(x)", Scale(_exprel_slope))
cosm1 = Unary("special.cosm1(x)", Scale(lambda xp, x: -xp.sin(x)))
cbrt = Unary("special.cbrt(x)", singular(lambda xp, y: 1 / (3 * y * y)))
expit = Unary("special.expit(x)", Scale(lambda xp, y: y * (1 - y)))
logit = Unary("special.logit(x)", singular(lambda xp, x: 1 / (x * (1 - x))))
log_expit = Unary("special.log_expit(x)", Scale(lambda xp, x: xp.special.expit(-x)))

# -- angles ------------------------------------------------------------------------------------

sindg = Unary("special.sindg(x)", Scale(lambda xp, x: _DEGREE * xp.special.cosdg(x)))
cosdg = Unary("special.cosdg(x)", Scale(lambda xp, x: -_DEGREE * xp.special.sindg(x)))
tandg = Unary("special.tandg(x)", Scale(lambda xp, y: _DEGREE * (1 + y * y)))
cotdg = Unary("special.cotdg(x)", Scale(lambda xp, y: -_DEGREE * (1 + y * y)))
radian = Op("special.radian(d, m, s)", Scale(_DEGREE), Scale(_DEGREE / 60), Scale(_DEGREE / 3600))
# sinc(x) is the spherical Bessel function j(0, pi x), and j'(0) = -j(1) (DLMF 10.49.3, 10.51.2).
sinc = Unary("special.sinc(x)", Scale(lambda xp, x: -pi * xp.special.spherical_jn(1, pi * x)))
spherical_jn = Binary(
    "special.spherical_jn(n, x)", Missing("the order is an integer"), Scale(_spherical_slope)
)

# -- Box and Cox's transform: L * exprel(lmbda * L) of the logarithm L (1964) ------------------

boxcox = Binary(
    "special.boxcox(x, lmbda)",
    singular(lambda xp, x, lmbda: xp.pow(x, beside(xp, lmbda, x) - 1)),
    Scale(lambda xp, x, lmbda: _box_slope(xp, xp.log(beside(xp, x, lmbda)), lmbda)),
)
boxcox1p = Binary(
    "special.boxcox1p(x, lmbda)",
    singular(lambda xp, x, lmbda: xp.exp((beside(xp, lmbda, x) - 1) * xp.log1p(x))),
    Scale(lambda xp, x, lmbda: _box_slope(xp, xp.log1p(beside(xp, x, lmbda)), lmbda)),
)
# By the implicit function: -(boxcox's derivative in lmbda) / (that in x), at y.
inv_boxcox = Binary(
    "special.inv_boxcox(x, lmbda)",
    Scale(lambda xp, lmbda, y: xp.pow(y, 1 - beside(xp, lmbda, y))),
    Scale(lambda xp, lmbda, y: -_box_slope(xp, xp.log(y), lmbda) * xp.pow(y, 1 - lmbda)),
)
inv_boxcox1p = Binary(
    "special.inv_boxcox1p(x, lmbda)",
    Scale(lambda xp, lmbda, y: xp.exp((1 - beside(xp, lmbda, y)) * xp.log1p(y))),
    Scale(lambda xp, lmbda, y: -_box_slope(xp, xp.log1p(y), lmbda) * xp.exp((1 - lmbda) * xp.log1p(y))),
)

# -- losses ------------------------------------------------------------------------------------


def _huber_slope(xp: Any, delta: Any, r: Any) -> Any:
    delta = beside(xp, delta, r)
    return xp.where(xp.abs(r) <= delta, r, delta * xp.sign(r))


def _huber_excess(xp: Any, delta: Any, r: Any) -> Any:
    size = xp.abs(beside(xp, r, delta))
    return xp.where(size <= delta, 0, size - delta)


def _pseudo_slope(xp: Any, delta: Any, r: Any) -> Any:
    """Delta r / h, where h = hypot(delta, r), for the function is delta (h - delta)."""
    delta = beside(xp, delta, r)
    return times_inverse(xp, delta * r, xp.hypot(delta, r))


def _pseudo_excess(xp: Any, delta: Any, r: Any) -> Any:
    """(h - delta)**2 / h."""
    h = xp.hypot(delta, beside(xp, r, delta))
    return times_inverse(xp, (h - delta) * (h - delta), h)


huber = Binary("special.huber(delta, r)", Scale(_huber_excess), Scale(_huber_slope))
pseudo_huber = Binary("special.pseudo_huber(delta, r)", Scale(_pseudo_excess), Scale(_pseudo_slope))
