"""Elements on a GPU: by index as NumPy has it, in halves, to and from other libraries, and too many."""

import numpy as np
import pytest
from gpu import BACKEND, DEVICES, needs_gpu

import dualad

pytestmark = needs_gpu

# -- by index --------------------------------------------------------------------------------------

KEYS = [
    (2, 1),
    (slice(None, None, -2),),
    (np.array([0, 3, 3]),),
    (np.array([0, 3, -1]), slice(None), np.array([1, 1, 1])),
    (slice(None), np.array([[1, 1], [0, 1]])),
    (np.array([True, False, True, False]),),
    (np.array([True, False, True, False]), slice(None), np.array([1, 0])),
    (None, ..., 1),
]
DTYPES = ["int8", "int64", "float16", "float32", "float64", "complex64", "complex128"]


def _up(array):
    return BACKEND.from_numpy(np.asarray(array), BACKEND.devices()[0])


def _key_on_gpu(key):
    return tuple(_up(k) if isinstance(k, np.ndarray) else k for k in key)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("where", ["host", "gpu"])
@pytest.mark.parametrize("deterministic", [False, True], ids=["", "deterministic"])
def test_reading_writing_and_adding_by_index_agree_with_numpy(key, dtype, where, deterministic):
    x = np.arange(24).reshape(4, 3, 2).astype(dtype)
    value = np.arange(x[key].size).reshape(x[key].shape).astype(dtype) + np.ones((), dtype)
    given = key if where == "host" else _key_on_gpu(key)
    given = given[0] if len(given) == 1 else given
    np.testing.assert_array_equal(BACKEND.to_numpy(BACKEND.getitem(_up(x), key=given)), x[key])
    written, added = x.copy(), x.copy()
    written[key] = value
    np.add.at(added, key, value)
    there = BACKEND.setitem(_up(x), _up(value), key=given)
    np.testing.assert_array_equal(BACKEND.to_numpy(there), written)
    dualad.use_deterministic_algorithms(deterministic)
    try:
        there = BACKEND.index_add(_up(x), _up(value), key=given)
    finally:
        dualad.use_deterministic_algorithms(False)
    np.testing.assert_allclose(BACKEND.to_numpy(there), added)


def test_of_several_values_for_an_element_the_last_is_written():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, (2, 40))
    for shape, key in (((3,), a), ((3, 4), a), ((3, 3), (a, b)), ((2, 3, 3), (slice(None), a, b))):
        x, value = np.zeros(shape), rng.standard_normal(np.zeros(shape)[key].shape)
        want = x.copy()
        want[key] = value
        given = _key_on_gpu(key) if type(key) is tuple else _up(key)
        got = BACKEND.setitem(_up(x), _up(value), key=given)
        np.testing.assert_array_equal(BACKEND.to_numpy(got), want)


def test_the_gradient_of_a_write_is_that_of_the_last_value():
    index = dualad.asarray(np.array([1, 0, 1, 1]), device="cuda")
    value = dualad.asarray(np.arange(4.0), device="cuda").requires_grad_()
    x = dualad.zeros(3, device="cuda", dtype="float64")
    x[index] = value
    (x * x).sum().backward()
    assert x.tolist() == [1.0, 3.0, 0.0]
    assert value.grad.tolist() == [0.0, 2.0, 0.0, 6.0]


def test_sums_are_the_same_each_time_on_request():
    rng = np.random.default_rng(0)
    index, value = rng.integers(0, 50, 20_000), rng.standard_normal(20_000).astype(np.float32)
    dualad.use_deterministic_algorithms(True)
    try:
        sums = [_gradient(index, value) for _ in range(3)]
    finally:
        dualad.use_deterministic_algorithms(False)
    assert all(s.tobytes() == sums[0].tobytes() for s in sums)
    want = np.bincount(index, value.astype(np.float64), 50)
    np.testing.assert_allclose(sums[0], want, atol=1e-4)
    np.testing.assert_allclose(_gradient(index, value), want, atol=1e-3)


