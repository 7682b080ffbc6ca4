"""Which backends there are: found by plugin, asked by name, device or array type."""

from __future__ import annotations

import sys
from threading import RLock
from typing import Any

import numpy as np
import pluggy

from .. import dtypes
from ..errors import BackendError, DeviceError, DTypeError
from . import hookspecs
from . import numpy as numpy_plugin
from .base import Backend
from .device import Device

_manager = pluggy.PluginManager(hookspecs.PROJECT)
_manager.add_hookspecs(hookspecs)

_backends: dict[str, Backend] = {}
_failures: dict[str, str] = {}  # plugins that raised while loading: name -> reason
_loaded = False
_is_loading = False
_loading = RLock()


class _ByNative(dict[Any, dtypes.DType]):
    """The DType of each backend's dtype objects, and of dualad's own."""

    def __missing__(self, native: Any) -> dtypes.DType:
        raise DTypeError(
            f"arrays of dtype {native} are not supported; convert them to one of "
            + ", ".join(d.name for d in dtypes.ALL)
        )


#: ``DTYPES[array.dtype]``, the DType of any array.
DTYPES = _ByNative({d: d for d in dtypes.ALL})


def register(plugin: object, name: str | None = None) -> None:
    """Register a plugin: an object or module with a `dualad_backends` hook.

    Installed distributions need not call this: their entry point in the group ``dualad`` is
    found by itself. It serves programs that define a backend of their own, and tests.

    Parameters
    ----------
    plugin : object
        Anything with a `dualad_backends` marked by `dualad.backends.hookimpl`.
    name : str, optional
        The name in messages.

    Raises
    ------
    BackendError
        If one of its backends has the name or a device type of one registered before.
    """
    others = _manager.get_plugins()
    _manager.register(plugin, name)
    caller = _manager.subset_hook_caller("dualad_backends", others)
    try:
        for group in caller():
            for backend in group:
                _add(backend)
    except BaseException:
        _manager.unregister(plugin)
        raise


def _add(backend: Backend) -> None:
    for other in _backends.values():
        shared = set(backend.device_types) & set(other.device_types)
        if other.name == backend.name or shared:
            claimed = f"device type {min(shared)!r}" if shared else f"name {other.name!r}"
            raise BackendError(
                f"backend {backend.name!r}: the {claimed} is taken by backend {other.name!r}; "
                "uninstall one of the two plugins"
            )
    if backend.unavailable is None:
        for dtype, native in backend.native_dtypes.items():
            DTYPES[native] = dtype
    _backends[backend.name] = backend


def load_plugins() -> None:
    """Load the installed plugins, once. One that raises is noted by name and left out."""
    global _loaded, _is_loading
    if _loaded:
        return
    with _loading:  # a thread that asks meanwhile waits: it must not conclude that there is no such backend
        if _loaded or _is_loading:
            return
        _is_loading = True
        try:
            _load_entry_points()
            _loaded = True
        finally:
            _is_loading = False


def _load_entry_points() -> None:
    from importlib.metadata import entry_points  # a tenth of the time that `import dualad` takes

    for entry in entry_points(group=hookspecs.PROJECT):
        try:
            register(entry.load(), entry.name)
        except Exception as error:  # a broken plugin must not take dualad down
            reason = f"{type(error).__name__}: {error}"
            _failures[entry.name] = reason
            print(f"dualad: plugin {entry.name!r} failed to load: {reason}", file=sys.stderr)


def all() -> list[Backend]:
    """Return every registered backend, available or not.

    Examples
    --------
    >>> import dualad
    >>> [b.name for b in dualad.backends.all()][0]
    'numpy'
    """
    load_plugins()
    return list(_backends.values())


def failures() -> dict[str, str]:
    """Return the plugins that raised while loading, by name, with what they raised."""
    load_plugins()
    return dict(_failures)


def get(name: str) -> Backend:
    """Return the backend of that name.

    Raises
    ------
    BackendError
        If there is none, or it cannot be used on this machine.
    """
    if name not in _backends:
        load_plugins()
    if name not in _backends:
        failed = f" (its plugin failed to load: {_failures[name]})" if name in _failures else ""
        known = ", ".join(_backends)
        raise BackendError(f"there is no backend {name!r}{failed}; registered: {known}")
    return _usable(_backends[name])


def _usable(backend: Backend, error: type[Exception] = BackendError) -> Backend:
    if backend.unavailable is not None:
        raise error(f"the {backend.name} backend is unavailable: {backend.unavailable}")
    return backend


def for_device(device: Device) -> Backend:
    """Return the backend that owns a device type.

    Raises
    ------
    DeviceError
        If no backend owns it, or the one that does cannot be used; the message says what is
        missing.
    """
    for attempt in range(2):
        for backend in _backends.values():
            if device.type in backend.device_types:
                return _usable(backend, DeviceError)
        if attempt == 0:
            load_plugins()
    known = ", ".join(t for b in _backends.values() for t in b.device_types)
    failed = "".join(f"; plugin {n!r} failed to load: {why}" for n, why in _failures.items())
    hint = " (install the plugin dualad-cupy)" if device.type == "cuda" else ""
    raise DeviceError(
        f"unknown device {device}: no backend has the device type {device.type!r}{hint}; "
        f"known device types: {known}{failed}"
    )


class _ByType(dict[type, "Backend | None"]):
    """The backend of an array type, or None; found on first sight and kept."""

    def __missing__(self, kind: type) -> Backend | None:
        found = self._find(kind)
        if found is None and not _loaded and hasattr(kind, "__array_namespace__"):
            load_plugins()
            found = self._find(kind)
        if found is None and not _loaded and kind.__module__.partition(".")[0] == "cupy":
            load_plugins()  # CuPy's arrays have no __array_namespace__ one may rely on
            found = self._find(kind)
        if found is not None or _loaded or kind.__module__ == "builtins":
            self[kind] = found
        return found

    @staticmethod
    def _find(kind: type) -> Backend | None:
        # NumPy's own functions treat matrices and masked arrays as something else than arrays.
        if issubclass(kind, np.ndarray) and kind is not np.ndarray:
            return None
        for backend in _backends.values():
            if issubclass(kind, backend.array_types):
                return backend
        return None


#: The backend of each array type: ``BY_TYPE[type(array)]``, None for what is no array.
BY_TYPE = _ByType()

register(numpy_plugin, "numpy")
