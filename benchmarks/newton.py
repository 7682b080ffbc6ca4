"""200 Newton steps to a square root, on a 0-d array, and back through all of them."""

from __future__ import annotations

from typing import Any

import autograd
import numpy as np
import torch

import dualad

from .timing import Contestant, contestants

STEPS = 200


def root(a: Any) -> Any:
    z = a
    for _ in range(STEPS):
        z = 0.5 * (z + a / z)
    return z


def by_hand() -> np.float64:
    a = np.float64(2.0)
    z, before = a, []
    for _ in range(STEPS):
        before.append(z)
        z = 0.5 * (z + a / z)
    g, total = np.float64(1.0), np.float64(0.0)
    for z in reversed(before):
        half = 0.5 * g
        total += half / z
        g = half - half * a / (z * z)
    return total + g


def reverse() -> dict[str, Contestant]:
    """Forward and backward to the gradient of the number whose root is taken."""
    a = dualad.tensor(2.0, dtype=dualad.float64, requires_grad=True)
    ta = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    with_hips = autograd.grad(root)

    def with_dualad() -> Any:
        a.grad = None
        root(a).backward()
        return a.grad

    def with_torch() -> Any:
        ta.grad = None
        root(ta).backward()
        return ta.grad

    entrants = contestants(with_dualad, with_torch, lambda: with_hips(2.0), by_hand)
    for entrant in entrants.values():
        np.testing.assert_allclose(float(entrant.run()), 0.5 / 2**0.5)
    return entrants
