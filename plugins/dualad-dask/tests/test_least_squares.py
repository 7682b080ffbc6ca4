"""Least squares and logistic regression on matrices in blocks, which fit in no memory as a whole."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import dask
import dask.array as da
import dualad_dask
import numpy as np
import pytest
from scipy.optimize import minimize

import dualad

PROGRAM = Path(__file__).with_name("least_squares.py")
GIGABYTES = os.environ.get("DUALAD_DASK_GIGABYTES", "2")
MEMORY = 600e6  # of a process, most of it the libraries'


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def refuse(graph, keys, **keywords):
    """Stand in the place of a scheduler where nothing is to be computed."""
    raise AssertionError("something was computed")


# -- a matrix larger than memory -------------------------------------------------------------------


def test_the_gradient_over_100_gigabytes_is_built_and_nothing_computed():
    rng = da.random.default_rng(0)
    a = rng.standard_normal((125_000_000, 100), chunks=(250_000, 100))
    b = rng.standard_normal(125_000_000, chunks=250_000)
    w = da.zeros(100)
    assert a.nbytes == 100e9
    with dask.config.set(scheduler=refuse):
        value, gradient = dualad.value_and_grad(lambda w: dualad.mean((a @ w - b) ** 2))(w)
    assert (value.shape, gradient.shape, gradient.dtype) == ((), (100,), "float64")
    assert gradient.chunks == ((100,),)
    (graph,) = dask.optimize((value, gradient))
    tasks = dict(graph[0].dask) | dict(graph[1].dask)
    made = Counter(key[0] for key in tasks if isinstance(key, tuple))
    assert made[a.name] == a.numblocks[0] == 500  # a block of the matrix is made once for value and gradient
    assert len(tasks) < 12 * a.numblocks[0]
    assert all(n <= 2 * a.numblocks[0] for n in made.values())


def run(where):
    """Run the program in a process of its own; return what it prints."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(PROGRAM), where, GIGABYTES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def check(found):
    start, solution = np.linspace(-1.0, 1.0, 64), np.cos(np.arange(64))
    np.testing.assert_allclose(found["gradient"], 2 * (start - solution), rtol=1e-9)
    assert found["value"] == pytest.approx(np.sum((start - solution) ** 2), rel=1e-9)
    assert max(found["peaks"]) < MEMORY < found["bytes"] / 3


def test_threads_compute_it_in_bounded_memory():
    check(run("threads"))


def test_a_cluster_of_two_processes_computes_it_in_bounded_memory():
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    found = run("cluster")
    check(found)
    assert found["makers"] == found["workers"]  # each of the two has made blocks
    assert found["made"] == found["blocks"]


def test_killing_a_worker_in_the_middle_loses_nothing():
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    found = run("killed")
    check(found)
    assert min(found["workers"]) in found["makers"]  # it had made some, which others had to make again
    assert found["made"] == found["blocks"]


# -- small ones, block by block --------------------------------------------------------------------


class Matrix:
    """A matrix in blocks that counts how often each of them is made."""

    def __init__(self, rows=600, columns=7, blocks=5):
        self.made = Counter()
        self.values = np.random.default_rng(3).standard_normal((rows, columns))
        n = rows // blocks
        chunks = ((n,) * blocks, (columns,))
        self.lazy = da.map_blocks(self._block, n, chunks=chunks, dtype=float, meta=np.empty((0, 0)))

    def _block(self, n, block_id=None):
        self.made[block_id[0]] += 1
        return self.values[block_id[0] * n : (block_id[0] + 1) * n]

    def reads(self):
        """Return how often each block was made since this was asked, if that is the same for all."""
        (count,) = set(self.made.values())
        assert len(self.made) == self.lazy.numblocks[0]
        self.made.clear()
        return count


@pytest.fixture
def matrix():
    return Matrix()


def test_gradient_descent_reads_each_block_once_an_epoch(matrix):
    a, b = matrix.values, np.arange(600.0) % 7
    loss = lambda w: dualad.mean((matrix.lazy @ w - da.from_array(b, chunks=120)) ** 2)  # noqa: E731
    w, want = da.zeros(7), np.zeros(7)
    for _ in range(5):
        value, gradient = dualad.value_and_grad(loss)(w)
        value, w = dualad_dask.persist(value, w - 0.2 * gradient)
        assert matrix.reads() == 1
        assert float(value) == pytest.approx(np.mean((a @ want - b) ** 2))
        want = want - 0.2 * 2 * a.T @ (a @ want - b) / 600
    np.testing.assert_allclose(w.compute(), want, rtol=1e-12)
    assert len(w.dask) == 1  # the graph does not grow from epoch to epoch


def test_an_optimizer_steps_on_tensors_of_the_device(matrix):
    b = dualad.asarray(np.arange(600.0) % 7, device="dask")
    w = dualad.zeros(7, dtype=dualad.float64, device="dask", requires_grad=True)
    optimizer = dualad.optim.SGD([w], lr=0.1, momentum=0.9)
    want, momentum = np.zeros(7), np.zeros(7)
    for _ in range(4):
        optimizer.zero_grad()
        dualad.mean((matrix.lazy @ w - b) ** 2).backward()
        optimizer.step()
        w.data, state = dualad_dask.persist(w.data, optimizer.state_dict())
        optimizer.load_state_dict(state)
        assert matrix.reads() == 1
        momentum = 0.9 * momentum + 2 * matrix.values.T @ (matrix.values @ want - b.numpy()) / 600
        want = want - 0.1 * momentum
    np.testing.assert_allclose(w.detach().numpy(), want, rtol=1e-12)