def _gradient(index, weight):
    x = dualad.zeros(50, device="cuda", requires_grad=True)
    key = dualad.asarray(index, device="cuda")
    (x[key] * dualad.asarray(weight, device="cuda")).sum().backward()
    return x.grad.cpu().numpy()


def test_an_index_of_the_host_is_checked_and_one_of_the_gpu_wraps_around():
    x = dualad.arange(3, device="cuda")
    with pytest.raises(IndexError, match="out of bounds"):
        x[np.array([3])]
    assert x[dualad.asarray([3, -4], device="cuda")].tolist() == [0, 2]


def test_a_mask_of_another_shape_is_refused():
    x = dualad.zeros(3, 2, device="cuda")
    for shape in ((1,), (3, 1), (2,)):
        with pytest.raises(IndexError, match=r"mask|boolean"):
            x[dualad.ones(*shape, dtype="bool", device="cuda")] = 1.0


# -- half precision ----------------------------------------------------------------------------------


def test_halves_are_added_in_single_precision():
    ones = dualad.ones(5000, 1, dtype="float16", device="cuda", requires_grad=True)
    x = dualad.tensor([1.0], dtype="float16", device="cuda", requires_grad=True)
    (x * ones).sum().backward()
    assert x.grad.item() == 5000.0  # 2048 + 1 is 2048 in half precision
    x = dualad.ones(2, dtype="float16", device="cuda", requires_grad=True)
    x[dualad.zeros(5000, dtype="int64", device="cuda")].sum().backward()
    assert x.grad.tolist() == [5000.0, 0.0]


def test_bfloat16_where_it_is():
    if not BACKEND.has_dtype(dualad.bfloat16, BACKEND.devices()[0]):
        pytest.skip("CuPy has bfloat16 from version 14 on, and where ml_dtypes is installed")
    x = dualad.ones(300, dtype=dualad.bfloat16, device="cuda", requires_grad=True)
    y = (x * 2).sum()
    assert y.dtype is dualad.bfloat16
    y.backward()
    assert x.grad.to(dualad.float32).tolist() == [2.0] * 300
    z = dualad.ones(1, dtype=dualad.bfloat16, device="cuda", requires_grad=True)
    (z * x.detach()).sum().backward()
    assert z.grad.to(dualad.float32).item() == 300.0  # 256 + 1 is 256 in bfloat16


# -- other libraries ---------------------------------------------------------------------------------


def test_cupy_takes_a_tensor_without_a_copy_and_gives_one():
    import cupy

    x = dualad.rand(3, 2, device="cuda")
    for taken in (cupy.from_dlpack(x), cupy.asarray(x)):
        assert taken.data.ptr == x._raw.data.ptr
        assert taken.shape == (3, 2)
    array = cupy.arange(3.0)
    for shared in (dualad.from_dlpack(array, copy=False), dualad.asarray(array, copy=False)):
        assert shared._raw.data.ptr == array.data.ptr
    own = dualad.asarray(array)
    array[0] = 5.0
    assert own.tolist() == [0.0, 1.0, 2.0]


class Foreign:
    """Another library's array, as Numba's is."""

    def __init__(self, array):
        self.array = array

    @property
    def __cuda_array_interface__(self):
        return self.array.__cuda_array_interface__


def test_arrays_of_others_are_taken_by_their_interface():
    import cupy

    array = cupy.arange(3.0)
    assert dualad.asarray(Foreign(array)).tolist() == [0.0, 1.0, 2.0]
    shared = dualad.asarray(Foreign(array), copy=False)
    assert shared._raw.data.ptr == array.data.ptr
    assert shared.device.type == "cuda"


def test_who_has_an_interface():
    x = dualad.rand(3, device="cuda")
    assert x.__cuda_array_interface__["shape"] == (3,)
    assert not hasattr(dualad.rand(3), "__cuda_array_interface__")
    x.requires_grad_()
    with pytest.raises(AttributeError, match="tracked"):
        _ = x.__cuda_array_interface__


