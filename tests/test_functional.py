"""Products with vectors, linear maps, complex analysis and derivatives along lines."""

from math import factorial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import optree
import pytest

import dualad

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal(4), RNG.standard_normal(4)
Z = RNG.standard_normal(3) + 1j * RNG.standard_normal(3)
A = RNG.standard_normal((3, 4))
C = RNG.standard_normal((2, 3)) + 1j * RNG.standard_normal((2, 3))


class Pair(NamedTuple):
    """A pytree of a user's."""

    a: object
    b: object


def _energy(x):
    """A function whose Hessian has no zeros."""
    return dualad.sum(dualad.exp(0.3 * x)) * dualad.sum(x**3)


def _with_seen(f):
    """Return f with an auxiliary output that depends on its first argument, too."""
    return lambda *args: (f(*args), {"seen": args[0] * 2})


# -- products of second derivatives ------------------------------------------------------------


@pytest.mark.parametrize("product", [dualad.hvp, dualad.vhp])
def test_products_with_the_hessian(product):
    h = product(_energy, (X,), (T,))
    assert type(h) is np.ndarray
    np.testing.assert_allclose(h, dualad.jvp(dualad.grad(_energy), (X,), (T,))[1], rtol=1e-12)
    step = 1e-5
    g = dualad.grad(_energy)
    np.testing.assert_allclose(h, (g(X + step * T) - g(X - step * T)) / (2 * step), rtol=1e-7)


@pytest.mark.parametrize("product", [dualad.hvp, dualad.vhp])
def test_products_with_the_hessian_of_several_pytrees(product, device):
    w, b = dualad.asarray(X, dtype=dualad.float32, device=device), dualad.tensor(2.0, device=device)
    x = {"w": w, "b": b}
    y = Pair(dualad.ones(2, device=device), None)
    f = lambda p, q: (p["w"] ** 2).sum() * p["b"] * (q.a**2).sum()  # noqa: E731
    u = {"w": w, "b": b / 4}, Pair(dualad.ones(2, device=device), None)
    p, q = product(f, (x, y), u)
    s = float(np.sum(X.astype(np.float32) ** 2))
    assert (type(p["w"]), p["w"].device, p["w"].dtype) == (dualad.Tensor, w.device, dualad.float32)
    # f = s b r: the products are sums of 2 x_i, ... by hand
    want_w = X * (2 * 2.0 * 2 + 2 * 0.5 * 2 + 2 * 2.0 * 2 * 2)
    np.testing.assert_allclose(p["w"].cpu().numpy(), want_w, rtol=1e-5)
    assert p["b"].item() == pytest.approx(2 * s * 2 + s * 4, rel=1e-5)
    np.testing.assert_allclose(q.a.cpu().numpy(), [2 * s * 2 + 2 * (2 * s * 2 + s * 0.5)] * 2, rtol=1e-5)
    assert q.b is None


@pytest.mark.parametrize("product", [dualad.hvp, dualad.vhp])
def test_products_evaluate_once_and_give_what_they_saw(product):
    calls = []

    def f(x):
        calls.append(1)
        return _energy(x), {"seen": x + 1}

    h, aux = product(f, (X,), (T,), has_aux=True)
    assert len(calls) == 1
    np.testing.assert_allclose(h, dualad.hvp(_energy, (X,), (T,)))
    assert type(aux["seen"]) is np.ndarray
    assert np.array_equal(aux["seen"], X + 1)


def test_the_hessian_of_a_linear_function_is_zero():
    assert dualad.hvp(lambda x, y: x.sum() + 3 * y, (X, 2.0), (T, 1.0))[0].tolist() == [0.0] * 4
    assert dualad.hvp(lambda x: 2.0, (1.0,), (1.0,)) == 0.0
    assert dualad.hvp(lambda x: 0.5 * x * x, (3.0,), (2.0,)) == 2.0


def test_products_nest_in_other_transforms():
    third = dualad.grad(lambda x: dualad.hvp(lambda x: x**4, (x,), (1.0,)))(2.0)
    assert third == 48.0
    assert dualad.jvp(lambda x: dualad.hvp(lambda x: x**4, (x,), (1.0,)), (2.0,), (1.0,)) == (48.0, 48.0)
    w = dualad.tensor(2.0, requires_grad=True)
    dualad.hvp(lambda x: w * x**3, (dualad.tensor(3.0),), (dualad.tensor(1.0),)).backward()
    assert w.grad.item() == 18.0
    through_t = dualad.grad(lambda t: dualad.hvp(lambda x: x**3, (2.0,), (t,)))(1.0)
    assert through_t == 12.0
    inner = lambda x: dualad.hvp(lambda y: x * y**3, (x,), (x,))  # noqa: E731  6 x^3
    assert dualad.grad(inner)(2.0) == 72.0


