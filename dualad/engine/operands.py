"""What an op may be given, and what to say when a backend refuses it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..backends.functions import function_of, gap_of
from ..backends.registry import BY_TYPE, Cache
from ..errors import (
    AxisError,
    BackendError,
    DeviceError,
    DTypeError,
    GradientError,
    ShapeError,
    UnknownOperandError,
)
from .namespace import SPACES
from .node import Batched, Standin
from .shapes import broadcast
from .tensor import Tensor, raw_value

#: Python's numbers: weak in promotion, they are handed to the backend as they are.
PYTHON_SCALARS = frozenset({bool, int, float, complex})


class Functions(Cache[type, Any]):
    """What computes an op on each type of array, found on first use.

    It is None for types that need the general path: Tensors, stand-ins, Python's numbers.

    Parameters
    ----------
    name : str
        The op's name, that of a function of the backend.
    compute : callable or None
        ``compute(xp, *values, **keywords)`` where the op is no function of the backend.
    """

    def __init__(self, name: str, compute: Any = None) -> None:
        super().__init__(dict.fromkeys((Tensor, Standin, Batched, *PYTHON_SCALARS)))
        self.name, self.compute = name, compute
        #: Whether `compute` goes element by element and depends on nothing else: it may be one kernel.
        self.pointwise = False

    def __missing__(self, kind: type) -> Any:
        backend = BY_TYPE[kind]
        if backend is None:
            return None
        function: Any
        if self.compute is not None and gap_of(backend.gaps, self.name) is None:
            space = SPACES[kind]
            fuses = self.pointwise and space.fuses
            function = space.fuse(self.compute, self.name) if fuses else partial(self.compute, space)
        else:
            function = function_of(backend, self.name)
        function = backend.guarded(function, self.name)
        self[kind] = function
        return function


def arrays_in(value: Any) -> list[Any]:
    """Return the backend's arrays in a value or in a tuple or list of values, below all levels."""
    if isinstance(value, (tuple, list)):
        return [a for v in value for a in arrays_in(v)]
    while isinstance(value, (Tensor, Batched)):
        value = value._value if isinstance(value, Tensor) else value.value
    return [] if BY_TYPE[type(value)] is None else [value]


def is_traced(value: Any) -> bool:
    """Return whether arrays in a value are not known yet, as under ``jax.jit``."""
    return any(BY_TYPE[type(a)].is_tracing(a) for a in arrays_in(value))  # type: ignore[union-attr]


def is_elsewhere(value: Any) -> bool:
    """Return whether arrays in a value are not known yet, or have to be waited for, as on a GPU."""
    return any(
        backend.has_streams or backend.is_tracing(a)
        for a in arrays_in(value)
        if (backend := BY_TYPE[type(a)]) is not None
    )


def plain_array(value: Any) -> Any:
    """Return a NumPy array of a subclass (a matrix, a memory map) as one of none; others as they are.

    Raises
    ------
    DTypeError
        If it is a masked array, whose mask derivatives would not respect.
    """
    if not isinstance(value, np.ndarray) or type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise DTypeError(
            "masked arrays are not supported, as the mask would be lost; pass a.filled(0) or a.data, and "
            "use dualad.where"
        )
    return np.asarray(value)


def plain_number(value: Any) -> Any:
    """Return a number of a subclass of Python's, such as an IntEnum's, as one of Python's own."""
    if type(value) in PYTHON_SCALARS or isinstance(value, np.generic):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return complex(value) if isinstance(value, complex) else value


def type_name(value: Any) -> str:
    """Return the name of a value's type, with its module: there are many that are called Tensor."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def snapshot(value: Any) -> Any:
    """Return a user's array as a value that will not change: a tape may keep it.

    A Tensor of a lower level is a handle the user may write to; a NumPy array is writable
    memory. Both are kept as they are now.
    """
    if isinstance(value, Tensor):
        if value._alias is not None:
            value._alias.refresh(value)
        return Tensor(value._value, value._node)
    if type(value) is np.ndarray:
        return value.copy() if value.flags.writeable or value.base is not None else value
    backend = BY_TYPE[type(value)]
    if backend is None or isinstance(value, np.generic):
        return value
    return backend.copy(value)


def beside(values: list[Any]) -> list[Any]:
    """Return operands with NumPy's scalars as arrays of the others' backend, on their device.

    NumPy gives them where Python would give a number: ``np.sqrt(2.0) * x``.
    """
    others = (raw_value(v) for v in values if not isinstance(v, np.generic))
    array = next((a for a in others if BY_TYPE[type(a)] is not None), None)
    backend = BY_TYPE[type(array)]
    if backend is None or isinstance(array, np.ndarray):
        return values
    device = backend.device_of(array)
    return [backend.from_numpy(np.asarray(v), device) if isinstance(v, np.generic) else v for v in values]


def check_operands(name: str, values: Any) -> Any:
    """Return one of the arrays that meet in an op, none of them a Tensor; None for numbers alone.

    Raises
    ------
    DeviceError
        If they are arrays of different backends.
    UnknownOperandError
        If one of them is no array.
    """
    found = None
    for position, v in enumerate(values):
        if type(v) in PYTHON_SCALARS:
            continue
        backend = BY_TYPE[type(v)]
        if backend is None:
            raise UnknownOperandError(
                f"{name}: argument {position + 1} is neither a Tensor, an array nor a number, but "
                f"{type_name(v)}; make it a Tensor with dualad.asarray"
            )
        if found is not None and BY_TYPE[type(found)] is not backend:
            raise DeviceError(_mixed(name, values))
        found = v
    return found


def explain(error: Exception, name: str, values: Any) -> Exception:
    """Return the error to raise where a backend raised `error` in an op.

    It is ours if the cause is known, else the backend's own.
    """
    arrays = [v for v in values if BY_TYPE[type(v)] is not None]
    devices = {str(BY_TYPE[type(a)].device_of(a)) for a in arrays}  # type: ignore[union-attr]
    if len(devices) > 1:
        return DeviceError(_mixed(name, values))
    # About the numbers, known by that name; and what a backend says it cannot do.
    if isinstance(error, (np.linalg.LinAlgError, GradientError, BackendError, DTypeError)):
        return error
    if len(arrays) > 1 and isinstance(error, (ValueError, RuntimeError)):
        shapes = [tuple(a.shape) for a in arrays]
        try:
            broadcast(*shapes)
        except ValueError:
            listed = " and ".join(str(s) for s in shapes)
            return ShapeError(f"{name}: shapes {listed} do not fit together: {error}")
        return ShapeError(f"{name}: {error}; the shapes are " + " and ".join(str(s) for s in shapes))
    if isinstance(error, IndexError):
        return AxisError(f"{name}: {error}")
    if type(error) is TypeError:
        kinds = ", ".join(str(getattr(v, "dtype", type(v).__name__)) for v in values)
        return DTypeError(f"{name}: not possible for {kinds}: {error}")
    return ValueError(f"{name}: {error}") if type(error) is ValueError else error


def _mixed(name: str, values: Any) -> str:
    arrays = [v for v in values if BY_TYPE[type(v)] is not None]
    devices = [str(BY_TYPE[type(a)].device_of(a)) for a in arrays]  # type: ignore[union-attr]
    first = devices[0]
    return (
        f"{name}: expected all Tensors to be on the same device, but found "
        f"{' and '.join(dict.fromkeys(devices))}; "
        f"move them first, with .to({first!r}) say"
    )
