"""What a `Function` hands from its forward pass to its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends.registry import BY_TYPE
from ..engine.operands import type_name
from ..engine.tensor import Tensor
from ..transforms import trees


class FunctionCtx:
    """What a `Function` hands from its forward pass to its backward pass.

    Attributes set on it are there in `backward` and `jvp`.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        For each argument, whether it is differentiated in.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Tensor | None, ...] = ()
        self._saved_for_forward: tuple[Tensor | None, ...] | None = None
        self._dirty: tuple[Tensor, ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._materialize = True
        self._pushes = False

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved, in `backward` by `save_for_backward`, in `jvp` by `save_for_forward`.

        Arguments and outputs have their history, so that `backward` can be differentiated.
        """
        first, second = self._saved, self._saved_for_forward
        if self._pushes:
            return first if second is None else second
        return first or second or ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep Tensors, or None, for `backward`."""
        self._saved = _checked("save_for_backward", tensors)

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep Tensors, or None, for `jvp`; without this it has those of `save_for_backward`."""
        self._saved_for_forward = _checked("save_for_forward", tensors)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which arguments the forward pass has written to; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no derivative, although their dtype would allow it."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Set whether `backward` and `jvp` get zeros, or None, for what has no gradient or tangent."""
        self._materialize = bool(value)

    def _parted(self) -> tuple[dict[str, Any], _Rest]:
        """Return the attributes that have arrays in them, and the others: they stay the objects they are."""
        self._dirty = self._constant = ()
        attributes = vars(self)
        moving = {k: v for k, v in attributes.items() if _has_arrays(v)}
        return moving, _Rest({k: v for k, v in attributes.items() if k not in moving})

    def _with(self, change: Callable[[Tensor], Tensor]) -> FunctionCtx:
        """Return the same with other Tensors: what `change` gives for each, wherever it is."""
        moving, rest = self._parted()
        leaves, structure = trees.flatten(moving)
        changed = [change(x) if isinstance(x, Tensor) else x for x in leaves]
        return restored((trees.unflatten(structure, changed), rest))


class _Rest:
    """Attributes of a ctx in which there are no arrays: no pytree, but a whole."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes


def restored(parted: tuple[dict[str, Any], _Rest]) -> FunctionCtx:
    """Return a ctx with these attributes."""
    moving, rest = parted
    ctx = FunctionCtx(())
    vars(ctx).update(rest.attributes | moving)
    return ctx


def _has_arrays(value: Any) -> bool:
    leaves = trees.flatten(value)[0]
    return any(isinstance(x, Tensor) or BY_TYPE[type(x)] is not None for x in leaves)


def _checked(name: str, tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    for i, x in enumerate(tensors):
        if x is not None and not isinstance(x, Tensor):
            raise TypeError(
                f"{name} can only save Tensors, but argument {i} is of type {type_name(x)}; give apply "
                "Tensors, dualad.asarray(x), or keep what is none as an attribute of ctx"
            )
    return tensors
