"""Implicit differentiation: solutions of equations, by any solver, differentiated by the equations."""

import numpy as np
import pytest
from alike import check_alike, close

import dualad

optimize = pytest.importorskip("scipy.optimize")

LOOSE = {"rtol": 1e-7, "atol": 1e-7}


def _points(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [dualad.asarray(rng.uniform(0.5, 1.5, s)) for s in shapes]


def _array(x):
    return np.asarray(x, dtype=np.float64)


# -- roots and fixed points ------------------------------------------------------------------------


def _quadratic(x, p):
    return x * x - 2 * p[0] * x + p[1]


@dualad.custom_root(_quadratic)
def larger_root(x0, p):
    """The solver is NumPy's, of the coefficients."""
    p = _array(p)
    return np.sort(np.roots([1.0, -2 * p[0], p[1]]))[-1]


def larger_root_plain(x0, p):
    return p[0] + dualad.sqrt(p[0] * p[0] - p[1])


def test_the_root_of_a_polynomial_in_its_coefficients():
    p = dualad.asarray(np.array([2.0, 1.0]))
    check_alike(lambda p: larger_root(0.0, p), lambda p: larger_root_plain(0.0, p), [p], **LOOSE)


def test_third_derivatives():
    p = np.array([2.0, 1.0])
    third = lambda f: dualad.hessian(lambda p: dualad.grad(lambda p: f(0.0, p))(p)[0])(p)  # noqa: E731
    close(third(larger_root), third(larger_root_plain), **LOOSE)


def _system(x, a, b):
    return dualad.stack([x[0] ** 2 + a * x[1] - b[0], x[0] * x[1] + x[1] ** 3 - b[1]])


@dualad.custom_root(_system)
def solution(x0, a, b):
    found = optimize.root(
        lambda x: _array(_system(dualad.asarray(x), a, b)), _array(x0), tol=1e-14, method="hybr"
    )
    return found.x


def _newton(x, a, b, steps=12):
    """The same by Newton's method, whose steps are all differentiated."""
    for _ in range(steps):
        residual = _system(x, a, b)
        rows = [dualad.stack([2 * x[0], a + 0 * x[0]]), dualad.stack([x[1], x[0] + 3 * x[1] ** 2])]
        x = x - dualad.linalg.solve(dualad.stack(rows), residual)
    return x


def test_a_system_of_equations():
    x0, b = (dualad.asarray(np.array(v)) for v in ([1.0, 1.0], [2.0, 1.5]))
    a = dualad.asarray(0.7, dtype="float64")
    check_alike(lambda a, b: solution(x0, a, b), lambda a, b: _newton(x0, a, b), [a, b], **LOOSE)
    assert dualad.grad(lambda x0: solution(x0, a, b).sum())(x0).tolist() == [0.0, 0.0]
    assert dualad.jvp(lambda x0: solution(x0, a, b), (x0,), (x0,))[1].tolist() == [0.0, 0.0]


def test_a_fixed_point():
    def step(x, a):
        return (x + a / x) / 2

    @dualad.custom_fixed_point(step)
    def sqrt(x0, a):
        assert not getattr(a, "requires_grad", False)
        x = _array(x0)
        for _ in range(60):
            x = step(x, _array(a))
        return x

    (a,) = _points((3,))
    check_alike(lambda a: sqrt(np.ones(3), a), dualad.sqrt, [a], **LOOSE)
    assert dualad.grad(sqrt, argnums=1)(1.0, 4.0) == pytest.approx(0.25, rel=1e-12)
    assert dualad.grad(dualad.grad(lambda a: sqrt(1.0, a)))(4.0) == pytest.approx(-1 / 32, rel=1e-12)


def test_the_minimum_of_a_function_and_its_symmetric_hessian():
    """Ridge regression: the minimiser found by SciPy, its Hessian solved by conjugate gradients."""
    x, y = (v.numpy() for v in _points((6, 3), (6,)))

    def loss(w, penalty):
        residual = x @ w - y
        return dualad.sum(residual * residual) + dualad.exp(penalty) * dualad.sum(w * w)

    gradient = dualad.grad(loss)

    @dualad.custom_root(gradient, tangent_solve="cg", symmetric=True)
    def fit(w0, penalty):
        value = lambda w: float(loss(w, penalty))  # noqa: E731
        slope = lambda w: _array(gradient(w, penalty))  # noqa: E731
        return optimize.minimize(value, w0, jac=slope, method="BFGS", options={"gtol": 1e-10}).x

    def closed(penalty):
        matrix = x.T @ x + dualad.exp(penalty) * dualad.asarray(np.eye(3))
        return dualad.linalg.solve(matrix, dualad.asarray(x.T @ y))

    penalty = dualad.asarray(-1.0, dtype="float64")
    check_alike(lambda p: fit(np.zeros(3), p), closed, [penalty], vmap=False, rtol=1e-5, atol=1e-6)


def test_pytrees_and_auxiliary_outputs():
    def f(x, p):
        return {"u": x["u"] - p["a"] * 2, "v": (x["v"][0] - p["a"] * p["b"], x["v"][1] - x["u"].sum())}

    @dualad.custom_root(f, has_aux=True)
    def solver(x0, p):
        a, b = _array(p["a"]), _array(p["b"])
        return {"u": 2 * a, "v": (a * b, np.sum(2 * a))}, {"steps": 3, "norm": np.linalg.norm(a)}

    x0 = {"u": np.zeros(2), "v": (np.zeros(2), 0.0)}
    p = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}

    def total(p):
        x, aux = solver(x0, p)
        assert aux["steps"] == 3
        return (x["v"][0] * x["u"]).sum() + x["v"][1] + aux["norm"]

    gradient = dualad.grad(total)(p)
    close(gradient["a"], 4 * p["a"] * p["b"] + 2)
    close(gradient["b"], 2 * p["a"] ** 2)
    tangent = dualad.jvp(total, (p,), ({"a": np.ones(2), "b": np.zeros(2)},))[1]
    close(tangent, np.sum(4 * p["a"] * p["b"] + 2))
    hessian = dualad.hessian(total)(p)
    close(hessian["a"]["b"], np.diag(4 * p["a"]))


