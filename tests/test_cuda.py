"""`dualad.cuda` on a machine without a GPU, and the protocols of GPUs on Tensors that are not on one.

What it does on a GPU is tested with the plugin, `plugins/dualad-cupy/tests`.
"""

import numpy as np
import pytest

import dualad
from dualad import cuda

REASON = r"cupy backend is unavailable: .+|no backend has the device type 'cuda'"
without_gpu = pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")

ASKING = {
    "current_device": cuda.current_device,
    "set_device": lambda: cuda.set_device(0),
    "device": lambda: cuda.device(0),
    "init": cuda.init,
    "get_device_name": cuda.get_device_name,
    "get_device_properties": cuda.get_device_properties,
    "get_device_capability": cuda.get_device_capability,
    "synchronize": cuda.synchronize,
    "Stream": cuda.Stream,
    "Event": cuda.Event,
    "current_stream": cuda.current_stream,
    "default_stream": cuda.default_stream,
    "memory_allocated": cuda.memory_allocated,
    "memory_reserved": cuda.memory_reserved,
    "mem_get_info": cuda.mem_get_info,
    "initial_seed": cuda.initial_seed,
    "get_rng_state": cuda.get_rng_state,
    "pin_memory": lambda: dualad.ones(2).pin_memory(),
    "FloatTensor": lambda: cuda.FloatTensor([1.0]),
}


@without_gpu
@pytest.mark.parametrize("call", ASKING.values(), ids=ASKING)
def test_what_needs_a_gpu_says_what_is_missing(call):
    with pytest.raises(dualad.DeviceError, match=REASON):
        call()


@without_gpu
def test_what_does_no_harm_does_nothing():
    assert (cuda.is_available(), cuda.is_initialized(), cuda.device_count()) == (False, False, 0)
    state = dualad.get_rng_state()
    for call in (cuda.empty_cache, cuda.seed, cuda.seed_all):
        call()
    for call in (cuda.manual_seed, cuda.manual_seed_all):
        call(0)
    cuda.set_device(-1)
    cuda.set_stream(None)
    with cuda.device(None), cuda.stream(None), cuda.device_of(dualad.ones(1)):
        assert dualad.ones(2).sum().item() == 2.0
    assert bool((dualad.get_rng_state() == state).all())


@without_gpu
def test_an_array_on_a_gpu_says_what_is_missing():
    class Array:
        @property
        def __cuda_array_interface__(self):
            return {"shape": (2,), "typestr": "<f8", "data": (0, False), "version": 3}

    with pytest.raises(dualad.DeviceError, match=REASON):
        dualad.asarray(Array())


def test_a_tensor_on_the_cpu_has_no_cuda_array_interface():
    x = dualad.ones(2)
    with pytest.raises(AttributeError, match="the Tensor is on cpu, not on a GPU"):
        _ = x.__cuda_array_interface__
    assert not hasattr(x.requires_grad_(), "__cuda_array_interface__")


def test_memory_is_not_pinned_by_itself():
    assert not dualad.ones(2).is_pinned()
    assert not dualad.asarray(np.ones(2), copy=False).is_pinned()


def test_every_name_is_there():
    assert all(hasattr(cuda, name) for name in cuda.__all__)
    assert len(set(cuda.__all__)) == len(cuda.__all__)
