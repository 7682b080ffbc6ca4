"""The gamma function and its family (DLMF 5), and zeta functions (DLMF 25)."""

from __future__ import annotations

from math import log, pi
from typing import Any

from ...batching import broadcast
from ...engine.tensor import Tensor
from ...op import Binary, Unary
from ...rules import Missing, Scale
from ..common import whole
from ..conversion import asarray
from .common import beside, singular

# -- rules that are more than a line -----------------------------------------------------------


def _rgamma_slope(xp: Any, x: Any, y: Any) -> Any:
    """-y psi(x); to the left by the reflection formula (DLMF 5.5.3), as psi has poles there."""
    left = x < 0.5
    a, b = xp.where(left, x, 0), xp.where(left, 1, x)
    reflected = xp.special.gamma(1 - a) * (xp.cos(pi * a) - xp.special.psi(1 - a) * xp.sin(pi * a) / pi)
    return xp.where(left, reflected, -y * xp.special.psi(b))


def _polygamma(xp: Any, n: Any, x: Any) -> Any:
    """(-1)**(n + 1) n! zeta(n + 1, x), DLMF 25.11.12; psi where n is 0."""
    n = beside(xp, n, x)
    zero = n == 0
    order = xp.where(zero, 1, n)
    sign = 2 * xp.remainder(order, 2) - 1
    higher = sign * xp.special.gamma(order + 1) * xp.special.zeta(order + 1, x)
    return xp.where(zero, xp.special.psi(x), higher)


def _betaln_slope(xp: Any, a: Any, b: Any) -> Any:
    return xp.special.psi(a) - xp.special.psi(a + beside(xp, b, a))


# -- gamma, DLMF 5.2.1, 5.2.2, 5.15.1 ----------------------------------------------------------

gamma = Unary("special.gamma(x)", singular(lambda xp, x, y: y * xp.special.psi(x)))
gammaln = Unary("special.gammaln(x)", singular(lambda xp, x: xp.special.psi(x)))
loggamma = Unary("special.loggamma(x)", singular(lambda xp, x: xp.special.psi(x)))
gammasgn = Unary("special.gammasgn(x)", Scale(0))
rgamma = Unary("special.rgamma(x)", Scale(_rgamma_slope))
psi = digamma = Unary("special.psi(x)", singular(lambda xp, x: xp.special.polygamma(1, x)))
polygamma = Binary(
    "special.polygamma(n, x)",
    Missing("the order is an integer"),
    singular(lambda xp, n, x: xp.special.polygamma(n + 1, x)),
    compute=_polygamma,
)

# -- beta, binomials, DLMF 5.2.4, 5.12.1 -------------------------------------------------------

poch = Binary(
    "special.poch(a, m)",
    Scale(lambda xp, a, m, y: y * (xp.special.psi(a + beside(xp, m, a)) - xp.special.psi(a))),
    Scale(lambda xp, a, m, y: y * xp.special.psi(m + beside(xp, a, m))),
)
binom = Binary(
    "special.binom(n, k)",
    Scale(lambda xp, n, k, y: y * (xp.special.psi(n + 1) - xp.special.psi(n - beside(xp, k, n) + 1))),
    Scale(lambda xp, n, k, y: y * (xp.special.psi(beside(xp, n, k) - k + 1) - xp.special.psi(k + 1))),
)
beta = Binary(
    "special.beta(a, b)",
    Scale(lambda xp, a, b, y: y * _betaln_slope(xp, a, b)),
    Scale(lambda xp, a, b, y: y * _betaln_slope(xp, b, a)),
)
betaln = Binary(
    "special.betaln(a, b)",
    Scale(lambda xp, a, b: _betaln_slope(xp, a, b)),
    Scale(lambda xp, a, b: _betaln_slope(xp, b, a)),
)

# -- zeta, DLMF 25.2.1, 25.11.1, 25.11.17 ------------------------------------------------------

_EXPONENT = "SciPy has no function for the derivative in the exponent"
riemann_zeta = Unary(
    "special.riemann_zeta(x)",
    Missing(_EXPONENT),
    compute=lambda xp, x: xp.special.zeta(x),
    batch=broadcast,
)
hurwitz_zeta = Binary(
    "special.hurwitz_zeta(x, q)",
    Missing(_EXPONENT),
    singular(lambda xp, x, q: -beside(xp, x, q) * xp.special.zeta(x + 1, q)),
    compute=lambda xp, x, q: xp.special.zeta(x, q),
)
zetac = Unary("special.zetac(x)", Missing(_EXPONENT), batch=broadcast)

# -- functions ---------------------------------------------------------------------------------


def zeta(x: Any, q: Any = None, /) -> Tensor:
    """Return Hurwitz's zeta function, the sum of ``(k + q) ** -x`` over k (DLMF 25.11.1).

    Parameters
    ----------
    x : array or number
        The exponent, in which no derivative is available.
    q : array or number, optional
        Where the sum starts. Without it, Riemann's zeta function of x (DLMF 25.2.1).

    Examples
    --------
    >>> import dualad
    >>> dualad.special.zeta(dualad.tensor([2.0, 4.0]))
    tensor([1.6449, 1.0823])
    >>> dualad.special.zeta(2, dualad.tensor([1.0, 2.0]))
    tensor([1.6449, 0.6449])
    """
    return riemann_zeta(x) if q is None else hurwitz_zeta(x, q)


def multigammaln(a: Any, d: Any, /) -> Tensor:
    """Return the logarithm of the multivariate gamma function (DLMF 35.3.4).

    It is ``d * (d - 1) / 4 * log(pi) + sum(gammaln(a - j / 2) for j in range(d))``.

    Parameters
    ----------
    a : array or number
        Greater than ``(d - 1) / 2``.
    d : int
        The dimension of the space.

    Examples
    --------
    >>> import dualad
    >>> dualad.special.multigammaln(dualad.tensor([2.0, 3.0]), 2)
    tensor([0.4516, 1.5502])
    """
    a, d = asarray(a), whole("multigammaln", "d", d)
    total = gammaln(a)
    for j in range(1, d):
        total = total + gammaln(a - 0.5 * j)
    return total + d * (d - 1) * 0.25 * log(pi)