def test_complex_roots():
    """A function that is not analytic: the system is one of real numbers."""

    def f(z, c):
        return z * z + 0.3 * dualad.conj(z) - c

    @dualad.custom_root(f)
    def root(z0, c):
        c = np.asarray(c)
        as_real = lambda v: np.array([v.real, v.imag])  # noqa: E731
        g = lambda v: as_real((v[0] + 1j * v[1]) ** 2 + 0.3 * (v[0] - 1j * v[1]) - c)  # noqa: E731
        v = optimize.fsolve(g, as_real(z0), xtol=1e-12)
        return np.complex128(v[0] + 1j * v[1])

    z0, c, t = 1.0 + 0.5j, np.complex128(1.0 + 2.0j), np.complex128(0.3 - 0.7j)
    h = 1e-5
    _, tangent = dualad.jvp(lambda c: root(z0, c), (c,), (t,))
    close(tangent, (root(z0, c + h * t) - root(z0, c - h * t)) / (2 * h), rtol=1e-6)
    g = np.complex128(0.2 + 1.1j)
    (pulled,) = dualad.vjp(lambda c: root(z0, c), c)[1](g)
    assert np.real(np.conj(g) * tangent) == pytest.approx(np.real(np.conj(pulled) * t), rel=1e-10)


@pytest.mark.parametrize("tangent_solve", ["dense", "gmres", "bicgstab", "function"])
def test_solvers_of_the_tangent_system(tangent_solve):
    calls = []

    def solve(matvec, b):
        calls.append(1)
        columns = [_array(matvec(dualad.asarray(e))) for e in np.eye(2)]
        return np.linalg.solve(np.stack(columns, axis=1), _array(b))

    chosen = solve if tangent_solve == "function" else tangent_solve
    b = dualad.asarray(np.array([2.0, 1.5]))
    root = dualad.custom_root(_system, tangent_solve=chosen)(solution.__wrapped__)
    check_alike(
        lambda b: root(np.ones(2), 0.7, b),
        lambda b: _newton(dualad.asarray(np.ones(2)), 0.7, b),
        [b],
        **LOOSE,
    )
    assert bool(calls) == (tangent_solve == "function")


