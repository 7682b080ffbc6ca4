"""The checks of a function: its values against NumPy's, and its derivatives in every way.

Forward mode against differences; reverse mode against forward mode, by the adjoint identity; second
derivatives in all four mixes against each other and against differences of the first. Where numbers
are single the reference is the same in double: differences of single numbers say little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import dualad
from dualad import DType, Tensor

from .cases import (
    WIDE,
    NotHere,
    arguments,
    cotangents,
    differences,
    draw,
    expect,
    expect_close,
    expect_like,
    has,
    inner,
    listed,
    numbers_of,
    require,
    widest,
)
from .examples import Example

# Of these the indices are of int64 in array-api-strict, also on a device that has none.
_WITH_INDICES = ("sort", "unique")


def _ready(example: Example, dtype: DType, device: str) -> tuple[Any, list[Tensor]]:
    if example.name.startswith(_WITH_INDICES):
        require(dualad.int64, device)
    return listed(example), arguments(example, dtype, device)


def _reference(example: Example, dtype: DType, device: str) -> tuple[str, DType]:
    """Return where, and in which dtype, the example is computed again for comparison.

    That is NumPy. What is not unique (a sign, an order) is compared on the device itself.
    """
    wide = WIDE.get(dtype, dtype)
    same = example.op in SETTLED and has(wide, device)
    return (device if same else "cpu"), wide


def _moved(xs: Sequence[Tensor], device: str, dtype: DType) -> list[Tensor]:
    return [x.to(device).to(dtype) for x in xs]


def check_value(example: Example, dtype: DType, device: str) -> None:
    """Compare the results with those of NumPy's backend."""
    f, xs = _ready(example, dtype, device)
    wide = WIDE.get(dtype, dtype)
    plain = [x.cpu() for x in xs]
    like, want = f(plain), f([x.to(wide) for x in plain])
    rtol = 1e-8 if wide is dtype else 1e-4
    got = f(xs)
    expect(len(got) == len(want), f"there are {len(got)} results, expected {len(want)}")
    for k, (y, z) in enumerate(zip(got, like, strict=True)):
        expect_like(f"result {k}", y, z, device)
    settle = SETTLED.get(example.op, list)
    got, want = ([numbers_of(y) for y in ys] for ys in (got, want))
    for k, (y, z) in enumerate(zip(settle(got), settle(want), strict=True)):
        expect_close(f"result {k}", y, z, rtol)


def check_strided_value(example: Example, device: str) -> None:
    """Take every second element of an array twice as long: values are the same."""
    dtype = widest(False, device)
    f, xs = _ready(example, dtype, device)
    tolerance = 1e-5 if dtype in WIDE else 1e-12
    for k, (y, z) in enumerate(zip(f(_strided(xs)), f(xs), strict=True)):
        expect_close(f"for arrays that are not contiguous, result {k}", y, z, tolerance, tolerance / 10)


def check_jvp(example: Example, dtype: DType, device: str) -> None:
    """Compare tangents with differences."""
    f, xs = _ready(example, dtype, device)
    ts = draw([x.shape for x in xs], dtype, device, 1)
    ys, pushed = dualad.jvp(f, (xs,), (ts,))
    for k, (y, t) in enumerate(zip(ys, pushed, strict=True)):
        expect_like(f"the tangent of result {k}", t, y, device)
    if dtype in WIDE:
        there, wide = _reference(example, dtype, device)
        want = dualad.jvp(f, (_moved(xs, there, wide),), (_moved(ts, there, wide),))[1]
        tolerance = 1e-4
    else:
        want, tolerance = differences(f, xs, ts), 1e-7
    for k, (t, z) in enumerate(zip(pushed, want, strict=True)):
        expect_close(f"the tangent of result {k}, compared with differences of its values,", t, z, tolerance)


def check_vjp(example: Example, dtype: DType, device: str) -> None:
    """Compare cotangents with tangents: ⟨g, J t⟩ = ⟨Jᵀ g, t⟩."""
    f, xs = _ready(example, dtype, device)
    ts = draw([x.shape for x in xs], dtype, device, 1)
    ys, pullback = dualad.vjp(f, xs)
    pushed = dualad.jvp(f, (xs,), (ts,))[1]
    gs = cotangents(ys, device)
    (pulled,) = pullback(gs)
    for k, (x, p) in enumerate(zip(xs, pulled, strict=True)):
        expect_like(f"the gradient in argument {k}", p, x, device)
    tolerance = 1e-5 if dtype in WIDE else 1e-12
    ahead, back = inner(gs, pushed).item(), inner(pulled, ts).item()
    scale = 1 + abs(inner(gs, gs).item()) ** 0.5
    close = abs(ahead - back) <= max(tolerance * abs(back), tolerance * scale)  # false for NaN
    expect(close, f"reverse mode is not the adjoint of forward mode: ⟨g, J t⟩ = {ahead}, ⟨Jᵀ g, t⟩ = {back}")


def check_strided_gradients(example: Example, device: str) -> None:
    """Take every second element of an array twice as long: derivatives are the same."""
    dtype = widest(False, device)
    f, xs = _ready(example, dtype, device)
    tolerance = 1e-4 if dtype in WIDE else 1e-12
    strided = _strided(xs)
    gs = cotangents(f(xs), device)
    (want,), (got,) = (dualad.vjp(f, at)[1](gs) for at in (xs, strided))
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        expect_close(f"for arrays that are not contiguous, the gradient in argument {k}", a, b, tolerance)
    ts = draw([x.shape for x in xs], dtype, device, 1)
    want, got = (dualad.jvp(f, (at,), (ts,))[1] for at in (xs, strided))
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        expect_close(f"for arrays that are not contiguous, the tangent of result {k}", a, b, tolerance)


