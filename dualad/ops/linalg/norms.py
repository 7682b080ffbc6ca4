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