def test_the_solver_is_called_once_and_on_plain_values():
    seen = []

    @dualad.custom_root(lambda x, a: x * x - a)
    def sqrt(x0, a):
        seen.append(type(a).__name__)
        assert not getattr(a, "requires_grad", False)
        return np.sqrt(_array(a))

    a = np.array([1.0, 4.0])
    assert sqrt(None, a).tolist() == [1.0, 2.0]
    assert dualad.grad(lambda a: sqrt(a, a).sum())(a).tolist() == [0.5, 0.25]
    dualad.hessian(lambda a: sqrt(a, a).sum())(a)
    assert seen == ["ndarray", "Tensor", "Tensor"]
    assert sqrt.__name__ == "sqrt"


def test_leaves_and_their_graph():
    a = dualad.tensor(4.0, dtype="float64", requires_grad=True)
    x = larger_root(0.0, dualad.stack([a, a]))
    assert x.grad_fn.name() == "larger_rootBackward0"
    x.backward()
    assert a.grad.item() == pytest.approx(1 + 3.5 / np.sqrt(12), rel=1e-10)
    b = dualad.stack([a, a])
    with dualad.no_grad():
        assert not larger_root(0.0, b).requires_grad


# -- linear systems --------------------------------------------------------------------------------


def _matvec(x, a):
    return a @ x


def _lu(matvec, b):
    columns = [_array(matvec(dualad.asarray(e))) for e in np.eye(len(b))]
    return np.linalg.solve(np.stack(columns, axis=1), _array(b))


SOLVERS = {
    "dense": {}, "gmres": {"solve": "gmres"}, "bicgstab": {"solve": "bicgstab"},
    "functions": {"solve": _lu, "transpose_solve": _lu}, "mixed": {"solve": _lu, "transpose_solve": "dense"},
}  # fmt: skip


