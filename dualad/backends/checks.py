"""What is looked at before a backend is registered, so that mistakes show there and not in an op."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import BackendError
from .base import Backend
from .versions import HOOK_VERSION, OLDEST_VERSION

#: The methods that every backend defines; all others have a default.
REQUIRED = ("devices", "from_numpy", "to_numpy", "device_of", "native_device")

#: Values that are no arrays, whatever a backend says.
PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict, type(None))


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
    if group is None:
        raise BackendError(
            "the hook dualad_backends returned None: it must return a list of backends; is a return missing?"
        )
    if not isinstance(group, Iterable) or isinstance(group, (str, bytes, Mapping)):
        raise BackendError(
            f"the hook dualad_backends returned {group!r}; it must return a list of backends, such as "
            "[MyBackend()]"
        )
    backends = list(group)
    if not backends:
        raise BackendError(
            "the hook dualad_backends returned no backend; return one that cannot be used as well, with "
            "`unavailable` set to the reason"
        )
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


def check_claims(backend: Backend, others: list[Backend], origins: Mapping[str, str]) -> None:
    """Raise a `BackendError` if a backend claims what is another's.

    Parameters
    ----------
    backend : Backend
        The new one.
    others : list of Backend
        Those that were there before, or come from the same plugin.
    origins : mapping of str to str
        Where those that were there before came from, by name.
    """
    for other in others:
        devices = set(backend.device_types) & set(other.device_types)
        arrays = set(backend.array_types) & set(other.array_types)
        if devices:
            claimed = f"device type {min(devices)!r}"
        elif backend.name == other.name:
            claimed = f"name {other.name!r}"
        elif arrays:
            claimed = f"array type {min(t.__name__ for t in arrays)!r}"
        else:
            continue
        origin = origins.get(other.name)
        if origin == "dualad":
            taken = f"is dualad's own, of its backend {other.name!r}; choose another"
        elif origin is None:
            taken = f"is that of backend {other.name!r} of the same plugin too; give each its own"
        elif origin.startswith("plugin "):
            taken = (
                f"is taken by backend {other.name!r} of {origin}; take that out by "
                f"dualad.backends.unregister({other.name!r}), or register(..., replace=True)"
            )
        else:
            taken = f"is taken by backend {other.name!r} of {origin}; uninstall one of the two"
        raise BackendError(f"backend {backend.name!r}: the {claimed} {taken}")


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
    missing = [n for n in REQUIRED if getattr(getattr(backend, n), "__func__", None) is getattr(Backend, n)]
    if missing:
        methods = "the method" if len(missing) == 1 else "the methods"
        has = "has" if len(missing) == 1 else "have"
        raise BackendError(
            f"{_kind(backend)} does not define {methods} {', '.join(missing)}, which {has} no default"
        )
    for name in vars(Backend):
        method = vars(Backend)[name]
        if callable(method) and not name.startswith("_") and not callable(getattr(backend, name)):
            raise _wrong(backend, name, getattr(backend, name), "a method")


def _check_library(backend: Backend) -> None:
    if not _is_tuple_of(backend.array_types, type) or not backend.array_types:
        raise _wrong(
            backend, "array_types", backend.array_types, "a tuple of classes, such as (mylib.Array,)"
        )
    for kind in backend.array_types:
        if kind.__module__ == "builtins" or any(issubclass(plain, kind) for plain in PLAIN):
            raise BackendError(
                f"{_kind(backend)}.array_types has {kind.__name__!r}, which Python's own numbers or lists "
                "are of too; name the class of the library's arrays"
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