def test_cupys_arrays_on_the_left_of_a_tracked_tensor_are_differentiated():
    import cupy

    x = dualad.ones(3, device="cuda", dtype="float64", requires_grad=True)
    (cupy.arange(3.0) * x).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 2.0]


def test_cupy_in_cupy_out():
    import cupy

    g = dualad.grad(lambda x: (x * x).sum())(cupy.arange(3.0))
    assert isinstance(g, cupy.ndarray)
    np.testing.assert_array_equal(g.get(), [0.0, 2.0, 4.0])


def test_torch_takes_a_tensor_without_a_copy_and_gives_one():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    if not torch.cuda.is_available():
        pytest.skip("needs a PyTorch with CUDA, and a GPU")
    x = dualad.rand(3, 2, device="cuda")
    taken = torch.from_dlpack(x)
    assert taken.data_ptr() == x._raw.data.ptr
    given = torch.arange(3.0, device="cuda")
    shared = dualad.from_dlpack(given, copy=False)
    assert shared._raw.data.ptr == given.data_ptr()
    assert dualad.from_dlpack(given).tolist() == [0.0, 1.0, 2.0]


# -- from the host, and too much ---------------------------------------------------------------------


def test_pinned_memory():
    x = dualad.rand(1000).pin_memory()
    assert x.is_pinned()
    assert not dualad.rand(3).is_pinned()
    assert x.pin_memory() is x
    there = x.to("cuda", non_blocking=True)
    assert there.tolist() == x.tolist()
    w = dualad.ones(1000, requires_grad=True)
    (w.to("cuda", non_blocking=True) * there).sum().backward()
    assert w.grad.device == "cpu"
    assert w.grad.tolist() == x.tolist()
    with pytest.raises(dualad.DeviceError, match="on the CPU"):
        there.pin_memory()


def test_out_of_memory_leaves_all_as_it_was_and_less_works():
    import cupy

    x = dualad.ones(1000, 1000, device="cuda", requires_grad=True)
    pool = cupy.get_default_memory_pool()
    dualad.cuda.empty_cache()
    pool.set_limit(size=pool.used_bytes() + 10 * x.nbytes)

    def program(steps):
        y = x
        for _ in range(steps):
            y = y.sin()
        y.sum().backward()

    try:
        with pytest.raises(dualad.cuda.OutOfMemoryError, match="out of memory on cuda:0"):
            program(20)
        assert x.grad is None
        program(2)
        assert x.grad.shape == (1000, 1000)
    finally:
        pool.set_limit(size=0)


def test_cudas_own_error_is_about_memory_too():
    error = BACKEND.cuda.runtime.CUDARuntimeError
    assert BACKEND.is_out_of_memory(error(2))
    assert not BACKEND.is_out_of_memory(error(700))
    assert BACKEND.is_out_of_memory(MemoryError())


# -- random numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_random_numbers_repeat_with_their_seed_and_can_be_copied(dtype, device):
    device = dualad.device(device)
    like = BACKEND.from_numpy(np.full(5, 2, dtype), device)
    kinds = {
        "random": {}, "standard_normal": {}, "standard_gamma": {"a": like}, "poisson": {"lam": like},
        "binomial": {"n": like, "p": like / 4},
    }  # fmt: skip

    def draw(generator):
        return [
            BACKEND.to_numpy(BACKEND.random(generator, kind, (5,), np.dtype(dtype), device, **given))
            for kind, given in kinds.items()
        ]

    generator = BACKEND.generator(3, device)
    state, copied = BACKEND.generator_state(generator), BACKEND.copy_generator(generator)
    numbers = draw(generator)
    assert all(n.dtype == dtype for n in numbers)
    for other in (BACKEND.generator(3, device), copied, BACKEND.restore_generator(state, device)):
        np.testing.assert_array_equal(draw(other), numbers)
    with pytest.raises(ValueError, match="no state"):
        BACKEND.restore_generator(b"0", device)


def test_uniform_numbers_are_never_1():
    x = dualad.rand(100_000, dtype="float16", device="cuda")
    assert 0 <= float(x.min()) < float(x.max()) < 1
