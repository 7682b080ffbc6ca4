"""The standard's joining functions, and their opposite: concat, stack, unstack."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from ..batching import along
from ..engine.tensor import Tensor
from ..errors import ShapeError
from ..op import Op
from ..rules import Joint
from .common import one_axis
from .conversion import asarray, together
from .indexing import read
from .manipulation import reshape


def _joined(*arrays: Any, axis: int, starts: Any) -> tuple[int, ...]:
    first = arrays[0].shape
    return (*first[:axis], sum(a.shape[axis] for a in arrays), *first[axis + 1 :])


def _part(xp: Any, g: Any, like: Any, *, axis: int, starts: Any, position: int) -> Any:
    start = starts[position]
    return xp.getitem(g, key=(*[slice(None)] * axis, slice(start, start + like.shape[axis])))


_concat = Op(
    "concat(*arrays)",
    Joint(_part),
    shape=_joined,
    compute=lambda xp, *arrays, axis, starts: xp.concat(arrays, axis=axis),
    batch=along("axis"),
    node_name="Cat",
)
_stack = Op(
    "stack(*arrays)",
    Joint(lambda xp, g, like, *, axis, position: xp.getitem(g, key=(*[slice(None)] * axis, position))),
    shape=lambda *arrays, axis: (*arrays[0].shape[:axis], len(arrays), *arrays[0].shape[axis:]),
    compute=lambda xp, *arrays, axis: xp.stack(arrays, axis=axis),
    batch=along("axis"),
)


def concat(arrays: Any, /, axis: int | None = 0, *, dim: int | None = None) -> Tensor:
    """Return the arrays joined along an axis they have (PyTorch's `dim`); with None, as vectors.

    Raises
    ------
    ShapeError
        If they differ in the other axes.

    Examples
    --------
    >>> import dualad
    >>> dualad.concat([dualad.ones(2), dualad.zeros(1)])
    tensor([1., 1., 0.])
    """
    tensors = together(arrays)
    axis = axis if dim is None else dim
    if axis is None:
        tensors, axis = [reshape(t, (-1,)) for t in tensors], 0
    if not tensors:
        raise ShapeError("concat: expected at least one array, got none")
    axis = one_axis("concat", axis, tensors[0].ndim)
    others = {(*t.shape[:axis], *t.shape[axis + 1 :]) for t in tensors}
    if len(others) > 1 or len({t.ndim for t in tensors}) > 1 or not tensors[0].ndim:
        listed = " and ".join(str(t.shape) for t in tensors)
        raise ShapeError(
            f"concat: shapes {listed} must agree in all axes but axis {axis}, of which there must be one"
        )
    starts = tuple(accumulate((t.shape[axis] for t in tensors), initial=0))
    return _concat(*tensors, axis=axis, starts=starts)


def stack(arrays: Any, /, axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Return arrays of one shape joined along a new axis (PyTorch's `dim`).

    Raises
    ------
    ShapeError
        If their shapes differ.

    Examples
    --------
    >>> import dualad
    >>> dualad.stack([dualad.ones(2), dualad.zeros(2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    tensors = together(arrays)
    if len({t.shape for t in tensors}) != 1:
        listed = " and ".join(str(t.shape) for t in tensors) or "none"
        raise ShapeError(f"stack: expects arrays of one shape, got {listed}")
    return _stack(*tensors, axis=one_axis("stack", axis if dim is None else dim, tensors[0].ndim + 1))


def unstack(x: Any, /, axis: int = 0, *, dim: int | None = None) -> tuple[Tensor, ...]:
    """Return the parts of x along an axis, which they no longer have, as a tuple of views.

    Examples
    --------
    >>> import dualad
    >>> dualad.unstack(dualad.tensor([1, 2]))
    (tensor(1), tensor(2))
    """
    x = asarray(x)
    if not x.ndim:
        raise TypeError("iteration over a 0-d tensor")
    axis = one_axis("unstack", axis if dim is None else dim, x.ndim)
    return tuple(read(x, (*[slice(None)] * axis, i) if axis else i) for i in range(x.shape[axis]))
