"""Incomplete gamma and beta functions (DLMF 8), which the distributions are made of.

Both are integrals of a density, an op of its own here. At any order its derivative is a
difference of two densities with other parameters, which is finite where a quotient by x is 0 / 0.
"""

from __future__ import annotations

from math import inf
from typing import Any

from ...op import Binary, Op
from ...rules import Missing, Scale
from .common import beside, is_pole, singular

# -- densities ---------------------------------------------------------------------------------


def _gamma_density(xp: Any, a: Any, x: Any) -> Any:
    """x**(a - 1) exp(-x) / gamma(a), which is 0 at the poles of gamma."""
    a = beside(xp, a, x)
    nothing = is_pole(xp, a) | (x == inf)
    a, x = xp.where(nothing, 1, a), xp.where(nothing, 1, x)
    density = xp.exp(xp.special.xlogy(a - 1, x) - x - xp.special.gammaln(a))
    return xp.where(nothing, 0, xp.special.gammasgn(a) * density)


def _beta_density(xp: Any, a: Any, b: Any, c: Any, x: Any) -> Any:
    """x**(a - 1) (1 - x)**(b - 1) gamma(c) / (gamma(a) gamma(b)); c is a + b, and stays so in derivatives."""
    a, b, c = (beside(xp, p, x) for p in (a, b, c))
    nothing = is_pole(xp, a) | is_pole(xp, b)
    a, b = xp.where(nothing, 1, a), xp.where(nothing, 1, b)
    log_gamma, sign = xp.special.gammaln, xp.special.gammasgn
    # betaln is exact where the logarithms are large and near each other.
    factor = xp.where(c == a + b, -xp.special.betaln(a, b), log_gamma(c) - log_gamma(a) - log_gamma(b))
    density = xp.exp(xp.special.xlogy(a - 1, x) + xp.special.xlog1py(b - 1, -x) + factor)
    return xp.where(nothing, 0, sign(a) * sign(b) * density)


# In a parameter: the density times the derivative of its logarithm. Mixed derivatives need it.
gamma_density = Binary(
    "special.gamma_density(a, x)",
    Scale(lambda xp, a, x, y: xp.special.xlogy(y, x) - y * xp.special.psi(a)),
    Scale(lambda xp, a, x: gamma_slope(xp, beside(xp, a, x) - 1, x) - gamma_slope(xp, a, x)),
    compute=_gamma_density,
)
beta_density = Op(
    "special.beta_density(a, b, c, x)",
    Scale(lambda xp, a, x, y: xp.special.xlogy(y, x) - y * xp.special.psi(a)),
    Scale(lambda xp, b, x, y: xp.special.xlog1py(y, -x) - y * xp.special.psi(b)),
    Scale(lambda xp, c, y: y * xp.special.psi(c)),
    Scale(lambda xp, a, b, c, x: _beta_density_slope(xp, a, b, c, x)),
    compute=_beta_density,
)


def _beta_density_slope(xp: Any, a: Any, b: Any, c: Any, x: Any) -> Any:
    a, b = beside(xp, a, x), beside(xp, b, x)
    return beta_density.within(xp, a - 1, b, c, x) - beta_density.within(xp, a, b - 1, c, x)


def gamma_slope(xp: Any, a: Any, x: Any) -> Any:
    """The derivative of gammainc(a, x) in x (DLMF 8.2.4 and 8.8.13)."""
    return gamma_density.within(xp, a, x)


def beta_slope(xp: Any, a: Any, b: Any, x: Any) -> Any:
    """The derivative of betainc(a, b, x) in x (DLMF 8.17.1)."""
    a, b = beside(xp, a, x), beside(xp, b, x)
    return beta_density.within(xp, a, b, a + b, x)


# -- incomplete gamma --------------------------------------------------------------------------


def _parameter() -> Missing:
    return Missing("it has no closed form in a parameter, only in the variable")


gammainc = Binary("special.gammainc(a, x)", _parameter(), singular(lambda xp, a, x: gamma_slope(xp, a, x)))
gammaincc = Binary("special.gammaincc(a, x)", _parameter(), singular(lambda xp, a, x: -gamma_slope(xp, a, x)))
# The inverse of f moves by 1 / f'(y).
gammaincinv = Binary(
    "special.gammaincinv(a, p)", _parameter(), singular(lambda xp, a, y: 1 / gamma_slope(xp, a, y))
)
gammainccinv = Binary(
    "special.gammainccinv(a, p)", _parameter(), singular(lambda xp, a, y: -1 / gamma_slope(xp, a, y))
)

# -- incomplete beta ---------------------------------------------------------------------------

betainc = Op(
    "special.betainc(a, b, x)",
    _parameter(),
    _parameter(),
    singular(lambda xp, a, b, x: beta_slope(xp, a, b, x)),
)
betaincc = Op(
    "special.betaincc(a, b, x)",
    _parameter(),
    _parameter(),
    singular(lambda xp, a, b, x: -beta_slope(xp, a, b, x)),
)
betaincinv = Op(
    "special.betaincinv(a, b, p)",
    _parameter(),
    _parameter(),
    singular(lambda xp, a, b, y: 1 / beta_slope(xp, a, b, y)),
)
betainccinv = Op(
    "special.betainccinv(a, b, p)",
    _parameter(),
    _parameter(),
    singular(lambda xp, a, b, y: -1 / beta_slope(xp, a, b, y)),
)
