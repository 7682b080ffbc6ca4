"""Where CuPy is installed, with or without a GPU: that the double is like it in what can be seen of it."""

import json

import cupy_api
import pytest

cupy = pytest.importorskip("cupy", reason="needs CuPy, and no GPU")


def test_the_double_has_the_functions_of_this_cupy():
    told, found = json.loads(cupy_api.PATH.read_text()), cupy_api.api()
    if told["version"].split(".")[:2] != found["version"].split(".")[:2]:
        pytest.skip(f"cupy_api.json is of CuPy {told['version']}, here is {found['version']}")
    assert found == told


@pytest.mark.parametrize(
    "name",
    [
        "ascontiguousarray", "copyto", "get_default_memory_pool", "get_default_pinned_memory_pool",
        "may_share_memory", "random.Generator", "random.Philox4x3210", "result_type", "unravel_index",
        "cuda.Device.mem_info", "cuda.Event.record", "cuda.Stream.from_external", "cuda.Stream.null",
        "cuda.Stream.record", "cuda.Stream.synchronize", "cuda.Stream.wait_event", "cuda.alloc_pinned_memory",
        "cuda.compiler.CompileException", "cuda.get_current_stream", "cuda.get_elapsed_time",
        "cuda.memory.Memory", "cuda.memory.MemoryAsync", "cuda.memory.PooledMemory",
        "cuda.pinned_memory.is_memory_pinned", "cuda.runtime.CUDARuntimeError", "cuda.runtime.getDevice",
        "cuda.runtime.getDeviceProperties", "ElementwiseKernel", "ReductionKernel",
    ],
)  # fmt: skip
def test_cupy_has_what_the_plugin_uses(name):
    found = cupy
    for part in name.split("."):
        found = getattr(found, part)


def test_an_array_becomes_one_of_a_subclass_without_attributes():
    """How arrays are made to run on their own GPU, where there are several."""
    import numpy as np
    from dualad_cupy.devices import array_class

    host = np.zeros(3)
    memory = cupy.cuda.UnownedMemory(host.ctypes.data, host.nbytes, host, 0)  # no GPU looks at it
    array = cupy.ndarray((3,), memptr=cupy.cuda.MemoryPointer(memory, 0))
    array.__class__ = kind = array_class(cupy)
    assert type(array) is kind
    assert type(array.view()) is kind
    assert array.base is None
    assert array.data.ptr == host.ctypes.data
    assert array.data.mem is memory
