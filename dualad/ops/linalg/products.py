"""Products of vectors and matrices."""

from __future__ import annotations

from math import prod
from operator import index
from typing import Any

from ...batching import aligned, apply, physical, reshaped
from ...engine import shapes
from ...engine.node import Batched
from ...engine.operands import PYTHON_SCALARS, check_operands
from ...engine.tensor import Tensor, raw_value
from ...errors import ShapeError
from ...op import Binary
from ...rules import Linear, conjugate
from .. import manipulation as manip
from ..common import one_axis
from ..conversion import asarray
from ..elementwise import conj, multiply
from ..joining import stack, unstack
from ..reductions import sum


def _adjoint(xp: Any, a: Any) -> Any:
    """The conjugate transpose of a matrix; of a vector, the conjugate as a column's transpose."""
    return conjugate(xp, xp.matrix_transpose(a))


def _left(xp: Any, g: Any, like: Any, x2: Any) -> Any:
    """The adjoint of a -> a @ x2: g @ x2ᴴ, vectors being rows on the left, columns on the right."""
    if len(x2.shape) == 1:
        return xp.expand_dims(g, axis=-1) * conjugate(xp, x2)
    if len(like.shape) == 1:
        if len(x2.shape) == 2:
            return xp.matmul(conjugate(xp, x2), g)
        g = xp.expand_dims(g, axis=-1)
        pulled = xp.matmul(conjugate(xp, x2), g)
        return xp.reshape(pulled, pulled.shape[:-1])
    return xp.matmul(g, _adjoint(xp, x2))


def _right(xp: Any, g: Any, like: Any, x1: Any) -> Any:
    """The adjoint of b -> x1 @ b: x1ᴴ @ g."""
    if len(x1.shape) == 1:
        g = xp.expand_dims(g, axis=-2 if len(like.shape) > 1 else -1)
        column = xp.reshape(conjugate(xp, x1), (-1, 1))
        return column * g if len(like.shape) > 1 else xp.reshape(column, (-1,)) * g
    if len(like.shape) == 1:
        if len(x1.shape) == 2:
            return xp.matmul(_adjoint(xp, x1), g)
        pulled = xp.matmul(_adjoint(xp, x1), xp.expand_dims(g, axis=-1))
        return xp.reshape(pulled, pulled.shape[:-1])
    return xp.matmul(_adjoint(xp, x1), g)


