"""Jacobians, Hessians and linear maps: what comes out has the shapes and kinds of what goes in."""

import numpy as np
import pytest

import dualad

BOTH = [dualad.jacrev, dualad.jacfwd, dualad.jacobian]
A = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])


@pytest.mark.parametrize("jacobian", BOTH)
def test_of_a_linear_map_is_its_matrix(jacobian):
    x = np.array([1.0, -2.0, 0.5])
    j = jacobian(lambda x: dualad.matmul(A, x))(x)
    assert type(j) is np.ndarray
    assert np.array_equal(j, A)


@pytest.mark.parametrize("jacobian", BOTH)
def test_shapes_of_output_and_argument_follow_each_other(jacobian, device):
    x = dualad.asarray(np.arange(6.0, dtype=np.float32).reshape(2, 3), device=device)
    j = jacobian(lambda x: dualad.sin(x).T)(x)
    assert (j.shape, j.device, j.dtype) == ((3, 2, 2, 3), x.device, x.dtype)
    want = np.einsum("ji,jk,il->ijkl", np.cos(x.cpu().numpy()), np.eye(2), np.eye(3))
    assert np.allclose(j.cpu().numpy(), want, atol=1e-6)


@pytest.mark.parametrize("jacobian", BOTH)
def test_numbers_pytrees_and_several_arguments(jacobian):
    assert jacobian(lambda x: x**3)(2.0) == 12.0
    f = lambda p, y: {"a": p["w"] * y, "b": p["v"].sum() * y}  # noqa: E731
    p = {"w": np.array([1.0, 2.0]), "v": np.ones(3)}
    j = jacobian(f, (0, 1))(p, 3.0)
    assert j["a"][0]["w"].tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert j["a"][0]["v"].shape == (2, 3)
    assert j["b"][0]["v"].tolist() == [3.0, 3.0, 3.0]
    assert j["b"][1] == 3.0


@pytest.mark.parametrize("jacobian", BOTH)
def test_nothing_in_and_nothing_out(jacobian):
    assert jacobian(lambda x: x * 2)(np.zeros(0)).shape == (0, 0)
    assert jacobian(lambda x: x[:0])(np.ones(3)).shape == (0, 3)


def test_both_agree_and_nest():
    x = np.random.default_rng(0).standard_normal(4)
    f = lambda x: dualad.stack([dualad.sum(dualad.exp(x) * x), x[0] * x[1] ** 2])  # noqa: E731
    assert np.allclose(dualad.jacrev(f)(x), dualad.jacfwd(f)(x))
    second = [a(b(f))(x) for a in BOTH for b in BOTH]
    assert all(np.allclose(s, second[0]) for s in second)
    assert second[0].shape == (2, 4, 4)


def test_hessians_and_their_products():
    x, t = np.array([1.0, 2.0, -0.5]), np.array([0.3, -1.0, 2.0])
    f = lambda x: dualad.sum(x**3) * x[0]  # noqa: E731
    h = dualad.hessian(f)(x)
    assert np.allclose(h, h.T)
    assert np.allclose(h @ t, dualad.hvp(f, (x,), (t,)))
    blocks = dualad.hessian(lambda a, b: a**2 * b, (0, 1))(2.0, 3.0)
    assert blocks == ((6.0, 4.0), (4.0, 0.0))


def test_linearize_evaluates_once():
    calls = []

    def f(p):
        calls.append(1)
        return {"s": dualad.sin(p["x"]), "q": (p["x"] * p["y"]).sum()}

    p = {"x": np.array([0.5, 1.0]), "y": np.array([2.0, 3.0])}
    y, push = dualad.linearize(f, p)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        t = {"x": rng.standard_normal(2), "y": rng.standard_normal(2)}
        want = {"s": np.cos(p["x"]) * t["x"], "q": (p["x"] * t["y"] + t["x"] * p["y"]).sum()}
        got = push(t)
        assert np.allclose(got["s"], want["s"])
        assert np.allclose(got["q"], want["q"])
    assert len(calls) == 1
    assert np.allclose(y["s"], np.sin(p["x"]))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: dualad.jacrev(lambda x: x * 1j)(np.ones(2) * 1j), "jacrev: complex"),
        (lambda: dualad.jacfwd(lambda x: x, 3)(np.ones(2)), "jacfwd: argnums names argument 3"),
    ],
)
def test_what_is_refused(call, says):
    with pytest.raises(dualad.GradientError, match=says):
        call()


@pytest.mark.parametrize("jacobian", BOTH)
def test_the_function_is_evaluated_once(jacobian):
    calls = []

    def f(x):
        calls.append(1)
        return dualad.concat([x, x * x])

    jacobian(f)(np.ones(4))
    assert len(calls) == 1


def test_elementwise_gradients_and_stopped_ones():
    x = np.array([0.5, 1.0])
    assert np.allclose(dualad.elementwise_grad(dualad.elementwise_grad(np.sin))(x), -np.sin(x))
    f = lambda x: (dualad.stop_gradient({"a": x})["a"] * x).sum()  # noqa: E731
    assert dualad.grad(f)(x).tolist() == x.tolist()
    assert dualad.jvp(f, (x,), (np.ones(2),))[1] == x.sum()
    assert dualad.hessian(f)(x).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_form_of_pytorch():
    functional = dualad.autograd.functional
    x, y = dualad.tensor([1.0, 2.0], requires_grad=True), dualad.tensor(3.0)
    f = lambda x, y: ((x * y).sum(), x * x)  # noqa: E731
    (a, b), (c, d) = functional.jacobian(f, (x, y))
    assert (a.tolist(), b.item(), c.tolist(), d.tolist()) == (
        [3.0, 3.0],
        3.0,
        [[2.0, 0.0], [0.0, 4.0]],
        [0.0, 0.0],
    )
    assert not a.requires_grad
    g = lambda x, y: (x**2).sum() * y  # noqa: E731
    (xx, xy), (yx, yy) = functional.hessian(g, (x, y))
    assert xx.tolist() == [[6.0, 0.0], [0.0, 6.0]]
    assert xy.tolist() == yx.tolist() == [2.0, 4.0]
    assert yy.item() == 0.0
    v = (dualad.ones(2), dualad.tensor(1.0))
    value, product = functional.hvp(g, (x, y), v)
    assert (value.item(), product[0].tolist(), product[1].item()) == (15.0, [8.0, 10.0], 6.0)
    assert functional.vjp(g, (x, y))[1][0].tolist() == [6.0, 12.0]
    assert functional.jvp(g, (x, y), v)[1].item() == 6.0 + 12.0 + 5.0
    j = functional.jacobian(lambda x: x**3, x, create_graph=True)
    j.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]
    with pytest.raises(dualad.GradientError, match="jvp: the vector v can only be left out"):
        functional.jvp(lambda x: x, x)
