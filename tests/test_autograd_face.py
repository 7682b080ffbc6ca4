"""`dualad.autograd` called as PyTorch's: grad, backward, batches of cotangents, modes, functional.

The numbers beside programs from PyTorch's documentation are what PyTorch 2.13 prints for them.
"""

import threading

import numpy as np
import pytest

import dualad
import dualad as torch
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
