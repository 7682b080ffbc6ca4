"""JAX's arrays, and the tracers that stand for them while JAX traces a program, as a backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dualad import dtypes
from dualad.backends import Backend, Device
from dualad.errors import BackendError, DTypeError

from .errors import outside, program_ended, values_needed
from .functions import OWN, Fourier
from .indexing import Indexing
from .programs import current_program, has_ended, program_of
from .randomness import Randomness
from .special import Special

Array = Any

#: The functions whose standard meaning is that the result's shape depends on the values.
_DATA_DEPENDENT = ("nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values")

_WIDE = ("int64", "uint64", "float64", "complex128")

X64 = (
    "JAX has no 64-bit types unless told so: set the environment variable JAX_ENABLE_X64=1, or call "
    "jax.config.update('jax_enable_x64', True) at the start of the program"
)


class JaxBackend(Indexing, Special, Randomness, Backend):
    """JAX's arrays on the devices ``jax:0``, ``jax:1``, ….

    These are the devices of JAX's default platform that belong to this process, and behind them, where
    that platform is another, the CPU. Arrays of dualad's are committed to their device, so that those on
    several do not meet unnoticed. A tracer is on the first device, as far as dualad is concerned: where
    a program that JAX traces runs is JAX's to say.
    """

    name = "jax"
    hook_version = 2
    device_types = ("jax",)
    array_types = (jax.Array, jax.core.Tracer)
    xp = jnp
    fft = Fourier()

    # -- devices -----------------------------------------------------------------------------

    @cached_property
    def _native(self) -> tuple[Any, ...]:
        # Not before it is asked for: on a GPU JAX takes most of the memory as it counts its devices.
        try:
            here = jax.local_devices()
            hosts = [] if here[0].platform == "cpu" else jax.local_devices(backend="cpu")
        except RuntimeError as error:
            raise BackendError(f"the jax backend has no devices: {error}") from error
        return (*here, *hosts)

    def devices(self) -> list[Device]:
        return [Device("jax", i) for i in range(len(self._native))]

    def native_device(self, device: Device) -> Any:
        return None if device.index is None else self._native[device.index]

    def device_of(self, array: Array) -> Device:
        if isinstance(array, jax.core.Tracer):
            return Device("jax", 0)
        devices = array.devices()
        # What is spread over several devices is on none of them: what joins it must not be bound to one.
        return Device("jax", self._native.index(*devices) if len(devices) == 1 else None)

    def to_device(self, array: Array, device: Device, non_blocking: bool = False) -> Array:
        return array if self.is_tracing(array) else jax.device_put(array, self.native_device(device))

    def from_numpy(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Array:
        if array.dtype.name in _WIDE and not _has_wide():
            raise DTypeError(f"the device {device} has no arrays of dtype {array.dtype}: {X64}")
        return jnp.array(array, copy=True, device=self.native_device(device))

    def to_numpy(self, array: Array) -> np.ndarray:
        if self.is_tracing(array):
            raise program_ended() if has_ended(array) else values_needed("looking at an array's elements")
        return np.asarray(array.astype(np.float32) if array.dtype == jnp.bfloat16 else array)

    def is_tracing(self, array: Array) -> bool:
        return isinstance(array, jax.core.Tracer)

    def check_write(self, old: Array, new: Array) -> None:
        program = program_of(new)
        if program is not None and program_of(old) is not program:
            raise outside()

    # -- dtypes ------------------------------------------------------------------------------

    @cached_property
    def native_dtypes(self) -> dict[dtypes.DType, Any]:
        # Its arrays carry NumPy's dtypes.
        return {d: jnp.dtype(d.name) for d in dtypes.ALL}

    def has_dtype(self, dtype: dtypes.DType, device: Device) -> bool:
        return dtype.name not in _WIDE or _has_wide()

    def advise_on_dtype(self, dtype: dtypes.DType, device: Device) -> str:
        return X64 if dtype.name in _WIDE else ""

    def index_dtype(self, device: Device) -> str:
        return "int64" if _has_wide() else "int32"

    def astype(self, x: Array, dtype: Any, *, copy: bool = True) -> Array:
        if dtype.name in _WIDE and not _has_wide():
            raise DTypeError(f"astype: there are no arrays of dtype {dtype}: {X64}")
        return lax.convert_element_type(x, dtype)

    # -- arrays ------------------------------------------------------------------------------

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function that computes the op `name`, one and the same for arrays and for tracers."""
        if name not in self._functions:
            found = OWN.get(name) or super().function(name)
            self._functions[name] = _explaining(name, found) if callable(found) else found
        return self._functions[name]

    @cached_property
    def _functions(self) -> dict[str, Any]:
        return {}

    def copy(self, array: Array) -> Array:
        # Nobody can write to it; but a copy that is made in a program must belong to it: see `check_write`.
        program = current_program()
        if program is not None and program_of(array) is not program:
            array = jnp.array(array, copy=True)
        # JAX's weak types, which yield to others, are not the standard's.
        return lax.convert_element_type(array, array.dtype)

    def dlpack(self, array: Array, **keywords: Any) -> Any:
        return jnp.array(array, copy=True).__dlpack__(**keywords)

    # -- figures -----------------------------------------------------------------------------

    def describe(self, device: Device) -> str:
        native = self.native_device(device)
        return f"{native.platform}: {native.device_kind}"

    def memory(self, device: Device) -> dict[str, int]:
        stats = self.native_device(device).memory_stats() or {}  # of the CPU JAX knows nothing
        named = {"allocated": "bytes_in_use", "reserved": "bytes_reserved", "total": "bytes_limit"}
        return {ours: stats[theirs] for ours, theirs in named.items() if theirs in stats}

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)

    def synchronize(self, device: Device) -> None:
        # Work is done in the order in which it is queued.
        jnp.zeros((), device=self.native_device(device)).block_until_ready()


def _has_wide() -> bool:
    """Whether JAX has 64-bit types here and now."""
    return bool(jax.dtypes.canonicalize_dtype(np.float64) == np.float64)


def _explaining(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that says what it is given where that cannot be, as other libraries say it."""
    needs_values = name in _DATA_DEPENDENT

    @wraps(function)
    def compute(*args: Any, **keywords: Any) -> Any:
        if needs_values and isinstance(args[0], jax.core.Tracer):
            raise values_needed(name)
        try:
            return function(*args, **keywords)
        except TypeError as error:
            if type(error) is TypeError and "shape" in str(error):
                raise ValueError(str(error)) from error
            raise

    return compute
