"""What the checks are made of: arrays on a device, and comparisons that say in words what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dualad
from dualad import DType, Tensor
from dualad.backends import Backend, Device, for_device

from .examples import Example

#: The dtypes that NumPy has too, with which all is compared.
COMPARED = tuple(d for d in dualad.dtypes.ALL if d is not dualad.bfloat16)

#: The wide dtype of each narrow one, in which what is computed in the narrow one is computed again.
WIDE = {dualad.float32: dualad.float64, dualad.complex64: dualad.complex128}


class Fault(AssertionError):
    """Something that a backend does wrong, told to whoever wrote it."""


class NotHere(Exception):
    """What cannot be checked on a device, with the reason."""


def expect(condition: Any, words: str) -> None:
    """Raise a `Fault` with these words unless the condition holds."""
    if not condition:
        raise Fault(words)


# -- arrays ------------------------------------------------------------------------------------


def backend_of(device: str) -> Backend:
    """Return the backend of a device."""
    return for_device(Device(device))


def has(dtype: DType, device: str) -> bool:
    """Return whether there can be arrays of that dtype on the device."""
    return backend_of(device).has_dtype(dtype, Device(device))


def require(dtype: DType, device: str) -> None:
    """Raise `NotHere` if the device has no arrays of that dtype."""
    if not has(dtype, device):
        raise NotHere(f"{device} has no {dtype.name}")


def widest(is_complex: bool, device: str) -> DType:
    """Return the dtype in which results on the device say most."""
    wide, narrow = (dualad.complex128, dualad.complex64) if is_complex else (dualad.float64, dualad.float32)
    dtype = wide if has(wide, device) else narrow
    require(dtype, device)
    return dtype


def native(array: np.ndarray, device: str) -> Any:
    """Return an array of the backend's library itself."""
    return backend_of(device).from_numpy(array, Device(device))


def host(array: Any, device: str) -> np.ndarray:
    """Return the elements of an array of the backend's library."""
    return backend_of(device).to_numpy(array)


def tensor(array: Any, dtype: DType, device: str) -> Tensor:
    """Return a Tensor of these numbers in a dtype on the device."""
    require(dtype, device)
    return dualad.asarray(np.asarray(array).astype(dtype.name), device=device)


def draw(shapes: Sequence[tuple[int, ...]], dtype: DType, device: str, seed: int) -> list[Tensor]:
    """Return random Tensors of these shapes: a direction, or a cotangent."""
    rng = np.random.default_rng(seed)
    parts = [
        rng.standard_normal(s) + (1j * rng.standard_normal(s) if dtype.is_complex else 0) for s in shapes
    ]
    return [tensor(p, dtype, device) for p in parts]


def cotangents(ys: Sequence[Tensor], device: str) -> list[Tensor]:
    """Return a random cotangent for each result."""
    return [draw([y.shape], y.dtype, device, 2)[0] for y in ys]


def arguments(example: Example, dtype: DType, device: str) -> list[Tensor]:
    """Return the arguments of an example."""
    rng = np.random.default_rng(7)
    arrays = [a + 0.3j * rng.standard_normal(np.shape(a)) if dtype.is_complex else a for a in example.arrays]
    return [tensor(a, dtype, device) for a in arrays]


def listed(example: Example) -> Callable[[Sequence[Tensor]], list[Tensor]]:
    """Return the example's function with a list of arguments in and a list of results out."""

    def f(xs: Sequence[Tensor]) -> list[Tensor]:
        y = example.call(*xs)
        return list(y) if isinstance(y, (tuple, list)) else [y]

    return f


def gradient(leaf: Tensor) -> Tensor:
    """Return the gradient that backward has left at a leaf."""
    if leaf.grad is None:
        raise Fault("backward left no gradient at a leaf")
    return leaf.grad


# -- numbers -----------------------------------------------------------------------------------


def inner(a: Sequence[Tensor], b: Sequence[Tensor]) -> Any:
    """The real inner product of two lists of Tensors."""
    total: Any = 0.0
    for x, y in zip(a, b, strict=True):
        total = total + dualad.sum(dualad.real(dualad.conj(x) * y))
    return total


def differences(
    f: Callable[[Sequence[Tensor]], list[Tensor]], xs: Sequence[Tensor], ts: Sequence[Tensor], h: float = 1e-6
) -> list[Tensor]:
    """Return the central differences of f in a direction."""
    ahead, behind = (f([x + t * s for x, t in zip(xs, ts, strict=True)]) for s in (h, -h))
    return [(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)]


def numbers_of(x: Any) -> np.ndarray:
    """Return the elements of a Tensor or array, on the host."""
    return np.asarray(x.detach().cpu().numpy() if isinstance(x, Tensor) else x)


def expect_close(what: str, got: Any, want: Any, rtol: float, atol: float | None = None) -> None:
    """Raise a `Fault` that shows where two arrays differ most, if they do."""
    a, b = numbers_of(got), numbers_of(want)
    expect(a.shape == b.shape, f"{what} has shape {a.shape}, expected {b.shape}")
    if np.allclose(a, b, rtol=rtol, atol=rtol if atol is None else atol, equal_nan=True):
        return
    with np.errstate(all="ignore"):
        off = np.nan_to_num(np.abs(a - b), nan=np.inf)
        off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, off)
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(off)), a.shape))
    place = f" at {list(at)}" if at else ""
    raise Fault(f"{what} is {a[at]:.8g}{place}, expected {b[at]:.8g}")


def expect_equal(what: str, got: Any, want: Any) -> None:
    """Raise a `Fault` if two arrays are not the same, element by element, in shape and in dtype."""
    a, b = numbers_of(got), numbers_of(want)
    expect(a.dtype == b.dtype, f"{what} has dtype {a.dtype}, expected {b.dtype}")
    expect(a.shape == b.shape, f"{what} has shape {a.shape}, expected {b.shape}")
    if not np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"):
        raise Fault(f"{what} is {_short(a)}, expected {_short(b)}")


def expect_like(what: str, got: Tensor, want: Tensor, device: str) -> None:
    """Raise a `Fault` unless a Tensor is on the device, with the shape and dtype of another one."""
    expect(str(got.device) == device, f"{what} is on {got.device}, and its arguments are on {device}")
    expect(got.shape == want.shape, f"{what} has shape {got.shape}, expected {want.shape}")
    if has(want.dtype, device):  # a device without double precision computes in single
        expect(got.dtype is want.dtype, f"{what} has dtype {got.dtype.name}, expected {want.dtype.name}")


def _short(array: np.ndarray) -> str:
    return np.array2string(array, threshold=12, edgeitems=3, separator=", ").replace("\n", "")
