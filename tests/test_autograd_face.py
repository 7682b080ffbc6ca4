"""`dualad.autograd` called as PyTorch's: grad, backward, batches of cotangents, modes, functional.

The numbers beside programs from PyTorch's documentation are what PyTorch 2.13 prints for them.
"""

import threading

import numpy as np
import pytest
import pytorch_programs

import dualad
import dualad as torch
from dualad.autograd import functional
from dualad.autograd.graph import get_gradient_edge


def leaf(data, device="cpu", dtype=None):
    return dualad.tensor(data, device=device, dtype=dtype, requires_grad=True)


# -- grad ------------------------------------------------------------------------------------------


def test_a_dict_of_inputs_gives_a_dict():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    found = torch.autograd.grad((a * b).sum(), {"a": a, "b": b}, retain_graph=True)
    assert {k: g.tolist() for k, g in found.items()} == {"a": [3.0, 4.0], "b": [1.0, 2.0]}
    torch.autograd.backward((a * b).sum(), inputs={"b": b})
    assert a.grad is None
    assert b.grad.tolist() == [1.0, 2.0]


def test_unused_inputs():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = (a * a).sum()
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        torch.autograd.grad(y, [a, b], retain_graph=True)
    assert torch.autograd.grad(y, [a, b], retain_graph=True, allow_unused=True)[1] is None
    assert torch.autograd.grad(y, b, retain_graph=True, materialize_grads=True)[0].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="allow_unused"):
        torch.autograd.grad(y, b, materialize_grads=True, allow_unused=False)


def test_a_tensor_is_not_its_own_gradient_nor_a_number_its_data():
    w = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match="can't assign Variable as its own grad"):
        w.grad = w
    with pytest.raises(TypeError, match=r"data: expected a Tensor, got float; .* fill_"):
        w.data = 3.0
    assert w.grad is None
    (w * w).sum().backward()
    assert (w.tolist(), w.grad.tolist()) == ([1.0, 2.0], [2.0, 4.0])


def test_a_gradient_of_a_shape_that_is_no_longer_the_tensors():
    w = leaf([1.0, 2.0])
    (w * 1).sum().backward()
    w.data = torch.ones(3)
    with pytest.raises(dualad.ShapeError, match=r"has shape \(3,\), the Tensor's \.grad \(2,\)"):
        (w * 1).sum().backward()
    w.grad = None
    (w * 1).sum().backward()
    assert w.grad.tolist() == [1.0, 1.0, 1.0]


def test_cotangents_may_be_integers_and_there_must_be_an_input():
    x = leaf([1.0, 2.0])
    assert torch.autograd.grad(x * 2, x, torch.tensor([1, 2]))[0].tolist() == [2.0, 4.0]
    (x * 2).backward(torch.tensor([True, False]))
    assert (x.grad.dtype, x.grad.tolist()) == (x.dtype, [2.0, 0.0])
    with pytest.raises(RuntimeError, match=r"`inputs` argument to `grad.*` cannot be empty"):
        torch.autograd.grad((x * 2).sum(), [])


def test_backward_tells_what_an_ended_transform_has_left():
    left, w = torch.zeros(2), leaf([1.0, 2.0])
    torch.func.grad(lambda a: (left.copy_(a), (a * a).sum())[1])(torch.ones(2))
    with pytest.raises(RuntimeError, match="one that has ended has written a Tensor of its own"):
        (left * w).sum().backward()


def test_is_inference_takes_tensors():
    with pytest.raises(TypeError, match="is_inference: expected a Tensor, got int"):
        torch.is_inference(3)


def test_the_inputs_of_backward_must_be_some():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="must not be empty"):
        (x * x).backward(inputs=[])


