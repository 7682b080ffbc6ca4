"""The standard's searching and sorting functions."""

from __future__ import annotations

from math import prod
from typing import Any

from ..backends.registry import BY_TYPE
from ..batching import REGISTRY, along, broadcast, data_dependent, over_all_or_along, reshaped, spread
from ..dtypes import as_dtype
from ..engine.fit import zeros
from ..engine.node import Batched
from ..engine.operands import PYTHON_SCALARS
from ..engine.shapes import reduced, result_dtype, same, shape_of
from ..engine.tensor import Tensor, is_tracked, raw_value
from ..errors import DTypeError, ShapeError
from ..op import Op, Unary
from ..rules import Joint
from .common import all_axes, boolean, integer, one_axis
from .conversion import asarray, together
from .elementwise import add, clip_above, equal, less, less_equal, logical_and, logical_or, not_equal
from .indexing import take, take_along_axis


def _shape_of_nonzero(x: Any) -> Any:
    raise ShapeError("nonzero: the shape of the result depends on the values, and there are none here")


def _search_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Search by halves, for all at once, where each example has a sorted array of its own."""
    x1, x2 = values
    if type(x1) is not Batched:
        return op.below(x1, x2.value, **static)
    rows, (n,), shape = REGISTRY["rows"], x1.shape, (size, *shape_of(x2))
    sought = reshaped(spread(x2, size), (size, prod(shape[1:])))
    beside = raw_value(sought)
    backend = BY_TYPE[type(beside)]
    assert backend is not None
    place = zeros(sought.shape, as_dtype(backend.index_dtype(backend.device_of(beside))), sought)
    for k in range(n.bit_length() - 1, -1, -1):  # as many elements come before as the binary digits say
        further = add.below(place, 1 << k)
        last = Batched(add.below(clip_above.below(further, n), -1), x1.batch)
        before = _comes_before(rows.batch(rows, size, (x1, last), {}), sought, static["side"])
        place = _where.below(logical_and.below(less_equal.below(further, n), before), further, place)
    return reshaped(place, shape)


def _comes_before(x: Any, other: Any, side: str) -> Any:
    """Whether x is sorted before the other, NaN behind all numbers."""
    before = (less if side == "left" else less_equal).below(x, other)
    nan = not_equal.below(other, other)
    if side == "left":
        nan = logical_and.below(nan, equal.below(x, x))
    return logical_or.below(before, nan)


_where = Op(
    "where(condition, x1, x2)",
    None,
    Joint(lambda xp, g, like, condition: xp.where(condition, g, 0), masks=True),
    Joint(lambda xp, g, like, condition: xp.where(condition, 0, g), masks=True),
    dtype=lambda condition, x1, x2: result_dtype((x1, x2)),
    batch=broadcast,
)
_argmax = Unary("argmax(x)", shape=reduced, dtype=integer, batch=over_all_or_along)
_argmin = Unary("argmin(x)", shape=reduced, dtype=integer, batch=over_all_or_along)
_argsort = Unary("argsort(x)", shape=same, dtype=integer, batch=along("axis"))
_sort = Unary("sort(x)", shape=same, batch=along("axis"))
_nonzero = Op("nonzero(x)", shape=_shape_of_nonzero, dtype=boolean, batch=data_dependent)
_count_nonzero = Unary("count_nonzero(x)", shape=reduced, dtype=integer, batch=along("axis"))
_searchsorted = Op(
    "searchsorted(x1, x2)",
    shape=lambda x1, x2, *, side: shape_of(x2),
    dtype=integer,
    batch=_search_examples,
)


def where(condition: Any, x1: Any = None, x2: Any = None, /) -> Any:
    """Return elements of x1 where the condition holds, and of x2 elsewhere.

    Parameters
    ----------
    condition : array of bool
        Which to choose.
    x1, x2 : array or number
        What to choose from; all three broadcast. Without them, `nonzero` of the condition.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([-1.0, 2.0])
    >>> dualad.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if x1 is None and x2 is None:
        return nonzero(condition)
    if type(x1) in PYTHON_SCALARS and type(x2) in PYTHON_SCALARS:
        (_, x1) = together((condition, x1))
    if type(condition) is bool:
        beside = next((a.device for a in (x1, x2) if isinstance(a, Tensor)), None)
        condition = asarray(condition, device=beside)
    return _where(condition, x1, x2)


def argmax(
    x: Any, /, axis: int | None = None, keepdims: bool = False, *, dim: int | None = None,
    keepdim: bool = False,
) -> Tensor:  # fmt: skip
    """Return the index of the largest element (the first of several), of all or along an axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.argmax(dualad.tensor([1.0, 3.0, 2.0]))
    tensor(1)
    """
    return _arg("argmax", _argmax, x, axis if dim is None else dim, keepdims or keepdim)


