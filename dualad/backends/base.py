"""What dualad asks of an array library: one small object, with a slow default for most of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cached_property
from math import prod
from typing import Any, ClassVar

import numpy as np

from .. import dtypes
from ..errors import BackendError, DeviceError
from .device import Device

Array = Any  # an array of the backend
Key = Any  # an index: an int, slice, ellipsis, None, integer or boolean array, or a tuple of them


class Backend:
    """An array library, as dualad sees it.

    A subclass names its array types, its devices and its namespace (a module of the Array API
    standard's functions), and says how arrays come from and go to NumPy. Everything else has a
    default made of standard functions, to be overridden where the library does better.

    A method with the name of an op (``getitem``, ``sum``) takes the place of the namespace's
    function of that name.

    Attributes
    ----------
    name : str
        The name in messages and in ``dualad.backends.get(name)``.
    device_types : tuple of str
        The device types this backend owns, such as ``("cuda",)``.
    array_types : tuple of type
        The types of its arrays.
    xp : module
        Its namespace of standard functions.
    unavailable : str or None
        Why the backend cannot be used on this machine, in one sentence; None if it can.
    """

    name: ClassVar[str]
    device_types: ClassVar[tuple[str, ...]]
    array_types: tuple[type, ...] = ()
    xp: Any = None
    unavailable: str | None = None

    # -- what a backend must say -------------------------------------------------------------

    def devices(self) -> list[Device]:
        """Return the devices at hand, the default one first."""
        raise NotImplementedError

    def from_numpy(self, array: np.ndarray, device: Device) -> Array:
        """Return a copy of a NumPy array on one of this backend's devices."""
        raise NotImplementedError

    def to_numpy(self, array: Array) -> np.ndarray:
        """Return the array's elements as a NumPy array, which may share memory with it."""
        raise NotImplementedError

    def device_of(self, array: Array) -> Device:
        """Return the device an array is on."""
        raise NotImplementedError

    def native_device(self, device: Device) -> Any:
        """Return what the namespace's ``device=`` arguments take for `device`."""
        raise NotImplementedError

    # -- dtypes ------------------------------------------------------------------------------

    @cached_property
    def native_dtypes(self) -> dict[dtypes.DType, Any]:
        """The namespace's dtype for each of dualad's that it has."""
        named = {d: getattr(self.xp, d.name, None) for d in dtypes.ALL}
        # NumPy and CuPy name their dtypes by scalar types; their arrays carry np.dtype objects.
        return {
            d: np.dtype(n) if isinstance(n, type) and issubclass(n, np.generic) else n
            for d, n in named.items()
            if n is not None
        }

    def has_dtype(self, dtype: dtypes.DType, device: Device) -> bool:
        """Whether there can be arrays of that dtype on that device."""
        return dtype in self.native_dtypes

    def index_dtype(self, device: Device) -> str:
        """Return the name of the integer dtype that indices have on a device."""
        return "int64"

    # -- arrays ------------------------------------------------------------------------------

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function that computes the op `name` on this backend's arrays."""
        if name.startswith("special."):
            return self.special_function(name.removeprefix("special."))
        own = getattr(self, name, None)
        if own is not None:
            return own
        function = self.xp
        for part in name.split("."):
            function = getattr(function, part)
        return function

    @cached_property
    def special(self) -> Any:
        """The special functions by name, as attributes."""
        return _SpecialFunctions(self)

    def special_function(self, name: str) -> Callable[..., Any]:
        """Return the function of ``scipy.special`` of that name, made to run on this backend's arrays.

        The default computes in NumPy, on the CPU.
        """
        function = scipy_function(name)

        def compute(*args: Any) -> Any:
            first = next((a for a in args if isinstance(a, self.array_types)), None)
            y = function(*(self.to_numpy(a) if isinstance(a, self.array_types) else a for a in args))
            if first is None:
                return y
            device = self.device_of(first)
            if not self.has_dtype(dtypes.BY_NAME[y.dtype.name], device):
                y = y.astype("complex64" if y.dtype.kind == "c" else "float32")
            return self.from_numpy(np.asarray(y), device)

        return compute

    def check_device(self, device: Device) -> Device:
        """Return `device` with its index filled in.

        Raises
        ------
        DeviceError
            If there is no such device.
        """
        here = self.devices()
        full = next((d for d in here if d == device or (device.index is None)), None)
        if full is None:
            names = ", ".join(str(d) for d in here)
            raise DeviceError(f"there is no device {device}: the {self.name} backend has {names}")
        return full

    def to_device(self, array: Array, device: Device) -> Array:
        """Return the array on another device of this backend."""
        return array.to_device(self.native_device(device))

    def dlpack(self, array: Array, **keywords: Any) -> Any:
        """Return a DLPack capsule of an array, through which nobody can write to it.

        The keywords are those of the standard's ``__dlpack__``.
        """
        return self.copy(array).__dlpack__(**keywords)

    def dlpack_device(self, array: Array) -> tuple[int, int]:
        """Return the array's device as DLPack counts them."""
        return array.__dlpack_device__()

    def copy(self, array: Array) -> Array:
        """Return an array of the same elements that shares no memory."""
        return self.xp.asarray(array, copy=True)

    def is_view(self, result: Array, array: Array) -> bool:
        """Whether `result`, a reshape of `array`, shares its memory in this library.

        The default says yes, for a library that cannot tell: a reshape is then always a view.
        """
        return True

    def owns_memory(self, array: Array) -> bool:
        """Whether the array owns writable memory.

        Only those who hold `array` itself, or a view that holds it, can then see a change, and
        dualad writes into it if nobody does.
        """
        return False

    # -- what the standard lacks -------------------------------------------------------------

    def getitem(self, array: Array, *, key: Key) -> Array:
        """Return ``array[key]`` for any key that NumPy takes."""
        if is_basic(key):
            return array[_basic_key(key, array.shape)]
        at = self._positions(array.shape, key)
        flat = self.xp.reshape(array, (-1,))
        ids = self._indices(at, self.device_of(array))
        return self.xp.reshape(self.xp.take(flat, ids, axis=0), at.shape)

    def setitem(self, array: Array, value: Any, *, key: Key) -> Array:
        """Return a copy of the array with ``array[key] = value`` done."""
        xp, device = self.xp, self.device_of(array)
        parts = key if isinstance(key, tuple) else (key,)
        if is_basic(key) and None not in parts:  # the standard has no newaxis where it writes
            array = self.copy(array)
            array[_basic_key(key, array.shape)] = value
            return array
        # Gather from the old elements followed by the new ones.
        at = self._positions(array.shape, key)
        value = xp.astype(xp.asarray(value, device=self.native_device(device)), array.dtype)
        value = xp.reshape(xp.broadcast_to(value, at.shape), (-1,))
        source = np.arange(prod(array.shape))
        source[at.reshape(-1)] = source.size + np.arange(at.size)
        both = xp.concat([xp.reshape(array, (-1,)), value])
        return xp.reshape(xp.take(both, self._indices(source, device), axis=0), array.shape)

    def scatter(self, g: Array, *, shape: tuple[int, ...], key: Key) -> Array:
        """Return zeros of a shape with `g` added at `key`: the adjoint of `getitem`."""
        native = self.native_device(self.device_of(g))
        return self.index_add(self.xp.zeros(shape, dtype=g.dtype, device=native), g, key=key)

    def write(self, array: Array, value: Any, key: Key) -> Array:
        """Return the array with ``array[key] = value`` done, in place where that is possible.

        It is called only on arrays that own their memory and that nobody else sees.
        """
        return self.setitem(array, value, key=key)

    def index_add(self, array: Array, value: Array, *, key: Key) -> Array:
        """Return ``array`` with `value` added at `key`, repeated positions counted each time.

        The array belongs to the caller: it may be changed in place and returned.
        """
        xp, device = self.xp, self.device_of(array)
        at = self._positions(array.shape, key).reshape(-1)
        # A row for each element, listing where in `value` its terms stand, padded with a zero.
        order = np.argsort(at, kind="stable")
        counts = np.bincount(at, minlength=prod(array.shape))
        table = np.full((counts.size, max(1, counts.max(initial=0))), at.size)
        rank = np.arange(at.size) - np.repeat(np.cumsum(counts) - counts, counts)
        table[at[order], rank] = order
        zero = xp.zeros((1,), dtype=array.dtype, device=self.native_device(device))
        terms = xp.concat([xp.reshape(value, (-1,)), zero])
        picked = xp.take(terms, self._indices(table, device), axis=0)
        total = xp.sum(xp.reshape(picked, table.shape), axis=1)
        return array + xp.reshape(total, array.shape)

    def _indices(self, positions: np.ndarray, device: Device) -> Array:
        return self.from_numpy(positions.reshape(-1).astype(self.index_dtype(device)), device)

    def _positions(self, shape: Sequence[int], key: Key) -> np.ndarray:
        """Return the flat positions that `key` selects, found by indexing them with NumPy."""
        whole = np.arange(prod(shape)).reshape(shape)
        parts = key if isinstance(key, tuple) else (key,)
        known = tuple(self.to_numpy(k) if isinstance(k, self.array_types) else k for k in parts)
        return np.asarray(whole[known])

    def masked_product(self, g: Array, p: Array) -> Array:
        """Return ``g * p``, and 0 where g is 0, also if p is infinite or NaN there."""
        return g * self.xp.where(g == 0, 0, p)

    # -- random numbers ----------------------------------------------------------------------

    def generator(self, seed: int, device: Device) -> Any:
        """Return a random number generator for a device, seeded."""
        return np.random.Generator(np.random.PCG64(seed))

    def copy_generator(self, generator: Any) -> Any:
        """Return a generator of the same numbers."""
        return deepcopy(generator)

    def random(
        self, generator: Any, kind: str, shape: tuple[int, ...], dtype: Any, device: Device, **kw: Any
    ) -> Array:
        """Return random numbers: `kind` is a method of NumPy's Generator, `kw` its arguments."""
        values = getattr(generator, kind)(size=shape, **kw)
        name = next(d.name for d, native in self.native_dtypes.items() if native == dtype)
        return self.from_numpy(np.asarray(values).astype(name), device)

    # -- figures -----------------------------------------------------------------------------

    def describe(self, device: Device) -> str:
        """Return the device's name and memory for a bug report; empty if nothing is known."""
        return ""

    def synchronize(self, device: Device) -> None:
        """Wait until all work on the device is done."""


class _SpecialFunctions:
    """A backend's special functions, each looked up once and kept as an attribute."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        function = self._backend.function(f"special.{name}")
        setattr(self, name, function)
        return function


def scipy_function(name: str) -> Callable[..., Any]:
    """Return a function of ``scipy.special`` on NumPy arrays, its result of the dtype they promote to.

    Raises
    ------
    BackendError
        If SciPy is not installed.
    """
    try:
        import scipy.special  # takes longer than all of dualad, and few programs need it
    except ModuleNotFoundError:
        raise BackendError(f"dualad.special.{name} needs SciPy: pip install 'dualad[special]'") from None
    function = getattr(scipy.special, name)

    # SciPy computes in double where a Python number is beside a float32 array, in single for float16.
    def compute(*args: Any) -> Any:
        y = function(*args)
        if len(args) == 1 and getattr(args[0], "dtype", None) is y.dtype:
            return y
        want = np.result_type(*args)
        return y.astype(want) if want.kind == y.dtype.kind and want != y.dtype else y

    return compute


BASIC_KEYS = (int, slice, type(None), type(...), np.integer)


def is_basic(key: Key) -> bool:
    """Whether a key is made of integers, slices, ellipses and newaxes alone."""
    if type(key) is int or type(key) is slice:
        return True
    parts = key if isinstance(key, tuple) else (key,)
    return all(isinstance(k, BASIC_KEYS) and not isinstance(k, bool) for k in parts)


def _basic_key(key: Key, shape: Sequence[int]) -> tuple[Any, ...]:
    """Return a basic key as the standard demands it: complete, and with slices inside the bounds."""
    parts = key if isinstance(key, tuple) else (key,)
    used = sum(k is not None and k is not ... for k in parts)
    if used > len(shape):
        raise IndexError(f"too many indices: the array is {len(shape)}-dimensional, {used} given")
    if ... not in parts:
        parts = (*parts, ...)
    out: list[Any] = []
    axis = 0
    for k in parts:
        if k is ...:
            axis += len(shape) - used
            out.append(k)
        elif k is None:
            out.append(k)
        else:
            out.append(_inside(k, shape[axis], axis))
            axis += 1
    return tuple(out)


def _inside(k: Any, n: int, axis: int) -> Any:
    if isinstance(k, slice):
        start, stop, step = k.indices(n)
        if not range(start, stop, step):
            return slice(0, 0, 1)
        return slice(start, stop if stop >= 0 else None, step)
    if not -n <= k < n:
        raise IndexError(f"index {k} is out of bounds for axis {axis} with size {n}")
    return int(k)
