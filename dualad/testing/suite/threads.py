"""The checks of threads: what is computed at the same time is computed as if it were alone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

import dualad

from .cases import Fault, expect, gradient, tensor, widest

_THREADS, _ROUNDS = 6, 12


@contextmanager
def _switching_often() -> Iterator[None]:
    """Let threads take turns after every few instructions, so that what can go wrong does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(work: Callable[[int], Any]) -> list[Any]:
    """Run ``work(k)`` in several threads that start at once; return the results, or raise what one raised."""
    start = threading.Barrier(_THREADS)

    def run(k: int) -> Any:
        start.wait()
        return work(k)

    with _switching_often(), ThreadPoolExecutor(_THREADS) as pool:
        return [f.result() for f in [pool.submit(run, k) for k in range(_THREADS)]]


def _sums(x: Any) -> Any:
    return (dualad.exp(x) * x).sum() + dualad.matmul(x, x.mT).sum()


def _indices(x: Any) -> Any:
    n = x.shape[0]
    y = x[np.arange(n)[::-1].copy(), 0] * x[0, 0] + x[-1, 1] + x[1:, :-1].sum()
    z = dualad.zeros_like(x)
    z[np.arange(n - 1), 1] = y[:-1] * 2
    return (z * x).sum() + y.sum()


def _shapes(x: Any) -> Any:
    y = dualad.concat([x, dualad.broadcast_to(x[:1], x.shape)])
    return (dualad.where(y > 0, y, y * 2).reshape(-1) * dualad.flip(y, axis=0).reshape(-1)).sum()


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "products and sums": _sums,
    "reading and writing": _indices,
    "joining and shaping": _shapes,
}


def check_program(name: str, device: str) -> None:
    """Each thread differentiates a program at points, and of sizes, of its own."""
    dtype, f = widest(False, device), PROGRAMS[name]

    def compute(k: int, i: int) -> Any:
        size = (2 + (k + i) % 3, 3)
        x = tensor(np.linspace(-1, 1, size[0] * 3).reshape(size) + k / 10 + i / 7, dtype, device)
        leaf = x.clone().requires_grad_()
        y = f(leaf)
        y.backward()
        return y.item(), gradient(leaf).cpu().numpy(), dualad.jvp(f, (x,), (x,))[1].item()

    want = {(k, i): compute(k, i) for k in range(_THREADS) for i in range(3)}

    def work(k: int) -> None:
        for i in range(_ROUNDS):
            for what, got, alone in zip(
                ("value", "gradient", "tangent"), compute(k, i % 3), want[k, i % 3], strict=True
            ):
                same = np.allclose(got, alone, rtol=1e-5, atol=1e-5)
                expect(same, f"the {what} of {name}, computed in one of {_THREADS} threads, is {got}, alone {alone}: "
                             "state is shared between threads")  # fmt: skip

    _in_words(name, lambda: together(work))


def _in_words(name: str, call: Callable[[], Any]) -> None:
    """Call it; an error of the library that comes of threads alone is a fault with words of its own."""
    try:
        call()
    except Fault:
        raise
    except Exception as error:
        words = f"{name}, in {_THREADS} threads at once, raises {type(error).__name__}: {error}; alone it does not"
        raise Fault(words) from error


def check_shared_leaves(device: str) -> None:
    """Threads add to the gradient of the same leaf, and nothing is lost."""
    w = dualad.ones((3, 2), device=device, requires_grad=True)

    def work(k: int) -> None:
        for i in range(_ROUNDS):
            x = dualad.full((4, 3), float(k + i), device=device)
            (x @ w).sum().backward()

    _in_words("adding to the gradient of one leaf", lambda: together(work))
    want = [[4.0 * sum(k + i for k in range(_THREADS) for i in range(_ROUNDS))] * 2] * 3
    got = gradient(w).tolist()
    expect(got == want, f"the gradient that {_THREADS} threads add to is {got}, expected {want}")


def check_random_numbers(device: str) -> None:
    """Threads draw from one generator, and no number is drawn twice."""
    drawn = together(lambda k: [dualad.rand(4, device=device).cpu().numpy() for _ in range(_ROUNDS)])
    rows = [tuple(r.tolist()) for part in drawn for r in part]
    expect(
        len(set(rows)) == len(rows), "threads that draw at the same time are given the same random numbers"
    )


CHECKS: dict[str, Callable[[str], None]] = {
    "one leaf": check_shared_leaves,
    "random numbers": check_random_numbers,
}
