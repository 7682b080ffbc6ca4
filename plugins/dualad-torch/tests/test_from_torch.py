"""Functions of PyTorch's that dualad differentiates, beside the same functions written in dualad."""

import numpy as np
import pytest
import torch
from dualad_torch import from_torch

import dualad

DEVICES = ["cpu", "torch"]


def layer(x, p, power=2):
    """Of PyTorch's functions: a pytree in, and one out, with integers and other things in it."""
    y = torch.sin(x * p["w"]) @ p["m"]
    return {"y": y, "best": torch.argmax(x), "power": power, "total": (x**power).sum()}


def same_layer(x, p, power=2):
    y = dualad.sin(x * p["w"]) @ p["m"]
    return {"y": y, "best": dualad.argmax(x), "power": power, "total": dualad.sum(x**power)}


def loss(f):
    def scalar(x, p):
        out = f(x, p, power=3)
        return dualad.sum(out["y"] ** 2) + out["total"]

    return scalar


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def arguments(device):
    put = lambda a: dualad.asarray(a, device=device)  # noqa: E731
    return put(numbers(3)), {"w": put(numbers(3, seed=1)), "m": put(numbers(3, 2, seed=2))}


def close(got, want):
    np.testing.assert_allclose(got.cpu().numpy(), want.cpu().numpy(), rtol=1e-10, atol=1e-12)


# -- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_values_and_structures(device):
    x, p = arguments(device)
    out, want = from_torch(layer)(x, p, power=3), same_layer(x, p, power=3)
    assert list(out) == list(want)
    assert out["power"] == 3
    for name in ("y", "best", "total"):
        assert out[name].device == device
        assert out[name].dtype is want[name].dtype
        close(out[name], want[name])
    assert from_torch(layer).__name__ == "layer"


def test_arrays_come_out_as_they_went_in():
    f = from_torch(lambda x: x * 2)
    assert type(f(np.ones(2))) is np.ndarray
    assert type(f(torch.ones(2))) is torch.Tensor
    assert type(f(dualad.ones(2))) is dualad.Tensor
    assert f(dualad.ones(2, device="torch")).device == "torch"
    assert type(dualad.grad(lambda x: f(x).sum())(np.ones(2))) is np.ndarray
    assert dualad.grad(from_torch(torch.exp))(0.0) == 1.0
    assert from_torch(lambda n: torch.ones(n))(2).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("device", DEVICES)
def test_dtypes_are_kept(dtype, device):
    x = dualad.ones(2, dtype=dtype, device=device, requires_grad=True)
    y = from_torch(lambda x: (x * x).real.sum() if x.is_complex() else (x * x).sum())(x)
    y.backward()
    assert (x.grad.dtype, x.grad.device) == (x.dtype, x.device)
    assert x.grad.tolist() == [2.0, 2.0]


def test_arrays_of_other_backends_go_through_host_memory():
    pytest.importorskip("dualad_strict", reason="dualad-strict is not installed")
    x = dualad.asarray([1.0, 2.0], device="strict:0", requires_grad=True)
    y = from_torch(torch.exp)(x)
    assert y.device == "strict:0"
    y.sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.exp([1.0, 2.0]), rtol=1e-6)


# -- derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_in_a_pytree(device):
    x, p = arguments(device)
    got = dualad.grad(loss(from_torch(layer)), argnums=(0, 1))(x, p)
    want = dualad.grad(loss(same_layer), argnums=(0, 1))(x, p)
    close(got[0], want[0])
    for name in p:
        close(got[1][name], want[1][name])
        assert got[1][name].device == device


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (lambda f: lambda x: dualad.jvp(f, (x,), (dualad.ones_like(x),))[1], (3,)),
        (dualad.hessian, (3,)),
        (lambda f: lambda x: dualad.hvp(f, (x,), (dualad.ones_like(x),))[1], (3,)),
        (lambda f: dualad.grad(lambda x: dualad.grad(lambda x: dualad.grad(f)(x).sum())(x).sum()), (3,)),
        (lambda f: lambda x: dualad.jvp(dualad.grad(f), (x,), (x,))[1], (3,)),
        (lambda f: dualad.jacfwd(dualad.jacfwd(f)), (3,)),
        (dualad.vmap, (4, 3)),
        (lambda f: dualad.vmap(f, in_axes=1), (3, 4)),
        (lambda f: dualad.vmap(dualad.grad(f)), (4, 3)),
        (lambda f: dualad.grad(lambda x: dualad.vmap(f)(x).sum()), (4, 3)),
        (lambda f: dualad.vmap(dualad.vmap(dualad.hessian(f))), (2, 2, 3)),
    ],
)
def test_transforms(device, transform, shape):
    _, p = arguments(device)
    x = dualad.asarray(numbers(*shape, seed=3), device=device)
    got, want = (transform(lambda x, f=f: loss(f)(x, p))(x) for f in (from_torch(layer), same_layer))
    close(got, want)


