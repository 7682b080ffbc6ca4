"""A chain of 64 layers with and without checkpoints: the peak of its memory, and its time.

A layer is ``tanh(x @ w + b)``, of which a backward pass needs one buffer as large as x. The chain is cut
into 8 segments, which run again one by one.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import dualad
from dualad.utils.checkpoint import checkpoint_sequential

from .timing import DUALAD, Contestant, ratios

LAYERS, SEGMENTS, WIDTH, BATCH = 64, 8, 32, 4096

WITHOUT = "without checkpoints"


def chain() -> tuple[list[Any], Any, list[Any]]:
    """Return the layers, what they are applied to, and their parameters."""
    rng = np.random.default_rng(0)
    layers, parameters = [], []
    for _ in range(LAYERS):
        w = dualad.tensor(rng.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5, requires_grad=True)
        b = dualad.tensor(np.zeros(WIDTH), requires_grad=True)
        layers.append(lambda x, w=w, b=b: dualad.tanh(x @ w + b))
        parameters += [w, b]
    return layers, dualad.tensor(rng.standard_normal((BATCH, WIDTH))), parameters


def entrants() -> dict[str, Callable[[], None]]:
    """Return the two passes, forward and backward."""
    layers, x, parameters = chain()

    def plain() -> Any:
        y = x
        for layer in layers:
            y = layer(y)
        return (y * y).sum()

    def with_checkpoints() -> Any:
        y = checkpoint_sequential(layers, SEGMENTS, x)
        return (y * y).sum()

    def step(loss: Callable[[], Any]) -> None:
        loss().backward()
        for p in parameters:
            p.grad = None

    return {DUALAD: lambda: step(with_checkpoints), WITHOUT: lambda: step(plain)}


def peak(run: Callable[[], None]) -> int:
    """Return the most bytes that a computation holds at a time, beside what was there before."""
    run()  # whatever is made once is made now
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def memory() -> dict[str, float]:
    """Return the peak with checkpoints over that without."""
    peaks = {name: peak(run) for name, run in entrants().items()}
    return {WITHOUT: peaks[DUALAD] / peaks[WITHOUT]}


def time(rounds: int) -> dict[str, float]:
    """Return the time with checkpoints over that without."""
    return ratios({name: Contestant(run) for name, run in entrants().items()}, rounds)
