"""CUDA, in PyTorch's form: which GPUs there are, the current one, streams, memory and seeds.

All but `is_available`, `device_count` and `is_initialized` say, where there is no GPU, what is
missing.
"""

from __future__ import annotations

from ..errors import OutOfMemoryError
from ..ops.moving import tensor_types
from .devices import (
    current_device,
    device,
    device_count,
    device_of,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    is_available,
    is_initialized,
    set_device,
    synchronize,
)
from .memory import empty_cache, mem_get_info, memory_allocated, memory_reserved
from .seeds import get_rng_state, initial_seed, manual_seed, manual_seed_all, seed, seed_all, set_rng_state
from .streams import Event, Stream, current_stream, default_stream, set_stream, stream

_TYPES = tensor_types("cuda.", "cuda")
FloatTensor, DoubleTensor = _TYPES["FloatTensor"], _TYPES["DoubleTensor"]
HalfTensor, BFloat16Tensor = _TYPES["HalfTensor"], _TYPES["BFloat16Tensor"]
CharTensor, ShortTensor = _TYPES["CharTensor"], _TYPES["ShortTensor"]
IntTensor, LongTensor = _TYPES["IntTensor"], _TYPES["LongTensor"]
ByteTensor, BoolTensor = _TYPES["ByteTensor"], _TYPES["BoolTensor"]

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "Event", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "OutOfMemoryError", "ShortTensor", "Stream", "current_device",
    "current_stream", "default_stream", "device", "device_count", "device_of", "empty_cache",
    "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state", "init",
    "initial_seed", "is_available", "is_initialized", "manual_seed", "manual_seed_all", "mem_get_info",
    "memory_allocated", "memory_reserved", "seed", "seed_all", "set_device", "set_rng_state", "set_stream",
    "stream", "synchronize",
]  # fmt: skip
