"""The checks at the edges: arrays without elements, derivatives at 0, ties; see ``docs/conventions.md``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import dualad
from dualad.engine import shapes
from dualad.op import REGISTRY

from .cases import expect, gradient, require, widest

Call = Callable[..., Any]

_ELEMENTWISE = [n for n, op in REGISTRY.items() if op.differentiable and op.shape is shapes.elementwise
                and len(op.arguments) < 3 and "." not in n and not op.variadic and "x" in "".join(op.arguments)
                and n not in ("adjugate", "astype", "conj", "imag", "real", "sign_of_complex")]  # fmt: skip
EMPTY: dict[str, tuple[Call, list[tuple[int, ...]]]] = {
    **{n: (lambda *xs, n=n: REGISTRY[n](*xs), [(0, 3)] * len(REGISTRY[n].arguments)) for n in _ELEMENTWISE},
    "sum": (lambda x: dualad.sum(x, axis=0), [(0, 3)]), "sum of all": (dualad.sum, [(2, 0)]),
    "prod": (lambda x: dualad.prod(x, axis=0), [(0, 3)]), "norm": (lambda x: x.norm(dim=0), [(0, 3)]),
    "cumulative_sum": (lambda x: dualad.cumulative_sum(x, axis=0), [(0, 3)]),
    "cumulative_prod": (lambda x: dualad.cumulative_prod(x, axis=0), [(0, 3)]),
    "matmul": (dualad.matmul, [(2, 0), (0, 3)]), "matmul of none": (dualad.matmul, [(0, 2), (2, 3)]),
    "getitem": (lambda x: x[1:1], [(3, 2)]), "concat": (lambda x, y: dualad.concat([x, y]), [(0, 2), (3, 2)]),
    "reshape": (lambda x: x.reshape(3, 0), [(0, 2)]), "sort": (dualad.sort, [(0,)]),
    "where": (lambda x, y: dualad.where(x > y, x, y), [(0, 2), (2,)]), "inv": (dualad.linalg.inv, [(0, 2, 2)]),
    "det": (dualad.linalg.det, [(0, 2, 2)]), "eigvalsh": (dualad.linalg.eigvalsh, [(0, 2, 2)]),
}  # fmt: skip


def check_empty(name: str, device: str) -> None:
    """Call a function with arrays that have no elements, and pull back through it."""
    call, sizes = EMPTY[name]
    if name == "sort":
        require(dualad.int64, device)
    xs = [dualad.ones(s, device=device) for s in sizes]
    y, pullback = dualad.vjp(call, *xs)
    shapes_of = lambda gs: [tuple(g.shape) for g in gs]  # noqa: E731
    got = shapes_of(pullback(dualad.ones_like(y)))
    expect(got == sizes, f"of arrays of shapes {sizes} the gradients have shapes {got}")
    got = dualad.jvp(call, tuple(xs), tuple(xs))[1].shape
    expect(got == y.shape, f"of arrays of shapes {sizes} the tangent has shape {got}, the result {y.shape}")
    leaves = [x.clone().requires_grad_() for x in xs]
    call(*leaves).sum().backward()
    got = shapes_of(gradient(x) for x in leaves)
    expect(got == sizes, f"of arrays of shapes {sizes} backward's gradients have shapes {got}")


# -- conventions -------------------------------------------------------------------------------


def _expect_numbers(what: str, got: Any, want: Any) -> None:
    expect(got == want, f"{what} is {got}, expected {want}")


AT_ZERO: dict[str, tuple[Call, float]] = {
    "abs": (abs, 0.0), "sign": (dualad.sign, 0.0), "norm": (lambda x: x.norm(), 0.0),
    "hypot": (lambda x: dualad.hypot(x, x), 0.0), "pow 0": (lambda x: x**0, 0.0), "pow 1": (lambda x: x**1, 1.0),
    "pow 2": (lambda x: x**2, 0.0), "pow 0.": (lambda x: x**0.0, 0.0), "sqrt": (dualad.sqrt, np.inf),
    "norm 1": (lambda x: x.norm(1), 0.0), "norm 3": (lambda x: x.norm(3), 0.0),
    "pow tensor": (lambda x: x ** dualad.asarray(2.0, device=x.device), 0.0),
    "pow tensor 0": (lambda x: x ** dualad.asarray(0.0, device=x.device), 0.0),
}  # fmt: skip


def check_at_zero(name: str, device: str) -> None:
    """Look at a derivative where a formula for it would divide 0 by 0."""
    f, want = AT_ZERO[name]
    x = dualad.zeros((), device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the slope of sqrt is infinite
        _expect_numbers(f"the gradient of {name} at 0", dualad.grad(f)(x).item(), want)
        tangent = dualad.jvp(f, (x,), (dualad.ones_like(x),))[1].item()
        _expect_numbers(f"the tangent of {name} at 0", tangent, want)


def check_powers_at_zero(device: str) -> None:
    """The second derivatives of powers at 0."""
    x = dualad.zeros((), device=device)
    for p, want in ((0, 0.0), (1, 0.0), (2, 2.0), (3, 0.0)):
        got = dualad.grad(dualad.grad(lambda x, p=p: x**p))(x).item()
        _expect_numbers(f"the second derivative of x**{p} at 0", got, want)


def check_negative_powers(device: str) -> None:
    """A power of a negative number does not move with a real exponent: the gradient is NaN."""
    x = dualad.asarray(np.array([1.0, 2.0], np.float32), device=device)
    base = dualad.full_like(x, -2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for f in (lambda x: ((-2.0) ** x).sum(), lambda x: (base**x).sum()):
            got = dualad.grad(f)(x).cpu().numpy()
            expect(np.isnan(got).all(), f"the gradient of (-2)**x in x is {got}, expected NaN")


def check_equal_elements(device: str) -> None:
    """The standard deviation of equal elements does not move."""
    x = dualad.ones(3, device=device)
    _expect_numbers("the gradient of std of equal elements", dualad.grad(dualad.std)(x).tolist(), [0.0] * 3)


def check_ties(device: str) -> None:
    """Elements that are tied share the gradient of max, min, maximum and minimum evenly."""
    x = dualad.ones(4, device=device)
    for name in ("max", "min"):
        got = dualad.grad(getattr(dualad, name))(x).tolist()
        _expect_numbers(f"the gradient of {name} of four equal elements", got, [0.25] * 4)
    x = dualad.ones((), device=device)
    for name in ("maximum", "minimum"):
        got = [g.item() for g in dualad.grad(getattr(dualad, name), argnums=(0, 1))(x, x)]
        _expect_numbers(f"the gradient of {name} of two equal arguments", got, [0.5, 0.5])


def check_zeros_in_products(device: str) -> None:
    """The product of several zeros, to the second order."""
    x = dualad.asarray(np.array([2.0, 0.0, 0.0], np.float32), device=device)
    got = dualad.grad(dualad.prod)(x).tolist()
    _expect_numbers("the gradient of prod of [2, 0, 0]", got, [0.0] * 3)
    rows = [dualad.grad(lambda x, i=i: dualad.grad(dualad.prod)(x)[i])(x).tolist() for i in range(3)]
    _expect_numbers("the Hessian of prod at [2, 0, 0]", rows, [[0, 0, 0], [0, 0, 2], [0, 2, 0]])


def check_masks(device: str) -> None:
    """What `where` does not choose sends back no NaN."""
    x = dualad.asarray(np.array([-1.0, 4.0]), dtype=widest(False, device), device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        got = dualad.grad(lambda x: dualad.where(x > 0, dualad.sqrt(x), 0 * x).sum())(x).tolist()
    _expect_numbers("the gradient of where(x > 0, sqrt(x), 0 x) at [-1, 4]", got, [0.0, 0.25])


CHECKS: dict[str, Call] = {
    "second derivatives at 0": check_powers_at_zero,
    "negative bases": check_negative_powers,
    "equal elements": check_equal_elements,
    "ties": check_ties,
    "zeros in products": check_zeros_in_products,
    "masks": check_masks,
    **{f"at 0: {name}": partial(check_at_zero, name) for name in AT_ZERO},
}
