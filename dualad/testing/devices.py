"""The devices of a backend that is to be tested, looked at before anything is run on them."""

from __future__ import annotations

import numpy as np

from ..backends import Backend, Device
from ..backends.device import devices_of
from ..errors import DeviceError


def usable_devices(backend: Backend) -> list[Device]:
    """Return a backend's devices.

    Raises
    ------
    DeviceError
        If there is none, if they cannot be listed, or if their names are not those that arrays have.
    """
    here = devices_of(backend)
    what = f"devices() of the {backend.name} backend gives"
    for device in here:
        if device.type not in backend.device_types:
            types = ", ".join(backend.device_types)
            raise DeviceError(f"{what} {device}, which is of none of its device types: {types}")
        index = _index_told(backend, device)
        if device.index is None and index is not None:
            raise DeviceError(
                f"{what} {device} without an index, and device_of says {device}:{index} of an array there: "
                f"give Device({device.type!r}, {index})"
            )
    return here


def _index_told(backend: Backend, device: Device) -> int | None:
    """Return the index that `device_of` tells of an array on a device; None if there is none."""
    try:
        where = backend.device_of(backend.from_numpy(np.zeros(1, np.float32), device))
    except Exception:  # checks of their own say what is wrong with these methods
        return None
    return where.index if isinstance(where, Device) else None
