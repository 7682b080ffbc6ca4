"""The error function, the normal distribution and their inverses (DLMF 7)."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from ...op import Unary
from ...rules import Scale
from .common import singular


def _hazard(xp: Any, x: Any, y: Any) -> Any:
    """The derivative of log_ndtr, phi(x) / Phi(x): below 0 by erfcx, as both underflow there."""
    low = x < 0
    below, above = xp.where(low, x, 0), xp.where(low, 0, x)
    tail = sqrt(2 / pi) / xp.special.erfcx(below * -sqrt(0.5))
    body = xp.exp(-0.5 * above * above - xp.where(low, 0, y)) * (1 / sqrt(2 * pi))
    return xp.where(low, tail, body)


# DLMF 7.2.1, 7.2.2; erfcx by 7.10.1 and the product rule.
erf = Unary("special.erf(x)", Scale(lambda xp, x: 2 / sqrt(pi) * xp.exp(-x * x)))
erfc = Unary("special.erfc(x)", Scale(lambda xp, x: -2 / sqrt(pi) * xp.exp(-x * x)))
erfcx = Unary("special.erfcx(x)", Scale(lambda xp, x, y: 2 * x * y - 2 / sqrt(pi)))
# The inverse of f moves by 1 / f'(y).
erfinv = Unary("special.erfinv(x)", singular(lambda xp, y: sqrt(pi) / 2 * xp.exp(y * y)))
erfcinv = Unary("special.erfcinv(x)", singular(lambda xp, y: -sqrt(pi) / 2 * xp.exp(y * y)))

# ndtr(x) = erfc(-x / sqrt(2)) / 2, DLMF 7.20.1.
ndtr = Unary("special.ndtr(x)", Scale(lambda xp, x: 1 / sqrt(2 * pi) * xp.exp(-0.5 * x * x)))
ndtri = Unary("special.ndtri(x)", singular(lambda xp, y: sqrt(2 * pi) * xp.exp(0.5 * y * y)))
log_ndtr = Unary("special.log_ndtr(x)", Scale(_hazard))
