"""Dual levels: tangents that go along with Tensors, and are gone when the level ends.

The numbers beside programs from PyTorch's documentation are what PyTorch 2.13 prints for them.
"""

import threading

import numpy as np
import pytest

import dualad
import dualad as torch
import dualad.autograd.forward_ad as fwAD


def pair(x, t=None, device="cpu", dtype=None):
    x = dualad.tensor(x, device=device, dtype=dtype)
    return x, dualad.ones_like(x) if t is None else dualad.tensor(t, device=device, dtype=x.dtype)


def test_a_program_of_the_tutorial(device):
    primal, tangent = pair([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.5, -1.0]], device)

    def fn(x, y):
        return x**2 + y**2

    with fwAD.dual_level():
        dual_input = fwAD.make_dual(primal, tangent)
        assert fwAD.unpack_dual(dual_input).tangent is tangent
        plain_tensor = torch.ones(2, 2, device=device)
        dual_output = fn(dual_input, plain_tensor)
        jvp = fwAD.unpack_dual(dual_output).tangent
    assert jvp.tolist() == [[2.0, 0.0], [3.0, -8.0]]
    assert fwAD.unpack_dual(dual_output).tangent is None


def test_what_is_unpacked():
    x, t = pair([1.0, 2.0], [1.0, 0.0])
    with fwAD.dual_level():
        assert fwAD.unpack_dual(x) == (x, None)
        d = fwAD.make_dual(x, t)
        unpacked = fwAD.unpack_dual(d * d)
        assert unpacked.primal.tolist() == [1.0, 4.0]
        assert unpacked.tangent.tolist() == [2.0, 0.0]
        assert fwAD.unpack_dual(unpacked.primal).tangent is None
        assert fwAD.unpack_dual(d.detach()).tangent is None
        assert repr(d) == "tensor([1., 2.], tangent=tensor([1., 0.]))"
    assert fwAD.unpack_dual(x) == (x, None)


def test_a_dual_tensor_is_no_leaf_of_reverse_mode():
    x, t = pair([1.0, 2.0])
    with fwAD.dual_level():
        d = fwAD.make_dual(x, t)
        assert not d.requires_grad
        assert d.is_leaf
        assert d.grad_fn is None
        e = fwAD.make_dual(x.clone().requires_grad_(), t)
        assert e.requires_grad
        assert (e * 2).grad_fn.name() == "MulBackward0"


@pytest.mark.parametrize("name", ["sin", "exp", "tanh", "sigmoid", "sqrt", "cumsum", "softmax"])
def test_tangents_are_those_of_jvp(name, device):
    x, t = pair([0.5, 1.0, 2.0], [1.0, -2.0, 0.5], device)
    along = (-1,) if name in ("cumsum", "softmax") else ()
    f = lambda x: getattr(x, name)(*along) * x  # noqa: E731
    with fwAD.dual_level():
        y, tangent = fwAD.unpack_dual(f(fwAD.make_dual(x, t)))
    expected = dualad.jvp(f, (x,), (t,))
    assert y.tolist() == expected[0].tolist()
    assert tangent.tolist() == expected[1].tolist()


# -- the end of a level ----------------------------------------------------------------------------


def test_tangents_are_gone_when_their_level_has_ended():
    x, t = pair([1.0, 2.0])
    with fwAD.dual_level():
        d = fwAD.make_dual(x, t)
        y = d * d
        view = y[:1]
    for z in (d, y, view, y + 1):
        assert "tangent" not in repr(z)
        assert not z.requires_grad
        assert z.numpy().dtype == np.float32
    with fwAD.dual_level():
        assert fwAD.unpack_dual(y).tangent is None
        assert fwAD.unpack_dual(y * fwAD.make_dual(x, t)).tangent.tolist() == [1.0, 4.0]


def test_history_outlives_the_level():
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    with fwAD.dual_level():
        y = (fwAD.make_dual(x, dualad.ones(2)) ** 3).sum()
    y.backward()
    assert x.grad.tolist() == [3.0, 12.0]


def test_levels_end_with_an_exception():
    x, t = pair([1.0, 2.0])
    duals = []

    def fails():
        duals.append(fwAD.make_dual(x, t))
        raise KeyError

    with pytest.raises(KeyError), fwAD.dual_level():
        fails()
    assert fwAD.unpack_dual(duals[0]).tangent is None
    with pytest.raises(dualad.GradientError, match="no level exists"):
        fwAD.make_dual(x, t)


def test_levels_as_functions_and_as_a_decorator():
    x, t = pair([1.0, 2.0])
    assert fwAD.enter_dual_level() == 0
    d = fwAD.make_dual(x, t)
    assert fwAD.unpack_dual(d).tangent is t
    fwAD.exit_dual_level(level=0)
    assert fwAD.unpack_dual(d).tangent is None

    @fwAD.dual_level()
    def derivative(x):
        return fwAD.unpack_dual(fwAD.make_dual(x, t) ** 2).tangent

    assert derivative(x).tolist() == [2.0, 4.0]
    assert derivative(x).tolist() == [2.0, 4.0]


