"""Shapes and dtypes of results, for stand-ins: what an op gives without computing it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.registry import DTYPES
from ..dtypes import DType, promote

Shape = tuple[int, ...]

broadcast = np.broadcast_shapes


def shape_of(value: Any) -> Shape:
    """Return the shape of an array, or that of a number, ()."""
    return tuple(getattr(value, "shape", ()))


def result_dtype(values: Any) -> DType:
    """Return the dtype that arrays and numbers promote to."""
    return promote(*(DTYPES[v.dtype] if hasattr(v, "dtype") else v for v in values))


def elementwise(*values: Any, **static: Any) -> Shape:
    """The arguments, broadcast."""
    return broadcast(*(shape_of(v) for v in values))


def same(x: Any, *others: Any, **static: Any) -> Shape:
    """The shape of the first argument."""
    return shape_of(x)


def reduced(x: Any, *others: Any, axis: Any, keepdims: bool = False, **static: Any) -> Shape:
    """The axes in `axis` (all if None) left out or of length 1."""
    axes = range(len(x.shape)) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def matmul(a: Any, b: Any) -> Shape:
    """Matrix product, vectors counted as rows on the left and columns on the right."""
    a, b = shape_of(a), shape_of(b)
    rows = a[-2:-1] if len(a) > 1 else ()
    columns = b[-1:] if len(b) > 1 else ()
    return (*broadcast(a[:-2], b[:-2]), *rows, *columns)


def kept(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape with the axes in `axis` of length 1."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape))
