"""Generators of random numbers: one for each device, and those of users."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from operator import index
from threading import Lock
from typing import Any

import numpy as np

from ...backends import Device
from ...backends.registry import Cache
from ...dtypes import uint8
from ...engine.draws import Stream, is_replaying
from ...engine.tensor import Tensor
from ...errors import DeviceError
from ..conversion import asarray, place

#: Where a new `Generator` begins: always at the same numbers.
_DEFAULT_SEED = 67280421310721


class Generator:
    """A source of random numbers on a device, with a state of its own.

    Every function that draws takes one as ``generator=``. A new one begins at the same numbers each
    time; call `seed` for others. It can be pickled and copied, and used by several threads, which
    then draw in turn.

    Parameters
    ----------
    device : str or Device, optional
        Where the numbers are made; the CPU if None.

    Raises
    ------
    DeviceError
        If there is no such device.

    Examples
    --------
    >>> import dualad
    >>> g = dualad.Generator().manual_seed(2)
    >>> state = g.get_state()
    >>> x = dualad.randn(3, generator=g)
    >>> bool((dualad.randn(3, generator=g.set_state(state)) == x).all())
    True
    """

    __slots__ = ("_stream",)

    def __init__(self, device: Any = None) -> None:
        backend, device = place(device)
        generator = backend.generator(_DEFAULT_SEED, device)
        self._stream = Stream(backend, device, generator, _DEFAULT_SEED)

    @property
    def device(self) -> Device:
        """The device that the numbers are made on."""
        device: Device = self._stream.device
        return device

    def manual_seed(self, seed: int) -> Generator:
        """Begin at a seed, an integer from -2**63 to 2**64 - 1; return the generator.

        A negative seed counts from 2**64, as in PyTorch.
        """
        seed = checked_seed("Generator.manual_seed", seed)
        self._stream.set(self._stream.backend.generator(seed, self.device), seed)
        return self

    def seed(self) -> int:
        """Begin at a random seed; return it."""
        self.manual_seed(new_seed())
        return self.initial_seed()

    def initial_seed(self) -> int:
        """Return the seed that the generator began at."""
        return self._stream.seed

    def get_state(self) -> Tensor:
        """Return where the generator stands, as a Tensor of uint8 on the CPU."""
        stream = self._stream.copy()
        header = json.dumps({"backend": stream.backend.name, "seed": stream.seed}).encode()
        data = header + b"\n" + stream.backend.generator_state(stream.generator)
        return Tensor(np.frombuffer(data, np.uint8).copy())

    def set_state(self, new_state: Any) -> Generator:
        """Go on where a generator of the same backend stood; return the generator.

        Parameters
        ----------
        new_state : Tensor or array of uint8
            What `get_state` gave, on whichever device of the backend.

        Raises
        ------
        TypeError, ValueError
            If it is no state.
        DeviceError
            If it is one of another backend's generator.
        """
        header, state = _read_state(new_state, self.device)
        backend = self._stream.backend
        if header["backend"] != backend.name:
            raise DeviceError(
                f"Generator.set_state: the state is of a generator of the {header['backend']} backend, this "
                f"one is of {backend.name}; their numbers are not the same"
            )
        try:
            generator = backend.restore_generator(state, self.device)
        except (ValueError, OverflowError) as error:  # the latter of numbers that are none of a state's
            raise ValueError(
                f"set_state: this is no state of a Generator of {self.device}; give all that get_state gave"
            ) from error
        self._stream.set(generator, header["seed"])
        return self

    def clone_state(self) -> Generator:
        """Return a generator of the numbers that come next."""
        return _of_stream(self._stream.copy())

    def __copy__(self) -> Generator:
        return self.clone_state()

    def __deepcopy__(self, memo: Any) -> Generator:
        return self.clone_state()

    def __reduce__(self) -> Any:
        return _restored, (str(self.device), self.get_state().numpy())

    def __repr__(self) -> str:
        return f"<dualad.Generator on {self.device}, seed {self.initial_seed()}>"


def _of_stream(stream: Stream) -> Generator:
    generator = object.__new__(Generator)
    generator._stream = stream
    return generator


def _restored(device: str, state: np.ndarray) -> Generator:
    return Generator(device).set_state(state)


def _read_state(state: Any, device: Device) -> tuple[dict[str, Any], bytes]:
    """Return what `Generator.get_state` put into a state."""
    x = asarray(state)
    if x.dtype is not uint8 or x.ndim != 1:
        raise TypeError(
            "set_state: a state is a vector of uint8, as get_state gives it; "
            f"got shape {x.shape}, dtype {x.dtype}"
        )
    head, _, data = x.cpu().numpy().tobytes().partition(b"\n")
    try:
        header = json.loads(head)
        return {"backend": str(header["backend"]), "seed": int(header["seed"])}, data
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"set_state: this is no state of a Generator of {device}; give all that get_state gave"
        ) from None


def checked_seed(name: str, seed: Any) -> int:
    """Return a seed from 0 to 2**64 - 1.

    Raises
    ------
    TypeError, ValueError
        If it is no integer, or none from -2**63 to 2**64 - 1.
    """
    try:
        number = index(seed)
    except TypeError:
        raise TypeError(f"{name}: the seed must be an integer, got {seed!r}") from None
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"{name}: the seed must be from -2**63 to 2**64 - 1, got {seed}")
    return number % 2**64


def new_seed() -> int:
    """Return a random seed."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0]) >> 1