# -- nested, and mixed with other modes ------------------------------------------------------------


def test_levels_nest():
    x, t = pair(2.0)
    with fwAD.dual_level() as outer:
        a = fwAD.make_dual(x, t)
        with fwAD.dual_level() as inner:
            assert (outer, inner) == (0, 1)
            b = fwAD.make_dual(a, t)
            with pytest.raises(dualad.GradientError, match="unpack it outside of that"):
                fwAD.unpack_dual(b, level=outer)
            first = fwAD.unpack_dual(b**4).tangent
        second = fwAD.unpack_dual(first).tangent
    assert second.item() == 48.0


def test_reverse_over_forward(device):
    x = dualad.tensor([1.0, 2.0], device=device, requires_grad=True)
    t = dualad.tensor([1.0, -1.0], device=device)
    with fwAD.dual_level():
        y = (fwAD.make_dual(x, t) ** 3).sum()
        tangent = fwAD.unpack_dual(y).tangent
        (product,) = dualad.autograd.grad(tangent, x)
    assert product.tolist() == [6.0, -12.0]


def test_backward_inside_a_level():
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    with fwAD.dual_level():
        d = fwAD.make_dual(x, dualad.ones(2))
        y = d**3
        y.retain_grad()
        y *= 1
        seen = []
        y.register_hook(lambda g: seen.append(g.tolist()))
        y.sum().backward()
        (g,) = dualad.autograd.grad((d**2).sum(), d)
    assert x.grad.tolist() == [3.0, 12.0]
    assert seen == [[1.0, 1.0]]
    assert g.tolist() == [2.0, 4.0]


def test_inside_transforms():
    def derivative(x):
        with fwAD.dual_level():
            return fwAD.unpack_dual(dualad.sin(fwAD.make_dual(x, dualad.ones_like(x)))).tangent

    x = dualad.tensor([0.5, 1.0])
    assert dualad.allclose(derivative(x), dualad.cos(x))
    assert dualad.allclose(dualad.grad(lambda x: derivative(x).sum())(x), -dualad.sin(x))
    assert dualad.allclose(dualad.vmap(derivative)(dualad.stack([x, 2 * x]))[1], dualad.cos(2 * x))
    assert dualad.allclose(dualad.jvp(derivative, (x,), (dualad.ones(2),))[1], -dualad.sin(x))


def test_transforms_inside():
    x, t = pair([0.5, 1.0], [1.0, 2.0])
    with fwAD.dual_level():
        d = fwAD.make_dual(x, t)
        gradient = dualad.grad(lambda x: (x**3).sum())(d)
        assert fwAD.unpack_dual(gradient).tangent.tolist() == [3.0, 12.0]
        squares = dualad.vmap(lambda x: fwAD.unpack_dual(x * x).tangent)(d)
        assert squares.tolist() == [1.0, 4.0]
        with pytest.raises(dualad.GradientError, match="inside the function that is transformed"):
            dualad.grad(lambda x: fwAD.make_dual(x, t).sum())(x)


def test_writing_carries_tangents():
    x, t = pair([1.0, 2.0], [1.0, 0.5])
    with fwAD.dual_level():
        d = fwAD.make_dual(x, t)
        y = dualad.zeros(3)
        y[:2] = d * d
        y *= 2
        assert fwAD.unpack_dual(y).tangent.tolist() == [4.0, 4.0, 0.0]
        x.zero_()
        t.zero_()
        assert fwAD.unpack_dual(d).tangent.tolist() == [1.0, 0.5]
        assert fwAD.unpack_dual(d).primal.tolist() == [1.0, 2.0]


def test_complex_numbers():
    z, t = dualad.tensor([1.0 + 2.0j]), dualad.tensor([1.0j])
    with fwAD.dual_level():
        assert fwAD.unpack_dual(fwAD.make_dual(z, t) ** 2).tangent.tolist() == [2 * (1 + 2j) * 1j]


def test_levels_are_those_of_their_thread():
    x, t = pair([1.0])
    errors = []

    def other():
        try:
            fwAD.make_dual(x, t)
        except dualad.GradientError as error:
            errors.append(error)

    with fwAD.dual_level():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(errors) == 1


# -- what is refused -------------------------------------------------------------------------------


