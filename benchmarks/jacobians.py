"""Whole Jacobians and Hessians, of a network of three layers from 100 numbers to 100."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import dualad

from .timing import DUALAD, Contestant, contestants

N, LAYERS = 100, 3


def network(xp: Any, layers: Any, x: Any) -> Any:
    for w, b in layers:
        x = xp.tanh(w @ x + b)
    return x


def loss(xp: Any, layers: Any, x: Any) -> Any:
    y = network(xp, layers, x)
    return xp.sum(y * y)


def data() -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    rng = np.random.default_rng(0)
    layers = [(rng.standard_normal((N, N)) / 10, rng.standard_normal(N) / 10) for _ in range(LAYERS)]
    return rng.standard_normal(N), layers


def by_hand() -> np.ndarray:
    """Return the Jacobian: the layers' Jacobians multiplied."""
    x, layers = data()
    j = np.eye(N)
    for w, b in layers:
        x = np.tanh(w @ x + b)
        j = (1 - x * x)[:, None] * (w @ j)
    return j


def against_torch(transform: str) -> dict[str, Contestant]:
    """Return contestants for ``dualad.<transform>`` and ``torch.func.<transform>``."""
    x, layers = data()
    f = loss if transform == "hessian" else network
    dx, dlayers = dualad.asarray(x), [(dualad.asarray(w), dualad.asarray(b)) for w, b in layers]
    tx, tlayers = torch.tensor(x), [(torch.tensor(w), torch.tensor(b)) for w, b in layers]
    ours = getattr(dualad, transform)(lambda x: f(dualad, dlayers, x))
    theirs = getattr(torch.func, transform)(lambda x: f(torch, tlayers, x))
    np.testing.assert_allclose(np.asarray(ours(dx)), theirs(tx).numpy(), atol=1e-12)
    if transform != "hessian":
        np.testing.assert_allclose(np.asarray(ours(dx)), by_hand(), atol=1e-12)
    return contestants(lambda: ours(dx), lambda: theirs(tx))


def against_columns() -> dict[str, Contestant]:
    """`jacfwd` beside a `jvp` for each column."""
    x, layers = data()
    dx, dlayers = dualad.asarray(x), [(dualad.asarray(w), dualad.asarray(b)) for w, b in layers]
    f = lambda x: network(dualad, dlayers, x)  # noqa: E731
    units = [dualad.asarray(e) for e in np.eye(N)]
    return {
        DUALAD: Contestant(lambda: dualad.jacfwd(f)(dx)),
        "100 jvp": Contestant(lambda: [dualad.jvp(f, (dx,), (e,)) for e in units]),
    }