def test_a_gradient_inside_a_transform_is_that_of_its_level():
    def f(x):
        y = (x**3).sum()
        (g,) = dualad.autograd.grad(y, x, create_graph=True)
        return (g * g).sum()

    x = np.array([1.0, 2.0])
    assert np.allclose(dualad.grad(f)(x), 36 * x**3)
    assert np.allclose(dualad.jvp(dualad.grad(f), (x,), (np.ones(2),))[1], 108 * x**2)
    constant = lambda x: (x * dualad.autograd.grad((x**3).sum(), x)[0]).sum()  # noqa: E731
    assert np.allclose(dualad.grad(constant)(x), 3 * x**2)


def test_backward_inside_a_transform_is_refused():
    def f(x):
        (x * x).sum().backward()
        return x.sum()

    with pytest.raises(dualad.GradientError, match=r"inside a transform.*dualad\.grad"):
        dualad.grad(f)(np.ones(2))


# -- batches of cotangents -------------------------------------------------------------------------


def rows(y, x, cotangents, **options):
    pulled = [dualad.autograd.grad(y, x, v, retain_graph=True, **options) for v in cotangents]
    return [dualad.stack(parts) for parts in zip(*pulled, strict=True)]


def test_a_batch_of_cotangents_is_a_loop_over_them(device):
    w, x = leaf([[1.0, -2.0, 0.5], [0.3, 0.4, -1.0]], device), leaf([0.1, 0.2, 0.3], device)
    y = dualad.tanh(w @ x) * dualad.linalg.vector_norm(x) + x[1:].exp()
    v = dualad.asarray([[1.0, 0.0], [0.0, 1.0], [2.0, -3.0]], device=device)
    found = dualad.autograd.grad(y, (w, x), v, retain_graph=True, is_grads_batched=True)
    for a, b in zip(found, rows(y, (w, x), v), strict=True):
        assert a.shape == b.shape
        assert dualad.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_batch_of_cotangents_can_be_differentiated():
    x = leaf([0.5, 1.0], dtype="float64")
    y = x.sin() * x[0]
    eye = dualad.eye(2, dtype="float64")
    (jacobian,) = dualad.autograd.grad(y, x, eye, create_graph=True, is_grads_batched=True)
    (looped,) = rows(y, x, eye, create_graph=True)
    assert dualad.allclose(jacobian, looped)
    (second,) = dualad.autograd.grad((jacobian**2).sum(), x, retain_graph=True)
    (expected,) = dualad.autograd.grad((looped**2).sum(), x)
    assert dualad.allclose(second, expected)


def test_a_batch_of_cotangents_of_several_outputs_and_edges():
    x = leaf([0.5, 1.0])
    y, z = x * 3, x.sum()
    v, w = dualad.eye(2), dualad.tensor([10.0, 20.0])
    (g,) = dualad.autograd.grad([y, z], x, [v, w], retain_graph=True, is_grads_batched=True)
    assert g.tolist() == [[13.0, 10.0], [20.0, 23.0]]
    (g,) = dualad.autograd.grad(get_gradient_edge(y), x, v, retain_graph=True, is_grads_batched=True)
    assert g.tolist() == [[3.0, 0.0], [0.0, 3.0]]
    unused = dualad.autograd.grad(
        y, [x, leaf(1.0)], v, retain_graph=True, is_grads_batched=True, allow_unused=True
    )
    assert unused[1] is None


def test_batches_that_do_not_fit():
    x = leaf([0.5, 1.0])
    with pytest.raises(dualad.ShapeError, match=r"grad_output\[0\] has a shape of \(2, 3\).*\(2,\)"):
        dualad.autograd.grad(x * 2, x, dualad.ones(2, 3), is_grads_batched=True)
    with pytest.raises(dualad.GradientError, match="is_grads_batched needs grad_outputs"):
        dualad.autograd.grad((x * 2).sum(), x, is_grads_batched=True)


def test_gradients_inside_vmap():
    x = leaf([1.0, 2.0, 3.0])
    y = x**2
    jacobian = torch.vmap(lambda v: torch.autograd.grad(y, x, v, retain_graph=True)[0])(torch.eye(3))
    assert jacobian.tolist() == [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]
    assert x.grad is None


