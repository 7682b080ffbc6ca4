"""Reading and writing dask arrays by index, block by block.

Integers and slices are dask's own. A key with index arrays is brought into one form: the axes that are
indexed come first, joined to one axis of rows, and one array says which rows. Index arrays of NumPy are
looked at, so that only the blocks that they reach take part; those of dask that are to be computed stay
lazy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from .blocks import in_memory, numbers, reshaped

Array = Any
Key = Any

INTEGERS = (int, np.integer)


@dataclass(frozen=True)
class Way:
    """The way of a key with index arrays from an array to its rows."""

    basic: tuple[Any, ...]  # its slices and new axes, with all of an axis for each index array
    shape: tuple[int, ...]  # of what these leave
    axes: tuple[int, ...]  # which of its axes have an index array
    indices: tuple[Any, ...]  # of NumPy or dask, from 0 on, each of its own shape
    place: int  # where the axes of the index are in what is read

    @property
    def known(self) -> bool:
        """Whether the indices are NumPy's."""
        return all(isinstance(i, np.ndarray) for i in self.indices)

    @property
    def whole(self) -> bool:
        """Whether the slices leave all as it is."""
        return all(k == slice(None) for k in self.basic)

    @property
    def order(self) -> tuple[int, ...]:
        """The axes, with those that are indexed in front."""
        return (*self.axes, *(i for i in range(len(self.shape)) if i not in self.axes))

    @property
    def shape_read(self) -> tuple[int, ...]:
        """The shape of what is read."""
        rest = [n for i, n in enumerate(self.shape) if i not in self.axes]
        return (*rest[: self.place], *self.index_shape, *rest[self.place :])

    @property
    def index_shape(self) -> tuple[int, ...]:
        """The shape to which the index arrays broadcast."""
        return np.broadcast_shapes(*(i.shape for i in self.indices))

    def index(self) -> Any:
        """Return which row each index names, as a vector."""
        flat = self.indices[0]
        for axis, more in zip(self.axes[1:], self.indices[1:], strict=True):
            flat = flat * self.shape[axis] + more
        if isinstance(flat, np.ndarray):
            return np.broadcast_to(flat, self.index_shape).reshape(-1)
        return reshaped(da.broadcast_to(flat, self.index_shape), (prod(self.index_shape),))

    def rows(self, x: Array) -> Array:
        """Return an array of `shape` in rows."""
        y = x.transpose(self.order)
        k = len(self.axes)
        return y if k == 1 else reshaped(y, (prod(y.shape[:k]), *y.shape[k:]))

    def from_rows(self, y: Array) -> Array:
        """Undo `rows`."""
        y = reshaped(y, tuple(self.shape[i] for i in self.order))
        return y.transpose([self.order.index(i) for i in range(len(self.order))])

    def read_as_rows(self, g: Array) -> Array:
        """Return an array of the shape of what is read as the rows that are read."""
        k = len(self.index_shape)
        g = da.moveaxis(g, range(self.place, self.place + k), range(k))
        return reshaped(g, (prod(g.shape[:k]), *g.shape[k:]))

    def rows_as_read(self, y: Array) -> Array:
        """Undo `read_as_rows`."""
        k = len(self.index_shape)
        y = reshaped(y, (*self.index_shape, *y.shape[1:]))
        return da.moveaxis(y, range(k), range(self.place, self.place + k))


def way(key: Key, shape: Sequence[int]) -> Way:
    """Return the way of a key that has an index array.

    Raises
    ------
    IndexError
        If an index of NumPy is out of bounds, or a mask has another shape than what it is for.
    """
    parts = _complete(key, shape)
    basic = tuple(slice(None) if isinstance(k, INTEGERS) else k for k, _, _ in parts)
    left = np.broadcast_to(np.int8(0), shape)[basic].shape
    axes, indices = [], []
    for i, (k, index, axis) in enumerate(parts):
        index = k if isinstance(k, INTEGERS) else index
        if index is not None:
            axes.append(i)
            indices.append(_counted(index, left[i], axis))
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    return Way(basic, left, tuple(axes), tuple(indices), axes[0] if together else 0)


def _complete(key: Key, shape: Sequence[int]) -> list[tuple[Any, Any, int]]:
    """Return the parts of a key, each for an axis or a new one.

    A part is what stands there of integers, slices and new axes; the index array that chooses from
    what that leaves, or None; and the number of the axis. Masks, whose values must be known, are
    replaced by index arrays.
    """
    given = [_as_part(k) for k in (key if isinstance(key, tuple) else (key,))]
    used = sum(_axes_used(k) for k in given)
    if used > len(shape):
        raise IndexError(f"too many indices: the array is {len(shape)}-dimensional, {used} given")
    if not any(k is ... for k in given):
        given.append(...)
    parts: list[tuple[Any, Any, int]] = []
    axis = 0
    for k in given:
        if k is ...:
            n = len(shape) - used
            parts += [(slice(None), None, axis + i) for i in range(n)]
        elif isinstance(k, INTEGERS) or k is None or isinstance(k, slice):
            n = int(k is not None)
            parts.append((k, None, axis))
        elif k.dtype.kind != "b":
            n = 1
            parts.append((slice(None), k, axis))
        else:
            n = k.ndim
            if k.shape != tuple(shape[axis : axis + n]):
                raise IndexError(f"a mask of shape {k.shape} is for other axes than those of shape {shape}")
            if n:
                parts += [(slice(None), index, axis + i) for i, index in enumerate(k.nonzero())]
            else:  # True or False: a new axis, or nothing on it
                parts.append((None, np.flatnonzero(k), axis))
        axis += n
    return parts


