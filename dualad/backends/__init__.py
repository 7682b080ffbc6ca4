"""Backends: the array libraries that compute for dualad, each behind the same small door.

`Backend` is what a plugin implements, `hookimpl` marks its hook, and the registry's functions
say which backends there are. ``docs/backends.md`` shows how to write one.
"""

from .base import Backend
from .device import CPU, Device
from .hookspecs import hookimpl
from .registry import all, failures, for_device, get, register

__all__ = [
    "CPU",
    "Backend",
    "Device",
    "all",
    "failures",
    "for_device",
    "get",
    "hookimpl",
    "register",
]