def _strided(xs: Sequence[Tensor]) -> list[Tensor]:
    return [dualad.stack([x, x * 0], axis=-1)[..., 0] for x in xs]


def check_second(example: Example, dtype: DType, device: str) -> None:
    """Compare the four mixes of modes, and the derivative of the gradient with its differences."""
    f, xs = _ready(example, dtype, device)
    ts, ss = (draw([x.shape for x in xs], dtype, device, seed) for seed in (1, 3))
    gs = cotangents(f(xs), device)
    if dtype in WIDE:
        _check_second_in_single(example, device, xs, ts, ss, gs)
        return
    mixes = _mixes(f, xs, ts, ss, gs)
    forward_over_reverse = mixes.pop("forward over reverse")
    for k, want in enumerate(forward_over_reverse):
        for mix in ("reverse over forward", "reverse over reverse"):
            expect_close(f"{mix}, the second derivative in argument {k}", mixes[mix][k], want, 1e-9)
    (crossed,) = mixes["forward over forward"]
    want = inner(ss, forward_over_reverse)
    expect_close("forward over forward, the second derivative", crossed, want, 1e-9)
    gradient = dualad.grad(lambda xs: inner(gs, f(xs)))
    for k, want in enumerate(differences(gradient, xs, ts)):
        what = f"the second derivative in argument {k}, compared with differences of the gradient,"
        expect_close(what, forward_over_reverse[k], want, 1e-6)


def _mixes(f: Any, xs: Any, ts: Any, ss: Any, gs: Any) -> dict[str, list[Any]]:
    """Return the second derivatives of ⟨g, f⟩ along t, by each mix of modes; forward over forward along s, too."""
    scalar = lambda xs: inner(gs, f(xs))  # noqa: E731
    gradient = dualad.grad(scalar)
    forward = lambda xs: dualad.jvp(scalar, (xs,), (ts,))[1]  # noqa: E731
    return {
        "forward over reverse": dualad.jvp(gradient, (xs,), (ts,))[1],
        "reverse over forward": dualad.grad(forward)(xs),
        "reverse over reverse": dualad.grad(lambda xs: inner(gradient(xs), ts))(xs),
        "forward over forward": [dualad.jvp(forward, (xs,), (ss,))[1]],
    }


def _check_second_in_single(example: Example, device: str, *arguments: Sequence[Tensor]) -> None:
    """Compare each mix in single precision with NumPy's in double."""
    if example.op in SETTLED:
        raise NotHere(f"{device} has no double precision, in which what is not unique is compared")
    f = listed(example)
    doubles = ([x.cpu().to(WIDE[x.dtype]) for x in part] for part in arguments)
    want = _mixes(f, *doubles)
    for mix, results in _mixes(f, *arguments).items():
        for k, (got, z) in enumerate(zip(results, want[mix], strict=True)):
            scale = 1 + float(np.max(np.abs(numbers_of(z)), initial=0.0))
            what = f"{mix}, the second derivative in argument {k}, compared with NumPy's in double,"
            expect_close(what, got, z, 1e-3, 1e-3 * scale)


def check_backward(example: Example, dtype: DType, device: str) -> None:
    """Compare `backward`, at both orders, with the transforms.

    The ground level runs the rules on the backend's arrays, or records them on Tensors.
    """
    f, xs = _ready(example, dtype, device)
    gs = cotangents(f(xs), device)
    ts = draw([x.shape for x in xs], dtype, device, 1)
    tolerance = 1e-4 if dtype in WIDE else 1e-12
    gradient = dualad.grad(lambda xs: inner(gs, f(xs)))
    want, second = gradient(xs), dualad.grad(lambda xs: inner(gradient(xs), ts))(xs)
    leaves = [x.detach().clone().requires_grad_() for x in xs]
    first = dualad.autograd.grad(inner(gs, f(leaves)), leaves, create_graph=True, materialize_grads=True)
    for k, (a, b) in enumerate(zip(first, want, strict=True)):
        expect_close(f"backward's gradient in argument {k}, compared with grad's,", a, b, tolerance)
    total = inner(first, ts)
    if total.requires_grad:
        again = dualad.autograd.grad(total, leaves, materialize_grads=True)
        for k, (a, b) in enumerate(zip(again, second, strict=True)):
            expect_close(
                f"backward's second gradient in argument {k}, compared with grad's,", a, b, 10 * tolerance
            )
    else:
        for k, (a, x) in enumerate(zip(second, xs, strict=True)):
            expect_close(f"the second gradient in argument {k}", a, x * 0, 0)


def check_narrow(example: Example, dtype: DType, device: str) -> None:
    """Check values and first derivatives in single precision."""
    if not has(WIDE[dtype], device):
        raise NotHere(f"{dtype.name} is the widest of {device}, in which all else is checked")
    check_value(example, dtype, device)
    check_jvp(example, dtype, device)
    check_vjp(example, dtype, device)


# -- what is not unique ------------------------------------------------------------------------


def _in_order(results: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Sort what belongs to eigenvalues, which come in any order."""
    return [np.sort_complex(y) if y.ndim == 1 else y[:, np.lexsort(y.round(9))] for y in results]


def _signed(results: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Turn the columns of Q and the rows of R such that the diagonal of R is positive."""
    q, r, rest = results
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)
    phase = diagonal / np.abs(diagonal)
    turned = r.copy()
    turned[..., : phase.shape[-1], :] *= phase.conj()[..., :, None]  # below it are zeros
    return [q * phase[..., None, :], turned, rest]


SETTLED = {"linalg.eig": _in_order, "linalg.qr": _signed}