def test_duals_that_cannot_be_made(device):
    x, t = pair([1.0, 2.0], device=device)
    with pytest.raises(RuntimeError, match=r"no level exists, make sure to enter_dual_level\(\) first"):
        fwAD.make_dual(x, t)
    with fwAD.dual_level():
        d = fwAD.make_dual(x, t)
        for tensor, tangent, error, message in (
            (d, t, RuntimeError, "already has a forward gradient at the same level 0"),
            (x, dualad.ones(3, device=device), RuntimeError, r"different size.*size \(2,\).*size \(3,\)"),
            (x, t.to(dualad.complex64), dualad.DTypeError, "complex64"),
            (dualad.ones(2, dtype=int), t, ValueError, "primal to be floating point or complex.*int64"),
            (x, dualad.ones(2, dtype=int), ValueError, "tangent to be floating point or complex.*int64"),
            (x, 1.0, TypeError, "tangent to be a Tensor, but got: float"),
            (1.0, t, TypeError, "primal to be a Tensor, but got: float"),
        ):
            with pytest.raises(error, match=message):
                fwAD.make_dual(tensor, tangent)
        with pytest.raises(RuntimeError, match="no dual level 3"):
            fwAD.make_dual(x, t, level=3)
        with pytest.raises(TypeError, match="expected a Tensor, got float"):
            fwAD.unpack_dual(1.0)
        if device != "cpu":
            with pytest.raises(dualad.DeviceError, match="move it first"):
                fwAD.make_dual(x, dualad.ones(2))


def test_levels_that_cannot_be_left():
    with pytest.raises(RuntimeError, match="no level to exit"):
        fwAD.exit_dual_level()
    with fwAD.dual_level(), fwAD.dual_level(), pytest.raises(RuntimeError, match="not the last one"):
        fwAD.exit_dual_level(level=0)


# -- gradients inside a level ----------------------------------------------------------------------


def test_a_gradient_that_is_recorded_has_a_tangent():
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    t = dualad.tensor([1.0, 0.0])
    with fwAD.dual_level():
        d = fwAD.make_dual(x, t)
        (g,) = dualad.autograd.grad((d**3).sum(), d, create_graph=True)
        primal, tangent = fwAD.unpack_dual(g)
        assert primal.tolist() == [3.0, 12.0]
        assert tangent.tolist() == [6.0, 0.0]
        assert fwAD.unpack_dual((g * d).sum()).tangent.item() == 9.0  # d(3x³)
        (constant,) = dualad.autograd.grad((d**3).sum(), d)
        assert fwAD.unpack_dual(constant).tangent is None
    assert primal.requires_grad


@pytest.mark.parametrize(
    "f",
    [
        lambda x: dualad.exp(x) * dualad.sin(x),
        lambda x: dualad.softmax(x, -1) * x[0],
        lambda x: (dualad.exp(x) ** 2).cumsum(0) / x,
    ],
)
def test_tangents_of_gradients_are_hessian_products(f):
    v, t = dualad.tensor([1.0, -2.0], dtype="float64"), dualad.tensor([0.3, 0.7], dtype="float64")
    start = dualad.tensor([0.5, 1.5], dtype="float64")

    def gradient(x, c, inner):
        z = inner(x)
        return dualad.grad(lambda z: (f(z) * c).sum())(z)

    for inner in (lambda x: x, lambda x: dualad.exp(x) * 2):
        x = start.clone().requires_grad_()
        with fwAD.dual_level():
            d = fwAD.make_dual(x, t)
            z = inner(d)
            (g,) = dualad.autograd.grad(f(z), z, v * d, create_graph=True)
            got = fwAD.unpack_dual(g).tangent
        expected = dualad.jvp(lambda x, inner=inner: gradient(x, v * x, inner), (start,), (t,))[1]
        assert dualad.allclose(got, expected, rtol=1e-12)


def test_tangents_of_gradients_at_two_levels():
    x = dualad.tensor(2.0, requires_grad=True)
    one = dualad.tensor(1.0)
    with fwAD.dual_level(), fwAD.dual_level():
        d = fwAD.make_dual(fwAD.make_dual(x, one, level=0), one, level=1)
        (g,) = dualad.autograd.grad(d**5, d, create_graph=True)
        second = fwAD.unpack_dual(g).tangent
        third = fwAD.unpack_dual(second, level=0).tangent
    assert (second.item(), third.item()) == (160.0, 240.0)


def test_one_level_object_in_several_threads():
    @fwAD.dual_level()
    def derivative(k):
        d = fwAD.make_dual(dualad.tensor(k), dualad.tensor(1.0))
        barrier.wait()
        y = d**2
        barrier.wait()
        return fwAD.unpack_dual(y).tangent.item()

    barrier, found = threading.Barrier(4), {}

    def work(k):
        for _ in range(20):
            found[k] = derivative(float(k))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {k: 2.0 * k for k in range(4)}


def test_a_level_may_be_ended_before_its_context():
    x, t = pair([1.0, 2.0])
    with fwAD.dual_level():
        d = fwAD.make_dual(x, t)
        fwAD.exit_dual_level()
        assert fwAD.unpack_dual(d).tangent is None
