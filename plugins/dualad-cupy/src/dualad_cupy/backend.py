"""The backend: what dualad asks of an array library, answered with CuPy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from dualad import dtypes
from dualad.backends import Backend, Device, is_deterministic

from . import random, streams
from .devices import OnOwnDevice, adopt, array_class, on_own_device
from .functions import Functions
from .indexing import Indexing
from .kernels import Fused, FusedSum

_NO_MEMORY = 2  # cudaErrorMemoryAllocation, which CuPy has no name for in Python


class CupyBackend(Backend):
    """CuPy's arrays on the GPUs that CUDA reports.

    Attributes
    ----------
    cuda : module
        ``cupy.cuda``, from which `dualad.cuda` has its streams, events and devices.
    """

    name = "cupy"
    device_types = ("cuda",)
    has_streams = True
    hook_version = 2

    def __init__(self) -> None:
        self.count = 0
        try:
            import cupy
            import cupyx

            self.count = cupy.cuda.runtime.getDeviceCount()
            if self.count == 0:
                self.unavailable = "CuPy is installed, but CUDA reports no GPU"
                return
            # GPUs can be counted where no kernel can be compiled: a CUDA library may be missing.
            cupy.zeros(1).sum()
            import array_api_compat.cupy as compat
        except ModuleNotFoundError as error:
            self.unavailable = (
                "CuPy is not installed; install 'dualad-cupy[cuda12x]' or 'dualad-cupy[cuda13x]', "
                "whichever fits your CUDA driver"
                if error.name == "cupy"
                else f"CuPy cannot be imported: {_first_line(error)}"
            )
        except Exception as error:  # a broken CuPy or driver can raise anything
            self.unavailable = f"CuPy is installed, but CUDA does not work: {_first_line(error)}"
        else:
            self._begin(cupy, cupyx, compat)

    def _begin(self, cupy: ModuleType, cupyx: ModuleType, compat: ModuleType) -> None:
        self.cupy, self.cuda = cupy, cupy.cuda
        self.array_types = (cupy.ndarray,)
        self._several = self.count > 1
        self.xp = OnOwnDevice(compat, self._guard) if self._several else compat
        #: What all results are where there are several GPUs; see `devices`.
        self._kind: type = array_class(cupy) if self._several else cupy.ndarray
        self._indexing, self._functions = Indexing(cupy, cupyx), Functions(cupy)
        self._guarded: dict[str, Callable[..., Any]] = {}

    # -- devices -----------------------------------------------------------------------------

    def devices(self) -> list[Device]:
        return [Device("cuda", i) for i in range(self.count)]

    def check_device(self, device: Device) -> Device:
        """Return the device with its index filled in: that of the current GPU, as in PyTorch and CuPy."""
        if device.index is None:
            device = Device("cuda", self.cuda.runtime.getDevice())
        return super().check_device(device)

    def device_of(self, array: Any) -> Device:
        return Device("cuda", array.device.id)

    def native_device(self, device: Device) -> Any:
        return self.cuda.Device(device.index or 0)

    def _at(self, array: Any) -> AbstractContextManager[Any]:
        """Return a context in which the GPU of an array is the current one."""
        return array.device if self._several else nullcontext()

    def _ours(self, array: Any) -> Any:
        return adopt(array, self.cupy.ndarray, self._kind) if self._several else array

    # -- dtypes ------------------------------------------------------------------------------

    @cached_property
    def native_dtypes(self) -> dict[dtypes.DType, Any]:
        """CuPy's dtypes; it has bfloat16 from version 14 on, where ml_dtypes is installed."""
        found = dict(super().native_dtypes)
        bfloat16 = dtypes.BY_NAME.get("bfloat16")
        if bfloat16 is not None and int(self.cupy.__version__.split(".")[0]) >= 14:
            try:
                import ml_dtypes
            except ModuleNotFoundError:
                return found
            found[bfloat16] = np.dtype(ml_dtypes.bfloat16)
        return found

    # -- to and from the host, and between GPUs ----------------------------------------------

    def from_numpy(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Any:
        # CuPy copies from its own buffer in pinned memory, and goes on; what is pinned already it
        # reads where it is, and it must not be written to meanwhile.
        array = np.asarray(array)  # of a NumPy scalar too
        pinned = not non_blocking and self.is_pinned(array)
        with self.native_device(device):
            return self._ours(self.cupy.array(array, blocking=pinned))

    def to_numpy(self, array: Any) -> np.ndarray:
        with self._at(array):
            if array.dtype.kind == "V":  # bfloat16, which NumPy does not have of its own
                array = array.astype(np.float32)
            return np.asarray(array.get())

    def to_device(self, array: Any, device: Device, non_blocking: bool = False) -> Any:
        target = self.native_device(device)
        if array.device == target:
            return array
        return self._ours(streams.copy_to(self.cupy, array, target))

    def pinned(self, array: np.ndarray) -> np.ndarray:
        """Return a copy of a NumPy array in pinned memory, which a GPU reads on its own."""
        if not array.size:
            return array.copy()
        memory = self.cuda.alloc_pinned_memory(array.nbytes)
        copied = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
        copied[...] = array
        return copied

    def is_pinned(self, array: np.ndarray) -> bool:
        """Whether a NumPy array is in pinned memory."""
        return array.size > 0 and bool(self.cuda.pinned_memory.is_memory_pinned(array.ctypes.data))

    def dlpack(self, array: Any, **keywords: Any) -> Any:
        """Return a DLPack capsule of the array itself, on the GPU: what takes it must not write to it."""
        with self._at(array):
            if keywords.get("copy") and keywords.get("dl_device") in (None, array.__dlpack_device__()):
                array, keywords = array.copy(), {**keywords, "copy": None}
            return array.__dlpack__(**keywords)

    # -- functions ---------------------------------------------------------------------------

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function that computes the op `name`, made to run on its arrays' own GPU."""
        own = None if name in self.gaps else getattr(self._functions, name, None)
        found = super().function(name) if own is None else own
        # The namespace guards its functions itself, and `special_function` those it gives.
        if not self._several or name.startswith("special"):
            return found
        if name not in self._guarded:  # the same for both kinds of arrays
            self._guarded[name] = self._guard(found) if callable(found) else found
        return self._guarded[name]

    def _guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return on_own_device(function, self.cupy, self._kind)

    def special_function(self, name: str) -> Callable[..., Any]:
        """Return CuPy's own function where it has one, else SciPy's, which runs on the CPU."""
        found = self._functions.special_function(name) or super().special_function(name)
        return self._guard(found) if self._several else found

    # -- elements ----------------------------------------------------------------------------

    def copy(self, array: Any) -> Any:
        with self._at(array):
            return self._ours(array.copy())

    def is_view(self, result: Any, array: Any) -> bool:
        return bool(self.cupy.may_share_memory(result, array))

    def owns_memory(self, array: Any) -> bool:
        memory = self.cuda.memory
        return array.base is None and isinstance(
            array.data.mem, (memory.PooledMemory, memory.Memory, memory.MemoryAsync)
        )

    def getitem(self, array: Any, *, key: Any) -> Any:
        with self._at(array):
            return self._indexing.read(array, key)

    def setitem(self, array: Any, value: Any, *, key: Any) -> Any:
        return self.write(self.copy(array), value, key)

    def write(self, array: Any, value: Any, key: Any) -> Any:
        with self._at(array):
            return self._indexing.write(array, value, key)

    def index_add(self, array: Any, value: Any, *, key: Any) -> Any:
        with self._at(array):
            return self._indexing.add(array, value, key, is_deterministic())

    # -- several operations as one kernel ------------------------------------------------------

    def fuse(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        kernel = Fused(self.cupy, function, super().fuse(function, name), name)
        return self._guard(kernel) if self._several else kernel

    def fuse_sum(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        kernel = FusedSum(self.cupy, function, super().fuse_sum(function, name), name)
        return self._guard(kernel) if self._several else kernel

    def masked_product(self, g: Any, p: Any) -> Any:
        return self._masked_product(g, p)

    @cached_property
    def _masked_product(self) -> Callable[..., Any]:
        return self.fuse(lambda xp, g, p: g * xp.where(g == 0, 0, p), "masked_product")

    # -- random numbers ----------------------------------------------------------------------

    def generator(self, seed: int, device: Device) -> Any:
        with self.native_device(device):
            return random.generator(self.cupy, seed)

    def copy_generator(self, generator: Any) -> Any:
        return random.copy_generator(self.cupy, generator)

    def generator_state(self, generator: Any) -> bytes:
        return random.state_of(generator)

    def restore_generator(self, state: bytes, device: Device) -> Any:
        with self.native_device(device):
            return random.restore(self.cupy, state)

    def random(
        self, generator: Any, kind: str, shape: tuple[int, ...], dtype: Any, device: Device, **parameters: Any
    ) -> Any:
        with self.native_device(device):
            return self._ours(random.draw(self.cupy, generator, kind, shape, dtype, **parameters))

    # -- figures -----------------------------------------------------------------------------

    def describe(self, device: Device) -> str:
        name = self.cuda.runtime.getDeviceProperties(device.index or 0)["name"].decode()
        free, total = self.native_device(device).mem_info
        return f"{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"

    def synchronize(self, device: Device) -> None:
        self.native_device(device).synchronize()

    def memory(self, device: Device) -> dict[str, int]:
        with self.native_device(device) as here:
            pool = self.cupy.get_default_memory_pool()
            free, total = here.mem_info
            return {
                "allocated": pool.used_bytes(),
                "reserved": pool.total_bytes(),
                "free": free,
                "total": total,
            }

    def free_memory(self, device: Device) -> None:
        with self.native_device(device):
            self.cupy.get_default_memory_pool().free_all_blocks()
        self.cupy.get_default_pinned_memory_pool().free_all_blocks()

    def is_out_of_memory(self, error: BaseException) -> bool:
        if isinstance(error, MemoryError):  # CuPy's OutOfMemoryError among them
            return True
        return isinstance(error, self.cuda.runtime.CUDARuntimeError) and error.status == _NO_MEMORY

    # -- streams -----------------------------------------------------------------------------

    def current_stream(self, array: Any) -> Any:
        if self._several:
            device = array.device.id
            return streams.Place(device, self.cuda.get_current_stream(device))
        stream = self.cuda.get_current_stream()
        return stream if stream.ptr else None

    def on_stream(self, stream: Any) -> AbstractContextManager[Any]:
        if isinstance(stream, streams.Place):
            return streams.on_place(self.cupy, stream)
        return self.cuda.Stream.null if stream is None else stream

    def join(self, source: Any, target: Any) -> None:
        one, other = self._place(source), self._place(target)
        streams.join(self.cupy, one, other)

    def _place(self, stream: Any) -> streams.Place:
        if isinstance(stream, streams.Place):
            return stream
        return streams.Place(0, self.cuda.Stream.null if stream is None else stream)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
