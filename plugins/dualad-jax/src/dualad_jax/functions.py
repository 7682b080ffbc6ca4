"""Where JAX's namespace is not what the standard says, or lacks a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

Array = Any


class Fourier:
    """The transforms, of half precision too, which are computed in single, and of any number of axes."""

    fft = staticmethod(lambda x, **how: jnp.fft.fft(_wide(x), **how))
    ifft = staticmethod(lambda x, **how: jnp.fft.ifft(_wide(x), **how))
    rfft = staticmethod(lambda x, **how: jnp.fft.rfft(_wide(x), **how))
    irfft = staticmethod(lambda x, **how: jnp.fft.irfft(_wide(x), **how))

    def fftn(self, x: Array, *, axes: tuple[int, ...], norm: str) -> Array:
        return _by_threes(jnp.fft.fftn, _wide(x), axes, norm)

    def ifftn(self, x: Array, *, axes: tuple[int, ...], norm: str) -> Array:
        return _by_threes(jnp.fft.ifftn, _wide(x), axes, norm)

    def rfftn(self, x: Array, *, axes: tuple[int, ...], norm: str) -> Array:
        y = jnp.fft.rfft(_wide(x), axis=axes[-1], norm=norm)
        return _by_threes(jnp.fft.fftn, y, axes[:-1], norm)


def _by_threes(transform: Callable[..., Array], x: Array, axes: tuple[int, ...], norm: str) -> Array:
    """Transform along axes, three at a time, as JAX takes no more."""
    for i in range(0, len(axes), 3):
        x = transform(x, axes=axes[i : i + 3], norm=norm)
    return x


def _wide(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype in (np.float16, jnp.bfloat16) else x


def cumulative_prod(x: Array, *, axis: int) -> Array:
    """Return running products; those of integers have the default integer type at least."""
    return jnp.cumulative_prod(x, axis=axis, dtype=_accumulator(x.dtype))


def matrix_rank(x: Array, *, rtol: Any = None) -> Array:
    """Return how many singular values are above `rtol` times the largest; JAX leaves out "the largest"."""
    s = jnp.linalg.svdvals(x)
    if rtol is None:
        rtol = max(x.shape[-2:]) * jnp.finfo(s.dtype).eps
    largest = jnp.max(s, axis=-1, keepdims=True, initial=0)
    return jnp.sum(s > jnp.expand_dims(jnp.asarray(rtol), -1) * largest, axis=-1)


def _accumulator(dtype: Any) -> Any:
    """Return the dtype in which the standard adds up and multiplies numbers of a dtype."""
    default = jnp.zeros((), dtype=int).dtype
    if dtype.kind not in "iu" or dtype.itemsize >= default.itemsize:
        return dtype
    return default if dtype.kind == "i" else np.dtype(f"uint{8 * default.itemsize}")


#: By the name of the op.
OWN: dict[str, Callable[..., Any]] = {
    "cumulative_prod": cumulative_prod,
    "linalg.matrix_rank": matrix_rank,
}
