"""Indexing with indices that differ from example to example of a `vmap`.

An index is a keyword of `getitem`, the same for all examples. Where it is not, what is indexed is
brought into rows, of which one index array names one each, by three ops whose index is an argument
like any other. On a batch the rows of all examples are rows of one longer array.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..backends.keys import is_basic
from ..backends.registry import BY_TYPE
from ..batching import is_batched, reshaped, spread
from ..engine.fit import zeros
from ..engine.namespace import ops
from ..engine.node import Batched
from ..engine.operands import PYTHON_SCALARS, snapshot
from ..engine.shapes import broadcast, shape_of
from ..engine.tensor import Tensor, raw_value
from ..engine.views import link, same_view
from ..errors import AxisError, BatchError, ShapeError
from ..op import REGISTRY, Op
from ..rules import Joint, Linear
from .common import same_dtype
from .conversion import asarray
from .elementwise import add
from .indexing import getitem, setitem
from .keys import unwrap_key, without_leading_ones
from .manipulation import broadcast_to
from .searching import nonzero, where

# -- ops -------------------------------------------------------------------------------------------


def _numbered(index: Any, size: int, n: int) -> Any:
    """Return an index into the rows of each example as one into those of all, n of each."""
    index = spread(index, size)
    begin = _range_beside(index, size * n, n) if n else _range_beside(index, size, 1)
    return add.below(index, reshaped(begin, (size, *[1] * (len(index.shape) - 1))))


def _range_beside(index: Any, stop: int, step: int = 1) -> Any:
    """Return the numbers from 0 on as an array on the device, and of the dtype, of an index."""
    raw = raw_value(index)
    backend = BY_TYPE[type(raw)]
    assert backend is not None
    native = backend.native_device(backend.device_of(raw))
    return backend.xp.arange(0, stop, step, dtype=raw.dtype, device=native)


def _rows_of_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    x, index = values
    if type(x) is not Batched:
        return op.below(x, index.value)
    n, *rest = x.shape
    return op.below(reshaped(x.value, (size * n, *rest)), _numbered(index, size, n))


def _add_rows_of_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    g, index = values
    n, rest = static["n"], g.shape[len(index.shape) :]
    total = op.below(spread(g, size), _numbered(index, size, n), n=size * n)
    return reshaped(total, (size, n, *rest))


def _set_rows_of_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    value, x, index = values
    n, *rest = x.shape
    value = value if type(value) in PYTHON_SCALARS else spread(value, size)
    y = op.below(value, reshaped(spread(x, size), (size * n, *rest)), _numbered(index, size, n))
    return reshaped(y, (size, n, *rest))


def _written_rows(xp: Any, g: Any, like: Any, index: Any) -> Any:
    """Read the cotangent of what was written; where a row was written twice, of the last value."""
    read, count = rows.within(xp, g, index), prod(index.shape)
    if count < 2:
        return read
    order = reshaped(_range_beside(index, count), index.shape)
    order = Tensor(order) if xp is ops else order
    places = set_rows.within(xp, order, zeros(g.shape[:1], index.dtype, index), index)
    lasts = rows.within(xp, places, index) == order
    return xp.where(xp.reshape(lasts, (*index.shape, *[1] * (len(g.shape) - 1))), read, 0)


#: ``x[index]``, for one array of indices that are not negative.
rows: Op = Op(
    "rows(x, index)",
    Linear(lambda xp, g, like, index: add_rows.within(xp, g, index, n=like.shape[0])),
    None,
    shape=lambda x, index: (*index.shape, *x.shape[1:]),
    dtype=same_dtype,
    compute=lambda xp, x, index: xp.getitem(x, key=index),
    batch=_rows_of_examples,
)
#: The adjoint of `rows`: zeros, n rows of them, with `g` added at the index.
add_rows: Op = Op(
    "add_rows(g, index)",
    Linear(lambda xp, g, like, index: rows.within(xp, g, index)),
    None,
    shape=lambda g, index, *, n: (n, *g.shape[len(index.shape) :]),
    dtype=same_dtype,
    compute=lambda xp, g, index, *, n: xp.scatter(g, shape=(n, *g.shape[len(index.shape) :]), key=index),
    batch=_add_rows_of_examples,
)
#: x with ``x[index] = value`` done; the value has the shape of ``x[index]``, or is a number.
set_rows: Op = Op(
    "set_rows(value, x, index)",
    Joint(_written_rows),
    Joint(lambda xp, g, like, index: set_rows.within(xp, 0, g, index), masks=True),
    None,
    shape=lambda value, x, index: x.shape,
    dtype=lambda value, x, index: same_dtype(x),
    compute=lambda xp, value, x, index: xp.setitem(x, value, key=index),
    batch=_set_rows_of_examples,
)

_reshape, _permute_dims = REGISTRY["reshape"], REGISTRY["permute_dims"]

# -- keys ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Way:
    """The way from an array to its rows, and from what is read of them to what the key stands for."""

    basic: tuple[Any, ...]  # the slices and new axes of the key, with all of an axis for each index array
    shape: tuple[int, ...]  # of what these leave
    order: tuple[int, ...]  # its axes, those with an index array in front
    count: int  # how many these are
    index: Tensor  # which row, counted over these axes
    place: int  # where NumPy puts the axes of the index

    def rows_of(self, x: Tensor) -> Tensor:
        """Return x in rows."""
        y = x if all(k == slice(None) for k in self.basic) else getitem(x, key=self.basic)
        y = _permuted(y, self.order)
        return _shaped(y, (prod(y.shape[: self.count]), *y.shape[self.count :]))

    def as_key_has_it(self, y: Tensor) -> Tensor:
        """Return what was read of the rows with its axes where NumPy has them."""
        return _permuted(y, self._axes(y.ndim))

    def as_rows_have_it(self, y: Tensor) -> Tensor:
        """Return an array in the form of what is read with its axes as the rows have them."""
        return _permuted(y, _inverse(self._axes(y.ndim)))

    def _axes(self, ndim: int) -> tuple[int, ...]:
        k, before = self.index.ndim, self.index.ndim + self.place
        return (*range(k, before), *range(k), *range(before, ndim))

    def put_back(self, z: Tensor, x: Tensor) -> Tensor:
        """Return x with its rows, but for what the slices leave out, replaced by z."""
        y = _permuted(_shaped(z, tuple(self.shape[i] for i in self.order)), _inverse(self.order))
        return y if all(k == slice(None) for k in self.basic) else setitem(x, y, key=self.basic)


def _permuted(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x if axes == tuple(range(len(axes))) else _permute_dims(x, axes=axes)


def _shaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if shape == x.shape else _reshape(x, shape=shape)


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def _way(x: Tensor, key: Any) -> _Way:
    basic: list[Any] = []
    found: list[tuple[int, Tensor]] = []  # the axis, and its index from 0 on
    axis = 0
    for k in _complete(key, x):
        if isinstance(k, Tensor) and not k.ndim and k.dtype.kind == "bool":
            # True or False: a new axis, or nothing on it.
            found.append((len(basic), _counted(nonzero(k.reshape(1))[0], 1, axis, x)))
            basic.append(None)
            continue
        if isinstance(k, Tensor):
            found.append((len(basic), _counted(k, x.shape[axis], axis, x)))
            k = slice(None)
        basic.append(k)
        axis += k is not None
    axes = [a for a, _ in found]
    shape = np.broadcast_to(np.int8(0), x.shape)[tuple(basic)].shape
    index = found[0][1]
    for a, more in found[1:]:
        index = index * shape[a] + more
    rest = [a for a in range(len(basic)) if a not in axes]
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    return _Way(tuple(basic), shape, (*axes, *rest), len(axes), snapshot(index), axes[0] if together else 0)


def _complete(key: Any, x: Tensor) -> list[Any]:
    """Return a key's parts, one for each axis and new axis; what indexes as an array does, as Tensors."""
    parts: list[Any] = []
    for k in _parts(key):
        part = k if isinstance(k, Tensor) else unwrap_key(k)
        if part is None or part is ... or type(part) is slice:
            parts.append(part)
            continue
        index = asarray(part)
        if index.dtype.kind != "bool":
            parts.append(index)
        elif is_batched(index):
            raise BatchError(
                "vmap: reading x[mask] gives a number of elements that may differ between examples; use "
                "dualad.where(mask, x, ...)"
            )
        else:
            parts.extend(nonzero(index) if index.ndim else (index,))
    used = sum(
        not (k is None or k is ... or (isinstance(k, Tensor) and k.dtype.kind == "bool")) for k in parts
    )
    if used > x.ndim:
        raise AxisError(f"too many indices: the array is {x.ndim}-dimensional, {used} were given")
    if ... not in [k for k in parts if not isinstance(k, Tensor)]:
        parts.append(...)
    i = next(i for i, k in enumerate(parts) if k is ...)
    return [*parts[:i], *[slice(None)] * (x.ndim - used), *parts[i + 1 :]]


