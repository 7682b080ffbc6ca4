"""SciPy's solvers on pytrees: they find what is known, and are given what is right."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import needs

import dualad
from dualad import optimize

scipy_optimize = pytest.importorskip("scipy.optimize")

METHODS = [
    None, "BFGS", "CG", "L-BFGS-B", "Newton-CG", "trust-ncg", "trust-krylov", "trust-exact", "trust-constr",
    "dogleg", "SLSQP", "Powell",
]  # fmt: skip


def rosenbrock(p):
    """Rosenbrock's function, of numbers, vectors and matrices in a row."""
    x = dualad.concat([dualad.reshape(part, (-1,)) for part in (p["a"], p["b"], p["c"])])
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


START = {"a": -0.5, "b": np.zeros(2), "c": np.full((2, 1), 0.3)}
X = np.array([0.3, -1.0, 0.5, 2.0, -0.2])


@pytest.mark.parametrize("method", METHODS)
def test_rosenbrocks_function_is_minimized(method):
    found = optimize.minimize(rosenbrock, START, method=method, tol=1e-9)
    assert found.success
    assert type(found.x["a"]) is float
    assert [np.shape(found.x[k]) for k in "abc"] == [(), (2,), (2, 1)]
    for part in found.x.values():
        np.testing.assert_allclose(part, 1.0, atol=1e-4)


def test_what_solvers_are_given_is_what_scipys_own_functions_give():
    problem = optimize.for_scipy(rosenbrock, START)
    assert (problem.x0.dtype, problem.x0.tolist()) == (np.float64, [-0.5, 0.0, 0.0, 0.3, 0.3])
    p = np.arange(5.0)
    assert type(problem.fun(X)) is float
    assert problem.fun(X) == pytest.approx(scipy_optimize.rosen(X), rel=1e-14)
    np.testing.assert_allclose(problem.jac(X), scipy_optimize.rosen_der(X), rtol=1e-13)
    np.testing.assert_allclose(problem.hess(X), scipy_optimize.rosen_hess(X), rtol=1e-13)
    np.testing.assert_allclose(problem.hessp(X, p), scipy_optimize.rosen_hess_prod(X, p), rtol=1e-13)
    value, gradient = problem.value_and_grad(X)
    assert (value, gradient.tolist()) == (problem.fun(X), problem.jac(X).tolist())


def test_a_function_is_evaluated_once_at_each_point():
    points = []

    def f(x):
        points.append(np.array(x.detach()))
        return (x**4).sum()

    problem = optimize.for_scipy(f, np.ones(2))
    x = np.array([1.0, 2.0])
    for _ in range(2):
        problem.fun(x), problem.jac(x), problem.hessp(x, x), problem.hessp(x, -x), problem.hess(x)
    assert len(points) == 1
    x[0] = 3.0  # in place, as solvers do
    assert problem.fun(x) == 97.0
    assert len(points) == 2


def test_results_belong_to_the_solver():
    problem = optimize.for_scipy(lambda x: [x**2, x], np.array([1.0, 2.0]))
    x = problem.x0
    for give in (problem.fun, problem.jac, problem.unravel):
        before = give(x).copy()
        give(x)[:] = 7.0
        assert np.array_equal(give(x), before)


def test_unknowns_keep_their_kind_dtype_and_device(device):
    w = dualad.ones((2, 2), dtype=dualad.float32, device=device)
    start = {"w": w, "raw": dualad.ones(3, dtype=dualad.float32, device=device)._raw, "n": [2.0, None]}
    problem = optimize.for_scipy(lambda p: (p["w"] ** 2).sum().to("cpu") + p["n"][0] ** 2, start)
    back = problem.unravel(np.arange(8.0))
    assert (type(back["w"]), back["w"].dtype, back["w"].device) == (dualad.Tensor, dualad.float32, w.device)
    assert type(back["raw"]) is type(start["raw"])
    assert (back["n"], back["w"].cpu().tolist()) == ([0.0, None], [[4.0, 5.0], [6.0, 7.0]])
    assert np.array_equal(problem.ravel(back), np.arange(8.0))
    assert problem.jac(np.arange(8.0)).tolist() == [0.0, 0.0, 0.0, 0.0, 8.0, 10.0, 12.0, 14.0]


