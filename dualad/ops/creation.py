"""The standard's creation functions, but for those that take data (`conversion`).

Sizes may be several numbers or one tuple. What is made is constant unless ``requires_grad``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batching import is_batched
from ..dtypes import as_dtype, complex_of, get_default_dtype, int64, real_of
from ..engine.exhaustion import shortage
from ..engine.namespace import ops
from ..engine.shapes import result_dtype
from ..engine.tensor import Tensor
from ..engine.views import require_grad
from ..errors import BatchError, ShapeError
from .common import as_shape, other_names, whole
from .conversion import asarray, native, place

# -- filled with a number ----------------------------------------------------------------------


@other_names(size="shape")
def zeros(
    shape: Any, *more: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return zeros.

    Parameters
    ----------
    shape : int or tuple of int
        The shape; also as several numbers, and under PyTorch's name ``size``.
    dtype : DType, optional
        The default dtype if None.
    device : str or Device, optional
        The CPU if None.
    requires_grad : bool
        Whether ops on the result are recorded.

    Examples
    --------
    >>> import dualad
    >>> dualad.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled("zeros", (shape, *more), dtype, device, requires_grad)


@other_names(size="shape")
def ones(
    shape: Any, *more: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return ones; the parameters are those of `zeros`.

    Examples
    --------
    >>> import dualad
    >>> dualad.ones(3, dtype=dualad.int64)
    tensor([1, 1, 1])
    """
    return _filled("ones", (shape, *more), dtype, device, requires_grad)


