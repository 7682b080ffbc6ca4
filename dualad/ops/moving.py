"""Moving Tensors between devices, and PyTorch's names for what a Tensor is."""

from __future__ import annotations

from typing import Any

from ..backends import Device, for_device
from ..backends.registry import BY_TYPE, DTYPES
from ..batching import broadcast
from ..dtypes import ALIASES, BY_NAME, DType, as_dtype
from ..engine import shapes
from ..engine.node import Standin
from ..engine.tensor import Tensor
from ..errors import DeviceError
from ..op import Unary
from ..rules import Linear
from .conversion import asarray, native, place, tensor, upload
from .creation import zeros
from .manipulation import astype, clone


def move_array(array: Any, device: Device, non_blocking: bool = False) -> Any:
    """Return a backend's array on another device, of that or of another backend."""
    backend, device = place(device)
    source, dtype = BY_TYPE[type(array)], DTYPES[array.dtype]
    assert source is not None
    if source is backend:
        native(backend, dtype, device)
        return backend.to_device(array, device, non_blocking)
    return upload(backend, source.to_numpy(array), dtype, device, non_blocking)


def _move_back(xp: Any, g: Any, like: Any, *, source: Device, non_blocking: bool) -> Any:
    if type(g) is Tensor:
        return to(g, source, non_blocking=non_blocking)
    return g if type(g) is Standin else move_array(g, source, non_blocking)


_to_device = Unary(
    "to_device(x)",
    Linear(_move_back),
    shape=shapes.same,
    compute=lambda xp, x, *, device, source, non_blocking: move_array(x, device, non_blocking),
    batch=broadcast,
    node_name="ToCopy",
)


def to(
    x: Any, *args: Any, device: Any = None, dtype: Any = None, copy: bool = False, non_blocking: bool = False
) -> Tensor:
    """Return x on another device, in another dtype, or both, or as another Tensor is.

    Differentiable: gradients come back to the device and in the dtype of x. With ``non_blocking`` a copy
    to or between GPUs may go on while the program does; the ops that use it wait for it. A copy to the
    CPU is always complete when this returns.

    Raises
    ------
    DeviceError
        If there is no such device, or it cannot be used.

    Examples
    --------
    >>> import dualad
    >>> dualad.ones(2).to(dualad.float64)
    tensor([1., 1.], dtype=dualad.float64)
    """
    x = y = asarray(x)
    for a in args:
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, DType) or (isinstance(a, str) and a in BY_NAME) or isinstance(a, type):
            dtype = a
        elif a is not None:
            device = a
    wanted = x.dtype if dtype is None else as_dtype(dtype)
    if device is not None:
        backend, device = place(device)
        known = backend.has_dtype(x.dtype, device)
        # The smaller of the two travels, if both devices have it.
        if (wanted.itemsize < x.dtype.itemsize or not known) and x._backend.has_dtype(wanted, x.device):
            y = astype(y, wanted)
        if device != x.device:
            y = _to_device(y, device=device, source=x.device, non_blocking=bool(non_blocking))
    y = astype(y, wanted, copy=False)
    return clone(y) if copy and y is x else y


def to_cuda(x: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Return x on a CUDA device: the first, or the one of that name or number."""
    if device is None:
        device = "cuda"
    device = Device("cuda", device) if isinstance(device, int) else Device(device)
    return to(x, device, non_blocking=non_blocking)


def pin_memory(x: Tensor) -> Tensor:
    """Return x, which is on the CPU, in pinned memory, from which a GPU copies while the program goes on.

    No history goes with it.

    Raises
    ------
    DeviceError
        If x is not on the CPU, or there is no GPU.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     x = dualad.ones(3).pin_memory().to("cuda", non_blocking=True)
    """
    if x.device.type != "cpu":
        raise DeviceError(f"pin_memory: expected a Tensor on the CPU, got one on {x.device}")
    if is_pinned(x):
        return x
    backend: Any = place("cuda")[0]
    return Tensor(backend.pinned(x.detach().numpy()))


def is_pinned(x: Tensor) -> bool:
    """Return whether x is in pinned memory.

    Examples
    --------
    >>> import dualad
    >>> dualad.ones(3).is_pinned()
    False
    """
    if x.device.type != "cpu":
        return False
    try:
        backend: Any = for_device(Device("cuda"))
    except DeviceError:
        return False
    return bool(backend.is_pinned(x.detach().numpy())) if hasattr(backend, "is_pinned") else False


# -- PyTorch's tensor types ----------------------------------------------------------------------

# The names of the tensor types, by dtype: PyTorch's second names, in capitals.
_TYPE_NAMES = {
    "float32": "FloatTensor", "float64": "DoubleTensor", "float16": "HalfTensor",
    "bfloat16": "BFloat16Tensor",
    "int8": "CharTensor", "int16": "ShortTensor", "int32": "IntTensor", "int64": "LongTensor",
    "uint8": "ByteTensor", "bool": "BoolTensor",
}  # fmt: skip


class TensorType:
    """A tensor type of PyTorch's, such as ``dualad.FloatTensor``: a dtype and a kind of device.

    Called with data it makes a Tensor of them, called with sizes a Tensor of zeros; given to
    ``x.type(...)`` it converts and moves.

    Examples
    --------
    >>> import dualad
    >>> dualad.ones(2).type(dualad.DoubleTensor)
    tensor([1., 1.], dtype=dualad.float64)
    >>> dualad.LongTensor([1, 2])
    tensor([1, 2])
    """

    def __init__(self, name: str, dtype: DType, device: str) -> None:
        self.name, self.dtype, self.device = name, dtype, device

    def __repr__(self) -> str:
        return f"<class 'dualad.{self.name}'>"

    def __call__(self, *data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            return tensor(data[0], dtype=self.dtype, device=self.device)
        return zeros(*data, dtype=self.dtype, device=self.device)


def tensor_types(prefix: str, device: str) -> dict[str, TensorType]:
    """Return the tensor types of a kind of device, by name."""
    return {t: TensorType(prefix + t, BY_NAME[d], device) for d, t in _TYPE_NAMES.items()}


CPU_TYPES = tensor_types("", "cpu")


def tensor_type(x: Tensor, dtype: Any = None) -> Any:
    """Return the name of x's tensor type, or x as another one, or in another dtype."""
    if dtype is None:
        kind = _TYPE_NAMES.get(x.dtype.name, x.dtype.name)
        return "dualad." + ("" if x.device.type == "cpu" else f"{x.device.type}.") + kind
    if isinstance(dtype, str) and dtype.startswith("dualad."):
        kind, _, name = dtype.removeprefix("dualad.").rpartition(".")
        dtype = tensor_types("", kind or "cpu").get(name, dtype)
    if isinstance(dtype, TensorType):
        device = x.device if dtype.device == x.device.type else dtype.device
        return to(x, device, dtype=dtype.dtype)
    return to(x, dtype=ALIASES.get(dtype, dtype) if isinstance(dtype, str) else dtype)