def test_unknowns_on_a_device_are_found(device):
    needs("float64", device)
    target = dualad.asarray(np.array([1.0, -2.0]), device=device)
    found = optimize.minimize(
        lambda x: ((x - target) ** 2).sum(), dualad.zeros_like(target), method="Newton-CG"
    )
    assert found.x.device == target.device
    np.testing.assert_allclose(found.x.cpu().numpy(), [1.0, -2.0], atol=1e-8)


def test_complex_unknowns_and_residuals_are_two_numbers_each():
    c = np.array([1 + 2j, -0.5j])
    problem = optimize.for_scipy(lambda z: dualad.sum(dualad.abs(z - c) ** 2), c * 0)
    assert problem.x0.size == 4
    np.testing.assert_allclose(problem.jac(problem.x0), [-2.0, 0.0, -4.0, 1.0])
    np.testing.assert_allclose(problem.hess(problem.x0), 2 * np.eye(4), atol=1e-12)
    found = optimize.minimize(lambda z: dualad.sum(dualad.abs(z - c) ** 2), c * 0)
    np.testing.assert_allclose(found.x, c, atol=1e-5)
    solved = optimize.root(lambda z: z**2 - c, c)
    np.testing.assert_allclose(solved.x**2, c, atol=1e-8)


@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov"])
def test_roots(method):
    seen = []

    def equations(p, total, product):
        seen.append(p)
        return {"sum": p["x"] + p["y"] - total, "product": p["x"] * p["y"] - product}

    found = optimize.root(equations, {"x": 0.5, "y": 5.0}, (3.0, 2.0), method=method, tol=1e-10)
    assert found.success
    assert sorted(found.x.values()) == pytest.approx([1.0, 2.0], abs=1e-6)


def test_the_root_of_one_equation():
    assert optimize.root(lambda x: x**3 - 8.0, 1.0).x == pytest.approx(2.0)


T = np.linspace(0.0, 2.0, 9)
MEASURED = 2.5 * np.exp(-1.3 * T)


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares(method):
    residuals = lambda p, t: p["a"] * np.exp(-p["k"] * t) - MEASURED  # noqa: E731
    found = optimize.least_squares(residuals, {"a": 1.0, "k": np.array([0.0])}, (T,), method=method)
    assert found.success
    assert found.x["a"] == pytest.approx(2.5)
    np.testing.assert_allclose(found.x["k"], [1.3])
    np.testing.assert_allclose(found.jac[:, 0], np.exp(-1.3 * T), rtol=1e-6)


