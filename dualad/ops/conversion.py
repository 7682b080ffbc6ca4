"""Tensors of Python's and other libraries' data, and where they are put."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import Backend, Device, for_device
from ..backends.registry import BY_TYPE, DTYPES
from ..dtypes import DType, complex_of, get_default_dtype, int64
from ..engine.namespace import ops
from ..engine.operands import PYTHON_SCALARS, plain_array, type_name
from ..engine.tensor import Tensor, raw_value
from ..engine.views import detach, require_grad
from ..errors import DeviceError, DTypeError, ShapeError
from .common import optional_dtype


def place(device: Any) -> tuple[Backend, Device]:
    """Return the backend and the complete name of a device; None stands for the CPU.

    Raises
    ------
    DeviceError
        If there is no such device, or its backend cannot be used.
    """
    device = Device("cpu" if device is None else device)
    backend = for_device(device)
    return backend, backend.check_device(device)


def native(backend: Backend, dtype: DType, device: Device) -> Any:
    """Return a backend's own name for a dtype.

    Raises
    ------
    DTypeError
        If there are no arrays of it on that device.
    """
    wanted = backend.native_dtypes.get(dtype)
    if wanted is None or not backend.has_dtype(dtype, device):
        advice = backend.advise_on_dtype(dtype, device)
        raise DTypeError(f"the device {device} has no arrays of dtype {dtype}" + (advice and f": {advice}"))
    return wanted


def require_dtype(x: Tensor, dtype: DType) -> None:
    """Raise a DTypeError if the device of a Tensor has no arrays of that dtype."""
    raw = raw_value(x)
    backend = BY_TYPE[type(raw)]
    if backend is not None:  # a stand-in is nowhere
        native(backend, dtype, backend.device_of(raw))


def asarray(
    obj: Any,
    /,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a Tensor of numbers, nested sequences, arrays of any backend, or Tensors.

    Parameters
    ----------
    obj : object
        What to make a Tensor of. A Tensor is returned as it is, with its history; a sequence that
        has Tensors in it becomes one that is differentiable in them.
    dtype : DType, optional
        By default that of an array; of Python's numbers bool, int64, or the default dtype.
    device : str or Device, optional
        By default that of an array; of Python's numbers the CPU.
    copy : bool, optional
        True to copy in any case; False to share the memory of a NumPy array or another array, or
        raise; by default what can be written from outside is copied.
    requires_grad : bool
        Whether ops on the result are recorded.

    Raises
    ------
    DTypeError
        If the data is not numeric.
    ShapeError
        If nested sequences are not of equal lengths.
    ValueError
        If ``copy=False`` and a copy is needed.

    Examples
    --------
    >>> import dualad
    >>> dualad.asarray([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if not isinstance(obj, Tensor):
        x = _from_data(obj, dtype, device, copy)
    else:
        x = obj
        if dtype is not None or device is not None or copy is not None:
            moved = ops.to(x, device=device, dtype=dtype)
            if copy is False and moved is not x:
                raise ValueError("asarray: copy=False, but another dtype or device needs a copy")
            x = ops.clone(x) if copy and moved is x else moved
    return require_grad(x) if requires_grad else x


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a new Tensor with a copy of the data, and no history.

    Parameters
    ----------
    data : number, nested sequence, array or Tensor
        The elements.
    dtype : DType, optional
        By default that of an array; of Python's numbers bool, int64, or the default dtype.
    device : str or Device, optional
        By default the CPU, or where the array is.
    requires_grad : bool
        Whether ops on the result are recorded.

    Examples
    --------
    >>> import dualad
    >>> dualad.tensor([1.0, 2.0], requires_grad=True)
    tensor([1., 2.], requires_grad=True)
    """
    x = asarray(data, dtype=dtype, device=device)
    if isinstance(data, Tensor) or x._node is not None:
        x._told("dualad.tensor()")
        x = ops.clone(detach(x))
    if x._node is not None:  # in a vmap: it stays one of a batch
        return require_grad(x) if requires_grad else x
    return Tensor(x._raw) if not requires_grad else require_grad(Tensor(x._raw))


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the data as a Tensor; one that has the dtype and device is returned as it is.

    Examples
    --------
    >>> import dualad
    >>> dualad.as_tensor([1.5, 2.5])
    tensor([1.5000, 2.5000])
    """
    return asarray(data, dtype=dtype, device=device)


def from_numpy(array: Any) -> Tensor:
    """Return a Tensor with a copy of a NumPy array, of the same dtype.

    PyTorch's shares memory with the array. Here values never change, so that a derivative can
    rely on them: use ``asarray(array, copy=False)`` if you will not write to the array.

    Raises
    ------
    TypeError
        If `array` is no NumPy array.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.from_numpy(np.array([1.0, 2.0]))
    tensor([1., 2.], dtype=dualad.float64)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}; use dualad.asarray")
    return asarray(array)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """Return the elements of another library's array, taken over through DLPack.

    Parameters
    ----------
    x : object with ``__dlpack__``
        The array.
    device : str or Device, optional
        By default that of the array.
    copy : bool, optional
        Whether to copy; by default it is done, as the other library may write to its array. False
        shares the memory.

    Raises
    ------
    DeviceError
        If no backend owns the kind of device the array is on.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.from_dlpack(np.array([1.0, 2.0]))
    tensor([1., 2.], dtype=dualad.float64)
    """
    if isinstance(x, Tensor) or BY_TYPE[type(x)] is not None:
        return asarray(x, device=device, copy=copy)
    if not hasattr(x, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: expected an array with __dlpack__, got {type_name(x)}")
    kind = int(x.__dlpack_device__()[0])
    if kind not in _DLPACK_DEVICES:
        raise DeviceError(f"from_dlpack: DLPack's device type {kind} belongs to no backend")
    backend, _ = place(_DLPACK_DEVICES[kind])
    try:
        taken = backend.xp.from_dlpack(x)
    except (RuntimeError, BufferError) as error:
        raise DTypeError(f"from_dlpack: {type_name(x)} of {getattr(x, 'dtype', '?')}: {error}") from error
    return asarray(taken, device=device, copy=copy)


# DLPack's numbers for kinds of device: main memory and CUDA's, managed and pinned.
_DLPACK_DEVICES = {1: "cpu", 3: "cpu", 2: "cuda", 13: "cuda"}


def _from_data(obj: Any, dtype: Any, device: Any, copy: bool | None) -> Tensor:
    wanted = optional_dtype(dtype)
    obj = plain_array(obj)
    backend = BY_TYPE[type(obj)]
    if backend is None and hasattr(obj, "__cuda_array_interface__"):
        backend, _ = place("cuda")
        obj = backend.xp.asarray(obj)  # of the same memory
    if backend is not None and (backend.name != "numpy" or isinstance(obj, (np.ndarray, np.generic))):
        x = Tensor(_own(obj, backend, copy))
        DTYPES[x._value.dtype]  # refuses object arrays and strings here and not later
        moved = ops.to(x, device=device, dtype=wanted)
        if copy is False and moved is not x:
            raise ValueError("asarray: copy=False, but another dtype or device needs a copy")
        return moved
    if isinstance(obj, (list, tuple)) and _has_tensors(obj):
        return ops.to(ops.stack(obj), device=device, dtype=wanted)
    if copy is False:
        raise ValueError(f"asarray: copy=False, but data of type {type(obj).__name__} must be copied")
    return _upload(_to_numpy(obj), wanted or _inferred(obj), device)


def _own(array: Any, backend: Backend, copy: bool | None) -> Any:
    """Return an array that only we can write to, unless the user wants to share it."""
    if isinstance(array, np.ndarray) and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if copy is False or isinstance(array, np.generic):
        return array
    return backend.copy(array)


def together(items: Any) -> list[Tensor]:
    """Return several things as Tensors, numbers and lists of numbers on the device of the others."""
    some = [asarray(a) if _has_device(a) else a for a in items]
    if all(isinstance(a, Tensor) for a in some):  # stand-ins among them are nowhere
        return some
    home = next((a.device for a in some if isinstance(a, Tensor)), None)
    return [a if isinstance(a, Tensor) else asarray(a, device=home) for a in some]


def _has_device(obj: Any) -> bool:
    return _has_tensors(obj) or (BY_TYPE[type(obj)] is not None and not isinstance(obj, np.generic))


def _has_tensors(obj: Any) -> bool:
    if isinstance(obj, Tensor):
        return True
    # The first items decide for sequences of plain numbers, which may be long.
    if (
        not isinstance(obj, (list, tuple))
        or not obj
        or (type(obj[0]) in PYTHON_SCALARS and type(obj[-1]) in PYTHON_SCALARS)
    ):
        return False
    return any(_has_tensors(item) for item in obj)


def _to_numpy(obj: Any) -> np.ndarray:
    try:
        array = np.asarray(obj)
    except ValueError as error:
        raise ShapeError(f"asarray: nested sequences must have equal lengths: {error}") from error
    if array.dtype.kind not in "biufc":
        raise DTypeError(
            f"asarray: expected numbers of up to 64 bits, or arrays of them, got {type(obj).__name__} (read "
            f"as {array.dtype})"
        )
    return array


def _inferred(obj: Any) -> DType | None:
    """Return the dtype that Python's numbers get; None for data that has a dtype of its own."""
    while isinstance(obj, (list, tuple)) and len(obj):
        obj = obj[0]
    if isinstance(obj, (list, tuple)):
        return get_default_dtype()
    return None if hasattr(obj, "dtype") or hasattr(obj, "__array__") else _PYTHON


#: Stands for "as Python's numbers": decided by what they are once they have been read.
_PYTHON: Any = object()


def _upload(array: np.ndarray, dtype: DType | None, device: Any) -> Tensor:
    backend, device = place(device)
    if dtype is _PYTHON:
        kind = array.dtype.kind
        dtype = {"f": get_default_dtype(), "c": complex_of(get_default_dtype()), "i": int64}.get(kind)
    if dtype is not None:
        _check_range(array, dtype)
        array = array.astype(dtype.host)
    return Tensor(upload(backend, array, dtype or DTYPES[array.dtype], device))


def upload(
    backend: Backend, array: np.ndarray, dtype: DType, device: Device, non_blocking: bool = False
) -> Any:
    """Return a NumPy array as one of a backend's, in a dtype that NumPy may lack.

    Raises
    ------
    DTypeError
        If there are no arrays of the dtype on the device.
    """
    wanted = native(backend, dtype, device)
    there = backend.from_numpy(array, device, non_blocking)
    return there if DTYPES[there.dtype] is dtype else backend.xp.astype(there, wanted)


def _check_range(array: np.ndarray, dtype: DType) -> None:
    """Raise if what a user wrote out cannot be told in the dtype they named."""
    if array.dtype.kind == "c" and not dtype.is_complex:
        raise DTypeError(f"asarray: complex numbers cannot become {dtype}; give their real parts")
    if dtype.kind.endswith("integer") and array.size:
        limits = np.iinfo(dtype.name)
        low, high = array.min(), array.max()  # NaN if there is one
        if not (limits.min <= low and high <= limits.max):
            raise DTypeError(f"asarray: numbers from {low} to {high} do not fit into {dtype}")
