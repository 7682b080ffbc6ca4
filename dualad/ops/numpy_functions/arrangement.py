"""NumPy's ways to cut, join, choose and place elements."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ...batching import is_batched
from ...engine.operands import PYTHON_SCALARS
from ...engine.tensor import Tensor
from ...errors import NumPyFunctionError, ShapeError
from .. import cumulative, elementwise, indexing, joining, linalg, pytorch, reductions, searching, sets
from .. import manipulation as manip
from ..common import one_axis
from ..conversion import asarray
from ..datatypes import result_type
from .calls import array, cast, numpy_dtype, operand, together

# -- cutting -----------------------------------------------------------------------------------


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Cut where NumPy cuts the places along the axis."""
    x = array(ary)
    axis = one_axis("np.array_split", axis, x.ndim)
    cuts = np.array_split(np.arange(x.shape[axis]), indices_or_sections)
    before = (slice(None),) * axis
    starts = np.cumsum([0, *(len(c) for c in cuts)])
    if not np.isscalar(indices_or_sections):  # cuts may overlap or reach out
        return [indexing.take(x, c, axis=axis) for c in cuts]
    return [indexing.read(x, (*before, slice(int(i), int(j)))) for i, j in pairwise(starts)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Cut into equal parts, or at places."""
    x = array(ary)
    n = x.shape[one_axis("np.split", axis, x.ndim)]
    if np.isscalar(indices_or_sections) and n % int(indices_or_sections):  # type: ignore[arg-type]
        raise ShapeError(f"np.split: {n} elements cannot be divided into {indices_or_sections!r} equal parts")
    return array_split(x, indices_or_sections, axis)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut between rows."""
    return split(ary, indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut between columns."""
    return split(ary, indices_or_sections, 1 if array(ary).ndim > 1 else 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut along the third axis."""
    return split(ary, indices_or_sections, 2)


# -- joining -----------------------------------------------------------------------------------


def concatenate(arrays: Any, axis: int | None = 0, *, dtype: Any = None) -> Tensor:
    """Join arrays along an axis."""
    return joining.concat([cast(a, dtype) for a in together(arrays)], axis=axis)


def stack(arrays: Any, axis: int = 0, *, dtype: Any = None) -> Tensor:
    """Join arrays along a new axis."""
    return joining.stack([cast(a, dtype) for a in together(arrays)], axis=axis)


def vstack(tup: Any, *, dtype: Any = None) -> Tensor:
    """Put rows below each other."""
    return concatenate([_at_least(2, a) for a in together(tup)], dtype=dtype)


def hstack(tup: Any, *, dtype: Any = None) -> Tensor:
    """Put columns beside each other."""
    parts = [_at_least(1, a) for a in together(tup)]
    return concatenate(parts, min(parts[0].ndim - 1, 1), dtype=dtype)


def dstack(tup: Any) -> Tensor:
    """Join along the third axis."""
    return joining.concat([in_three(a) for a in together(tup)], axis=2)


def column_stack(tup: Any) -> Tensor:
    """Put vectors beside each other as columns."""
    tensors = together(tup)
    return joining.concat([t if t.ndim > 1 else manip.reshape(t, (-1, 1)) for t in tensors], axis=1)


def append(arr: Any, values: Any, axis: Any = None) -> Tensor:
    """Join two arrays."""
    return joining.concat(together((arr, values)), axis=axis)


def block(arrays: Any) -> Tensor:
    """Join nested lists, the innermost along the last axis."""
    depth, items = 0, arrays
    while isinstance(items, list):
        depth, items = depth + 1, items[0]
    return _block(arrays, depth, max(depth, _most_axes(arrays)))


def _most_axes(arrays: Any) -> int:
    return max(map(_most_axes, arrays)) if isinstance(arrays, list) else array(arrays).ndim


def _block(arrays: Any, depth: int, ndim: int) -> Tensor:
    if not isinstance(arrays, list):
        return _at_least(ndim, arrays)
    return joining.concat([_block(a, depth - 1, ndim) for a in arrays], axis=-depth)


def _at_least(ndim: int, x: Any) -> Tensor:
    x = array(x)
    return x if x.ndim >= ndim else manip.reshape(x, (1,) * (ndim - x.ndim) + x.shape)


def in_three(x: Any) -> Tensor:
    """Return an array of three axes at least: a vector's is the second, a matrix' are the first two."""
    x = array(x)
    if x.ndim < 2:
        return manip.reshape(x, (1, -1, 1))
    return x if x.ndim > 2 else manip.expand_dims(x, 2)


def at_least(ndim: int, *arrays: Any) -> Any:
    """Return arrays with so many axes, new ones first: one, or a tuple of several."""
    made = tuple(in_three(a) if ndim == 3 else _at_least(ndim, a) for a in arrays)
    return made[0] if len(made) == 1 else made


# -- choosing ----------------------------------------------------------------------------------


def take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Tensor:
    """Read elements by their places; those out of bounds as `mode` says."""
    x, places = array(a), array(indices)
    if axis is None:
        x, axis = manip.reshape(x, (-1,)), 0
    n = x.shape[one_axis("np.take", axis, x.ndim)]
    if mode == "wrap":
        places = elementwise.remainder(places, n)
    elif mode == "clip":
        places = elementwise.clip(places, 0, n - 1)
    elif mode != "raise":
        raise ValueError(f"np.take: mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    return x.take(places, axis)


def compress(condition: Any, a: Any, axis: int | None = None) -> Tensor:
    """Read where a vector is true."""
    return take(a, searching.nonzero(array(condition))[0], axis)


def extract(condition: Any, arr: Any) -> Tensor:
    """Read all elements where a condition holds."""
    return take(arr, flatnonzero(condition))


def delete(arr: Any, obj: Any, axis: int | None = None) -> Tensor:
    """Read all but some places."""
    x = array(arr)
    if axis is None:
        x, axis = manip.reshape(x, (-1,)), 0
    places = np.asarray(obj) if isinstance(obj, Tensor) else obj
    return indexing.take(x, np.delete(np.arange(x.shape[axis]), places), axis=axis)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tensor:
    """The first choice whose condition holds."""
    conditions, choices = list(map(array, condlist)), list(map(operand, choicelist))
    y = operand(default)
    if type(y) in PYTHON_SCALARS:
        several = [y, *choices]
        alone = all(type(c) in PYTHON_SCALARS for c in several)
        dtype = numpy_dtype(np.result_type(*several)) if alone else result_type(*several)
        y = asarray(y, dtype=dtype, device=next((c.device for c in conditions), None))
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        y = searching.where(condition, choice, y)
    return y


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Tensor:
    """Apply each function where its condition holds, and to nothing else: one may fail there.

    In a `vmap`, where these places may differ between examples, to all elements, of which the others do
    not count.
    """
    x = array(x)
    if isinstance(condlist, Tensor) or not isinstance(condlist[0], (list, Tensor, np.ndarray)):
        condlist = [condlist]
    conditions = [array(c) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        somewhere = reductions.any(joining.stack(conditions), axis=0)
        conditions.append(elementwise.logical_not(somewhere))
    if len(funclist) != len(conditions):
        raise ValueError(f"np.piecewise: got {len(funclist)} functions for {len(conditions)} conditions")
    y = x * 0
    for condition, function in zip(conditions, funclist, strict=True):
        everywhere = is_batched(condition)
        part = x if everywhere or not callable(function) else x[condition]
        value = function(part, *args, **kw) if callable(function) else function
        if everywhere:
            y = searching.where(condition, cast(value, x.dtype), y)
        else:
            y[condition] = value
    return y


def argwhere(a: Any) -> Tensor:
    """The places that are not 0, one in a row."""
    a = array(a)
    return manip.transpose(joining.stack(searching.nonzero(a))) if a.ndim else a.reshape(1)[:0]


def flatnonzero(a: Any) -> Tensor:
    """The places that are not 0 among all elements in a line."""
    return searching.nonzero(manip.reshape(array(a), (-1,)))[0]


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    *, equal_nan: bool = True,
) -> Any:  # fmt: skip
    """The sorted values, and with them what is asked for; NaNs are one value, if `equal_nan`."""
    x = array(ar)
    values, indices, inverse, counts = sets.unique_all(x)
    if equal_nan and x.dtype.is_differentiable:
        first = int(reductions.sum((values == values).to("int64")))  # NaNs are sorted last
        if first < values.shape[0]:
            alike = reductions.sum(counts[first:], keepdims=True)
            values, indices = values[: first + 1], indices[: first + 1]
            counts = joining.concat([counts[:first], alike])
            inverse = elementwise.minimum(inverse, first)
    asked = (return_index, indices), (return_inverse, inverse), (return_counts, counts)
    more = tuple(result for wanted, result in asked if wanted)
    return (values, *more) if more else values


# -- placing -----------------------------------------------------------------------------------


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal of two axes, as the last."""
    return linalg.diagonal(manip.moveaxis(array(a), (axis1, axis2), (-2, -1)), offset=offset)


def diag(v: Any, k: int = 0) -> Tensor:
    """A diagonal, or the matrix that has it."""
    return pytorch.diag(array(v), k)


def diagflat(v: Any, k: int = 0) -> Tensor:
    """The matrix that has all elements on a diagonal."""
    return pytorch.diag(manip.reshape(array(v), (-1,)), k)


def fill_diagonal(a: Any, val: Any) -> None:
    """Write on the diagonal, in place."""
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        raise ShapeError(
            f"np.fill_diagonal: expected a matrix, or all axes of one length, got shape {a.shape}"
        )
    a[(np.arange(min(a.shape)),) * a.ndim] = val


def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Tensor:
    """Turn by right angles."""
    m = array(m)
    i, j = (one_axis("np.rot90", a, m.ndim) for a in axes)
    if i == j:
        raise ValueError(f"np.rot90: the axes must be two, got {axes}")
    for _ in range(k % 4):
        m = manip.flip(manip.transpose(m, i, j), axis=i)
    return m


def rollaxis(a: Any, axis: int, start: int = 0) -> Tensor:
    """Move an axis before another."""
    a = array(a)
    axis = one_axis("np.rollaxis", axis, a.ndim)
    start = start + a.ndim if start < 0 else start
    return manip.moveaxis(a, axis, start - 1 if axis < start else start)


def resize(a: Any, new_shape: Any) -> Tensor:
    """Repeat or cut the elements in a line to fill a shape."""
    a = array(a)
    return take(a, np.resize(np.arange(a.size), new_shape))


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of each element in a row; as running products, which differentiate at 0 too."""
    x = array(x)
    if x.ndim != 1:
        raise ShapeError(f"np.vander: expected a vector, got shape {x.shape}")
    n = x.shape[0] if N is None else N
    if n < 1:
        raise NumPyFunctionError(f"np.vander: N must be positive on Tensors, got {n}")
    factors = manip.broadcast_to(x[:, None], (x.shape[0], n - 1))
    powers = cumulative.cumulative_prod(factors, axis=1, include_initial=True)
    return powers if increasing else manip.flip(powers, axis=1)
