"""Functions of dualad's that PyTorch differentiates, beside the same functions written in PyTorch."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.utils.checkpoint
from dualad_torch import to_torch

import dualad

# PyTorch says it of code of its own, when forward mode is first used.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

F64 = torch.float64


def layer(x, p, power=2):
    """Of dualad's functions: a pytree in, and one out, with integers and other things in it."""
    y = dualad.sin(x * p["w"]) @ p["m"]
    return {"y": y, "best": dualad.argmax(x), "power": power, "total": dualad.sum(x**power)}


def same_layer(x, p, power=2):
    y = torch.sin(x * p["w"]) @ p["m"]
    return {"y": y, "best": torch.argmax(x), "power": power, "total": (x**power).sum()}


def parts(f):
    """Return the function of three tensors that gives what moves."""

    def flat(x, w, m):
        out = f(x, {"w": w, "m": m}, power=3)
        return out["y"], out["total"]

    return flat


@pytest.fixture
def arguments():
    generator = torch.Generator().manual_seed(0)
    shapes = (3,), (3,), (3, 2)
    return [torch.randn(s, dtype=F64, generator=generator, requires_grad=True) for s in shapes]


def test_values_and_structures(arguments):
    x, w, m = arguments
    out, want = (f(x, {"w": w, "m": m}, power=3) for f in (to_torch(layer), same_layer))
    assert list(out) == list(want)
    assert out["power"] == 3
    assert out["best"].dtype is torch.int64
    assert not out["best"].requires_grad
    for name in ("y", "best", "total"):
        torch.testing.assert_close(out[name], want[name])
    assert to_torch(layer).__name__ == "layer"


def test_gradients_of_first_and_second_order_in_both_modes(arguments):
    f = parts(to_torch(layer))
    assert torch.autograd.gradcheck(f, arguments, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(f, arguments, check_fwd_over_rev=True, check_rev_over_rev=True)


def test_complex_arguments():
    z = torch.randn(3, dtype=torch.complex128, requires_grad=True)
    f = to_torch(lambda z: dualad.exp(z) * dualad.conj(z))
    assert torch.autograd.gradcheck(f, (z,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, (z,))


def test_the_third_order(arguments):
    def third(f, x):
        for _ in range(3):
            f = lambda x, f=f: torch.autograd.grad(f(x).sum(), x, create_graph=True)[0]  # noqa: E731
        return f(x)

    x = arguments[0]
    torch.testing.assert_close(third(to_torch(lambda x: dualad.exp(x) * x), x), torch.exp(x) * (3 + x))


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (torch.func.grad, (3,)),
        (torch.func.jacfwd, (3,)),
        (torch.func.jacrev, (3,)),
        (torch.func.hessian, (3,)),
        (lambda f: torch.func.grad(lambda x: torch.func.grad(f)(x).sum()), (3,)),
        (lambda f: torch.func.jacfwd(torch.func.jacfwd(f)), (3,)),
        (torch.vmap, (4, 3)),
        (lambda f: torch.vmap(f, in_dims=1), (3, 4)),
        (lambda f: torch.vmap(torch.func.grad(f)), (4, 3)),
        (lambda f: torch.func.grad(lambda x: torch.vmap(f)(x).sum()), (4, 3)),
        (lambda f: torch.vmap(torch.vmap(torch.func.hessian(f))), (2, 4, 3)),
        (lambda f: torch.vmap(lambda x: torch.func.jvp(f, (x,), (x,))[1]), (4, 3)),
    ],
)
def test_the_transforms_of_torch_func(arguments, transform, shape):
    _, w, m = (a.detach() for a in arguments)

    def scalar(f):
        return lambda x: sum(y.sum() for y in parts(f)(x, w, m))

    x = torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(transform(scalar(to_torch(layer)))(x), transform(scalar(same_layer))(x))


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
@pytest.mark.parametrize(
    "f",
    [dualad.exp, dualad.sort, lambda x: x[1:] * x[[0, 1]], lambda x: dualad.linalg.det(x[:, None] * x + x)],
)
def test_vectorized_jacobians(arguments, f, strategy):
    x, jacobian = arguments[0], torch.autograd.functional.jacobian
    want = jacobian(to_torch(f), x)
    torch.testing.assert_close(jacobian(to_torch(f), x, vectorize=True, strategy=strategy), want)


