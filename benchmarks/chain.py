"""150 small ops on 8 floats: what each op costs beside its arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import torch

import dualad

from .timing import DUALAD, HAND, HIPS, TORCH, Contestant, contestants

X = np.linspace(0.1, 1.5, 8)
ONES = np.ones(8)
STEPS = 50


def chain(sin: Callable[[Any], Any], x: Any) -> Any:
    """Return y after 50 times ``y = sin(y) * x + y``."""
    y = x
    for _ in range(STEPS):
        y = sin(y) * x + y
    return y


def by_hand() -> np.ndarray:
    y, before, sines = X, [], []
    for _ in range(STEPS):
        s = np.sin(y)
        before.append(y)
        sines.append(s)
        y = s * X + y
    g, total = ONES, np.zeros(8)
    for y, s in zip(reversed(before), reversed(sines), strict=True):
        total += g * s
        g = g * X * np.cos(y) + g
    return total + g


def forward_by_hand() -> tuple[np.ndarray, np.ndarray]:
    y, t = X, ONES
    for _ in range(STEPS):
        s = np.sin(y)
        t = np.cos(y) * t * X + s * ONES + t
        y = s * X + y
    return y, t


def reverse() -> dict[str, Contestant]:
    """Forward and backward to the gradient of x."""
    x, ones = dualad.tensor(X, requires_grad=True), dualad.tensor(ONES)
    tx, tones = torch.tensor(X, requires_grad=True), torch.tensor(ONES)

    def with_dualad() -> Any:
        x.grad = None
        chain(dualad.sin, x).backward(ones)
        return x.grad

    def with_torch() -> Any:
        tx.grad = None
        chain(torch.sin, tx).backward(tones)
        return tx.grad

    def with_hips() -> Any:
        pull, _ = autograd.make_vjp(lambda x: chain(anp.sin, x))(X)
        return pull(ONES)

    entrants = contestants(with_dualad, with_torch, with_hips, by_hand)
    for name in (DUALAD, TORCH, HIPS):
        np.testing.assert_allclose(np.asarray(entrants[name].run()), by_hand())
    return entrants


def forward() -> dict[str, Contestant]:
    """The derivative along a tangent, in forward mode."""
    tx, tones = torch.tensor(X), torch.tensor(ONES)

    def with_dualad() -> Any:
        return dualad.jvp(lambda x: chain(dualad.sin, x), (X,), (ONES,))

    def with_torch() -> Any:
        return torch.func.jvp(lambda x: chain(torch.sin, x), (tx,), (tones,))

    def with_hips() -> Any:
        return autograd.make_jvp(lambda x: chain(anp.sin, x))(X)(ONES)

    entrants = contestants(with_dualad, with_torch, with_hips, forward_by_hand)
    for name in (DUALAD, TORCH, HIPS, HAND):
        y, t = entrants[name].run()
        np.testing.assert_allclose(np.asarray(t), by_hand())
        np.testing.assert_allclose(np.asarray(y), chain(np.sin, X))
    return entrants