# -- inference mode --------------------------------------------------------------------------------


def test_tensors_made_in_inference_mode_say_so(device):
    x = leaf([1.0, 2.0], device)
    with torch.inference_mode():
        made, computed = torch.ones(2, device=device), x * 2
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    assert made.is_inference()
    assert torch.is_inference(computed)
    assert not computed.requires_grad
    assert not x.is_inference()
    assert not made.clone().is_inference()
    assert not (made + 1).is_inference()


def test_inference_tensors_may_be_used_in_what_is_recorded():
    x = leaf([1.0, 2.0])
    with torch.inference_mode():
        made = torch.tensor([3.0, 4.0])
    (made * x).sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]
    made.add_(1)
    assert made.requires_grad_().requires_grad
    (made * made).sum().backward()
    assert made.grad.tolist() == [8.0, 10.0]


def test_inference_mode_can_be_switched_off_inside():
    x = leaf([1.0, 2.0])
    with torch.inference_mode():
        with torch.inference_mode(False):
            y = x * 2
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
        assert torch.is_inference_mode_enabled()
    assert y.requires_grad
    assert not y.is_inference()
    with torch.no_grad(), torch.inference_mode(mode=False):
        assert torch.is_grad_enabled()
    with torch.inference_mode(), torch.no_grad():
        assert torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    "decorator", [torch.inference_mode, torch.inference_mode(), torch.inference_mode(True)]
)
def test_inference_mode_as_a_decorator(decorator):
    @decorator
    def f(x):
        return x * 2, torch.is_inference_mode_enabled()

    @decorator
    def steps():
        for _ in range(2):
            yield torch.is_inference_mode_enabled()

    y, inside = f(leaf([1.0]))
    assert inside
    assert y.is_inference()
    assert not y.requires_grad
    for inside in steps():
        assert inside
        assert not torch.is_inference_mode_enabled()


def test_inference_mode_ends_with_an_exception_and_in_its_thread():
    with pytest.raises(KeyError), torch.inference_mode():
        raise KeyError
    assert not torch.is_inference_mode_enabled()
    made = []
    with torch.inference_mode():
        thread = threading.Thread(target=lambda: made.append(torch.ones(2)))
        thread.start()
        thread.join()
    assert not made[0].is_inference()


def test_transforms_called_in_inference_mode_give_derivatives():
    with torch.inference_mode():
        assert dualad.grad(lambda x: x**3)(2.0) == 12.0


# -- functional ------------------------------------------------------------------------------------


def exp_reducer(x):
    return x.exp().sum(dim=1)


def two_outputs(x, y):
    return 2 * x * y, (x**2).sum() + y[0]


X = [[1.0, -0.5], [0.25, 2.0]]


def close(a, b):
    if isinstance(a, tuple):
        return len(a) == len(b) and all(close(p, q) for p, q in zip(a, b, strict=True))
    return a.shape == b.shape and dualad.allclose(a, b, rtol=1e-5, atol=1e-6)


STRATEGIES = [
    {},
    {"vectorize": True},
    {"vectorize": True, "strategy": "forward-mode"},
    {"strategy": "forward-mode"},
]


@pytest.mark.parametrize("options", STRATEGIES)
def test_jacobians_of_one_input_and_output(options, device):
    x = dualad.tensor(X, device=device)
    jacobian = functional.jacobian(exp_reducer, x, **options)
    expected = np.zeros((2, 2, 2), dtype=np.float32)
    expected[[0, 1], [0, 1]] = np.exp(np.float32(X))
    assert jacobian.shape == (2, 2, 2)
    assert np.allclose(jacobian.cpu().numpy(), expected)
    assert not jacobian.requires_grad


