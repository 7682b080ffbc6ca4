"""Tensors as pytrees of JAX's: arguments and results of functions under ``jax.jit``."""

from __future__ import annotations

from typing import Any

import jax

from dualad import Tensor
from dualad.backends.registry import BY_TYPE
from dualad.engine.node import GROUND, Leaf
from dualad.engine.tensor import raw_value
from dualad.errors import GradientError


def _flatten(x: Tensor) -> tuple[tuple[Any], bool]:
    x._refresh()
    node = x._node
    if node is not None and (type(node) is not Leaf or node.level != GROUND):
        raise GradientError(
            "a Tensor with a history goes into a function of JAX's, or out of it, and the history cannot: "
            "make it an argument of dualad_jax.from_jax(f), which dualad differentiates; or detach it"
        )
    return (raw_value(x),), node is not None


def _unflatten(requires_grad: bool, children: Any) -> Tensor:
    # JAX puts other things than arrays in their places, too.
    x = object.__new__(Tensor)
    (x._value,), x._node, x._alias, x._box = children, None, None, None
    return x.requires_grad_() if requires_grad and BY_TYPE[type(x._value)] is not None else x


def register() -> None:
    """Let JAX know Tensors: each is a pytree of one array, and of whether it requires grad."""
    jax.tree_util.register_pytree_node(Tensor, _flatten, _unflatten)
