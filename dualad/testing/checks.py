"""The checks themselves: a function's derivatives against differences, and against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.namespace import ops
from ..transforms import jvp, vjp, vmap
from .functions import Function, by_differences, by_pulling, by_pushing
from .report import Report, excess

_BATCH = 2  # how many vectors are pulled or pushed together where batches are checked


def check_whole(f: Function, report: Report, reverse: bool, forward: bool) -> None:
    """Compare all entries of the Jacobian matrices."""
    numerical = by_differences(f, report.eps)
    found = {}
    if reverse:
        found["reverse"] = by_pulling(f, f.pullback())
    if forward:
        found["forward"] = by_pushing(f)
    for mode, matrices in found.items():
        for k in range(len(f.outputs)):
            for i in range(len(f.inputs)):
                report.compare(f, k, i, mode, matrices[k][i], numerical[k][i])


def check_directions(f: Function, report: Report, reverse: bool, forward: bool, rng: Any) -> None:
    """Compare the Jacobian matrices times random vectors, on both sides: a few calls, whatever the size.

    Where that disagrees the entries are looked at, to say which are wrong.
    """
    pull = f.pullback() if reverse else None
    for i, space in enumerate(f.inputs):
        u = space.random(rng)
        numerical = f.difference(i, u, report.eps)
        pushed = f.told(f.push(i, u)) if forward else None
        for k, result in enumerate(f.outputs):
            v = result.random(rng)
            found = {}
            if pull is not None:
                found["reverse"] = float(np.dot(space.vector(pull(f.cotangents(k, v))[i]), u))
            if pushed is not None:
                found["forward"] = float(np.dot(v, pushed[k]))
            for mode, value in found.items():
                _compare_numbers(f, report, k, i, mode, value, float(np.dot(v, numerical[k])))


def _compare_numbers(
    f: Function, report: Report, k: int, i: int, mode: str, found: float, numerical: float
) -> None:
    pair = f"{f.outputs[k].name} with respect to {f.inputs[i].name}, in {mode} mode"
    if excess(np.asarray(found), np.asarray(numerical), report.atol, report.rtol) <= 0:
        report.right.append(pair)
        return
    before = len(report.wrong)
    if f.inputs[i].size + f.outputs[k].size <= _ENTRIES:
        matrices = by_pulling(f, f.pullback()) if mode == "reverse" else by_pushing(f)
        report.compare(f, k, i, mode, matrices[k][i], by_differences(f, report.eps)[k][i])
    if len(report.wrong) == before:
        report.right = [r for r in report.right if r != pair]
        report.wrong.append(
            f"Jacobian mismatch for {pair}, between random directions:\n"
            f"    numerical:  {numerical:.7g}\n    analytical: {found:.7g}"
        )


_ENTRIES = 2000  # up to how many coordinates entries are looked at one by one to say which is wrong


def check_repeated(f: Function, report: Report, tolerance: float, rng: Any) -> None:
    """Note where a second backward pass gives other gradients than the first."""
    pull = f.pullback()
    for k, space in enumerate(f.outputs):
        g = f.cotangents(k, space.random(rng))
        for s, a, b in zip(f.inputs, pull(g), pull(g), strict=True):
            difference = np.abs(s.vector(a) - s.vector(b)).max(initial=0.0)
            if difference > tolerance:
                report.wrong.append(
                    f"Backward is not reentrant, i.e., running backward with same input and grad_output "
                    f"multiple times gives different values: the gradients of {space.name} in {s.name} "
                    f"differ by {difference:.3g}, and nondet_tol={tolerance:g}"
                )


def check_undefined(f: Function, report: Report, rng: Any) -> None:
    """Note where a cotangent that is left out does not count as zero."""
    for k, space in enumerate(f.outputs if len(f.outputs) > 1 else []):
        v = space.random(rng)
        zero = f.pullback()(f.cotangents(k, v))
        try:
            left_out = f.pullback()(f.cotangents(k, v, others=False))
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            report.wrong.append(
                f"Where only {space.name} has a gradient the backward pass fails: a gradient that is "
                f"undefined (None) must count as zero. {type(error).__name__}: {error}"
            )
            continue
        for s, a, b in zip(f.inputs, left_out, zero, strict=True):
            # Sums with and without a zero may be rounded differently.
            if not np.allclose(s.vector(a), s.vector(b), rtol=1e-5, atol=1e-6, equal_nan=True):
                report.wrong.append(
                    f"Where only {space.name} has a gradient, the one in {s.name} is not what it is if the "
                    "other outputs have zeros: a gradient that is undefined (None) must count as zero"
                )


def check_dtypes(f: Function, report: Report, reverse: bool, forward: bool) -> None:
    """Note gradients that have another dtype than their input, and tangents than their output."""
    whats = []
    if reverse:
        pull = f.pullback()
        for k, space in enumerate(f.outputs):
            pulled = pull(f.cotangents(k, np.ones(space.size)))
            whats += [("gradient", s, g) for s, g in zip(f.inputs, pulled, strict=True)]
    if forward:
        for i, space in enumerate(f.inputs):
            pushed = f.push(i, np.ones(space.size))
            whats += [("tangent", s, t) for s, t in zip(f.outputs, pushed, strict=True)]
    for what, space, array in whats:
        got = ops.asarray(array).dtype
        if got is not space.dtype:
            report.wrong.append(
                f"The {what} has a dtype mismatch: that of {space.name} is {got.name}, and {space.name} is "
                f"{space.dtype.name}"
            )


def check_batched(f: Function, report: Report, rng: Any) -> None:
    """Compare a batch of cotangents, pulled back together by `vmap`, with one after the other."""
    _, pull = vjp(f, *f.arguments())
    for k, space in enumerate(f.outputs):
        batch = [f.cotangents(k, space.random(rng)) for _ in range(_BATCH)]
        _compare_batch(
            report, lambda *g: pull(tuple(g)), batch, f.inputs, f"the gradients of {space.name} in"
        )


def check_batched_forward(f: Function, report: Report, rng: Any) -> None:
    """Compare a batch of tangents, pushed on together by `vmap`, with one after the other."""
    point = tuple(f.arguments())
    for i, space in enumerate(f.inputs):
        batch = [
            [s.array(space.random(rng)) if n == i else s.zeros() for n, s in enumerate(f.inputs)]
            for _ in range(_BATCH)
        ]
        _compare_batch(
            report, lambda *t: jvp(f, point, t)[1], batch, f.outputs, f"the tangents along {space.name} of"
        )


def _compare_batch(report: Report, g: Callable[..., Any], batch: Any, spaces: Any, what: str) -> None:
    together = vmap(g)(*(ops.stack([ops.asarray(a) for a in parts]) for parts in zip(*batch, strict=True)))
    for n, vectors in enumerate(batch):
        for space, whole, one in zip(spaces, together, g(*vectors), strict=True):
            a, b = space.vector(whole[n]), space.vector(one)
            over = excess(a, b, report.atol, report.rtol)
            if over.size and over.max() > 0:
                worst = int(over.argmax())
                report.wrong.append(
                    f"By vmap, {what} {space.name} are not what they are one by one, most of all at "
                    f"{space.place(worst)}:\n    one by one: {b[worst]:.7g}\n    by vmap:    {a[worst]:.7g}"
                )
