"""What is said where a program that JAX traces looks at values."""

from __future__ import annotations

from dualad.errors import BackendError


class TracedValueError(BackendError):
    """A value was looked at that is not there yet, as JAX traces the program."""


def values_needed(what: str) -> TracedValueError:
    """Return the error for `what`, which needs values."""
    return TracedValueError(
        f"{what}: the result depends on values, and there are none while JAX traces the program (under "
        "jax.jit, jax.vmap or jax.grad). Use dualad.where in place of a branch or a mask; give numbers that "
        "decide on shapes and steps as Python's own (static_argnums of jax.jit); or do this part outside"
    )
