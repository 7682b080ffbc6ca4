"""Broadcasting, dtype promotion and the real part, undone in one place.

The rules of the ops speak of arrays of equal shape and dtype. What NumPy does to arguments that
differ is linear too, and its adjoint is the same for every op.
"""

from __future__ import annotations

from typing import Any

from ..backends.registry import BY_TYPE, DTYPES
from .namespace import SPACES, ops
from .tensor import Tensor, raw_value


def space(*values: Any) -> Any:
    """Return the namespace for rules on these values: Tensors' if any is one, else a backend's."""
    for v in values:
        if type(v) is Tensor:
            return ops
    return next((space for v in values if (space := SPACES[type(v)]) is not ops), ops)


def fit(a: Any, like: Any) -> Any:
    """Return a tangent or cotangent `a` with the shape and dtype of `like`.

    Axes along which `like` was repeated are summed, those along which `a` is short are repeated;
    of a complex array where `like` is real, the real part is taken.

    Parameters
    ----------
    a : array or Tensor
        What a rule gave.
    like : object with shape and dtype
        A Node, an array or a stand-in.
    """
    xp = space(a)
    want, have = like.shape, a.shape
    if have != want:
        if len(have) > len(want) or any(w == 1 != h for w, h in _from_the_end(want, have)):
            a = _unbroadcast(xp, a, want)
        if a.shape != want:
            a = xp.broadcast_to(a, want)
    dtype = DTYPES[like.dtype]
    if DTYPES[a.dtype] is not dtype:
        if DTYPES[a.dtype].is_complex and not dtype.is_complex:
            a = xp.real(a)
        if DTYPES[a.dtype] is not dtype:
            a = astype(xp, a, dtype)
    return a


def astype(xp: Any, a: Any, dtype: Any) -> Any:
    """Return `a`, a Tensor or an array, or what stands for one, in one of dualad's dtypes."""
    backend = None if type(a) is Tensor else BY_TYPE[type(a)]
    return xp.astype(a, dtype if backend is None else backend.native_dtypes[dtype])


def zeros(shape: tuple[int, ...], dtype: Any, beside: Any) -> Any:
    """Return zeros on the device of the array or Tensor `beside`, and as one of these."""
    if type(beside) is Tensor:
        return Tensor(zeros(shape, dtype, raw_value(beside)))
    backend = BY_TYPE[type(beside)]
    assert backend is not None
    native = backend.native_device(backend.device_of(beside))
    return backend.xp.zeros(shape, dtype=backend.native_dtypes[DTYPES[dtype]], device=native)


def _from_the_end(want: tuple[int, ...], have: tuple[int, ...]) -> Any:
    return zip(reversed(want), reversed(have), strict=False)


def _unbroadcast(xp: Any, a: Any, want: tuple[int, ...]) -> Any:
    """Sum over the axes along which an array of shape `want` was broadcast."""
    kept = a.shape[max(0, len(a.shape) - len(want)) :]
    shape = tuple(1 if w == 1 else h for w, h in zip(want[-len(kept) :] if kept else (), kept, strict=True))
    if xp is not ops:
        return xp.unbroadcast(a, shape)
    extra = len(a.shape) - len(shape)
    if extra > 0:
        a = xp.sum(a, axis=tuple(range(extra)), keepdims=False)
    axes = tuple(i for i, (n, h) in enumerate(zip(shape, a.shape, strict=True)) if n == 1 != h)
    return xp.sum(a, axis=axes, keepdims=True) if axes else a
