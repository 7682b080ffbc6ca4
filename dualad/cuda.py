"""CUDA, in PyTorch's form: whether there is a GPU, how many, and the tensor types on it."""

from __future__ import annotations

from .backends import Device, for_device
from .errors import DeviceError
from .ops.moving import tensor_types

_TYPES = tensor_types("cuda.", "cuda")
FloatTensor, DoubleTensor = _TYPES["FloatTensor"], _TYPES["DoubleTensor"]
HalfTensor, CharTensor = _TYPES["HalfTensor"], _TYPES["CharTensor"]
ShortTensor, IntTensor = _TYPES["ShortTensor"], _TYPES["IntTensor"]
LongTensor, ByteTensor = _TYPES["LongTensor"], _TYPES["ByteTensor"]
BoolTensor = _TYPES["BoolTensor"]


def device_count() -> int:
    """Return the number of CUDA devices that can be used.

    Examples
    --------
    >>> import dualad
    >>> dualad.cuda.device_count() >= 0
    True
    """
    try:
        return len(for_device(Device("cuda")).devices())
    except DeviceError:
        return 0


def is_available() -> bool:
    """Return whether a CUDA device can be used: its plugin, CuPy and a working GPU are there.

    Examples
    --------
    >>> import dualad
    >>> device = "cuda" if dualad.cuda.is_available() else "cpu"
    """
    return device_count() > 0


def synchronize(device: str | Device = "cuda") -> None:
    """Wait until all work on a CUDA device is done."""
    backend = for_device(Device(device))
    backend.synchronize(backend.check_device(Device(device)))