def argmin(
    x: Any, /, axis: int | None = None, keepdims: bool = False, *, dim: int | None = None,
    keepdim: bool = False,
) -> Tensor:  # fmt: skip
    """Return the index of the smallest element (the first of several), of all or along an axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.argmin(dualad.tensor([[1.0, 0.0], [2.0, 3.0]]), axis=1)
    tensor([1, 0])
    """
    return _arg("argmin", _argmin, x, axis if dim is None else dim, keepdims or keepdim)


def _arg(name: str, op: Any, x: Any, axis: int | None, keepdims: bool) -> Tensor:
    x = asarray(x)
    axis = None if axis is None else one_axis(name, axis, x.ndim)
    if (int(x.size) if axis is None else x.shape[axis]) == 0:
        raise ShapeError(f"{name}: no element to choose from: shape {x.shape}, axis {axis}")
    return op(x, axis=axis, keepdims=keepdims)


def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """Return the indices of the elements that are not 0, an array for each axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.nonzero(dualad.tensor([0, 3, 4]))
    (tensor([1, 2]),)
    """
    x = asarray(x)
    if not x.ndim:
        raise ShapeError("nonzero: a 0-d array has no axes; make it 1-d with .reshape(1)")
    return _nonzero(x)


def count_nonzero(
    x: Any, /, *, axis: Any = None, keepdims: bool = False, dim: Any = None, keepdim: bool = False
) -> Tensor:
    """Return how many elements are not 0, of all or along axes.

    Parameters
    ----------
    x : array
        Of any dtype; of booleans the true ones are counted.
    axis : int or tuple of int, optional
        The axes to count along; all if None.
    keepdims : bool
        Keep these axes, with length 1.
    dim, keepdim
        PyTorch's names of `axis` and `keepdims`.

    Examples
    --------
    >>> import dualad
    >>> dualad.count_nonzero(dualad.tensor([[0, 3, 4], [0, 0, 5]]), axis=1)
    tensor([2, 1])
    """
    x = asarray(x)
    axes = all_axes("count_nonzero", axis if dim is None else dim, x.ndim)
    return _count_nonzero(x, axis=axes, keepdims=keepdims or keepdim)


def argsort(
    x: Any, /, axis: int = -1, descending: bool = False, *, stable: bool = True, dim: int | None = None
) -> Tensor:
    """Return the indices that sort x along an axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.argsort(dualad.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    x = asarray(x)
    axis = one_axis("argsort", axis if dim is None else dim, x.ndim)
    return _argsort(x, axis=axis, descending=descending, stable=stable)


def sort(
    x: Any, /, axis: int = -1, descending: bool = False, *, stable: bool = True, dim: int | None = None
) -> Tensor:
    """Return x sorted along an axis.

    A permutation of the elements, and differentiated as one: equal elements keep their order.

    Examples
    --------
    >>> import dualad
    >>> dualad.sort(dualad.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([3., 2., 1.])
    """
    x = asarray(x)
    axis = one_axis("sort", axis if dim is None else dim, x.ndim)
    if not x.ndim:
        return x
    if not is_tracked(x):
        return _sort(x, axis=axis, descending=descending, stable=stable)
    return take_along_axis(x, argsort(x, axis=axis, descending=descending, stable=stable), axis=axis)


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Tensor:
    """Return where the elements of x2 are to be put into x1 so that it stays sorted.

    Parameters
    ----------
    x1 : array of shape (n,)
        Sorted, of a real dtype.
    x2 : array or number
        What to put in, of any shape and a real dtype.
    side : {"left", "right"}
        Whether to put them before or behind elements that are equal.
    sorter : array of integers of shape (n,), optional
        The indices that sort x1, where it is not sorted.

    Returns
    -------
    Tensor of integers
        From 0 to n, of the shape of x2.

    Raises
    ------
    ShapeError
        If x1 has not just one axis.
    DTypeError
        If x1 or x2 is complex or boolean.

    Examples
    --------
    >>> import dualad
    >>> x1 = dualad.tensor([1.0, 2.0, 3.0])
    >>> dualad.searchsorted(x1, dualad.tensor([2.0, 2.5, 9.0]))
    tensor([1, 2, 3])
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    x1, x2 = promoted(x1, x2)
    if x1.ndim != 1:
        raise ShapeError(f"searchsorted: x1 must have one axis, got shape {x1.shape}")
    for name, x in (("x1", x1), ("x2", x2)):
        if x.dtype.is_complex or x.dtype.kind == "bool":
            raise DTypeError(f"searchsorted: {name} must be of a real dtype, got {x.dtype}")
    return _searchsorted(x1 if sorter is None else take(x1, sorter), x2, side=side)


def promoted(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """Return two arrays or numbers as Tensors; a number gets the dtype to which both promote."""
    if type(x1) in PYTHON_SCALARS and type(x2) not in PYTHON_SCALARS:
        return promoted(x2, x1)[::-1]
    x1 = asarray(x1)
    if type(x2) in PYTHON_SCALARS:
        x2 = asarray(x2, dtype=result_dtype((x1, x2)), device=x1.device)
    return x1, asarray(x2)
