"""Reading and writing a vector element by element: whether n of them cost O(n)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import numpy as np
import torch

import dualad

from .timing import DUALAD, HIPS, TORCH, Contestant, contestants


def squares(x: Any, n: int) -> Any:
    """Return the sum of squares, with n scalar reads."""
    total = x[0] * 0.0
    for i in range(n):
        v = x[i]
        total = total + v * v
    return total


def fill(zeros: Callable[..., Any], x: Any, n: int) -> Any:
    """Return the squares, with n scalar writes."""
    y = zeros(n, dtype=x.dtype)
    for i in range(n):
        y[i] = x[i] * x[i]
    return y


def backward(function: Callable[[Any], Any], x: Any) -> Callable[[], Any]:
    """Return what runs a scalar function of x forward and back to x's gradient."""

    def run() -> Any:
        x.grad = None
        function(x).backward()
        return x.grad

    return run


def squares_by_hand(x: np.ndarray, n: int) -> np.ndarray:
    total, g = np.float64(0), np.zeros(n)
    for i in range(n):
        v = x[i]
        total = total + v * v
    for i in reversed(range(n)):
        g[i] += 2 * x[i]
    return g


def reads(n: int) -> dict[str, Contestant]:
    """N scalar reads of an n-vector, forward and backward."""
    x = np.linspace(0, 1, n)
    hips = autograd.grad(lambda x: squares(x, n))
    entrants = contestants(
        backward(lambda x: squares(x, n), dualad.tensor(x, requires_grad=True)),
        backward(lambda x: squares(x, n), torch.tensor(x, requires_grad=True)),
        lambda: hips(x),
        lambda: squares_by_hand(x, n),
    )
    for name in (DUALAD, TORCH, HIPS):
        np.testing.assert_allclose(np.asarray(entrants[name].run()), 2 * x)
    return entrants


def writes(n: int) -> dict[str, Contestant]:
    """N scalar writes into an n-vector, forward and backward."""
    x = np.linspace(0, 1, n)
    entrants = contestants(
        backward(lambda x: fill(dualad.zeros, x, n).sum(), dualad.tensor(x, requires_grad=True)),
        backward(lambda x: fill(torch.zeros, x, n).sum(), torch.tensor(x, requires_grad=True)),
    )
    for name in (DUALAD, TORCH):
        np.testing.assert_allclose(np.asarray(entrants[name].run()), 2 * x)
    return entrants
