"""`grad`, `value_and_grad`, `vjp` and `jvp`: what goes in comes out."""

import copy
from typing import NamedTuple

import numpy as np
import pytest

import dualad


class Pair(NamedTuple):
    """A pytree of a user's."""

    a: object
    b: object


def _square(x):
    return (x * x).sum() if hasattr(x, "sum") else x * x


def test_numpy_in_numpy_out():
    x = np.array([1.0, 2.0], dtype=np.float32)
    value, g = dualad.value_and_grad(lambda x: np.sum(x * x))(x)
    assert type(g) is np.ndarray
    assert g.dtype == np.float32
    assert isinstance(value, np.float32)
    assert g.tolist() == [2.0, 4.0]


def test_tensors_in_tensors_out(device):
    x = dualad.tensor([1.0, 2.0], device=device)
    value, g = dualad.value_and_grad(_square)(x)
    assert type(value) is type(g) is dualad.Tensor
    assert (g.device, g.tolist(), value.item()) == (x.device, [2.0, 4.0], 5.0)
    assert not g.requires_grad


def test_a_backends_arrays_in_and_out(device):
    raw = dualad.tensor([1.0, 2.0], device=device)._raw
    g = dualad.grad(_square)(raw)
    (pushed, tangent) = dualad.jvp(lambda x: x * x, (raw,), (raw,))
    assert type(g) is type(pushed) is type(tangent) is type(raw)


def test_floats_in_double_precision():
    value, g = dualad.value_and_grad(lambda x: x**3)(0.1)
    assert type(value) is type(g) is float
    assert g == pytest.approx(0.03, rel=1e-15)


def test_argnums_and_keywords():
    f = lambda x, y, *, k=1.0: k * x * y**2  # noqa: E731
    assert dualad.grad(f, argnums=1)(2.0, 3.0, k=2.0) == 24.0
    assert dualad.grad(f, argnums=(0, -1))(2.0, 3.0) == (9.0, 12.0)
    with pytest.raises(dualad.GradientError, match="argnums names argument 2, but 2"):
        dualad.grad(f, argnums=2)(1.0, 1.0)


def test_has_aux():
    f = lambda x: (x * x, {"seen": x + 1})  # noqa: E731
    assert dualad.grad(f, has_aux=True)(3.0) == (6.0, {"seen": 4.0})
    assert dualad.value_and_grad(f, has_aux=True)(3.0) == ((9.0, {"seen": 4.0}), 6.0)
    assert dualad.jvp(f, (3.0,), (1.0,), has_aux=True) == (9.0, 6.0, {"seen": 4.0})
    y, pullback, aux = dualad.vjp(f, 3.0, has_aux=True)
    assert (y, pullback(1.0), aux) == (9.0, (6.0,), {"seen": 4.0})
    with pytest.raises(dualad.GradientError, match=r"must return \(output, aux\)"):
        dualad.grad(lambda x: x, has_aux=True)(1.0)


def test_pytrees():
    tree = {"w": [1.0, 2.0], "p": Pair(3.0, None)}
    f = lambda t: t["w"][0] * t["w"][1] * t["p"].a  # noqa: E731
    assert dualad.grad(f)(tree) == {"w": [6.0, 3.0], "p": Pair(2.0, None)}
    y, pullback = dualad.vjp(lambda t: {"out": f(t), "same": t["p"]}, tree)
    assert y == {"out": 6.0, "same": Pair(3.0, None)}
    (g,) = pullback({"out": 1.0, "same": Pair(10.0, None)})
    assert g == {"w": [6.0, 3.0], "p": Pair(12.0, None)}
    assert pullback({"out": 1.0, "same": Pair(0.0, None)})[0]["p"].a == 2.0  # again


def test_complex():
    z = np.array([1 + 2j, -0.5j])
    np.testing.assert_allclose(dualad.grad(lambda z: np.sum(np.abs(z) ** 2))(z), 2 * z)
    _, t = dualad.jvp(np.exp, (z,), (1j * z,))
    np.testing.assert_allclose(t, np.exp(z) * 1j * z)
    _, pullback = dualad.vjp(np.exp, z)
    np.testing.assert_allclose(pullback(z)[0], np.conj(np.exp(z)) * z)


def test_results_that_do_not_move():
    assert dualad.grad(lambda x: 2.0)(1.0) == 0.0
    assert dualad.jvp(lambda x: 2.0, (1.0,), (1.0,)) == (2.0, 0.0)
    y, pullback = dualad.vjp(lambda x: 5.0, 1.0)
    assert (y, pullback(1.0)) == (5.0, (0.0,))


