"""How samples of the gamma distribution move with its parameter, by implicit differentiation.

A sample z of concentration a is where the distribution function is P(a, z) = u, for a u that does not
depend on a; so dz/da = -(dP/da) / (dP/dz) (Figurnov, Mohamed and Mnih, "Implicit reparameterization
gradients", 2018; Jankowiak and Obermeyer, "Pathwise derivatives beyond the reparameterization trick",
2018). All is told of l = log z here (`log_z` in the code), which small concentrations do not bring to 0; with

    q = dP/dl = exp(a l - z) / gamma(a)         (DLMF 8.2.4, 8.8.13)

    slope       s = dl/da = -P_a / q
    in l        ds/dl = psi(a) - l - s (a - z)
    in a        ds/da = -P_aa / q - s (l - psi(a))

The derivatives P_a and P_aa have no closed form. They are those of the logarithm of P or of 1 - P,
whichever is smaller, by differences of fourth order: it is smooth in a over a distance of a for small
a, and of its standard deviation sqrt(a) for large ones, of which a step is a small part.

Where a is large, s is better told by an asymptotic expansion. With mu = z / a - 1 and
eta**2 / 2 = mu - log(1 + mu), a level of P is where eta = c / sqrt(a) + e(eta) / a + ... for a constant c
and eta e(eta) = log(eta / mu) (Temme, "Asymptotic inversion of incomplete gamma functions", 1992). The
derivative of that in a gives, with a relative error of the order of 1 / a**2,

    a s = log(1 + mu) / mu - B(mu) / (2 a),
    B(mu) = sum over k > 0 of 2 (-1)**k mu**(k - 1) / ((k + 1) (k + 2))
"""

from __future__ import annotations

from math import log
from typing import Any

from ...backends.registry import BY_TYPE, DTYPES
from ...batching import broadcast
from ...dtypes import float64
from ...engine.fit import astype
from ...op import Binary
from ...rules import Missing, Scale

#: For log_z below this P is z**a / gamma(a + 1), up to a relative error of z (DLMF 8.7.1).
_SMALL = log(1e-12)
#: In double and in single precision: a step in a, as a part of the distance over which P is smooth, and
#: the concentration from which on the expansion for large ones is nearer than differences.
_DOUBLE, _SINGLE = (2.0**-7, 3000.0), (2.0**-4, 30.0)
#: How far z may be from a there, as a part of a, and the number of terms that this needs.
_FAR, _TERMS = 0.7, 14


def _derivatives(xp: Any, a: Any, log_z: Any, step: float, limit: float) -> tuple[Any, Any]:
    """Return dl/da and its derivative in a."""
    small, beyond = log_z < _SMALL, log_z - xp.log(a)
    large = (a > limit) & (xp.abs(xp.expm1(beyond)) < _FAR)
    slope, bend = _by_differences(xp, a, xp.where(small, _SMALL, log_z), step)
    slope = xp.where(small, (xp.special.psi(a + 1) - log_z) / a, slope)
    bend = xp.where(small, (xp.special.zeta(2.0, a + 1) - slope) / a, bend)
    slopes, bends = _of_large(xp, xp.where(large, a, limit), xp.where(large, beyond, 0.0))
    return xp.where(large, slopes, slope), xp.where(large, bends, bend)


def _by_differences(xp: Any, a: Any, log_z: Any, step: float) -> tuple[Any, Any]:
    special, z = xp.special, xp.exp(log_z)
    lower, upper = special.gammainc(a, z), special.gammaincc(a, z)
    below = lower < upper

    def log_tail(b: Any) -> Any:
        return xp.log(xp.where(below, special.gammainc(b, z), special.gammaincc(b, z)))

    h = step * a / xp.sqrt(1 + a)
    f = [log_tail(b) for b in (a - 2 * h, a - h, a + h, a + 2 * h)]
    middle = xp.log(xp.where(below, lower, upper))
    # Abramowitz and Stegun 25.3.6 and 25.3.24: five points.
    first = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h)
    second = (16 * (f[2] + f[1]) - (f[3] + f[0]) - 30 * middle) / (12 * h * h)
    weight = xp.exp(middle - a * log_z + z + special.gammaln(a))  # P / q, or (1 - P) / q
    weight = xp.where(below, -weight, weight)
    slope = weight * first
    return slope, weight * (second + first * first) - slope * (log_z - special.psi(a))


def _of_large(xp: Any, a: Any, beyond: Any) -> tuple[Any, Any]:
    """Return both by the expansion for large a; `beyond` is log(z / a)."""
    mu = xp.expm1(beyond)
    # The sums c of (-mu)**k / ((k + 1) (k + 2)), b = B(mu) and d = B'(mu), by Horner's rule.
    c, b, d = (xp.zeros_like(mu) for _ in range(3))
    for k in range(_TERMS, -1, -1):
        term = (-1) ** k / ((k + 1) * (k + 2))
        c = c * mu + term
        if k > 0:
            b = b * mu + 2 * term
        if k > 1:
            d = d * mu + 2 * (k - 1) * term
    flat = mu == 0
    ratio = xp.where(flat, 1.0, beyond / xp.where(flat, 1.0, mu))
    slope = (ratio - b / (2 * a)) / a
    # The derivative of the ratio in a is c / a, that of mu is -(1 + mu) / a.
    return slope, (c + (b + d * (1 + mu)) / (2 * a)) / (a * a) - slope / a


def _computed(which: int) -> Any:
    """Return what computes a derivative in double precision, where the device has it."""

    def compute(xp: Any, a: Any, log_z: Any) -> Any:
        backend, dtype = BY_TYPE[type(log_z)], DTYPES[log_z.dtype]
        assert backend is not None
        if not backend.has_dtype(float64, backend.device_of(log_z)):
            return _derivatives(xp, a, log_z, *_SINGLE)[which]
        a, log_z = astype(xp, a, float64), astype(xp, log_z, float64)
        return astype(xp, _derivatives(xp, a, log_z, *_DOUBLE)[which], dtype)

    return compute


def _third() -> Missing:
    return Missing("it would be a third derivative of a sample of the gamma distribution, which is not known")


log_gamma_bend = Binary(
    "random.log_gamma_bend(a, log_z)", _third(), _third(), compute=_computed(1), batch=broadcast
)
log_gamma_slope = Binary(
    "random.log_gamma_slope(a, log_z)",
    Scale(lambda xp, a, log_z: log_gamma_bend.within(xp, a, log_z)),
    Scale(lambda xp, a, log_z, y: xp.special.psi(a) - log_z - y * (a - xp.exp(log_z))),
    compute=_computed(0),
)
