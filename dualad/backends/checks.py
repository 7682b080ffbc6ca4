"""What is looked at before a backend is registered, so that mistakes show there and not in an op."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import BackendError
from .base import Backend
from .versions import HOOK_VERSION, OLDEST_VERSION

#: The methods that every backend defines; all others have a default.
REQUIRED = ("devices", "from_numpy", "to_numpy", "device_of", "native_device")


def check_group(group: Any, distribution: str) -> list[Backend]:
    """Return the backends that a plugin's hook has given, as a list, each one checked.

    Raises
    ------
    BackendError
        If it is no iterable of backends, or one of them is not as `check` wants it.
    """
    if isinstance(group, Backend):
        raise BackendError(
            f"the hook dualad_backends returned a {_kind(group)}, not a list: return [{_kind(group)}()]"
        )
    if not isinstance(group, Iterable) or isinstance(group, (str, bytes, Mapping)):
        raise BackendError(
            f"the hook dualad_backends returned {group!r}; it must return a list of backends, such as "
            "[MyBackend()]"
        )
    backends = list(group)
    for backend in backends:
        check(backend, distribution)
    return backends


def check(backend: Any, distribution: str) -> None:
    """Raise a `BackendError` that names the class and the attribute if a backend cannot be used.

    Of one that says it is `unavailable` only the name and the device types are asked.
    """
    if isinstance(backend, type) and issubclass(backend, Backend):
        raise BackendError(
            f"the hook dualad_backends returned the class {backend.__name__}, not an instance: write "
            f"{backend.__name__}()"
        )
    if not isinstance(backend, Backend):
        raise BackendError(
            f"the hook dualad_backends returned {backend!r} in its list, which is no "
            "dualad.backends.Backend: derive its class from Backend"
        )
    _check_version(backend, distribution)
    _check_names(backend)
    if backend.unavailable is None:
        _check_methods(backend)
        _check_library(backend)


def _check_version(backend: Backend, distribution: str) -> None:
    version = backend.hook_version
    if type(version) is not int:
        raise _wrong(backend, "hook_version", version, "an int, such as dualad.backends.HOOK_VERSION")
    if version > HOOK_VERSION:
        raise BackendError(
            f"{_kind(backend)} is written for version {version} of the hooks, and this dualad has version "
            f"{HOOK_VERSION}: upgrade dualad"
        )
    if version < OLDEST_VERSION:
        raise BackendError(
            f"{_kind(backend)} is written for version {version} of the hooks, and this dualad knows versions "
            f"{OLDEST_VERSION} to {HOOK_VERSION}: upgrade {distribution}"
        )


def _check_names(backend: Backend) -> None:
    name = getattr(backend, "name", None)
    if not isinstance(name, str) or not name:
        raise _wrong(backend, "name", name, "a str, such as 'mylib'")
    types = getattr(backend, "device_types", None)
    if not _is_tuple_of(types, str) or not types or not all(t.isidentifier() for t in types):
        raise _wrong(backend, "device_types", types, "a tuple of identifiers, such as ('mydevice',)")
    if not (backend.unavailable is None or isinstance(backend.unavailable, str)):
        raise _wrong(backend, "unavailable", backend.unavailable, "None or the reason, a str")
    gaps = backend.gaps
    if not isinstance(gaps, Mapping) or not _is_tuple_of((*gaps, *gaps.values()), str):
        raise _wrong(backend, "gaps", gaps, "a mapping from names of functions to reasons, both str")


def _check_methods(backend: Backend) -> None:
    for name in REQUIRED:
        if getattr(getattr(backend, name), "__func__", None) is getattr(Backend, name):
            raise BackendError(f"{_kind(backend)} does not define the method {name}, which has no default")
    for name in vars(Backend):
        method = vars(Backend)[name]
        if callable(method) and not name.startswith("_") and not callable(getattr(backend, name)):
            raise _wrong(backend, name, getattr(backend, name), "a method")


def _check_library(backend: Backend) -> None:
    if not _is_tuple_of(backend.array_types, type) or not backend.array_types:
        raise _wrong(
            backend, "array_types", backend.array_types, "a tuple of classes, such as (mylib.Array,)"
        )
    if type(backend.has_streams) is not bool:
        raise _wrong(backend, "has_streams", backend.has_streams, "True or False")
    if not backend.native_dtypes:
        raise _wrong(backend, "xp", backend.xp, "a namespace of the array API standard with its dtypes")


def _is_tuple_of(value: Any, kind: type) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, kind) for v in value)


def _wrong(backend: Backend, attribute: str, got: Any, want: str) -> BackendError:
    return BackendError(f"{_kind(backend)}.{attribute} is {got!r}; it must be {want}")


def _kind(backend: Backend) -> str:
    return type(backend).__name__