@other_names(size="shape")
def empty(
    shape: Any, *more: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor whose elements are not set; the parameters are those of `zeros`.

    Examples
    --------
    >>> import dualad
    >>> dualad.empty(2, 3).shape
    (2, 3)
    """
    return _filled("empty", (shape, *more), dtype, device, requires_grad)


@other_names(size="shape")
def full(
    shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor all of whose elements are one number.

    Parameters
    ----------
    shape : int or tuple of int
        The shape.
    fill_value : number or 0-d Tensor
        The number; the dtype is by default the one it would get by itself.
    dtype, device, requires_grad
        As for `zeros`.

    Examples
    --------
    >>> import dualad
    >>> dualad.full((2, 2), 3.5)
    tensor([[3.5000, 3.5000],
            [3.5000, 3.5000]])
    """
    value = asarray(fill_value, dtype=dtype, device=device)
    x = ops.clone(ops.broadcast_to(value, as_shape(shape)))
    return require_grad(x) if requires_grad else x


def _filled(name: str, size: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    shape = as_shape(size)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: lengths must not be negative, got {shape}")
    return _made(name, (shape,), dtype, device, requires_grad)


def _made(
    name: str, args: tuple[Any, ...], dtype: Any, device: Any, requires_grad: bool, **kw: Any
) -> Tensor:
    """Call a creation function of the backend that owns the device."""
    backend, device = place(device)
    kind = native(backend, get_default_dtype() if dtype is None else as_dtype(dtype), device)
    try:
        x = Tensor(getattr(backend.xp, name)(*args, dtype=kind, device=backend.native_device(device), **kw))
    except Exception as error:
        if (reason := shortage(error, name, backend, device)) is None:
            raise
        raise reason from error
    return require_grad(x) if requires_grad else x


def zeros_like(x: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of the shape, dtype and device of x.

    Examples
    --------
    >>> import dualad
    >>> dualad.zeros_like(dualad.tensor([1, 2]))
    tensor([0, 0])
    """
    return zeros(asarray(x).shape, **_as_in(x, dtype, device), requires_grad=requires_grad)


def ones_like(x: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of the shape, dtype and device of x.

    Examples
    --------
    >>> import dualad
    >>> dualad.ones_like(dualad.tensor([1.5, 2.5]))
    tensor([1., 1.])
    """
    return ones(asarray(x).shape, **_as_in(x, dtype, device), requires_grad=requires_grad)


def empty_like(x: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a Tensor of the shape, dtype and device of x whose elements are not set.

    Examples
    --------
    >>> import dualad
    >>> dualad.empty_like(dualad.ones(2, 3)).shape
    (2, 3)
    """
    return empty(asarray(x).shape, **_as_in(x, dtype, device), requires_grad=requires_grad)


def full_like(
    x: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of the shape, dtype and device of x, all of whose elements are one number.

    Examples
    --------
    >>> import dualad
    >>> dualad.full_like(dualad.tensor([1, 2]), 7)
    tensor([7, 7])
    """
    return full(asarray(x).shape, fill_value, **_as_in(x, dtype, device), requires_grad=requires_grad)


def _as_in(x: Any, dtype: Any, device: Any) -> dict[str, Any]:
    x = asarray(x)
    return {"dtype": x.dtype if dtype is None else dtype, "device": x.device if device is None else device}


def _between(start: Any, stop: Any, n: int, endpoint: bool) -> Tensor:
    """Return numbers at equal distances between Tensors, along a new first axis."""
    distance = stop - start
    parts = np.arange(n) / max(n - 1 if endpoint else n, 1)
    dtype = result_dtype((distance, 1.0))
    shape = (n, *[1] * distance.ndim)
    kind = dtype if dtype.is_floating_point else real_of(dtype)
    return start + distance * asarray(parts.reshape(shape), dtype=kind, device=distance.device)


# -- by a rule ---------------------------------------------------------------------------------


def eye(
    n_rows: int, n_cols: int | None = None, *, k: int = 0, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return ones on the `k`-th diagonal and zeros elsewhere.

    Examples
    --------
    >>> import dualad
    >>> dualad.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    if n_rows < 0 or (n_cols or 0) < 0:
        raise ShapeError(f"eye: lengths must not be negative, got {n_rows} and {n_cols}")
    return _made("eye", (n_rows, n_cols), dtype, device, requires_grad, k=k)


def arange(
    start: float, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return the numbers from `start` (0 if one number is given) up to, and without, `stop`.

    Integers give int64, others the default dtype.

    Examples
    --------
    >>> import dualad
    >>> dualad.arange(4), dualad.arange(0, 1, 0.25)
    (tensor([0, 1, 2, 3]), tensor([0.0000, 0.2500, 0.5000, 0.7500]))
    """
    start, stop = (0, start) if stop is None else (start, stop)
    if any(is_batched(v) for v in (start, stop, step)):
        raise BatchError(
            "vmap: arange: the numbers must be the same for all examples, as they tell the shape"
        )
    if not all(hasattr(v, "__float__") for v in (start, stop, step)):
        raise TypeError(f"arange: expected numbers, got {start!r}, {stop!r} and {step!r}")
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if dtype is None:
        whole = all(isinstance(v, (int, np.integer)) for v in (start, stop, step))
        dtype = int64 if whole else get_default_dtype()
    return _made("arange", (start, stop, step), dtype, device, requires_grad)


def linspace(
    start: Any, stop: Any, num: int | None = None, *, dtype: Any = None, device: Any = None,
    endpoint: bool = True, requires_grad: bool = False, steps: int | None = None,
) -> Tensor:  # fmt: skip
    """Return `num` (PyTorch's `steps`) numbers from `start` to `stop` at equal distances.

    If one of these is a Tensor, of any shape, the numbers are differentiable in it, along a new first axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    n = whole("linspace", "num", num if steps is None else steps)
    if n < 0:
        raise ValueError(f"linspace: num must not be negative, got {n}")
    if isinstance(start, Tensor) or isinstance(stop, Tensor):
        y = _between(start, stop, n, endpoint)
        y = y if dtype is None and device is None else ops.to(y, device, dtype=dtype)
        return require_grad(y) if requires_grad else y
    if dtype is None and isinstance(start + stop, complex):
        dtype = complex_of(get_default_dtype())
    return _made("linspace", (start, stop, n), dtype, device, requires_grad, endpoint=endpoint)