def _examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Batch a product. The rows of all examples meet what is the same for all of them at once."""
    a, b = values
    check_operands(op.name, [raw_value(a), raw_value(b)])
    if type(b) is not Batched and len(b.shape) <= 2:
        *leading, inner = a.value.shape
        if len(leading) == 1:
            return op.below(a.value, b)
        y = op.below(reshaped(a.value, (prod(leading), inner)), b)
        return reshaped(y, (*leading, *y.shape[1:]))
    if type(a) is not Batched and len(b.shape) == 1 and len(a.shape) <= 2:
        return op.below(b.value, apply("permute_dims", a, axes=tuple(range(len(a.shape)))[::-1]))
    ndim = max(len(a.shape), len(b.shape), 2)
    left = _with_axis(a, -2) if len(a.shape) == 1 else a
    right = _with_axis(b, -1) if len(b.shape) == 1 else b
    y = op.below(aligned(left, ndim), aligned(right, ndim))
    shape = y.shape[:-2] + y.shape[-2:][len(a.shape) == 1 :]
    return reshaped(y, shape[:-1] if len(b.shape) == 1 else shape)


def _with_axis(v: Any, axis: int) -> Any:
    """Return a vector, of each example or of all, as a matrix of one row (-2) or column (-1)."""
    x = physical(v)
    x = reshaped(x, (*x.shape[:-1], 1, x.shape[-1]) if axis == -2 else (*x.shape, 1))
    return Batched(x, v.batch) if type(v) is Batched else x


_matmul = Binary(
    "matmul(x1, x2)", Linear(_left), Linear(_right), shape=shapes.matmul, batch=_examples, node_name="Mm"
)


def matmul(x1: Any, x2: Any, /) -> Tensor:
    """Return the product of matrices, over leading axes that broadcast.

    Parameters
    ----------
    x1 : array of shape (..., n, k) or (k,)
        The left factor; a vector counts as a row.
    x2 : array of shape (..., k, m) or (k,)
        The right factor; a vector counts as a column.

    Raises
    ------
    ShapeError
        If the inner lengths differ, or one has no axes.

    Examples
    --------
    >>> import dualad
    >>> dualad.matmul(dualad.ones(2, 3), dualad.ones(3))
    tensor([3., 3.])
    """
    for x in (x1, x2):
        if not hasattr(x, "shape") and type(x) not in PYTHON_SCALARS:
            return _matmul(x1, x2)  # which says that this is no array
    a, b = shapes.shape_of(x1), shapes.shape_of(x2)
    if a and b and a[-1] != b[-2:][0]:
        raise ShapeError(
            f"matmul: shapes {a} and {b} do not fit: the inner lengths {a[-1]} and {b[-2:][0]} differ"
        )
    if not a or not b:
        raise ShapeError(f"matmul: both factors need at least one axis, got shapes {a} and {b}; use `*`")
    return _matmul(x1, x2)


def dot(x1: Any, x2: Any, /) -> Tensor:
    """Return the product of vectors, matrices or numbers, as ``numpy.dot``.

    Examples
    --------
    >>> import dualad
    >>> dualad.tensor([1.0, 2.0]).dot(dualad.tensor([3.0, 4.0]))
    tensor(11.)
    """
    x1, x2 = asarray(x1), asarray(x2)
    if not x1.ndim or not x2.ndim:
        return multiply(x1, x2)
    if x2.ndim <= 2:
        return matmul(x1, x2)
    return tensordot(x1, x2, axes=((x1.ndim - 1,), (x2.ndim - 2,)))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """Return the inner products of vectors along an axis; x1 is conjugated.

    Examples
    --------
    >>> import dualad
    >>> dualad.vecdot(dualad.ones(2, 3), dualad.ones(3))
    tensor([3., 3.])
    """
    x1, x2 = asarray(x1), asarray(x2)
    if axis >= 0 and x1.ndim != x2.ndim:
        raise ShapeError(f"vecdot: with {x1.ndim} and {x2.ndim} dimensions axis must be negative, got {axis}")
    one_axis("vecdot", axis, min(x1.ndim, x2.ndim))
    if x1.shape[axis] != x2.shape[axis]:
        raise ShapeError(f"vecdot: shapes {x1.shape} and {x2.shape} differ along axis {axis}")
    products = conj(x1) * x2
    return sum(products, axis=axis, dtype=products.dtype)


def tensordot(x1: Any, x2: Any, /, axes: Any = 2, *, dims: Any = None) -> Tensor:
    """Return the sum of products over pairs of axes.

    Parameters
    ----------
    x1, x2 : array
        Of any shape.
    axes : int or (sequence of int, sequence of int)
        How many of the last axes of x1 and first of x2 to sum over, or which of each. PyTorch
        calls them `dims`.

    Raises
    ------
    ShapeError
        If paired axes differ in length.

    Examples
    --------
    >>> import dualad
    >>> dualad.tensordot(dualad.ones(2, 3), dualad.ones(3, 4), axes=1).shape
    (2, 4)
    """
    x1, x2 = asarray(x1), asarray(x2)
    axes = axes if dims is None else dims
    if isinstance(axes, (tuple, list)):
        left, right = ([axis] if not isinstance(axis, (tuple, list)) else list(axis) for axis in axes)
    else:
        n = index(axes)
        if not 0 <= n <= min(x1.ndim, x2.ndim):
            raise ShapeError(f"tensordot: shapes {x1.shape} and {x2.shape} have fewer than axes={n} axes")
        left, right = list(range(x1.ndim - n, x1.ndim)), list(range(n))
    left = [one_axis("tensordot", a, x1.ndim) for a in left]
    right = [one_axis("tensordot", a, x2.ndim) for a in right]
    if [x1.shape[i] for i in left] != [x2.shape[i] for i in right]:
        raise ShapeError(f"tensordot: shapes {x1.shape} and {x2.shape} differ along the axes {axes}")
    rows = [i for i in range(x1.ndim) if i not in left]
    columns = [i for i in range(x2.ndim) if i not in right]
    inner = prod(x1.shape[i] for i in left)
    a = manip.reshape(manip.permute_dims(x1, rows + left), (prod(x1.shape[i] for i in rows), inner))
    b = manip.reshape(manip.permute_dims(x2, right + columns), (inner, prod(x2.shape[i] for i in columns)))
    shape = (*(x1.shape[i] for i in rows), *(x2.shape[i] for i in columns))
    return manip.reshape(matmul(a, b), shape)


def outer(x1: Any, x2: Any, /) -> Tensor:
    """Return the products of all elements of a vector with all of another.

    Parameters
    ----------
    x1 : array of shape (n,)
        The rows' factors.
    x2 : array of shape (m,)
        The columns' factors.

    Raises
    ------
    ShapeError
        If one is no vector.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.outer(dualad.tensor([1.0, 2.0]), dualad.tensor([1.0, 10.0]))
    tensor([[ 1., 10.],
            [ 2., 20.]])
    """
    x1, x2 = asarray(x1), asarray(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"outer: expected two vectors, got shapes {x1.shape} and {x2.shape}")
    return manip.expand_dims(x1, 1) * x2


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """Return the cross products of vectors of three elements along an axis.

    Raises
    ------
    ShapeError
        If the axis is not of length 3.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.cross(dualad.tensor([1.0, 0.0, 0.0]), dualad.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    x1, x2 = manip.broadcast_arrays(x1, x2)
    axis = one_axis("cross", axis, x1.ndim)
    if x1.shape[axis] != 3:
        raise ShapeError(f"cross: axis {axis} of shape {x1.shape} must be of length 3")
    a, b = unstack(x1, axis=axis), unstack(x2, axis=axis)
    parts = [a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)]
    return stack(parts, axis=axis)
