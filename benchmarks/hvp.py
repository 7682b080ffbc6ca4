"""A Hessian-vector product: of Rosenbrock's function of 1000 variables."""

from __future__ import annotations

from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import torch

import dualad

from .timing import DUALAD, Contestant, contestants

N = 1000
#: PyTorch's product is that of `torch.func`'s documentation, forward over reverse; this is its fastest.
TORCH_REVERSE = "PyTorch, reverse over reverse, 1 thread"


def rosenbrock(xp: Any, x: Any) -> Any:
    return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def by_hand(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return what the value and the gradient lead to: the Hessian has three diagonals."""
    a, b = x[:-1], x[1:]
    product = np.zeros_like(x)
    product[:-1] += (1200 * a * a - 400 * b + 2) * v[:-1] - 400 * a * v[1:]
    product[1:] += 200 * v[1:] - 400 * a * v[:-1]
    return product


def products() -> dict[str, Contestant]:
    """From a point and a vector to the product; the function is evaluated anew each time."""
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal(N), rng.standard_normal(N)
    tx, tv = torch.tensor(x), torch.tensor(v)
    hips = autograd.hessian_vector_product(lambda x: rosenbrock(anp, x))
    gradient = torch.func.grad(lambda x: rosenbrock(torch, x))
    entrants = contestants(
        lambda: dualad.hvp(lambda x: rosenbrock(dualad, x), (x,), (v,)),
        lambda: torch.func.jvp(gradient, (tx,), (tv,))[1],
        lambda: hips(x, v),
        lambda: by_hand(x, v),
    )
    entrants[TORCH_REVERSE] = Contestant(lambda: torch.func.vjp(gradient, tx)[1](tv)[0])
    for entrant in entrants.values():
        np.testing.assert_allclose(np.asarray(entrant.run()), by_hand(x, v), rtol=1e-10, atol=1e-9)
    return entrants


def on_one_tape() -> dict[str, Contestant]:
    """Another product at the same point, as solvers ask for them, beside a first."""
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal(N), rng.standard_normal(N)
    problem = dualad.optimize.for_scipy(lambda x: rosenbrock(dualad, x), x)
    np.testing.assert_allclose(problem.hessp(x, v), by_hand(x, v), rtol=1e-10, atol=1e-9)
    first = lambda: dualad.hvp(lambda x: rosenbrock(dualad, x), (x,), (v,))  # noqa: E731
    return {DUALAD: Contestant(lambda: problem.hessp(x, v)), "the first product": Contestant(first)}
