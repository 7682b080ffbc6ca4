"""The checks of dtypes: what a function gives for each that the standard lets it take."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import dualad
from dualad import DType, Tensor
from dualad.engine import shapes
from dualad.op import REGISTRY

from .cases import (
    COMPARED,
    NotHere,
    expect,
    expect_close,
    expect_equal,
    expect_like,
    gradient,
    has,
    inner,
    listed,
    tensor,
)
from .examples import Example, core, cumulative

# Pairs of dtypes whose promotion the standard tells, and that programs mix.
_PAIRS = [
    ("float32", "float64"), ("float64", "float32"), ("complex64", "float64"), ("float32", "complex128"),
    ("int8", "int32"), ("int64", "int32"), ("uint8", "int16"), ("uint8", "uint16"), ("float16", "float32"),
]  # fmt: skip


# What the standard lets take booleans, of the functions that have derivatives.
_OF_BOOLEANS = [
    "astype",
    "broadcast_to",
    "clone",
    "concat",
    "expand_dims",
    "flip",
    "getitem",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "take",
    "take_along_axis",
    "tile",
    "tril",
    "triu",
    "unstack",
    "where",
]


_UNTOLD = "of the other dtypes that are there the standard does not tell what the function gives"

# LAPACK, SciPy and FFTs have no half precision.
_IN_HALF = {e.name for room in (core, cumulative) for e in room.EXAMPLES}


def check_dtypes(example: Example, device: str) -> None:
    """Call the function in each dtype that NumPy's backend calls it in, as far as the standard has told."""
    f, found = listed(example), 0
    for dtype in COMPARED:
        if dtype in (dualad.float32, dualad.float64) or dtype.is_complex or not has(dtype, device):
            continue  # those are checked together with their derivatives
        if not dtype.is_differentiable and not has(dualad.int64, device):
            continue  # sums and indices have that dtype in the standard
        arrays = [_in(a, dtype) for a in example.arrays]
        want = _on_numpy(f, [tensor(a, dtype, "cpu") for a in arrays])
        if want is None or not _is_told(example, dtype, want) or not all(has(y.dtype, device) for y in want):
            continue
        found += 1
        xs = [tensor(a, dtype, device) for a in arrays]
        for k, (y, z) in enumerate(zip(f(xs), want, strict=True)):
            what = f"for {dtype.name}, result {k}"
            expect_like(what, y, z, device)
            if dtype is dualad.float16:
                expect_close(what, y, z, 2e-2)
            else:
                expect_equal(what, y, z)
        if dtype is dualad.float16 and all(y.dtype.is_differentiable for y in want):
            _check_half_gradient(f, xs, device)
    if not found:
        raise NotHere(_UNTOLD)


def _check_half_gradient(f: Any, xs: Sequence[Tensor], device: str) -> None:
    """Look at the shapes and dtypes of gradients in half precision."""
    leaves = [x.clone().requires_grad_() for x in xs]
    ys = f(leaves)
    total = inner([dualad.ones_like(y) for y in ys], ys)
    for k, g in enumerate(dualad.autograd.grad(total, leaves, materialize_grads=True)):
        expect_like(f"for float16, the gradient in argument {k}", g, xs[k], device)


def check_promotion(example: Example, device: str) -> None:
    """Call a function of two arguments with different dtypes."""
    f, found = listed(example), 0
    for first, second in _PAIRS:
        pair = [dualad.dtypes.BY_NAME[first], dualad.dtypes.BY_NAME[second]]
        if not all(has(d, device) for d in pair):
            continue
        if any(d.is_complex for d in pair) and not example.complex:
            continue  # of functions that order numbers the standard tells it for real ones
        arrays = [_in(a, d) for a, d in zip(example.arrays, pair, strict=True)]
        want = _on_numpy(f, [tensor(a, d, "cpu") for a, d in zip(arrays, pair, strict=True)])
        if (
            want is None
            or not _is_told(example, pair[0], want)
            or not all(has(y.dtype, device) for y in want)
        ):
            continue
        found += 1
        got = f([tensor(a, d, device) for a, d in zip(arrays, pair, strict=True)])
        for y, z in zip(got, want, strict=True):
            expect_like(f"of {first} and {second}, the result", y, z, device)
    if not found:
        raise NotHere(_UNTOLD)


def promotes(example: Example) -> bool:
    """Return whether an example is of a function that promotes its two arguments."""
    op = REGISTRY.get(example.op)
    if example.op in ("clip_below", "clip_above", "nextafter"):  # of the dtype of the first; of one dtype
        return False
    return op is not None and op.shape is shapes.elementwise and len(op.arguments) == 2 == len(example.arrays)


def _in(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Return an example's numbers in another dtype: positive and small where they are integers."""
    if dtype.is_differentiable:
        return np.asarray(array).astype(dtype.name)
    if dtype is dualad.bool:
        return np.asarray(array > np.median(array))
    return np.asarray(np.abs(np.round(array * 2)) + 1).astype(dtype.name)


def _on_numpy(f: Any, xs: Sequence[Tensor]) -> list[Tensor] | None:
    """Return what NumPy's backend gives; None if it refuses, or warns that its numbers are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            ys = f(xs)
        except (ArithmeticError, TypeError, ValueError, RuntimeError, RuntimeWarning):
            return None
    return ys if all(bool(dualad.isfinite(y).all()) for y in ys) else None


def _is_told(example: Example, dtype: DType, want: Sequence[Tensor]) -> bool:
    """Return whether the standard says what the function gives for that dtype."""
    if dtype is dualad.float16:
        return example.name in _IN_HALF
    if dtype.is_differentiable:
        return True
    if example.op == "reciprocal":
        return False  # of floating numbers alone
    if dtype is dualad.bool:
        return (example.op or example.name.partition("-")[0]) in _OF_BOOLEANS
    # Integers that become floating numbers are a library's own affair.
    return example.op != "reciprocal" and not any(y.dtype.is_differentiable for y in want)


def check_half_sums(device: str) -> None:
    """Sums of half precision are added in single: gradients of what was broadcast are not lost."""
    if not has(dualad.float16, device):
        raise NotHere(f"{device} has no float16")
    x = dualad.ones(1, dtype=dualad.float16, device=device, requires_grad=True)
    (x * dualad.ones(5000, dtype=dualad.float16, device=device)).backward(
        dualad.ones(5000, dtype=dualad.float16, device=device)
    )
    got = gradient(x).item()
    expect(
        abs(got - 5000) <= 4,
        f"unbroadcast: 5000 ones of float16 add up to {got}: terms must be added in float32",
    )