def _as_part(k: Any) -> Any:
    """Return a part of a key with arrays as NumPy's, but those of integers that are to be computed."""
    if k is None or k is ... or isinstance(k, slice):
        return k
    if isinstance(k, INTEGERS) and not isinstance(k, bool):
        return k
    if not isinstance(k, da.Array):
        return np.asarray(k)
    return k if k.dtype.kind != "b" and not in_memory(k) else numbers(k)


def _axes_used(k: Any) -> int:
    if k is None or k is ...:
        return 0
    return k.ndim if hasattr(k, "dtype") and k.dtype.kind == "b" else 1


def _counted(k: Any, n: int, axis: int) -> Any:
    """Return an index counted from the front."""
    if isinstance(k, da.Array):
        return da.where(k < 0, k + n, k).astype(np.int64)
    k = np.asarray(k).astype(np.int64)
    outside = (k < -n) | (k >= n)
    if outside.any():
        raise IndexError(f"index {k[outside][0]} is out of bounds for axis {axis} with size {n}")
    return np.where(k < 0, k + n, k)


# -- reading -------------------------------------------------------------------------------------


def read(x: Array, key: Key) -> Array:
    """Return ``x[key]`` for a key that has an index array."""
    w = way(key, x.shape)
    if not prod(w.shape_read):
        return da.zeros(w.shape_read, dtype=x.dtype, chunks=-1)
    x = x[w.basic]
    if w.known and len(w.axes) == 1:
        return reshaped(da.take(x, w.index(), axis=w.axes[0]), w.shape_read)
    if w.known:
        places: list[Any] = [slice(None)] * x.ndim
        for axis, index in zip(w.axes, np.broadcast_arrays(*w.indices), strict=True):
            places[axis] = index
        k = len(w.index_shape)
        return da.moveaxis(x.vindex[tuple(places)], range(k), range(w.place, w.place + k))
    return w.rows_as_read(_rows_at(w.rows(x), w.index()))


def _rows_at(x: Array, index: Any) -> Array:
    """Return the rows of x at an index; each block of it takes from the blocks of x, one after the other."""
    index = da.asarray(index)
    starts = np.cumsum((0, *x.chunks[0]))
    name = "rows-" + tokenize(x.name, index.name)
    graph: dict[Any, Any] = {}
    for i, *rest in np.ndindex(index.numblocks[0], *x.numblocks[1:]):
        source: Any = None
        for j, start in enumerate(starts[:-1]):
            step = (name, i, *rest) if j == x.numblocks[0] - 1 else (f"{name}-step", i, j, *rest)
            graph[step] = (_block_of_rows, source, (x.name, j, *rest), (index.name, i), start)
            source = step
    layers = HighLevelGraph.from_collections(name, graph, dependencies=[x, index])
    return da.Array(layers, name, (index.chunks[0], *x.chunks[1:]), meta=x._meta)


def _block_of_rows(out: Any, block: Any, index: Any, start: int) -> Any:
    inside = (index >= start) & (index < start + len(block))
    new = np.zeros((len(index), *block.shape[1:]), block.dtype) if out is None else out.copy()
    new[inside] = block[index[inside] - start]
    return new


# -- writing -------------------------------------------------------------------------------------


def write(x: Array, value: Array, key: Key) -> Array:
    """Return x with ``x[key] = value`` done, for a key that has an index array."""
    w = way(key, x.shape)
    value = da.broadcast_to(value, w.shape_read)
    if not prod(value.shape):
        return x
    inner = x[w.basic]
    new = w.from_rows(_at_rows(w.rows(inner), w.index(), w.read_as_rows(value), add=False))
    return new if w.whole else write_basic(x, new, w.basic)


def write_basic(x: Array, value: Array, key: tuple[Any, ...]) -> Array:
    """Return x with ``x[key] = value`` done, for integers, slices and new axes."""
    value = da.broadcast_to(value, np.broadcast_to(np.int8(0), x.shape)[key].shape)
    if not prod(value.shape):
        return x
    # Dask writes at slices that go forward, which is all that is asked of it here.
    value, places = _with_all_axes(value, key, x.shape)
    x = handle(x)
    x[tuple(slice(p.start, p.stop, p.step) for p in places)] = value
    return x


def handle(x: Array) -> Array:
    """Return an array of the same graph: writing to one does not reach the other."""
    return da.Array(x.dask, x.name, x.chunks, meta=x._meta, shape=x.shape)


