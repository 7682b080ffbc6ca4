"""Functions that PyTorch has and the standard has not, made of the standard's."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..engine.namespace import ops
from ..engine.tensor import Tensor
from ..errors import ShapeError
from . import elementwise as elem
from . import manipulation as manip
from .common import one_axis, whole
from .conversion import asarray
from .indexing import read, scatter, take, take_along_axis
from .linalg import diagonal as _diagonal
from .searching import argsort, where


def softmax(x: Any, /, axis: Any = None, *, dim: Any = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along axes (all if None), without overflow.

    Examples
    --------
    >>> import dualad
    >>> dualad.softmax(dualad.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    return _special().softmax(x, axis=axis if dim is None else dim)


def log_softmax(x: Any, /, axis: Any = None, *, dim: Any = None) -> Tensor:
    """Return the logarithm of `softmax`, without cancellation.

    Examples
    --------
    >>> import dualad
    >>> dualad.log_softmax(dualad.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    return _special().log_softmax(x, axis=axis if dim is None else dim)


def logsumexp(
    x: Any, /, axis: Any = None, keepdims: bool = False, *, dim: Any = None, keepdim: bool = False
) -> Tensor:
    """Return ``log(sum(exp(x)))`` over axes (all if None), without overflow.

    Examples
    --------
    >>> import dualad
    >>> dualad.logsumexp(dualad.tensor([1000.0, 1000.0]))
    tensor(1000.6932)
    """
    return _special().logsumexp(x, axis=axis if dim is None else dim, keepdims=keepdims or keepdim)


def rsqrt(x: Any, /) -> Tensor:
    """Return 1 over the square root of each element.

    Examples
    --------
    >>> import dualad
    >>> dualad.rsqrt(dualad.tensor([4.0]))
    tensor([0.5000])
    """
    return elem.reciprocal(elem.sqrt(x))


def masked_fill(x: Any, mask: Any, value: Any, /) -> Tensor:
    """Return x with another value where the mask is true.

    Examples
    --------
    >>> import dualad
    >>> dualad.masked_fill(dualad.tensor([1.0, 2.0]), dualad.tensor([True, False]), 9.0)
    tensor([9., 2.])
    """
    return where(mask, value, x)


def masked_select(x: Any, mask: Any, /) -> Tensor:
    """Return the elements of x where the mask is true, as a vector.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, -2.0, 3.0])
    >>> dualad.masked_select(x, x > 0)
    tensor([1., 3.])
    """
    x = asarray(x)
    return x[manip.broadcast_to(mask, x.shape)]


def index_select(x: Any, dim: int, index: Any, /) -> Tensor:
    """Return the parts of x at these places along an axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.index_select(dualad.eye(2), 0, dualad.tensor([1, 1]))
    tensor([[0., 1.],
            [0., 1.]])
    """
    index = asarray(index)
    if index.ndim > 1:
        raise ShapeError(f"index_select: index must be a vector, got shape {index.shape}")
    return take(x, manip.reshape(index, (-1,)), axis=dim)


def gather(x: Any, dim: int, index: Any, /) -> Tensor:
    """Return, for each position of `index`, the element of x that it names along an axis.

    In the other axes `index` may be shorter than x, which is then read at its beginning.

    Examples
    --------
    >>> import dualad
    >>> dualad.gather(dualad.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, dualad.tensor([[1], [0]]))
    tensor([[2.],
            [3.]])
    """
    x, index = asarray(x), asarray(index)
    if x.ndim != index.ndim:
        raise ShapeError(f"gather: x has {x.ndim} dimensions and index {index.ndim}; they must agree")
    axis = one_axis("gather", dim, x.ndim)
    if any(n > m for i, (n, m) in enumerate(zip(index.shape, x.shape, strict=True)) if i != axis):
        raise ShapeError(f"gather: index of shape {index.shape} is longer than x of shape {x.shape}")
    cut = tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(index.shape))
    return take_along_axis(x[cut], index, axis=axis)


