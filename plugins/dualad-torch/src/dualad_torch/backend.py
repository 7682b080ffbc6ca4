"""The backend: PyTorch's tensors on its devices, with PyTorch's own autograd off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property, wraps
from typing import Any

import array_api_compat.torch as compat
import numpy as np
import torch
from torch.autograd import forward_ad

import dualad
from dualad import DType
from dualad.backends import Backend, Device
from dualad.errors import DeviceError, DTypeError

from . import functions, indexing, randomness
from .recorded import check_unrecorded, has_tangent, refuse

Key = Any

#: PyTorch's types of devices, and what they are called here.
DEVICE_TYPES = {"cpu": "torch", "cuda": "torch_cuda", "mps": "torch_mps", "xpu": "torch_xpu"}
_NATIVE_TYPES = {ours: theirs for theirs, ours in DEVICE_TYPES.items()}

_NO_SUCH_DEVICE = "torch.Tensors on the device '{device}' are not supported; there are those on " + ", ".join(
    DEVICE_TYPES
)

#: PyTorch has them, and little that can be done with them.
_POOR_DTYPES = (dualad.uint16, dualad.uint32, dualad.uint64)

#: What there are no arrays of on Apple's GPUs.
_NOT_ON_MPS = (dualad.float64, dualad.complex128)


class TorchBackend(Backend):
    """PyTorch's tensors on the devices that PyTorch finds, ``torch`` being its CPU.

    An array that requires grad is refused, where PyTorch would record the op.
    """

    name = "torch"
    device_types = tuple(DEVICE_TYPES.values())
    array_types = (torch.Tensor,)
    xp = compat
    has_streams = torch.cuda.is_available()

    # -- devices -----------------------------------------------------------------------------

    def devices(self) -> list[Device]:
        found = [Device("torch")]
        for kind in ("cuda", "mps", "xpu"):
            module = getattr(torch, kind)
            if module.is_available():
                count = module.device_count()
                found += [Device(DEVICE_TYPES[kind], i) for i in range(count)]
        return found

    def check_device(self, device: Device) -> Device:
        if device.type == "torch" and device.index in (None, 0):
            return Device("torch")
        return super().check_device(device if device.index is not None else Device(device.type, 0))

    def device_of(self, array: torch.Tensor) -> Device:
        native = array.device
        if native.type == "cpu":
            return Device("torch")
        if native.type not in DEVICE_TYPES:
            raise DeviceError(_NO_SUCH_DEVICE.format(device=str(native)))
        return Device(DEVICE_TYPES[native.type], native.index or 0)

    def native_device(self, device: Device) -> torch.device:
        kind = _NATIVE_TYPES[device.type]
        return torch.device(kind) if kind == "cpu" else torch.device(kind, device.index or 0)

    @cached_property
    def native_dtypes(self) -> dict[DType, Any]:
        return {d: native for d, native in super().native_dtypes.items() if d not in _POOR_DTYPES}

    def has_dtype(self, dtype: DType, device: Device) -> bool:
        if device.type == "torch_mps" and dtype in _NOT_ON_MPS:
            return False
        return super().has_dtype(dtype, device)

    def from_numpy(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> torch.Tensor:
        array = np.asarray(array, order="C")  # PyTorch has no negative strides
        if non_blocking and device.type == "torch_cuda":
            return torch.tensor(array).pin_memory().to(self.native_device(device), non_blocking=True)
        return torch.tensor(array, device=self.native_device(device))

    def to_numpy(self, array: torch.Tensor) -> np.ndarray:
        check_unrecorded("numpy", array)
        _check_kind(array)
        if array.dtype is torch.bfloat16:
            array = array.to(torch.float32)
        # A sole element is copied: to show it as NumPy's would keep the array from being written to.
        alone = array.clone() if array.numel() == 1 else array
        return np.asarray(alone.numpy(force=True))

    def to_device(self, array: torch.Tensor, device: Device, non_blocking: bool = False) -> torch.Tensor:
        return array.to(self.native_device(device), non_blocking=non_blocking)

    # -- functions ---------------------------------------------------------------------------

    def function(self, name: str) -> Any:
        """Return the function that computes the op `name`: it gives nothing that PyTorch records."""
        found: Any = functions.OWN.get(name)
        if found is None or name in self.gaps:
            found = super().function(name)
        return _unrecorded(name, found) if callable(found) else _Part(self, name)

    def special_function(self, name: str) -> Callable[..., Any]:
        """Return PyTorch's own function where it has one for the arguments, else SciPy's, on the CPU."""
        elsewhere = super().special_function(name)
        found = functions.SPECIAL.get(name)
        if found is None:
            return elsewhere

        def compute(*args: Any) -> Any:
            return found(*args) if functions.is_plain(args) else elsewhere(*args)

        return compute

    # -- elements ----------------------------------------------------------------------------

    def copy(self, array: torch.Tensor) -> torch.Tensor:
        check_unrecorded("asarray", array)
        _check_kind(array)
        return array.clone(memory_format=torch.contiguous_format)

    def dlpack(self, array: torch.Tensor, **keywords: Any) -> Any:
        # PyTorch cannot forbid to write: memory is shared with those alone who ask for it.
        return (array if keywords.get("copy") is False else self.copy(array)).__dlpack__(**keywords)

    def is_view(self, result: torch.Tensor, array: torch.Tensor) -> bool:
        return indexing.shares_memory(result, array)

    def owns_memory(self, array: torch.Tensor) -> bool:
        return indexing.is_alone(array)

    def getitem(self, array: torch.Tensor, *, key: Key) -> torch.Tensor:
        return indexing.read(array, key)

    def setitem(self, array: torch.Tensor, value: Any, *, key: Key) -> torch.Tensor:
        return indexing.write(array.clone(memory_format=torch.contiguous_format), value, key)

    def write(self, array: torch.Tensor, value: Any, key: Key) -> torch.Tensor:
        check_unrecorded("setitem", value)
        try:
            return indexing.write(array, value, key)
        except RuntimeError as error:  # the shapes do not fit, and nothing has been written
            raise ValueError(str(error)) from error

    def index_add(self, array: torch.Tensor, value: torch.Tensor, *, key: Key) -> torch.Tensor:
        return indexing.add(array, value, key)

    # -- random numbers ----------------------------------------------------------------------

    def generator(self, seed: int, device: Device) -> torch.Generator:
        return torch.Generator(self.native_device(device)).manual_seed(seed)

    def copy_generator(self, generator: torch.Generator) -> torch.Generator:
        return torch.Generator(generator.device).set_state(generator.get_state())

    def generator_state(self, generator: torch.Generator) -> bytes:
        return generator.get_state().numpy().tobytes()

    def restore_generator(self, state: bytes, device: Device) -> torch.Generator:
        generator = torch.Generator(self.native_device(device))
        try:
            return generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"no state of a generator of {device}: {error}") from error

    def random(
        self, generator: Any, kind: str, shape: tuple[int, ...], dtype: Any, device: Device, **parameters: Any
    ) -> torch.Tensor:
        return randomness.KINDS[kind](generator, shape, dtype, **parameters)

    # -- figures -----------------------------------------------------------------------------

    def is_tracing(self, array: torch.Tensor) -> bool:
        return torch._C._functorch.is_functorch_wrapped_tensor(array)

    def is_out_of_memory(self, error: BaseException) -> bool:
        # On the CPU PyTorch says so in words.
        out = isinstance(error, torch.OutOfMemoryError | MemoryError)
        return out or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))

    def describe(self, device: Device) -> str:
        kind = _NATIVE_TYPES[device.type]
        if kind == "cpu":
            return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"
        if kind == "mps":
            return f"PyTorch {torch.__version__}, Metal"
        return f"PyTorch {torch.__version__}, {getattr(torch, kind).get_device_name(device.index or 0)}"

    def synchronize(self, device: Device) -> None:
        kind = _NATIVE_TYPES[device.type]
        if kind == "mps":
            torch.mps.synchronize()
        elif kind != "cpu":
            getattr(torch, kind).synchronize(device.index or 0)

    def memory(self, device: Device) -> dict[str, int]:
        kind, index = _NATIVE_TYPES[device.type], device.index or 0
        if kind == "mps":
            return {
                "allocated": torch.mps.current_allocated_memory(),
                "reserved": torch.mps.driver_allocated_memory(),
            }
        if kind == "cpu":
            return {}
        module = getattr(torch, kind)
        free, total = module.mem_get_info(index)
        allocated, reserved = module.memory_allocated(index), module.memory_reserved(index)
        return {"allocated": allocated, "reserved": reserved, "free": free, "total": total}

    def free_memory(self, device: Device) -> None:
        kind = _NATIVE_TYPES[device.type]
        if kind != "cpu":
            getattr(torch, kind).empty_cache()

    # -- CUDA's streams, which know their device -----------------------------------------------

    def current_stream(self, array: torch.Tensor) -> Any:
        if array.device.type != "cuda":
            return None
        stream = torch.cuda.current_stream(array.device)
        return None if stream == torch.cuda.default_stream(array.device) else stream

    def on_stream(self, stream: Any) -> AbstractContextManager[Any]:
        if not self.has_streams:
            return super().on_stream(stream)
        return torch.cuda.stream(torch.cuda.default_stream() if stream is None else stream)

    def join(self, source: Any, target: Any) -> None:
        if source is target is None:
            return
        source = torch.cuda.default_stream(target.device) if source is None else source
        target = torch.cuda.default_stream(source.device) if target is None else target
        target.wait_stream(source)


class _Part:
    """A part of the namespace, such as ``linalg``: its functions, each looked up once."""

    def __init__(self, backend: TorchBackend, name: str) -> None:
        self._backend, self._name = backend, name

    def __getattr__(self, name: str) -> Any:
        function = self._backend.function(f"{self._name}.{name}")
        setattr(self, name, function)
        return function


def _unrecorded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function made to refuse what PyTorch would record, with dualad's errors and NumPy's."""

    @wraps(function)
    def run(*args: Any, **keywords: Any) -> Any:
        try:
            y = function(*args, **keywords)
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
            raise np.linalg.LinAlgError(str(error)) from error
        except (RuntimeError, TypeError):
            for x in args:
                _check_kind(x)
            raise
        if isinstance(y, torch.Tensor):
            # The second is True only while PyTorch's forward mode is on.
            if y.requires_grad or (forward_ad._current_level >= 0 and has_tangent(y)):
                refuse(name)
            return y
        if isinstance(y, tuple):
            for part in y:
                check_unrecorded(name, part)
        return y

    return run


def _check_kind(x: Any) -> None:
    """Raise if x is a torch.Tensor of a kind that is no array of numbers in memory.

    Raises
    ------
    DTypeError
        If it is sparse, nested, or in another layout that has no strides.
    DeviceError
        If it has no elements, being on the device ``meta``.
    """
    if not isinstance(x, torch.Tensor):
        return
    if x.layout is not torch.strided or x.is_nested:
        kind = "nested" if x.is_nested else str(x.layout).removeprefix("torch.")
        raise DTypeError(
            f"torch.Tensors of the kind {kind} are not supported, only dense ones; make it one with "
            ".to_dense() or, if it is nested, with torch.nested.to_padded_tensor"
        )
    if x.is_meta:
        raise DeviceError(_NO_SUCH_DEVICE.format(device="meta"))
