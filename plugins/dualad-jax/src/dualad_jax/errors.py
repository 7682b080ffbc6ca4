"""What is said where a program that JAX traces looks at values."""

from __future__ import annotations

from dualad.errors import BackendError


class TracedValueError(BackendError):
    """A value was looked at, or given to a Tensor, that is not there yet, as JAX traces the program."""


def values_needed(what: str) -> TracedValueError:
    """Return the error for `what`, which needs values."""
    return TracedValueError(
        f"{what}: the result depends on values, and there are none while JAX traces the program (under "
        "jax.jit, jax.vmap or jax.grad). Use dualad.where in place of a branch or a mask; give numbers that "
        "decide on shapes and steps as Python's own (static_argnums of jax.jit); or do this part outside"
    )


def outside() -> TracedValueError:
    """Return the error for a write by which a traced value would get out of the program."""
    return TracedValueError(
        "a Tensor from outside the program that JAX traces (under jax.jit, or as a loop's body) would be "
        "written to, or its .grad, and what is compiled does neither. Take the Tensor as an argument and "
        "return it, or what was to be written; return gradients, by dualad.grad or as `w.grad`; give an "
        "optimizer's parameters and state as arguments, and return them; or write to x.clone()"
    )


def program_ended() -> TracedValueError:
    """Return the error for a look at a value of a program that is no more traced."""
    return TracedValueError(
        "the value belongs to a program that JAX has traced, which has ended, and it never gets known: it "
        "was kept in an object from outside. Return it from the function instead"
    )
