"""The functions that have no derivative, compared with NumPy's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import dualad
from dualad.op import REGISTRY

from .cases import expect, expect_close, has, require, widest
from .examples.example import signed


class Constant(NamedTuple):
    """A function without derivatives, its arguments, and what NumPy calls it."""

    name: str
    arrays: tuple[np.ndarray, ...]
    static: dict[str, Any]
    numpy: Callable[..., Any]


_FIRST, _SECOND = np.array([1.0, 0.0, 3.0]), np.array([1.0, 2.0, 1.0])
_KINDS = {"bitwise": np.int32, "isin": np.int32, "logical": np.bool_}
_STATIC: dict[str, dict[str, Any]] = {
    "argmax": {"axis": 0, "keepdims": False},
    "argmin": {"axis": 0, "keepdims": False},
    "argsort": {"axis": 0, "descending": False, "stable": True},
    "all": {"axis": (0,), "keepdims": False},
    "any": {"axis": (0,), "keepdims": False},
}
_SYMMETRIC = np.array([[2.0, 0.5, 0.1], [0.5, -1.0, 0.3], [0.1, 0.3, 0.7]])


def _plain(name: str) -> Constant:
    kind = _KINDS.get(name.partition("_")[0], np.float32)
    arrays: tuple[np.ndarray, ...] = tuple(
        a.astype(kind) for a in (_FIRST, _SECOND)[: len(REGISTRY[name].arguments)]
    )
    static = _STATIC.get(name, {})
    keywords = {k: v for k, v in static.items() if k != "descending"}
    return Constant(name, arrays, static, lambda *xs: getattr(np, name)(*xs, **keywords))


_NAMES = (
    "equal not_equal less less_equal greater greater_equal isfinite isinf isnan signbit logical_and logical_or "
    "logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift "
    "bitwise_invert argmax argmin argsort count_nonzero all any isin"
)
CONSTANTS = [
    *map(_plain, _NAMES.split()),
    Constant("argsort", (signed(3, 4),), {"axis": 1, "descending": True, "stable": True},
             lambda x: np.argsort(-x, axis=1, stable=True)),
    Constant("argsort", (np.array([1.0, 2.0, 1.0, 2.0]),), {"axis": 0, "descending": True, "stable": True},
             lambda x: np.array([1, 3, 0, 2])),
    Constant("sort", (np.array([3, 1, 2], np.int32),), {"axis": 0, "descending": True, "stable": True},
             lambda x: np.array([3, 2, 1], np.int32)),
    Constant("prod", (np.array([[3, 1], [2, 5]], np.int64),), {"axis": (0,), "keepdims": False},
             lambda x: np.prod(x, axis=0)),
    Constant("searchsorted", (np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0, 0.0, 9.0])), {}, np.searchsorted),
    Constant("nonzero", (np.array([[0.0, 1.0], [2.0, 0.0]], np.float32),), {}, np.nonzero),
    Constant("linalg.eigvalsh", (_SYMMETRIC,), {}, np.linalg.eigvalsh),
    Constant("linalg.eigvals", (_SYMMETRIC,), {}, lambda x: np.sort_complex(np.linalg.eigvals(x))),
    Constant("linalg.svdvals", (signed(4, 2),), {}, np.linalg.svdvals),
    Constant("linalg.matrix_rank", (_SYMMETRIC,), {}, np.linalg.matrix_rank),
]  # fmt: skip


def check_constant(constant: Constant, device: str) -> None:
    """Compare a function with NumPy's, and see that its result does not require grad."""
    name, arrays, static, reference = constant
    if (
        name.startswith(("arg", "count", "search", "sort", "nonzero", "linalg.matrix_rank"))
        or arrays[0].dtype == np.int64
    ):
        require(dualad.int64, device)  # of which array-api-strict's indices are, also where there is none
    double = arrays[0].dtype == np.float64
    if name == "linalg.eigvals":
        widest(True, device)
    if double and not has(dualad.float64, device):
        arrays = tuple(a.astype(np.float32) for a in arrays)
    xs = [dualad.asarray(a, device=device) for a in arrays]
    xs = [x.requires_grad_() if x.dtype.is_differentiable else x for x in xs]
    ys, want = REGISTRY[name](*xs, **static), reference(*arrays)
    several = isinstance(want, tuple)
    for k, (y, z) in enumerate(zip(ys, want, strict=True) if several else [(ys, want)]):
        what = f"result {k}"
        expect(str(y.device) == device, f"{what} is on {y.device}, and its arguments are on {device}")
        expect(not y.requires_grad, f"{what} requires grad, and has no derivative")
        got = np.asarray(y.cpu().numpy())
        if name == "linalg.eigvals":
            got = np.sort_complex(got)
        kinds = (got.dtype.kind, np.asarray(z).dtype.kind)
        expect(
            kinds[0] == kinds[1] or "c" in kinds,
            f"{what} has dtype {got.dtype}, expected {np.asarray(z).dtype}",
        )
        expect_close(what, got, z, 1e-9 if double and has(dualad.float64, device) else 1e-5)
