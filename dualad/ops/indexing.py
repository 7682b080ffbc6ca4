"""Reading and writing by index, in every form that NumPy knows, and what is made of it.

Keys are integers, slices, ellipses, newaxes, boolean masks, integer arrays and mixtures of them.
Reading is linear in the array and its adjoint adds into the gradient that is gathering there;
writing is linear in the array and the value together.
"""

from __future__ import annotations

from math import prod
from sys import getrefcount
from typing import Any

import numpy as np

from ..backends.keys import is_basic
from ..backends.registry import BY_TYPE
from ..batching import reshaped, spread
from ..engine.namespace import SPACES, ops
from ..engine.node import GROUND, Dual, Leaf
from ..engine.operands import PYTHON_SCALARS, is_elsewhere
from ..engine.recording import RECORDING
from ..engine.tensor import Tensor, plain, raw_value
from ..engine.views import assign, give, link, same_view, unshare
from ..errors import DTypeError, InplaceError, ShapeError
from ..op import Op, Unary
from ..rules import Joint, Linear
from .common import one_axis, same_dtype
from .conversion import asarray, place
from .keys import (
    Layout,
    is_mask,
    moves,
    overwritten,
    shape_of_read,
    unwrap_key,
    without_leading_ones,
)  # fmt: skip

LEAF_IN_PLACE = (
    "a leaf Variable that requires grad is being used in an in-place operation. "
    "Change it inside `with dualad.no_grad():`, or make a copy first with .clone()"
)

# -- ops ---------------------------------------------------------------------------------------


def _read_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    (x,) = values
    layout = Layout(static["key"])
    return layout.examples_first(op.below(x.value, key=layout.key))


def _scatter_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    (g,) = values
    layout = Layout(static["key"])
    return op.below(layout.as_read(g.value), shape=(size, *static["shape"]), key=layout.key)


def _write_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    value, x = values
    layout = Layout(static["key"])
    if type(value) not in PYTHON_SCALARS:
        ndim = len(shape_of_read(x, key=static["key"]))
        shape = without_leading_ones(tuple(value.shape), ndim)
        value = reshaped(spread(value, size), (size, *[1] * (ndim - len(shape)), *shape))
        value = layout.as_read(value)
    return op.below(value, spread(x, size), key=layout.key)


def _add_at(xp: Any, total: Any, g: Any, *, key: Any) -> Any:
    return xp.index_add(total, g, key=key)


def _zero_at(xp: Any, g: Any, like: Any, *, key: Any) -> Any:
    return xp.setitem(g, 0, key=key)


def _written_at(xp: Any, g: Any, like: Any, *, key: Any) -> Any:
    """Read the cotangent of what was written; where one element was written twice, of the last value."""
    read = xp.copy(xp.getitem(g, key=key))
    if is_elsewhere(key):
        return read if is_mask(key) else xp.where(_is_last(read, key, g.shape), read, 0)
    lost = overwritten(key, g.shape)
    return read if lost is None else xp.setitem(read, 0, key=np.broadcast_to(lost, read.shape))


def _is_last(read: Any, key: Any, shape: tuple[int, ...]) -> Any:
    """Return which of the values that are written at a key stay, found by writing their numbers."""
    raw = raw_value(read)
    backend = BY_TYPE[type(raw)]
    assert backend is not None
    device = backend.device_of(raw)
    native, dtype = backend.native_device(device), backend.index_dtype(device)
    xp = SPACES[type(raw)]
    order = xp.arange(prod(read.shape), dtype=getattr(backend.xp, dtype), device=native)
    order = xp.reshape(order, tuple(read.shape))
    places = xp.setitem(xp.zeros(shape, dtype=order.dtype, device=native), order, key=key)
    last = xp.getitem(places, key=key) == order
    return Tensor(last) if type(read) is Tensor else last


