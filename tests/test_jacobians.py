"""Jacobians, Hessians and linear maps: what comes out has the shapes and kinds of what goes in."""

import numpy as np
import optree
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


@pytest.mark.parametrize("jacobian", BOTH)
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_chunks_give_the_same(jacobian, chunk):
    f = lambda p, y: {"a": dualad.tanh(A @ p["w"]) * y, "b": p["w"][:2].sum() ** 2, "c": 1.0}  # noqa: E731
    args = {"w": np.array([1.0, 2.0, -0.5]), "v": np.ones((2, 2))}, np.array([0.5, -1.0])
    whole, parts = jacobian(f, (0, 1))(*args), jacobian(f, (0, 1), chunk_size=chunk)(*args)
    leaves, structure = optree.tree_flatten(whole)
    same, same_structure = optree.tree_flatten(parts)
    assert structure == same_structure
    assert len(leaves) == 9
    for a, b in zip(leaves, same, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    assert np.allclose(whole["a"][1], np.diag(np.tanh(A @ args[0]["w"])))
    assert not np.any(whole["c"][0]["w"])


@pytest.mark.parametrize("jacobian", BOTH)
def test_programs_that_look_at_values_and_write(jacobian):
    def f(x):
        y = dualad.zeros_like(x)
        for i in range(3):
            y[i] = x[i] ** 2 if x[i] > 0 else -x[i]
        y += x[0]
        return y

    want = np.diag([2.0, -1.0, 6.0])
    want[:, 0] += 1.0
    assert np.array_equal(jacobian(f)(np.array([1.0, -2.0, 3.0])), want)


@pytest.mark.parametrize("jacobian", BOTH)
def test_random_numbers_are_the_same_for_all_directions(jacobian):
    def f(x):
        mask = dualad.rand(3, dtype=dualad.float64)
        return x * mask, mask

    j, mask = jacobian(f, has_aux=True)(np.ones(3))
    assert np.array_equal(np.diag(mask), j)
    assert len(set(mask)) == 3


def test_random_numbers_of_jacfwd_as_asked_for():
    f = lambda x: x * dualad.rand(3, dtype=dualad.float64)  # noqa: E731
    with pytest.raises(dualad.BatchError, match="rand"):
        dualad.jacfwd(f, randomness="error")(np.ones(3))


@pytest.mark.parametrize("jacobian", BOTH)
def test_jacobians_of_examples(jacobian, device):
    x = dualad.asarray(np.arange(6.0, dtype=np.float32).reshape(2, 3), device=device)
    a = dualad.asarray(A.astype(np.float32), device=device)
    f = lambda x: dualad.sin(a @ x) * x[0]  # noqa: E731
    batched = dualad.vmap(jacobian(f))(x)
    assert batched.shape == (2, 2, 3)
    for j, example in zip(batched, x, strict=True):
        np.testing.assert_allclose(j.cpu().numpy(), jacobian(f)(example).cpu().numpy(), atol=1e-5)


def test_hessians_of_several_outputs_and_pytrees():
    calls = []

    def f(p, y):
        calls.append(1)
        return {"v": p["x"] ** 3 * y, "s": (p["x"] ** 2).sum(), "n": 3}

    x = np.array([1.0, 2.0])
    h = dualad.hessian(f, (0, 1))({"x": x}, 5.0)
    assert len(calls) == 1
    xx = np.zeros((2, 2, 2))
    xx[[0, 1], [0, 1], [0, 1]] = 6 * x * 5.0
    assert np.allclose(h["v"][0]["x"][0]["x"], xx)
    assert np.allclose(h["v"][0]["x"][1], np.diag(3 * x**2))
    assert np.allclose(h["v"][1][0]["x"], np.diag(3 * x**2))
    assert np.array_equal(h["v"][1][1], [0.0, 0.0])
    assert np.array_equal(h["s"][0]["x"][0]["x"], 2 * np.eye(2))
    assert h["s"][1] == ({"x": pytest.approx(0.0)}, 0.0)
    assert not np.any(h["n"][0]["x"][0]["x"])
    assert np.allclose(dualad.hessian(f, (0, 1), chunk_size=1)({"x": x}, 5.0)["v"][0]["x"][0]["x"], xx)


def test_hessians_nest():
    f = lambda x: dualad.sum(x**4)  # noqa: E731
    x = np.array([1.0, 2.0])
    third = dualad.jacfwd(dualad.hessian(f))(x)
    assert np.allclose(third[[0, 1], [0, 1], [0, 1]], 24 * x)
    assert third.sum() == 72.0
    traces = dualad.vmap(lambda x: dualad.linalg.trace(dualad.hessian(f)(x)))(np.stack([x, 2 * x]))
    assert traces.tolist() == [60.0, 240.0]
    assert dualad.grad(lambda x: dualad.hessian(f)(x).sum())(x).tolist() == (24 * x).tolist()


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
    with pytest.raises(dualad.GradientError, match="jvp: The vector v can only be None"):
        functional.jvp(lambda x: x, x)


JACOBIANS = [dualad.jacrev, dualad.jacfwd, dualad.jacobian, dualad.hessian]


@pytest.mark.parametrize("jacobian", JACOBIANS)
@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda x: {"a": x, "b": ["s"]}, r"got str at \['b'\]\[0\]; with has_aux=True"),
        (lambda x: (x, dualad.argmax(x)), r"got dualad.int64 at \[1\];"),
        (lambda x: np.arange(3), "got dualad.int64;"),
        (lambda x: x > 0, "got dualad.bool;"),
        (lambda x: None, "got NoneType;"),
    ],
)
def test_outputs_that_have_no_jacobian_are_refused(jacobian, f, says):
    """Zeros would say that they do not depend on anything."""
    with pytest.raises(dualad.GradientError, match=f"^{jacobian.__name__}: the function must give .*{says}"):
        jacobian(f)(np.ones(2))