def test_what_cannot_be_differentiated():
    with pytest.raises(dualad.DTypeError, match=r"write 2\.0 rather than 2"):
        dualad.grad(lambda x: x * x)(2)
    with pytest.raises(dualad.DTypeError, match="int64"):
        dualad.grad(np.sum)(np.arange(3))
    with pytest.raises(dualad.GradientError, match=r"got shape \(2,\)"):
        dualad.grad(lambda x: x * 2)(np.ones(2))
    with pytest.raises(dualad.GradientError, match=r"real number, got dualad\.complex"):
        dualad.grad(lambda z: z * z)(1j)
    with pytest.raises(dualad.GradientError, match="got str"):
        dualad.grad(lambda x: "text")(1.0)


def test_directions_that_do_not_fit():
    with pytest.raises(dualad.ShapeError, match=r"tangent has shape \(3,\), expected \(2,\)"):
        dualad.jvp(np.sin, (np.ones(2),), (np.ones(3),))
    with pytest.raises(dualad.GradientError, match="structure"):
        dualad.jvp(np.sin, (np.ones(2),), (np.ones(2), np.ones(2)))
    with pytest.raises(TypeError, match="tuples"):
        dualad.jvp(np.sin, np.ones(2), np.ones(2))
    _, pullback = dualad.vjp(np.sin, np.ones(2))
    with pytest.raises(dualad.ShapeError, match="cotangent has shape"):
        pullback(np.ones(3))


def test_inside_no_grad():
    with dualad.no_grad():
        assert dualad.grad(lambda x: x * x)(3.0) == 6.0
    with_constant = dualad.grad(lambda x: x * dualad.no_grad()(lambda: x * x)())
    assert with_constant(3.0) == 9.0


def test_a_users_array_may_change_afterwards():
    x = np.array([1.0, 2.0])
    _, pullback = dualad.vjp(lambda x: x * x, x)
    x[:] = 0.0
    assert pullback(np.ones(2))[0].tolist() == [2.0, 4.0]


# -- NumPy's own functions ---------------------------------------------------------------------

A, B = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.5, -1.0], [2.0, 1.5]])
FUNCTIONS = [
    np.sin, np.exp, np.square, np.reciprocal, np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std, np.transpose,
    np.ravel, np.sort, np.linalg.norm, np.trace, np.flip, np.tril, np.triu, np.copy,
    lambda x: np.sum(x, axis=0, keepdims=True), lambda x: np.std(x, axis=1, ddof=1), lambda x: np.dot(x, B),
    lambda x: B @ x, lambda x: np.matmul(x, B), lambda x: np.outer(x, x), lambda x: np.inner(x, B),
    lambda x: np.tensordot(x, B), lambda x: np.concatenate([x, B]), lambda x: np.stack([B, x], axis=1),
    lambda x: np.vstack([x, B]), lambda x: np.hstack([x[0], B[0]]), lambda x: np.where(x > 1.5, x, B),
    lambda x: np.clip(x, 1.5, 4.0), lambda x: np.reshape(x, 4), lambda x: np.squeeze(x[None]),
    lambda x: np.expand_dims(x, 0), lambda x: np.broadcast_to(x, (3, 2, 2)), lambda x: np.roll(x, 1),
    lambda x: np.repeat(x, 2, axis=0), lambda x: np.tile(x, 2), lambda x: np.take(x, [1, 0, 1]),
    lambda x: np.add.reduce(x), lambda x: np.maximum(x, B), lambda x: np.zeros_like(x) + x, lambda x: B * x - A / x,
    lambda x: np.float64(2) * x + B[0], lambda x: np.moveaxis(x, 0, 1), lambda x: x**2,
]  # fmt: skip


@pytest.mark.parametrize("f", FUNCTIONS)
def test_numpys_functions_reach_the_ops(f):
    y, t = dualad.jvp(f, (A,), (B,))
    np.testing.assert_allclose(y, f(A))
    np.testing.assert_allclose(t, (f(A + 1e-6 * B) - f(A - 1e-6 * B)) / 2e-6, rtol=1e-6, atol=1e-8)


def test_numpys_arguments_without_counterpart_are_refused_by_name():
    x = dualad.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match="out"):
        np.sum(x, out=np.zeros(()))
    with pytest.raises(TypeError, match="where="):
        np.sum(x, where=np.array([True, False]))
    with pytest.raises(TypeError, match=r"np\.unwrap: not available.*detach"):
        np.unwrap(x)
    a = np.ones(2)
    with pytest.raises(TypeError, match="in place"):
        a += x


