"""Derivatives as functions of functions, in JAX's form, for arrays of any backend."""

from .checkpointing import checkpoint
from .custom import custom_gradient, custom_jvp, custom_vjp
from .forward import directional, jvp
from .implicit import custom_fixed_point, custom_linear_solve, custom_root
from .jacobians import hessian, jacfwd, jacobian, jacrev
from .linear import linear_transpose, linearize
from .products import ggnvp, hvp, vhp
from .reverse import elementwise_grad, grad, grad_and_value, stop_gradient, value_and_grad, vjp
from .vmap import vmap

__all__ = [
    "checkpoint", "custom_fixed_point", "custom_gradient", "custom_jvp", "custom_linear_solve",
    "custom_root", "custom_vjp", "directional", "elementwise_grad", "ggnvp", "grad", "grad_and_value",
    "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "linear_transpose", "linearize",
    "stop_gradient", "value_and_grad", "vhp", "vjp", "vmap",
]  # fmt: skip