def _counted(index: Tensor, n: int, axis: int, x: Tensor) -> Tensor:
    """Return an index into an axis of length n of x, with what counts from the end counted from the front."""
    if index.dtype.is_differentiable:
        raise IndexError(f"indices must be integers or booleans, got {index.dtype}")
    backend = BY_TYPE[type(raw_value(x))]
    assert backend is not None
    index = ops.to(index, x.device, dtype=backend.index_dtype(x.device))
    raw = raw_value(index)
    if backend.is_tracing(raw):  # what is out of bounds is the backend's to tell
        return where(index < 0, index + n, index)
    if bool(backend.xp.any((raw < -n) | (raw >= n))):
        raise AxisError(f"an index is out of bounds for axis {axis} with size {n}")
    return where(index < 0, index + n, index) if bool(backend.xp.any(raw < 0)) else index


# -- reading and writing -----------------------------------------------------------------------------


class Rows:
    """The step of a view from a Tensor to ``x[key]``, where integers in the key differ between examples."""

    __slots__ = ("parts", "way")

    def __init__(self, way: _Way, key: Any) -> None:
        self.way = way
        self.parts = [snapshot(k) if isinstance(k, Tensor) else k for k in _parts(key)]

    def see(self, base: Tensor) -> Tensor:
        return self.way.as_key_has_it(rows(self.way.rows_of(base), self.way.index))

    def write(self, base: Tensor, view: Tensor) -> Tensor:
        changed = set_rows(self.way.as_rows_have_it(view), self.way.rows_of(base), self.way.index)
        return self.way.put_back(changed, base)

    def is_at(self, key: Any) -> bool:
        """Whether this is the step to ``x[key]``: with the same Tensors, not written to since."""
        parts = _parts(key)
        return len(parts) == len(self.parts) and all(map(_is_same, parts, self.parts))


