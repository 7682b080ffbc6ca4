"""Which of the programs that JAX traces is traced now, and to which one an array belongs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

try:
    from jax.extend.core import take_current_trace
except ImportError:  # where JAX of 2025 has it
    from jax.core import take_current_trace

Array = Any


def current_program() -> Any:
    """Return the program that is traced now, by ``jax.jit`` or as the body of a loop; None if none is."""
    with take_current_trace() as trace:
        return _program(trace)


def program_of(array: Array) -> Any:
    """Return the program that an array is an intermediate value of; None for an array of known values."""
    return _program(array._trace) if isinstance(array, Tracer) else None


def _program(trace: Any) -> Any:
    # Transforms inside of it lead to it by their parents; it alone has a frame of operations.
    while trace is not None and not hasattr(trace, "frame"):
        trace = getattr(trace, "parent_trace", None)
    return trace


def has_ended(tracer: Tracer) -> bool:
    """Return whether the program that an array belongs to is no more traced."""
    try:
        jnp.array(tracer, copy=True)
    except jax.errors.UnexpectedTracerError:
        return True
    return False
