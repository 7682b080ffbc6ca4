"""The standard's set functions: the distinct elements of an array, and membership.

Which elements are distinct does not move with them, so all but the values are constants, and the
values are read from x where each occurs first.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from ..backends.registry import BY_TYPE
from ..batching import apply, is_batched, reshaped, spread
from ..engine.node import Batched, Standin
from ..engine.shapes import same, shape_of
from ..engine.tensor import Tensor, is_tracked
from ..errors import BatchError, ShapeError
from ..op import Op
from .common import boolean
from .conversion import asarray
from .elementwise import equal, logical_not
from .indexing import getitem
from .manipulation import reshape
from .searching import promoted


class UniqueAllResult(NamedTuple):
    """What `unique_all` gives."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` gives."""

    values: Tensor
    counts: Tensor


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` gives."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Any, /) -> UniqueAllResult:
    """Return the distinct elements of x, where they are, and how often they occur.

    Parameters
    ----------
    x : array
        Of any shape. NaNs are all distinct.

    Returns
    -------
    values : Tensor of shape (n,)
        The distinct elements, sorted. Their gradients go to the first of equal elements.
    indices : Tensor of shape (n,)
        Where each of them occurs first, in x as a vector.
    inverse_indices : Tensor of the shape of x
        Which of the values each element of x is: ``values[inverse_indices]`` is x.
    counts : Tensor of shape (n,)
        How often each of them occurs.

    Examples
    --------
    >>> import dualad
    >>> y = dualad.unique_all(dualad.tensor([3.0, 1.0, 3.0]))
    >>> y.values, y.indices, y.inverse_indices, y.counts
    (tensor([1., 3.]), tensor([1, 0]), tensor([1, 0, 1]), tensor([1, 2]))
    """
    return _distinct("unique_all", x)


def unique_counts(x: Any, /) -> UniqueCountsResult:
    """Return the distinct elements of x, sorted, and how often they occur; see `unique_all`.

    Examples
    --------
    >>> import dualad
    >>> values, counts = dualad.unique_counts(dualad.tensor([3, 1, 3]))
    >>> values, counts
    (tensor([1, 3]), tensor([1, 2]))
    """
    values, _, _, counts = _distinct("unique_counts", x)
    return UniqueCountsResult(values, counts)


def unique_inverse(x: Any, /) -> UniqueInverseResult:
    """Return the distinct elements of x, sorted, and which of them each element is; see `unique_all`.

    Examples
    --------
    >>> import dualad
    >>> values, inverse_indices = dualad.unique_inverse(dualad.tensor([3, 1, 3]))
    >>> values[inverse_indices]
    tensor([3, 1, 3])
    """
    values, _, inverse, _ = _distinct("unique_inverse", x)
    return UniqueInverseResult(values, inverse)


def unique_values(x: Any, /) -> Tensor:
    """Return the distinct elements of x, sorted.

    The gradient of each goes to the first of equal elements.

    Examples
    --------
    >>> import dualad
    >>> dualad.unique_values(dualad.tensor([3, 1, 3]))
    tensor([1, 3])
    """
    return _distinct("unique_values", x).values


def _distinct(name: str, x: Any) -> UniqueAllResult:
    """Return what the backend's ``unique_all`` gives of the elements of x, the values as read from x."""
    x = asarray(x)
    if is_batched(x):
        raise BatchError(
            f"vmap: how many values {name} gives may differ between examples; use dualad.sort, which keeps "
            "the shape"
        )
    raw = x._raw
    if type(raw) is Standin:
        raise ShapeError(f"{name}: the shape of the result depends on the values, and there are none here")
    backend = BY_TYPE[type(raw)]
    assert backend is not None
    values, *others = backend.function("unique_all")(raw)
    indices, inverse, counts = map(Tensor, others)
    y = getitem(reshape(x, (-1,)), key=indices._raw) if is_tracked(x) else Tensor(values)
    return UniqueAllResult(y, indices, inverse, counts)


# -- membership --------------------------------------------------------------------------------


def _is_in(xp: Any, x1: Any, x2: Any, *, invert: bool = False) -> Any:
    y = xp.isin(x1, x2)  # array-api-strict ignores its `invert`
    return xp.logical_not(y) if invert else y


def _examples_in(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Compare all pairs where each example has a set of its own."""
    x1, x2 = values
    if type(x2) is not Batched:
        return op.below(x1.value, x2, **static)
    shape, n = shape_of(x1), prod(x2.shape)
    sought = reshaped(spread(x1, size), (size, *shape, 1))
    found = equal.below(sought, reshaped(x2.value, (size, *[1] * len(shape), n)))
    found = apply("any", found, axis=(len(shape) + 1,), keepdims=False)
    return logical_not.below(found) if static.get("invert") else found


_isin = Op("isin(x1, x2)", shape=same, dtype=boolean, compute=_is_in, batch=_examples_in)


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    """Return whether each element of x1 is among those of x2.

    Parameters
    ----------
    x1 : array or number
        The elements to look for.
    x2 : array or number
        Where to look; of any shape.
    invert : bool
        Return whether each is missing instead.

    Returns
    -------
    Tensor of bool
        Of the shape of x1.

    Examples
    --------
    >>> import dualad
    >>> dualad.isin(dualad.tensor([[1, 2], [3, 4]]), dualad.tensor([2, 3]))
    tensor([[False,  True],
            [ True, False]])
    """
    x1, x2 = promoted(x1, x2)
    return _isin(x1, x2, invert=invert)
