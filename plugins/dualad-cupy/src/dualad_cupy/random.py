"""Random numbers on the GPU, drawn by CuPy's generators of numbers with cuRAND's bits."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

#: How many threads draw. CuPy's default depends on the GPU, and with it the numbers of a seed would.
THREADS = 1 << 17


def generator(cupy: Any, seed: int) -> Any:
    """Return a generator of the current GPU."""
    return cupy.random.Generator(cupy.random.Philox4x3210(seed, size=THREADS))


def copy_generator(cupy: Any, source: Any) -> Any:
    """Return a generator of the same numbers, on the same GPU."""
    state = source.bit_generator._state
    with state.device:
        return _with_state(cupy, state.copy())


def state_of(source: Any) -> bytes:
    """Return where a generator stands: what cuRAND keeps for each thread."""
    state = source.bit_generator._state
    with state.device:
        return bytes(state.get())


def restore(cupy: Any, state: bytes) -> Any:
    """Return a generator of the current GPU that stands where another stood.

    Raises
    ------
    ValueError
        If the bytes are not those of `state_of`.
    """
    wanted = cupy.random.Philox4x3210(0, size=1)._state.nbytes * THREADS
    if len(state) != wanted:
        raise ValueError(f"no state of a CuPy generator: {len(state)} bytes, expected {wanted}")
    return _with_state(cupy, cupy.asarray(np.frombuffer(state, np.int8)))


def _with_state(cupy: Any, state: Any) -> Any:
    bits = cupy.random.Philox4x3210(0, size=1)
    bits._state, bits._size, bits.lock = state, THREADS, Lock()
    return cupy.random.Generator(bits)


def draw(
    cupy: Any, source: Any, kind: str, shape: tuple[int, ...], dtype: np.dtype, **parameters: Any
) -> Any:
    """Return random numbers of one of the kinds that `Backend.random` lists, all of which CuPy has."""
    if 0 in shape:  # CuPy cannot launch a kernel for nothing
        return cupy.empty(shape, dtype)
    exact = dtype.char in "fd"
    if kind == "integers":
        return source.integers(parameters["low"], parameters["high"], size=shape, dtype=dtype)
    if kind == "random":
        values = source.random(size=shape, dtype=dtype if exact else np.float32)
        if exact:
            return values
        steps = np.float32(2.0 / _epsilon(dtype))  # rounding would give 1
        return (cupy.floor(values * steps) / steps).astype(dtype)
    if kind == "standard_normal":
        values = source.standard_normal(size=shape, dtype=dtype if exact else np.float32)
    elif kind == "standard_gamma":
        values = source.standard_gamma(parameters["a"], size=shape, dtype=dtype if exact else np.float32)
    elif kind == "poisson":
        values = source.poisson(parameters["lam"], size=shape)
    else:
        values = source.binomial(parameters["n"], parameters["p"], size=shape)
    return values.astype(dtype, copy=False)


def _epsilon(dtype: np.dtype) -> float:
    """Return the spacing of a half-precision dtype at 1; NumPy does not know that of bfloat16."""
    return 2.0**-7 if dtype.name == "bfloat16" else float(np.finfo(dtype).eps)
