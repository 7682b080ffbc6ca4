"""The programs of the CUDA table, in words that all libraries share, and their gradients by hand.

A program is ``loss(xp, parameters, *data)``; ``by_hand(np, parameters, *data)`` gives the gradients of
the parameters with NumPy or CuPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy

Arrays = list[Any]


@dataclass(frozen=True)
class Program:
    """A workload.

    Attributes
    ----------
    name : str
        What the table calls it.
    loss : callable
        The function whose gradient is measured.
    by_hand : callable
        Its gradient by hand.
    make : callable
        Its parameters and its data, as NumPy arrays.
    large : bool
        Whether its arrays are large, so that the time is that of the arithmetic.
    compiles : bool
        Whether a compiler takes it in an acceptable time.
    """

    name: str
    loss: Callable[..., Any]
    by_hand: Callable[..., Arrays]
    make: Callable[[], tuple[Arrays, Arrays]]
    large: bool = False
    compiles: bool = True


def _normal(*shape: int, scale: float = 1.0, seed: int = 0) -> Any:
    return numpy.random.default_rng(seed).standard_normal(shape, dtype=numpy.float32) * numpy.float32(scale)


# -- 150 small ops ---------------------------------------------------------------------------------


def chain(xp: Any, parameters: Arrays) -> Any:
    (x,) = parameters
    y = x
    for _ in range(50):
        y = xp.sin(y) * x + y
    return xp.sum(y)


def chain_by_hand(np: Any, parameters: Arrays) -> Arrays:
    (x,) = parameters
    y, before, sines = x, [], []
    for _ in range(50):
        s = np.sin(y)
        before.append(y)
        sines.append(s)
        y = s * x + y
    g, total = np.ones_like(x), np.zeros_like(x)
    for y, s in zip(reversed(before), reversed(sines), strict=True):
        total += g * s
        g = g * x * np.cos(y) + g
    return [total + g]


# -- sin(x) exp(-x**2) -------------------------------------------------------------------------------


def wave(xp: Any, parameters: Arrays) -> Any:
    (x,) = parameters
    return xp.sum(xp.sin(x) * xp.exp(-(x * x)))


def wave_by_hand(np: Any, parameters: Arrays) -> Arrays:
    (x,) = parameters
    s, e = np.sin(x), np.exp(-(x * x))
    _loss = np.sum(s * e)
    return [e * (np.cos(x) - 2 * x * s)]


# -- a network ---------------------------------------------------------------------------------------


def mlp(xp: Any, parameters: Arrays, x: Any, target: Any) -> Any:
    w1, b1, w2, b2, w3, b3 = parameters
    h = xp.tanh(x @ w1 + b1)
    h = xp.tanh(h @ w2 + b2)
    d = h @ w3 + b3 - target
    return xp.sum(d * d)


def mlp_by_hand(np: Any, parameters: Arrays, x: Any, target: Any) -> Arrays:
    w1, b1, w2, b2, w3, b3 = parameters
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    d = h2 @ w3 + b3 - target
    _loss = np.sum(d * d)
    g = 2 * d
    gw3, gb3 = h2.T @ g, g.sum(axis=0)
    g = (g @ w3.T) * (1 - h2 * h2)
    gw2, gb2 = h1.T @ g, g.sum(axis=0)
    g = (g @ w2.T) * (1 - h1 * h1)
    return [x.T @ g, g.sum(axis=0), gw2, gb2, gw3, gb3]


def _network(sizes: tuple[int, ...], batch: int) -> tuple[Arrays, Arrays]:
    parameters: Arrays = []
    for n, m in pairwise(sizes):
        parameters += [_normal(n, m, scale=n**-0.5), numpy.zeros(m, numpy.float32)]
    return parameters, [_normal(batch, sizes[0], seed=1), _normal(batch, sizes[-1], seed=2)]


# -- a mixture of Gaussians --------------------------------------------------------------------------


def mixture(xp: Any, parameters: Arrays, x: Any) -> Any:
    """Return the log-likelihood of points under a mixture of Gaussians with diagonal covariances."""
    alpha, mean, log_width = parameters
    z = (x[:, None, :] - mean) * xp.exp(-log_width)
    terms = alpha - xp.sum(log_width, axis=1) - 0.5 * xp.sum(z * z, axis=2)
    return xp.sum(xp.log(xp.sum(xp.exp(terms), axis=1))) - x.shape[0] * xp.log(xp.sum(xp.exp(alpha)))


def mixture_by_hand(np: Any, parameters: Arrays, x: Any) -> Arrays:
    alpha, mean, log_width = parameters
    narrow = np.exp(-log_width)
    z = (x[:, None, :] - mean) * narrow
    terms = alpha - log_width.sum(axis=1) - 0.5 * (z * z).sum(axis=2)
    e = np.exp(terms)
    share = e / e.sum(axis=1, keepdims=True)
    prior = np.exp(alpha)
    weighed = share[:, :, None] * z
    g_mean = weighed.sum(axis=0) * narrow
    g_width = (weighed * z).sum(axis=0) - share.sum(axis=0)[:, None]
    return [share.sum(axis=0) - x.shape[0] * prior / prior.sum(), g_mean, g_width]


# -- an LSTM -----------------------------------------------------------------------------------------


def lstm(xp: Any, parameters: Arrays, x: Any) -> Any:
    """Return the sum of squares of the last state of an LSTM (Hochreiter and Schmidhuber 1997)."""
    w, u, b = parameters
    n = u.shape[0]
    h = c = x[0, :, :n] * 0
    for k in range(x.shape[0]):
        z = x[k] @ w + h @ u + b
        i, f, o = (1 / (1 + xp.exp(-z[:, j * n : (j + 1) * n])) for j in range(3))
        c = f * c + i * xp.tanh(z[:, 3 * n :])
        h = o * xp.tanh(c)
    return xp.sum(h * h)


def lstm_by_hand(np: Any, parameters: Arrays, x: Any) -> Arrays:
    w, u, b = parameters
    n, kept = u.shape[0], []
    h = c = x[0, :, :n] * 0
    for k in range(x.shape[0]):
        z = x[k] @ w + h @ u + b
        gates = 1 / (1 + np.exp(-z[:, : 3 * n]))
        i, f, o = (gates[:, j * n : (j + 1) * n] for j in range(3))
        a = np.tanh(z[:, 3 * n :])
        before, c = c, f * c + i * a
        t = np.tanh(c)
        kept.append((k, h, before, gates, i, f, o, a, t))
        h = o * t
    gh, gc = 2 * h, 0
    gw, gu, gb = np.zeros_like(w), np.zeros_like(u), np.zeros_like(b)
    for k, h, before, gates, i, f, o, a, t in reversed(kept):
        gc = gc + gh * o * (1 - t * t)
        g_gates = np.concatenate([gc * a, gc * before, gh * t], axis=1) * gates * (1 - gates)
        gz = np.concatenate([g_gates, gc * i * (1 - a * a)], axis=1)
        gw += x[k].T @ gz
        gu += h.T @ gz
        gb += gz.sum(axis=0)
        gh, gc = gz @ u.T, gc * f
    return [gw, gu, gb]


# -- scalar reads ------------------------------------------------------------------------------------

READS = 1000


def reads(xp: Any, parameters: Arrays) -> Any:
    (x,) = parameters
    total = x[0] * 0.0
    for i in range(READS):
        v = x[i]
        total = total + v * v
    return total


def reads_by_hand(np: Any, parameters: Arrays) -> Arrays:
    (x,) = parameters
    total, g = x[0] * 0.0, np.zeros_like(x)
    for i in range(READS):
        v = x[i]
        total = total + v * v
    for i in reversed(range(READS)):
        g[i] += 2 * x[i]
    return [g]


# -- a product with a Hessian ------------------------------------------------------------------------


def rosenbrock(xp: Any, parameters: Arrays) -> Any:
    (x,) = parameters
    d = x[1:] - x[:-1] ** 2
    return xp.sum(100.0 * d * d + (1 - x[:-1]) ** 2)


def rosenbrock_product(np: Any, x: Any, v: Any) -> Any:
    """Return the product of the Hessian, which has three diagonals, with v."""
    a, b = x[:-1], x[1:]
    product = np.zeros_like(x)
    product[:-1] += (1200 * a * a - 400 * b + 2) * v[:-1] - 400 * a * v[1:]
    product[1:] += 200 * v[1:] - 400 * a * v[:-1]
    return product


PROGRAMS = [
    Program("150 small ops on 8 floats", chain, chain_by_hand, lambda: ([_normal(8)], [])),
    Program(
        "MLP 64-256-256-10, batch 128", mlp, mlp_by_hand, lambda: _network((64, 256, 256, 10), 128)
    ),
    Program(
        "MLP 1024-4096-4096-1024, batch 2048", mlp, mlp_by_hand,
        lambda: _network((1024, 4096, 4096, 1024), 2048), large=True,
    ),
    Program(
        "sin(x)·exp(−x²) on 10⁷ floats", wave, wave_by_hand, lambda: ([_normal(10_000_000)], []), large=True
    ),
    Program(
        "mixture of 25 Gaussians in 10 dimensions, 10⁴ points", mixture, mixture_by_hand,
        lambda: ([_normal(25), _normal(25, 10, seed=1), _normal(25, 10, seed=2, scale=0.1)],
                 [_normal(10_000, 10, seed=3)]),
        large=True,
    ),
    Program(
        "LSTM of 256 cells, 50 steps, batch 64", lstm, lstm_by_hand,
        lambda: ([_normal(256, 1024, scale=0.05), _normal(256, 1024, scale=0.05, seed=1),
                  numpy.zeros(1024, numpy.float32)], [_normal(50, 64, 256, seed=2)]),
    ),
    Program(
        f"{READS} scalar reads of a vector", reads, reads_by_hand, lambda: ([_normal(READS)], []),
        compiles=False,
    ),
]  # fmt: skip
