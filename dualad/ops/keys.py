"""Keys: what indexes an array, as NumPy takes it, and what else must be known of one."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from ..backends.keys import is_basic
from ..backends.registry import BY_TYPE, DTYPES
from ..batching import apply, is_batched
from ..dtypes import bool_
from ..engine.operands import is_traced
from ..engine.tensor import Tensor
from ..errors import BatchError


def unwrap_key(key: Any) -> Any:
    """Return a key with arrays of a backend in place of Tensors and of lists."""
    if type(key) is tuple:
        return tuple(_unwrap(k) for k in key)
    return _unwrap(key)


def moves(key: Any) -> bool:
    """Whether a key has a Tensor that differs between the examples of a `vmap`."""
    if type(key) is tuple:
        return any(isinstance(k, Tensor) and is_batched(k) for k in key)
    return isinstance(key, Tensor) and is_batched(key)


def _unwrap(k: Any) -> Any:
    if k is None or k is ... or type(k) in (int, bool):
        return k
    if type(k) is slice:
        return slice(_bound(k.start), _bound(k.stop), _bound(k.step))
    if isinstance(k, list):
        k = np.asarray(k) if k else np.zeros(0, dtype=np.int64)
    raw = k._raw if isinstance(k, Tensor) else k
    kind = getattr(getattr(raw, "dtype", None), "kind", None)
    if kind == "f" or (isinstance(k, Tensor) and k.dtype.is_differentiable):
        raise IndexError(
            f"indices must be integers, slices, `...`, `None`, or integer or boolean arrays, got {k.dtype}"
        )
    if BY_TYPE[type(raw)] is None and not hasattr(raw, "__index__"):
        raise IndexError(
            "indices must be integers, slices, `...`, `None`, or integer or boolean arrays, got "
            f"{type(k).__name__}"
        )
    # A Tensor of one integer is that integer, and what it reads a view; unless it is not known yet.
    if isinstance(k, Tensor) and not k.ndim and k.dtype.kind.endswith("integer") and not is_traced(raw):
        return index(raw)
    return raw


def _bound(n: Any) -> int | None:
    if n is None or type(n) is int:
        return n
    if is_batched(n):
        raise BatchError(
            "vmap: the bounds of a slice must be the same for all examples; read and write at "
            "i + dualad.arange(n), where n is"
        )
    backend = BY_TYPE[type(n)]
    if backend is not None:  # which says if there is no value yet
        n = backend.to_numpy(n)
    try:
        return index(n)
    except TypeError:
        raise TypeError(f"slice indices must be integers or None, got {n!r}") from None


def for_numpy(key: Any) -> Any:
    """Return a key with NumPy's arrays in place of a backend's.

    Of integers that are not known yet it has the shape, which is all that what is read takes from them.
    """
    if type(key) is tuple:
        return tuple(for_numpy(k) for k in key)
    backend = BY_TYPE[type(key)]
    if backend is None:
        return key
    if backend.is_tracing(key) and DTYPES[key.dtype].kind != "bool":
        return np.zeros(key.shape, dtype=np.intp)
    return backend.to_numpy(key)


def is_mask(key: Any) -> bool:
    """Whether a key is a boolean mask, which has no element twice."""
    return BY_TYPE[type(key)] is not None and DTYPES[key.dtype] is bool_


def shape_of_read(x: Any, *, key: Any) -> tuple[int, ...]:
    """Return the shape of ``x[key]``."""
    return np.broadcast_to(np.int8(0), x.shape)[for_numpy(key)].shape


def without_leading_ones(shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return the shape of a value without the axes of length 1 that what it is written to does not have."""
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return shape


class Layout:
    """Where NumPy puts the axis of the examples when a key has an index array.

    Axes of index arrays that stand apart from each other come first, before the examples'.
    """

    def __init__(self, key: Any) -> None:
        parts = key if type(key) is tuple else (key,)
        self.key = (slice(None), *parts)
        self.axis = 0
        if is_basic(key):
            return
        arrays = [i for i, k in enumerate(parts) if k is not None and k is not ... and type(k) is not slice]
        if arrays[-1] - arrays[0] >= len(arrays):
            self.axis = np.broadcast(*(_index_shape(parts[i]) for i in arrays)).ndim

    def examples_first(self, y: Any) -> Any:
        """Return what was read, with the axis of the examples in front."""
        if not self.axis:
            return y
        others = [i for i in range(len(y.shape)) if i != self.axis]
        return apply("permute_dims", y, axes=(self.axis, *others))

    def as_read(self, y: Any) -> Any:
        """Return an array with the examples in front as it would be read."""
        if not self.axis:
            return y
        order = [*range(1, self.axis + 1), 0, *range(self.axis + 1, len(y.shape))]
        return apply("permute_dims", y, axes=tuple(order))


def _index_shape(k: Any) -> np.ndarray:
    """Return an empty array of the shape that an index array, or a number, gives to what is read."""
    k = np.asarray(for_numpy(k))
    return np.empty((0,) if k.dtype.kind == "b" else tuple(min(n, 1) for n in k.shape))


def overwritten(key: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return which of the values that are written at a key others take the place of; None if none are."""
    parts = key if type(key) is tuple else (key,)
    if is_basic(key) or (len(parts) == 1 and _axes_used(key) > 1):
        return None  # as a mask of all axes
    rest = len(shape) - sum(map(_axes_used, parts))
    lengths: list[int] = []
    axis = 0
    for k in parts:
        n = rest if k is ... else _axes_used(k)
        # Along the axes of slices one place is as good as another.
        lengths += [1] * n if k is ... or type(k) is slice else shape[axis : axis + n]
        axis += n
    places = np.zeros((*lengths, *[1] * (len(shape) - axis)), dtype=np.intp)
    small = tuple(slice(None) if type(k) is slice else for_numpy(k) for k in parts)
    order = places[small]
    order = np.arange(order.size).reshape(order.shape)
    places[small] = order
    lost = places[small] != order
    return lost if lost.any() else None


def _axes_used(k: Any) -> int:
    """Return how many axes a part of a key is for."""
    if k is None or k is ...:
        return 0
    k = 0 if type(k) in (int, slice) else np.asarray(for_numpy(k))
    return k.ndim if isinstance(k, np.ndarray) and k.dtype.kind == "b" else 1