# -- the generators of the devices -------------------------------------------------------------------

_generators: Cache[Device, Generator] = Cache()
_seed: int | None = None
_lock = Lock()


def default_generator(device: Any = None) -> Generator:
    """Return the generator that numbers on a device come from where none is named.

    Parameters
    ----------
    device : str or Device, optional
        The CPU if None.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.default_generator() is dualad.manual_seed(1)
    True
    """
    _, full = place(device)
    return generator_of(full)


def generator_of(device: Device) -> Generator:
    """Return the generator of a device by its complete name, made when it is first asked for."""
    found = _generators.get(device)
    if found is None:
        with _lock:
            found = _generators.get(device)
            if found is None:
                found = Generator(device).manual_seed(new_seed() if _seed is None else _seed)
                _generators[device] = found
    return found


def manual_seed(seed: int) -> Generator:
    """Seed the generators of all devices: what is drawn from now on is the same each time.

    Parameters
    ----------
    seed : int
        From -2**63 to 2**64 - 1; a negative one counts from 2**64.

    Returns
    -------
    Generator
        That of the CPU.

    Examples
    --------
    >>> import dualad
    >>> g = dualad.manual_seed(0)
    >>> a = dualad.rand(3)
    >>> g = dualad.manual_seed(0)
    >>> bool((a == dualad.rand(3)).all())
    True
    """
    global _seed
    seed = checked_seed("manual_seed", seed)
    if not is_replaying():
        with _lock:
            _seed = seed
            known = list(_generators.values())
        for generator in known:
            generator.manual_seed(seed)
    return default_generator()


def seed() -> int:
    """Seed the generators of all devices with a random number; return it.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.seed() == dualad.random.initial_seed()
    True
    """
    return manual_seed(new_seed()).initial_seed()


def initial_seed() -> int:
    """Return the seed that the CPU's generator began at.

    Examples
    --------
    >>> import dualad
    >>> dualad.manual_seed(7).initial_seed(), dualad.initial_seed()
    (7, 7)
    """
    return default_generator().initial_seed()


def get_rng_state(device: Any = None) -> Tensor:
    """Return where the generator of a device stands, as a Tensor of uint8 on the CPU.

    Parameters
    ----------
    device : str or Device, optional
        The CPU if None.

    Examples
    --------
    >>> import dualad
    >>> state = dualad.get_rng_state()
    >>> x = dualad.rand(2)
    >>> dualad.set_rng_state(state)
    >>> bool((dualad.rand(2) == x).all())
    True
    """
    return default_generator(device).get_state()


def set_rng_state(new_state: Any, device: Any = None) -> None:
    """Let the generator of a device go on where one stood: what `get_rng_state` gave.

    Parameters
    ----------
    new_state : Tensor or array of uint8
        The state.
    device : str or Device, optional
        The CPU if None.

    Raises
    ------
    TypeError, ValueError
        If it is no state.
    DeviceError
        If it is one of another backend's generator.

    Examples
    --------
    >>> import dualad
    >>> dualad.set_rng_state(dualad.Generator().manual_seed(5).get_state())
    >>> dualad.initial_seed()
    5
    """
    default_generator(device).set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """Return a context after which the devices' generators stand where they stood before.

    Parameters
    ----------
    devices : iterable of str or Device, or one of these, optional
        Which, besides the CPU; by default all.
    enabled : bool
        If False, nothing is done.

    Examples
    --------
    >>> import dualad
    >>> g = dualad.manual_seed(0)
    >>> with dualad.random.fork_rng():
    ...     x = dualad.rand(3)
    >>> bool((dualad.rand(3) == x).all())
    True
    """
    global _seed
    if not enabled:
        yield
        return
    devices = (devices,) if isinstance(devices, (str, Device)) else devices
    named = None if devices is None else {place(d)[1] for d in (None, *devices)}
    with _lock:
        seed, kept = _seed, dict(_generators)
    kept = {d: g.clone_state() for d, g in kept.items()}
    try:
        yield
    finally:
        if named is None and not is_replaying():
            _seed = seed
        for device, generator in list(_generators.items()):
            if device in kept and (named is None or device in named):
                before = kept[device]._stream
                generator._stream.set(before.generator, before.seed)
            elif named is None or device in named:  # made inside
                generator.manual_seed(new_seed() if seed is None else seed)
