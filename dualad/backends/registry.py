"""Which backends there are: found by plugin, asked by name, device or array type."""

from __future__ import annotations

import sys
from threading import RLock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import pluggy

from .. import dtypes
from ..errors import BackendError, DeviceError, DTypeError
from . import hookspecs
from . import numpy as numpy_plugin
from .base import Backend
from .checks import check_claims, check_group
from .device import Device
from .hookspecs import hookimpl
from .loading import Failure, advice, failure
from .versions import HOOK_VERSION

#: The plugins of dualad's own, by their device types.
PLUGINS = {
    "cuda": "dualad-cupy",
    "dask": "dualad-dask",
    "jax": "dualad-jax",
    "strict": "dualad-strict",
    "torch": "dualad-torch",
}

#: The name of the backend that is always there.
NUMPY = numpy_plugin.NumpyBackend.name

_manager = pluggy.PluginManager(hookspecs.PROJECT)
_manager.add_hookspecs(hookspecs)

_backends: dict[str, Backend] = {}
_origins: dict[str, str] = {}  # backend's name -> the distribution it came with, or its plugin's name
_plugins: dict[str, object] = {}  # backend's name -> its plugin
_natives: dict[str, list[Any]] = {}  # backend's name -> its dtype objects that no backend before it had
_failures: list[Failure] = []
_loaded = False
_is_loading = False
_loading = RLock()


class _ByNative(dict[Any, dtypes.DType]):
    """The DType of each backend's dtype objects, and of dualad's own."""

    def __missing__(self, native: Any) -> dtypes.DType:
        library = type(native).__module__
        known = {dtype for other, dtype in self.items() if type(other).__module__ == library}
        raise DTypeError(
            f"arrays of dtype {native} are not supported; convert them to one of "
            + ", ".join(d.name for d in dtypes.ALL if d in known or not known)
        )


#: ``DTYPES[array.dtype]``, the DType of any array.
DTYPES = _ByNative({d: d for d in dtypes.ALL})

#: The array types of backends that have streams.
STREAMED: set[type] = set()

_K = TypeVar("_K")
_V = TypeVar("_V")


class Cache(dict[_K, _V]):
    """What is found once for each array type or device; forgotten when the backend of these is taken out."""

    def __init__(self, *items: Any) -> None:
        super().__init__(*items)
        _caches[id(self)] = self


_caches: WeakValueDictionary[int, Cache[Any, Any]] = WeakValueDictionary()


def register(plugin: object, name: str | None = None, *, replace: bool = False) -> None:
    """Register a plugin: an object or module with a `dualad_backends` hook, or a backend alone.

    Installed distributions need not call this: their entry point in the group ``dualad`` is
    found by itself. It serves programs that define a backend of their own, notebooks and tests.

    Parameters
    ----------
    plugin : object
        Anything with a `dualad_backends` marked by `dualad.backends.hookimpl`; or a `Backend`, or a
        class of one, which is then made without arguments.
    name : str, optional
        The name in messages.
    replace : bool, optional
        Whether to take out backends of the same names that were registered before, as a notebook
        does whose cell is run again. See `unregister`.

    Raises
    ------
    BackendError
        If the plugin has no such hook or was registered before, or if one of its backends lacks
        something, is written for hooks of another version, or has the name, a device type or an
        array type of one registered before. Then none of them is registered.

    Examples
    --------
    >>> import dualad
    >>> dualad.backends.register(object(), "rods")
    Traceback (most recent call last):
        ...
    dualad.errors.BackendError: plugin 'rods' has no hook dualad_backends: mark one with hookimpl
    """
    known = name or getattr(plugin, "__name__", type(plugin).__name__)
    if isinstance(plugin, type) and issubclass(plugin, Backend):
        plugin = plugin()
    if isinstance(plugin, Backend):
        plugin = _Alone(plugin)
    _register(plugin, f"plugin {known!r}", "the plugin", advice(plugin), replace)