def test_the_hessian_at_complex_numbers_is_that_of_the_real_plane():
    t = Z * (1 - 0.5j)
    f = lambda z: dualad.sum(dualad.abs(z) ** 4) + dualad.real(dualad.sum(z**3))  # noqa: E731
    g = dualad.grad(f)
    numeric = (g(Z + 1e-6 * t) - g(Z - 1e-6 * t)) / 2e-6
    np.testing.assert_allclose(dualad.hvp(f, (Z,), (t,)), numeric, rtol=1e-7)


def test_gauss_newton_products():
    f = lambda p: dualad.stack([dualad.sin(A @ p["x"]), p["s"] * dualad.ones(3, dtype="float64")])  # noqa: E731
    loss = lambda y: dualad.sum(dualad.exp(y)) + y[0, 0] * y[1, 1]  # noqa: E731
    p, t = {"x": X, "s": 0.5}, {"x": T, "s": -1.0}
    got = dualad.ggnvp(f, loss, (p,), (t,))
    j = dualad.jacobian(f)(p)
    whole = np.concatenate([j["x"].reshape(6, 4), j["s"].reshape(6, 1)], axis=1)
    h = dualad.hessian(loss)(dualad.jvp(f, (p,), (p,))[0]).reshape(6, 6)
    want = whole.T @ (h @ (whole @ np.append(T, -1.0)))
    np.testing.assert_allclose(got["x"], want[:4], rtol=1e-12)
    assert got["s"] == pytest.approx(want[4], rel=1e-12)


def test_gauss_newton_products_of_several_arguments_evaluate_once():
    calls = []

    def f(x, y):
        calls.append(1)
        return {"p": x * y, "count": 3, "fixed": np.ones(2)}, x + 1

    loss = lambda out: out["count"] * (out["p"] ** 2 + out["fixed"].sum()) / 2  # noqa: E731
    products, aux = dualad.ggnvp(f, loss, (2.0, 5.0), (1.0, -1.0), has_aux=True)
    assert (products, aux, len(calls)) == ((45.0, 18.0), 3.0, 1)
    assert dualad.ggnvp(lambda x: 1.0, lambda y: y, (2.0,), (1.0,)) == 0.0


# -- linear maps -------------------------------------------------------------------------------


def test_linearize_with_parts_that_do_not_move():
    f = lambda x: ({"x": x**2, "n": 3, "c": np.ones(2), "none": None}, x + 1)  # noqa: E731
    y, push, aux = dualad.linearize(f, 3.0, has_aux=True)
    assert (y["x"], y["n"], aux) == (9.0, 3, 4.0)
    t = push(2.0)
    assert (t["x"], t["n"], t["c"].tolist(), t["none"]) == (12.0, 0, [0.0, 0.0], None)
    assert type(t["x"]) is float


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_linearize_agrees_with_jvp_where_a_slope_is_infinite():
    f = lambda x: dualad.where(x > 0, dualad.sqrt(x), 0.0)  # noqa: E731
    assert dualad.linearize(dualad.sqrt, 0.0)[1](1.0) == np.inf
    assert dualad.linearize(f, np.array([0.0, 4.0]))[1](np.ones(2)).tolist() == [0.0, 0.25]


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_does_not_move_stays_so_where_a_slope_is_infinite():
    """A column of one input is not spoilt by the infinite slope in another."""
    roots = lambda x: dualad.stack([dualad.sum(dualad.sqrt(x))] * 3)  # noqa: E731
    x, along = np.array([0.0, 4.0]), np.array([0.0, 1.0])
    for jacobian in (dualad.jacobian, dualad.jacfwd, dualad.jacrev):
        assert jacobian(roots)(x).tolist() == [[np.inf, 0.25]] * 3
        batch = dualad.vmap(jacobian(roots))(np.stack([x, x + 1]))
        np.testing.assert_allclose(batch[1], np.full((3, 2), [0.5, 0.5 / 5**0.5]))
        assert batch[0].tolist() == [[np.inf, 0.25]] * 3
    assert (
        dualad.linearize(roots, x)[1](along).tolist()
        == dualad.jvp(roots, (x,), (along,))[1].tolist()
        == [0.25] * 3
    )
    assert dualad.linearize(dualad.sqrt, 0.0)[1](0.0) == 0.0
    product = dualad.ggnvp(dualad.sqrt, lambda y: dualad.sum(y**2), (x,), (along,))
    assert product.tolist() == [0.0, 0.125]