def test_jacobians_of_residuals():
    f = lambda p: {"u": p["x"] ** 2, "v": [p["x"].sum() * p["s"], 3.0]}  # noqa: E731
    problem = optimize.for_scipy(f, {"s": 2.0, "x": np.array([1.0, 3.0])})
    x = np.array([2.0, 1.0, 3.0])
    assert problem.fun(x).tolist() == [1.0, 9.0, 8.0, 3.0]
    want = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 6.0], [4.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
    assert np.array_equal(problem.jac(x), want)
    operator = problem.jac_operator(x)
    assert np.array_equal(operator @ np.eye(3), want)
    assert np.array_equal(operator.T @ np.eye(4), want.T)
    problem = optimize.for_scipy(rosenbrock, START)
    assert problem.jac_operator(X) @ np.ones(5) == pytest.approx(problem.jac(X).sum(), rel=1e-13)


def test_least_squares_with_a_jacobian_that_is_never_made():
    problem = optimize.for_scipy(lambda x: [10 * (x[1:] - x[:-1] ** 2), 1 - x], np.zeros(20))
    found = scipy_optimize.least_squares(problem.fun, problem.x0, jac=problem.jac_operator, ftol=1e-12)
    np.testing.assert_allclose(problem.unravel(found.x), np.ones(20), atol=1e-6)


@pytest.mark.parametrize("solve", [optimize.minimize, optimize.root, optimize.least_squares])
@pytest.mark.parametrize("args", [np.array([[1.0, 2.0, 3.0]]), [1.0, 2.0, 3.0], (np.array([1.0, 2.0, 3.0]),)])
def test_what_is_no_tuple_is_one_argument(solve, args):
    """As in SciPy: an array is not taken apart along its first axis."""
    f = lambda x, c: (x - np.asarray(c).reshape(-1)) * 2  # noqa: E731
    g = (lambda x, c: (f(x, c) ** 2).sum()) if solve is optimize.minimize else f
    np.testing.assert_allclose(solve(g, np.zeros(3), args).x, [1.0, 2.0, 3.0], atol=1e-5)
    assert optimize.root(lambda x, c: x - c, 0.0, args=3.0).x == pytest.approx(3.0)


@pytest.mark.parametrize("method", ["trust-constr", "SLSQP"])
@pytest.mark.parametrize("one", [True, False])
def test_constraints(method, one):
    """The nearest point to (2, 1, 0) on a circle, alone or on a plane, too."""
    circle = lambda x: x[0] ** 2 + x[1] ** 2 + 0 * x[2]  # noqa: E731
    both = lambda x: dualad.stack([circle(x), x[2] - x[0] * x[1]])  # noqa: E731
    problem = optimize.for_scipy(lambda x: ((x - np.array([2.0, 1.0, 0.0])) ** 2).sum(), np.ones(3))
    c = optimize.for_scipy(circle if one else both, np.ones(3))
    low, high = (1.0, 1.0) if one else ([1.0, 0.0], [1.0, 0.0])
    second = method == "trust-constr"  # SLSQP warns of Hessians that it does not use
    constraint = scipy_optimize.NonlinearConstraint(
        c.fun, low, high, jac=c.jac, **({"hess": c.hess} if second else {})
    )
    more = {"hess": problem.hess} if second else {}
    found = scipy_optimize.minimize(
        problem.fun, problem.x0, jac=problem.jac, method=method, constraints=constraint, tol=1e-9, **more
    )
    if one:
        np.testing.assert_allclose(found.x, [2 / 5**0.5, 1 / 5**0.5, 0.0], atol=1e-5)
        return
    # On the curve (cos a, sin a, cos a sin a) the distance has its least value where its slope is zero.
    a = np.arctan2(found.x[1], found.x[0])
    np.testing.assert_allclose(found.x, [np.cos(a), np.sin(a), np.cos(a) * np.sin(a)], atol=1e-6)
    slope = 2 * (2 * np.sin(a) - np.cos(a)) + np.sin(2 * a) * np.cos(2 * a)
    assert slope == pytest.approx(0.0, abs=1e-5)


def test_weighted_hessians_of_residuals():
    problem = optimize.for_scipy(lambda x: {"a": x**3, "b": x[0] * x[1]}, np.ones(2))
    x, v = np.array([2.0, 3.0]), np.array([1.0, 10.0, 5.0])
    np.testing.assert_allclose(problem.hess(x, v), [[12.0, 5.0], [5.0, 180.0]])
    number = optimize.for_scipy(lambda x: (x**3).sum(), np.ones(2))
    for weight in (2.0, [2.0]):
        np.testing.assert_allclose(number.hess(x, weight), 2 * number.hess(x))
    with pytest.raises(dualad.ShapeError, match="a vector of 3 numbers"):
        problem.hess(x, v[:2])


def test_options_are_scipys():
    found = optimize.minimize(lambda x: (x - 3.0) ** 2, 0.0, method="L-BFGS-B", bounds=[(None, 2.0)])
    assert found.x == pytest.approx(2.0)
    numeric = optimize.minimize(lambda x: (x**2).sum(), np.ones(2), jac="2-point", method="BFGS")
    assert numeric.nfev > numeric.njev
    found = optimize.minimize(lambda x: x**4, 1.0, method="trust-constr", hess=scipy_optimize.BFGS())
    assert found.x == pytest.approx(0.0, abs=1e-2)


def test_a_function_that_does_not_depend_on_its_unknowns():
    problem = optimize.for_scipy(lambda x: 3.0, np.ones(2))
    assert (problem.fun(problem.x0), problem.jac(problem.x0).tolist()) == (3.0, [0.0, 0.0])
    assert problem.hess(problem.x0).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert optimize.for_scipy(lambda x: np.ones(3), np.ones(2)).jac(np.ones(2)).shape == (3, 2)
    assert optimize.for_scipy(lambda x: [], np.ones(2)).jac(np.ones(2)).shape == (0, 2)


def test_an_error_in_the_function_leaves_nothing_behind():
    fail = [True]

    def f(x):
        if fail[0]:
            raise RuntimeError("not today")
        return (x**2).sum()

    problem = optimize.for_scipy(f, np.ones(2))
    with pytest.raises(RuntimeError, match="not today"):
        problem.fun(problem.x0)
    fail[0] = False
    assert problem.jac(problem.x0).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: optimize.minimize(rosenbrock, {"a": 1}),
            dualad.DTypeError,
            r"for_scipy: an unknown at \['a'\]: .*write 2.0 rather than 2",
        ),
        (
            lambda: dualad.vmap(lambda x: optimize.minimize(dualad.sum, {"x": x}).fun)(X),
            dualad.BatchError,
            r"for_scipy: an unknown at \['x'\] is batched by vmap",
        ),
        (
            lambda: dualad.vmap(lambda c: optimize.minimize(lambda x: (x - c) ** 2, 0.0).x)(X),
            dualad.BatchError,
            "f depends on what is batched by vmap",
        ),
        (lambda: optimize.minimize(lambda x: None, 1.0), dualad.GradientError, "numbers, got NoneType"),
        (lambda: optimize.root(lambda x: None, 1.0), dualad.GradientError, "numbers, got NoneType"),
        (lambda: optimize.minimize(dualad.sin, np.ones(2)), dualad.GradientError, r"one real number.*\(2,\)"),
        (lambda: optimize.for_scipy(dualad.sin, X).hess(X), dualad.GradientError, "for_scipy: the function"),
        (lambda: optimize.for_scipy(dualad.sum, X).fun(X[:2]), dualad.ShapeError, "vector of 5 numbers"),
        (lambda: optimize.for_scipy(dualad.sum, X).hessp(X, X[:2]), dualad.ShapeError, "vector of 5 numbers"),
        (lambda: optimize.for_scipy(dualad.sum, X).ravel([X]), dualad.GradientError, "have the structure"),
        (lambda: optimize.for_scipy(dualad.sum, X).ravel(X[:2]), dualad.ShapeError, "an unknown has shape"),
        (
            lambda: dualad.grad(lambda x: optimize.minimize(dualad.sum, x).fun)(X),
            dualad.GradientError,
            "a solver's",
        ),
        (
            lambda: dualad.grad(lambda c: optimize.minimize(lambda x: (x - c) ** 2, 0.0).x)(1.0),
            dualad.GradientError,
            "f depends on what is being differentiated by a transform around",
        ),
    ],
)
def test_what_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_scipy_is_not_imported_before_it_is_needed():
    program = (
        "import sys, dualad; assert 'scipy' not in sys.modules; "
        "dualad.optimize.for_scipy(dualad.sum, 1.0).jac([1.0]); assert 'scipy' not in sys.modules; "
        "sys.modules['scipy'] = None; dualad.optimize.minimize(dualad.sum, 1.0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "BackendError: dualad.optimize.minimize needs SciPy: pip install 'dualad[special]'" in done.stderr
