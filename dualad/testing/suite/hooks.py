"""The checks of a backend's own methods, each against what `dualad.backends.Backend` says of it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

import dualad
from dualad.backends import Backend, Device
from dualad.backends.functions import gap_of
from dualad.op import REGISTRY

from .cases import COMPARED, NotHere, backend_of, expect, expect_close, expect_equal, has, host, native

_SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 0), (2, 3), (1, 2, 2))


def _numbers(shape: tuple[int, ...], dtype: dualad.DType) -> np.ndarray:
    values = np.arange(1, 1 + int(np.prod(shape))).reshape(shape)
    return (values % 2 if dtype is dualad.bool else values).astype(dtype.name)


def _float(device: str) -> np.dtype[Any]:
    return np.dtype("float64" if has(dualad.float64, device) else "float32")


def check_names(device: str) -> None:
    """Devices are of the backend's types, and there is one at least."""
    backend = backend_of(device)
    devices = backend.devices()
    expect(devices, "devices() gives none: set `unavailable` to the reason")
    for d in devices:
        expect(
            d.type in backend.device_types, f"devices() gives {d}, which is none of {backend.device_types}"
        )
    expect(len(set(map(str, devices))) == len(devices), f"devices() gives one twice: {devices}")
    expect(isinstance(backend.describe(devices[0]), str), "describe gives no text")


#: What ops are made of that are no functions of the namespace themselves.
REACHED = (
    *(f"fft.{name}" for name in ("fft", "ifft", "rfft", "irfft", "fftn", "ifftn", "rfftn")),
    *(f"linalg.{name}" for name in ("diagonal", "eig", "eigvals")),
)


def check_functions(device: str) -> None:
    """There is a function for each op, or a gap is declared."""
    backend = backend_of(device)
    own = [n for n, op in REGISTRY.items() if op.functions.compute is None and not n.startswith("special.")]
    missing = []
    for name in dict.fromkeys((*own, *REACHED)):
        if gap_of(backend.gaps, name) is None:
            try:
                backend.function(name)
            except AttributeError:
                missing.append(name)
    if missing:
        raise AttributeError(
            f"the namespace xp has no {', '.join(missing)}: give the backend a method of that name, or declare "
            "it in gaps"
        )


def check_gaps(device: str) -> None:
    """Gaps name what there is, each with a reason."""
    from .catalogue import known_names

    backend = backend_of(device)
    known = known_names()
    unknown = {gap for gap in backend.gaps if not any(gap_of({gap: ""}, name) is not None for name in known)}
    expect(not unknown, f"gaps names {sorted(unknown)}, which is no function and no check of this kit")
    silent = [name for name, reason in backend.gaps.items() if not reason.strip()]
    expect(not silent, f"gaps gives no reason for {silent}")


def check_from_numpy(device: str) -> None:
    """`from_numpy` copies: values, shape, dtype, device; memory is not shared."""
    backend = backend_of(device)
    for dtype in COMPARED:
        if not has(dtype, device):
            continue
        for shape in _SHAPES:
            array = _numbers(shape, dtype)
            there = backend.from_numpy(array, Device(device))
            got_back = host(there, device).astype(array.dtype)  # of its dtype the next check tells
            what = f"from_numpy of a {dtype.name} array of shape {shape}"
            kind = type(there).__name__
            expect(isinstance(there, backend.array_types), f"{what} is a {kind}, none of the array_types")
            got = dualad.asarray(there).dtype
            expect(got is dtype, f"{what} has dtype {got.name}")
            expect(tuple(there.shape) == shape, f"{what} has shape {tuple(there.shape)}")
            where = backend.device_of(there)
            expect(str(where) == device, f"{what} is on {where}, and was asked for on {device}")
            expect_equal(what, got_back, array)
    for array in (_numbers((3, 2), dualad.int32).T, _numbers((6,), dualad.int32)[::2]):
        got_back = host(native(array, device), device).astype(array.dtype)
        expect_equal("from_numpy of an array that is not contiguous", got_back, array)
    array = _numbers((3,), dualad.int32)
    there = native(array, device)
    array[0] = 77
    expect(
        host(there, device)[0] == 1,
        "from_numpy shares memory with its argument, where a copy is due: writing to the NumPy array changed it",
    )


