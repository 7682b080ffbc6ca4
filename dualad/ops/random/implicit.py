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
"""

from __future__ import annotations

from math import log, pi
from typing import Any

from ...backends.registry import BY_TYPE, DTYPES
from ...batching import broadcast
from ...dtypes import float64
from ...engine.fit import astype
from ...op import Binary
from ...rules import Missing, Scale

#: For log_z below this P is z**a / gamma(a + 1), up to a relative error of z (DLMF 8.7.1).
_SMALL = log(1e-12)
#: A step in a, as a part of the distance over which P is smooth, in double and in single precision.
_STEP = 2.0**-7, 2.0**-4


def _derivatives(xp: Any, a: Any, log_z: Any, step: float) -> tuple[Any, Any]:
    """Return dl/da and its derivative in a."""
    special, small = xp.special, log_z < _SMALL
    z = xp.exp(xp.where(small, _SMALL, log_z))
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
    weight = xp.exp(middle - _log_density(xp, a, xp.where(small, _SMALL, log_z)))  # P / q, or (1 - P) / q
    weight = xp.where(below, -weight, weight)
    slope = xp.where(small, (special.psi(a + 1) - log_z) / a, weight * first)
    bend = weight * (second + first * first) - slope * (log_z - special.psi(a))
    return slope, xp.where(small, (special.zeta(2.0, a + 1) - slope) / a, bend)


def _log_density(xp: Any, a: Any, log_z: Any) -> Any:
    """Return log q: without the difference of large numbers that it is for large a (DLMF 5.11.1)."""
    large = a > 16
    b = xp.where(large, a, 16.0)
    rest = 1 / (12 * b) - 1 / (360 * b**3) + 1 / (1260 * b**5)
    stirling = 0.5 * xp.log(b / (2 * pi)) - rest
    peak = xp.where(large, stirling, a * xp.log(a) - a - xp.special.gammaln(a))
    beyond = log_z - xp.log(a)
    return a * (beyond - xp.expm1(beyond)) + peak


def _computed(which: int) -> Any:
    """Return what computes a derivative in double precision, where the device has it."""

    def compute(xp: Any, a: Any, log_z: Any) -> Any:
        backend, dtype = BY_TYPE[type(log_z)], DTYPES[log_z.dtype]
        assert backend is not None
        if not backend.has_dtype(float64, backend.device_of(log_z)):
            return _derivatives(xp, a, log_z, _STEP[1])[which]
        precise = _derivatives(xp, astype(xp, a, float64), astype(xp, log_z, float64), _STEP[0])[which]
        return astype(xp, precise, dtype)

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