def test_batches_of_gradients(arguments):
    x = arguments[0]
    f, same = to_torch(lambda x: dualad.sort(x) ** 2 * x[:1]), lambda x: torch.sort(x)[0] ** 2 * x[:1]
    y, z = f(x), same(x)
    gs = torch.eye(3, dtype=F64)
    got, want = (torch.autograd.grad(y, x, gs, is_grads_batched=True, create_graph=True)[0] for y in (y, z))
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(*(torch.autograd.grad((j**2).sum(), x)[0] for j in (got, want)))
    torch.testing.assert_close(torch.vmap(lambda g: torch.autograd.grad(y, x, g)[0])(gs), want)
    hessian = torch.autograd.functional.hessian
    got, want = (hessian(lambda x, f=f: f(x).sum(), x, vectorize=True) for f in (f, same))
    torch.testing.assert_close(got, want)


def test_batches_of_gradients_of_random_functions():
    dualad.manual_seed(0)
    x = torch.ones(2, dtype=F64, requires_grad=True)
    y = to_torch(lambda x: x * dualad.rand(2, device="torch", dtype=dualad.float64))(x)
    (rows,) = torch.autograd.grad(y, x, torch.eye(2, dtype=F64), is_grads_batched=True)
    torch.testing.assert_close(rows, torch.diag(y.detach()))


