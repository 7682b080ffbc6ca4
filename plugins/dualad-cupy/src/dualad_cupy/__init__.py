"""CuPy as a backend of dualad: the device type ``cuda``.

Importing this never fails and touches no GPU beyond counting them. Where CuPy or a GPU is
missing, the backend is registered all the same and says why it cannot be used.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any

import numpy as np

from dualad.backends import Backend, Device, hookimpl


class CupyBackend(Backend):
    """CuPy's arrays on the GPUs that CUDA reports."""

    name = "cupy"
    device_types = ("cuda",)

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
            self.cupy, self.cupyx, self.xp = cupy, cupyx, compat
            self.array_types = (cupy.ndarray,)

    # -- devices -----------------------------------------------------------------------------

    def devices(self) -> list[Device]:
        return [Device("cuda", i) for i in range(self.count)]

    def device_of(self, array: Any) -> Device:
        return Device("cuda", array.device.id)

    def native_device(self, device: Device) -> Any:
        return self.cupy.cuda.Device(device.index or 0)

    def from_numpy(self, array: np.ndarray, device: Device) -> Any:
        with self.native_device(device):
            return self.cupy.array(array)

    def to_numpy(self, array: Any) -> np.ndarray:
        return np.asarray(array.get())

    def to_device(self, array: Any, device: Device) -> Any:
        with self.native_device(device):
            return self.cupy.asarray(array)  # copies if the array is on a GPU other than the current

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function that computes the op `name`, made to run on its arrays' own GPU."""
        found = super().function(name)
        if self.count == 1 or name == "special":
            return found
        return _on_own_device(found, self.cupy) if callable(found) else _OwnDevice(found, self.cupy)

    def special_function(self, name: str) -> Callable[..., Any]:
        """Return CuPy's own function where it has one, else SciPy's, which runs on the CPU."""
        import cupyx.scipy.special

        found = getattr(cupyx.scipy.special, name, None)
        if found is None:
            return super().special_function(name)
        if name == "zeta":  # CuPy's is Hurwitz's alone
            return lambda x, *q: found(x, *q) if q else super(CupyBackend, self).special_function(name)(x)
        return found

    # -- elements ----------------------------------------------------------------------------

    def copy(self, array: Any) -> Any:
        with array.device:
            return array.copy()

    def is_view(self, result: Any, array: Any) -> bool:
        return bool(self.cupy.may_share_memory(result, array))

    def owns_memory(self, array: Any) -> bool:
        memory = self.cupy.cuda.memory
        return array.base is None and isinstance(
            array.data.mem, (memory.PooledMemory, memory.Memory, memory.MemoryAsync)
        )

    def getitem(self, array: Any, *, key: Any) -> Any:
        # Integer arrays that reach out of bounds wrap around, as always in CuPy.
        return array[self._key(key)]

    def setitem(self, array: Any, value: Any, *, key: Any) -> Any:
        return self.write(array.copy(), value, key)

    def write(self, array: Any, value: Any, key: Any) -> Any:
        array[self._key(key)] = value
        return array

    def index_add(self, array: Any, value: Any, *, key: Any) -> Any:
        # CUDA adds atomically to these types only; a complex number is added part by part.
        if array.dtype.kind == "c":
            self.cupyx.scatter_add(array.real, self._key(key), value.real)
            self.cupyx.scatter_add(array.imag, self._key(key), value.imag)
        elif array.dtype.char in "iILQefd":
            self.cupyx.scatter_add(array, self._key(key), value)
        else:
            return super().index_add(array, value, key=key)
        return array

    def _key(self, key: Any) -> Any:
        """Return a key as CuPy takes it: indices on the GPU, and masks beside others as integers."""
        if not isinstance(key, tuple):
            return self.cupy.asarray(key) if isinstance(key, np.ndarray | list) else key
        parts: list[Any] = []
        for k in key:
            k = self.cupy.asarray(k) if isinstance(k, np.ndarray | list) else k
            if isinstance(k, self.cupy.ndarray) and k.dtype.kind == "b" and k.ndim:
                parts.extend(k.nonzero())
            else:
                parts.append(k)
        return tuple(parts)

    # -- random numbers, figures -------------------------------------------------------------

    def generator(self, seed: int, device: Device) -> Any:
        with self.native_device(device):
            return self.cupy.random.default_rng(seed)

    def copy_generator(self, generator: Any) -> Any:
        # The lock cannot be copied, and is shared.
        new, bits = copy(generator), copy(generator.bit_generator)
        with bits._state.device:
            bits._state = bits._state.copy()
        new.bit_generator = bits
        return new

    def random(
        self, generator: Any, kind: str, shape: tuple[int, ...], dtype: Any, device: Device, **kw: Any
    ) -> Any:
        with self.native_device(device):
            if 0 in shape:
                return self.cupy.empty(shape, dtype)
            return getattr(generator, kind)(size=shape, **kw).astype(dtype, copy=False)

    def describe(self, device: Device) -> str:
        name = self.cupy.cuda.runtime.getDeviceProperties(device.index or 0)["name"].decode()
        free, total = self.native_device(device).mem_info
        return f"{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"

    def synchronize(self, device: Device) -> None:
        self.native_device(device).synchronize()


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


class _OwnDevice:
    """A part of the namespace, such as ``linalg``, whose functions run on their arrays' own GPU."""

    def __init__(self, part: Any, cupy: Any) -> None:
        self._part, self._cupy = part, cupy

    def __getattr__(self, name: str) -> Any:
        function = _on_own_device(getattr(self._part, name), self._cupy)
        setattr(self, name, function)
        return function


def _on_own_device(function: Callable[..., Any], cupy: Any) -> Callable[..., Any]:
    """Return the function made to run with the GPU of its first array, or ``device=``, current."""

    @wraps(function)
    def run(*args: Any, **keywords: Any) -> Any:
        device = keywords.get("device")
        for a in args:
            for part in a if isinstance(a, list | tuple) else (a,):
                if device is None and isinstance(part, cupy.ndarray):
                    device = part.device
        if device is None:
            return function(*args, **keywords)
        with device:
            return function(*args, **keywords)

    return run


@hookimpl
def dualad_backends() -> list[Backend]:
    """Return the backend."""
    return [CupyBackend()]
