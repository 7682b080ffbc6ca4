"""NumPy's functions on the blocks of dask arrays: along whole axes, and on matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan, prod
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.highlevelgraph import MaterializedLayer

import dualad
from dualad.errors import DTypeError, GradientError

Array = Any  # a dask array


def in_memory(x: Array) -> bool:
    """Whether the blocks of an array are NumPy's arrays, from which nothing is to be computed."""
    layer, *others = x.dask.layers.values()
    if others or not isinstance(layer, MaterializedLayer):
        return False
    return all(isinstance(block, (np.ndarray, np.generic)) for block in layer.mapping.values())


def known(x: Array) -> Array:
    """Return the array, its lengths computed if it does not know them: of a user's mask, say.

    The array itself knows them from then on, so that a function that is called again and again computes
    them once.

    Raises
    ------
    GradientError
        If its blocks are Tensors, whose history an array of dask's does not have.
    DTypeError
        If they are masked.
    """
    if isinstance(x._meta, dualad.Tensor):
        raise GradientError(
            "the blocks of a dask array are Tensors of dualad's: a function that is called on blocks, as in "
            "map_blocks, has used one, and its derivative would be lost. Use dualad's functions and "
            "operators on whole arrays, or x.detach().numpy() in that function"
        )
    if isinstance(x._meta, np.ma.MaskedArray):
        raise DTypeError(
            "masked arrays are not supported, as the mask would be lost; pass da.ma.filled(a, 0) or "
            "da.ma.getdata(a), and use dualad.where"
        )
    if any(map(isnan, x.shape)):
        x.compute_chunk_sizes()
    return x


def numbers(x: Array) -> np.ndarray:
    """Return the elements, computed by dask's scheduler unless they are here."""
    here = {"scheduler": "synchronous"} if in_memory(x) else {}
    # What divides by 0 is seen in the result, or masked; it is too late to tell whose line it was.
    with np.errstate(all="ignore"):
        return np.asarray(x.compute(**here))


def numbers_together(arrays: Sequence[Array]) -> list[np.ndarray]:
    """Return the elements of several arrays; what they share is computed once."""
    with np.errstate(all="ignore"):
        return [np.asarray(a) for a in dask.compute(*arrays)]


def whole(x: Array, axes: Iterable[int]) -> Array:
    """Return the array in blocks that are not divided along the axes."""
    return x.rechunk(dict.fromkeys(axes, -1))


def without_empty_blocks(x: Array) -> Array:
    """Return the array in blocks that have elements, as those that a mask has chosen need not have."""
    if all(all(c) or not sum(c) for c in x.chunks):
        return x
    return x.rechunk(tuple(tuple(n for n in c if n) or (0,) for c in x.chunks))


def reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    """Return the elements in another shape; dask's own joins or divides whole axes only."""
    if not prod(shape):
        return da.zeros(shape, dtype=x.dtype, chunks=-1)
    try:
        return x.reshape(shape)
    except NotImplementedError:
        return x.reshape(-1).reshape(shape)


def along(
    function: Callable[..., Any],
    x: Array,
    axes: tuple[int, ...],
    lengths: Mapping[int, int] | None = None,
    dtype: Any = None,
    **keywords: Any,
) -> Array:
    """Return ``function(x, **keywords)`` of a function that mixes elements along the axes only.

    Parameters
    ----------
    function : callable
        A function of NumPy arrays, one that pickle finds by its name.
    x : dask array
        Its blocks are joined along the axes, and along no others.
    axes : tuple of int
        The axes, counted from the front.
    lengths : mapping of int to int, optional
        The length of the result along an axis, where it is another.
    dtype : dtype, optional
        That of the result, where it is another.
    """
    x = whole(x, axes)
    dtype = np.dtype(x.dtype if dtype is None else dtype)
    lengths = lengths or {}
    chunks = tuple((lengths[i],) if i in lengths else c for i, c in enumerate(x.chunks))
    meta = np.empty((0,) * x.ndim, dtype)
    return da.map_blocks(function, x, dtype=dtype, chunks=chunks, meta=meta, **keywords)


def matrices(
    function: Callable[..., Any],
    signature: str,
    *arrays: Array,
    sizes: Mapping[str, int] | None = None,
    **keywords: Any,
) -> Any:
    """Return what NumPy's function of stacks of matrices gives; each matrix is in one block.

    Parameters
    ----------
    function : callable
        A function of NumPy arrays, one that pickle finds by its name.
    signature : str
        Which axes of arguments and results belong together, as for ``dask.array.apply_gufunc``.
    *arrays : dask array
        The arguments.
    sizes : mapping of str to int, optional
        The lengths of axes that no argument has.
    """
    names = [part.split(",") for part in signature.partition("->")[0].strip("()").split("),(")]
    samples = [
        np.ones([1] * len([n for n in core if n]), a.dtype) for core, a in zip(names, arrays, strict=True)
    ]
    sample = function(*samples, **keywords)
    if isinstance(sample, tuple):
        meta: Any = tuple(np.empty(0, s.dtype) for s in sample)
    else:
        meta = np.empty(0, sample.dtype)
    return da.apply_gufunc(
        function,
        signature,
        *arrays,
        meta=meta,
        output_sizes=None if sizes is None else dict(sizes),
        allow_rechunk=True,
        **keywords,
    )
