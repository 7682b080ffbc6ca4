"""What the rules of linear algebra share. They run on a backend's arrays and on Tensors alike."""

from __future__ import annotations

from typing import Any

from ...backends.registry import BY_TYPE, DTYPES
from ...batching import is_batched
from ...dtypes import complex_of
from ...engine.tensor import Tensor, raw_value
from ...errors import BatchError, DTypeError, ShapeError
from ...rules import conjugate
from ..conversion import asarray


def adjoint(xp: Any, a: Any) -> Any:
    """Return the conjugate transpose of matrices."""
    return conjugate(xp, xp.matrix_transpose(a))


def hermitian(xp: Any, a: Any) -> Any:
    """Return the Hermitian part of matrices: what a function of Hermitian matrices sees of them."""
    return (a + adjoint(xp, a)) / 2


def identity_like(a: Any) -> Any:
    """Return the identity matrix of the size of a's last axis, beside a and of its dtype."""
    raw = raw_value(a)
    backend = BY_TYPE[type(raw)]
    assert backend is not None
    native = backend.native_device(backend.device_of(raw))
    eye = backend.xp.eye(raw.shape[-1], dtype=raw.dtype, device=native)
    return Tensor(eye) if isinstance(a, Tensor) else eye


def real_part(xp: Any, a: Any) -> Any:
    """Return the real part; the standard's `real` takes complex arrays only."""
    return xp.real(a) if DTYPES[a.dtype].is_complex else a


def trace_of(xp: Any, a: Any) -> Any:
    """Return the traces of matrices."""
    return xp.sum(xp.linalg.diagonal(a), axis=-1, keepdims=False)


def inverse_differences(xp: Any, w: Any) -> Any:
    """Return ``1 / (w[j] - w[i])``, and 0 where they are equal, the diagonal among it."""
    differences = w[..., None, :] - w[..., :, None]
    equal = differences == 0
    return xp.where(equal, 0, 1 / xp.where(equal, 1, differences))


def as_matrices(name: str, x: Any, square: bool = False) -> Tensor:
    """Return an argument as a Tensor of matrices, of a floating dtype.

    Raises
    ------
    ShapeError
        If it has fewer than two axes, or is not square and must be.
    DTypeError
        If its elements are no floating-point numbers.
    """
    x = asarray(x)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "square matrices, of shape (..., n, n)" if square else "matrices, of shape (..., n, m)"
        raise ShapeError(f"{name}: expected {kind}, got shape {x.shape}")
    if not x.dtype.is_differentiable:
        raise DTypeError(f"{name}: expected a floating dtype, got {x.dtype}; convert with .to() first")
    return x


def complex_dtype(x: Any, **static: Any) -> Any:
    """The dtype of eigenvalues, for stand-ins."""
    return complex_of(DTYPES[x.dtype])


def tolerance(rtol: Any) -> dict[str, Any]:
    """Return the keyword of a backend's function for a tolerance, if there is one."""
    if rtol is None:
        return {}
    if is_batched(rtol):
        raise BatchError("rtol: a tolerance must be the same for all examples of a vmap")
    return {"rtol": rtol._raw if isinstance(rtol, Tensor) else rtol}