@pytest.mark.parametrize("options", STRATEGIES)
def test_jacobians_of_several_inputs_and_outputs(options):
    x, y = dualad.tensor([1.0, 2.0]), dualad.tensor([3.0, 4.0])
    (a, b), (c, d) = functional.jacobian(two_outputs, (x, y), **options)
    assert (a.tolist(), b.tolist()) == ([[6.0, 0.0], [0.0, 8.0]], [[2.0, 0.0], [0.0, 4.0]])
    assert (c.tolist(), d.tolist()) == ([2.0, 4.0], [1.0, 0.0])
    (single,) = functional.jacobian(lambda x: x * 2, (x,), **options)
    assert single.tolist() == [[2.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize("options", STRATEGIES)
def test_jacobians_that_can_be_differentiated(options):
    x = leaf([1.0, 2.0])
    jacobian = functional.jacobian(lambda x: x**3, x, create_graph=True, **options)
    jacobian.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


@pytest.mark.parametrize("options", STRATEGIES[:2])
def test_jacobians_of_functions_that_call_grad_and_of_empty_ones(options):
    def gradient(x):
        return torch.autograd.grad((x**3).sum(), x, create_graph=True)[0]

    x = dualad.tensor([1.0, 2.0])
    assert functional.jacobian(gradient, x, **options).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert functional.jvp(gradient, x, dualad.tensor([1.0, 0.5]))[1].tolist() == [6.0, 6.0]
    assert functional.jacobian(lambda x: x[:0], x, **options).shape == (0, 2)
    assert functional.jacobian(lambda x: x.sum(), dualad.zeros(0), **options).shape == (0,)
    constant = functional.jacobian(lambda x: dualad.ones(3), x, **options)
    assert constant.tolist() == [[0.0, 0.0]] * 3


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vectorize": True},
        {"vectorize": True, "outer_jacobian_strategy": "forward-mode"},
        {"outer_jacobian_strategy": "forward-mode"},
    ],
)
def test_hessians(options):
    x = dualad.tensor([[1.0, 2.0], [3.0, 4.0]])
    hessian = functional.hessian(lambda x: x.pow(3).sum(), x, **options)
    expected = dualad.zeros(2, 2, 2, 2)
    for i in range(2):
        for j in range(2):
            expected[i, j, i, j] = 6.0 * x[i, j]
    assert close(hessian, expected)
    a, b = leaf([1.0, 2.0]), dualad.tensor([3.0, 4.0])
    (xx, xy), (yx, yy) = functional.hessian(
        lambda x, y: 2 * x.pow(2).sum() + (3 * x * y.pow(2)).sum(), (a, b), create_graph=True, **options
    )
    assert close(xx, 4 * dualad.eye(2))
    assert close(xy, dualad.diag(6 * b))
    assert close(yx, dualad.diag(6 * b))
    assert close(yy, dualad.diag(6 * a.detach()))
    yy.sum().backward()
    assert a.grad.tolist() == [6.0, 6.0]


def test_products_are_those_of_the_whole_derivatives():
    x = dualad.tensor(X, dtype="float64")
    v, w = (
        dualad.tensor([0.3, -1.0], dtype="float64"),
        dualad.tensor([[1.0, 0.5], [-2.0, 0.1]], dtype="float64"),
    )
    jacobian = functional.jacobian(exp_reducer, x)
    y, pulled = functional.vjp(exp_reducer, x, v)
    assert close(y, exp_reducer(x))
    assert close(pulled, (v[:, None, None] * jacobian).sum(0))
    y, pushed = functional.jvp(exp_reducer, x, w)
    assert close(y, exp_reducer(x))
    assert close(pushed, (jacobian * w).sum((1, 2)))
    f = lambda x: (x.exp() * x[0, 0]).sum()  # noqa: E731
    hessian = functional.hessian(f, x)
    for product in (functional.vhp, functional.hvp):
        y, found = product(f, x, w)
        assert close(y, f(x))
        assert close(found, (hessian * w).sum((2, 3)))
        assert not found.requires_grad


