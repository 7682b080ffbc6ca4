"""Arguments and outputs of functions with rules of their own: pytrees, of which a `Call` sees the Tensors.

What has no level is constant, and stays with the function: a `Call` is given the Tensors that have one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from ..backends.registry import BY_TYPE, DTYPES
from ..engine.dataclasses import NAMESPACE
from ..engine.fit import zeros
from ..engine.namespace import ops
from ..engine.operands import plain_array, snapshot, type_name
from ..engine.tensor import Tensor, wrap
from ..errors import DTypeError, GradientError, ShapeError
from ..levels import handle, standin
from . import trees


class Arguments:
    """The arguments of a call.

    Parameters
    ----------
    name : str
        The function, for errors.
    args : tuple
        Pytrees.

    Attributes
    ----------
    values : list of Tensor
        Those leaves that have a level.
    places : list of int
        Where they are among all leaves.
    """

    def __init__(self, name: str, args: Any) -> None:
        self.name = name
        self.leaves, self.structure = trees.flatten(tuple(args))
        self.places = [i for i, x in enumerate(self.leaves) if has_level(x)]
        self.values = [self.leaves[i] for i in self.places]

    def keep(self) -> None:
        """Keep the constants as they are now, as a tape may need them later."""
        moving = set(self.places)
        self.leaves = [
            x if i in moving or not hasattr(x, "shape") else snapshot(x) for i, x in enumerate(self.leaves)
        ]

    def filled(self, values: list[Any]) -> Any:
        """Return the arguments with other Tensors in the places of `values`."""
        leaves = list(self.leaves)
        for i, v in zip(self.places, values, strict=True):
            leaves[i] = v
        return trees.unflatten(self.structure, leaves)

    def forget(self) -> None:
        """Keep no more than the shapes and dtypes of the values: a tape that needs them has them."""
        self.values = [standin(v) for v in self.values]
        for i, v in zip(self.places, self.values, strict=True):
            self.leaves[i] = v

    def tangents(self, given: list[Any], values: list[Any]) -> Any:
        """Return tangents for all arguments: those of the values, zeros for None and for constants."""
        leaves = [trees.zero_tangent(x) if i not in self.places else None for i, x in enumerate(self.leaves)]
        for i, t, v in zip(self.places, given, values, strict=True):
            leaves[i] = trees.zero_tangent(v) if t is None else t
        return trees.unflatten(self.structure, leaves)

    def cotangents(self, given: Any, source: str) -> list[Any]:
        """Return the cotangents of the values from what a user's rule gave, one for each argument, checked.

        Raises
        ------
        GradientError, ShapeError, DTypeError
            If they are not as the arguments.
        """
        parts = self.structure.children()
        if not isinstance(given, (tuple, list)) or len(given) != len(parts):
            got = f"{len(given)} of them" if isinstance(given, (tuple, list)) else type_name(given)
            raise GradientError(
                f"{self.name}: {source} must return a tuple with a cotangent, or None, for each of the "
                f"{len(parts)} arguments, got {got}"
            )
        leaves: list[Any] = []
        for n, (structure, g) in enumerate(zip(parts, given, strict=True)):
            what = f"{self.name}: the cotangent that {source} gave for argument {n}"
            leaves += up_to(structure, g, what)
        owner = [n for n, structure in enumerate(parts) for _ in range(structure.num_leaves)]
        found = []
        for i, x in zip(self.places, self.values, strict=True):
            what = f"{self.name}: the cotangent that {source} gave for argument {owner[i]}"
            found.append(fitted(leaves[i], x, what))
        return found


class Outputs:
    """The outputs of a call: a pytree, whose arrays and floating-point numbers are its Tensors."""

    def __init__(self) -> None:
        self.structure: Any = None
        self.rest: list[Any] = []
        self.places: list[int] = []

    def taken(self, out: Any) -> list[Tensor]:
        """Return the Tensors of what the function gave."""
        leaves, self.structure = trees.flatten(out)
        self.places = [i for i, y in enumerate(leaves) if is_array(y)]
        tensors = [as_tensor(leaves[i]) for i in self.places]
        self.rest = [None if is_array(y) else y for y in leaves]
        return tensors

    def tree(self, outs: list[Any]) -> Any:
        """Return the outputs as the function gave them, with these Tensors."""
        return self._placed(list(self.rest), outs)

    def cotangents(self, given: list[Any], outs: list[Tensor]) -> Any:
        """Return cotangents as a pytree like the outputs: zeros for None, and None for what is no array."""
        beside = next(g for g in given if g is not None)
        filled = [
            zeros(o.shape, o.dtype, beside) if g is None else g for g, o in zip(given, outs, strict=True)
        ]
        return self._placed([None] * len(self.rest), filled)

    def tangents(self, given: Any, outs: list[Tensor], what: str) -> list[Any]:
        """Return the tangents of the Tensors from a user's pytree like the outputs, checked."""
        leaves = up_to(self.structure, given, what)
        return [fitted(leaves[i], o, what) for i, o in zip(self.places, outs, strict=True)]

    def _placed(self, leaves: list[Any], values: list[Any]) -> Any:
        for i, v in zip(self.places, values, strict=True):
            leaves[i] = v
        return trees.unflatten(self.structure, leaves)


