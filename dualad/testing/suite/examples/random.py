"""Arguments on which random numbers that move with their parameters are differentiated."""

from __future__ import annotations

from typing import Any

import numpy as np

import dualad
from dualad import special
from dualad.engine.tensor import Tensor, raw_value
from dualad.op import REGISTRY
from dualad.ops.random.gamma import log_gamma

from .example import Example, numbers

EXAMPLES: list[Example] = []

CONCENTRATION = numbers(2, 3, low=0.4, high=2.7)
LOGARITHM = numbers(2, 3, low=-1.9, high=1.1, seed=4)


class _Quantiles:
    """In the place of a stream of random numbers: quantiles, which move with the concentration alone."""

    zeros: Any

    def __init__(self, level: float) -> None:
        self.level, self.zeros = level, None

    def draw(self, kind: str, shape: Any, dtype: Any, a: Any = None) -> Any:
        """Return what makes of `log_gamma` the logarithm of a quantile."""
        if kind == "random":
            return self.zeros
        self.zeros = raw_value(Tensor(a) * 0)
        return raw_value(special.gammaincinv(Tensor(a) - 1, self.level))


def _constant(x: Any, array: np.ndarray) -> Tensor:
    return dualad.asarray(array.astype(x.dtype.name), device=x.device)


for _level in (0.3, 0.8):
    EXAMPLES.append(
        Example(
            f"random.log_gamma-{_level}",
            lambda a, u=_level: log_gamma(a, stream=_Quantiles(u)),
            (CONCENTRATION,),
            False,
            "random.log_gamma",
        )
    )
EXAMPLES.append(
    Example(
        "random.log_gamma_slope",
        lambda log_z: REGISTRY["random.log_gamma_slope"](_constant(log_z, CONCENTRATION), log_z),
        (LOGARITHM,),
        False,
        "random.log_gamma_slope",
    )
)
EXAMPLES.append(
    Example(
        "random.log_gamma_bend",
        lambda x: x * REGISTRY["random.log_gamma_bend"](_constant(x, CONCENTRATION), _constant(x, LOGARITHM)),
        (CONCENTRATION,),
        False,
        "random.log_gamma_bend",
    )
)
