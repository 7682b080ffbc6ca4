"""Dask arrays as a backend of dualad: the device type ``dask``.

An op on dask arrays is a layer of a task graph, and so is a derivative. Nothing is computed before
`compute` or a Tensor's `numpy` asks for it, and it is then computed block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dask
import dask.array as da
import numpy as np

from dualad.backends import Backend, Device, hookimpl
from dualad.backends.host import scipy_function
from dualad.backends.keys import is_basic

from . import blocks, indexing, namespace
from .evaluation import compute, persist
from .random import Generator

__all__ = ["DaskBackend", "compute", "dualad_backends", "persist"]


class DaskBackend(Backend):
    """Dask's arrays, wherever its scheduler computes them."""

    name = "dask"
    device_types = ("dask",)
    array_types = (da.Array,)
    xp = namespace
    lazy = True
    hook_version = 2

    def devices(self) -> list[Device]:
        return [Device("dask")]

    def check_device(self, device: Device) -> Device:
        return Device("dask") if device.index in (None, 0) else super().check_device(device)

    def native_device(self, device: Device) -> str:
        return "cpu"

    def device_of(self, array: Any) -> Device:
        return Device("dask")

    def to_device(self, array: Any, device: Device, non_blocking: bool = False) -> Any:
        return array

    def from_numpy(self, array: np.ndarray, device: Device, non_blocking: bool = False) -> Any:
        return da.from_array(np.array(array), chunks="auto" if array.size else -1)

    def to_numpy(self, array: Any) -> np.ndarray:
        return blocks.numbers(array)

    def to_numpy_all(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        return blocks.numbers_together(arrays)

    def copy(self, array: Any) -> Any:
        return indexing.handle(blocks.known(array))

    def guarded(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def on_known(*args: Any, **keywords: Any) -> Any:
            return function(*map(_known, args), **{k: _known(v) for k, v in keywords.items()})

        return on_known

    def is_tracing(self, array: Any) -> bool:
        if not array.ndim and array.dtype.kind in "iu":
            return False  # as an index it is computed, for what it reads is then a view
        return not blocks.in_memory(array)

    def dlpack(self, array: Any, **keywords: Any) -> Any:
        return self.to_numpy(array).copy().__dlpack__(**keywords)

    def dlpack_device(self, array: Any) -> tuple[int, int]:
        return (1, 0)

    # -- indexing ----------------------------------------------------------------------------

    def getitem(self, array: Any, *, key: Any) -> Any:
        return super().getitem(array, key=key) if is_basic(key) else indexing.read(array, key)

    def setitem(self, array: Any, value: Any, *, key: Any) -> Any:
        value = da.asarray(value).astype(array.dtype)
        if is_basic(key):
            return indexing.write_basic(array, value, indexing.complete_basic(key, array.shape))
        if not value.ndim and indexing.is_mask(key, array):
            return da.where(key, value, array)
        return indexing.write(array, value, key)

    def scatter(self, g: Any, *, shape: tuple[int, ...], key: Any) -> Any:
        wide = self._wide(g.dtype)
        if g.dtype != wide:  # half precision is added in single
            return self.scatter(g.astype(wide), shape=shape, key=key).astype(g.dtype)
        if not g.size:
            return namespace.zeros(shape, dtype=g.dtype)
        if is_basic(key):
            return indexing.add_basic(g, indexing.complete_basic(key, shape), shape)
        return indexing.add_at(g, key, shape)

    def index_add(self, array: Any, value: Any, *, key: Any) -> Any:
        return array + self.scatter(value, shape=array.shape, key=key)

    # -- what is computed by block -----------------------------------------------------------

    def special_function(self, name: str) -> Callable[..., Any]:
        return _Special(name)

    def generator(self, seed: int, device: Device) -> Generator:
        return Generator(seed)

    def copy_generator(self, generator: Generator) -> Generator:
        return Generator(generator.seed, generator.count)

    def generator_state(self, generator: Generator) -> bytes:
        return f"{generator.seed} {generator.count}".encode()

    def restore_generator(self, state: bytes, device: Device) -> Generator:
        try:
            seed, count = map(int, state.decode().split())
        except ValueError as error:
            raise ValueError(f"no state of a generator of dask arrays: {error}") from error
        return Generator(seed, count)

    def random(
        self,
        generator: Generator,
        kind: str,
        shape: tuple[int, ...],
        dtype: Any,
        device: Device,
        **parameters: Any,
    ) -> Any:
        return generator.draw(kind, shape, dtype, parameters)

    def describe(self, device: Device) -> str:
        scheduler = dask.base.get_scheduler(collections=[da.zeros(1)])
        return f"dask {dask.__version__}, scheduler {scheduler.__module__}.{scheduler.__qualname__}"


def _known(value: Any) -> Any:
    """Return an op's argument with the lengths of all arrays in it known."""
    if isinstance(value, da.Array):
        return blocks.known(value)
    return type(value)(map(_known, value)) if type(value) in (tuple, list) else value


class _Special:
    """A function of ``scipy.special`` on dask arrays, told apart by its name."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name

    def __dask_tokenize__(self) -> Any:
        return "dualad_dask", self.name

    def __call__(self, *args: Any) -> Any:
        if any(isinstance(a, da.Array) for a in args):
            return da.core.elemwise(self, *args)
        return scipy_function(self.name)(*args)


@hookimpl
def dualad_backends() -> list[Backend]:
    """Return the backend."""
    return [DaskBackend()]
