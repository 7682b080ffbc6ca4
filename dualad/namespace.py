"""What a library written for any array library asks of dualad: its namespace, and what it can do.

The namespace of Tensors on the CPU is the package itself. That of Tensors on another device is the same
but for where it makes things: on that device.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any

from .backends import CPU, Device, all
from .dtypes import DType, complex_of, get_default_dtype, int64
from .ops.conversion import place
from .ops.datatypes import dtypes_of_kind

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")

# The functions that make arrays of no array.
_MAKERS = frozenset({
    "arange", "empty", "eye", "full", "linspace", "ones", "rand", "randint", "randn", "randperm", "zeros",
})  # fmt: skip


class DeviceNamespace:
    """The functions of dualad, of which those that make arrays make them on one device.

    Parameters
    ----------
    device : Device
        The device.
    """

    def __init__(self, device: Device) -> None:
        self.device_of_arrays = device
        self.__name__ = "dualad"

    def __getattr__(self, name: str) -> Any:
        value = getattr(sys.modules["dualad"], name)
        if name in _MAKERS:
            value = partial(value, device=self.device_of_arrays)
        elif name in ("asarray", "tensor", "as_tensor"):
            value = _made_on(self.device_of_arrays, value)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return dir(sys.modules["dualad"])

    def __repr__(self) -> str:
        return f"<dualad on {self.device_of_arrays}>"


def _made_on(here: Device, make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def made(data: Any, /, *, device: Any = None, **keywords: Any) -> Any:
        if device is None and not hasattr(data, "device"):  # an array stays where it is
            device = here
        return make(data, device=device, **keywords)

    return made


def namespace(device: Device, api_version: str | None = None) -> Any:
    """Return the namespace of Tensors on a device: one object for each.

    Raises
    ------
    ValueError
        If `api_version` is no version of the standard.
    """
    if api_version is not None and api_version not in VERSIONS:
        raise ValueError(
            f"__array_namespace__: unknown version {api_version!r}; there are {', '.join(VERSIONS)}"
        )
    return sys.modules["dualad"] if device == CPU else _on(device)


_on = cache(DeviceNamespace)


class NamespaceInfo:
    """What dualad can do, in the form of the standard's inspection functions.

    Examples
    --------
    >>> import dualad
    >>> info = dualad.__array_namespace_info__()
    >>> info.capabilities()["boolean indexing"], info.default_dtypes()["real floating"]
    (True, dualad.float32)
    """

    def capabilities(self) -> dict[str, Any]:
        """Return which optional behaviour there is."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """Return the device that creation functions use."""
        return CPU

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """Return the dtypes that Python's numbers and indices get."""
        backend, device = place(device)
        indices = dtypes_of_kind()[backend.index_dtype(device)]
        real = get_default_dtype()
        whole = int64 if backend.has_dtype(int64, device) else indices
        kinds = ("real floating", "complex floating", "integral", "indexing")
        return dict(zip(kinds, (real, complex_of(real), whole, indices), strict=True))

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:
        """Return the dtypes there are on a device, of a kind or of several in a tuple, by name."""
        backend, device = place(device)
        return {n: d for n, d in dtypes_of_kind(kind).items() if backend.has_dtype(d, device)}

    def devices(self) -> tuple[Device, ...]:
        """Return the devices that can be used, those of all backends."""
        usable = [b for b in all() if b.unavailable is None]
        return tuple(d for backend in usable for d in backend.devices())


def __array_namespace_info__() -> NamespaceInfo:
    """Return what dualad can do; see `NamespaceInfo`.

    Examples
    --------
    >>> import dualad
    >>> dualad.__array_namespace_info__().default_device()
    device(type='cpu')
    """
    return NamespaceInfo()
