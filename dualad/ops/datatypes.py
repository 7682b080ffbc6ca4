"""The standard's data type functions: what a dtype is, holds, and becomes beside another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import ALL, HALVES, DType, as_dtype, bfloat16, promote, real_of
from ..engine.operands import PYTHON_SCALARS
from ..engine.shapes import broadcast
from ..errors import DTypeError, ShapeError
from .common import array_dtype

# The standard's names for several kinds at once.
_KINDS = {
    "bool": {"bool"},
    "signed integer": {"signed integer"},
    "unsigned integer": {"unsigned integer"},
    "integral": {"signed integer", "unsigned integer"},
    "real floating": {"real floating"},
    "complex floating": {"complex floating"},
    "numeric": {"signed integer", "unsigned integer", "real floating", "complex floating"},
}


@dataclass(frozen=True)
class FInfo:
    """The limits of a floating dtype, those of its parts if it is complex."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IInfo:
    """The limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(dtype: Any, /) -> FInfo:
    """Return the limits of a floating dtype, or of that of an array.

    Raises
    ------
    DTypeError
        If it is no floating dtype.

    Examples
    --------
    >>> import dualad
    >>> dualad.finfo(dualad.float32).bits
    32
    """
    dtype = _dtype_of(dtype)
    if not dtype.is_differentiable:
        raise DTypeError(f"finfo: expected a floating dtype, got {dtype}; use dualad.iinfo for integers")
    real = real_of(dtype)
    if real is bfloat16:  # float32 with 16 bits fewer of the fraction
        largest = float.fromhex("0x1.fep+127")
        return FInfo(16, 2.0**-7, largest, -largest, 2.0**-126, real)
    limits = np.finfo(real.name)
    largest, tiny = float(limits.max), float(limits.smallest_normal)
    return FInfo(8 * real.itemsize, float(limits.eps), largest, -largest, tiny, real)


def iinfo(dtype: Any, /) -> IInfo:
    """Return the limits of an integer dtype, or of that of an array.

    Raises
    ------
    DTypeError
        If it is no integer dtype.

    Examples
    --------
    >>> import dualad
    >>> dualad.iinfo(dualad.int8).max
    127
    """
    dtype = _dtype_of(dtype)
    if dtype.kind not in _KINDS["integral"]:
        raise DTypeError(f"iinfo: expected an integer dtype, got {dtype}")
    limits = np.iinfo(dtype.name)
    return IInfo(8 * dtype.itemsize, int(limits.max), int(limits.min), dtype)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Return whether a dtype is another one, of a kind, or any of several in a tuple.

    Parameters
    ----------
    dtype : DType
        The dtype asked about.
    kind : str, DType or tuple of these
        Kinds are ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"integral"``,
        ``"real floating"``, ``"complex floating"`` and ``"numeric"``.

    Examples
    --------
    >>> import dualad
    >>> dualad.isdtype(dualad.float32, ("integral", "real floating"))
    True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    dtype = as_dtype(dtype)
    if isinstance(kind, str) and kind not in _KINDS:
        raise ValueError(f"isdtype: kind must be a dtype or one of {', '.join(_KINDS)}; got {kind!r}")
    return dtype.kind in _KINDS[kind] if isinstance(kind, str) else dtype is as_dtype(kind)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Return whether promotion can turn a dtype, or that of an array, into another.

    Examples
    --------
    >>> import dualad
    >>> dualad.can_cast(dualad.float64, dualad.float32)
    False
    """
    from_, to = _dtype_of(from_), as_dtype(to)
    if bfloat16 in (from_, to):
        return promote(from_, to) is to
    return bool(np.can_cast(from_.host, to.host))


def result_type(*arrays_and_dtypes: Any) -> DType:
    """Return the dtype that arrays, dtypes and Python's numbers promote to, as NumPy has it.

    Examples
    --------
    >>> import dualad
    >>> dualad.result_type(dualad.ones(2), dualad.float64, 1.5)
    dualad.float64
    """
    if all(type(v) in PYTHON_SCALARS for v in arrays_and_dtypes):
        raise ValueError("result_type: expected at least one array or dtype beside Python's numbers")
    return promote(*(v if type(v) in PYTHON_SCALARS else _dtype_of(v) for v in arrays_and_dtypes))


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """Return the shape that arrays of these shapes have together.

    Raises
    ------
    ShapeError
        If they do not fit.

    Examples
    --------
    >>> import dualad
    >>> dualad.broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    try:
        return tuple(broadcast(*shapes))
    except ValueError:
        listed = " and ".join(str(tuple(s)) for s in shapes)
        raise ShapeError(f"broadcast_shapes: shapes {listed} do not fit together") from None


def dtypes_of_kind(kind: Any = None) -> dict[str, DType]:
    """Return the dtypes of a kind (all if None) by name, without those of half precision.

    The standard lacks them.
    """
    return {d.name: d for d in ALL if d not in HALVES and (kind is None or isdtype(d, kind))}


def _dtype_of(value: Any) -> DType:
    return array_dtype(value) if hasattr(value, "shape") and hasattr(value, "dtype") else as_dtype(value)
