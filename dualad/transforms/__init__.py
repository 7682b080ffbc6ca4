"""Derivatives as functions of functions, in JAX's form, for arrays of any backend."""

from .forward import jvp
from .jacobians import elementwise_grad, hessian, hvp, jacfwd, jacobian, jacrev, linearize, stop_gradient
from .reverse import grad, value_and_grad, vjp

__all__ = [
    "elementwise_grad", "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "linearize",
    "stop_gradient", "value_and_grad", "vjp",
]  # fmt: skip