def test_linearize_of_complex_functions():
    t = 1j * Z
    _, push = dualad.linearize(lambda z: dualad.exp(z) * dualad.conj(z), Z)
    np.testing.assert_allclose(push(t), np.exp(Z) * (t * np.conj(Z) + np.conj(t)))


def test_the_transpose_of_a_linear_function(device):
    a = dualad.asarray(A, dtype=dualad.float32, device=device)
    transpose = dualad.linear_transpose(lambda x: a @ x, dualad.ones(4, device=device))
    g = dualad.asarray(X[:3], dtype=dualad.float32, device=device)
    (pulled,) = transpose(g)
    assert pulled.device == a.device
    np.testing.assert_allclose(pulled.cpu().numpy(), A.T @ X[:3], rtol=1e-5)


LINEAR = [
    lambda x: A @ x, lambda x: 3 * x - x[::-1], lambda x: dualad.fft.fft(x), lambda x: dualad.cumulative_sum(x),
    lambda x: dualad.where(A[0] > 0, x, 0), lambda x: dualad.sum(x) / 2, lambda x: {"a": x[1], "b": [x, -x]},
    lambda x: dualad.einsum("ij,j->i", A, x), lambda x: dualad.linalg.solve(A[:, :3], x[:3]), lambda x: x.reshape(2, 2).T,
    lambda x: dualad.concat([x, dualad.zeros(2, dtype="float64")]), lambda x: dualad.mean(x), lambda x: dualad.diff(x),
    lambda x: dualad.linalg.trace(x.reshape(2, 2)), lambda x: 0 * x, lambda x: np.outer(x, A[0]),
    lambda x: dualad.real(x * 1j) + dualad.imag(1j * x), lambda x: dualad.take(x, dualad.asarray([1, 1, 0])),
]  # fmt: skip


@pytest.mark.parametrize("f", LINEAR)
def test_transposes_of_linear_functions(f):
    """<f(x), g> = <x, transpose(g)>, without conjugation."""
    y, _ = dualad.vjp(f, X)
    g = optree.tree_map(lambda part: np.asarray(RNG.standard_normal(np.shape(part)), dtype=part.dtype), y)
    (pulled,) = dualad.linear_transpose(f, X)(g)
    pairs = zip(optree.tree_leaves(y), optree.tree_leaves(g), strict=True)
    assert sum(np.sum(a * b).real for a, b in pairs) == pytest.approx(pulled @ X, abs=1e-12)


def test_transposes_are_not_conjugated():
    g = np.array([1.0 - 1j, 2j])
    (pulled,) = dualad.linear_transpose(lambda z: C @ z, Z)(g)
    np.testing.assert_allclose(pulled, C.T @ g)
    np.testing.assert_allclose(dualad.vjp(lambda z: C @ z, Z)[1](g)[0], C.conj().T @ g)


def test_transposes_of_several_pytrees_and_numbers():
    f = lambda p, y: {"sum": p["x"].sum() + 2 * y, "x": p["x"] * 3}  # noqa: E731
    transpose = dualad.linear_transpose(f, {"x": X}, 7.0)
    p, y = transpose({"sum": 1.0, "x": T})
    np.testing.assert_allclose(p["x"], 1 + 3 * T)
    assert (type(y), y) == (float, 2.0)
    back = dualad.linear_transpose(lambda g: transpose(g), {"sum": 0.0, "x": X})
    (g,) = back((({"x": X}), 7.0))
    np.testing.assert_allclose(g["x"], 3 * X)
    assert g["sum"] == pytest.approx(X.sum() + 14)