def split(x: Any, split_size_or_sections: Any, /, dim: int = 0) -> tuple[Tensor, ...]:
    """Return x cut along an axis, into parts of one length (the last may be shorter), or of several.

    Examples
    --------
    >>> import dualad
    >>> dualad.split(dualad.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    x = asarray(x)
    axis = one_axis("split", dim, x.ndim)
    n = x.shape[axis]
    if isinstance(split_size_or_sections, (tuple, list)):
        lengths = [whole("split", "a length", k) for k in split_size_or_sections]
        if sum(lengths) != n or any(k < 0 for k in lengths):
            raise ShapeError(f"split: lengths {lengths} do not add up to {n}, that of axis {axis}")
    else:
        size = whole("split", "the length", split_size_or_sections)
        if size < 1:
            raise ShapeError(f"split: the length must be at least 1, got {size}")
        lengths = [min(size, n - start) for start in range(0, max(n, 1), size)]
    parts, start = [], 0
    for length in lengths:
        parts.append(read(x, (*[slice(None)] * axis, slice(start, start + length))))
        start += length
    return tuple(parts)


def chunk(x: Any, chunks: int, /, dim: int = 0) -> tuple[Tensor, ...]:
    """Return x cut along an axis into so many parts, or fewer if it is too short.

    Examples
    --------
    >>> import dualad
    >>> dualad.chunk(dualad.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    x = asarray(x)
    n, chunks = x.shape[one_axis("chunk", dim, x.ndim)], whole("chunk", "chunks", chunks)
    if chunks < 1:
        raise ShapeError(f"chunk: chunks must be at least 1, got {chunks}")
    return split(x, max(1, -(-n // chunks)), dim)


class TopK(NamedTuple):
    """The largest elements and where they stand."""

    values: Tensor
    indices: Tensor


def topk(x: Any, k: int, /, dim: int = -1, largest: bool = True, sorted: bool = True) -> TopK:
    """Return the k largest (or smallest) elements along an axis, in order, and their indices.

    They are in order whatever `sorted` says, which PyTorch has.

    Examples
    --------
    >>> import dualad
    >>> dualad.topk(dualad.tensor([1.0, 5.0, 3.0]), 2).values
    tensor([5., 3.])
    """
    x = asarray(x)
    axis = one_axis("topk", dim, x.ndim)
    k = whole("topk", "k", k)
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(f"topk: there are {x.shape[axis]} elements along axis {axis}, not {k}")
    order = argsort(x, axis=axis, descending=largest)[(*[slice(None)] * axis, slice(k))]
    return TopK(take_along_axis(x, order, axis=axis), order)


def diag(x: Any, /, diagonal: int = 0) -> Tensor:
    """Return the diagonal of a matrix, or the matrix that has a vector there.

    Examples
    --------
    >>> import dualad
    >>> dualad.diag(dualad.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    x = asarray(x)
    if x.ndim == 2:
        return _diagonal(x, offset=diagonal)
    if x.ndim != 1:
        raise ShapeError(f"diag: expected a vector or a matrix, got shape {x.shape}")
    n = x.shape[0]
    places = np.arange(n) - min(diagonal, 0), np.arange(n) + max(diagonal, 0)
    return scatter(x, shape=(n + abs(diagonal),) * 2, key=places)


def isclose(x1: Any, x2: Any, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Return where ``abs(x1 - x2) <= atol + rtol * abs(x2)``, or both are equal.

    Examples
    --------
    >>> import dualad
    >>> dualad.isclose(dualad.tensor([1.0, 2.0]), dualad.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    x1 = asarray(x1).detach()
    x2 = (x2 if isinstance(x2, Tensor) else asarray(x2, device=x1.device)).detach()
    near = elem.logical_and(elem.abs(x1 - x2) <= elem.abs(x2) * rtol + atol, elem.isfinite(x2))
    same = elem.logical_or(near, x1 == x2)
    return elem.logical_or(same, elem.logical_and(elem.isnan(x1), elem.isnan(x2))) if equal_nan else same


def allclose(x1: Any, x2: Any, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Return whether `isclose` holds for all elements.

    Examples
    --------
    >>> import dualad
    >>> dualad.allclose(dualad.tensor([1.0]), dualad.tensor([1.0 + 1e-7]))
    True
    """
    return bool(ops.all(isclose(x1, x2, rtol, atol, equal_nan)))


def _special() -> Any:
    from . import special  # its hundred ops take as long to import as the rest of dualad

    return special