@pytest.mark.parametrize("jacobian", JACOBIANS)
def test_numbers_and_nothing_are_outputs(jacobian):
    found = jacobian(lambda x: {"x": x * 2.0, "n": 3, "s": 0.5, "none": None})(1.5)
    x = 0.0 if jacobian is dualad.hessian else 2.0
    assert found == {"x": x, "n": 0.0, "s": 0.0, "none": None}


@pytest.mark.parametrize("jacobian", JACOBIANS)
def test_the_size_of_chunks_is_checked_at_once(jacobian):
    with pytest.raises(ValueError, match=f"^{jacobian.__name__}: chunk_size must be at least 1, got 0"):
        jacobian(dualad.sin, chunk_size=0)
    with pytest.raises(TypeError, match=f"^{jacobian.__name__}: chunk_size must be an integer or None"):
        jacobian(dualad.sin, chunk_size=1.5)


def test_a_random_function_differs_between_columns_if_asked_for():
    dualad.manual_seed(0)
    draws = []

    def f(x):
        draws.append(dualad.rand(3, dtype=dualad.float64))
        return {"r": x * draws[-1], "n": dualad.sum(x)}

    x = np.ones(3)
    found = dualad.jacfwd(f, randomness="different")(x)
    same = dualad.jacfwd(f, randomness="same")(x)
    assert found["n"].tolist() == same["n"].tolist() == [1.0] * 3
    for jacobian in (found["r"], same["r"]):
        slopes = np.diag(jacobian)
        assert np.array_equal(jacobian, np.diag(slopes))
        assert len(set(slopes)) == 3
    with pytest.raises(ValueError, match="jacfwd: with randomness='different' each column has an aux"):
        dualad.jacfwd(lambda x: (x, x), has_aux=True, randomness="different")
    with pytest.raises(ValueError, match="jacfwd: randomness must be"):
        dualad.jacfwd(f, randomness="some")
    with pytest.raises(dualad.BatchError, match="random"):
        dualad.jacfwd(f, randomness="error")(x)
