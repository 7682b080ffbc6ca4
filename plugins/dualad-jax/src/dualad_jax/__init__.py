"""JAX arrays as a backend of dualad: the device type ``jax``, under ``jax.jit`` too; and a bridge.

`to_jax` makes a JAX function of one that dualad differentiates, `from_jax` the other way round.
"""

from __future__ import annotations

from dualad.backends import Backend, hookimpl

from .backend import JaxBackend
from .dualad_in_jax import to_jax
from .errors import TracedValueError
from .jax_in_dualad import from_jax
from .randomness import generator
from .tensors import register

__all__ = ["JaxBackend", "TracedValueError", "from_jax", "generator", "to_jax"]

register()


@hookimpl
def dualad_backends() -> list[Backend]:
    """Return the backend."""
    return [JaxBackend()]