def has_level(x: Any) -> bool:
    """Return whether x is a Tensor that is differentiated, or batched."""
    if not isinstance(x, Tensor):
        return False
    x._refresh()
    return x._node is not None


def is_array(y: Any) -> bool:
    """Return whether an output is an array, or a number that counts as one."""
    return isinstance(y, (Tensor, float, complex)) or BY_TYPE[type(plain_array(y))] is not None


def as_tensor(y: Any) -> Tensor:
    """Return an array, a Tensor or a number as a Tensor, a handle of its own."""
    if isinstance(y, Tensor):
        return handle(y)
    y = plain_array(y)
    return wrap(np.asarray(y)[()] if BY_TYPE[type(y)] is None else y)


def up_to(structure: Any, given: Any, what: str) -> list[Any]:
    """Return what a pytree has in the places of a structure's leaves; None stands for all of them.

    Raises
    ------
    GradientError
        If it has another structure.
    """
    if given is None:
        return [None] * structure.num_leaves
    try:
        parts = structure.flatten_up_to(given)
    except ValueError:
        parts = None
    if parts is None or any(p is not None and not optree.tree_is_leaf(p, namespace=NAMESPACE) for p in parts):
        raise GradientError(
            f"{what} has the structure {trees.flatten(given)[1]}, expected {structure}"
        ) from None
    return list(parts)


def fitted(given: Any, like: Any, what: str) -> Tensor | None:
    """Return a user's tangent or cotangent as a Tensor that fits a value; None for None.

    Raises
    ------
    ShapeError, DTypeError, GradientError
        If it has another shape, is complex where the value is real, or is no array.
    """
    if given is None or not DTYPES[like.dtype].is_differentiable:
        return None
    if not isinstance(given, (int, Tensor)) and not is_array(given):
        raise GradientError(f"{what} is {type_name(given)}, expected an array of shape {tuple(like.shape)}")
    t = as_tensor(given)
    if tuple(t.shape) != tuple(like.shape):
        raise ShapeError(f"{what} has shape {tuple(t.shape)}, expected {tuple(like.shape)}")
    dtype = DTYPES[like.dtype]
    if t.dtype.is_complex and not dtype.is_complex:
        raise DTypeError(f"{what} is {t.dtype}, expected {dtype}; take its real part")
    return t if t.dtype is dtype else ops.astype(t, dtype)


def pair(name: str, who: str, given: Any, what: str) -> tuple[Any, Any]:
    """Return what a user's function gave, which must be a pair."""
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise GradientError(f"{name}: {who} must return a pair, {what}, got {type_name(given)}")
    return given[0], given[1]


def positional(name: str, signature: inspect.Signature | None, args: Any, kwargs: Any) -> tuple[Any, ...]:
    """Return a call's arguments by position, with defaults filled in.

    Raises
    ------
    TypeError
        If they do not fit the signature, or can only be given by keyword.
    """
    if signature is None:
        if kwargs:
            raise TypeError(f"{name}: its signature is not known, so its arguments must be given by position")
        return tuple(args)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(
            f"{name}: {', '.join(bound.kwargs)} can only be given by keyword, but rules take arguments by "
            "position; leave out the * in its signature"
        )
    return bound.args


def signature_of(f: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature of a function, if it has one that Python can read."""
    try:
        return inspect.signature(f)
    except (TypeError, ValueError):
        return None