def check_to_numpy(device: str) -> None:
    """`to_numpy` gives a NumPy array of the same dtype, shape and elements."""
    for dtype in COMPARED:
        if not has(dtype, device):
            continue
        for shape in _SHAPES:
            array = _numbers(shape, dtype)
            there = native(array, device)
            if dualad.asarray(there).dtype is not dtype:
                continue  # of this from_numpy is to blame
            got = host(there, device)
            what = f"to_numpy of a {dtype.name} array of shape {shape}"
            expect(isinstance(got, np.ndarray), f"{what} is a {type(got).__name__}, expected a numpy.ndarray")
            expect_equal(what, got, array)


def check_device_of(device: str) -> None:
    """`device_of` gives one of the devices, and that on which an array was made; on all of them."""
    backend = backend_of(device)
    for here in backend.devices():
        made = {
            "from_numpy": backend.from_numpy(_numbers((2,), dualad.int32), here),
            "xp.zeros": backend.xp.zeros((2,), device=backend.native_device(here)),
        }
        told = {what: backend.device_of(array) for what, array in made.items()}
        for what, where in told.items():
            words = f"device_of gives {where!r} of what {what} has made on {here}, which is none of devices()"
            expect(isinstance(where, Device) and where in backend.devices(), words)
        # If one of the two alone is elsewhere it is to blame, and has a check of its own.
        expect(
            here in told.values(),
            f"device_of gives {told['xp.zeros']} of what from_numpy and xp.zeros have made on {here}",
        )


def check_has_dtype(device: str) -> None:
    """`has_dtype` says yes of no dtype that the namespace has no name for."""
    backend = backend_of(device)
    promised = [d.name for d in dualad.dtypes.ALL if has(d, device) and d not in backend.native_dtypes]
    expect(
        not promised, f"has_dtype says yes of {', '.join(promised)} on {device}, which native_dtypes has not"
    )


def check_is_view(device: str) -> None:
    """`is_view` says no of no reshape that shares memory."""
    backend = backend_of(device)
    for shape in ((3, 2), (6,), (1, 2, 3)):
        array = native(_numbers((2, 3), dualad.int32), device)
        result = backend.function("reshape")(array, shape)
        before = np.array(host(result, device))
        if backend.is_view(result, array) or not write_into(array, device):
            continue
        expect(
            np.array_equal(host(result, device), before),
            f"is_view says no of a reshape to {shape}, and writing to the array changed it: they share memory",
        )


def check_native_device(device: str) -> None:
    """What `native_device` gives is taken by the namespace, and is the device that was meant."""
    backend = backend_of(device)
    there = backend.xp.zeros((2,), device=backend.native_device(Device(device)))
    where = backend.device_of(there)
    expect(str(where) == device, f"xp.zeros(device=native_device({device})) is on {where}")


def check_index_dtype(device: str) -> None:
    """`index_dtype` names an integer dtype that the device has."""
    name = backend_of(device).index_dtype(Device(device))
    dtype = dualad.dtypes.BY_NAME.get(name)
    good = dtype is not None and "integer" in dtype.kind and has(dtype, device)
    expect(good, f"index_dtype is {name!r}, of which {device} has no arrays")


def check_copy(device: str) -> None:
    """`copy` shares no memory."""
    backend = backend_of(device)
    array = _numbers((2, 3), dualad.int32)
    there = native(array, device)
    copied = backend.copy(there)
    expect_equal("copy", host(copied, device), array)
    where = backend.device_of(copied)
    expect(str(where) == device, f"copy of an array on {device} is on {where}")
    if write_into(copied, device):
        got = host(there, device)
        expect(
            np.array_equal(got, array),
            "copy shares memory with its argument: writing to one changed the other",
        )


def write_into(array: Any, device: str) -> bool:
    """Write to an array of the library itself; return whether it let us."""
    try:
        array[...] = 99
    except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError):
        return False
    backend_of(device).synchronize(Device(device))
    return True