def test_a_numpy_program_as_it_stands():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3)), rng.integers(0, 2, 50)

    def loss(w):
        p = 1 / (1 + np.exp(-X @ w))
        return -np.mean(np.log(np.where(y == 1, p, 1 - p)))

    w = np.array([0.1, -0.2, 0.3])
    want = X.T @ (1 / (1 + np.exp(-X @ w)) - y) / 50
    np.testing.assert_allclose(dualad.grad(loss)(w), want, rtol=1e-12)


def test_variance_of_complex_numbers_is_real():
    z = np.array([1 + 2j, 3 - 1j, 0.5j])
    assert np.allclose(dualad.var(dualad.asarray(z)).item(), np.var(z))
    g = dualad.grad(np.var)(z)
    assert np.allclose(g, 2 * (z - z.mean()) / 3)


def test_numpy_functions_with_other_arguments():
    a = np.arange(24.0).reshape(2, 3, 4)
    t = dualad.asarray(a)
    assert np.array_equal(np.reshape(t, (4, -1), order="F"), np.reshape(a, (4, -1), order="F"))
    assert np.array_equal(np.ravel(t, order="F"), np.ravel(a, order="F"))
    assert np.array_equal(np.trace(t, 1, 0, 2), np.trace(a, 1, 0, 2))
    assert np.array_equal(np.sort(t, axis=None), np.sort(a, axis=None))
    assert np.array_equal(np.squeeze(t[:1]), np.squeeze(a[:1]))
    assert np.full_like(t, 2.0, shape=(2, 2)).tolist() == [[2.0, 2.0], [2.0, 2.0]]
    with pytest.raises(dualad.NumPyFunctionError, match=r"np\.ldexp"):
        np.ldexp(t, 2)


def test_subclasses_of_numpy_arrays(tmp_path):
    """A matrix and a memory map are arrays; a mask would be lost."""
    f = lambda x: dualad.sum(x * x)  # noqa: E731
    mapped = np.memmap(tmp_path / "a", dtype=np.float64, mode="w+", shape=(2,))
    mapped[:] = [1.0, 2.0]
    assert dualad.grad(f)(mapped).tolist() == [2.0, 4.0]
    assert (dualad.ones(2) * mapped).tolist() == [1.0, 2.0]
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    for use in (dualad.grad(f), dualad.tensor):
        with pytest.raises(dualad.DTypeError, match="masked arrays are not supported"):
            use(masked)


def test_a_deep_copy_inside_a_transform_keeps_the_derivative():
    assert dualad.grad(lambda x: copy.deepcopy(x) ** 2)(3.0) == 6.0
    assert dualad.jvp(lambda x: copy.deepcopy(x) ** 2, (3.0,), (1.0,))[1] == 6.0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: dualad.grad(lambda a, b: a * b, (0, -2))(2.0, 3.0), dualad.GradientError, "twice"),
        (lambda: dualad.grad(lambda a: a, "a")(2.0), TypeError, "argnums must be an int"),
        (lambda: dualad.grad(lambda x: x > 0)(2.0), dualad.GradientError, "real number, got dualad.bool"),
    ],
)
def test_what_cannot_be_a_gradient(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_does_not_move_has_a_tangent_of_zero_also_where_it_is_infinite():
    x = np.array([1.0, 2.0])
    y, t = dualad.jvp(lambda x: (np.inf, dualad.asarray([np.inf, np.nan]), dualad.imag(x / 0), x), (x,), (x,))
    assert t[0] == 0.0
    assert t[1].tolist() == [0.0, 0.0]
    assert t[2].tolist() == [0.0, 0.0]
    assert y[0] == np.inf


def test_numbers_beside_arrays_on_a_device(device):
    p = {"w": dualad.tensor([1.0, 2.0], device=device), "b": 3.0}
    f = lambda p: (p["w"] * p["b"]).sum() + p["b"] ** 2  # noqa: E731
    g = dualad.grad(f)(p)
    assert (g["w"].tolist(), g["b"], g["w"].device) == ([3.0, 3.0], 9.0, p["w"].device)
    assert isinstance(g["b"], float)
    y, t = dualad.jvp(f, (p,), ({"w": p["w"], "b": 1.0},))
    assert (y.item(), t.item()) == (18.0, 18.0)
    h = dualad.hvp(f, (p,), ({"w": p["w"] * 0, "b": 1.0},))
    assert (h["w"].tolist(), h["b"]) == ([1.0, 1.0], 2.0)
