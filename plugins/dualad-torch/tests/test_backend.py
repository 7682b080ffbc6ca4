"""PyTorch's tensors as arrays: indexing as NumPy's, memory, its autograd kept out, dtypes, random numbers."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import dualad

BACKEND = dualad.backends.get("torch")
DEVICE = dualad.device("torch")


def test_it_is_found_by_its_entry_point():
    assert BACKEND.device_types == ("torch", "torch_cuda", "torch_mps", "torch_xpu")
    assert dualad.backends.origin(BACKEND).startswith("dualad-torch ")


def test_its_devices_are_named_apart_from_those_of_others():
    assert BACKEND.devices()[0] == "torch"
    assert dualad.ones(1, device="torch:0").device == "torch"
    with pytest.raises(dualad.DeviceError, match="no device torch:1"):
        dualad.ones(1, device="torch:1")
    if not torch.cuda.is_available():
        with pytest.raises(dualad.DeviceError, match="no device torch_cuda:0: the torch backend has torch"):
            dualad.ones(1, device="torch_cuda")


def test_tensors_on_other_devices_of_pytorchs_are_refused():
    with pytest.raises(
        dualad.DeviceError, match="on the device 'meta' are not supported; there are those on cpu"
    ):
        dualad.asarray(torch.ones(2, device="meta")).device  # noqa: B018


SPARSE = torch.eye(2).to_sparse()


@pytest.mark.parametrize("use", [dualad.sum, dualad.sin, dualad.asarray, dualad.grad(dualad.sum), repr])
@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (SPARSE, dualad.DTypeError, "of the kind sparse_coo are not supported.*to_dense"),
        (torch.ones(2, device="meta"), dualad.DeviceError, "on the device 'meta' are not supported"),
    ],
    ids=["sparse", "meta"],
)
def test_tensors_without_elements_in_order_are_refused(use, array, error, message):
    def shown():
        y = use(array) if use is not repr else dualad.asarray(array, copy=False)
        return repr(y)

    with pytest.raises(error, match=message):
        shown()


def test_pytorchs_defaults_are_not_asked():
    places, values = np.zeros(40_000, dtype=int), torch.ones(40_000)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            x = dualad.zeros(2, device="torch")
            assert x.dtype is dualad.float32
            assert BACKEND.index_add(x._raw.clone(), values, key=places).tolist() == [40_000.0, 0.0]
            x[[0, 0]] = dualad.tensor([1.0, 2.0], device="torch")
            assert dualad.special.erf(x).dtype is dualad.float32
            assert dualad.unique_all(x).values.tolist() == [0.0, 2.0]
    finally:
        torch.set_default_dtype(before)


def test_a_tensor_that_a_program_has_is_known_without_a_device_being_named():
    program = "import dualad, torch; print(dualad.grad(lambda x: (x * x).sum())(torch.ones(2)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "tensor([2., 2.])\n"


def test_what_goes_in_comes_out():
    x = torch.tensor([1.0, 2.0])
    gradient = dualad.grad(lambda x: dualad.sum(dualad.exp(x)))(x)
    assert type(gradient) is torch.Tensor
    torch.testing.assert_close(gradient, torch.exp(x))
    value, tangent = dualad.jvp(dualad.sin, (x,), (torch.ones(2),))
    assert type(value) is type(tangent) is torch.Tensor
    assert type(dualad.asarray(x).shape) is tuple


# -- indexing ------------------------------------------------------------------------------------

I = np.array  # noqa: E741
KEYS = [
    0, (1, 2), np.int64(-1), None, ..., True, False, (True, 0), [1, 2], (..., 1), (None, ..., 1, None),
    slice(None, None, -1), (slice(3, None, -2), slice(None), slice(None, None, -1)), slice(2, 2, -1),
    I([0, 3, 3]), I([-1, 0]), I(2), I([], dtype=int), I([0, 1], dtype=np.uint8), I([[0, 1], [2, 3]]),
    (I([0, 3]), slice(None), I([1, 1])), (0, slice(None), I([1, 2])), (I([1, 2]), 0),
    (slice(None), I([1, 2]), 0), (I([[0], [1]]), I([[1, 2, 0]])), (slice(None), None, I([0, 1])),
    (I(1), slice(None), I([2, 0])), (slice(4, 0, -1), I(1)),
    (slice(None, None, -1), I([0, 2]), slice(None, None, -2)),
    I([True, False, True, False]), (I([True, False, True, False]), slice(None), I([1, 0])),
    np.arange(60).reshape(4, 5, 3) % 7 == 0, (slice(None), np.arange(15).reshape(5, 3) % 2 == 0),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_reading_writing_and_adding_by_index_agree_with_numpy(key):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 5, 3))
    there = torch.tensor(x)
    np.testing.assert_array_equal(BACKEND.getitem(there, key=key), x[key])
    value = rng.standard_normal(x[key].shape)
    for v in (value, 2.0):
        written = x.copy()
        written[key] = v
        given = v if isinstance(v, float) else torch.tensor(v)
        np.testing.assert_array_equal(BACKEND.setitem(there, given, key=key), written)
        np.testing.assert_array_equal(there, x)
    added = x.copy()
    np.add.at(added, key, value)
    np.testing.assert_allclose(BACKEND.index_add(there.clone(), torch.tensor(value), key=key), added)


def test_a_value_with_leading_axes_of_length_one_is_written_as_by_numpy():
    x, v = np.zeros((4, 3)), np.arange(6.0).reshape(1, 2, 3)
    x[[0, 2]] = v
    there = BACKEND.setitem(torch.zeros(4, 3, dtype=torch.float64), torch.tensor(v), key=np.array([0, 2]))
    np.testing.assert_array_equal(there, x)


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        (np.random.default_rng(0).integers(-3, 3, 100_000), (100_000,)),
        (np.random.default_rng(0).integers(0, 3, (60, 40)), (40, 60)),
        ((np.array([0, 0, 2]), slice(None, None, -1)), (4, 3)),
        ((slice(None), np.array([1, 1])), (2, 3)),
    ],
    ids=["many", "in another order of memory", "backwards", "columns"],
)
def test_of_several_values_for_one_element_the_last_stays(key, shape):
    x, values = np.zeros((3, 4) if isinstance(key, tuple) else 3), np.random.default_rng(1).random(shape).T
    x[key] = values
    there = torch.zeros(x.shape, dtype=torch.float64)
    np.testing.assert_array_equal(BACKEND.setitem(there, torch.from_numpy(values), key=key), x)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (9, IndexError, "out of bounds"),
        (np.array([9]), IndexError, "out of bounds"),
        ((0, 0, 0), IndexError, "too many indices"),
        ((np.array([0]), 0, 0), IndexError, "too many indices"),
        (slice(None, None, 0), ValueError, "step"),
        (np.array([True, False]), IndexError, r"the mask is \(2,\), the axes are \(4,\) long"),
    ],
    ids=str,
)
def test_keys_that_do_not_fit(key, error, message):
    with pytest.raises(error, match=message):
        dualad.ones(4, 2, device="torch")[key]


def test_many_numbers_are_added_at_few_places_the_same_way_each_time():
    rng = np.random.default_rng(0)
    places, values = rng.integers(0, 3, 100_000), torch.tensor(rng.random(100_000), dtype=torch.float32)
    first, *others = (BACKEND.index_add(torch.zeros(3), values, key=places) for _ in range(4))
    assert all(torch.equal(first, other) for other in others)
    np.testing.assert_allclose(first, np.bincount(places, values.numpy().astype(float)), rtol=1e-4)


# -- memory --------------------------------------------------------------------------------------


def test_an_array_is_written_to_where_it_lies_if_nobody_else_has_it():
    x = dualad.zeros(4, device="torch")
    place = x._raw.data_ptr()
    x[1] = 5.0
    x[dualad.asarray([0, 2], device="torch")] = 1.0
    x[0].item()  # to look at an element does not keep the array from being written to
    x[3] = 2.0
    assert x._raw.data_ptr() == place
    assert x.tolist() == [1.0, 5.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x._raw[1:],
        lambda x: x._raw.detach(),
        lambda x: x._raw.numpy(),
        lambda x: x._raw.__dlpack__(),
        lambda x: x.reshape(2, 2).detach()._raw,
        lambda x: x.numpy(),
    ],
    ids=["view", "detach", "numpy", "dlpack", "reshape", "our numpy"],
)
def test_an_array_that_somebody_else_has_is_not_written_to(hold):
    x = dualad.zeros(4, device="torch")
    held = hold(x)
    place = x._raw.data_ptr()
    x[1] = 5.0
    assert x._raw.data_ptr() != place
    assert x.tolist() == [0.0, 5.0, 0.0, 0.0]
    if isinstance(held, torch.Tensor | np.ndarray):
        assert not held.any()


def test_a_users_tensor_is_copied_and_copy_false_shares_it():
    theirs = torch.zeros(3)
    x, shared = dualad.asarray(theirs), dualad.asarray(theirs, copy=False)
    theirs[0] = 1.0
    assert x.tolist() == [0.0, 0.0, 0.0]
    assert shared.tolist() == [1.0, 0.0, 0.0]
    shared[1] = 7.0
    assert theirs.tolist() == [1.0, 0.0, 0.0]
    parameter = torch.nn.Parameter(torch.ones(2)).requires_grad_(False)
    assert dualad.asarray(parameter).tolist() == [1.0, 1.0]


def test_dlpack_copies_unless_it_is_told_not_to():
    x = dualad.asarray([1.0, 2.0], device="torch")
    copied, shared = torch.from_dlpack(x), torch.from_dlpack(x, copy=False)
    assert copied.data_ptr() != x._raw.data_ptr()
    assert shared.data_ptr() == x._raw.data_ptr()
    shared = dualad.from_dlpack(copied, copy=False)
    assert shared.device == "torch"
    assert shared._raw.data_ptr() == copied.data_ptr()


def test_lazy_conjugates_of_a_users_are_resolved():
    z = torch.tensor([1 + 2j]).conj()
    assert dualad.asarray(z).tolist() == [1 - 2j]
    assert dualad.asarray(z.imag).tolist() == [-2.0]


# -- PyTorch's autograd --------------------------------------------------------------------------


def test_tensors_that_require_grad_are_refused_with_the_way_out():
    w, x = torch.ones(2, requires_grad=True), dualad.ones(2, device="torch")
    for use in (
        lambda: dualad.sin(w),
        lambda: x * w,
        lambda: dualad.asarray(w),
        lambda: dualad.grad(lambda x: (x * w).sum())(x),
        lambda: dualad.grad(lambda w: (x * w).sum())(w),
        lambda: dualad.linalg.norm(w),
        lambda: dualad.where(x > 0, w, 0.0),
        lambda: torch.func.grad(lambda w: dualad.sum(w)._raw)(w.detach()),
    ):
        with pytest.raises(dualad.GradientError, match=r"\.detach\(\).*dualad_torch\.to_torch"):
            use()
    assert w.grad is None
    with torch.no_grad():
        assert dualad.grad(lambda w: (x * w).sum())(w).tolist() == [1.0, 1.0]
    assert (x * w.detach()).tolist() == [1.0, 1.0]


# PyTorch says it of code of its own, when forward mode is first used.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_dual_numbers_are_refused_with_the_way_out():
    x = torch.tensor([1.5])
    for f in (
        dualad.sin,
        lambda d: dualad.ones(1, device="torch") * d,
        lambda d: dualad.special.jv(0.0, d),  # SciPy's
        dualad.grad(lambda x: dualad.special.j0(x).sum()),
        dualad.asarray,
        lambda d: dualad.asarray(d, copy=False).numpy(),
        lambda d: torch.vmap(dualad.sin)(d),
    ):
        with torch.autograd.forward_ad.dual_level():
            d = torch.autograd.forward_ad.make_dual(x, x)
            with pytest.raises(dualad.GradientError, match=r"dual number.*dualad_torch\.to_torch"):
                f(d)
            assert dualad.sin(x).tolist() == torch.sin(x).tolist()
        with pytest.raises(dualad.GradientError, match=r"dual number.*dualad_torch\.to_torch"):
            torch.func.jvp(f, (x,), (x,))


def test_nothing_that_dualad_computes_is_recorded_by_pytorch():
    x = dualad.asarray([1.0, 2.0], device="torch", requires_grad=True)
    y = (dualad.exp(x) * x).sum()
    y.backward(create_graph=True)
    for t in (x, y, x.grad):
        assert not t._raw.requires_grad
        assert t._raw.grad_fn is None


def test_torch_vmap_may_run_over_what_dualad_computes():
    x = torch.randn(3, 2)
    f = lambda x: dualad.grad(lambda x: dualad.sum(dualad.sin(x)))(x)  # noqa: E731
    torch.testing.assert_close(torch.vmap(f)(x), torch.cos(x))


# -- dtypes, randomness, figures -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["uint16", "uint32", "uint64"])
def test_the_dtypes_that_pytorch_has_little_of_are_refused_by_name(name):
    with pytest.raises(dualad.DTypeError, match=f"torch has no arrays of dtype dualad.{name}"):
        dualad.ones(2, dtype=name, device="torch")
    with pytest.raises(dualad.DTypeError, match=f"torch.{name} are not supported; .*int64, uint8, float16"):
        dualad.asarray(torch.ones(2, dtype=getattr(torch, name)))


def test_bfloat16_is_added_up_in_single_precision():
    x = dualad.ones(1, dtype=dualad.bfloat16, device="torch", requires_grad=True)
    (x * dualad.ones(1000, dtype=dualad.bfloat16, device="torch")).sum().backward()
    assert x.grad.dtype is dualad.bfloat16
    assert x.grad.item() == 1000.0
    assert dualad.asarray(torch.ones(1, dtype=torch.bfloat16)).float().cpu().tolist() == [1.0]


def test_special_functions_are_pytorchs_for_real_and_scipys_for_other_arguments():
    scipy = pytest.importorskip("scipy.special")
    x = np.linspace(0.1, 3.0, 7)
    for name in ("erf", "gammaln", "psi", "i0", "k1", "ndtri", "zetac", "jv"):
        args = (x / 4,) if name == "ndtri" else (x,)
        mine = [dualad.asarray(a, device="torch") for a in args]
        f = getattr(dualad.special, name)
        got = f(1.5, mine[0]) if name == "jv" else f(*mine)
        want = getattr(scipy, name)(1.5, x) if name == "jv" else getattr(scipy, name)(*args)
        assert got.device == "torch"
        np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-12)
    z = dualad.asarray(np.array([0.3 + 0.4j]), device="torch")
    np.testing.assert_allclose(dualad.special.loggamma(z).cpu().numpy(), scipy.loggamma([0.3 + 0.4j]))


def test_random_numbers_follow_their_seed_and_a_restored_state():
    def numbers():
        return dualad.rand(3, device="torch").tolist(), dualad.randint(0, 9, (4,), device="torch").tolist()

    dualad.manual_seed(3)
    first = numbers()
    dualad.manual_seed(3)
    assert numbers() == first
    generator = BACKEND.generator(2**64 - 1, DEVICE)
    state = BACKEND.generator_state(generator)
    draw = lambda g: BACKEND.random(g, "standard_normal", (3,), torch.float64, DEVICE)  # noqa: E731
    a, b = draw(BACKEND.copy_generator(generator)), draw(BACKEND.restore_generator(state, DEVICE))
    assert torch.equal(a, b)
    assert torch.equal(a, draw(generator))
    for nonsense in (b"", b"no state"):
        with pytest.raises(ValueError, match="no state of a generator of torch"):
            BACKEND.restore_generator(nonsense, DEVICE)


def test_integers_are_drawn_from_all_there_are():
    generator = BACKEND.generator(0, DEVICE)
    x = BACKEND.random(generator, "integers", (1000,), torch.int64, DEVICE, low=-(2**63), high=2**63)
    assert x.min() < -(2**62) < 2**62 < x.max()


def test_out_of_memory_is_known_by_pytorchs_words():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert BACKEND.is_out_of_memory(caught.value)
    assert BACKEND.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not BACKEND.is_out_of_memory(RuntimeError("shapes do not fit"))
    x = dualad.broadcast_to(dualad.ones(1, device="torch"), (2**50,))
    with pytest.raises(
        dualad.OutOfMemoryError, match=r"^add: out of memory on torch, .*can't allocate memory"
    ):
        x + 1.0
    with pytest.raises(dualad.OutOfMemoryError, match=r"^randn: out of memory on torch"):
        dualad.randn(2**25, 2**25, device="torch")


def test_the_derivative_of_an_op_goes_to_its_stream(monkeypatch):
    """What is asked of CUDA's streams, by streams and arrays in their places: there need be no GPU."""
    waits = []

    class Stream(str):
        device = torch.device("cuda", 1)

        def wait_stream(self, other):
            waits.append((str(self), str(other)))

    default, side = Stream("default"), Stream("side")
    current = [default]
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current[0])
    monkeypatch.setattr(torch.cuda, "default_stream", lambda device=None: default)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: f"on {stream}")
    assert BACKEND.has_streams == torch.cuda.is_available()
    monkeypatch.setattr(type(BACKEND), "has_streams", True)
    array = SimpleNamespace(device=Stream.device)
    assert BACKEND.current_stream(array) is None
    current[0] = side
    assert BACKEND.current_stream(array) is side
    assert BACKEND.current_stream(torch.ones(1)) is None
    assert BACKEND.on_stream(None) == "on default"
    assert BACKEND.on_stream(side) == "on side"
    BACKEND.join(None, side)
    BACKEND.join(side, None)
    BACKEND.join(None, None)
    assert waits == [("side", "default"), ("default", "side")]


def test_a_bug_report_names_pytorch():
    assert torch.__version__ in BACKEND.describe(DEVICE)
