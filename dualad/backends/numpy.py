"""NumPy: the backend of the device ``cpu``, registered through the same door as any other."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..dtypes import BY_NAME
from .base import Backend
from .device import CPU, Device
from .hookspecs import hookimpl
from .host import drawn_by_numpy, scipy_function
from .keys import Key, is_basic


class NumpyBackend(Backend):
    """NumPy arrays and scalars on the CPU."""

    name = "numpy"
    device_types = ("cpu",)
    # NumPy's functions return scalars where the standard has 0-d arrays. They compute the same
    # several times faster, so they are kept as values and become arrays only where a user looks.
    array_types = (np.ndarray, np.generic)
    # NumPy 2 is a namespace of the standard; array_api_compat's takes longer to import and to call.
    xp = np

    def devices(self) -> list[Device]:
        return [CPU]

    def check_device(self, device: Device) -> Device:
        return CPU if device.index in (None, 0) else super().check_device(device)

    def from_numpy(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> np.ndarray:
        return array.copy()

    def to_numpy(self, array: Any) -> np.ndarray:
        return np.asarray(array)

    def device_of(self, array: Any) -> Device:
        return CPU

    def native_device(self, device: Device) -> str:
        return "cpu"

    def to_device(self, array: Any, device: Device, non_blocking: bool = False) -> Any:
        return array

    def dlpack(self, array: Any, **keywords: Any) -> Any:
        array = np.asarray(array)
        if keywords.get("copy") is not False:  # PyTorch, for one, writes to what it is told is read-only
            return array.copy().__dlpack__(**{**keywords, "copy": None})
        if (keywords.get("max_version") or (0,))[0] < 1:
            raise BufferError("__dlpack__(copy=False): before DLPack 1.0 memory cannot be shared read-only")
        if min(array.strides, default=0) < 0:  # PyTorch ends the process
            raise BufferError("__dlpack__(copy=False): the elements go backwards in memory; take a copy")
        array = array.view()
        array.flags.writeable = False
        return array.__dlpack__(**keywords)

    def dlpack_device(self, array: Any) -> tuple[int, int]:
        return (1, 0)

    def copy(self, array: Any) -> Any:
        return array.copy()

    def is_view(self, result: Any, array: Any) -> bool:
        # NumPy's scalars, which its functions give for 0-d arrays, are values like any other.
        return isinstance(array, np.generic) or np.may_share_memory(result, array)

    def owns_memory(self, array: Any) -> bool:
        return type(array) is np.ndarray and array.base is None and array.flags.writeable

    def getitem(self, array: Any, *, key: Key) -> Any:
        return array[key]

    def setitem(self, array: Any, value: Any, *, key: Key) -> Any:
        array = np.array(array)
        array[key] = value
        return array

    def write(self, array: Any, value: Any, key: Key) -> Any:
        array = _writable(array)
        array[key] = value
        return array

    def index_add(self, array: Any, value: Any, *, key: Key) -> Any:
        array = _writable(array)
        if is_basic(key):
            array[key] += value
        elif array.dtype == np.float16:  # many may be added at one place
            total = array.astype(np.float32)
            np.add.at(total, key, value)
            array[...] = total
        else:
            np.add.at(array, key, value)
        return array

    def unbroadcast(self, array: Any, shape: tuple[int, ...]) -> Any:
        extra = array.ndim - len(shape)
        ones = tuple(i for i, n in enumerate(shape, extra) if n == 1 != array.shape[i])
        axes = (*range(extra), *ones)
        if array.dtype == np.float16:
            return np.add.reduce(array, axis=axes, dtype=np.float32).reshape(shape).astype(np.float16)
        total = np.add.reduce(array, axis=axes)
        return total if total.shape == shape else total.reshape(shape)

    # What the standard has and NumPy has not, or what costs less on small arrays than NumPy's own.

    def argsort(self, x: Any, *, axis: int, descending: bool, stable: bool) -> Any:
        if not descending:
            return np.argsort(x, axis=axis, stable=stable)
        # Of equal elements the first stays the first: sort them reversed, and count from the end.
        order = np.argsort(np.flip(x, axis=axis), axis=axis, stable=stable)
        return np.flip(x.shape[axis] - 1 - order, axis=axis)

    def sort(self, x: Any, *, axis: int, descending: bool, stable: bool) -> Any:
        y = np.sort(x, axis=axis, stable=stable)
        return np.flip(y, axis=axis) if descending else y

    def sum(self, x: Any, *, axis: tuple[int, ...] | None = None, keepdims: Any = False) -> Any:
        return np.add.reduce(x, axis=axis, keepdims=keepdims)

    def count_nonzero(self, x: Any, *, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
        n = np.count_nonzero(x, axis=axis, keepdims=keepdims)
        return np.intp(n) if isinstance(n, int) else n  # NumPy before 2.4 counts all in a Python int

    def special_function(self, name: str) -> Callable[..., Any]:
        return scipy_function(name)

    def astype(self, x: Any, dtype: Any) -> Any:
        return x.astype(dtype)

    def clip(self, x: Any, min: Any, max: Any) -> Any:
        return np.clip(x, min, max)

    def masked_product(self, g: Any, p: Any) -> Any:
        if not isinstance(g, np.ndarray):  # a scalar
            return g * p if g != 0 else g * 0
        # Most often there is nothing to mask: no zero in g, or nothing infinite in p. The first is
        # seen sooner in small arrays, the second in large ones.
        if g.size < 4096:
            plain = np.count_nonzero(g) == g.size
        else:
            plain = bool(np.isfinite(np.add.reduce(p, axis=None)))
        return g * p if plain else g * np.where(g == 0, 0, p)

    def broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Any:
        # np.broadcast_to costs as much as filling some thousand elements.
        if prod(shape) > 1024:
            return np.broadcast_to(x, shape)
        out = np.empty(shape, x.dtype)
        out[...] = x
        return out

    def random(
        self, generator: Any, kind: str, shape: tuple[int, ...], dtype: Any, device: Device, **parameters: Any
    ) -> np.ndarray:
        wanted = BY_NAME[dtype.name]  # nobody else has what is drawn: it need not be copied
        return drawn_by_numpy(generator, kind, shape, wanted, list(parameters.values()))

    def describe(self, device: Device) -> str:
        return f"{os.cpu_count()} cores"


def _writable(array: Any) -> np.ndarray:
    """Return the array, or a 0-d one of a NumPy scalar, which cannot be written to."""
    return array if type(array) is np.ndarray else np.array(array)


@hookimpl
def dualad_backends() -> list[Backend]:
    return [NumpyBackend()]