def test_forward_mode_by_dual_numbers():
    with torch.autograd.forward_ad.dual_level():
        x = torch.autograd.forward_ad.make_dual(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0]))
        value, tangent = torch.autograd.forward_ad.unpack_dual(to_torch(dualad.exp)(x))
    torch.testing.assert_close(value, torch.exp(torch.tensor([0.0, 1.0])))
    torch.testing.assert_close(tangent, torch.exp(torch.tensor([0.0, 1.0])) * torch.tensor([2.0, 3.0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes_are_kept(dtype):
    x = torch.ones(3, dtype=dtype, requires_grad=True)
    y = to_torch(lambda x: dualad.sum(x * x))(x)
    assert y.dtype is dtype
    y.backward()
    assert x.grad.dtype is dtype
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_arguments_are_not_copied():
    x, seen = torch.ones(3), []

    @to_torch
    def look(x):
        seen.append(x._raw.data_ptr())
        return x * 2

    look(x)
    assert seen == [x.data_ptr()]


def test_a_function_that_computes_on_numpys_arrays():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = to_torch(lambda x: (x.to("cpu") ** 2).sum())(x)
    assert y.device.type == "cpu"
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_several_backward_passes_and_none():
    f = to_torch(dualad.exp)
    x = torch.tensor([0.0], requires_grad=True)
    y = f(x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [2.0]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    with torch.no_grad():
        assert not f(x).requires_grad
    with torch.inference_mode():
        assert f(x).tolist() == [1.0]


def test_only_those_gradients_come_that_are_wanted():
    x, w = torch.ones(2, requires_grad=True), torch.ones(2)
    f = to_torch(lambda x, w, c: x * w + c)
    f(x, w, 3.0).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert w.grad is None
    y = torch.ones(2, requires_grad=True)
    assert torch.autograd.grad(f(x, y, 1).sum(), y)[0].tolist() == [1.0, 1.0]
    a, b = to_torch(lambda x: (x * 2, x * 3))(x)
    assert torch.autograd.grad(b.sum(), x)[0].tolist() == [3.0, 3.0]
    assert a.tolist() == [2.0, 2.0]


def test_without_tensors_it_is_called_all_the_same():
    assert to_torch(lambda n: dualad.ones(n, device="torch"))(3).tolist() == [1.0, 1.0, 1.0]


def test_arguments_that_lie_in_memory_in_other_ways():
    f = to_torch(dualad.exp)
    x = torch.randn(4, 3, requires_grad=True)
    f(x.T[::2]).sum().backward()
    want = torch.exp(x.detach())
    want[:, 1] = 0
    torch.testing.assert_close(x.grad, want)
    y = torch.zeros(1, requires_grad=True)
    f(y.expand(5)).sum().backward()
    assert y.grad.tolist() == [5.0]


def test_inside_checkpoints_and_hooks_on_what_is_saved():
    f = to_torch(dualad.exp)
    program = lambda x: (f(x) ** 2).sum()  # noqa: E731
    for use_reentrant in (False, True):
        x = torch.zeros(2, requires_grad=True)
        torch.utils.checkpoint.checkpoint(program, x, use_reentrant=use_reentrant).backward()
        assert x.grad.tolist() == [2.0, 2.0]
    x = torch.zeros(2, requires_grad=True)
    with torch.autograd.graph.save_on_cpu():
        y = program(x)
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_what_autocast_makes_shorter_is_differentiated():
    x, w = torch.randn(3, 4, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = to_torch(lambda x, w: dualad.sum(dualad.sin(x @ w)))(x, w)
    y.backward()
    assert y.dtype is torch.bfloat16
    got = x.grad
    want = torch.autograd.grad(torch.sin(x @ w).sum(), x)[0]
    torch.testing.assert_close(got, want, rtol=0.1, atol=0.1)


def test_threads_do_not_meet():
    f = to_torch(lambda x: dualad.sum(x**3))

    def work(i):
        x = torch.full((3,), float(i), requires_grad=True)
        for _ in range(20):
            x.grad = None
            f(x).backward()
        return x.grad.tolist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [[3.0 * i * i] * 3 for i in range(8)]


# -- writing in place ----------------------------------------------------------------------------


def test_an_output_may_be_written_to():
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    y = to_torch(dualad.exp)(x)
    y.mul_(2)
    y.sum().backward()
    torch.testing.assert_close(x.grad, 2 * torch.exp(x.detach()))


def test_an_argument_that_was_written_to_is_told_by_pytorch():
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    z = x * 1
    y = to_torch(dualad.exp)(z)
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_outputs_share_no_memory_with_arguments():
    x = torch.zeros(4)
    to_torch(lambda x: x.reshape(2, 2))(x).add_(1)
    to_torch(lambda x: x)(x).add_(1)
    assert x.tolist() == [0.0] * 4


def test_a_function_that_writes_to_its_argument_leaves_the_callers_alone():
    @to_torch
    def f(x):
        y = x * 1
        x[0] = 7.0
        return y.sum() + x.sum()

    x = torch.ones(3, requires_grad=True)
    f(x).backward()
    assert x.tolist() == [1.0, 1.0, 1.0]
    assert x.grad.tolist() == [1.0, 2.0, 2.0]


def kept_by(f):
    """Return a function of a torch.Tensor, and whether what dualad keeps of its call is still there."""
    kept = []

    @to_torch
    def g(x):
        y = dualad.exp(x)
        kept.append(weakref.ref(y._value))
        return f(y)

    return g, lambda: kept[-1]() is not None


def test_what_is_kept_goes_with_the_output():
    x = torch.ones(3, requires_grad=True)
    f, is_kept = kept_by(lambda y: y * y)
    gc.disable()  # there is no cycle
    try:
        y = f(x)
        assert is_kept()
        del y
        assert not is_kept()
    finally:
        gc.enable()


def test_what_is_kept_goes_with_the_backward_pass_unless_that_retains_the_graph():
    x = torch.ones(3, requires_grad=True)
    f, is_kept = kept_by(lambda y: y * y)
    y = f(x).sum()
    y.backward(retain_graph=True)
    assert is_kept()
    y.backward()
    assert not is_kept()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


# -- what differs from call to call --------------------------------------------------------------


def test_random_numbers_are_the_same_in_second_derivatives():
    def f(x):
        return dualad.sum(dualad.rand(3, device="torch", dtype=dualad.float64) * x**3)

    x = torch.ones(3, dtype=F64, requires_grad=True)
    (g,) = torch.autograd.grad(to_torch(f)(x), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    torch.testing.assert_close(h, 2 * g.detach())


def test_vmap_tells_whether_random_numbers_differ():
    f = to_torch(lambda x: x + dualad.rand(2, device="torch"))
    y = torch.vmap(f, randomness="different")(torch.zeros(3, 2))
    assert len({tuple(row) for row in y.tolist()}) == 3
    y = torch.vmap(f, randomness="same")(torch.zeros(3, 2))
    assert len({tuple(row) for row in y.tolist()}) == 1
    with pytest.raises(dualad.BatchError, match="randomness"):
        torch.vmap(f)(torch.zeros(3, 2))


# -- wrong inputs --------------------------------------------------------------------------------


def test_what_is_no_function():
    with pytest.raises(TypeError, match="to_torch: expected a function, got int"):
        to_torch(3)


def test_tensors_that_require_grad_and_are_no_arguments():
    w = dualad.ones(2, device="torch", requires_grad=True)
    f = to_torch(lambda x: x * w)
    with pytest.raises(dualad.GradientError, match=r"to_torch of <lambda>: the function depends on a dualad"):
        f(torch.ones(2))
    assert f.__wrapped__(torch.ones(2)).requires_grad
    with dualad.no_grad():
        assert f(torch.ones(2)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "transform",
    [
        dualad.grad,
        dualad.vmap,
        lambda f: lambda w: dualad.jvp(f, (w,), (w,)),
        lambda f: lambda w: dualad.vmap(f)(w[None]),
    ],
)
@pytest.mark.parametrize("live", [False, True])
def test_tensors_of_dualads_transforms_that_are_no_arguments(transform, live):
    x = torch.ones(2, requires_grad=live)
    inner = lambda w: dualad.asarray(to_torch(lambda x: dualad.sum(x * w))(x).detach())  # noqa: E731
    with pytest.raises(dualad.GradientError, match="dualad Tensor that is differentiated, or batched"):
        transform(inner)(torch.ones(2))


#: Functions of an argument and of a tensor that they close over, whose derivative would be lost.
CLOSING = {
    "an op": lambda x, w: x * w,
    "a function of PyTorch's": lambda x, w: x * torch.exp(w),
    "a function of SciPy's": lambda x, w: x * dualad.special.jv(0.0, w),
    "a part": lambda x, w: x * w[0],
    "an attribute": lambda x, w: x * w.real,
    "an assignment": lambda x, w: setting(x * 1, w[0]),
    "an assignment to a constant": lambda x, w: setting(dualad.zeros_like(x), w[0]),
    "itself": lambda x, w: w,
    "its memory": lambda x, w: dualad.asarray(w, copy=False),
}


def setting(y, value):
    y[0] = value
    return y


def dual_numbers(f):
    def transformed(w):
        with torch.autograd.forward_ad.dual_level():
            return torch.autograd.forward_ad.unpack_dual(f(torch.autograd.forward_ad.make_dual(w, w)))

    return transformed


@pytest.mark.parametrize("name", CLOSING)
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: lambda w: f(w.requires_grad_()),
        lambda f: torch.func.grad(lambda w: f(w).sum()),
        lambda f: lambda w: torch.func.jvp(f, (w,), (w,)),
        lambda f: lambda w: torch.vmap(f)(w[None]),
        lambda f: torch.func.grad(lambda w: torch.vmap(lambda _: f(w))(torch.ones(3)).sum()),
        dual_numbers,
    ],
    ids=["requires_grad", "grad", "jvp", "vmap", "vmap in grad", "dual numbers"],
)
@pytest.mark.parametrize("live", [False, True])
def test_torch_tensors_that_are_differentiated_and_are_no_arguments(name, transform, live):
    f, x = CLOSING[name], torch.ones(2, requires_grad=live)
    with pytest.raises(dualad.GradientError, match=r"to_torch of <lambda>: .*pass it as an argument"):
        transform(lambda w: to_torch(lambda x: f(x, w))(x))(torch.ones(2))


@pytest.mark.parametrize("name", [name for name in CLOSING if name != "a function of PyTorch's"])
def test_as_arguments_they_have_their_derivatives(name):
    x = torch.ones(2)
    jacobian = torch.func.jacrev(lambda w: to_torch(CLOSING[name])(x, w))(x)
    w = dualad.asarray(x.numpy())
    want = dualad.jacobian(lambda w: CLOSING[name](dualad.ones(2), w))(w)
    np.testing.assert_allclose(jacobian, want.numpy(), rtol=1e-6)


def test_parameters_of_a_module_that_are_no_arguments():
    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(2))
            self.f = to_torch(lambda x: dualad.sum(dualad.sin(x) * self.w))

        def forward(self, x):
            return self.f(x)

    model = Scale()
    with pytest.raises(dualad.GradientError, match="pass it as an argument"):
        model(torch.ones(2))
    with torch.no_grad():  # nobody wants one
        torch.testing.assert_close(model(torch.ones(2)), torch.sin(torch.ones(2)).sum())
    model.w.requires_grad_(False)
    torch.testing.assert_close(model(torch.ones(2)), torch.sin(torch.ones(2)).sum())


def test_what_is_constant_may_be_closed_over():
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    x = torch.ones(2, requires_grad=True)
    to_torch(lambda x: dualad.sum(w.detach() * dualad.where(w > 2.5, x, 0.0)))(x).backward()
    assert x.grad.tolist() == [0.0, 3.0]
    f = lambda w: to_torch(lambda x: x * w.detach() * w.shape[0])(x.detach()).sum() * w.sum()  # noqa: E731
    assert torch.func.grad(f)(w.detach()).tolist() == [10.0, 10.0]
    assert torch.is_grad_enabled()


def test_an_error_of_the_function_comes_through():
    with pytest.raises(dualad.ShapeError, match="add"):
        to_torch(lambda x, y: x + y)(torch.ones(2, requires_grad=True), torch.ones(3))


def test_a_gradient_that_is_missing():
    x = torch.ones(2, dtype=F64, requires_grad=True)
    y = to_torch(lambda x: dualad.special.jv(x, 1.0))(x)
    with pytest.raises(dualad.MissingDerivativeError, match=r"special\.jv"):
        y.sum().backward()


# -- programs ------------------------------------------------------------------------------------


def test_a_training_loop_of_pytorchs_with_a_layer_of_dualads():
    """The layer solves linear equations; it learns the matrix that made the data."""

    class Solve(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Parameter(torch.eye(3, dtype=F64))
            self.scale = torch.nn.Linear(3, 3, bias=False, dtype=F64)
            self.solve = to_torch(lambda a, b: dualad.linalg.solve(a, b.T).T)

        def forward(self, b):
            return self.solve(self.a, self.scale(b))

    torch.manual_seed(0)
    model = Solve()
    b = torch.randn(32, 3, dtype=F64)
    target = torch.linalg.solve(torch.eye(3, dtype=F64) + 0.3 * torch.randn(3, 3, dtype=F64), b.T).T
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(b), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]
    assert all(p.grad is not None and p.grad.dtype is F64 for p in model.parameters())


def test_a_gradient_penalty_differentiates_through_the_layer():
    norm = to_torch(lambda x: dualad.sqrt(dualad.sum(x * x)))
    x = torch.tensor([3.0, 4.0], dtype=F64, requires_grad=True)
    (g,) = torch.autograd.grad(norm(x), x, create_graph=True)
    (g**2 * torch.tensor([1.0, 0.0], dtype=F64)).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([2 * 0.6 * 0.128, -2 * 0.6 * 0.096], dtype=F64))


def test_dualads_function_inside_pytorchs_inside_dualads():
    from dualad_torch import from_torch

    inner = to_torch(dualad.sin)
    f = from_torch(lambda x: inner(x) * x)
    x = dualad.asarray([0.5, 1.0], dtype="float64")
    got = dualad.grad(lambda x: dualad.grad(lambda x: f(x).sum())(x).sum())(x)
    want = 2 * dualad.cos(x) - x * dualad.sin(x)
    assert dualad.abs(got - want).max().item() < 1e-12
