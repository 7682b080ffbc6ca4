"""array-api-strict as a backend of dualad: what its arrays refuse is not in the standard."""

from __future__ import annotations

import warnings
from typing import Any

import array_api_strict as xp
import numpy as np

from dualad import DType
from dualad.backends import Backend, Device, hookimpl

# Its dtypes have the hashes of NumPy's and warn when compared with them, which a dictionary that
# holds both cannot but do.
warnings.filterwarnings("ignore", message="You are comparing a array_api_strict dtype")


class StrictBackend(Backend):
    """array-api-strict's arrays on all its devices, ``strict:0`` being its CPU.

    Nothing is overridden that dualad can do with standard functions: that is the point.
    """

    name = "strict"
    device_types = ("strict",)
    array_types = (type(xp.asarray(0)),)
    xp = xp
    hook_version = 2

    def __init__(self) -> None:
        self._info = xp.__array_namespace_info__()
        self._native: tuple[Any, ...] = tuple(self._info.devices())

    def devices(self) -> list[Device]:
        return [Device("strict", i) for i in range(len(self._native))]

    def from_numpy(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Any:
        return xp.asarray(array, copy=True, device=self.native_device(device))

    def to_numpy(self, array: Any) -> np.ndarray:
        # Only its CPU gives its elements away.
        return np.asarray(array.to_device(self._native[0]))

    def device_of(self, array: Any) -> Device:
        return Device("strict", self._native.index(array.device))

    def native_device(self, device: Device) -> Any:
        return self._native[device.index or 0]

    def has_dtype(self, dtype: DType, device: Device) -> bool:
        return dtype.name in self._info.dtypes(device=self.native_device(device))

    def index_dtype(self, device: Device) -> str:
        kinds = self._info.default_dtypes(device=self.native_device(device))
        return "int32" if kinds["indexing"] == xp.int32 else "int64"

    def describe(self, device: Device) -> str:
        return str(self.native_device(device))


@hookimpl
def dualad_backends() -> list[Backend]:
    """Return the backend."""
    return [StrictBackend()]
