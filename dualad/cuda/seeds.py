"""Random numbers on the GPUs: each has a generator of its own."""

from __future__ import annotations

from typing import Any

from ..engine.tensor import Tensor
from ..ops.random.generators import default_generator
from .devices import backend, complete, is_available


def manual_seed(seed: int) -> None:
    """Seed the current GPU's generator; without a GPU do nothing, as in PyTorch.

    `dualad.manual_seed` seeds those of all devices.

    Examples
    --------
    >>> import dualad
    >>> dualad.cuda.manual_seed(0)
    """
    if is_available():
        default_generator(complete()).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs; without one do nothing.

    Examples
    --------
    >>> import dualad
    >>> dualad.cuda.manual_seed_all(0)
    """
    if is_available():
        for device in backend().devices():
            default_generator(device).manual_seed(seed)


def seed() -> None:
    """Let the current GPU's generator begin at a random seed; without a GPU do nothing.

    Examples
    --------
    >>> import dualad
    >>> dualad.cuda.seed()
    """
    if is_available():
        default_generator(complete()).seed()


def seed_all() -> None:
    """Let the generators of all GPUs begin at one random seed; without one do nothing.

    Examples
    --------
    >>> import dualad
    >>> dualad.cuda.seed_all()
    """
    if is_available():
        manual_seed_all(default_generator(complete()).seed())


def initial_seed() -> int:
    """Return the seed that the current GPU's generator began at.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     seed = dualad.cuda.initial_seed()
    """
    return default_generator(complete()).initial_seed()


def get_rng_state(device: Any = "cuda") -> Tensor:
    """Return where a GPU's generator stands, as a Tensor on the CPU; that reads from the GPU.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     state = dualad.cuda.get_rng_state()
    """
    return default_generator(complete(device)).get_state()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Let a GPU's generator go on where one stood.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     dualad.cuda.set_rng_state(dualad.cuda.get_rng_state())
    """
    default_generator(complete(device)).set_state(new_state)
