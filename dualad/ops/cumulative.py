"""Running sums and products along an axis, and what undoes a running sum: differences."""

from __future__ import annotations

from typing import Any

from ..batching import along
from ..dtypes import DType
from ..engine.shapes import kept, same
from ..engine.tensor import Tensor
from ..errors import ShapeError
from ..op import Op, Unary
from ..rules import Differential, Linear, conjugate
from . import manipulation as manip
from .common import one_axis, optional_dtype, whole
from .conversion import asarray
from .creation import full
from .indexing import getitem
from .joining import concat
from .searching import promoted

# -- rules -------------------------------------------------------------------------------------


def _sum_from_the_end(xp: Any, g: Any, like: Any, *, axis: int) -> Any:
    """The adjoint of a running sum: an element is in its own sum and in all that follow."""
    return xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis), axis=axis)


def _part(xp: Any, x: Any, axis: int, *bounds: int) -> Any:
    return xp.getitem(x, key=(*[slice(None)] * axis, slice(*bounds)))


def _delayed(xp: Any, x: Any, axis: int, begin: float) -> Any:
    """Return x moved on by one place, with another number at the beginning."""
    n = x.shape[axis]
    first, others = _part(xp, x, axis, 0, 1), _part(xp, x, axis, 0, max(n - 1, 0))
    return xp.concat([xp.full_like(first, begin), others], axis=axis)


def _solve(xp: Any, a: Any, b: Any, *, axis: int) -> Any:
    """Compute a recurrence: two steps in one are a step, of a recurrence half as long.

    That is of order n in all, and of as many array operations as n has binary digits (cyclic
    reduction; Blelloch, "Prefix sums and their applications", 1990).
    """
    n = b.shape[axis]
    if n < 2:
        return b
    even, odd = (*[slice(None)] * axis, slice(0, n, 2)), (*[slice(None)] * axis, slice(1, n, 2))
    a0, a1, b0, b1 = (xp.getitem(x, key=k) for x in (a, b) for k in (even, odd))
    before = n // 2
    y1 = _solve(xp, a1 * _part(xp, a0, axis, 0, before), b1 + a1 * _part(xp, b0, axis, 0, before), axis=axis)
    count = n - before
    y0 = _part(xp, b0, axis, 1, count) + _part(xp, a0, axis, 1, count) * _part(xp, y1, axis, 0, count - 1)
    y = xp.write(xp.copy(b), y1, odd)  # the first element is that of b
    return xp.write(y, y0, (*[slice(None)] * axis, slice(2, n, 2)))


def _recurrence(xp: Any, a: Any, b: Any, axis: int) -> Any:
    return recurrence.within(xp, a, b, axis=axis)


def _recurrence_from_the_end(xp: Any, g: Any, like: Any, a: Any, *, axis: int) -> Any:
    """The adjoint of a recurrence in `b`: cotangents step back by the factors that values step on by."""
    factors = conjugate(xp, _delayed(xp, xp.flip(a, axis=axis), axis, 0))
    return xp.flip(_recurrence(xp, factors, xp.flip(g, axis=axis), axis), axis=axis)


# -- ops ---------------------------------------------------------------------------------------

#: ``y[i] = a[i] * y[i - 1] + b[i]`` along an axis, beginning with ``y[0] = b[0]``.
recurrence: Op = Op(
    "recurrence(a, b)",
    Differential(lambda xp, t, a, y, *, axis: _recurrence(xp, a, _delayed(xp, y, axis, 0) * t, axis)),
    Linear(_recurrence_from_the_end),
    shape=lambda a, b, *, axis: b.shape,
    compute=_solve,
    batch=along("axis"),
)
_cumulative_sum = Unary(
    "cumulative_sum(x)", Linear(_sum_from_the_end), shape=same, batch=along("axis"), node_name="Cumsum"
)
# A running product steps on by its factors; its derivatives divide by none of them.
_cumulative_prod = Unary(
    "cumulative_prod(x)",
    Differential(lambda xp, t, x, y, *, axis: _recurrence(xp, x, _delayed(xp, y, axis, 1) * t, axis)),
    shape=same,
    batch=along("axis"),
    node_name="Cumprod",
)