@pytest.mark.parametrize("device", DEVICES)
def test_it_holds_to_differences(device):
    _, p = arguments(device)
    x = dualad.asarray(numbers(3, seed=4), device=device)
    dualad.testing.check_grads(lambda x: loss(from_torch(layer))(x, p), (x,), order=3)


def test_the_function_is_run_no_more_than_it_must():
    calls = []
    f = from_torch(lambda x: (calls.append(1), (x**3).sum())[1])
    x, t = np.ones(3), dualad.ones(3, requires_grad=True)
    g = dualad.grad(f)
    for call, count in (
        (lambda: f(x), 1),
        (lambda: g(x), 1),
        (lambda: f(t).backward(), 1),
        (lambda: dualad.grad(lambda x: g(x).sum())(x), 2),
        (lambda: dualad.vmap(f)(np.ones((4, 3))), 1),
        (lambda: dualad.vmap(g)(np.ones((4, 3))), 2),
    ):
        calls.clear()
        call()
        assert len(calls) == count


def test_second_derivatives_where_nothing_is_recorded():
    f = from_torch(lambda x: (x**3).sum())
    with dualad.no_grad():
        assert dualad.grad(lambda x: dualad.grad(f)(x).sum())(np.ones(2)).tolist() == [6.0, 6.0]