class _Alone:
    """The plugin of a backend that is registered without one."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @hookimpl
    def dualad_backends(self) -> list[Backend]:
        return [self.backend]


def _register(
    plugin: object, origin: str, distribution: str, without_hook: str, replace: bool = False
) -> None:
    """Register a plugin that comes from `origin`, all its backends or none."""
    if _manager.is_registered(plugin):
        if not replace:
            raise BackendError(
                f"{origin} is registered already, as {_manager.get_name(plugin)}; register(..., "
                "replace=True) takes the other out"
            )
        _manager.unregister(plugin)
    others = _manager.get_plugins()
    # A distribution may bring several plugins.
    label = f"{origin}, {id(plugin):#x}" if _manager.has_plugin(origin) else origin
    try:
        _manager.register(plugin, label)
        caller = _manager.subset_hook_caller("dualad_backends", others)
        if not caller.get_hookimpls():
            raise BackendError(f"{origin} has no hook dualad_backends: {without_hook}")
        found: list[Backend] = []
        # pluggy leaves out what is None.
        for group in caller(hook_version=HOOK_VERSION) or [None]:
            for backend in check_group(group, distribution):
                replaced = replace and backend.name != NUMPY
                kept = [b for b in _backends.values() if not (replaced and b.name == backend.name)]
                check_claims(backend, [*kept, *found], _origins)
                found.append(backend)
    except BaseException as error:
        if _manager.is_registered(plugin):
            _manager.unregister(plugin)
        if isinstance(error, pluggy.PluginValidationError):
            raise BackendError(
                f"its hooks are not of version {HOOK_VERSION}, upgrade dualad or {distribution}: {error}"
            ) from None
        raise
    for backend in found:
        if backend.name in _backends:
            _take_out(backend.name)
        _add(backend, origin, plugin)


def _add(backend: Backend, origin: str, plugin: object) -> None:
    _natives[backend.name] = []
    if backend.unavailable is None:
        _natives[backend.name] += [n for n in backend.native_dtypes.values() if n not in DTYPES]
        for dtype, native in backend.native_dtypes.items():
            DTYPES[native] = dtype
        if backend.has_streams:
            STREAMED.update(backend.array_types)
    _backends[backend.name] = backend
    _origins[backend.name] = origin
    _plugins[backend.name] = plugin
    for kind in [kind for kind, found in BY_TYPE.items() if found is None]:
        BY_TYPE.pop(kind, None)  # it may be this one's


def unregister(name: str) -> None:
    """Take a backend out again, and its plugin with the last of its backends.

    Tensors of it that are left belong to the backend that is next registered for their type of
    array; until then they are none that dualad computes with.

    Parameters
    ----------
    name : str
        The backend's name.

    Raises
    ------
    BackendError
        If there is no backend of that name, or it is dualad's own NumPy.

    Examples
    --------
    >>> import dualad
    >>> dualad.backends.unregister("numpy")
    Traceback (most recent call last):
        ...
    dualad.errors.BackendError: the numpy backend is dualad's own; it cannot be taken out
    """
    if name == NUMPY:
        raise BackendError(f"the {name} backend is dualad's own; it cannot be taken out")
    _known(name)
    _take_out(name)


def _take_out(name: str) -> None:
    backend, plugin = _backends.pop(name), _plugins.pop(name)
    del _origins[name]
    if not any(p is plugin for p in _plugins.values()) and _manager.is_registered(plugin):
        _manager.unregister(plugin)
    for native in _natives.pop(name):
        DTYPES.pop(native, None)
    for other in _backends.values():  # one that came later may have the same
        if other.unavailable is None:
            DTYPES.update({native: dtype for dtype, native in other.native_dtypes.items()})
    STREAMED.difference_update(backend.array_types)
    kinds = {kind for kind, found in list(BY_TYPE.items()) if found is backend}
    for cache in list(_caches.values()):
        for key in list(cache):
            if key in kinds or (isinstance(key, Device) and key.type in backend.device_types):
                cache.pop(key, None)


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

    # Of two that claim the same the first stays; which that is does not depend on the machine.
    for entry in sorted(entry_points(group=hookspecs.PROJECT), key=_order):
        distribution = getattr(entry, "dist", None)
        name = distribution.name if distribution else f"plugin {entry.name!r}"
        origin = f"{name} {distribution.version}" if distribution else name
        try:
            plugin = entry.load()
            _register(plugin, origin, name, advice(plugin, entry))
        except (Exception, SystemExit) as error:  # a broken plugin must not take dualad down
            _failures.append(failure(entry, error))
            print(f"dualad: {_failures[-1]}", file=sys.stderr)


def _order(entry: Any) -> tuple[str, str]:
    distribution = getattr(entry, "dist", None)
    return (distribution.name.lower() if distribution else "", entry.name)


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


def failures() -> list[Failure]:
    """Return the installed plugins that could not be loaded, with the reasons.

    Examples
    --------
    >>> import dualad
    >>> [failure.distribution for failure in dualad.backends.failures()]
    []
    """
    load_plugins()
    return list(_failures)


def origin(backend: Backend) -> str:
    """Return where a backend comes from: the distribution of its plugin with the version.

    Examples
    --------
    >>> import dualad
    >>> dualad.backends.origin(dualad.backends.get("numpy"))
    'dualad'
    """
    return _origins[backend.name]


def get(name: str) -> Backend:
    """Return the backend of that name.

    Raises
    ------
    BackendError
        If there is none, or it cannot be used on this machine.
    """
    return _usable(_known(name))


def _known(name: str) -> Backend:
    if name not in _backends:
        load_plugins()
    if name not in _backends:
        known = ", ".join(_backends)
        raise BackendError(f"there is no backend {name!r}; registered: {known}{_what_failed()}")
    return _backends[name]


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
    plugin = PLUGINS.get(device.type.partition("_")[0])  # torch_cuda is torch's
    hint = f" (install the plugin {plugin})" if plugin else ""
    raise DeviceError(
        f"unknown device {device}: no backend has the device type {device.type!r}{hint}; "
        f"known device types: {known}{_what_failed()}"
    )


def _what_failed() -> str:
    return "".join(f"; {failed}" for failed in _failures)


class _ByType(Cache[type, "Backend | None"]):
    """The backend of an array type, or None; found on first sight and kept."""

    def __missing__(self, kind: type) -> Backend | None:
        found = self._find(kind)
        if found is None and not _loaded and hasattr(kind, "__array_namespace__"):
            load_plugins()
            found = self._find(kind)
        if found is None and not _loaded and kind.__module__.partition(".")[0] in ("cupy", "dask", "torch"):
            load_plugins()  # these have no __array_namespace__ one may rely on
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

_register(numpy_plugin, "dualad", "dualad", advice(numpy_plugin))
