"""Programs of one row under vmap, over 1,000 rows, beside the same written for all rows and `torch.func`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch

import dualad

from .timing import DUALAD, HAND, TORCH, Contestant, contestants

ROWS, COLUMNS = 1000, 64
SIZES = (64, 256, 256, 10)


def chain(xp: Any, x: Any, axis: Any = None) -> Any:
    """Return a sum over a chain of elementwise functions of a row, or of all rows along `axis`."""
    y = xp.exp(-x * x) * xp.sin(x) + 0.5 * x / (1 + x * x)
    return xp.sum(y, axis=axis) if axis is not None else xp.sum(y)


def layers(xp: Any, parameters: Any, x: Any) -> Any:
    """Return the output of an MLP for one row, or for all."""
    *hidden, (w, b) = parameters
    for v, c in hidden:
        x = xp.tanh(x @ v + c)
    return x @ w + b


def square_loss(xp: Any, parameters: Any, x: Any) -> Any:
    """Return the sum of squares of an MLP's output."""
    y = layers(xp, parameters, x)
    return (y * y).sum()


def data(rows: int) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Return rows of numbers and the parameters of an MLP, a weight and a bias for each layer."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, SIZES[0]))
    return x, [(rng.standard_normal((n, m)) / n**0.5, np.zeros(m)) for n, m in pairwise(SIZES)]


def elementwise() -> dict[str, Contestant]:
    """A chain of ten elementwise functions and a sum, of rows of 64 numbers."""
    x = np.random.default_rng(0).standard_normal((ROWS, COLUMNS))
    ours, theirs = dualad.tensor(x), torch.tensor(x)
    mapped, torch_mapped = dualad.vmap(lambda x: chain(dualad, x)), torch.func.vmap(lambda x: chain(torch, x))
    return _checked(
        contestants(
            lambda: mapped(ours), lambda: torch_mapped(theirs), hand=lambda: chain(dualad, ours, axis=1)
        ),
        lambda y: [y],
    )


def mlp() -> dict[str, Contestant]:
    """An MLP 64-256-256-10, whose rows share its parameters."""
    x, arrays = data(ROWS)
    ours, theirs = _both(x, arrays)
    mapped = dualad.vmap(lambda p, x: layers(dualad, p, x), in_axes=(None, 0))
    torch_mapped = torch.func.vmap(lambda p, x: layers(torch, p, x), in_dims=(None, 0))
    return _checked(
        contestants(lambda: mapped(*ours), lambda: torch_mapped(*theirs), hand=lambda: layers(dualad, *ours)),
        lambda y: [y],
    )


def gradients_of_each(rows: int = 100) -> dict[str, Contestant]:
    """The gradients of all parameters for each row apart."""
    x, arrays = data(rows)
    ours, theirs = _both(x, arrays)
    mapped = dualad.vmap(dualad.grad(lambda p, x: square_loss(dualad, p, x)), in_axes=(None, 0))
    torch_mapped = torch.func.vmap(torch.func.grad(lambda p, x: square_loss(torch, p, x)), in_dims=(None, 0))
    return _checked(
        contestants(
            lambda: mapped(*ours), lambda: torch_mapped(*theirs), hand=lambda: gradients_by_hand(arrays, x)
        ),
        lambda pairs: [g for pair in pairs for g in pair],
    )


def gradients_by_hand(parameters: Any, x: np.ndarray) -> Any:
    """Return the gradients of the square loss for each row."""
    activations = [x]
    for w, b in parameters[:-1]:
        activations.append(np.tanh(activations[-1] @ w + b))
    w, b = parameters[-1]
    g = 2 * (activations[-1] @ w + b)
    out = []
    for (w, _), h in zip(reversed(parameters), reversed(activations), strict=True):
        out.append((h[:, :, None] * g[:, None, :], g))
        g = (g @ w.T) * (1 - h * h)
    return out[::-1]


def _both(x: np.ndarray, arrays: Any) -> tuple[Any, Any]:
    """Return parameters and rows as dualad's Tensors, and as PyTorch's."""
    ours, theirs = (
        ([(make(w), make(b)) for w, b in arrays], make(x)) for make in (dualad.tensor, torch.tensor)
    )
    return ours, theirs


def _checked(entrants: dict[str, Contestant], parts: Callable[[Any], list[Any]]) -> dict[str, Contestant]:
    """Return the contestants, all of whom give the same."""
    right = parts(entrants[HAND].run())
    for name in (DUALAD, TORCH):
        for got, want in zip(parts(entrants[name].run()), right, strict=True):
            np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-9, atol=1e-9)
    return entrants
