"""What a rule of the user's keeps from its forward pass for its backward pass, at any level."""

from __future__ import annotations

from typing import Any

from ..backends.registry import BY_TYPE, DTYPES
from ..call import Parts
from ..engine.operands import plain_array, snapshot
from ..engine.tensor import Tensor
from ..levels import handle
from . import trees

_CONSTANT = -1


class Residuals:
    """A pytree kept by a user's function, whose Tensors are known where they are arguments or outputs.

    The user's function runs on plain Tensors. A level above sees what it kept with a history: its
    arguments and outputs, found again by identity, are put in their places.

    Parameters
    ----------
    tree : pytree
        What was kept.
    given, before : lists of Tensor
        The Tensors that the function was given, and what they were: it may have written to them.
    outputs : list
        What it gave.
    constants : list
        What it was given besides.
    opaque : bool
        Whether what is no array may depend on the arguments too.

    Attributes
    ----------
    complete : bool
        Whether all that may depend on the arguments is known. Else the function has to be run again,
        on arguments with the history.
    """

    def __init__(
        self,
        tree: Any,
        given: list[Tensor],
        before: list[Tensor],
        outputs: list[Any],
        constants: list[Any],
        opaque: bool = True,
    ) -> None:
        leaves, self._structure = trees.flatten(tree)
        places = {id(y): len(given) + i for i, y in enumerate(outputs)}
        places |= {id(x): _CONSTANT for x in constants}
        pairs = zip(given, before, strict=True)
        places |= {id(x): i for i, (x, was) in enumerate(pairs) if _is_still(x, was)}
        self._links: list[Any] = [places.get(id(leaf)) for leaf in leaves]
        self.complete = all(
            link is not None or not _may_move(leaf, opaque)
            for link, leaf in zip(self._links, leaves, strict=True)
        )
        self._leaves = [_as_now(leaf) for leaf in leaves]

    def on(self, values: list[Tensor], outs: list[Tensor]) -> Residuals:
        """Return the same with other Tensors for the arguments and the outputs."""
        known = [*values, *outs]
        pairs = zip(self._links, self._leaves, strict=True)
        return self._with([leaf if link in (None, _CONSTANT) else known[link] for link, leaf in pairs])

    def parts(self, count: int) -> Parts:
        """Return this taken apart, for a call with so many arguments."""
        links = {link for link in self._links if link not in (None, _CONSTANT)}
        values = {link for link in links if link < count} if self.complete else set(range(count))
        pairs = zip(self._links, self._leaves, strict=True)
        loose = [leaf if link in (None, _CONSTANT) else None for link, leaf in pairs]
        return Parts(values, {link - count for link in links if link >= count}, loose, self._with([]))

    def joined(self, leaves: list[Any], values: list[Tensor], outs: list[Tensor]) -> Residuals:
        """Return what `parts` has taken apart."""
        return self._with(leaves).on(values, outs)

    def _with(self, leaves: list[Any]) -> Residuals:
        other = object.__new__(Residuals)
        other._structure, other._links, other.complete = self._structure, self._links, self.complete
        other._leaves = leaves
        return other

    def tree(self) -> Any:
        """Return what was kept, with handles that can be written to."""
        leaves = [handle(x) if isinstance(x, Tensor) else x for x in self._leaves]
        return trees.unflatten(self._structure, leaves)


def _is_still(x: Tensor, was: Tensor) -> bool:
    x._refresh()
    return x._value is was._value and x._node is was._node


def _as_now(leaf: Any) -> Any:
    """Return something kept so that what is written to it later is not seen."""
    return handle(leaf) if isinstance(leaf, Tensor) else snapshot(leaf)


def _may_move(leaf: Any, opaque: bool) -> bool:
    """Return whether something kept may depend on the arguments: what has no derivative does not."""
    if isinstance(leaf, Tensor) or BY_TYPE[type(plain_array(leaf))] is not None:
        return DTYPES[leaf.dtype].is_differentiable
    return opaque and not isinstance(leaf, (bool, int, str, bytes))
