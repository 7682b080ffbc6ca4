"""Random numbers of dask arrays: each block draws its own, from a seed that says which block it is."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks

from dualad.backends import CPU, get

Array = Any


class Generator:
    """A seed, and how many arrays have been drawn from it.

    A block of the n-th array draws from PCG64 seeded with the three: seed, n and the place of the
    block. So a block that a cluster has lost is drawn again with the same numbers.
    """

    __slots__ = ("count", "seed")

    def __init__(self, seed: int, count: int = 0) -> None:
        self.seed, self.count = seed, count

    def draw(self, kind: str, shape: tuple[int, ...], dtype: Any, parameters: dict[str, Any]) -> Array:
        """Return random numbers of a kind that `dualad.backends.Backend.random` lists."""
        key = (self.seed, self.count)
        self.count += 1
        arrays = {k: p for k, p in parameters.items() if isinstance(p, da.Array)}
        numbers = {k: p for k, p in parameters.items() if k not in arrays}
        names = tuple(arrays)
        if arrays:
            first, *others = (da.broadcast_to(a, shape) for a in arrays.values())
            blocks = [first, *(a.rechunk(first.chunks) for a in others)]
        else:
            blocks = [da.zeros(shape, chunks=normalize_chunks("auto", shape, dtype=dtype), dtype="int8")]
        return da.map_blocks(
            _block,
            *blocks,
            key=key,
            kind=kind,
            names=names,
            numbers=numbers,
            wanted=np.dtype(dtype),
            dtype=np.dtype(dtype),
            meta=np.empty((0,) * len(shape), dtype),
        )


def _block(*blocks: Any, key: Any, kind: str, names: Any, numbers: Any, wanted: Any, block_id: Any) -> Any:
    sequence = np.random.SeedSequence(key[0], spawn_key=(key[1], *block_id))
    generator = np.random.Generator(np.random.PCG64(sequence))
    parameters = {**numbers, **dict(zip(names, blocks, strict=False))}
    return get("numpy").random(generator, kind, blocks[0].shape, wanted, CPU, **parameters)
