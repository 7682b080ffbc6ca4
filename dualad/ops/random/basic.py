"""Random numbers of a shape: uniform, normal, and integers."""

from __future__ import annotations

from operator import index
from typing import Any

from ...dtypes import DType, as_dtype
from ...engine.namespace import ops
from ...engine.tensor import Tensor
from ...errors import DTypeError
from ..common import one_axis, whole
from ..conversion import asarray, place
from ..datatypes import iinfo
from .drawing import Source, finish, floating, lengths, source


def rand(
    *shape: Any, size: Any = None, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers drawn evenly from [0, 1).

    Parameters
    ----------
    *shape : int, or one tuple of int
        The shape.
    size : int or tuple of int, optional
        The shape, under PyTorch's name.
    generator : Generator, optional
        Where to draw from; the device's own by default.
    dtype : DType, optional
        The default dtype if None. Of complex numbers both parts are drawn.
    device : str or Device, optional
        The CPU if None.
    requires_grad : bool
        Whether ops on the result are recorded.

    Raises
    ------
    DTypeError
        If the dtype is not floating or complex.
    DeviceError
        If the generator is one of another device.
    ShapeError
        If a length is negative.

    Examples
    --------
    >>> import dualad
    >>> dualad.rand(2, 3).shape
    (2, 3)
    """
    n = _size("rand", shape, size)
    s = source("rand", floating("rand", dtype), device, generator)
    return finish(s.uniform(n), requires_grad)


def randn(
    *shape: Any, size: Any = None, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers drawn from the standard normal distribution; the parameters are those of `rand`.

    Of complex numbers each part has the variance 1/2.

    Examples
    --------
    >>> import dualad
    >>> dualad.randn((5, 3), dtype=dualad.float64).dtype
    dualad.float64
    """
    n = _size("randn", shape, size)
    s = source("randn", floating("randn", dtype), device, generator)
    return finish(s.normal(n), requires_grad)


def _size(name: str, shape: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    """Return the shape that is given by position or as `size`."""
    if size is None:
        return lengths(name, shape)
    if shape:
        raise TypeError(f"{name}: the shape is given twice, as {shape} and as size={size}; give one")
    return lengths(name, size)


def randint(
    low: Any = None, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return integers drawn evenly from [low, high).

    ``randint(high, size)`` and ``randint(high, size=size)`` begin at 0.

    Parameters
    ----------
    low, high : int
        The least, and one more than the greatest.
    size : int or tuple of int
        The shape.
    generator, device
        See `rand`.
    dtype : DType, optional
        Of the result, which may be of any real kind; that of indices, int64, if None.
    requires_grad : bool
        Whether ops on the result are recorded, if its dtype is floating.

    Raises
    ------
    ValueError
        If there is no integer between them, or one that does not fit into the dtype, or no size.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.randint(0, 10, (100,))
    >>> bool(((x >= 0) & (x < 10)).all())
    True
    """
    if size is None and isinstance(high, (tuple, list)):
        high, size = None, high
    if size is None:
        raise ValueError("randint: no size is given; the size comes last, a tuple: randint(0, 10, (3,))")
    first, end = _bounds("randint", low, high)
    n = lengths("randint", size)
    return finish(integers("randint", first, end, n, dtype, device, generator), requires_grad)


def _bounds(name: str, low: Any, high: Any) -> tuple[int, int]:
    """Return the bounds of integers; one alone is the upper one, and the lower one 0."""
    low, high = (0, low) if high is None else (0 if low is None else low, high)
    first, end = whole(name, "low", low), whole(name, "high", high)
    if first >= end:
        raise ValueError(f"{name}: expects low < high, got {low} and {high}")
    return first, end


def integers(
    name: str, low: int, high: int, shape: tuple[int, ...], dtype: Any, device: Any, generator: Any
) -> Tensor:
    """Return integers from [low, high) in any real dtype."""
    wanted = _index_dtype(device) if dtype is None else as_dtype(dtype)
    if wanted.is_complex or wanted.kind == "bool":
        raise DTypeError(f"{name}: integers cannot be {wanted}; name a real dtype")
    drawn = _index_dtype(device) if wanted.is_floating_point else wanted
    limits = iinfo(drawn)
    if not limits.min <= low <= high - 1 <= limits.max:
        raise ValueError(f"{name}: integers from {low} to {high - 1} do not fit into {drawn}")
    x = source(name, drawn, device, generator).draw("integers", shape, low=low, high=high)
    return x if drawn is wanted else x.to(wanted)


def _index_dtype(device: Any) -> DType:
    """Return the dtype of indices, int64 where a device has it."""
    backend, device = place(device)
    return as_dtype(backend.index_dtype(device))


# -- of the shape of another -------------------------------------------------------------------------


def rand_like(
    x: Any, *, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return numbers as from `rand`, by default of the shape, dtype and device of x.

    Examples
    --------
    >>> import dualad
    >>> dualad.rand_like(dualad.ones(2, 3)).shape
    (2, 3)
    """
    shape, s = _like("rand_like", x, generator, dtype, device)
    return finish(s.uniform(shape), requires_grad)


def randn_like(
    x: Any, *, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return numbers as from `randn`, by default of the shape, dtype and device of x.

    Examples
    --------
    >>> import dualad
    >>> dualad.randn_like(dualad.ones(2, 3)).shape
    (2, 3)
    """
    shape, s = _like("randn_like", x, generator, dtype, device)
    return finish(s.normal(shape), requires_grad)


def randint_like(
    x: Any, low: Any = None, high: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return integers as from `randint`, by default of the shape, dtype and device of x.

    ``randint_like(x, high)`` begins at 0.

    Examples
    --------
    >>> import dualad
    >>> dualad.randint_like(dualad.ones(2, 3), 4).dtype
    dualad.float32
    """
    x = asarray(x)
    first, end = _bounds("randint_like", low, high)
    device = x.device if device is None else device
    y = integers("randint_like", first, end, x.shape, dtype or x.dtype, device, generator)
    return finish(y, requires_grad)


def _like(name: str, x: Any, generator: Any, dtype: Any, device: Any) -> tuple[tuple[int, ...], Source]:
    x = asarray(x)
    kind: DType = floating(name, x.dtype if dtype is None else dtype)
    return x.shape, source(name, kind, x.device if device is None else device, generator)


# -- in random order ---------------------------------------------------------------------------------


def randperm(
    n: int, *, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return the integers from 0 to n - 1 in random order.

    Parameters
    ----------
    n : int
        How many.
    generator, device
        See `rand`.
    dtype : DType, optional
        Of the result; that of indices, int64, if None.
    requires_grad : bool
        Whether ops on the result are recorded, if its dtype is floating.

    Examples
    --------
    >>> import dualad
    >>> dualad.randperm(4).sort()
    tensor([0, 1, 2, 3])
    """
    order = random_order("randperm", whole("randperm", "n", n), device, generator)
    return finish(order if dtype is None else order.to(dtype), requires_grad)


def random_order(name: str, n: int, device: Any, generator: Any) -> Tensor:
    """Return the indices of n things in random order: that which sorts random integers."""
    if n < 0:
        raise ValueError(f"{name}: n must not be negative, got {n}")
    kind = _index_dtype(device)
    keys = source(name, kind, device, generator).draw("integers", (n,), low=0, high=iinfo(kind).max)
    return ops.argsort(keys)


def permutation(
    x: Any, axis: int = 0, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return x with what is along an axis in random order; of a number n, `randperm` of n.

    Parameters
    ----------
    x : array, Tensor or int
        What to reorder. The result is differentiable in it: its parts are those of x.
    axis : int
        The axis; the parts along it stay as they are.
    generator, dtype, device, requires_grad
        See `randperm`; by default the dtype and device are those of x.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.permutation(dualad.tensor([3.0, 1.0, 2.0]))
    >>> x.sort()
    tensor([1., 2., 3.])
    """
    if not hasattr(x, "shape") and not isinstance(x, (list, tuple)):
        n = whole("permutation", "x", x)
        return randperm(n, generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)
    x = asarray(x, dtype=dtype, device=device)
    if x.ndim == 0:
        return permutation(index(x), 0, generator=generator, requires_grad=requires_grad)
    axis = one_axis("permutation", axis, x.ndim)
    order = random_order("permutation", x.shape[axis], x.device, generator)
    return finish(ops.take(x, order, axis=axis), requires_grad)