def test_products_of_several_inputs_and_outputs():
    x, y = dualad.tensor([1.0, 2.0]), dualad.tensor([3.0, 4.0])
    v = (dualad.tensor([1.0, -1.0]), dualad.tensor(2.0))
    outs, (gx, gy) = functional.vjp(two_outputs, (x, y), v)
    assert (outs[0].tolist(), outs[1].item()) == ([6.0, 16.0], 8.0)
    assert (gx.tolist(), gy.tolist()) == ([10.0, 0.0], [4.0, -4.0])
    _, (a, b) = functional.jvp(two_outputs, (x, y), (dualad.ones(2), dualad.tensor([0.0, 1.0])))
    assert (a.tolist(), b.item()) == ([6.0, 12.0], 6.0)
    _, (hx, hy) = functional.hvp(lambda x, y: (x * x * y).sum(), (x, y), (dualad.ones(2), dualad.ones(2)))
    assert (hx.tolist(), hy.tolist()) == ([8.0, 12.0], [2.0, 4.0])


def test_products_that_can_be_differentiated():
    x = leaf([1.0, 2.0])
    v = dualad.tensor([1.0, 3.0])
    for product, expected in (
        (lambda: functional.vjp(lambda x: x**3, x, v, create_graph=True)[1], [6.0, 36.0]),
        (lambda: functional.jvp(lambda x: x**3, x, v, create_graph=True)[1], [6.0, 36.0]),
        (lambda: functional.hvp(lambda x: (x**3).sum(), x, v, create_graph=True)[1], [6.0, 18.0]),
        (lambda: functional.vhp(lambda x: (x**3).sum(), x, v, create_graph=True)[1], [6.0, 18.0]),
    ):
        x.grad = None
        product().sum().backward()
        assert x.grad.tolist() == expected


def test_the_vector_may_be_left_out_for_one_element():
    x = dualad.tensor(3.0)
    assert functional.vjp(lambda x: x**2, x)[1].item() == 6.0
    assert functional.jvp(lambda x: x**2, x)[1].item() == 6.0
    assert functional.hvp(lambda x: x**3, x)[1].item() == 18.0
    assert functional.vhp(lambda x: x**3, (x,))[1][0].item() == 18.0


def test_complex_products():
    z, v = dualad.tensor([1.0 + 2.0j, 0.5j]), dualad.tensor([1.0j, 2.0 + 1.0j])
    assert close(functional.jvp(lambda z: z**2, z, v)[1], 2 * z * v)
    assert close(functional.vjp(lambda z: z**2, z, v)[1], 2 * z.conj() * v)


def independent(x, y):
    return (x * 2).sum()


@pytest.mark.parametrize(
    "call",
    [
        lambda f, inputs: functional.vjp(f, inputs, strict=True),
        lambda f, inputs: functional.jvp(f, inputs, (dualad.ones(2), dualad.ones(2)), strict=True),
        lambda f, inputs: functional.jacobian(f, inputs, strict=True),
        lambda f, inputs: functional.hessian(f, inputs, strict=True),
        lambda f, inputs: functional.hvp(f, inputs, (dualad.ones(2), dualad.ones(2)), strict=True),
        lambda f, inputs: functional.vhp(f, inputs, (dualad.ones(2), dualad.ones(2)), strict=True),
    ],
)
def test_strict_finds_what_does_not_depend(call):
    inputs = (dualad.ones(2), dualad.ones(2))
    with pytest.raises(RuntimeError, match=r"independent of input.*strict mode"):
        call(independent, inputs)
    with pytest.raises(RuntimeError, match=r"Output 0 .* does not require gradients"):
        call(lambda x, y: dualad.tensor(1.0), inputs)


