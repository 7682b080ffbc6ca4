"""Reading, writing and adding by index, where arrays cannot be written to."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from dualad.backends import Backend, is_deterministic, report_nondeterministic
from dualad.backends.keys import is_basic
from dualad.ops.keys import overwritten

from .errors import values_needed

Array = Any
Key = Any


class Indexing(Backend):
    """The part of the backend that indexes: through ``array.at[key]``.

    JAX puts an index that is out of bounds back inside, and leaves out what is written there. Where an
    index is known it is looked at, and refused; a traced one reads NaN (of integers the least) and writes
    nothing.
    """

    def getitem(self, array: Array, *, key: Key) -> Array:
        known, _shape, key = self._prepared(key, array.shape)
        if is_basic(key):
            return array[key]
        if _has_flags(key):
            return super().getitem(array, key=key)
        return array.at[key].get(mode="promise_in_bounds" if known else "fill")

    def setitem(self, array: Array, value: Any, *, key: Key) -> Array:
        if (mask := _traced_mask(key)) is not None:
            return _where(mask, value, array)
        known, shape, key = self._prepared(key, array.shape)
        value = _written(value, shape, array.dtype)
        # Which of several values JAX writes to one element it does not say.
        repeats = known and value.ndim and not is_basic(key) and overwritten(key, array.shape) is not None
        if repeats or _has_flags(key):
            return super().setitem(array, value, key=key)
        return array.at[key].set(value, mode="promise_in_bounds" if known else "drop")

    def index_add(self, array: Array, value: Array, *, key: Key) -> Array:
        known, shape, key = self._prepared(key, array.shape)
        if _has_flags(key):
            return super().index_add(array, value, key=key)
        value = _written(value, shape, array.dtype)
        if array.dtype == np.bool_:  # whose sum is "or"
            return array.at[key].max(value, mode="promise_in_bounds" if known else "drop")
        if is_deterministic() and not is_basic(key) and not _adds_in_order(array):
            if known:
                return super().index_add(array, value, key=key)
            report_nondeterministic("index_add with an index that JAX traces", self.name)
        return array.at[key].add(value, mode="promise_in_bounds" if known else "drop")

    def _prepared(self, key: Key, shape: tuple[int, ...]) -> tuple[bool, tuple[int, ...], Key]:
        """Return whether a key is known, the shape of what it reads, and it with NumPy's indices.

        Raises
        ------
        IndexError
            If it does not fit, or is known and out of bounds.
        """
        parts = key if isinstance(key, tuple) else (key,)
        known = not any(isinstance(k, Tracer) for k in parts)
        taken = tuple(self._taken(k) for k in parts)
        seen = tuple(np.zeros(k.shape, np.intp) if isinstance(k, Tracer) else k for k in taken)
        # NumPy reads an array of that shape, whose elements are one and the same, and complains.
        return known, np.broadcast_to(np.int8(0), shape)[seen].shape, taken

    def _taken(self, k: Any) -> Any:
        """Return a part of a key as JAX takes it, an index array that is known as one of NumPy's."""
        if not hasattr(k, "dtype"):
            return k
        if isinstance(k, Tracer):
            if k.dtype == np.bool_:
                raise values_needed("reading by a mask")
            return k
        array = self.to_numpy(k)
        return array if array.dtype == np.bool_ else array.astype(np.intp)


def _adds_in_order(array: Array) -> bool:
    """Whether the terms that are added to one element are added in the same order each time."""
    if isinstance(array, Tracer):
        return jax.default_backend() != "gpu"
    return all(d.platform != "gpu" for d in array.devices())


def _has_flags(key: tuple[Any, ...]) -> bool:
    """Whether a key has a single True or False, which JAX does not take."""
    return any(isinstance(k, bool) or (isinstance(k, np.ndarray) and k.ndim == 0 and k.dtype == np.bool_)
               for k in key)  # fmt: skip


def _traced_mask(key: Key) -> Array:
    """Return the mask that a key consists of, if it is traced; else None."""
    mask = key[0] if isinstance(key, tuple) and len(key) == 1 else key
    return mask if isinstance(mask, Tracer) and mask.dtype == np.bool_ else None


def _where(mask: Array, value: Any, array: Array) -> Array:
    """Return the array with a value written where a traced mask is true: the same to each row."""
    rest = array.shape[mask.ndim :]
    if mask.shape != array.shape[: mask.ndim]:
        raise IndexError(f"a mask of shape {mask.shape} does not fit an array of shape {array.shape}")
    if np.ndim(value) > len(rest):
        raise values_needed(f"writing values of shape {np.shape(value)} by a mask")
    mask = jnp.reshape(mask, (*mask.shape, *[1] * len(rest)))
    return jnp.where(mask, _written(value, rest, array.dtype), array)


def _written(value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return a value as it is written: in the array's dtype, without leading axes it has too many."""
    if isinstance(value, (bool, int, float, complex)):
        return np.asarray(value).astype(dtype)
    value = lax.convert_element_type(value, dtype)
    extra = value.ndim - len(shape)
    return (
        jnp.reshape(value, value.shape[extra:])
        if extra > 0 and value.shape[:extra] == (1,) * extra
        else value
    )