@pytest.mark.parametrize("case", SOLVERS)
def test_linear_systems(case):
    a, b = _points((3, 3), (3,))
    a = a + 3 * dualad.asarray(np.eye(3))
    f = lambda a, b: dualad.custom_linear_solve(_matvec, b, args=(a,), **SOLVERS[case])  # noqa: E731
    check_alike(f, dualad.linalg.solve, [a, b], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("solve", ["dense", "cg", _lu])
def test_symmetric_systems(solve):
    a, b = _points((3, 3), (3,))

    def spread(s, x):  # a positive definite matrix that moves with s
        return s @ (s.T @ x) + 3 * x

    def f(s, b):
        return dualad.custom_linear_solve(lambda x, s: spread(s, x), b, solve, args=(s,), symmetric=True)

    def plain(s, b):
        return dualad.linalg.solve(s @ s.T + 3 * dualad.asarray(np.eye(3)), b)

    check_alike(f, plain, [a, b], rtol=1e-8, atol=1e-8)


def test_ridge_regression_without_the_matrix():
    x, y = (v.numpy() for v in _points((8, 3), (8,)))

    def matvec(w, penalty):
        return x.T @ (x @ w) + penalty * w

    def fit(penalty):
        return dualad.custom_linear_solve(matvec, x.T @ y, "cg", args=(penalty,), symmetric=True)

    def closed(penalty):
        return dualad.linalg.solve(x.T @ x + penalty * dualad.asarray(np.eye(3)), dualad.asarray(x.T @ y))

    check_alike(fit, closed, [dualad.asarray(0.5, dtype="float64")], rtol=1e-8, atol=1e-8)


def test_pytrees_and_auxiliary_outputs_of_linear_systems():
    def matvec(x, p):
        return {"u": p * x["u"] + x["v"].sum(), "v": 2 * x["v"]}

    def solve(matvec, b):
        v = _array(b["v"]) / 2
        u = (_array(b["u"]) - v.sum()) / _array(
            matvec({"u": dualad.asarray(1.0, dtype="float64"), "v": 0 * b["v"]})["u"]
        )
        return {"u": u, "v": v}, "done"

    def f(p, b):
        x, aux = dualad.custom_linear_solve(matvec, b, solve, "dense", args=(p,), has_aux=True)
        assert aux == "done"
        return x["u"] + 0 * x["v"].sum()

    b = {"u": np.float64(5.0), "v": np.array([2.0, 4.0])}
    gp, gb = dualad.grad(f, (0, 1))(2.0, b)
    assert gp == pytest.approx(-(5 - 3) / 4)
    close(gb["u"], 0.5)
    close(gb["v"], [-0.25, -0.25])
    assert dualad.jvp(lambda p: f(p, b), (2.0,), (1.0,))[1] == pytest.approx(-0.5)


def test_complex_linear_systems():
    rng = np.random.default_rng(0)
    draw = lambda *s: rng.standard_normal(s) + 1j * rng.standard_normal(s)  # noqa: E731
    a, b, ta, tb, g = draw(3, 3), draw(3), draw(3, 3), draw(3), draw(3)
    f = lambda a, b: dualad.custom_linear_solve(_matvec, b, args=(a,))  # noqa: E731
    plain = lambda a, b: dualad.linalg.solve(dualad.asarray(a), b)  # noqa: E731
    for x, y in zip(dualad.jvp(f, (a, b), (ta, tb)), dualad.jvp(plain, (a, b), (ta, tb)), strict=True):
        close(x, y)
    for x, y in zip(dualad.vjp(f, a, b)[1](g), dualad.vjp(plain, a, b)[1](g), strict=True):
        close(x, y)


def test_single_precision_stays():
    a, b = (v.to(dualad.float32) for v in _points((2, 2), (2,)))
    f = lambda b: dualad.custom_linear_solve(_matvec, b, "gmres", args=(a,))  # noqa: E731
    assert f(b).dtype is dualad.float32
    assert dualad.grad(lambda b: f(b).sum())(b).dtype is dualad.float32


# -- what is refused -------------------------------------------------------------------------------


def test_a_tensor_from_outside():
    w = dualad.tensor(2.0, dtype="float64", requires_grad=True)

    @dualad.custom_root(lambda x, a: x - w * a)
    def solver(x0, a):
        return _array(a) * 2

    for a in (np.ones(2), dualad.ones(2, requires_grad=True)):
        with pytest.raises(dualad.GradientError, match="solver: the function depends on 'w' from outside"):
            solver(None, a)
    with dualad.no_grad():
        assert solver(None, np.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(dualad.GradientError, match="custom_linear_solve: the function depends on 'w'"):
        dualad.custom_linear_solve(lambda x: w * x, np.ones(2))


def test_an_equation_of_another_shape():
    @dualad.custom_root(lambda x, a: (x * a).sum())
    def solver(x0, a):
        return np.ones(2)

    with pytest.raises(
        dualad.ShapeError, match=r"solver: the equation's left side has shape \(\), expected \(2,\)"
    ):
        dualad.grad(lambda a: solver(None, a).sum())(np.ones(2))

    @dualad.custom_fixed_point(lambda x, a: (x, a))
    def other(x0, a):
        return np.ones(2)

    with pytest.raises(dualad.ShapeError, match="what the function gives has the structure"):
        dualad.jvp(lambda a: other(None, a), (np.ones(2),), (np.ones(2),))
    with pytest.raises(dualad.ShapeError, match=r"matvec has shape \(2,\), expected \(3,\)"):
        dualad.custom_linear_solve(lambda x: x[:2], np.ones(3))
    with pytest.raises(dualad.ShapeError, match=r"what solve gives has shape \(2,\), expected \(3,\)"):
        dualad.custom_linear_solve(lambda x: x, np.ones(3), lambda matvec, b: b[:2])


def test_singular_systems():
    @dualad.custom_root(lambda x, a: x**2 - a)
    def sqrt(x0, a):
        return np.sqrt(_array(a))

    with pytest.raises(
        dualad.GradientError, match="sqrt: the linear system has no single solution: Singular"
    ):
        dualad.grad(sqrt, argnums=1)(0.0, 0.0)
    with pytest.raises(dualad.GradientError, match=r"not solved by 'cg' \(SciPy's info is"):
        dualad.custom_linear_solve(lambda x: x * np.array([1.0, 0.0]), np.ones(2), "cg", symmetric=True)


def test_missing_and_wrong_solvers():
    f = lambda b: dualad.custom_linear_solve(lambda x: 2 * x, b, lambda matvec, b: _array(b) / 2).sum()  # noqa: E731
    assert dualad.jvp(f, (np.ones(2),), (np.ones(2),))[1] == 1.0
    with pytest.raises(dualad.MissingDerivativeError, match="give transpose_solve, or symmetric=True"):
        dualad.grad(f)(np.ones(2))
    with pytest.raises(ValueError, match="custom_root: the solver of linear systems must be a function"):
        dualad.custom_root(lambda x, a: x, tangent_solve="magic")
    with pytest.raises(ValueError, match="custom_linear_solve: the solver"):
        dualad.custom_linear_solve(lambda x: x, np.ones(2), "lu")

    @dualad.custom_root(lambda x, a: x - a, has_aux=True)
    def solver(x0, a):
        return a * 1

    with pytest.raises(dualad.GradientError, match=r"the solver must return a pair, \(solution, aux\)"):
        dualad.grad(lambda a: solver(0.0, a))(1.0)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("matvec", [lambda x: 2 * x + 1, lambda x: x * x, lambda x: np.abs(x)])
def test_a_matrix_that_is_not_linear(matvec):
    b = np.array([1.0, 2.0])
    for run in (
        lambda: dualad.custom_linear_solve(matvec, b),
        lambda: dualad.grad(lambda b: dualad.custom_linear_solve(matvec, b, lambda f, b: b, "cg").sum())(b),
        lambda: dualad.vmap(lambda b: dualad.custom_linear_solve(matvec, b))(np.stack([b, 3 * b])),
    ):
        with pytest.raises(dualad.GradientError, match="matvec is not linear"):
            run()


def test_a_matrix_that_is_seen_once_to_be_linear():
    calls = []

    def matvec(x):
        calls.append(x)
        return 3 * x

    solve = lambda matvec, b: b / 3  # noqa: E731
    for count in (2, 2):
        assert dualad.custom_linear_solve(matvec, np.ones(2), solve).tolist() == [1 / 3, 1 / 3]
        assert len(calls) == count


def test_arrays_are_solved_as_arrays():
    solve = dualad.custom_linear_solve
    assert type(solve(lambda x: 2 * x, np.ones(2))) is np.ndarray
    assert type(solve(lambda x: {"a": 2 * x["a"]}, {"a": np.ones(2)})["a"]) is np.ndarray
    assert type(solve(lambda x: 2 * x, dualad.ones(2))) is dualad.Tensor
    assert type(solve(lambda x, a: a @ x, np.ones(2), args=(dualad.eye(2),))) is dualad.Tensor


@pytest.mark.parametrize(
    ("solution", "error", "message"),
    [
        (None, dualad.GradientError, "sqrt: the solver must give the solution, .* got NoneType"),
        ("failed", dualad.GradientError, "sqrt: the solver must give the solution, .* got str"),
        (np.ones(3), dualad.ShapeError, r"sqrt: .* at what the solver gave, of shape \(3,\): subtract"),
    ],
)
def test_a_solver_that_gives_no_solution(solution, error, message):
    @dualad.custom_root(lambda x, a: x * x - a)
    def sqrt(x0, a):
        return solution

    with pytest.raises(error, match=message):
        dualad.grad(lambda a: sqrt(None, a).sum())(np.ones(2))


def test_options_of_a_solver():
    def equation(x, a):
        return x * x - a

    @dualad.custom_root(equation)
    def sqrt(x0, a, tolerance=1e-9):
        return np.sqrt(float(a))

    with pytest.raises(
        TypeError, match=r"equation is given all arguments of the solver, 3 .*functools\.partial"
    ):
        dualad.grad(lambda a: sqrt(1.0, a, tolerance=1e-6))(4.0)


def test_what_is_no_function():
    for make, message in [
        (
            lambda: dualad.custom_root(3),
            "custom_root: expected a function, the equation's left side, got int",
        ),
        (lambda: dualad.custom_fixed_point(3), "custom_fixed_point: expected a function"),
        (lambda: dualad.custom_root(_quadratic)(3), "custom_root: expected a function, the solver, got int"),
        (lambda: dualad.custom_linear_solve(3, 1.0), "custom_linear_solve: expected a function, matvec"),
        (lambda: dualad.checkpoint(3), "checkpoint: expected a function, got int"),
    ]:
        with pytest.raises(TypeError, match=message):
            make()