def test_a_shape_and_a_dtype_are_enough_to_transpose():
    like = SimpleNamespace(shape=(2, 3), dtype="float64")
    (pulled,) = dualad.linear_transpose(lambda x: x.sum(axis=0), like)(dualad.tensor([1.0, 2.0, 3.0]))
    assert (pulled.dtype, pulled.tolist()) == (dualad.float64, [[1.0, 2.0, 3.0]] * 2)


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda x: x * x, "f is not linear: the derivative of multiply depends"),
        (lambda x: x @ x, "f is not linear: the derivative of"),
        (lambda x: dualad.sin(x), "the derivative of sin depends"),
        (lambda x: x + 1, "at 0 it is not 0"),
        (lambda x: [x, np.ones(2)], "at 0 it is not 0"),
    ],
)
def test_functions_that_are_not_linear_have_no_transpose(f, says):
    with pytest.raises(dualad.GradientError, match=says):
        dualad.linear_transpose(f, X)


# -- holomorphic derivatives -------------------------------------------------------------------


def _analytic(z):
    return dualad.exp(z) * z**2 / (z + 3)


def _slope(z):
    f = np.exp(z) * z**2 / (z + 3)
    return f * (1 + 2 / z - 1 / (z + 3))


def test_holomorphic_gradients():
    z = 0.3 - 0.7j
    got = dualad.grad(_analytic, holomorphic=True)(z)
    assert type(got) is complex
    assert got == pytest.approx(_slope(z), rel=1e-13)
    value, g = dualad.value_and_grad(lambda z: dualad.sum(_analytic(z)), holomorphic=True)(Z)
    np.testing.assert_allclose(g, _slope(Z))
    assert value == pytest.approx(np.sum(np.exp(Z) * Z**2 / (Z + 3)))
    np.testing.assert_allclose(dualad.elementwise_grad(_analytic, holomorphic=True)(Z), _slope(Z))
    np.testing.assert_allclose(g, np.conj(dualad.vjp(_analytic, Z)[1](np.ones(3, dtype=complex))[0]))


def test_holomorphic_derivatives_of_higher_order():
    f = lambda z: z**5  # noqa: E731
    derivative, n = f, 1
    for order in range(1, 5):
        derivative = dualad.grad(derivative, holomorphic=True)
        n *= 6 - order
        assert derivative(1 + 2j) == pytest.approx(n * (1 + 2j) ** (5 - order), rel=1e-13)


@pytest.mark.parametrize("jacobian", [dualad.jacrev, dualad.jacfwd, dualad.jacobian])
def test_holomorphic_jacobians(jacobian):
    j = jacobian(lambda z: C @ dualad.exp(z), holomorphic=True)(Z)
    np.testing.assert_allclose(j, C * np.exp(Z))
    both, aux = jacobian(_with_seen(lambda z, w: {"p": z * w}), (0, 1), True, True)(1 + 1j, Z)
    np.testing.assert_allclose(both["p"][0], Z)
    np.testing.assert_allclose(both["p"][1], (1 + 1j) * np.eye(3))
    assert aux == {"seen": 2 + 2j}


def test_holomorphic_hessians():
    f = lambda z: dualad.sum(z**3) * z[0]  # noqa: E731
    h = dualad.hessian(f, holomorphic=True)(Z)
    want = np.diag(6 * Z * Z[0])
    want[0] += 3 * Z**2
    want[:, 0] += 3 * Z**2
    np.testing.assert_allclose(h, want)


@pytest.mark.parametrize(
    "transform",
    [
        dualad.grad, dualad.value_and_grad, dualad.grad_and_value, dualad.elementwise_grad, dualad.jacfwd,
        dualad.jacrev, dualad.jacobian, dualad.hessian,
    ],
)  # fmt: skip
def test_holomorphic_derivatives_are_refused_to_real_numbers(transform):
    with pytest.raises(dualad.DTypeError, match="is for complex arguments, got dualad"):
        transform(lambda z: z * z, holomorphic=True)(2.0)
    with pytest.raises(dualad.DTypeError, match="is for functions that give complex numbers"):
        transform(lambda z: dualad.abs(z), holomorphic=True)(2.0 + 1j)


@pytest.mark.parametrize("jacobian", [dualad.jacfwd, dualad.jacobian])
def test_complex_outputs_of_real_arguments(jacobian):
    j = jacobian(lambda x: dualad.exp(1j * x))(X)
    np.testing.assert_allclose(j, np.diag(1j * np.exp(1j * X)))


@pytest.mark.parametrize("jacobian", [dualad.jacrev, dualad.jacobian])
def test_real_outputs_of_complex_arguments(jacobian):
    j = jacobian(lambda z: dualad.abs(z) ** 2)(Z)
    np.testing.assert_allclose(j, np.diag(2 * Z))


