"""Logarithms of products that are 0, and entropies.

Where both arguments are 0 there is no limit; what would be 0 / 0 or log(0) there is 0.
"""

from __future__ import annotations

from typing import Any

from ...op import Binary, Unary
from .common import beside, singular


def _xlogy_first(xp: Any, x1: Any, x2: Any) -> Any:
    """log(x2)."""
    x2 = beside(xp, x2, x1)
    return xp.log(xp.where((x1 == 0) & (x2 == 0), 1, x2))


def _ratio(xp: Any, x1: Any, x2: Any) -> Any:
    """x1 / x2."""
    x1 = beside(xp, x1, x2)
    return x1 / xp.where((x1 == 0) & (x2 == 0), 1, x2)


def _xlog1py_first(xp: Any, x1: Any, x2: Any) -> Any:
    """log(1 + x2)."""
    x2 = beside(xp, x2, x1)
    return xp.log1p(xp.where((x1 == 0) & (x2 == -1), 0, x2))


def _xlog1py_second(xp: Any, x1: Any, x2: Any) -> Any:
    """x1 / (1 + x2)."""
    x1 = beside(xp, x1, x2)
    return x1 / (1 + xp.where((x1 == 0) & (x2 == -1), 0, x2))


def _log_ratio(xp: Any, x1: Any, x2: Any) -> Any:
    """log(x1 / x2)."""
    x2 = beside(xp, x2, x1)
    both = (x1 == 0) & (x2 == 0)
    return xp.log(xp.where(both, 1, x1) / xp.where(both, 1, x2))


def _rel_entr_first(xp: Any, x1: Any, x2: Any) -> Any:
    """log(x1 / x2) + 1."""
    x2 = beside(xp, x2, x1)
    return xp.where((x1 == 0) & (x2 == 0), 0, _log_ratio(xp, x1, x2) + 1)


xlogy = Binary("special.xlogy(x1, x2)", singular(_xlogy_first), singular(_ratio))
xlog1py = Binary("special.xlog1py(x1, x2)", singular(_xlog1py_first), singular(_xlog1py_second))
entr = Unary("special.entr(x)", singular(lambda xp, x: -xp.log(x) - 1))
rel_entr = Binary(
    "special.rel_entr(x1, x2)", singular(_rel_entr_first), singular(lambda xp, x1, x2: -_ratio(xp, x1, x2))
)
kl_div = Binary(
    "special.kl_div(x1, x2)", singular(_log_ratio), singular(lambda xp, x1, x2: 1 - _ratio(xp, x1, x2))
)
