"""What becomes of a gradient that has arrived at a Tensor: ``.grad``, and the hooks that see it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any
from weakref import ref

from ..errors import GradientError, ShapeError
from .hooks import RemovableHandle, hooks_of, register
from .node import Batch, GradBox, Leaf, Node
from .tensor import Tensor, check_write, grad_box, reverse_part
from .views import assign

# Threads that run `backward` on graphs that share a leaf add to its `.grad` one at a time.
_accumulating = Lock()


def accumulate(box: GradBox | None, g: Any, create_graph: bool) -> None:
    """Add a gradient to what a box holds; None is that of a Tensor that is gone."""
    if box is None:
        return
    if (owner := box.owner()) is not None:
        check_write(owner, g)
    with _accumulating:
        if box.grad is None:
            box.grad = g if create_graph else Tensor(g)
        elif box.grad.shape != g.shape:
            raise ShapeError(
                f"backward: the gradient has shape {tuple(g.shape)}, the Tensor's .grad {box.grad.shape}: "
                "its .data has been given another shape; set .grad = None with it"
            )
        elif create_graph:
            box.grad = box.grad + g
        else:  # the same handle goes on, as those who hold `x.grad` expect
            assign(box.grad, Tensor(box.grad._raw + g))


def register_hook(x: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook` with the gradient of x whenever one is computed; see `Tensor.register_hook`."""
    return register(hooks_of(_tracked(x, "cannot register a hook on a tensor")).tensor, hook)


def register_post_accumulate_grad_hook(x: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook` with x when its ``.grad`` has been added to.

    See `Tensor.register_post_accumulate_grad_hook`.
    """
    node = _tracked(x, "cannot register a hook on a tensor")
    if type(node) is not Leaf:
        raise GradientError(
            "post accumulate grad hooks cannot be registered on non-leaf tensors: this one is the result of "
            "an op, and no gradient is added to its .grad; use register_hook"
        )
    return register(hooks_of(node).accumulated, lambda: hook(x))


def retain_grad(x: Tensor) -> None:
    """Let `backward` keep the gradient of x in ``x.grad``, although it is no leaf."""
    node = reverse_part(x)._node
    if type(node) is Batch:
        raise GradientError(
            "can't retain_grad on Tensor inside vmap; call it on what vmap is given or returns"
        )
    if not isinstance(node, Node):
        raise GradientError("can't retain_grad on Tensor that has requires_grad=False")
    box = grad_box(x)
    if type(node) is Leaf or box.retains is not None:
        return
    box.retains = _Retain(box)
    hooks_of(node).retained.append(box.retains)


def retains_grad(x: Tensor) -> bool:
    """Return whether x is no leaf and keeps its gradient all the same."""
    x._refresh()
    return x._box is not None and x._box.retains is not None


def is_retained(node: Node) -> bool:
    """Return whether a gradient that comes by this node is kept for a Tensor."""
    return node.hooks is not None and bool(node.hooks.retained)


def _tracked(x: Tensor, refusal: str) -> Node:
    """Return the node where the gradient of x is computed."""
    node = reverse_part(x)._node
    if type(node) is Batch:
        raise GradientError(
            f"{refusal} inside vmap, where it has a value for each example: gradients come by for all "
            "examples at once. Register the hook on what is given to vmap, or on what vmap returns"
        )
    if not isinstance(node, Node):
        raise GradientError(f"{refusal} that doesn't require gradient")
    return node


class _Retain:
    """A hook that adds the gradient to a Tensor's box, and keeps neither alive."""

    def __init__(self, box: GradBox) -> None:
        self.box = ref(box)

    def __call__(self, g: Tensor) -> None:
        create_graph = g._node is not None
        accumulate(self.box(), g if create_graph else g._raw, create_graph)