# -- auxiliary outputs -------------------------------------------------------------------------


def test_every_transform_gives_auxiliary_outputs_as_the_primals_were():
    f = _with_seen(lambda x, y: dualad.sum(x**2) * y)
    g, aux = dualad.grad(f, (0, 1), has_aux=True)(X, 2.0)
    results = [
        aux,
        dualad.value_and_grad(f, has_aux=True)(X, 2.0)[0][1],
        dualad.grad_and_value(f, has_aux=True)(X, 2.0)[1][1],
        dualad.elementwise_grad(f, has_aux=True)(X, 2.0)[1],
        dualad.vjp(f, X, 2.0, has_aux=True)[2],
        dualad.jvp(f, (X, 2.0), (T, 1.0), has_aux=True)[2],
        dualad.linearize(f, X, 2.0, has_aux=True)[2],
        dualad.jacfwd(f, has_aux=True)(X, 2.0)[1],
        dualad.jacrev(f, has_aux=True)(X, 2.0)[1],
        dualad.jacobian(f, has_aux=True)(X, 2.0)[1],
        dualad.hessian(f, has_aux=True)(X, 2.0)[1],
        dualad.hvp(f, (X, 2.0), (T, 1.0), has_aux=True)[1],
        dualad.vhp(f, (X, 2.0), (T, 1.0), has_aux=True)[1],
        dualad.ggnvp(f, lambda y: y**2, (X, 2.0), (T, 1.0), has_aux=True)[1],
        dualad.directional(f, (X, 2.0), (T, 1.0), 2, has_aux=True)[1],
    ]
    for seen in results:
        assert type(seen["seen"]) is np.ndarray
        assert np.array_equal(seen["seen"], 2 * X)
    np.testing.assert_allclose(g[0], 4 * X)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: dualad.grad(f, has_aux=True)(1.0), lambda f: dualad.hessian(f, has_aux=True)(1.0),
        lambda f: dualad.linearize(f, 1.0, has_aux=True), lambda f: dualad.jacfwd(f, has_aux=True)(1.0),
        lambda f: dualad.hvp(f, (1.0,), (1.0,), has_aux=True),
        lambda f: dualad.directional(f, (1.0,), (1.0,), has_aux=True),
        lambda f: dualad.elementwise_grad(f, has_aux=True)(1.0),
    ],
)  # fmt: skip
def test_an_auxiliary_output_that_is_missing_is_named(call):
    with pytest.raises(dualad.GradientError, match=r"has_aux=True the function must return \(output, aux\)"):
        call(lambda x: x * x)


# -- along lines -------------------------------------------------------------------------------

SERIES = [
    (dualad.exp, lambda x, k: np.exp(x)),
    (dualad.sin, lambda x, k: np.sin(x + k * np.pi / 2)),
    (lambda x: 1 / x, lambda x, k: (-1) ** k * factorial(k) / x ** (k + 1)),
    (dualad.log, lambda x, k: np.log(x) if k == 0 else (-1) ** (k - 1) * factorial(k - 1) / x**k),
    (lambda x: x**3.5, lambda x, k: np.prod([3.5 - i for i in range(k)]) * x ** (3.5 - k)),
]


@pytest.mark.parametrize(("f", "derivative"), SERIES)
def test_derivatives_along_a_line_are_those_of_the_taylor_series(f, derivative):
    x, t = np.array([0.7, 1.9]), np.array([2.0, -0.5])
    got = dualad.directional(f, (x,), (t,), order=7)
    assert len(got) == 8
    for k, d in enumerate(got):
        assert type(d) is np.ndarray
        np.testing.assert_allclose(d, derivative(x, k) * t**k, rtol=1e-11)


def test_derivatives_along_a_line_of_several_pytrees():
    calls = []

    def f(p, y):
        calls.append(1)
        return {"a": p["x"] * y, "b": y**4, "c": 2.0}, p["x"]

    p, t = {"x": X}, {"x": T}
    derivatives, aux = dualad.directional(f, (p, 2.0), (t, 3.0), order=6, has_aux=True)
    want = [X * 2, T * 2 + X * 3, 2 * T * 3, 0 * X, 0 * X, 0 * X, 0 * X]
    for got, a, b in zip(derivatives, want, [16.0, 96.0, 432.0, 1296.0, 1944.0, 0.0, 0.0], strict=True):
        np.testing.assert_allclose(got["a"], a, atol=1e-14)
        assert got["b"] == b
    assert [d["c"] for d in derivatives] == [2.0] + [0.0] * 6
    assert np.array_equal(aux, X)
    assert len(calls) == 1
    assert dualad.directional(lambda x: x * x, (3.0,), (1.0,), order=0) == (9.0,)


