"""Derivatives as functions of functions, in JAX's form, for arrays of any backend."""

from .forward import jvp
from .reverse import grad, value_and_grad, vjp

__all__ = ["grad", "jvp", "value_and_grad", "vjp"]
