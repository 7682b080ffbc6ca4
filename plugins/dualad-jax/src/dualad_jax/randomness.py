"""Random numbers: by JAX's keys, counted through by an object that can be drawn from again and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

import dualad
from dualad.backends import Backend, Device
from dualad.engine.tensor import raw_value
from dualad.errors import DTypeError

from .errors import TracedValueError

Array = Any

#: The same numbers on every platform, whatever the user's default.
_KIND = "threefry2x32"
_HALF = 2**32


class Keys:
    """Where a generator stands: a key, and how many have been made of it.

    Parameters
    ----------
    key : array
        A key of JAX's, which may be traced.
    count : int
        How many draws there have been.
    """

    def __init__(self, key: Array, count: int = 0) -> None:
        self.key, self.count = key, count

    def next(self) -> Array:
        """Return the key of the next draw.

        Raises
        ------
        TracedValueError
            If JAX traces the program and the key is none that has come into it.
        """
        high, low = divmod(self.count, _HALF)
        key = jax.random.fold_in(jax.random.fold_in(self.key, high), low)
        if isinstance(key, Tracer) and not isinstance(self.key, Tracer):
            raise TracedValueError(
                "random: numbers that are drawn while JAX traces the program would be the same at each call "
                "of what it compiles. Make a key an argument and draw with "
                "generator=dualad_jax.generator(key), or draw outside and make the numbers one"
            )
        self.count += 1
        return key


class Randomness(Backend):
    """The part of the backend that draws."""

    def generator(self, seed: int, device: Device) -> Keys:
        return self._keys(list(divmod(seed, _HALF)), device)

    def _keys(self, data: list[int], device: Device, count: int = 0) -> Keys:
        with jax.ensure_compile_time_eval():  # it may outlive a program in which it is first asked for
            where = jax.device_put(np.array(data, np.uint32), self.native_device(device))
            return Keys(jax.random.wrap_key_data(where, impl=_KIND), count)

    def copy_generator(self, generator: Keys) -> Keys:
        return Keys(generator.key, generator.count)

    def generator_state(self, generator: Keys) -> bytes:
        data = self.to_numpy(jax.random.key_data(generator.key)).tolist()
        return json.dumps({"key": data, "count": generator.count}).encode()

    def restore_generator(self, state: bytes, device: Device) -> Keys:
        try:
            told = json.loads(state)
            return self._keys([int(n) for n in told["key"]], device, int(told["count"]))
        except (TypeError, KeyError) as error:
            raise ValueError(f"no state of a generator of keys: {error}") from error

    def random(
        self,
        generator: Keys,
        kind: str,
        shape: tuple[int, ...],
        dtype: Any,
        device: Device,
        **parameters: Any,
    ) -> Array:
        draw = _KINDS.get(kind)
        if draw is None:
            return super().random(generator, kind, shape, dtype, device, **parameters)
        # Samplers that reject candidates need more than half precision on their way.
        samples = parameters and kind != "integers"
        wide = np.dtype(np.float32) if samples and dtype in (np.float16, jnp.bfloat16) else dtype
        if samples:
            parameters = {name: p.astype(wide) for name, p in parameters.items()}
        return draw(generator.next(), shape, wide, **parameters).astype(dtype)


def _integers(key: Array, shape: tuple[int, ...], dtype: Any, low: int, high: int) -> Array:
    return jax.random.randint(key, shape, low, high, dtype)


def _poisson(key: Array, shape: tuple[int, ...], dtype: Any, lam: Array) -> Array:
    return jax.random.poisson(key, lam, shape)


_KINDS: dict[str, Callable[..., Array]] = {
    "random": jax.random.uniform,
    "standard_normal": jax.random.normal,
    "integers": _integers,
    "standard_gamma": lambda key, shape, dtype, a: jax.random.gamma(key, a, shape, dtype),
    "poisson": _poisson,
    "binomial": lambda key, shape, dtype, n, p: jax.random.binomial(key, n, p, shape, dtype),
}


def generator(key: Array) -> dualad.Generator:
    """Return a generator of random numbers that begins at a key of JAX's, which may be traced.

    Parameters
    ----------
    key : array
        What ``jax.random.key`` or ``jax.random.PRNGKey`` gives, or an argument of a function under
        ``jax.jit``: the numbers are then others for each key.

    Raises
    ------
    DTypeError
        If it is no key.

    Examples
    --------
    >>> import dualad, dualad_jax, jax
    >>> @jax.jit
    ... def noisy(key, x):
    ...     noise = dualad.randn(3, device="jax", generator=dualad_jax.generator(key))
    ...     return x + noise
    >>> x = dualad.zeros(3, device="jax")
    >>> bool((noisy(jax.random.key(0), x) == noisy(jax.random.key(0), x)).all())
    True
    >>> bool((noisy(jax.random.key(0), x) == noisy(jax.random.key(1), x)).any())
    False
    """
    key = raw_value(key)
    if not isinstance(key, (jax.Array, Tracer)):
        raise DTypeError(
            f"generator: expected a key of JAX's, as jax.random.key gives it, got {type(key).__name__}"
        )
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        try:
            key = jax.random.wrap_key_data(key)
        except (TypeError, ValueError) as error:
            raise DTypeError(f"generator: no key of JAX's: {error}") from error
    if key.shape:
        raise DTypeError(f"generator: expected one key, got an array of keys of shape {key.shape}; split it")
    new = dualad.Generator("jax")
    new._stream.set(Keys(key), 0)
    return new
