"""What the rules of several families of special functions need."""

from __future__ import annotations

from typing import Any

from ...backends.registry import DTYPES
from ...engine.fit import astype
from ...engine.namespace import ops
from ...engine.operands import PYTHON_SCALARS
from ...engine.tensor import lift
from ...rules import Rule, Scale


def beside(xp: Any, a: Any, x: Any) -> Any:
    """Return `a` as an array of x's kind: a parameter may be a Python number or of integers.

    A function of numbers alone would give one of the default dtype, and the standard has no
    arithmetic between integer and floating arrays.
    """
    if type(a) in PYTHON_SCALARS:
        return xp.zeros_like(x) + a
    if xp is ops:  # a constant may still be a backend's array, which may refuse to meet a Tensor
        a = lift(a)
    dtype = DTYPES[a.dtype]
    return a if dtype.is_differentiable else astype(xp, a, DTYPES[x.dtype])


def singular(rule: Rule) -> Scale:
    """A Scale whose factor is infinite or NaN at some finite arguments."""
    return Scale(rule, singular=True)


def is_pole(xp: Any, a: Any) -> Any:
    """Whether the gamma function has a pole at each element: at 0, -1, -2 and so on."""
    return (a <= 0) & (a == xp.floor(a))
