"""GPUs one and several: the current one, one graph over all, what `dualad.cuda` says of them."""

import numpy as np
import pytest
from gpu import BACKEND, DEVICES, needs_gpu, needs_two

import dualad

pytestmark = needs_gpu


def test_cuda_names_the_current_gpu():
    assert dualad.ones(1, device="cuda").device == f"cuda:{dualad.cuda.current_device()}"
    with dualad.cuda.device(len(DEVICES) - 1):
        assert dualad.ones(1, device="cuda").device == DEVICES[-1]
        assert BACKEND.cuda.runtime.getDevice() == len(DEVICES) - 1
    with BACKEND.cuda.Device(len(DEVICES) - 1):
        assert dualad.cuda.current_device() == len(DEVICES) - 1


def test_a_device_that_is_not_there():
    for call in (
        lambda: dualad.ones(1, device=f"cuda:{len(DEVICES)}"),
        lambda: dualad.cuda.set_device(len(DEVICES)),
        lambda: dualad.cuda.get_device_name(len(DEVICES)),
        lambda: dualad.cuda.device(len(DEVICES)),
        lambda: dualad.cuda.synchronize("cpu"),
    ):
        with pytest.raises(dualad.DeviceError, match="cuda"):
            call()


def test_what_is_said_of_a_gpu():
    assert dualad.cuda.device_count() == len(DEVICES)
    told = dualad.cuda.get_device_properties(0)
    assert dualad.cuda.get_device_name() == told.name == dualad.cuda.get_device_name("cuda:0")
    assert dualad.cuda.get_device_capability() == (told.major, told.minor)
    free, total = dualad.cuda.mem_get_info()
    assert 0 < free <= total
    assert "GiB free" in BACKEND.describe(BACKEND.devices()[0])


def test_memory_in_use_is_counted():
    before = dualad.cuda.memory_allocated()
    x = dualad.zeros(1000, 1000, device="cuda")
    assert dualad.cuda.memory_allocated() >= before + 4_000_000
    del x
    assert dualad.cuda.memory_allocated() < before + 4_000_000
    dualad.cuda.empty_cache()
    assert dualad.cuda.memory_reserved() < before + 4_000_000


def test_seeds_are_each_gpus_own():
    for seed in (dualad.manual_seed, dualad.cuda.manual_seed_all, dualad.cuda.manual_seed):
        seed(3)
        x = dualad.rand(4, device="cuda")
        seed(3)
        assert bool((x == dualad.rand(4, device="cuda")).all())
    assert dualad.cuda.initial_seed() == 3
    state = dualad.cuda.get_rng_state()
    x = dualad.randn(4, device="cuda")
    dualad.cuda.set_rng_state(state)
    assert bool((x == dualad.randn(4, device="cuda")).all())


def test_the_tutorials_statements_on_cuda():
    """The statements of PyTorch's tutorials that speak of CUDA."""
    x = dualad.ones(2, 2)
    if dualad.cuda.is_available():
        device = dualad.device("cuda")
        y = dualad.ones_like(x, device=device)
        x = x.to(device)
        z = x + y
        assert z.device.type == "cuda"
        assert z.to("cpu", dualad.double).tolist() == [[2.0, 2.0], [2.0, 2.0]]
    t = dualad.rand(3, 4)
    assert t.to("cuda").is_cuda
    assert t.cuda().cpu().tolist() == t.tolist()
    dtype = dualad.cuda.FloatTensor
    w = dualad.randn(3, 3).type(dtype)
    assert w.type() == "dualad.cuda.FloatTensor"
    a = dualad.randn(3, device=device, dtype=dualad.float, requires_grad=True)
    ((a * 2).sum() ** 2).backward()
    assert a.grad.device == a.device


def _numbers(device, seed=0):
    return dualad.asarray(np.random.default_rng(seed).standard_normal((3, 3)), device=device)


def _program(x, y, move):
    u = (x @ x).sin()
    v = dualad.exp(move(u, y) * y)
    w = move(v[0] / (1 + abs(v[1])), x) - x[:, 0]
    return (w * w).sum() + (x * x).sum()


@needs_two
def test_one_graph_on_several_gpus():
    values = _numbers("cpu"), _numbers("cpu", 1)
    xs = [v.to(d).requires_grad_() for v, d in zip(values, DEVICES, strict=False)]
    plain = [v.clone().requires_grad_() for v in values]
    _program(*xs, lambda a, b: a.to(b.device)).backward()
    _program(*plain, lambda a, b: a).backward()
    for x, p, d in zip(xs, plain, DEVICES, strict=False):
        assert x.grad.device == d
        np.testing.assert_allclose(x.grad.cpu().numpy(), p.grad.numpy(), rtol=1e-12)


@needs_two
def test_transforms_on_several_gpus():
    values = _numbers("cpu"), _numbers("cpu", 1)
    xs = [v.to(d) for v, d in zip(values, DEVICES, strict=False)]
    f = lambda x, y: _program(x, y, lambda a, b: a.to(b.device))  # noqa: E731
    tangents = tuple(dualad.ones_like(x) for x in xs)
    y, t = dualad.jvp(f, tuple(xs), tangents)
    want, along = dualad.jvp(f, values, tuple(dualad.ones_like(v) for v in values))
    np.testing.assert_allclose([float(y), float(t)], [float(want), float(along)], rtol=1e-12)
    h = dualad.hessian(lambda y: f(xs[0], y))(xs[1])
    np.testing.assert_allclose(h.cpu().numpy(), dualad.hessian(lambda y: f(values[0], y))(values[1]).numpy())
    assert h.device == DEVICES[1]


@needs_two
def test_work_is_done_by_the_gpu_of_the_arrays_whichever_is_current():
    x = _numbers(DEVICES[1]).requires_grad_()
    with dualad.cuda.device(0):
        y = (x * x + 2 * x) @ x
        y[0] = 1.0
        y.sum().backward()
        optimizer = dualad.optim.Adam([x])
        optimizer.step()
        z = dualad.rand_like(x)
    assert {t.device for t in (x, y, z, x.grad)} == {dualad.device(DEVICES[1])}
    assert dualad.cuda.current_device() == 0


@needs_two
def test_writes_cost_no_copy_on_the_second_gpu():
    x = dualad.zeros(100, device=DEVICES[1])
    where = x._raw.data.ptr
    x[3] = 1.0
    assert x._raw.data.ptr == where


@needs_two
def test_gpus_do_not_mix():
    x, y = (dualad.ones(2, device=d) for d in DEVICES[:2])
    with pytest.raises(dualad.DeviceError, match=r"cuda:0 and cuda:1; move"):
        x + y
    with pytest.raises(dualad.DeviceError, match="move"):
        dualad.concat([x, y])
    with pytest.raises(dualad.DeviceError, match="indexed by one on cuda:1"):
        x[dualad.asarray([0], device=DEVICES[1])]
