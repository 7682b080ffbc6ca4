"""Norms, and what is read off the diagonal of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.tensor import Tensor
from ...errors import ShapeError
from .. import elementwise as elem
from .. import reductions
from ..conversion import asarray
from ..indexing import getitem
from ..manipulation import expand_dims, moveaxis
from ..reductions import vector_norm
from ..searching import where
from .decompositions import svdvals


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """Return the norms of matrices.

    Parameters
    ----------
    x : array of shape (..., n, m)
        Of a floating dtype, real or complex.
    keepdims : bool
        Keep the last two axes, with length 1.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        The root of the sum of squares; the sum of the singular values; the largest and smallest
        sum of a column's absolute values; the largest and smallest singular value; the largest
        and smallest sum of a row's absolute values.

    Returns
    -------
    Tensor of shape (...)
        Real.

    Raises
    ------
    ShapeError
        If x has fewer than two axes.
    ValueError
        If there is no such norm.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.matrix_norm(dualad.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm: expected at least two axes, got shape {x.shape}")
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord == "nuc":
        y = reductions.sum(_singular_values(x), axis=-1)
    elif ord in (2, -2):
        y = (reductions.max if ord > 0 else reductions.min)(_singular_values(x), axis=-1)
    elif ord in (1, -1, np.inf, -np.inf):
        sums = reductions.sum(elem.abs(x), axis=-2 if abs(ord) == 1 else -1)
        y = (reductions.max if ord > 0 else reductions.min)(sums, axis=-1)
    else:
        raise ValueError(f"matrix_norm: ord must be 'fro', 'nuc', ±1, ±2 or ±inf, got {ord!r}")
    return y[..., None, None] if keepdims else y


def _singular_values(x: Tensor) -> Tensor:
    """Singular values as norms have them: one of 0 does not move, by the convention for norms."""
    s = svdvals(x)
    return where(s > 0, s, 0)


def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """Return the diagonals of matrices, or those `offset` above (below, if negative).

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.diagonal(dualad.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"diagonal: expected at least two axes, got shape {x.shape}")
    n, m = x.shape[-2:]
    places = np.arange(max(0, min(n + min(offset, 0), m - max(offset, 0))))
    return getitem(x, key=(..., places - min(offset, 0), places + max(offset, 0)))


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """Return the sums of the diagonals of matrices, or of those `offset` above.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.trace(dualad.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    return reductions.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def norm_by_axes(
    x: Any, /, ord: Any = None, axis: Any = None, keepdims: bool = False, *, dim: Any = None,
    keepdim: bool = False,
) -> Tensor:  # fmt: skip
    """Return the norms of vectors or of matrices, by the number of axes.

    Parameters
    ----------
    x : array
        Of a floating dtype, real or complex.
    ord : number or str, optional
        The order, of `vector_norm` or `matrix_norm`; None is the root of the sum of squares.
    axis, dim : int or tuple of int, optional
        One axis for norms of vectors, two for those of matrices. Without, all elements are one vector
        if `ord` is None, and else x must have one axis or two.
    keepdims, keepdim : bool
        Keep these axes, with length 1.

    Raises
    ------
    ValueError
        If there is no such norm of so many axes.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([[1.0, -2.0], [3.0, 4.0]])
    >>> dualad.linalg.norm(x, 1), dualad.linalg.norm(x, 1, dim=0)
    (tensor(6.), tensor([4., 6.]))
    """
    x, axis, keepdims = asarray(x), axis if dim is None else dim, keepdims or keepdim
    axis = tuple(axis) if isinstance(axis, list) else axis
    if ord is not None and axis is None and x.ndim > 2:
        raise ValueError(f"norm: a norm with ord needs one axis or two, got shape {x.shape}; give axis")
    of_matrices = x.ndim == 2 if axis is None else isinstance(axis, tuple) and len(axis) == 2
    if ord is None or not of_matrices:
        if isinstance(ord, str):
            raise ValueError(f"norm: the norm {ord!r} is one of matrices, got shape {x.shape}")
        return vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    if axis is not None:
        y = matrix_norm(moveaxis(x, axis, (-2, -1)), ord=ord)
        return expand_dims(y, tuple(sorted(i % x.ndim for i in axis))) if keepdims else y
    return matrix_norm(x, ord=ord, keepdims=keepdims)


def norm(x: Any, /, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the vector `p`-norm of all elements, or along the axes `dim`, as PyTorch's ``norm``.

    Parameters
    ----------
    x : array
        Of a floating dtype, real or complex.
    p : number or "fro"
        The order; see `linalg.vector_norm`.
    dim : int or tuple of int, optional
        The axes of the vectors; all if None.
    keepdim : bool
        Keep the reduced axes, with length 1.

    Examples
    --------
    >>> import dualad
    >>> dualad.norm(dualad.tensor([3.0, -4.0]), 1)
    tensor(7.)
    """
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p must be a number or 'fro', got {p!r}")
    return vector_norm(x, axis=dim, keepdims=keepdim, ord=2 if p in (None, "fro") else p)
