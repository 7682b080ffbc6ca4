"""A training step's gradients: an MLP 64-256-256-10, a batch of 128, float32, cross-entropy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import torch
import torch.nn.functional as F

import dualad

from .timing import DUALAD, HIPS, TORCH, Contestant, contestants

SIZES, BATCH = (64, 256, 256, 10), 128


def data() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return images, labels and parameters (weight, bias, weight, ...)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, SIZES[0]), dtype=np.float32)
    labels = rng.integers(0, SIZES[-1], BATCH)
    parameters = []
    for n, m in pairwise(SIZES):
        parameters.append(rng.standard_normal((n, m), dtype=np.float32) * np.float32((2 / n) ** 0.5))
        parameters.append(np.zeros(m, dtype=np.float32))
    return x, labels, parameters


def loss(xp: Any, parameters: Any, x: Any, labels: Any) -> Any:
    """Return the mean cross-entropy, in words that NumPy's and dualad's namespaces share."""
    w1, b1, w2, b2, w3, b3 = parameters
    h = xp.maximum(x @ w1 + b1, 0)
    h = xp.maximum(h @ w2 + b2, 0)
    logits = h @ w3 + b3
    logits = logits - xp.max(logits, axis=1, keepdims=True)
    right = logits[np.arange(BATCH), labels]
    return xp.mean(xp.log(xp.sum(xp.exp(logits), axis=1)) - right)


def torch_loss(parameters: Any, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the same as a PyTorch user writes it; weights are stored as torch.nn.Linear has them."""
    w1, b1, w2, b2, w3, b3 = parameters
    h = F.relu(F.linear(x, w1, b1))
    h = F.relu(F.linear(h, w2, b2))
    return F.cross_entropy(F.linear(h, w3, b3), labels)


def by_hand(parameters: list[np.ndarray], x: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Return the gradients of all parameters."""
    w1, b1, w2, b2, w3, b3 = parameters
    h1 = np.maximum(x @ w1 + b1, 0)
    h2 = np.maximum(h1 @ w2 + b2, 0)
    logits = h2 @ w3 + b3
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    total = p.sum(axis=1)
    rows = np.arange(BATCH)
    _loss = np.mean(np.log(total) - logits[rows, labels])

    g = p / (total[:, None] * BATCH)
    g[rows, labels] -= 1 / BATCH
    gw3, gb3 = h2.T @ g, g.sum(axis=0)
    g = g @ w3.T
    g *= h2 > 0
    gw2, gb2 = h1.T @ g, g.sum(axis=0)
    g = g @ w2.T
    g *= h1 > 0
    return [x.T @ g, g.sum(axis=0), gw2, gb2, gw3, gb3]


def reverse() -> dict[str, Contestant]:
    """Forward and backward to the gradients of all parameters."""
    x, labels, arrays = data()
    parameters = [dualad.tensor(p, requires_grad=True) for p in arrays]
    images = dualad.tensor(x)
    tparameters = [torch.tensor(p.T.copy(), requires_grad=True) for p in arrays]
    timages, tlabels = torch.tensor(x), torch.tensor(labels)
    hips = autograd.grad(lambda parameters: loss(anp, parameters, x, labels))

    def with_dualad() -> Any:
        for p in parameters:
            p.grad = None
        loss(dualad, parameters, images, labels).backward()
        return [p.grad for p in parameters]

    def with_torch() -> Any:
        for p in tparameters:
            p.grad = None
        torch_loss(tparameters, timages, tlabels).backward()
        return [p.grad for p in tparameters]

    entrants = contestants(with_dualad, with_torch, lambda: hips(arrays), lambda: by_hand(arrays, x, labels))
    for name in (DUALAD, TORCH, HIPS):
        for got, right in zip(entrants[name].run(), by_hand(arrays, x, labels), strict=True):
            array = np.asarray(got)
            np.testing.assert_allclose(array.T if name == TORCH else array, right, atol=1e-5)
    return entrants
