"""Random numbers: a generator for each device, seeded by `manual_seed`."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from ..backends import Device
from ..batching import into
from ..dtypes import DType, as_dtype, get_default_dtype, int64
from ..engine.draws import Stream, is_replaying, replayed
from ..engine.modes import batches
from ..engine.tensor import Tensor
from ..engine.views import require_grad
from ..errors import BatchError, DTypeError
from .common import as_shape, whole
from .conversion import asarray, native, place
from .searching import argsort

_generators: dict[Device, Stream] = {}
_seed: int | None = None
_lock = Lock()


def manual_seed(seed: int) -> None:
    """Seed the generators of all devices: what is drawn from now on is the same each time.

    Parameters
    ----------
    seed : int
        Any integer that is not negative.

    Examples
    --------
    >>> import dualad
    >>> dualad.manual_seed(0)
    >>> a = dualad.rand(3)
    >>> dualad.manual_seed(0)
    >>> bool((a == dualad.rand(3)).all())
    True
    """
    global _seed
    if int(seed) < 0:
        raise ValueError(f"manual_seed: the seed must not be negative, got {seed}")
    if is_replaying():
        return
    with _lock:
        _seed = int(seed)
        _generators.clear()


def rand(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return numbers drawn evenly from [0, 1).

    Parameters
    ----------
    *size : int, or one tuple of int
        The shape.
    dtype : DType, optional
        The default dtype if None.
    device : str or Device, optional
        The CPU if None.
    requires_grad : bool
        Whether ops on the result are recorded.

    Examples
    --------
    >>> import dualad
    >>> dualad.rand(2, 3).shape
    (2, 3)
    """
    return _draw("random", size, _real("rand", dtype), device, requires_grad)


def randn(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return numbers drawn from the standard normal distribution; the parameters are those of `rand`.

    Examples
    --------
    >>> import dualad
    >>> dualad.randn((5, 3), dtype=dualad.float64).dtype
    dualad.float64
    """
    return _draw("standard_normal", size, _real("randn", dtype), device, requires_grad)


def randint(low: int, high: Any, size: Any = None, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return integers drawn evenly from [low, high); ``randint(high, size)`` begins at 0.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.randint(0, 10, (100,))
    >>> bool(((x >= 0) & (x < 10)).all())
    True
    """
    if size is None:
        low, high, size = 0, low, high
    if low >= high:
        raise ValueError(
            f"randint: expects low < high, got {low} and {high}; the size comes last, a tuple: "
            "randint(0, 10, (3,))"
        )
    return _draw("integers", size, dtype or int64, device, False, low=low, high=high)


def rand_like(x: Any) -> Tensor:
    """Return numbers as from `rand`, of the shape, dtype and device of x.

    Examples
    --------
    >>> import dualad
    >>> dualad.rand_like(dualad.ones(2, 3)).shape
    (2, 3)
    """
    x = asarray(x)
    return rand(x.shape, dtype=x.dtype, device=x.device)


def randn_like(x: Any) -> Tensor:
    """Return numbers as from `randn`, of the shape, dtype and device of x.

    Examples
    --------
    >>> import dualad
    >>> dualad.randn_like(dualad.ones(2, 3)).shape
    (2, 3)
    """
    x = asarray(x)
    return randn(x.shape, dtype=x.dtype, device=x.device)


def randperm(n: int, *, device: Any = None) -> Tensor:
    """Return the integers from 0 to n - 1 in random order.

    Examples
    --------
    >>> import dualad
    >>> dualad.randperm(4).sort()
    tensor([0, 1, 2, 3])
    """
    if whole("randperm", "n", n) < 0:
        raise ValueError(f"randperm: n must not be negative, got {n}")
    return argsort(rand(n, dtype="float64" if device is None else None, device=device))


def _real(name: str, dtype: Any) -> DType:
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not dtype.is_floating_point:
        raise DTypeError(f"{name}: the numbers are real, and cannot be {dtype}; name a floating dtype")
    return dtype


def _draw(kind: str, size: Any, dtype: Any, device: Any, requires_grad: bool, **parameters: Any) -> Tensor:
    backend, device = place(device)
    different = [b for b in batches() if _differs(b)]
    shape = (*(b.size for b in different), *as_shape(size))
    wanted = native(backend, as_dtype(dtype), device)
    with _lock:  # a generator serves one thread at a time
        stream = replayed(device) or _stream(backend, device)
        array = backend.random(stream.drawn(), kind, shape, wanted, device, **parameters)
    x = Tensor(array)
    for batch in different:
        x = into(x, batch)
    return require_grad(x) if requires_grad else x


def _stream(backend: Any, device: Device) -> Stream:
    """Return the numbers of a device, which begin at the seed."""
    if device not in _generators:
        seed = np.random.SeedSequence().entropy if _seed is None else _seed
        _generators[device] = Stream(backend, device, backend.generator(seed, device))
    return _generators[device]


def _differs(batch: Any) -> bool:
    """Whether random numbers differ between the examples of a `vmap`."""
    if batch.randomness == "error":
        raise BatchError(
            "vmap: random numbers are drawn inside; say with randomness='different' or 'same' whether they "
            "should differ between examples"
        )
    return bool(batch.randomness == "different")