def add_at(g: Array, key: Key, shape: tuple[int, ...]) -> Array:
    """Return zeros of a shape with g added at a key that has an index array."""
    w = way(key, shape)
    g = w.read_as_rows(g)
    n = prod(w.shape[i] for i in w.axes)
    rows = _zeros(g, 0, n)
    y = w.from_rows(_at_rows(rows, w.index(), g, add=True))
    return y if w.whole else add_basic(y, w.basic, shape)


def _at_rows(x: Array, index: Any, value: Array, add: bool) -> Array:
    """Return x with the rows of `value` added, or written, at an index.

    Each block of x takes the blocks of `value` one after the other, so that no more than a block of
    each is needed at a time.
    """
    value = value.rechunk(dict(enumerate(x.chunks[1:], 1)))
    starts = np.cumsum((0, *x.chunks[0]))
    parts = da.from_array(index, chunks=(value.chunks[0],)) if isinstance(index, np.ndarray) else index
    parts = parts.rechunk((value.chunks[0],))
    ends = np.cumsum((0, *value.chunks[0]))
    name = "rows-" + tokenize(x.name, parts.name, value.name, add)
    graph: dict[Any, Any] = {}
    for j, start in enumerate(starts[:-1]):
        reaching = range(value.numblocks[0])
        if isinstance(index, np.ndarray):
            inside = (index >= start) & (index < starts[j + 1])
            reaching = [i for i in reaching if inside[ends[i] : ends[i + 1]].any()]
        for rest in np.ndindex(*x.numblocks[1:]):
            source: Any = (x.name, j, *rest)
            for i in reaching:
                step = (f"{name}-step", j, i, *rest)
                graph[step] = (_block_at_rows, source, (parts.name, i), (value.name, i, *rest), start, add)
                source = step
            graph[(name, j, *rest)] = source
    layers = HighLevelGraph.from_collections(name, graph, dependencies=[x, parts, value])
    return da.Array(layers, name, x.chunks, meta=x._meta)


def _block_at_rows(block: Any, index: Any, value: Any, start: int, add: bool) -> Any:
    inside = (index >= start) & (index < start + len(block))
    out = block.copy()
    if add:
        np.add.at(out, index[inside] - start, value[inside])
    else:
        out[index[inside] - start] = value[inside]
    return out


def add_basic(g: Array, key: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    """Return zeros of a shape with g at integers, slices and new axes."""
    g, places = _with_all_axes(g, key, shape)
    for axis, (p, n) in enumerate(zip(places, shape, strict=True)):
        if p.step > 1 and len(p) > 1:
            g = _spread(g, axis, p.step)
        before, after = p[0], n - 1 - p[-1]
        g = da.concatenate([_zeros(g, axis, before), g, _zeros(g, axis, after)], axis=axis)
    return g


def _with_all_axes(y: Array, key: tuple[Any, ...], shape: Sequence[int]) -> tuple[Array, list[range]]:
    """Return what is read at a key with the axes of the array, none of them backwards, and its places."""
    # The new axes go, and one of length 1 comes for each integer.
    y = y[tuple(0 if k is None else slice(None) if isinstance(k, slice) else None for k in key)]
    places = []
    for axis, (k, n) in enumerate(zip((k for k in key if k is not None), shape, strict=True)):
        p = range(n)[k] if isinstance(k, slice) else range(n)[k % n : k % n + 1]
        if p.step < 0:
            y, p = da.flip(y, axis), p[::-1]
        places.append(p)
    return y, places


def _zeros(g: Array, axis: int, n: int) -> Array:
    """Return zeros of the shape and blocks of g but for the length n of an axis."""
    shape = tuple(n if i == axis else m for i, m in enumerate(g.shape))
    length: Any = "auto" if prod(shape) else -1  # dask divides by the size
    chunks = tuple(length if i == axis else c for i, c in enumerate(g.chunks))
    return da.zeros(shape, dtype=g.dtype, chunks=chunks)


def _spread(g: Array, axis: int, step: int) -> Array:
    """Return g with ``step - 1`` zeros between its elements along an axis."""
    chunks = tuple(tuple(n * step for n in c) if i == axis else c for i, c in enumerate(g.chunks))
    y = da.map_blocks(_spread_block, g, axis=axis, step=step, chunks=chunks, dtype=g.dtype, meta=g._meta)
    n = (g.shape[axis] - 1) * step + 1
    return y[(*[slice(None)] * axis, slice(0, n))]


def _spread_block(block: Any, axis: int, step: int) -> Any:
    shape = tuple(n * step if i == axis else n for i, n in enumerate(block.shape))
    out = np.zeros(shape, block.dtype)
    out[(*[slice(None)] * axis, slice(None, None, step))] = block
    return out


# -- keys ----------------------------------------------------------------------------------------


def complete_basic(key: Key, shape: Sequence[int]) -> tuple[Any, ...]:
    """Return a key of integers, slices and new axes with one part for each axis."""
    return tuple(k for k, _, _ in _complete(key, shape))


def is_mask(key: Key, x: Array) -> bool:
    """Whether a key is one mask of all elements of x."""
    return hasattr(key, "dtype") and key.dtype.kind == "b" and key.shape == x.shape
