"""Backends: the array libraries that compute for dualad, each behind the same small door.

`Backend` is what a plugin implements, `hookimpl` marks its hook, and the registry's functions
say which backends there are. ``docs/backends.md`` shows how to write one.
"""

from .base import Backend
from .determinism import is_deterministic, report_nondeterministic
from .device import CPU, Device
from .hookspecs import hookimpl
from .loading import Failure
from .registry import all, failures, for_device, get, origin, register, unregister
from .versions import HOOK_VERSION

__all__ = [
    "CPU",
    "HOOK_VERSION",
    "Backend",
    "Device",
    "Failure",
    "all",
    "failures",
    "for_device",
    "get",
    "hookimpl",
    "is_deterministic",
    "origin",
    "register",
    "report_nondeterministic",
    "unregister",
]
