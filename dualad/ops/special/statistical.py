"""Distribution functions, by the incomplete gamma and beta functions they are.

In SciPy's names a last ``c`` is the complement, a last ``i`` the inverse, which moves by 1 / f'(y).
The sources are the definitions in Cephes' documentation, and DLMF 8.17(ii) and 8.23.
"""

from __future__ import annotations

from typing import Any

from ...op import Binary, Op
from ...rules import Missing, Scale
from .common import beside, singular
from .incomplete import beta_slope, gamma_slope


def _freedom() -> Missing:
    return Missing("it has no closed form in the degrees of freedom")


def _shape() -> Missing:
    return Missing("it has no closed form in a shape parameter")


def _count() -> Missing:
    return Missing("a count is an integer")


def _chi_square(xp: Any, v: Any, x: Any) -> Any:
    """The density: chdtr(v, x) = gammainc(v/2, x/2)."""
    return 0.5 * gamma_slope(xp, 0.5 * beside(xp, v, x), 0.5 * x)


def _f(xp: Any, dfn: Any, dfd: Any, x: Any) -> Any:
    """The density: fdtr(m, n, x) = betainc(m/2, n/2, m x / (n + m x))."""
    m, n = beside(xp, dfn, x), beside(xp, dfd, x)
    total = n + m * x
    return beta_slope(xp, 0.5 * m, 0.5 * n, m * x / total) * m * n / (total * total)


def _student(xp: Any, df: Any, x: Any) -> Any:
    """(1 + x**2 / df)**(-(df + 1) / 2) / (sqrt(df) beta(df/2, 1/2))."""
    df = beside(xp, df, x)
    power = 0.5 * (df + 1) * xp.log1p(x * x / df)
    return xp.exp(-power - xp.special.betaln(0.5 * df, 0.5)) / xp.sqrt(df)


def _binomial(xp: Any, k: Any, n: Any, p: Any) -> Any:
    """The parameters of bdtrc(k, n, p) = betainc(k + 1, n - k, p)."""
    k = xp.floor(beside(xp, k, p))
    return k + 1, beside(xp, n, p) - k


def _binomial_slope(xp: Any, k: Any, n: Any, p: Any) -> Any:
    a, b = _binomial(xp, k, n, p)
    return beta_slope(xp, a, b, p)


def _negative_binomial(xp: Any, k: Any, n: Any, p: Any) -> Any:
    """The derivative of nbdtr(k, n, p) = betainc(n, k + 1, p)."""
    return beta_slope(xp, n, beside(xp, k, p) + 1, p)


def _poisson(xp: Any, k: Any, m: Any) -> Any:
    """The derivative of pdtrc(k, m) = gammainc(k + 1, m)."""
    return gamma_slope(xp, xp.floor(beside(xp, k, m)) + 1, m)


def _gamma_rate(xp: Any, a: Any, b: Any, x: Any) -> Any:
    """The derivative of gdtr(a, b, x) = gammainc(b, a x) in a."""
    return x * gamma_slope(xp, b, a * x)


# -- chi-square, F, Student's t ----------------------------------------------------------------

chdtr = Binary("special.chdtr(v, x)", _freedom(), singular(lambda xp, v, x: _chi_square(xp, v, x)))
chdtrc = Binary("special.chdtrc(v, x)", _freedom(), singular(lambda xp, v, x: -_chi_square(xp, v, x)))
chdtri = Binary("special.chdtri(v, p)", _freedom(), singular(lambda xp, v, y: -1 / _chi_square(xp, v, y)))
fdtr = Op("special.fdtr(dfn, dfd, x)", _freedom(), _freedom(), singular(_f))
fdtrc = Op(
    "special.fdtrc(dfn, dfd, x)",
    _freedom(),
    _freedom(),
    singular(lambda xp, dfn, dfd, x: -_f(xp, dfn, dfd, x)),
)
fdtri = Op(
    "special.fdtri(dfn, dfd, p)",
    _freedom(),
    _freedom(),
    singular(lambda xp, dfn, dfd, y: 1 / _f(xp, dfn, dfd, y)),
)
stdtr = Binary("special.stdtr(df, x)", _freedom(), Scale(_student))
stdtrit = Binary("special.stdtrit(df, p)", _freedom(), singular(lambda xp, df, y: 1 / _student(xp, df, y)))

# -- counts: binomial, negative binomial, Poisson ----------------------------------------------

# SciPy's own warn of counts that are floating, whole though they are.
bdtr = Op(
    "special.bdtr(k, n, p)",
    _count(),
    _count(),
    Scale(lambda xp, k, n, p: -_binomial_slope(xp, k, n, p)),
    compute=lambda xp, k, n, p: xp.special.betaincc(*_binomial(xp, k, n, p), p),
)
bdtrc = Op(
    "special.bdtrc(k, n, p)",
    _count(),
    _count(),
    Scale(_binomial_slope),
    compute=lambda xp, k, n, p: xp.special.betainc(*_binomial(xp, k, n, p), p),
)
bdtri = Op(
    "special.bdtri(k, n, p)",
    _count(),
    _count(),
    singular(lambda xp, k, n, y: -1 / _binomial_slope(xp, k, n, y)),
    compute=lambda xp, k, n, p: xp.special.betainccinv(*_binomial(xp, k, n, p), p),
)
nbdtr = Op("special.nbdtr(k, n, p)", _count(), _count(), Scale(_negative_binomial))
nbdtrc = Op(
    "special.nbdtrc(k, n, p)",
    _count(),
    _count(),
    Scale(lambda xp, k, n, p: -_negative_binomial(xp, k, n, p)),
)
nbdtri = Op(
    "special.nbdtri(k, n, p)",
    _count(),
    _count(),
    singular(lambda xp, k, n, y: 1 / _negative_binomial(xp, k, n, y)),
)
pdtr = Binary("special.pdtr(k, m)", _count(), Scale(lambda xp, k, m: -_poisson(xp, k, m)))
pdtrc = Binary("special.pdtrc(k, m)", _count(), Scale(_poisson))
pdtri = Binary("special.pdtri(k, p)", _count(), singular(lambda xp, k, y: -1 / _poisson(xp, k, y)))

# -- gamma -------------------------------------------------------------------------------------

gdtr = Op(
    "special.gdtr(a, b, x)",
    singular(_gamma_rate),
    _shape(),
    singular(lambda xp, a, b, x: _gamma_rate(xp, x, b, a)),
)
gdtrc = Op(
    "special.gdtrc(a, b, x)",
    singular(lambda xp, a, b, x: -_gamma_rate(xp, a, b, x)),
    _shape(),
    singular(lambda xp, a, b, x: -_gamma_rate(xp, x, b, a)),
)