def test_strict_finds_derivatives_that_are_constant():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"independent of input 0.*create_graph=True"):
        functional.jacobian(lambda x: x * 2, x, create_graph=True, strict=True)
    with pytest.raises(RuntimeError, match="independent of input 0"):
        functional.hvp(lambda x: x.sum(), x, x, strict=True)
    functional.jacobian(lambda x: x * 2, x, strict=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: functional.jacobian(lambda x: x, 1.0), TypeError, "inputs given to jacobian.*got float"),
        (lambda x: functional.vjp(lambda x: x, (x, 2)), TypeError, "index 1 has type int"),
        (
            lambda x: functional.vjp(lambda x: 1.0, x),
            TypeError,
            "outputs of the user.*float",
        ),
        (
            lambda x: functional.vjp(lambda x: x, x),
            RuntimeError,
            "v can only be None if the user",
        ),
        (
            lambda x: functional.hvp(lambda x: x.sum(), x),
            RuntimeError,
            "v can only be None if the input",
        ),
        (
            lambda x: functional.vjp(lambda x: x, x, dualad.ones(3)),
            dualad.ShapeError,
            r"0.*\(2,\).*\(3,\)",
        ),
        (lambda x: functional.vjp(lambda x: x, x, (x, x)), dualad.ShapeError, "should be 1 but got 2"),
        (lambda x: functional.hessian(lambda x: x, x), RuntimeError, "contain a single element"),
        (lambda x: functional.hvp(lambda x: (x, x), x, x), RuntimeError, "single Tensor"),
        (lambda x: functional.jacobian(lambda x: x, x, strategy="sideways"), ValueError, "sideways"),
        (lambda x: functional.jacobian(lambda x: x, x, strict=True, vectorize=True), RuntimeError, "strict"),
        (lambda x: functional.jacobian(lambda x: x * 1j, x), RuntimeError, "complex"),
        (lambda x: functional.jacobian(3, x), TypeError, "jacobian: expected a function, got int"),
        (lambda x: functional.vjp(3, x), TypeError, "vjp: expected a function, got int"),
        (lambda x: functional.hessian(3, x), TypeError, "hessian: expected a function, got int"),
        (
            lambda x: functional.hessian(lambda x: x.detach().sum(), x, strict=True),
            RuntimeError,
            "^hessian: Output 0",
        ),
        (
            lambda x: functional.hessian(lambda x: x, "a", outer_jacobian_strategy="forward-mode"),
            TypeError,
            "inputs given to hessian must be",
        ),
    ],
)
def test_what_functional_is_not_given(call, error, message):
    with pytest.raises(error, match=message):
        call(dualad.tensor([1.0, 2.0]))


def test_functions_write_to_nothing_of_the_users():
    def f(x):
        y = x.view(2)
        y[0] = 5.0
        return (x * x).sum()

    x = leaf([1.0, 2.0])
    assert functional.jacobian(f, x, create_graph=True).tolist() == [0.0, 4.0]
    with pytest.raises(dualad.InplaceError, match="leaf Variable that requires grad"):
        functional.jacobian(f, x)
    assert x.tolist() == [1.0, 2.0]


# -- programs after PyTorch's documentation --------------------------------------------------------


def flat(result):
    """Return all that a program gives, one after the other."""
    if isinstance(result, (list, tuple)):
        return ["[", *(part for r in result for part in flat(r)), "]"]
    return [result]


def same(got, expected):
    near = [pytest.approx(b, rel=1e-5, abs=1e-6) if isinstance(b, float) else b for b in flat(expected)]
    return flat(got) == near


@pytest.mark.parametrize("name", pytorch_programs.EXPECTED)
def test_programs_give_what_they_give_with_pytorch(name):
    program = getattr(pytorch_programs, name)
    got = program(torch)
    assert same(got, pytorch_programs.EXPECTED[name]), got


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own, inside it
@pytest.mark.parametrize("name", pytorch_programs.EXPECTED)
def test_what_programs_give_with_pytorch_is_written_down(name):
    real = pytest.importorskip("torch")
    pytest.importorskip("torch.utils.checkpoint")
    pytest.importorskip("torch.autograd.forward_ad")
    assert same(getattr(pytorch_programs, name)(real), pytorch_programs.EXPECTED[name])
