"""A program a million ops deep in every transform: that it ends, and how long it takes.

``python -m benchmarks.depth`` prints seconds; a number gives another depth, words choose transforms.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

import dualad

Function = Callable[[Any], Any]


def chain(depth: int) -> Function:
    """Return the function whose `depth` ops add its argument up; its derivative is depth + 1."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(depth):
            y = y + x
        return y

    return f


def backward(f: Function, create_graph: bool = False) -> Any:
    x = dualad.ones((), requires_grad=True)
    f(x).backward(create_graph=create_graph)
    return dualad.autograd.grad(x.grad * x, x)[0] if create_graph else x.grad


def dropped(f: Function) -> Any:
    """Record, and let the graph go without a backward pass."""
    return f(dualad.ones((), requires_grad=True)).detach()


def squared(f: Function) -> Function:
    return lambda x: f(x * x) / 2


#: Each transform of the chain, which gives depth + 1 whatever it is.
TRANSFORMS: dict[str, Callable[[Function], Any]] = {
    "graph dropped": dropped,
    "backward": backward,
    "backward, create_graph": lambda f: backward(f, create_graph=True),
    "grad": lambda f: dualad.grad(f)(1.0),
    "vjp": lambda f: dualad.vjp(f, 1.0)[1](1.0)[0],
    "jvp": lambda f: dualad.jvp(f, (1.0,), (1.0,))[1],
    "linearize": lambda f: dualad.linearize(f, 1.0)[1](1.0),
    "jacrev": lambda f: dualad.jacrev(f)(1.0),
    "jacfwd": lambda f: dualad.jacfwd(f)(1.0),
    "hessian": lambda f: dualad.hessian(squared(f))(1.0),
    "hvp": lambda f: dualad.hvp(squared(f), (1.0,), (1.0,)),
    "grad of grad": lambda f: dualad.grad(dualad.grad(squared(f)))(1.0),
    "grad of jvp": lambda f: dualad.grad(lambda x: dualad.jvp(squared(f), (x,), (1.0,))[1])(1.0),
    "jvp of jvp": lambda f: dualad.jvp(lambda x: dualad.jvp(squared(f), (x,), (1.0,))[1], (1.0,), (1.0,))[1],
    "vmap": lambda f: dualad.vmap(f)(np.ones(2))[1],
    "vmap of grad": lambda f: dualad.vmap(dualad.grad(f))(np.ones(2))[1],
}


def main(depth: int = 1_000_000, *words: str) -> None:
    """Run the chosen transforms, or all; print the seconds each takes."""
    for name, run in TRANSFORMS.items():
        if words and not any(word in name for word in words):
            continue
        began = perf_counter()
        result = float(run(chain(depth)))
        print(f"{name:24}{perf_counter() - began:8.1f} s", flush=True)
        assert result == depth + 1, f"{name}: {result}"
        gc.collect()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
