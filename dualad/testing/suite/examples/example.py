"""What an example is, and the numbers that examples are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Example(NamedTuple):
    """A differentiable call; `op` is the op of the registry it stands for, or ""."""

    name: str
    call: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    complex: bool  # whether it takes complex arrays too
    op: str


def numbers(*shape: int, seed: int = 0, low: float = 0.2, high: float = 0.8) -> np.ndarray:
    """Return distinct numbers between two bounds, in a random order: no ties, no kinks."""
    n = int(np.prod(shape))
    order = np.random.default_rng(seed).permutation(n)
    return np.linspace(low, high, n)[order].reshape(shape)


def signed(*shape: int, seed: int = 0) -> np.ndarray:
    """Return distinct numbers of both signs, none within 0.1 of 0."""
    x = numbers(*shape, seed=seed, low=0.1, high=1.7)
    return x * np.where(np.random.default_rng(seed + 1).random(shape) < 0.5, -1, 1)