def test_derivatives_along_a_line_can_be_differentiated():
    third = lambda x: dualad.directional(lambda x: x**5, (x,), (1.0,), order=3)[3]  # noqa: E731  60 x^2
    assert dualad.grad(third)(2.0) == 240.0
    assert dualad.hessian(third)(2.0) == 120.0


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: dualad.hvp(_energy, X, T), TypeError, "hvp: primals and tangents must be tuples"),
        (lambda: dualad.vhp(_energy, (X,), (T[:2],)), dualad.ShapeError, r"vhp: the vector has shape \(2,\)"),
        (lambda: dualad.hvp(lambda x: x.sum(), (X,), (T[:2],)), dualad.ShapeError, r"expected \(4,\)"),
        (lambda: dualad.hvp(_energy, (X,), (T, T)), dualad.GradientError, "hvp: the vector has the structure"),
        (lambda: dualad.hvp(lambda x: x, (X,), (T,)), dualad.GradientError, r"one real number.*got shape \(4,\)"),
        (lambda: dualad.hvp(lambda x: [x], (2.0,), (1.0,)), dualad.GradientError, r"one real number, got \[\*\]"),
        (lambda: dualad.hvp(_energy, (X,), (T * 1j,)), dualad.DTypeError, "the vector is dualad.complex128"),
        (lambda: dualad.hvp(_energy, (np.arange(4),), (T,)), dualad.DTypeError, "hvp: .*int64"),
        (lambda: dualad.ggnvp(dualad.sin, dualad.sin, (X,), (T,)), dualad.GradientError, "ggnvp: loss: the function"),
        (lambda: dualad.ggnvp(dualad.sin, dualad.sum, (X,), (2.0,)), dualad.ShapeError, "ggnvp: the tangent"),
        (lambda: dualad.linearize(dualad.sin, X)[1](T[:1]), dualad.ShapeError, "linearize: the tangent has shape"),
        (lambda: dualad.linearize(dualad.sin, X)[1](T, T), dualad.GradientError, "linearize: the tangent has the str"),
        (lambda: dualad.linear_transpose(dualad.sum, X)(T), dualad.ShapeError, "linear_transpose: the cotangent"),
        (lambda: dualad.linear_transpose(dualad.sum, 2), dualad.DTypeError, "linear_transpose: .*write 2.0"),
        (lambda: dualad.directional(dualad.sin, (X,), (T,), -1), ValueError, "order must be an integer of at least 0"),
        (lambda: dualad.directional(dualad.sin, (X,), (T,), 1.5), ValueError, "got 1.5"),
        (lambda: dualad.directional(dualad.sin, (X,), (T[:1],), 2), dualad.ShapeError, "directional: the tangent"),
        (lambda: dualad.directional(dualad.sin, (X,), (T, T), 2), dualad.GradientError, "directional: the tangents"),
        (lambda: dualad.jacfwd(lambda z: z * 1j)(Z), dualad.GradientError, "jacfwd: complex arguments .*holomorphic"),
        (lambda: dualad.hessian(lambda z: dualad.abs(z))(1j), dualad.GradientError, "hessian: complex"),
        (lambda: dualad.grad(lambda z: z * z)(1j), dualad.GradientError, "holomorphic=True if it is analytic"),
        (lambda: dualad.grad(lambda x: None)(1.0), dualad.GradientError, "one real number"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


SAME = lambda *args: args[0]  # noqa: E731
PAIR = {"w": X, "n": "text"}

LEAVES = [
    (lambda: dualad.grad(SAME)(PAIR), r"grad: argument 0, at \['n'\]: can only .* in arrays and floats, got str$"),
    (lambda: dualad.grad(SAME, (0, 2))(1.0, None, [1.0, 2]), r"grad: argument 2, at \[1\]: .*got int; write 2.0"),
    (lambda: dualad.jacfwd(SAME, -1)(1.0, SAME), r"jacfwd: argument 1: .*got function$"),
    (lambda: dualad.hessian(SAME)(Pair(X, np.arange(2))), r"hessian: argument 0, at .b: .*arrays, got dualad.int64$"),
    (lambda: dualad.jacrev(SAME)((1.0, ["s"])), r"jacrev: argument 0, at \[1\]\[0\]: .*got str$"),
    (lambda: dualad.vjp(SAME, 1.0, PAIR), r"vjp: argument 1, at \['n'\]: .*got str$"),
    (lambda: dualad.jvp(SAME, (1.0, 2), (1.0, 2)), r"jvp: argument 1: .*got int; write"),
    (lambda: dualad.linearize(SAME, PAIR), r"linearize: argument 0, at \['n'\]: .*got str$"),
    (lambda: dualad.hvp(SAME, (PAIR,), (PAIR,)), r"hvp: argument 0, at \['n'\]: .*got str$"),
    (lambda: dualad.jvp(SAME, (1.0, 2.0), (1.0, "s")), r"jvp: the tangent at \[1\] must be an array or a number, got str$"),
    (lambda: dualad.grad(SAME)(Foreign()), r"grad: argument 0: .*got .*test_functional.Foreign$"),
    (lambda: dualad.jvp(SAME, (PAIR["w"], [X]), (T, [1j * T])), r"jvp: the tangent at \[1\]\[0\] is dualad.complex"),
    (lambda: dualad.vjp(lambda x: {"a": x, "b": [x]}, X)[1]({"a": T, "b": [T[:1]]}),
     r"vjp: the cotangent at \['b'\]\[0\] has shape \(1,\), expected \(4,\)$"),
    (lambda: dualad.vjp(lambda x: {"a": x, "b": [x, None]}, X)[1]([T]),
     r"the cotangent has the structure \[\*\], expected \{'a': \*, 'b': \[\*, None\]\}$"),
    (lambda: dualad.jvp(SAME, (X, Pair(X, X)), (T,)), r"tangents have the structure \(\*,\), the primals \(\*, Pair\(a=\*, b=\*\)\)"),
]  # fmt: skip


class Foreign:
    """Some other library's array."""

    shape = (2,)


@pytest.mark.parametrize(("call", "says"), LEAVES)
def test_a_leaf_that_is_refused_is_named(call, says):
    with pytest.raises((dualad.DTypeError, dualad.ShapeError, dualad.GradientError), match=says):
        call()


@pytest.mark.parametrize(
    "call",
    [
        dualad.grad, dualad.value_and_grad, dualad.grad_and_value, dualad.elementwise_grad, dualad.jacrev,
        dualad.jacfwd, dualad.jacobian, dualad.hessian,
        lambda f: dualad.vjp(f, 1.0), lambda f: dualad.jvp(f, (1.0,), (1.0,)), lambda f: dualad.linearize(f, 1.0),
        lambda f: dualad.directional(f, (1.0,), (1.0,)), lambda f: dualad.hvp(f, (1.0,), (1.0,)),
        lambda f: dualad.vhp(f, (1.0,), (1.0,)), lambda f: dualad.ggnvp(f, SAME, (1.0,), (1.0,)),
        lambda f: dualad.ggnvp(SAME, f, (1.0,), (1.0,)), lambda f: dualad.linear_transpose(f, 1.0),
        lambda f: dualad.optimize.for_scipy(f, 1.0), lambda f: dualad.optimize.root(f, 1.0),
        lambda f: dualad.testing.check_grads(f), lambda f: dualad.testing.check_grads(f, (1.0,)),
        lambda f: dualad.autograd.gradcheck(f, dualad.ones(1, dtype="float64", requires_grad=True)),
        lambda f: dualad.autograd.gradgradcheck(f, dualad.ones(1, dtype="float64", requires_grad=True)),
    ],
)  # fmt: skip
def test_what_is_no_function_is_refused_at_once(call):
    with pytest.raises(TypeError, match=r"^\w+: expected a function( as the loss)?, got int$"):
        call(3)


def test_argnums_are_integers():
    for wanted in (True, (0, False), 1.0, "x"):
        with pytest.raises(TypeError, match="grad: argnums must be an int or a tuple of ints, got"):
            dualad.grad(SAME, wanted)(1.0, 2.0)
    with pytest.raises(dualad.GradientError, match="names argument 1, but 1 positional argument was given"):
        dualad.grad(SAME, 1)(1.0)
    with pytest.raises(TypeError, match=r"must be tuples.*\(x,\), \(t,\); got numpy.ndarray and tuple"):
        dualad.jvp(SAME, X, (T,))
