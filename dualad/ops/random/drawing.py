"""What every function of random numbers needs: its arguments in one form, and a draw."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import numpy as np

from ...backends import Backend, Device
from ...batching import REGISTRY, example, into, spread
from ...dtypes import DType, as_dtype, get_default_dtype, real_of
from ...engine.draws import Draws, noting, replaying
from ...engine.exhaustion import shortage
from ...engine.modes import batches
from ...engine.namespace import ops
from ...engine.node import Batched
from ...engine.operands import PYTHON_SCALARS
from ...engine.shapes import broadcast, result_dtype
from ...engine.tensor import Tensor, raw_value
from ...engine.views import require_grad
from ...errors import BatchError, DeviceError, DTypeError, ShapeError
from ..common import as_shape
from ..conversion import asarray, native, place
from ..datatypes import finfo
from .generators import Generator, generator_of


class Source(NamedTuple):
    """Where numbers come from, and of what dtype they are."""

    name: str  # of the function, for messages
    backend: Backend
    device: Device
    generator: Generator
    dtype: DType

    def draw(self, kind: str, shape: tuple[int, ...], dtype: Any = None, **parameters: Any) -> Tensor:
        """Return numbers of a kind that `Backend.random` knows; in a `vmap`, some for each example."""
        different = [b for b in batches() if differs(b)]
        full = (*(b.size for b in different), *shape) if different else shape
        wanted = native(self.backend, self.dtype if dtype is None else dtype, self.device)
        try:
            x = Tensor(self.generator._stream.draw(kind, full, wanted, **parameters))
        except Exception as error:
            if (reason := shortage(error, self.name, self.backend, self.device)) is None:
                raise
            raise reason from error
        for batch in different:
            x = into(x, batch)
        return x

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Return numbers of mean 0 and variance 1; of complex ones each part has the variance 1/2."""
        if self.dtype.is_complex:
            return self._complex("standard_normal", shape) * 0.5**0.5
        return self.draw("standard_normal", shape)

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Return numbers from [0, 1), or complex ones of two such parts."""
        return self._complex("random", shape) if self.dtype.is_complex else self.draw("random", shape)

    def inside(self, shape: tuple[int, ...]) -> Tensor:
        """Return numbers from (0, 1): in place of 0 stands the middle of the step that begins there."""
        return ops.maximum(self.draw("random", shape), finfo(self.dtype).eps / 4)

    def exponential(self, shape: tuple[int, ...]) -> Tensor:
        """Return exponential numbers of mean 1, greater than 0."""
        return -ops.log1p(-self.inside(shape))

    def _complex(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        parts = self.draw(kind, (2, *shape), real_of(self.dtype)).to(self.dtype)
        return parts[0] + parts[1] * 1j


def differs(batch: Any) -> bool:
    """Whether random numbers differ between the examples of a `vmap`."""
    if batch.randomness == "error":
        raise BatchError(
            "vmap: random numbers are drawn inside; say with randomness='different' or 'same' whether they "
            "should differ between examples"
        )
    return bool(batch.randomness == "different")


def source(name: str, dtype: DType, device: Any, generator: Any) -> Source:
    """Return where a function draws from.

    Raises
    ------
    TypeError
        If the generator is none.
    DeviceError
        If it is one of another device, or there is no such device.
    """
    backend, device = place(device)
    if generator is None:
        generator = generator_of(device)
    elif not isinstance(generator, Generator):
        raise TypeError(f"{name}: generator must be a dualad.Generator, got {type(generator).__name__}")
    elif generator.device != device:
        raise DeviceError(
            f"{name}: the generator is one of {generator.device}, the numbers are asked for on {device}; "
            f"say device='{generator.device}', or give a generator of dualad.Generator('{device}')"
        )
    return Source(name, backend, device, generator, dtype)


def real(name: str, dtype: Any) -> DType:
    """Return a real floating dtype, the default one for None.

    Raises
    ------
    DTypeError
        If it is another one.
    """
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not dtype.is_floating_point:
        raise DTypeError(f"{name}: the numbers are real, and cannot be {dtype}; name a floating dtype")
    return dtype


def floating(name: str, dtype: Any) -> DType:
    """Return a floating or complex dtype, the default one for None; raise DTypeError for others."""
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not dtype.is_differentiable:
        raise DTypeError(
            f"{name}: the numbers cannot be {dtype}; name a floating dtype, or draw integers with randint"
        )
    return dtype


def parameters(
    name: str, given: dict[str, Any], size: Any, dtype: Any, device: Any, generator: Any,
    kinds: Callable[[str, Any], DType] = real,
) -> tuple[list[Any], tuple[int, ...], Source]:  # fmt: skip
    """Return a distribution's parameters, the shape of the numbers, and where they are drawn.

    Arrays become Tensors of the numbers' precision, numbers stay.

    Parameters
    ----------
    name : str
        Of the function.
    given : dict of str to array or number
        The parameters by name.
    size : int or tuple of int, or None
        The shape; by default that to which the parameters broadcast.
    dtype, device, generator
        What the user says of these.
    kinds : callable
        Which dtypes the numbers may have: `real` or `floating`.

    Raises
    ------
    DeviceError
        If the parameters, or the generator, are not on the device of the numbers.
    DTypeError
        If a parameter is complex and the numbers are real, or the dtype is none for such numbers.
    ShapeError
        If the parameters do not broadcast to the size.
    """
    values = [v if type(v) in PYTHON_SCALARS else asarray(v) for v in given.values()]
    arrays = {n: v for n, v in zip(given, values, strict=True) if isinstance(v, Tensor)}
    if dtype is None and arrays:
        dtype = result_dtype(list(arrays.values()))
        dtype = dtype if dtype.is_differentiable else None
    wanted = kinds(name, dtype)
    on = _device(name, arrays, device)
    for n, v in zip(given, values, strict=True):
        is_complex = v.dtype.is_complex if isinstance(v, Tensor) else type(v) is complex
        if is_complex and not wanted.is_complex:
            raise DTypeError(f"{name}: {n} is complex, the numbers are real ({wanted})")
    part = real_of(wanted)
    values = [v.to(wanted if v.dtype.is_complex else part) if isinstance(v, Tensor) else v for v in values]
    return values, _shape(name, arrays, size), source(name, wanted, on, generator)


def _device(name: str, arrays: dict[str, Tensor], device: Any) -> Any:
    on = None if device is None else place(device)[1]
    first = "device="
    for n, v in arrays.items():
        if on is not None and v.device != on:
            raise DeviceError(
                f"{name}: {n} is on {v.device}, {first} on {on}; move it first, with .to('{on}')"
            )
        on, first = v.device, f"{n} is" if on is None else first
    return on


def _shape(name: str, arrays: dict[str, Tensor], size: Any) -> tuple[int, ...]:
    shapes = [v.shape for v in arrays.values()]
    wanted = None if size is None else lengths(name, size)
    try:
        shape = broadcast(*shapes) if wanted is None else broadcast(*shapes, wanted)
    except ValueError:
        shape = None
    if shape is None or (wanted is not None and shape != wanted):
        listed = ", ".join(f"{n} of shape {v.shape}" for n, v in arrays.items())
        asked = "" if wanted is None else f" to the size {wanted}"
        raise ShapeError(f"{name}: the parameters do not broadcast{asked}: {listed}")
    return shape


def check(
    name: str, argument: str, value: Any, low: float = -inf, high: float = inf, open: bool = False
) -> None:
    """Raise ValueError if a parameter is out of its bounds; NaN is.

    Numbers are looked at, and arrays on the CPU: on a GPU that would wait for all that is queued there.

    Parameters
    ----------
    name, argument : str
        Of the function, and of the parameter.
    value : array or number
        The parameter.
    low, high : float
        The bounds.
    open : bool
        Whether the lower one itself is out of them.
    """
    raw = raw_value(value)
    if type(raw) not in PYTHON_SCALARS and not isinstance(raw, (np.ndarray, np.generic)):
        return
    fine = ((raw > low) if open else (raw >= low)) & (raw <= high)
    if not np.all(fine):
        least = f"greater than {low:g}" if open else f"at least {low:g}"
        bounds = least if high == inf else f"from {low:g} to {high:g}"
        bounds = f"at most {high:g}" if low == -inf else bounds
        bad = np.asarray(raw)[~np.asarray(fine)].flat[0]
        raise ValueError(f"{name}: {argument} must be {bounds}, got {bad:g}")


def lengths(name: str, size: Any) -> tuple[int, ...]:
    """Return a shape, in one of the forms that `as_shape` takes; raise ShapeError if a length is negative."""
    shape = as_shape(size, name)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: lengths must not be negative, got {shape}")
    return shape


def finish(x: Tensor, requires_grad: bool) -> Tensor:
    """Return numbers as the user asked for them."""
    return require_grad(x) if requires_grad and not x.requires_grad else x


# -- draws that depend on parameters -----------------------------------------------------------------


def laid_out(values: list[Any], shape: tuple[int, ...], s: Source) -> list[Tensor]:
    """Return parameters as arrays of the numbers' shape: what `Backend.random` asks for.

    In a `vmap` whose examples draw different numbers, they differ between these.
    """
    different = [b for b in batches() if differs(b)]
    laid = []
    for v in values:
        x = v if isinstance(v, Tensor) else ops.full((), v, dtype=s.dtype, device=s.device)
        x = x if x.shape == shape else ops.broadcast_to(x, shape)
        if different:
            zero = ops.zeros((*(b.size for b in different), *shape), dtype=s.dtype, device=s.device)
            for b in different:
                zero = into(zero, b)
            x = x + zero
        laid.append(x)
    return laid


def draw_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Draw for all examples of a `vmap` at once, or for each from the same place on."""
    batch = next(v.batch for v in values if type(v) is Batched)
    if differs(batch) or not size:
        return op.below(*(spread(v, size) for v in values), **static)
    draws, drawn = Draws(), []
    for i in range(size):
        with replaying(draws) if i else noting(draws):
            drawn.append(op.below(*(example(v, i) for v in values), **static))
    return REGISTRY["stack"].below(*drawn, axis=0)