def test_backward_of_leaves_and_of_its_own_graph():
    f = from_torch(lambda x: x**3)
    x = dualad.asarray([1.0, 2.0], requires_grad=True)
    y = f(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [6.0, 24.0]
    x.grad = None
    (g,) = dualad.autograd.grad(f(x).sum(), x, create_graph=True)
    g.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_complex_gradients_have_one_convention():
    z = dualad.asarray(np.array([1 + 2j, 3 - 1j]))
    f = from_torch(lambda z: (z.abs() ** 2).sum())
    np.testing.assert_allclose(dualad.grad(f)(z).numpy(), 2 * z.numpy())


def test_outputs_that_do_not_move():
    f = from_torch(lambda x: (x * 2, torch.ones(2), x.detach(), x > 0))
    x = dualad.asarray([1.0, 2.0], requires_grad=True)
    moved, ones, detached, positive = f(x)
    (moved.sum() + ones.sum() + detached.sum()).backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert positive.dtype is dualad.bool
    assert not positive.requires_grad


def test_arguments_that_do_not_matter():
    f = from_torch(lambda x, i, w: x[i] * 2 + 0 * w.detach())
    x, w = dualad.ones(3, requires_grad=True), dualad.ones(2, requires_grad=True)
    i = dualad.asarray([0, 0])
    f(x, i, w).sum().backward()
    assert x.grad.tolist() == [4.0, 0.0, 0.0]
    assert w.grad is None or w.grad.tolist() == [0.0, 0.0]


# -- memory and state ----------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_a_function_that_writes_to_its_argument_leaves_tensors_alone(device):
    f = from_torch(lambda x: x.mul_(2))
    x = dualad.ones(2, device=device)
    assert f(x).tolist() == [2.0, 2.0]
    assert x.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        dualad.grad(lambda x: f(x).sum())(x)
    assert x.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("device", DEVICES)
def test_outputs_share_no_memory_with_what_others_may_write_to(device):
    weight = torch.ones(2)
    parameter = torch.nn.Parameter(torch.ones(2))
    f = from_torch(lambda x: (weight, parameter, x, x.view(2, 1), x * 1))
    x = dualad.ones(2, device=device)
    for outs in (f(x), dualad.vjp(f, x)[0]):
        with torch.no_grad():
            weight.add_(1)
            parameter.add_(1)
        for y in outs:
            y[0] = 7.0
        assert x.tolist() == [1.0, 1.0]
        assert [y.reshape(-1)[1].item() for y in outs] == [1.0] * 5


def test_parameters_get_no_gradients_and_can_be_arguments():
    model = torch.nn.Linear(2, 1, dtype=torch.float64)
    x = dualad.asarray(numbers(4, 2), requires_grad=True)
    from_torch(model)(x).sum().backward()
    assert x.grad.shape == (4, 2)
    assert all(p.grad is None for p in model.parameters())
    params = {n: dualad.asarray(p.detach().numpy()) for n, p in model.named_parameters()}
    call = from_torch(lambda params, x: torch.func.functional_call(model, params, (x,)))
    g = dualad.grad(lambda params: call(params, x.detach()).sum())(params)
    close(g["weight"], x.detach().sum(axis=0)[None])
    assert g["bias"].tolist() == [4.0]


TRANSFORMS = {
    "grad": dualad.grad,
    "jvp": lambda f: lambda w: dualad.jvp(f, (w,), (w,)),
    "vmap": lambda f: lambda w: dualad.vmap(f)(w[None]),
    "backward": lambda f: lambda w: f(w.requires_grad_()).backward(),
}


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_tensors_that_are_differentiated_and_are_no_arguments(name, live):
    transform, x = TRANSFORMS[name], dualad.ones(2, device="torch", requires_grad=live)

    def outer(f):
        return transform(lambda w: f(w, x).sum())(dualad.tensor([2.0, 3.0], device="torch"))

    for closing in (
        lambda w, t: torch.ones(2) * w,
        lambda w, t: (t * 2, torch.ones(2) * w)[1],
        lambda w, t: w,
    ):
        with pytest.raises(dualad.GradientError, match=r"from_torch of <lambda>: .*pass it as an argument"):
            outer(lambda w, x, closing=closing: from_torch(lambda t: closing(w, t))(x))
    outer(lambda w, x: from_torch(lambda t, w: t * w)(x, w))
    outer(lambda w, x: from_torch(lambda t: t * 2)(x) * w)
    assert dualad.is_grad_enabled()


def test_constant_tensors_of_dualads_that_a_function_gives():
    w = dualad.tensor([2.0, 3.0], device="torch", requires_grad=True)
    for x in (np.ones(2), torch.ones(2), dualad.ones(2)):
        for f in (lambda t: w.detach() * torch.ones(2), lambda t: dualad.asarray([2.0, 3.0])):
            y = from_torch(f)(x)
            assert type(y) is type(x)
            assert y.tolist() == [2.0, 3.0]
    with dualad.no_grad():
        assert from_torch(lambda t: t * w)(torch.ones(2)).tolist() == [2.0, 3.0]


# PyTorch says it of code of its own, when forward mode is first used.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_arguments_that_pytorch_differentiates_are_refused():
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    exp, product = from_torch(torch.exp), from_torch(lambda p, x: (p * x).sum())
    x = dualad.ones(2, device="torch", requires_grad=True)
    dual_level, make_dual = torch.autograd.forward_ad.dual_level, torch.autograd.forward_ad.make_dual
    v = torch.ones(2)
    for use in (
        lambda: exp(w),
        lambda: product(w, x),
        lambda: dualad.grad(lambda x: product(w, x))(x),
        lambda: torch.func.grad(lambda x: exp(x).sum())(v),
        lambda: torch.func.grad(lambda x: torch.vmap(exp)(x).sum())(v[None]),
        lambda: torch.func.jvp(exp, (v,), (v,)),
        lambda: dualad.grad(from_torch(lambda t: exp(t).sum()))(v),
    ):
        with pytest.raises(
            dualad.GradientError, match=r"from_torch of .*\.detach\(\).*dualad_torch\.to_torch"
        ):
            use()
    with dual_level(), pytest.raises(dualad.GradientError, match="from_torch of exp: "):
        exp(make_dual(v, v))
    with torch.no_grad():
        assert product(w, x).item() == 5.0
    torch.testing.assert_close(torch.vmap(exp)(v[None]), torch.exp(v[None]))


def test_numbers_alone_are_scalars():
    assert from_torch(torch.sin)(1.0) == np.sin(1.0)
    assert from_torch(torch.add)(1.0, 2j) == 1 + 2j
    assert from_torch(torch.nn.functional.elu)(-1.0, alpha=2.0) == pytest.approx(2 * np.expm1(-1.0))
    assert dualad.grad(lambda x: from_torch(torch.pow)(x, 3.0))(2.0) == 12.0
    seen = []
    from_torch(lambda x, rate: seen.append(rate) or x * rate)(np.ones(2), 0.5)
    assert type(seen[0]) is float  # as it is beside arrays


def test_out_of_memory():
    f = from_torch(lambda x: x[:, None, None] * x[:, None] * x)
    x = np.ones(2**16)
    for use in (lambda: f(x), lambda: dualad.grad(lambda x: f(x).sum())(x)):
        with pytest.raises(dualad.OutOfMemoryError, match=r"^from_torch of <lambda>: out of memory on torch"):
            use()
    with pytest.raises(dualad.OutOfMemoryError, match=r"^from_torch of <lambda>: out of memory on torch"):
        dualad.grad(lambda x: from_torch(lambda x: Greedy.apply(x))(x).sum())(torch.ones(1))


class Greedy(torch.autograd.Function):
    """The identity, whose backward pass takes too much memory."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g + torch.ones(2**50)


def test_random_numbers_are_the_same_in_second_derivatives():
    torch.manual_seed(0)
    seen = []

    def f(x):
        mask = torch.rand(3, dtype=x.dtype)
        seen.append(mask)
        return (mask * x**3).sum()

    h = dualad.grad(lambda x: dualad.grad(from_torch(f))(x).sum())(np.ones(3))
    assert len(seen) > 1
    assert all(torch.equal(seen[0], mask) for mask in seen)
    np.testing.assert_allclose(h, 6 * seen[0])
    state = torch.get_rng_state()
    torch.manual_seed(0)
    torch.rand(3, dtype=torch.float64)
    assert torch.equal(torch.get_rng_state(), state)  # they were drawn once


def test_vmap_tells_whether_random_numbers_differ():
    f = from_torch(lambda x: x + torch.rand(2))
    for randomness, count in (("different", 3), ("same", 1)):
        y = dualad.vmap(f, randomness=randomness)(np.zeros((3, 2)))
        assert len({tuple(row) for row in y.tolist()}) == count
    with pytest.raises(RuntimeError, match="randomness"):
        dualad.vmap(f)(np.zeros((3, 2)))


def test_inside_a_checkpoint():
    f = from_torch(torch.exp)
    program = dualad.checkpoint(lambda x: (f(x) ** 2).sum())
    assert dualad.grad(program)(np.zeros(2)).tolist() == [2.0, 2.0]


def test_pytorchs_grad_mode_is_left_alone():
    with torch.no_grad():
        assert dualad.grad(from_torch(lambda x: (x * x).sum()))(np.ones(2)).tolist() == [2.0, 2.0]
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_the_device_for_the_function_may_be_named():
    f = from_torch(lambda x: x * 2, device="cpu")
    assert f(np.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="nowhere"):
        from_torch(torch.exp, device="nowhere")


# -- wrong inputs --------------------------------------------------------------------------------


def test_what_is_no_function():
    with pytest.raises(TypeError, match="from_torch: expected a function, got int"):
        from_torch(3)


def test_an_error_of_the_function_comes_through():
    f = from_torch(lambda x, y: x @ y)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        f(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        dualad.grad(lambda x: f(x, np.ones((2, 3))).sum())(np.ones((2, 3)))
    assert dualad.is_grad_enabled()
    assert torch.is_grad_enabled()


# -- programs ------------------------------------------------------------------------------------


def test_an_optimization_of_dualads_with_a_model_of_pytorchs_inside():
    """Where a trained model says that a curve is highest is found with its gradient and Hessian."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).double()
    x = torch.linspace(-2, 2, 64, dtype=torch.float64)[:, None]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), -((x - 0.5) ** 2)).backward()
        optimizer.step()
    height = from_torch(model)
    f = lambda x: -dualad.sum(height(x[None, :]))  # noqa: E731
    point = np.array([0.0])
    for _ in range(6):  # Newton's method
        point = point - np.linalg.solve(dualad.hessian(f)(point), dualad.grad(f)(point))
    assert height(point) >= height(np.linspace(-2, 2, 999)[:, None]).max() - 1e-6
    assert abs(dualad.grad(f)(point)[0]) < 1e-9


def test_a_model_of_both_is_trained_by_dualad():
    model = torch.nn.Linear(3, 3, dtype=torch.float64)
    call = from_torch(lambda params, x: torch.func.functional_call(model, params, (x,)))
    x, target = numbers(16, 3), numbers(16, 3, seed=1) * 0.1
    params = {n: dualad.asarray(p.detach().numpy()).requires_grad_() for n, p in model.named_parameters()}
    scale = dualad.ones(3, dtype="float64", requires_grad=True)
    optimizer = dualad.optim.SGD([*params.values(), scale], lr=0.1)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = dualad.mean(
            (dualad.tanh(call(params, dualad.asarray(x))) * scale - dualad.asarray(target)) ** 2
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