# -- functions ---------------------------------------------------------------------------------


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Return the running sums of the elements along an axis.

    Parameters
    ----------
    x : array of shape (..., n, ...)
        Of a numeric dtype.
    axis : int, optional
        The axis to sum along; may be left out if x has one axis.
    dtype : DType, optional
        The dtype to sum in. By default that of x; integers of up to 64 bits are summed in 64.
    include_initial : bool
        Begin with the sum of nothing, 0: the result is one longer.

    Returns
    -------
    Tensor of shape (..., n, ...) or (..., n + 1, ...)

    Raises
    ------
    AxisError
        If there is no such axis.
    ShapeError
        If the axis is left out and x has not just one.

    Examples
    --------
    >>> import dualad
    >>> dualad.cumulative_sum(dualad.tensor([1.0, 2.0, 3.0]), include_initial=True)
    tensor([0., 1., 3., 6.])
    """
    return _running("cumulative_sum", _cumulative_sum, x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Return the running products of the elements along an axis.

    Its derivatives are right where elements are 0, those of every order: they divide by nothing.

    Parameters
    ----------
    x, axis, dtype
        As for `cumulative_sum`.
    include_initial : bool
        Begin with the product of nothing, 1: the result is one longer.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([2.0, 0.0, 4.0], requires_grad=True)
    >>> y = dualad.cumulative_prod(x)
    >>> dualad.sum(y).backward()
    >>> x.grad
    tensor([ 1., 10.,  0.])
    """
    return _running("cumulative_prod", _cumulative_prod, x, axis, dtype, 1 if include_initial else None)


def cumsum(x: Any, /, axis: int | None = None, dtype: Any = None, *, dim: int | None = None) -> Tensor:
    """Return `cumulative_sum` under the name it has in NumPy and PyTorch.

    Parameters
    ----------
    x, dtype
        As for `cumulative_sum`.
    axis, dim : int, optional
        The axis; without one x is summed as a vector, as in NumPy.

    Examples
    --------
    >>> import dualad
    >>> dualad.cumsum(dualad.ones(2, 2), dim=0)
    tensor([[1., 1.],
            [2., 2.]])
    """
    return _by_other_name("cumsum", _cumulative_sum, x, axis if dim is None else dim, dtype)


def cumprod(x: Any, /, axis: int | None = None, dtype: Any = None, *, dim: int | None = None) -> Tensor:
    """Return `cumulative_prod` under the name it has in NumPy and PyTorch; see `cumsum`.

    Examples
    --------
    >>> import dualad
    >>> dualad.cumprod(dualad.tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    return _by_other_name("cumprod", _cumulative_prod, x, axis if dim is None else dim, dtype)


def _by_other_name(name: str, op: Any, x: Any, axis: int | None, dtype: Any) -> Tensor:
    x = asarray(x)
    return _running(name, op, manip.reshape(x, (-1,)) if axis is None else x, axis, dtype, None)


def _running(name: str, op: Any, x: Any, axis: int | None, dtype: Any, initial: int | None) -> Tensor:
    x, wanted = asarray(x), optional_dtype(dtype)
    if axis is None and x.ndim != 1:
        raise ShapeError(f"{name}: axis must be given for an array of {x.ndim} dimensions")
    if not x.ndim:
        raise ShapeError(f"{name}: a 0-d array has no axis; make it 1-d with .reshape(1)")
    axis = one_axis(name, 0 if axis is None else axis, x.ndim)
    y = op(_in_dtype(x, wanted), axis=axis)
    if initial is not None:
        first = full(kept(y.shape, (axis,)), initial, dtype=y.dtype, device=y.device)
        y = concat([first, y], axis=axis)
    return _in_dtype(y, wanted)  # integers have been widened


def _in_dtype(x: Tensor, dtype: DType | None) -> Tensor:
    return x if dtype is None else manip.astype(x, dtype, copy=False)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Tensor:
    """Return the differences of neighbouring elements along an axis.

    Parameters
    ----------
    x : array of shape (..., m, ...)
        Of a numeric dtype.
    axis : int
        The axis to take differences along.
    n : int
        How often to take them; 0 gives x itself, with nothing put in.
    prepend, append : array or number, optional
        What to put before and behind x first: of the shape of x but for the axis, or one element for all.

    Returns
    -------
    Tensor of shape (..., m - n, ...), or longer by what is put in
        Its length is 0 where n is m or more.

    Raises
    ------
    AxisError
        If there is no such axis.
    ShapeError
        If `prepend` or `append` does not fit.
    ValueError
        If n is negative.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 4.0, 9.0, 16.0])
    >>> dualad.diff(x), dualad.diff(x, n=2)
    (tensor([3., 5., 7.]), tensor([2., 2.]))
    """
    x, times = asarray(x), whole("diff", "n", n)
    axis = one_axis("diff", axis, x.ndim)
    if times < 0:
        raise ValueError(f"diff: n must be 0 or more, got {n}")
    if times and (prepend is not None or append is not None):
        ends = [None if end is None else _end(x, end, axis) for end in (prepend, append)]
        x = concat([part for part in (ends[0], x, ends[1]) if part is not None], axis=axis)
    for _ in range(times):
        ahead, behind = ((*[slice(None)] * axis, part) for part in (slice(1, None), slice(0, -1)))
        x = getitem(x, key=ahead) - getitem(x, key=behind)
    return x


def _end(x: Tensor, end: Any, axis: int) -> Tensor:
    """Return what is put at an end of x; one element is repeated along the other axes."""
    end = promoted(x, end)[1]
    return end if end.ndim else manip.broadcast_to(end, kept(x.shape, (axis,)))
