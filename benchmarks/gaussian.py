"""sin(x) * exp(-x**2) on a million floats: whether whole arrays are passed over needlessly."""

from __future__ import annotations

from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import torch

import dualad

from .timing import DUALAD, HIPS, TORCH, Contestant, contestants

X = np.linspace(-2, 2, 1_000_000)
ONES = np.ones_like(X)


def wave(xp: Any, x: Any) -> Any:
    return xp.sin(x) * xp.exp(-(x**2))


def by_hand() -> tuple[np.ndarray, np.ndarray]:
    s, e = np.sin(X), np.exp(-(X**2))
    y = s * e
    return y, ONES * e * (np.cos(X) - 2 * X * s)


def reverse() -> dict[str, Contestant]:
    """Forward and backward to the gradient of x."""
    x, ones = dualad.tensor(X, requires_grad=True), dualad.tensor(ONES)
    tx, tones = torch.tensor(X, requires_grad=True), torch.tensor(ONES)

    def with_dualad() -> Any:
        x.grad = None
        wave(dualad, x).backward(ones)
        return x.grad

    def with_torch() -> Any:
        tx.grad = None
        wave(torch, tx).backward(tones)
        return tx.grad

    def with_hips() -> Any:
        pull, _ = autograd.make_vjp(lambda x: wave(anp, x))(X)
        return pull(ONES)

    entrants = contestants(with_dualad, with_torch, with_hips, by_hand)
    for name in (DUALAD, TORCH, HIPS):
        np.testing.assert_allclose(np.asarray(entrants[name].run()), by_hand()[1], atol=1e-12)
    return entrants