def check_to_device(device: str) -> None:
    """`to_device` moves between all devices of the backend."""
    backend = backend_of(device)
    array = _numbers((2, 3), dualad.int32)
    for other in backend.devices():
        if not backend.has_dtype(dualad.int32, other):
            continue
        moved = backend.to_device(native(array, device), other)
        where = backend.device_of(moved)
        expect(where == other, f"to_device from {device} to {other} gives an array on {where}")
        expect_equal(f"to_device from {device} to {other}", backend.to_numpy(moved), array)


def check_masked_product(device: str) -> None:
    """`masked_product` is 0 where its first factor is, whatever the second is."""
    g = np.array([0.0, 2.0, 0.0, 3.0, 0.0], _float(device))
    p = np.array([np.nan, 4.0, np.inf, np.nan, 5.0], g.dtype)
    with np.errstate(invalid="ignore"):
        got = host(backend_of(device).masked_product(native(g, device), native(p, device)), device)
    expect_close("masked_product([0, 2, 0, 3, 0], [nan, 4, inf, nan, 5])", got, [0, 8, 0, np.nan, 0], 0)
    large, ones = np.zeros(10_000, g.dtype), np.full(10_000, np.inf, g.dtype)
    got = host(backend_of(device).masked_product(native(large, device), native(ones, device)), device)
    expect_close("masked_product of 10,000 zeros and infinities", got, large, 0)


def check_unbroadcast(device: str) -> None:
    """`unbroadcast` sums over the axes along which an array was broadcast."""
    whole = np.arange(24.0).reshape(2, 3, 4).astype(_float(device))
    for shape in ((), (4,), (3, 1), (1, 3, 4), (2, 1, 1), (2, 3, 4)):
        axes = tuple(range(3 - len(shape))) + tuple(
            i for i, n in enumerate(shape, 3 - len(shape)) if n == 1 != whole.shape[i]
        )
        want = whole.sum(axis=axes, keepdims=True).reshape(shape)
        got = host(backend_of(device).unbroadcast(native(whole, device), shape), device)
        expect_equal(f"unbroadcast of shape (2, 3, 4) to {shape}", got, want)


def check_fuse(device: str) -> None:
    """`fuse` gives a function that computes the same."""
    backend = backend_of(device)
    fused = backend.fuse(lambda xp, a, b: xp.exp(a) * b + a, "kit_exp_times")
    for shape in ((3,), (2, 2), ()):
        a = (np.ones(shape) * 0.5).astype(_float(device))
        got = host(fused(native(a, device), native(a * 3, device)), device)
        expect_close(
            f"what fuse gives for exp(a) * b + a, on shape {shape},", got, np.exp(a) * a * 3 + a, 1e-6
        )


def check_special_function(device: str) -> None:
    """`special_function` gives what SciPy has, on the device and in the dtype of the argument."""
    backend = backend_of(device)
    for dtype in (dualad.float32, dualad.float64):
        if has(dtype, device):
            x = native(np.array([0.5, 1.5], dtype.name), device)
            y = dualad.asarray(backend.special_function("erf")(x))
            expect(
                str(y.device) == device, f"special_function('erf') of an array on {device} is on {y.device}"
            )
            expect(y.dtype is dtype, f"special_function('erf') of {dtype.name} gives {y.dtype.name}")
            expect_close("special_function('erf') of [0.5, 1.5]", y, [0.5204998778, 0.9661051465], 1e-6)


def check_dlpack(device: str) -> None:
    """Through `dlpack` nobody can write to an array, and NumPy reads it where it is on the CPU."""
    backend = backend_of(device)
    there = native(_numbers((3,), dualad.int32), device)
    if backend.dlpack_device(there)[0] != 1:
        raise NotHere(f"{device} is not in the CPU's memory, which NumPy could read")
    seen = np.from_dlpack(dualad.asarray(there))
    expect_equal("what NumPy reads through dlpack", np.array(seen), _numbers((3,), dualad.int32))
    # Libraries that ask in the words of before DLPack 1.0 cannot be told that they may not write.
    plain = np.from_dlpack(_Unversioned(backend, there))
    for array in (seen, plain) if seen.flags.writeable else (plain,):
        ctypes.memset(array.ctypes.data, 0, array.nbytes)
        kept = np.array_equal(host(there, device), _numbers((3,), dualad.int32))
        expect(kept, "through dlpack others can write to the array: give them a copy")