def logistic(a, y):
    """Return the loss of a logistic regression as a function of the parameters."""
    return lambda w: dualad.mean(dualad.special.softplus(a @ w) - y * (a @ w))


def test_logistic_regression_has_the_gradient_of_numpy(matrix):
    a, y = matrix.values, (matrix.values[:, 0] > 0.3) * 1.0
    w = np.linspace(-1, 1, 7)
    value, gradient = dualad_dask.compute(
        *dualad.value_and_grad(logistic(matrix.lazy, (matrix.lazy[:, 0] > 0.3) * 1.0))(da.from_array(w))
    )
    assert matrix.reads() == 1
    z = a @ w
    np.testing.assert_allclose(value, np.mean(np.logaddexp(0, z) - y * z), rtol=1e-12)
    np.testing.assert_allclose(gradient, a.T @ (1 / (1 + np.exp(-z)) - y) / 600, rtol=1e-12)


def test_l_bfgs_of_scipy_finds_the_minimum(matrix):
    y = np.random.default_rng(4).integers(0, 2, 600) * 1.0
    f = dualad.value_and_grad(logistic(matrix.lazy, da.from_array(y, chunks=120)))

    def value_and_gradient(w):
        value, gradient = dualad_dask.compute(*f(da.from_array(w)))
        return float(value), gradient

    found = minimize(value_and_gradient, np.zeros(7), jac=True, method="L-BFGS-B", options={"ftol": 1e-14})
    assert matrix.reads() == found.nfev
    w = found.x
    np.testing.assert_allclose(matrix.values.T @ (1 / (1 + np.exp(-matrix.values @ w)) - y), 0, atol=1e-2)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B"])
def test_minimize_reads_each_block_once_an_evaluation(matrix, method):
    b = np.arange(600.0) % 7
    loss = lambda w: dualad.mean((matrix.lazy @ w - da.from_array(b, chunks=120)) ** 2)  # noqa: E731
    found = dualad.optimize.minimize(loss, da.zeros(7), method=method, tol=1e-12)
    assert matrix.reads() == found.nfev
    assert isinstance(found.x, da.Array)
    want = np.linalg.lstsq(matrix.values, b, rcond=None)[0]
    np.testing.assert_allclose(found.x.compute(), want, rtol=1e-6, atol=1e-8)


def test_a_problem_on_dask_has_the_derivatives_of_the_same_on_numpy():
    def f(p):
        return dualad.sum(dualad.abs(p["z"] * (2 + 1j) - 3) ** 4) + p["r"] ** 2

    z = np.array([1 + 1j, 2 - 1j])
    lazy = dualad.optimize.for_scipy(f, {"z": da.from_array(z, chunks=1), "r": da.full((), 1.5)})
    known = dualad.optimize.for_scipy(f, {"z": z, "r": 1.5})
    x = known.x0
    np.testing.assert_array_equal(lazy.x0, x)
    assert lazy.fun(x) == pytest.approx(known.fun(x))
    np.testing.assert_allclose(lazy.jac(x), known.jac(x))
    np.testing.assert_allclose(lazy.hess(x), known.hess(x))
    np.testing.assert_allclose(lazy.hessp(x, x), known.hessp(x, x))


def test_what_is_no_number_on_dask_is_taken_as_residuals_or_refused(matrix):
    residuals = lambda w: matrix.lazy @ w - 1.0  # noqa: E731
    found = dualad.optimize.least_squares(residuals, da.zeros(7))
    want = np.linalg.lstsq(matrix.values, np.ones(600), rcond=None)[0]
    np.testing.assert_allclose(found.x.compute(), want)
    with pytest.raises(dualad.GradientError, match="must return one real number"):
        dualad.optimize.minimize(residuals, da.zeros(7))


def test_products_with_jacobians_and_hessians_read_each_block_once(matrix):
    a, w, v = matrix.values, np.linspace(-1, 1, 7), np.cos(np.arange(7.0))
    f = logistic(matrix.lazy, 0.5)
    slope = dualad_dask.compute(dualad.jvp(f, (da.from_array(w),), (da.from_array(v),)))[1]
    assert matrix.reads() == 1
    p = 1 / (1 + np.exp(-a @ w))
    assert float(slope) == pytest.approx((a.T @ (p - 0.5) / 600) @ v)
    product = dualad_dask.compute(dualad.hvp(f, (da.from_array(w),), (da.from_array(v),)))
    assert matrix.reads() == 1
    np.testing.assert_allclose(product, a.T @ (p * (1 - p) * (a @ v)) / 600, rtol=1e-10)


def test_vmap_gives_the_gradient_of_each_row_in_the_blocks_of_the_rows(matrix):
    w = np.linspace(-1, 1, 7)
    each = dualad.vmap(dualad.grad(lambda w, row: (row @ w - 1.0) ** 2), in_axes=(None, 0))
    gradients = each(da.from_array(w), matrix.lazy)
    assert gradients.shape == (600, 7)
    assert gradients.chunks[0] == matrix.lazy.chunks[0]
    squares = dualad_dask.compute((gradients**2).mean(axis=0))
    assert matrix.reads() == 1
    a = matrix.values
    np.testing.assert_allclose(squares, np.mean((2 * (a @ w - 1)[:, None] * a) ** 2, axis=0), rtol=1e-12)
