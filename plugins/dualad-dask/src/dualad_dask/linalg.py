"""The standard's linear algebra on dask arrays.

A matrix is gathered in one block and NumPy computes; a stack of matrices stays in its blocks. One tall
matrix in several blocks of rows has its reduced QR and singular value decompositions made block by
block (Benson, Gleich and Demmel, "Direct QR factorizations for tall-and-skinny matrices in MapReduce
architectures", 2013).
"""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from array_api_compat.dask.array import linalg as _compat

from .blocks import along, matrices

Array = Any


def __getattr__(name: str) -> Any:
    return getattr(_compat, name)


def cholesky(x: Array, /) -> Array:
    """Return the lower triangular factor."""
    return matrices(np.linalg.cholesky, "(i,i)->(i,i)", x)


def det(x: Array, /) -> Array:
    """Return the determinants."""
    return matrices(np.linalg.det, "(i,i)->()", x)


def slogdet(x: Array, /) -> tuple[Array, Array]:
    """Return signs of determinants and logarithms of their absolute values."""
    return matrices(np.linalg.slogdet, "(i,i)->(),()", x)


def inv(x: Array, /) -> Array:
    """Return the inverses."""
    return matrices(np.linalg.inv, "(i,i)->(i,i)", x)


def pinv(x: Array, /, **keywords: Any) -> Array:
    """Return the pseudo-inverses; `rtol` is the relative size of singular values taken for 0."""
    return matrices(np.linalg.pinv, "(i,j)->(j,i)", x, **keywords)


def solve(x1: Array, x2: Array, /) -> Array:
    """Return x with ``x1 @ x = x2``; x2 is one vector or a stack of matrices."""
    if x2.ndim == 1:
        return matrices(_solve_vector, "(i,i),(i)->(i)", x1, x2)
    return matrices(np.linalg.solve, "(i,i),(i,k)->(i,k)", x1, x2)


def _solve_vector(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b[..., None])[..., 0]


def eigh(x: Array, /) -> tuple[Array, Array]:
    """Return eigenvalues and eigenvectors of Hermitian matrices."""
    return matrices(np.linalg.eigh, "(i,i)->(i),(i,i)", x)


def eigvalsh(x: Array, /) -> Array:
    """Return the eigenvalues of Hermitian matrices."""
    return matrices(np.linalg.eigvalsh, "(i,i)->(i)", x)


def eig(x: Array, /) -> tuple[Array, Array]:
    """Return eigenvalues and eigenvectors, complex."""
    return matrices(_eig, "(i,i)->(i),(i,i)", x)


def _eig(a: Any) -> tuple[Any, Any]:
    w, v = np.linalg.eig(a)
    dtype = np.result_type(a, np.complex64)
    return w.astype(dtype), v.astype(dtype)


def eigvals(x: Array, /) -> Array:
    """Return the eigenvalues, complex."""
    return matrices(_eigvals, "(i,i)->(i)", x)


def _eigvals(a: Any) -> Any:
    return np.linalg.eigvals(a).astype(np.result_type(a, np.complex64))


def svd(x: Array, /, *, full_matrices: bool = True) -> tuple[Array, Array, Array]:
    """Return the singular value decomposition."""
    n, m = x.shape[-2:]
    if not full_matrices and _is_tall(x):
        return da.linalg.svd(x)
    if full_matrices:
        return matrices(_svd, "(i,j)->(i,i),(k),(j,j)", x, sizes={"k": min(n, m)})
    return matrices(_svd, "(i,j)->(i,k),(k),(k,j)", x, sizes={"k": min(n, m)}, full_matrices=False)


def _svd(a: Any, full_matrices: bool = True) -> tuple[Any, Any, Any]:
    return tuple(np.linalg.svd(a, full_matrices=full_matrices))


def svdvals(x: Array, /) -> Array:
    """Return the singular values, the largest first."""
    if _is_tall(x):
        return da.linalg.svd(x)[1]
    return matrices(np.linalg.svdvals, "(i,j)->(k)", x, sizes={"k": min(x.shape[-2:])})


def qr(x: Array, /, *, mode: str = "reduced") -> tuple[Array, Array]:
    """Return the QR decomposition."""
    n, m = x.shape[-2:]
    if mode == "reduced" and _is_tall(x):
        return da.linalg.qr(x)
    k = n if mode == "complete" else min(n, m)
    return matrices(_qr, "(i,j)->(i,k),(k,j)", x, sizes={"k": k}, mode=mode)


def _qr(a: Any, mode: str) -> tuple[Any, Any]:
    return tuple(np.linalg.qr(a, mode=mode))


def _is_tall(x: Array) -> bool:
    """Whether x is one matrix in several blocks of rows, each of them at least as tall as it is wide."""
    return x.ndim == 2 and x.numblocks[0] > 1 == x.numblocks[1] and min(x.chunks[0]) >= x.shape[1] > 0


def matrix_rank(x: Array, /, **keywords: Any) -> Array:
    """Return how many singular values are not taken for 0, as those up to `rtol` times the largest."""
    return matrices(np.linalg.matrix_rank, "(i,j)->()", x, **keywords)


def vector_norm(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the Euclidean norms of all elements, or along axes."""
    squares = da.real(x) ** 2 + da.imag(x) ** 2 if x.dtype.kind == "c" else x * x
    return da.sqrt(da.sum(squares, axis=axis, keepdims=keepdims))


def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """Return the diagonals of matrices."""
    n, m = x.shape[-2:]
    length = max(0, min(n + min(offset, 0), m - max(offset, 0)))
    y = along(_diagonal, x, (x.ndim - 2, x.ndim - 1), {x.ndim - 2: length, x.ndim - 1: 1}, offset=offset)
    return y[..., 0]


def _diagonal(a: Any, offset: int) -> Any:
    return np.linalg.diagonal(a, offset=offset)[..., None]
