"""The checks of determinism: the same call gives the same numbers again, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import dualad
from dualad import Tensor

from .cases import expect, tensor, widest

_TIMES = 4


def _mixed(size: int) -> np.ndarray:
    """Return numbers of very different sizes, whose sum depends on the order."""
    rng = np.random.default_rng(5)
    return rng.standard_normal(size) * 10.0 ** rng.integers(-3, 4, size)


@contextmanager
def _deterministic() -> Iterator[None]:
    """Ask for algorithms that give the same numbers each time."""
    before = dualad.are_deterministic_algorithms_enabled()
    dualad.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        dualad.use_deterministic_algorithms(before)


def _at(x: Tensor) -> Tensor:
    index = np.random.default_rng(3).integers(0, 50, x.shape[0])
    return dualad.zeros(50, dtype=x.dtype, device=x.device) + dualad.grad(lambda y: (y[index] * x).sum())(
        x[:50]
    )


CALLS: dict[str, Callable[[Tensor], Any]] = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "sum along an axis": lambda x: x.reshape(50, -1).sum(0),
    "norm": lambda x: x.norm(),
    "prod": lambda x: dualad.prod(1 + x * 1e-6),
    "cumulative_sum": lambda x: dualad.cumulative_sum(x),
    "matmul": lambda x: x.reshape(50, -1) @ x.reshape(-1, 50),
    "max": lambda x: x.max(),
    "sort": lambda x: dualad.sort(x),
    "index_add with repeated indices": _at,
    "unbroadcast": lambda x: dualad.grad(lambda b: (b * x).sum())(x[:1]),
    "gradient of a network": lambda x: dualad.grad(lambda w: dualad.tanh(x.reshape(-1, 50) @ w).sum())(
        x[:500].reshape(50, 10) * 1e-3
    ),
}


def check_again(name: str, device: str) -> None:
    """A call gives the same numbers each time."""
    x = tensor(_mixed(5000), widest(False, device), device)
    with _deterministic():
        results = [CALLS[name](x).cpu().numpy() for _ in range(_TIMES)]
    for other in results[1:]:
        same = np.array_equal(results[0], other)
        off = "" if same else f"{np.max(np.abs(results[0] - other)):.3g}"
        expect(same, f"{name} of the same numbers differs by {off} from call to call; sums must be added in one order "
                     "where dualad.use_deterministic_algorithms(True) asks for it")  # fmt: skip