def _parts(key: Any) -> tuple[Any, ...]:
    return key if type(key) is tuple else (key,)


def _is_same(k: Any, kept: Any) -> bool:
    if not isinstance(k, Tensor) or not isinstance(kept, Tensor):
        return type(k) is type(kept) and bool(np.all(k == kept))
    k = snapshot(k)
    return k._value is kept._value and k._node is kept._node


def read(x: Tensor, key: Any) -> Tensor:
    """Return ``x[key]`` for a key with Tensors that differ between examples.

    For a key of integers and slices it is a view, as it is for an integer, else a copy.
    """
    step = Rows(_way(x, key), key)
    y = step.see(x)
    return link(y, x, step) if all(map(_is_basic, step.parts)) else y


def _is_basic(k: Any) -> bool:
    """Whether a part of a key is an integer, a slice, an ellipsis or a new axis."""
    if isinstance(k, Tensor):
        return not k.ndim and k.dtype.kind != "bool"
    return is_basic(k)


def shows(y: Any, x: Tensor, key: Any) -> bool:
    """Whether y is, up to date, the view ``x[key]``: `x[i] += 1` has written through it."""
    return isinstance(y, Tensor) and same_view(y, x, lambda step: type(step) is Rows and step.is_at(key))


def written(x: Tensor, value: Any, key: Any) -> Tensor:
    """Return x with ``x[key] = value`` done, for such a key."""
    masks = [k for k in _parts(key) if _is_mask(k)]
    if masks:
        return _masked(x, value, key, masks[0])
    way = _way(x, key)
    z = way.rows_of(x)
    shape = way.as_key_has_it(rows(z, way.index)).shape
    value = asarray(value, dtype=x.dtype, device=x.device)
    value = _shaped(value, without_leading_ones(value.shape, len(shape)))
    try:
        value = broadcast_to(value, shape)
    except ShapeError:
        raise ShapeError(
            f"x[...] = value: a value of shape {value.shape} does not fit the shape written to, {shape}"
        ) from None
    return way.put_back(set_rows(way.as_rows_have_it(value), z, way.index), x)


def _is_mask(k: Any) -> bool:
    """Whether a part of a key is a mask that differs between examples."""
    return isinstance(k, Tensor) and k.dtype.kind == "bool" and is_batched(k)


def _broadcasts(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether a value fits a shape without being longer."""
    try:
        return broadcast(shape_of(value), shape) == shape
    except ValueError:
        return False


def _masked(x: Tensor, value: Any, key: Any, mask: Tensor) -> Tensor:
    """Write where a mask is true: choose between the value and what is there."""
    parts = _parts(key)
    place = next(i for i, k in enumerate(parts) if k is mask)
    before, behind = parts[:place], parts[place + 1 :]
    alone = all(k is ... or (type(k) is slice and k == slice(None)) for k in (*before, *behind))
    axis = x.ndim - mask.ndim - len(behind) if any(k is ... for k in before) else len(before)
    rest = x.shape[axis + mask.ndim :]
    if not alone or mask.shape != x.shape[axis : axis + mask.ndim] or not _broadcasts(value, rest):
        raise BatchError(
            f"vmap: x[mask] = value, with a mask of shape {mask.shape} that differs between examples: the "
            f"mask must be the only index, and the value fit each row, of shape {rest}; use "
            "dualad.where(mask, value, x)"
        )
    return where(_shaped(mask, (*mask.shape, *[1] * len(rest))), value, x)
