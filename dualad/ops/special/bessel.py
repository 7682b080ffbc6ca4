"""Bessel functions (DLMF 10), by recurrences in the order that do not divide by the argument.

The functions with a last ``e`` are scaled: by exp(-|x|) those of the first kind, by exp(x) those
of the second.
"""

from __future__ import annotations

from typing import Any

from ...op import Binary, Unary
from ...rules import Missing, Scale
from .common import singular


def _order() -> Missing:
    return Missing("it has no closed form in the order (DLMF 10.15, 10.38)")


def _jv_slope(xp: Any, v: Any, x: Any) -> Any:
    return 0.5 * (xp.special.jv(v - 1, x) - xp.special.jv(v + 1, x))


def _yv_slope(xp: Any, v: Any, x: Any) -> Any:
    return 0.5 * (xp.special.yv(v - 1, x) - xp.special.yv(v + 1, x))


def _yn_slope(xp: Any, n: Any, x: Any) -> Any:
    return 0.5 * (xp.special.yn(n - 1, x) - xp.special.yn(n + 1, x))


def _iv_slope(xp: Any, v: Any, x: Any) -> Any:
    return 0.5 * (xp.special.iv(v - 1, x) + xp.special.iv(v + 1, x))


def _ive_slope(xp: Any, v: Any, x: Any, y: Any) -> Any:
    return 0.5 * (xp.special.ive(v - 1, x) + xp.special.ive(v + 1, x)) - xp.sign(x) * y


def _kv_slope(xp: Any, v: Any, x: Any) -> Any:
    return -0.5 * (xp.special.kv(v - 1, x) + xp.special.kv(v + 1, x))


def _kn_slope(xp: Any, n: Any, x: Any) -> Any:
    return -0.5 * (xp.special.kn(n - 1, x) + xp.special.kn(n + 1, x))


def _kve_slope(xp: Any, v: Any, x: Any, y: Any) -> Any:
    return y - 0.5 * (xp.special.kve(v - 1, x) + xp.special.kve(v + 1, x))


# -- J and Y, DLMF 10.6.1, 10.6.3 --------------------------------------------------------------

j0 = Unary("special.j0(x)", Scale(lambda xp, x: -xp.special.j1(x)))
j1 = Unary("special.j1(x)", Scale(lambda xp, x: 0.5 * (xp.special.j0(x) - xp.special.jv(2, x))))
jv = jn = Binary("special.jv(v, x)", _order(), Scale(_jv_slope))
y0 = Unary("special.y0(x)", singular(lambda xp, x: -xp.special.y1(x)))
y1 = Unary("special.y1(x)", singular(lambda xp, x: 0.5 * (xp.special.y0(x) - xp.special.yn(2, x))))
yn = Binary("special.yn(n, x)", _order(), singular(_yn_slope))
yv = Binary("special.yv(v, x)", _order(), singular(_yv_slope))

# -- I and K, DLMF 10.29.1, 10.29.3 ------------------------------------------------------------

i0 = Unary("special.i0(x)", Scale(lambda xp, x: xp.special.i1(x)))
i1 = Unary("special.i1(x)", Scale(lambda xp, x: 0.5 * (xp.special.i0(x) + xp.special.iv(2, x))))
iv = Binary("special.iv(v, x)", _order(), Scale(_iv_slope))
i0e = Unary("special.i0e(x)", Scale(lambda xp, x, y: xp.special.i1e(x) - xp.sign(x) * y))
i1e = Unary(
    "special.i1e(x)",
    Scale(lambda xp, x, y: 0.5 * (xp.special.i0e(x) + xp.special.ive(2, x)) - xp.sign(x) * y),
)
ive = Binary("special.ive(v, x)", _order(), Scale(_ive_slope))
k0 = Unary("special.k0(x)", singular(lambda xp, x: -xp.special.k1(x)))
k1 = Unary("special.k1(x)", singular(lambda xp, x: -0.5 * (xp.special.k0(x) + xp.special.kn(2, x))))
kn = Binary("special.kn(n, x)", _order(), singular(_kn_slope))
kv = Binary("special.kv(v, x)", _order(), singular(_kv_slope))
k0e = Unary("special.k0e(x)", singular(lambda xp, x, y: y - xp.special.k1e(x)))
k1e = Unary("special.k1e(x)", singular(lambda xp, x, y: y - 0.5 * (xp.special.k0e(x) + xp.special.kve(2, x))))
kve = Binary("special.kve(v, x)", _order(), singular(_kve_slope))
