"""The standard's manipulation functions: the same elements in another shape, order or dtype."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..backends.registry import BY_TYPE
from ..batching import aligned, along, broadcast, is_batched
from ..dtypes import as_dtype
from ..engine import shapes
from ..engine.fit import astype as fit_dtype
from ..engine.namespace import ops
from ..engine.tensor import Tensor, raw_value
from ..engine.views import detach, link
from ..errors import BatchError, DTypeError, ShapeError
from ..op import Unary
from ..rules import Linear, Scale
from .common import all_axes, as_shape, one_axis, whole
from .conversion import asarray, require_dtype
from .creation import arange
from .indexing import getitem, take

# -- ops ---------------------------------------------------------------------------------------


def _permuted(x: Any, *, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(x.shape[i] for i in axes)


def _permute_back(xp: Any, g: Any, like: Any, *, axes: tuple[int, ...]) -> Any:
    return xp.permute_dims(g, tuple(sorted(range(len(axes)), key=axes.__getitem__)))


def _permute_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    return op.below(values[0].value, axes=(0, *(a + 1 for a in static["axes"])))


def _broadcast_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    shape = static["shape"]
    return op.below(aligned(values[0], len(shape)), shape=(size, *shape))


_reshape = Unary(
    "reshape(x)",
    Linear(lambda xp, g, like: xp.reshape(g, like.shape)),
    shape=lambda x, *, shape: shape,
    batch=lambda op, size, values, static: op.below(values[0].value, shape=(size, *static["shape"])),
    node_name="View",
)
_permute_dims = Unary(
    "permute_dims(x)", Linear(_permute_back), shape=_permuted, batch=_permute_examples, node_name="Permute"
)
_broadcast_to = Unary(
    "broadcast_to(x)",
    Linear(lambda xp, g, like: g),
    shape=lambda x, *, shape: shape,
    batch=_broadcast_examples,
    node_name="Expand",
)
_flip = Unary(
    "flip(x)",
    Linear(lambda xp, g, like, *, axis: xp.flip(g, axis=axis)),
    shape=shapes.same,
    batch=along("axis"),
)
_roll = Unary(
    "roll(x)",
    Linear(lambda xp, g, like, *, shift, axis: xp.roll(g, tuple(-s for s in shift), axis=axis)),
    shape=shapes.same,
    batch=along("axis"),
)
_astype = Unary(
    "astype(x)",
    Linear(lambda xp, g, like: g),
    dtype=lambda x, *, dtype: dtype,
    compute=lambda xp, x, *, dtype: fit_dtype(xp, x, dtype),
    batch=broadcast,
    node_name="ToCopy",
)
_clone = Unary("clone(x)", Scale(1), compute=lambda xp, x: xp.copy(x))
_tril = Unary(
    "tril(x)", Linear(lambda xp, g, like, *, k: xp.tril(g, k=k)), shape=shapes.same, batch=broadcast
)
_triu = Unary(
    "triu(x)", Linear(lambda xp, g, like, *, k: xp.triu(g, k=k)), shape=shapes.same, batch=broadcast
)


class Inverse:
    """The step of a view that is written back through its inverse, a function of base and view."""

    __slots__ = ("back", "forth")

    def __init__(self, forth: Any, back: Any) -> None:
        self.forth, self.back = forth, back

    def see(self, base: Tensor) -> Tensor:
        return self.forth(base)

    def write(self, base: Tensor, view: Tensor) -> Tensor:
        return self.back(view, base)


# -- shape -------------------------------------------------------------------------------------


def reshape(x: Any, shape: Any, *, copy: bool | None = None) -> Tensor:
    """Return the elements of x in another shape, one length of which may be -1.

    Where the backend's reshape shares memory the result is a view of x: writing to one reaches
    the other. ``copy=True`` makes a copy in any case, ``copy=False`` raises if one is needed.

    Raises
    ------
    ShapeError
        If the number of elements is not that of x.

    Examples
    --------
    >>> import dualad
    >>> dualad.reshape(dualad.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    x = asarray(x)
    wanted = _complete(x.shape, as_shape(shape))
    y = _reshape(x, shape=wanted)
    if copy:
        return clone(y)
    raw, base = y._raw, x._raw
    backend = BY_TYPE[type(raw)]
    # In a batch the elements of an example may lie otherwise than alone: there it is always a view.
    if not is_batched(x) and (backend is None or not backend.is_view(raw, base)):
        if copy is False:
            raise ValueError(f"reshape: copy=False, but {x.shape} to {wanted} needs a copy here")
        return y
    return _linked(y, x)


def view(x: Tensor, shape: Any) -> Tensor:
    """Return the elements of x in another shape, always as a view of x, however the elements lie."""
    return _linked(_reshape(x, shape=_complete(x.shape, as_shape(shape))), x)


def _linked(y: Tensor, x: Tensor) -> Tensor:
    """Return a reshape of x as a view of it."""
    shape = y.shape
    step = Inverse(lambda b: _reshape(b, shape=shape), lambda v, b: _reshape(v, shape=b.shape))
    return link(y, x, step)


def _complete(have: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    n, known = prod(have), prod(k for k in shape if k != -1)
    fits = n == known if -1 not in shape else shape.count(-1) == 1 and known != 0 and n % known == 0
    if not fits or any(k < -1 for k in shape):
        raise ShapeError(f"reshape: shape {shape} is invalid for input of size {n} (shape {have})")
    return tuple(n // known if k == -1 else k for k in shape)


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return x with the axes from `start_dim` to `end_dim` joined into one.

    Examples
    --------
    >>> import dualad
    >>> dualad.flatten(dualad.ones(2, 3, 4), 1).shape
    (2, 12)
    """
    x = asarray(x)
    if not x.ndim:
        return reshape(x, (1,))
    start, end = one_axis("flatten", start_dim, x.ndim), one_axis("flatten", end_dim, x.ndim)
    if start > end:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}, of shape {x.shape}")
    return reshape(x, (*x.shape[:start], prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def permute_dims(x: Any, axes: Any) -> Tensor:
    """Return x with its axes in another order, a view of it.

    Examples
    --------
    >>> import dualad
    >>> dualad.permute_dims(dualad.ones(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = asarray(x)
    axes = tuple(one_axis("permute_dims", a, x.ndim) for a in axes)
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError(f"permute_dims: axes must be a permutation of {x.ndim} axes, got {axes}")
    back = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    step = Inverse(lambda b: _permute_dims(b, axes=axes), lambda v, b: _permute_dims(v, axes=back))
    return link(_permute_dims(x, axes=axes), x, step)


def transpose(x: Any, *axes: Any) -> Tensor:
    """Return x with two axes swapped (PyTorch), or all reversed or permuted (NumPy).

    Examples
    --------
    >>> import dualad
    >>> dualad.transpose(dualad.ones(2, 3, 4), 0, 1).shape, dualad.transpose(dualad.ones(2, 3, 4)).shape
    ((3, 2, 4), (4, 3, 2))
    """
    x = asarray(x)
    if len(axes) == 2:
        i, j = (one_axis("transpose", a, x.ndim) for a in axes)
        order = list(range(x.ndim))
        order[i], order[j] = order[j], order[i]
        return permute_dims(x, order)
    return permute_dims(x, as_shape(axes) if axes else range(x.ndim)[::-1])


def transpose_matrix(x: Tensor) -> Tensor:
    """Return the transpose of a matrix, or a vector as it is; see `Tensor.t`."""
    if x.ndim > 2:
        raise ShapeError(f"t: expected at most two axes, got shape {x.shape}; use .T or .mT")
    return transpose(x)


def matrix_transpose(x: Any) -> Tensor:
    """Return the matrices in the last two axes of x transposed, a view of it.

    Examples
    --------
    >>> import dualad
    >>> dualad.matrix_transpose(dualad.ones(5, 2, 3)).shape
    (5, 3, 2)
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: expected at least two axes, got shape {x.shape}")
    return transpose(x, -1, -2)


def moveaxis(x: Any, source: Any, destination: Any, /) -> Tensor:
    """Return x with axes moved to other places, the others keeping their order.

    Examples
    --------
    >>> import dualad
    >>> dualad.moveaxis(dualad.ones(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    x = asarray(x)
    sources = [one_axis("moveaxis", a, x.ndim) for a in as_shape(source)]
    places = [one_axis("moveaxis", a, x.ndim) for a in as_shape(destination)]
    if len(sources) != len(places) or len(set(sources)) < len(sources) or len(set(places)) < len(places):
        raise ShapeError(f"moveaxis: cannot move axes {source} to {destination}")
    order = [i for i in range(x.ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute_dims(x, order)


def expand_dims(x: Any, /, axis: Any = 0) -> Tensor:
    """Return x with axes of length 1 put in, so that they are at `axis` in the result.

    Examples
    --------
    >>> import dualad
    >>> dualad.expand_dims(dualad.ones(3), axis=0).shape
    (1, 3)
    """
    x = asarray(x)
    axes = as_shape(axis)
    at = all_axes("expand_dims", axes, x.ndim + len(axes))
    lengths = iter(x.shape)
    return reshape(x, tuple(1 if i in at else next(lengths) for i in range(x.ndim + len(at))))


def squeeze(x: Any, /, axis: Any = None, *, dim: Any = None) -> Tensor:
    """Return x without the axes in `axis`, each of which must be of length 1; without all such if None.

    PyTorch's `dim` leaves axes as they are that are longer.

    Examples
    --------
    >>> import dualad
    >>> dualad.squeeze(dualad.ones(1, 3), 0).shape
    (3,)
    """
    x = asarray(x)
    if axis is None:
        axis = tuple(i for i in all_axes("squeeze", dim, x.ndim) if x.shape[i] == 1)
    at = all_axes("squeeze", axis, x.ndim)
    if any(x.shape[i] != 1 for i in at):
        raise ShapeError(f"squeeze: axis {axis} of shape {x.shape} is not of length 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in at))


def broadcast_to(x: Any, /, shape: Any) -> Tensor:
    """Return x repeated along new axes and along those of length 1, to have a shape.

    Examples
    --------
    >>> import dualad
    >>> dualad.broadcast_to(dualad.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    x, shape = asarray(x), as_shape(shape)
    try:
        fits = shapes.broadcast(x.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"broadcast_to: an array of shape {x.shape} cannot be broadcast to {shape}")
    return _broadcast_to(x, shape=shape)


def expand(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Broadcast x to a shape, where -1 keeps an axis as it is, as in PyTorch."""
    have = (1,) * (len(shape) - x.ndim) + x.shape
    return broadcast_to(x, tuple(h if n == -1 else n for h, n in zip(have, shape, strict=True)))


def broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    """Return the arrays broadcast against each other.

    Examples
    --------
    >>> import dualad
    >>> [x.shape for x in dualad.broadcast_arrays(dualad.ones(3), dualad.ones(2, 1))]
    [(2, 3), (2, 3)]
    """
    tensors = [asarray(a) for a in arrays]
    try:
        shape = shapes.broadcast(*(t.shape for t in tensors))
    except ValueError:
        listed = " and ".join(str(t.shape) for t in tensors)
        raise ShapeError(f"broadcast_arrays: shapes {listed} do not fit together") from None
    return tuple(broadcast_to(t, shape) for t in tensors)


def meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Return coordinate matrices from coordinate vectors, with ``"xy"`` or ``"ij"`` indexing.

    Examples
    --------
    >>> import dualad
    >>> dualad.meshgrid(dualad.arange(2), dualad.arange(3), indexing="ij")[0]
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    n = len(arrays)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[:2] = [1, 0]
    lined = [
        reshape(asarray(a), tuple(-1 if j == place else 1 for j in range(n)))
        for a, place in zip(arrays, places, strict=True)
    ]
    return broadcast_arrays(*lined)


# -- order and repetition ------------------------------------------------------------------------


def flip(x: Any, /, axis: Any = None, *, dims: Any = None) -> Tensor:
    """Return x with the order of its elements reversed, along all axes or those in `axis` (`dims`).

    Examples
    --------
    >>> import dualad
    >>> dualad.flip(dualad.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    x = asarray(x)
    return _flip(x, axis=all_axes("flip", axis if dims is None else dims, x.ndim))


def roll(x: Any, /, shift: Any, axis: Any = None, *, dims: Any = None) -> Tensor:
    """Return x with its elements rolled along axes (PyTorch's `dims`), or, without, as one vector.

    Examples
    --------
    >>> import dualad
    >>> dualad.roll(dualad.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    x = asarray(x)
    axis = axis if dims is None else dims
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, axis=0), x.shape)
    axes = tuple(one_axis("roll", a, x.ndim) for a in as_shape(axis))
    shifts = tuple(shift) if isinstance(shift, (tuple, list)) else (shift,)
    n = max(len(axes), len(shifts))
    if {len(axes), len(shifts)} - {1, n}:
        raise ShapeError(f"roll: got {len(shifts)} shifts for {len(axes)} axes")
    axes, shifts = axes * (n // len(axes)), shifts * (n // len(shifts))
    if any(is_batched(s) for s in shifts):
        for a, s in zip(axes, shifts, strict=True):
            x = _rolled(x, asarray(s), a)
        return x
    return _roll(x, shift=tuple(whole("roll", "shift", s) for s in shifts), axis=axes)


def _rolled(x: Tensor, shift: Tensor, axis: int) -> Tensor:
    """Roll by a number of places that differs between the examples of a `vmap`."""
    n = x.shape[axis]
    places = arange(n, dtype=shift.dtype, device=x.device) - shift
    return take(x, places % n, axis=axis) if n else x


def repeat(x: Any, repeats: Any, /, axis: int | None = None) -> Tensor:
    """Return x with each element repeated, along an axis or, without one, as a vector.

    Parameters
    ----------
    x : array
        Of any shape.
    repeats : int or 1-D array of integers
        How often; with an array, for each place along the axis.
    axis : int, optional
        The axis to repeat along.

    Examples
    --------
    >>> import dualad
    >>> dualad.repeat(dualad.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    x = asarray(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    if is_batched(repeats):
        raise BatchError("vmap: repeat: repeats must be the same for all examples, as they tell the shape")
    raw = raw_value(repeats)
    backend = BY_TYPE[type(raw)]
    counts = np.asarray(raw) if backend is None else backend.to_numpy(raw)
    axis = one_axis("repeat", axis, x.ndim)
    fits = counts.shape in ((), (1,), (x.shape[axis],))
    if counts.dtype.kind not in "iu" or (counts < 0).any() or not fits:
        raise ShapeError(
            f"repeat: repeats must be an integer that is not negative, or {x.shape[axis]} of them for axis "
            f"{axis} of shape {x.shape}, got {repeats!r}"
        )
    places = np.repeat(np.arange(x.shape[axis]), counts)
    return getitem(x, key=(*[slice(None)] * axis, places))


def tile(x: Any, repetitions: Any, /) -> Tensor:
    """Return copies of x side by side, so many along each axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.tile(dualad.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    x, times = asarray(x), as_shape(repetitions)
    if any(n < 0 for n in times):
        raise ShapeError(f"tile: repetitions must not be negative, got {times}")
    ndim = max(x.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    lengths = (1,) * (ndim - x.ndim) + x.shape
    apart = reshape(x, tuple(m for n in lengths for m in (1, n)))
    wide = broadcast_to(apart, tuple(m for k, n in zip(times, lengths, strict=True) for m in (k, n)))
    return reshape(wide, tuple(k * n for k, n in zip(times, lengths, strict=True)))


# -- dtype and copies ----------------------------------------------------------------------------


def contiguous(x: Tensor) -> Tensor:
    """Return x itself if its elements lie in order, row by row, else a copy.

    Of a library that does not tell how they lie, a transpose or the like of another Tensor is copied.
    """
    flags = getattr(x._raw, "flags", None)
    in_order = x._alias is None or not x._alias.steps if flags is None else flags.c_contiguous
    return x if in_order else clone(x)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """Return x converted to a dtype. Differentiable between floating types.

    Parameters
    ----------
    x : array
        Of any shape.
    dtype : DType
        The dtype wanted.
    copy : bool
        Copy also where x has that dtype already.
    device : str or Device, optional
        The device wanted; that of x if None.

    Raises
    ------
    DTypeError
        For complex numbers and a real dtype: take `real` or `abs`; where the device has no such dtype.

    Examples
    --------
    >>> import dualad
    >>> dualad.astype(dualad.tensor([1.7, -1.7]), dualad.int64)
    tensor([ 1, -1])
    """
    x, wanted = asarray(x), as_dtype(dtype)
    if device is not None:
        return ops.to(x, device, dtype=wanted, copy=copy)
    if x.dtype is wanted:
        return clone(x) if copy else x
    if x.dtype.is_complex and not wanted.is_complex:
        raise DTypeError(
            f"astype: {x.dtype} cannot be converted to {wanted}; take dualad.real or dualad.abs of it"
        )
    require_dtype(x, wanted)
    if not wanted.is_differentiable:
        x = detach(x)
    return _astype(x, dtype=wanted)


def clone(x: Tensor) -> Tensor:
    """Return a copy of x that stays in the graph.

    Examples
    --------
    >>> import dualad
    >>> dualad.clone(dualad.ones(2))
    tensor([1., 1.])
    """
    return _clone(asarray(x))


def tril(x: Any, /, k: int = 0) -> Tensor:
    """Return the matrices of x with zeros above the `k`-th diagonal.

    Examples
    --------
    >>> import dualad
    >>> dualad.tril(dualad.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _tril(asarray(x), k=whole("tril", "k", k))


def triu(x: Any, /, k: int = 0) -> Tensor:
    """Return the matrices of x with zeros below the `k`-th diagonal.

    Examples
    --------
    >>> import dualad
    >>> dualad.triu(dualad.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _triu(asarray(x), k=whole("triu", "k", k))