class _Unversioned:
    """An array as those ask for it who know DLPack of before 1.0."""

    def __init__(self, backend: Backend, array: Any) -> None:
        self._backend, self._array = backend, array

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._backend.dlpack(self._array)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._backend.dlpack_device(self._array)


def check_figures(device: str) -> None:
    """What is told of memory and work is of the right kind."""
    backend, d = backend_of(device), Device(device)
    known = {"allocated", "reserved", "free", "total"}
    figures = backend.memory(d)
    expect(
        set(figures) <= known,
        f"memory gives {sorted(set(figures) - known)}, which are none of {sorted(known)}",
    )
    negative = {k: v for k, v in figures.items() if not isinstance(v, int) or v < 0}
    expect(not negative, f"memory gives {negative}, expected bytes")
    backend.free_memory(d)
    backend.synchronize(d)
    expect(not backend.is_out_of_memory(ValueError("shapes")), "is_out_of_memory says yes of a ValueError")
    expect(
        not backend.is_tracing(native(np.ones(2, np.float32), device)),
        "is_tracing says yes of an array with values",
    )


def check_streams(device: str) -> None:
    """Work can be sent to the stream that an array's work goes to now."""
    backend = backend_of(device)
    there = native(_numbers((3,), dualad.int32), device)
    with backend.on_stream(backend.current_stream(there)):
        twice = there + there
    expect_equal(
        "a sum computed on the current stream", host(twice, device), _numbers((3,), dualad.int32) * 2
    )


#: Optional methods that have a default in standard functions.
_DEFAULTS: dict[str, tuple[Callable[[Any], tuple[Any, ...]], dict[str, Any]]] = {
    "getitem": (lambda make: (make(np.arange(12.0).reshape(3, 4)),), {"key": (np.array([2, 0, -1]), slice(1, 3))}),
    "setitem": (lambda make: (make(np.arange(12.0).reshape(3, 4)), make(np.arange(3.0))),
                {"key": (np.array([0, 2, 1]), 1)}),
    "index_add": (lambda make: (make(np.zeros((3, 4))), make(np.arange(1.0, 9.0).reshape(2, 4))),
                  {"key": (np.array([1, 1]), slice(None))}),
    "scatter": (lambda make: (make(np.arange(1.0, 4.0)),), {"shape": (5,), "key": np.array([4, 0, 4])}),
    "masked_product": (lambda make: (make(np.array([0.0, 2.0])), make(np.array([np.inf, 3.0]))), {}),
    "unbroadcast": (lambda make: (make(np.arange(6.0).reshape(2, 3)),), {"shape": (3,)}),
}  # fmt: skip


def overridden(backend: Backend) -> list[str]:
    """Return the optional methods for which a backend has its own."""
    return [name for name in _DEFAULTS if getattr(type(backend), name) is not getattr(Backend, name)]


def check_overrides(device: str) -> None:
    """An optional method that is overridden gives what the default gives."""
    backend = backend_of(device)
    for name in overridden(backend):
        arguments, keywords = _DEFAULTS[name]
        results = []
        for method in (getattr(type(backend), name), getattr(Backend, name)):
            arrays = arguments(lambda a: native(a.astype(_float(device)), device))
            results.append(method(backend, *arrays, **keywords))
        got, want = (host(r, device) for r in results)
        words = f"the method {name} that overrides the default (correct it, or leave it out): its result"
        expect_close(words, got, want, 1e-6)


CHECKS: dict[str, Callable[[str], None]] = {
    "devices": check_names,
    "device_of": check_device_of,
    "to_numpy": check_to_numpy,
    "from_numpy": check_from_numpy,
    "has_dtype": check_has_dtype,
    "native_device": check_native_device,
    "index_dtype": check_index_dtype,
    "functions": check_functions,
    "gaps": check_gaps,
    "copy": check_copy,
    "is_view": check_is_view,
    "to_device": check_to_device,
    "overrides": check_overrides,
    "masked_product": check_masked_product,
    "unbroadcast": check_unbroadcast,
    "fuse": check_fuse,
    "special_function": check_special_function,
    "dlpack": check_dlpack,
    "figures": check_figures,
    "streams": check_streams,
}
