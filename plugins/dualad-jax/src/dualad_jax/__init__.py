"""JAX arrays as a backend of dualad: the device type ``jax``, under ``jax.jit`` too; and a bridge.

`to_jax` makes a JAX function of one that dualad differentiates, `from_jax` the other way round.
"""

from __future__ import annotations

from dualad.backends import Backend, hookimpl

from .backend import JaxBackend
from .errors import TracedValueError
from .randomness import generator

__all__ = ["JaxBackend", "TracedValueError", "generator"]


@hookimpl
def dualad_backends() -> list[Backend]:
    """Return the backend."""
    return [JaxBackend()]