getitem = Unary(
    "getitem(x)",
    Linear(
        lambda xp, g, like, *, key: xp.scatter(g, shape=like.shape, key=key),
        in_place="argument",
        writes=_add_at,
    ),
    shape=shape_of_read,
    batch=_read_examples,
    node_name="Index",
)
scatter = Unary(
    "scatter(g)",
    Linear(lambda xp, g, like, *, key: xp.getitem(g, key=key)),
    shape=lambda g, *, shape, key: shape,
    batch=_scatter_examples,
)
# The value comes first: its cotangent is read before the array's is cleared at the key.
_setitem = Op(
    "setitem(value, x)",
    Joint(_written_at),
    Joint(_zero_at, in_place="result", writes=lambda xp, g, *, key: xp.write(g, 0, key), masks=True),
    shape=lambda value, x, *, key: x.shape,
    dtype=lambda value, x, *, key: same_dtype(x),
    compute=lambda xp, value, x, *, key: xp.setitem(x, value, key=key),
    batch=_write_examples,
    node_name="CopySlices",
)


def setitem(x: Any, value: Any, *, key: Any) -> Tensor:
    """Return x with ``x[key] = value`` done, as backends have it."""
    return _setitem(value, x, key=key)


class Index:
    """The step of a view from a Tensor to ``x[key]``."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def see(self, base: Tensor) -> Tensor:
        return getitem(base, key=self.key)

    def write(self, base: Tensor, view: Tensor) -> Tensor:
        return setitem(base, view, key=self.key)

    def is_at(self, key: Any) -> bool:
        """Whether this is the step to ``x[key]``."""
        return type(key) is type(self.key) and bool(key == self.key)


# -- reading and writing -------------------------------------------------------------------------


def read(x: Tensor, key: Any) -> Tensor:
    """Return ``x[key]``: a view of x for integers and slices, else a copy."""
    if type(key) is not int:
        if moves(key):
            return ops.read_rows(x, key)
        key = unwrap_key(key)
    y = getitem(x, key=key)
    return link(y, x, Index(key)) if type(key) is int or is_basic(key) else y


def write(x: Tensor, key: Any, value: Any) -> None:
    """Do ``x[key] = value``, and likewise in all that share elements with x.

    Raises
    ------
    InplaceError
        If x is a leaf that requires grad, and gradients are recorded.
    """
    if moves(key):
        if not ops.shows_rows(value, x, key):
            assign(x, ops.write_rows(x, _for_writing(x, value), key))
        return
    key = unwrap_key(key)
    if isinstance(value, Tensor) and is_basic(key) and same_view(value, x, lambda step: _at(step, key)):
        return  # `x[1:3] += 1` has written through the view it read
    value = _for_writing(x, value)
    if not _write_in_place(x, value, key):
        assign(x, setitem(x, value, key=key))


def update(x: Tensor, function: Any, *others: Any) -> Tensor:
    """Give x the value ``function(x, *others)``, in place; return x."""
    check_writable(x)
    new = function(x, *others)
    name = getattr(function, "__self__", function).__name__  # of an op, whose call is given, or a function
    if new.shape != x.shape:
        raise ShapeError(
            f"{name}, in place: output with shape {x.shape} doesn't match the broadcast shape {new.shape}"
        )
    assign(x, _cast(new, x, f"{name}, in place"))
    return x


def check_writable(x: Tensor) -> None:
    """Raise if x is a leaf whose gradient an in-place change would spoil."""
    x._refresh()
    if not RECORDING.get():
        return
    if _is_leaf(x._node):
        raise InplaceError(LEAF_IN_PLACE)
    if x._alias is not None and _is_leaf(x._alias.family.node):
        raise InplaceError("a view of " + LEAF_IN_PLACE)


def _is_leaf(node: Any) -> bool:
    # The inputs of a transform are the function's own handles: NumPy code may write to them.
    return type(node) is Leaf and node.level == GROUND


def _at(step: Any, key: Any) -> bool:
    return type(step) is Index and step.is_at(key)


def _for_writing(x: Tensor, value: Any) -> Any:
    """Return a value as it can be written to x: of its dtype, on its device."""
    check_writable(x)
    if type(value) in PYTHON_SCALARS and not (type(value) is complex and not x.dtype.is_complex):
        return value
    value = plain(asarray(value))
    if value.device != x.device:
        value = ops.to(value, x.device)
    return _cast(value, x, "x[...] = value")


def _cast(value: Tensor, x: Tensor, name: str) -> Tensor:
    if value.dtype is x.dtype:
        return value
    if value.dtype.is_complex and not x.dtype.is_complex:
        raise DTypeError(f"{name}: {value.dtype} cannot be written into {x.dtype}; take its real part first")
    if value.dtype.is_floating_point and not x.dtype.is_differentiable and name != "x[...] = value":
        raise DTypeError(
            f"{name}: result type {value.dtype} can't be cast to the desired output type {x.dtype}"
        )
    return ops.astype(value, x.dtype)


def _write_in_place(x: Tensor, value: Any, key: Any) -> bool:
    """Write into x's buffer if nothing else can see it, so that n writes cost O(n).

    Whether anything else holds it is told by its reference count: a tape that saved it, a view,
    a NumPy array made of it, each hold it and make this answer False.
    """
    unshare(x)
    if x._alias is not None:
        return False
    backend = BY_TYPE[type(x._value)]
    if backend is None or not backend.owns_memory(x._value) or _holders(x) != _ALONE:
        return False
    node = x._node
    source = value._node if isinstance(value, Tensor) else None
    raw = value._value if isinstance(value, Tensor) else value
    recording = RECORDING.get()
    if type(recording) is not bool:
        return False  # who looks on sees ops
    level = max((n.level for n in (node, source) if n is not None), default=-1)
    if any(n is not None and (type(n) is Dual or n.level != level) for n in (node, source)):
        return False
    if BY_TYPE[type(raw)] is not backend and type(raw) not in PYTHON_SCALARS:
        return False
    try:
        x._value = backend.write(x._value, raw, key)
    except (ValueError, IndexError):
        return False  # `setitem` fails again, and explains
    if recording and level >= 0:
        new = _setitem.record(x._value, [raw, x._value], [source, node], level, {"key": key})
        give(x, x._value, new._node)
    return True


def _holders(x: Tensor) -> int:
    return getrefcount(x._value)


#: What `_holders` gives for a Tensor whose value nothing else holds; interpreters differ.
_ALONE = _holders(Tensor(np.zeros(1)))

# -- functions made of indexing ------------------------------------------------------------------


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Tensor:
    """Return the elements at `indices` along an axis.

    Parameters
    ----------
    x : array
        Of any shape.
    indices : array of integers
        1-D; negative ones count from the end.
    axis : int, optional
        May be left out if x has one axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.take(dualad.tensor([10.0, 20.0, 30.0]), dualad.tensor([2, 0]))
    tensor([30., 10.])
    """
    x, indices = asarray(x), asarray(indices)
    if axis is None and x.ndim != 1:
        raise ShapeError(f"take: axis must be given for an array of {x.ndim} dimensions")
    i = one_axis("take", 0 if axis is None else axis, x.ndim)
    return read(x, (*[slice(None)] * i, indices))


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """Return, for each position of `indices`, the element that it names along an axis.

    Parameters
    ----------
    x : array
        Of any shape.
    indices : array of integers
        Of as many dimensions as x, broadcasting with it in all but `axis`.
    axis : int
        The axis that the indices are of.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([[3.0, 1.0], [2.0, 4.0]])
    >>> dualad.take_along_axis(x, dualad.argsort(x, axis=1), axis=1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    x, indices = asarray(x), asarray(indices)
    if x.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_axis: x has {x.ndim} dimensions and indices {indices.ndim}; they must agree"
        )
    axis = one_axis("take_along_axis", axis, x.ndim)
    backend, device = place(x.device)
    xp = backend.xp
    key: list[Any] = []
    for i, n in enumerate(x.shape):
        if i == axis:
            key.append(indices)
        else:
            lengths = [n if j == i else 1 for j in range(x.ndim)]
            key.append(xp.reshape(xp.arange(n, device=backend.native_device(device)), tuple(lengths)))
    return read(x, tuple(key))
