"""How a reverse walk calls hooks: with Tensors. What they return is checked before it is gone on with."""

from __future__ import annotations

from typing import Any

from ..backends.registry import BY_TYPE, DTYPES
from ..errors import DeviceError, GradientError
from .node import Node
from .tensor import Tensor, plain, raw_value, wrap


def call_tensor_hooks(node: Node, g: Any) -> Any:
    """Call the hooks of a node's Tensor with its cotangent; return it as they have left it."""
    hooks = node.hooks
    assert hooks is not None
    for hook in list(hooks.tensor.values()):
        new = hook(wrap(g))
        if new is not None:
            g = check_hook_result(new, g, node)
    for retain in list(hooks.retained):
        retain(wrap(g))
    return g


def call_prehooks(node: Node, g: Any) -> Any:
    """Call a node's prehooks with its cotangents; return them as they have left them, None if none is left.

    `g` is a cotangent, or a list of one or None for each of several outputs.
    """
    assert node.hooks is not None
    several = type(g) is list
    gradients = g if several else [g]
    for hook in list(node.hooks.pre.values()):
        new = hook(_tensors(gradients))
        if new is not None:
            gradients = _replaced(new, gradients, node, "prehook")
    if all(a is None for a in gradients):
        return None
    return gradients if several else gradients[0]


def call_posthooks(node: Node, parts: list[Any], gradients: list[Any]) -> list[Any]:
    """Call a node's hooks with what it gives its parents for its outputs' gradients; return that as left.

    All are cotangents, or None.
    """
    assert node.hooks is not None
    outputs = _tensors(gradients)
    for hook in list(node.hooks.post.values()):
        new = hook(_tensors(parts), outputs)
        if new is not None:
            parts = _replaced(new, parts, node, "hook")
    return parts


def _tensors(gradients: list[Any]) -> tuple[Tensor | None, ...]:
    return tuple(None if a is None else wrap(a) for a in gradients)


def _replaced(new: Any, old: list[Any], node: Node, kind: str) -> list[Any]:
    """Return what a node's hook gave in place of the gradients it was called with, checked."""
    if type(new) is not tuple:
        raise GradientError(
            f"a {kind} of {node.name()} returned {type(new).__name__}: expected tuple; return None, or a "
            f"tuple of {len(old)} gradients"
        )
    if len(new) != len(old):
        raise GradientError(
            f"a {kind} of {node.name()} has returned an incorrect number of values: got {len(new)}, "
            f"expected {len(old)}"
        )
    if any(a is not None and b is None for a, b in zip(new, old, strict=True)):
        raise GradientError(f"a {kind} of {node.name()} can't replace a None gradient with a non-None value")
    # A gradient that None takes the place of goes no further.
    return [None if a is None else check_hook_result(a, b, node) for a, b in zip(new, old, strict=True)]


def check_hook_result(new: Any, g: Any, node: Node) -> Any:
    """Return a hook's result as a cotangent of the same kind as `g`.

    Raises
    ------
    GradientError
        If it is no Tensor, or of another shape or dtype.
    DeviceError
        If it is on another device.
    """
    new = plain(new)
    if type(new) is not Tensor:
        raise GradientError(
            f"a hook of {node.name()} returned {type(new).__name__}; return None, or a Tensor of shape "
            f"{tuple(g.shape)} to take the gradient's place"
        )
    if new.shape != g.shape:
        raise GradientError(
            f"a hook of {node.name()} has changed the size of the gradient: it was {tuple(g.shape)}, "
            f"the hook returned {new.shape}"
        )
    if new.dtype is not DTYPES[g.dtype]:
        raise GradientError(
            f"a hook of {node.name()} has changed the type of the gradient: it was {DTYPES[g.dtype]}, "
            f"the hook returned {new.dtype}"
        )
    raw = raw_value(g)
    if (device := BY_TYPE[type(raw)].device_of(raw)) != new.device:  # type: ignore[union-attr]
        raise DeviceError(
            f"a hook of {node.name()} has changed the device of the gradient: it was on {device}, the hook "
            f"returned one on {new.device}; move it back with .to({str(device)!r})"
        )
    return new if isinstance(g, Tensor) else new._raw
