"""What dualad asks of an array library: one small object, with a slow default for most of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import cached_property, partial
from math import prod
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from .. import dtypes
from ..errors import BackendError, DeviceError, GapError
from .device import Device, devices_of
from .functions import Functions, gap_of
from .host import drawn_by_numpy, scipy_function
from .keys import Key, basic_key, is_basic
from .versions import adapt

Array = Any  # an array of the backend


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
    gaps : mapping of str to str
        What the library cannot do: names of functions (``"linalg.eigh"``), or patterns of them
        (``"fft.*"``), each with the reason in a few words. Calling one raises a `GapError` that says so.
    has_streams : bool
        Whether work is queued on streams, as on a GPU; see `current_stream`.
    lazy : bool
        Whether arrays that `is_tracing` says have no values yet get them when somebody asks, as on dask.
    hook_version : int
        The version of the hooks that the class was written for, `dualad.backends.HOOK_VERSION` at
        that time. Methods of an older version are called without the arguments they do not know.
    """

    name: ClassVar[str]
    device_types: ClassVar[tuple[str, ...]]
    array_types: tuple[type, ...] = ()
    xp: Any = None
    unavailable: str | None = None
    gaps: Mapping[str, str] = MappingProxyType({})
    has_streams: ClassVar[bool] = False
    lazy: ClassVar[bool] = False
    hook_version: ClassVar[int] = 1

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        adapt(cls, Backend)

    # -- what a backend must say -------------------------------------------------------------

    def devices(self) -> list[Device]:
        """Return the devices at hand, the default one first."""
        raise NotImplementedError

    def from_numpy(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Array:
        """Return a copy of a NumPy array on one of this backend's devices.

        If `non_blocking`, the copy may go on when this returns, where the library has a queue for it,
        and may not see what is written to the array afterwards.
        """
        raise NotImplementedError

    def to_numpy(self, array: Array) -> np.ndarray:
        """Return the array's elements as a NumPy array, which may share memory with it.

        Those of bfloat16, which NumPy lacks, are given in float32.
        """
        raise NotImplementedError

    def to_numpy_all(self, arrays: Sequence[Array]) -> list[np.ndarray]:
        """Return what `to_numpy` gives for each of several arrays, which may be computed together."""
        return [self.to_numpy(a) for a in arrays]

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

    def _wide(self, dtype: Any) -> Any:
        """Return the dtype in which numbers of a dtype are added: single precision for half."""
        halves = [native for d, native in self.native_dtypes.items() if d in dtypes.HALVES]
        return self.native_dtypes[dtypes.float32] if dtype in halves else dtype

    def has_dtype(self, dtype: dtypes.DType, device: Device) -> bool:
        """Whether there can be arrays of that dtype on that device."""
        return dtype in self.native_dtypes

    def advise_on_dtype(self, dtype: dtypes.DType, device: Device) -> str:
        """Return what a user can do who wants a dtype that is not there; empty if nothing.

        It ends the message of the error that he gets.
        """
        return ""

    def index_dtype(self, device: Device) -> str:
        """Return the name of the integer dtype that indices have on a device."""
        return "int64"

    # -- arrays ------------------------------------------------------------------------------

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function that computes the op `name` on this backend's arrays."""
        gap = gap_of(self.gaps, name)
        if gap is not None:
            return self._refusal(name, gap)
        if name.startswith("special."):
            return self.special_function(name.removeprefix("special."))
        look_up = attrgetter(name)
        try:
            own = look_up(self)
        except AttributeError:
            own = None
        return look_up(self.xp) if own is None else own

    def guarded(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return what an op calls in the place of its function: one that sees to the arguments first.

        It is asked once for each function. The default is the function itself.
        """
        return function

    def _refusal(self, name: str, gap: str) -> Callable[..., Any]:
        """Return what stands in the place of a function that the library lacks."""
        reason = self.gaps[gap]

        def refuse(*args: Any, **keywords: Any) -> Any:
            error = GapError(f"{name}: the {self.name} backend cannot do this: {reason}")
            error.function = name
            raise error

        return refuse

    @cached_property
    def special(self) -> Any:
        """The special functions by name, as attributes."""
        return Functions(self, "special.")

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
        here = devices_of(self)
        full = next((d for d in here if d == device or (device.index is None)), None)
        if full is None:
            names = ", ".join(str(d) for d in here)
            raise DeviceError(f"there is no device {device}: the {self.name} backend has {names}")
        return full

    def to_device(self, array: Array, device: Device, non_blocking: bool = False) -> Array:
        """Return the array on another device of this backend.

        If `non_blocking`, the copy may go on when this returns, where the library has a queue for it.
        """
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

    def is_tracing(self, array: Array) -> bool:
        """Whether the array stands for values that are not there yet, as in JAX under ``jit``.

        Values are then not looked at where that would only save work.
        """
        return False

    def check_write(self, old: Array, new: Array) -> None:
        """Raise if a Tensor of the array `old` must not be given `new`, which `is_tracing`.

        Such values mean nothing outside the traced program: a Tensor from there would keep one that is
        never known. The default allows everything.
        """

    # -- what the standard lacks -------------------------------------------------------------

    def getitem(self, array: Array, *, key: Key) -> Array:
        """Return ``array[key]`` for any key that NumPy takes."""
        if is_basic(key):
            return array[basic_key(key, array.shape)]
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
            array[basic_key(key, array.shape)] = value
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
        total = xp.sum(xp.reshape(picked, table.shape), axis=1, dtype=self._wide(array.dtype))
        return array + xp.astype(xp.reshape(total, array.shape), array.dtype, copy=False)

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

    def unbroadcast(self, array: Array, shape: tuple[int, ...]) -> Array:
        """Return the array summed over the axes along which one of `shape` was broadcast to it.

        Numbers of half precision are added in single precision: a sum of many is soon wrong else.
        """
        xp, dtype = self.xp, array.dtype
        extra = array.ndim - len(shape)
        ones = tuple(i for i, n in enumerate(shape, extra) if n == 1 != array.shape[i])
        wide = self._wide(dtype)
        total = xp.sum(array, axis=(*range(extra), *ones), dtype=wide)
        return xp.astype(xp.reshape(total, shape), dtype, copy=False)

    # -- several operations as one -------------------------------------------------------------

    @cached_property
    def namespace(self) -> Any:
        """What rules are given as ``xp``: the functions by name, as attributes."""
        return Functions(self)

    @cached_property
    def fuses(self) -> bool:
        """Whether `fuse` is the library's own, and so worth its look-up."""
        return type(self).fuse is not Backend.fuse

    def fuse(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return a function that computes element by element, made to run as one kernel.

        Parameters
        ----------
        function : callable
            ``function(xp, *args, **numbers)`` is made of operators and functions of the standard, all
            of them elementwise, and gives an array or a tuple of arrays. Of `args` some are arrays and
            others constants, on which it may branch: numbers, truth values, None. The numbers that
            come by keyword may be others at each call. It depends on nothing else.
        name : str
            What to call it in messages and profiles.

        Returns
        -------
        callable
            ``fused(*args, **numbers)`` gives what ``function(xp, *args, **numbers)`` does. The default
            calls that, one operation after the other.
        """
        return partial(function, self.namespace)

    def fuse_sum(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return what `fuse` does, for a function of one result and no numbers, that sums it to a shape.

        ``fused(shape, *args)`` is ``unbroadcast(function(xp, *args), shape)``.
        """
        fused = self.fuse(function, name)
        return lambda shape, *args: self.unbroadcast(fused(*args), shape)

    # -- random numbers ----------------------------------------------------------------------

    # A backend with generators of its own overrides all five.

    def generator(self, seed: int, device: Device) -> Any:
        """Return a random number generator for a device, an object that `random` changes.

        The seed is from 0 to 2**64 - 1, and the same numbers follow from the same one.
        """
        return np.random.Generator(np.random.PCG64(seed))

    def copy_generator(self, generator: Any) -> Any:
        """Return a generator of the same numbers."""
        return deepcopy(generator)

    def generator_state(self, generator: Any) -> bytes:
        """Return where a generator stands, in whatever form `restore_generator` reads."""
        return json.dumps(generator.bit_generator.state).encode()

    def restore_generator(self, state: bytes, device: Device) -> Any:
        """Return a generator that stands where another one stood, from its `generator_state`.

        Bytes that are none raise a ValueError.
        """
        bits = np.random.PCG64(0)
        try:
            bits.state = json.loads(state)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"no state of a PCG64 generator: {error}") from error
        return np.random.Generator(bits)

    def random(
        self, generator: Any, kind: str, shape: tuple[int, ...], dtype: Any, device: Device, **parameters: Any
    ) -> Array:
        """Return random numbers of a shape and dtype, on a device.

        The kinds are methods of NumPy's generators; all else is made of these:

        ===================  ==============  ====================================================
        kind                 parameters      numbers
        ===================  ==============  ====================================================
        ``random``                           even in [0, 1), never 1; a real dtype
        ``standard_normal``                  normal, of mean 0 and variance 1; a real dtype
        ``integers``         ``low, high``   even in [low, high), two ints; an integer dtype
        ``standard_gamma``   ``a``           gamma, of concentration a > 0 and rate 1; a real dtype
        ``poisson``          ``lam``         counts of mean lam >= 0; a real dtype
        ``binomial``         ``n, p``        successes among n trials of probability p; a real dtype
        ===================  ==============  ====================================================

        ``a``, ``lam``, ``n`` and ``p`` are arrays of the result's shape, dtype and device. A
        backend whose library lacks a kind leaves it to this default (``super().random(...)``),
        which draws with NumPy: seeded, where the generator is not NumPy's, by ``integers`` of it.
        """
        if not isinstance(generator, np.random.Generator):
            if kind == "integers":
                raise BackendError(f"random: the {self.name} backend draws no integers from its generators")
            wide = self.native_dtypes[dtypes.int32]
            seeds = self.random(generator, "integers", (4,), wide, device, low=0, high=2**31 - 1)
            generator = np.random.Generator(np.random.PCG64(self.to_numpy(seeds).tolist()))
        known = [self.to_numpy(p) if isinstance(p, self.array_types) else p for p in parameters.values()]
        wanted = next(d for d, native in self.native_dtypes.items() if native == dtype)
        drawn = self.from_numpy(drawn_by_numpy(generator, kind, shape, wanted, known), device)
        return drawn if drawn.dtype == dtype else self.xp.astype(drawn, dtype)

    # -- figures -----------------------------------------------------------------------------

    def describe(self, device: Device) -> str:
        """Return the device's name and memory for a bug report; empty if nothing is known."""
        return ""

    def synchronize(self, device: Device) -> None:
        """Wait until all work on the device is done."""

    def memory(self, device: Device) -> dict[str, int]:
        """Return what is known of a device's memory, in bytes.

        The keys are among ``"allocated"`` (in arrays), ``"reserved"`` (held by the library, arrays
        among it), ``"free"`` and ``"total"``.
        """
        return {}

    def free_memory(self, device: Device) -> None:
        """Give memory that the library holds for arrays to come back to the device."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether an error of the library says that there is no memory left."""
        return isinstance(error, MemoryError)

    # -- streams, where `has_streams` --------------------------------------------------------

    def current_stream(self, array: Array) -> Any:
        """Return the stream that work on an array goes to now; None for the default one.

        An op's derivative goes to the stream that the op itself went to.
        """
        return None

    def on_stream(self, stream: Any) -> AbstractContextManager[Any]:
        """Return a context in which work goes to a stream; None is the default one."""
        return nullcontext()

    def join(self, source: Any, target: Any) -> None:
        """Let work that is queued on the stream `target` from now wait for what is on `source`.

        None is the default stream, of the device of the other one. Nothing is waited for here.
        """
