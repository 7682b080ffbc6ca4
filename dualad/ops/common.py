"""What several files of ops need: dtypes of results and of arguments, and axes in one form."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from operator import index
from typing import Any, TypeVar

from ..backends.registry import DTYPES
from ..dtypes import DType, as_dtype, bool_, complex_of, get_default_dtype, int64, real_of
from ..errors import AxisError, BatchError

_OF_NUMBERS = {bool: bool_, int: int64}
_F = TypeVar("_F", bound=Callable[..., Any])


def boolean(*values: Any, **static: Any) -> DType:
    """The dtype of comparisons, for stand-ins."""
    return bool_


def integer(*values: Any, **static: Any) -> DType:
    """The dtype of indices, for stand-ins."""
    return int64


def real_result(x: Any, **static: Any) -> DType:
    """The dtype of absolute values and norms, for stand-ins."""
    return real_of(DTYPES[x.dtype])


def same_dtype(x: Any, *others: Any, **static: Any) -> DType:
    """The dtype of the first argument, for stand-ins."""
    return DTYPES[x.dtype]


def array_dtype(x: Any) -> DType:
    """Return the DType of an array, or the one that a number becomes."""
    if hasattr(x, "dtype"):
        return DTYPES[x.dtype]
    if isinstance(x, (bool, int)):
        return _OF_NUMBERS[type(x)]
    return complex_of(get_default_dtype()) if isinstance(x, complex) else get_default_dtype()


def optional_dtype(dtype: Any) -> DType | None:
    """Return the DType that `dtype` names, or None for None."""
    return None if dtype is None else as_dtype(dtype)


def whole(name: str, what: str, value: Any) -> int:
    """Return an argument that must be an integer; raise TypeError, naming it, if it is none.

    Raises
    ------
    BatchError
        If it differs between the examples of a `vmap`.
    """
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{name}: {what} must be an integer, got {value!r}") from None
    except BatchError:
        raise BatchError(f"vmap: {name}: {what} must be the same for all examples") from None


def one_axis(name: str, axis: Any, ndim: int) -> int:
    """Return an axis counted from the front.

    Raises
    ------
    AxisError
        If there is no such axis; it is an IndexError too, as in NumPy and PyTorch.
    """
    i = whole(name, "axis", axis)
    if not -ndim <= i < ndim:
        raise AxisError(f"{name}: axis {i} is out of bounds for an array of {ndim} dimensions")
    return i % ndim if ndim else 0


def all_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Return axes as a sorted tuple counted from the front; None stands for all.

    Raises
    ------
    AxisError
        If there is no such axis, or one is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        return (one_axis(name, axis, ndim),)
    axes = tuple(sorted(one_axis(name, a, ndim) for a in axis))
    if len(set(axes)) < len(axes):
        raise AxisError(f"{name}: axis {tuple(axis)} names one twice")
    return axes


def as_shape(shape: Any, name: str = "shape") -> tuple[int, ...]:
    """Return a shape given as one number, as several (in a tuple), or as a tuple or list in one.

    `name` is that of the function, for messages.
    """
    if isinstance(shape, (tuple, list)):
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = shape[0]
        return tuple(whole(name, "a length", n) for n in shape)
    return (whole(name, "a length", shape),)


def other_names(**names: str) -> Callable[[_F], _F]:
    """Return a decorator that lets arguments be named as another library does, too.

    Parameters
    ----------
    **names : str
        ``theirs="ours"`` for each.

    Raises
    ------
    TypeError
        By the decorated function, if an argument is given under both names.
    """

    def decorate(function: _F) -> _F:
        @wraps(function)
        def renamed(*args: Any, **keywords: Any) -> Any:
            for theirs in names.keys() & keywords.keys():
                ours = names[theirs]
                if ours in keywords:
                    raise TypeError(
                        f"{function.__name__}: {theirs} and {ours} are the same argument; give one"
                    )
                keywords[ours] = keywords.pop(theirs)
            return function(*args, **keywords)

        return renamed  # type: ignore[return-value]

    return decorate
