"""What level a Tensor is of, and Tensors of other levels made of it: what calls with rules ask."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

from .engine.namespace import ops
from .engine.node import GROUND, Batch, Leaf, Standin
from .engine.tensor import Tensor, wrap
from .errors import GradientError


def bare(x: Tensor) -> Any:
    """Return what a Tensor of a higher level has as its value for a Tensor: if that is plain, its array."""
    return x._value if x._node is None else x


def level_of(x: Any) -> int:
    """Return the level of a Tensor; -1 of what has none."""
    if not isinstance(x, Tensor):
        return -1
    x._refresh()
    return -1 if x._node is None else int(x._node.level)


def handle(x: Tensor) -> Tensor:
    """Return a handle of its own on the value and the history of a Tensor."""
    x._refresh()
    return Tensor(x._value, x._node)


def argument(x: Tensor) -> Tensor:
    """Return an argument for a user's function, which may write to it."""
    own = handle(x)
    return ops.clone(own) if type(own._node) is Leaf and own._node.level == GROUND else own


def is_live(x: Any) -> bool:
    """Return whether a Tensor is differentiated at any level."""
    while isinstance(x, Tensor) and x._node is not None:
        if type(x._node) is not Batch:
            return True
        x = x._value.value
    return False


def without_level(x: Tensor, level: int) -> Tensor:
    """Return a result of a rule without the level it is for, which only a closed-over Tensor can bring."""
    return wrap(x._value) if level_of(x) == level else x


def standin(x: Tensor) -> Tensor:
    """Return a Tensor that has the shape and dtype of another, and no elements."""
    return Tensor(Standin(x.shape, x.dtype))


def refuse_closed(name: str, names: list[str]) -> None:
    """Raise if a function with a rule closes over Tensors that are differentiated.

    Raises
    ------
    GradientError
        If there are any names.
    """
    if not names:
        return
    which = " and ".join(repr(n) if n else "a Tensor" for n in dict.fromkeys(names))
    raise GradientError(
        f"{name}: the function depends on {which} from outside its arguments, which is differentiated, or "
        "batched by vmap, too. Its rule tells the derivatives in the arguments only, and this one would be "
        "lost: pass it as an argument"
    )


def tracked_names(f: Any, level: int) -> list[str]:
    """Return the names of the Tensors of at least a level that a function closes over."""
    if not isinstance(f, FunctionType):
        return []
    names = inspect.getclosurevars(f)
    return [n for n, x in {**names.globals, **names.nonlocals}.items() if reaches(x, level)]


def reaches(x: Any, level: int) -> bool:
    """Return whether a Tensor, or one in a collection, is of at least a level."""
    parts = list(x.values()) if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else [x]
    return max(map(level_of, parts), default=-1) >= level
