"""Reading, writing and adding by index, as NumPy does it, on PyTorch's tensors.

PyTorch differs in three ways: slices have no negative steps; an integer beside index arrays is applied
before them, which changes where their axes stand; and so is an index array of no dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dualad.backends.keys import is_basic

Key = Any
#: For each axis the integers that index it, None for an axis that is taken whole.
Indices = list[torch.Tensor | None]


def read(array: torch.Tensor, key: Key) -> torch.Tensor:
    """Return ``array[key]``."""
    if _is_native(key):
        return array[key]
    basic, backwards, indices = _parted(array, key)
    view = array[basic]
    if backwards:
        view = view.flip(backwards)
    return torch.ops.aten.index(view, indices) if _is_needed(indices) else view


def write(array: torch.Tensor, value: Any, key: Key) -> torch.Tensor:
    """Do ``array[key] = value`` in place; return the array."""
    if _is_native(key):
        array[key] = value
        return array
    target, indices = _places(array, key)
    value = torch.as_tensor(value, dtype=array.dtype, device=array.device)
    given = [i for i in indices if i is not None]
    ndim = target.ndim - len(given) + max(i.ndim for i in given)
    while value.ndim > ndim and value.shape[0] == 1:
        value = value[0]
    if value.numel() > 1 and _may_repeat(target, indices):
        value = _last_values(target, indices, value)
    torch.ops.aten.index_put_(target, indices, value)
    return array


def _may_repeat(target: torch.Tensor, indices: Indices) -> bool:
    """Whether indices may name an element several times; on a GPU the answer would have to be waited for."""
    if target.device.type != "cpu":
        return True
    places = target.new_zeros((), dtype=torch.int64)
    for n, index in zip(target.shape, indices, strict=False):
        if index is not None:
            places = places * n + torch.where(index < 0, index + n, index)
    return torch.unique(places).numel() < places.numel()


def _last_values(target: torch.Tensor, indices: Indices, value: torch.Tensor) -> torch.Tensor:
    """Return a value in which all that goes to one element is what goes there last: PyTorch keeps any."""
    whole = torch.arange(target.numel(), device=target.device).reshape(target.shape)
    places = torch.ops.aten.index(whole, indices)
    order = torch.arange(places.numel(), device=target.device)
    flat = places.reshape(-1)
    last = torch.zeros_like(whole).reshape(-1).scatter_reduce_(0, flat, order, "amax")
    return value.expand(places.shape).reshape(-1)[last[flat]].reshape(places.shape)


def add(array: torch.Tensor, value: torch.Tensor, key: Key) -> torch.Tensor:
    """Add a value at a key in place, repeated positions counted each time; return the array."""
    if _is_native(key):
        array[key] += value
        return array
    target, indices = _places(array, key)
    value = value.to(array.dtype)
    if array.dtype in (torch.float16, torch.bfloat16):  # a sum of many is soon wrong in half precision
        total = torch.zeros(target.shape, dtype=torch.float32, device=target.device)
        target += torch.ops.aten.index_put_(total, indices, value.to(torch.float32), True).to(array.dtype)
    elif value.dtype is torch.float32 and value.device.type == "cpu" and value.numel() >= _IN_PARALLEL:
        _add_in_order(target, indices, value)
    else:
        torch.ops.aten.index_put_(target, indices, value, True)
    return array


#: From so many numbers on PyTorch adds those of single precision in any order, on several threads of a CPU.
_IN_PARALLEL = 2**15


def _add_in_order(target: torch.Tensor, indices: Indices, value: torch.Tensor) -> None:
    """Add a value at indices in place, the same way each time."""
    places = torch.arange(target.numel(), device=target.device).reshape(target.shape)
    places = torch.ops.aten.index(places, indices)
    total = target.new_zeros(target.numel())
    total.index_add_(0, places.reshape(-1), value.expand(places.shape).reshape(-1))
    target += total.reshape(target.shape)


def is_alone(array: torch.Tensor) -> bool:
    """Whether an array owns its memory, and no other tensor, no NumPy array and no capsule has it."""
    if array.requires_grad or not _has_storage(array):
        return False
    storage = array.untyped_storage()
    # Memory that another library gave, or was given, cannot be resized.
    return storage.resizable() and _uses(storage) == _ONE_TENSOR


def shares_memory(result: torch.Tensor, array: torch.Tensor) -> bool:
    """Whether `result`, a reshape of `array`, is a view of it."""
    if not (_has_storage(result) and _has_storage(array)):
        return True
    return result.untyped_storage().data_ptr() == array.untyped_storage().data_ptr()


def _has_storage(array: torch.Tensor) -> bool:
    return not torch._C._functorch.is_functorch_wrapped_tensor(array)


def _uses(storage: torch.UntypedStorage) -> int:
    return torch._C._storage_Use_Count(storage._cdata)


_probe = torch.zeros(1)
#: How many hold a storage that one tensor has: that tensor, and who asks.
_ONE_TENSOR = _uses(_probe.untyped_storage())


# -- keys ----------------------------------------------------------------------------------------


def _is_native(key: Key) -> bool:
    """Whether PyTorch reads a key as NumPy does: one of integers, slices forward, `...` and None."""
    if type(key) is int:
        return True
    if not is_basic(key):
        return False
    return not any(map(_is_backwards, key if type(key) is tuple else (key,)))


def _is_backwards(k: Any) -> bool:
    return type(k) is slice and k.step is not None and k.step < 0


def _is_needed(indices: Indices) -> bool:
    return any(i is not None for i in indices)


def _places(array: torch.Tensor, key: Key) -> tuple[torch.Tensor, Indices]:
    """Return a view of an array, and the indices of what a key selects in it."""
    basic, backwards, indices = _parted(array, key)
    if not backwards:
        return array[basic], indices
    left = read(torch.arange(array.numel(), device=array.device).reshape(array.shape), key)
    places: Indices = []
    for n in reversed(array.shape):
        places.insert(0, left % n)
        left = left // n
    return array, places


def _parted(array: torch.Tensor, key: Key) -> tuple[tuple[Any, ...], list[int], Indices]:
    """Return a key as a basic one, the axes of its view to be reversed, and indices of the view's axes."""
    parts = [_part(k, array.device) for k in (key if type(key) is tuple else (key,))]
    by_arrays = any(isinstance(k, torch.Tensor) for k in parts)
    used = sum(map(_axes_of, parts))
    if used > array.ndim:
        raise IndexError(f"too many indices: the array is {array.ndim}-dimensional, {used} given")
    rest = [slice(None)] * (array.ndim - used)
    at = next((i for i, k in enumerate(parts) if k is ...), len(parts))
    parts[at : at + 1] = rest
    basic: list[Any] = []
    backwards: list[int] = []
    indices: Indices = []
    axis = 0
    for k in parts:
        if isinstance(k, torch.Tensor) and k.dtype is torch.bool:
            _check_mask(k, array.shape[axis : axis + k.ndim])
            found = k.nonzero(as_tuple=True)  # of no axes: for a new one
            basic += [slice(None)] * k.ndim or [None]
            indices += found
        elif isinstance(k, torch.Tensor) or (type(k) is int and by_arrays):
            basic.append(slice(None))
            indices.append(torch.as_tensor(k, device=array.device))
        elif _is_backwards(k):
            places = range(array.shape[axis])[k]
            basic.append(slice(places[-1], places[0] + 1, -k.step) if places else slice(0))
            backwards.append(len(indices))
            indices.append(None)
        else:
            basic.append(k)
            if type(k) is not int:
                indices.append(None)
        axis += _axes_of(k)
    return tuple(basic), backwards, indices


def _part(k: Any, device: torch.device) -> Any:
    """Return a part of a key: an int, a slice, None, `...`, or an array of indices or a mask on a device."""
    if isinstance(k, np.integer):
        return int(k)
    if k is None or k is ... or type(k) in (int, slice):
        return k
    k = torch.as_tensor(k, device=device)
    return k if k.dtype is torch.bool else k.to(torch.int64)


def _axes_of(k: Any) -> int:
    """Return how many axes of an array a part of a key is for."""
    if k is None or k is ...:
        return 0
    return k.ndim if isinstance(k, torch.Tensor) and k.dtype is torch.bool else 1


def _check_mask(mask: torch.Tensor, lengths: tuple[int, ...]) -> None:
    if mask.shape != lengths:
        raise IndexError(
            f"boolean index did not match indexed array: the mask is {tuple(mask.shape)}, the axes are "
            f"{tuple(lengths)} long"
        )
