"""Arrays in many blocks: nothing is computed too early, and all is as on NumPy's arrays."""

import subprocess
import sys
import warnings

import dask
import dask.array as da
import dualad_dask
import numpy as np
import pytest
from dask.array.core import PerformanceWarning

import dualad
from dualad.testing.suite.examples import EXAMPLES

BACKEND = dualad.backends.get("dask")
DEVICE = BACKEND.devices()[0]


class Computed(Exception):
    """Something was computed."""


def refuse(graph, keys, **keywords):
    """Stand in the place of a scheduler where nothing is to be computed."""
    raise Computed


@pytest.fixture(autouse=True)
def _small_blocks():
    # Arrays of the examples come in blocks of up to five doubles.
    with dask.config.set({"scheduler": "synchronous", "array.chunk-size": "40B"}):
        yield


# What these give has a shape that depends on the values: these are computed at once.
AT_ONCE = {"unique_all", "unique_counts", "unique_inverse", "unique_values"}
# Whose vectors NumPy turns otherwise, where blocks are decomposed one by one; their signs are free.
OTHER_SIGNS = {"qr-tall-reduced"}
CASES = [(e, False) for e in EXAMPLES]
CASES += [
    (e, True) for e in EXAMPLES if e.complex and e.op.startswith(("linalg", "fft", "getitem", "scatter"))
]


def derivatives(example, complex, device):
    """Return results, tangents and gradients of an example."""

    def f(xs):
        y = example.call(*xs)
        return list(y) if isinstance(y, tuple) else [y]

    rng = np.random.default_rng(7)
    xs, ts = [], []
    for a in example.arrays:
        a = np.asarray(a, dtype=float)
        imaginary = 0.3j if complex else 0
        xs.append(dualad.asarray(a + imaginary * rng.standard_normal(a.shape), device=device))
        ts.append(dualad.asarray(rng.standard_normal(a.shape) * (1 + imaginary), device=device))
    ys, pushed = dualad.jvp(f, (xs,), (ts,))
    (pulled,) = dualad.vjp(f, xs)[1]([dualad.ones_like(y) for y in ys])
    return [*ys, *pushed, *pulled]


@pytest.mark.parametrize(("example", "complex"), CASES, ids=[f"{e.name}{'-complex' * c}" for e, c in CASES])
def test_derivatives_are_lazy_and_those_of_numpy(example, complex):
    want = derivatives(example, complex, "cpu")
    with dask.config.set(scheduler="synchronous" if example.name in AT_ONCE else refuse):
        got = derivatives(example, complex, "dask")
    arrays = [x._raw for x in got]
    for array, values, w in zip(arrays, dask.compute(*arrays), want, strict=True):
        assert (array.shape, array.dtype) == (np.shape(values), values.dtype) == (w.shape, w.numpy().dtype)
        if example.name not in OTHER_SIGNS:
            np.testing.assert_allclose(values, w.numpy(), rtol=1e-10, atol=1e-11)


# -- indexing --------------------------------------------------------------------------------------

ROW, COLUMN, MASK = np.array([0, 4, 4, -1]), np.array([[3], [-2]]), np.arange(5) % 2 == 0
ALL, SOME, BACK = slice(None), slice(1, 4), slice(4, 0, -2)
KEYS = [
    (ROW,), (ALL, COLUMN), (ROW, None, 0), (..., COLUMN), (ROW, ALL, np.array([3, 3, -2, -2])), (COLUMN, ROW),
    (BACK, ROW), (SOME, ROW, BACK), (MASK, ALL, ROW[:3]), (0, ALL, COLUMN), (True, ROW),
]  # fmt: skip


@pytest.mark.parametrize("lazy", [False, True], ids=["known", "lazy"])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_index_arrays_read_write_and_add_as_in_numpy(key, lazy):
    x = np.arange(5.0 * 7 * 5).reshape(5, 7, 5)
    there = da.from_array(x, chunks=(2, 3, 2))

    def as_asked(k):
        return da.from_array(k, chunks=1) + 0 if lazy and isinstance(k, np.ndarray) and k.dtype != bool else k

    places = tuple(map(as_asked, key))
    value = np.arange(x[key].size).reshape(x[key].shape) + 1.0
    block = da.from_array(value, chunks=1 if value.size < 100 else 3)
    with dask.config.set(scheduler=refuse):
        read = BACKEND.getitem(there, key=places)
        written = BACKEND.setitem(there, block, key=places)
        added = BACKEND.scatter(block, shape=x.shape, key=places)
        both = BACKEND.index_add(there, block, key=places)
    want_written, want_added = x.copy(), np.zeros_like(x)
    want_written[key] = value
    np.add.at(want_added, key, value)
    wanted = [x[key], want_written, want_added, x + want_added]
    for got, want in zip(dask.compute(read, written, added, both), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_lazy_mask_writes_a_number_without_being_computed():
    x = da.from_array(np.arange(12.0).reshape(3, 4), chunks=2)
    with dask.config.set(scheduler=refuse):
        y = BACKEND.setitem(x, 0, key=x % 2 == 0)
    np.testing.assert_array_equal(
        y.compute(), np.arange(12.0).reshape(3, 4) * (np.arange(12) % 2).reshape(3, 4)
    )


def test_few_elements_of_very_many_are_read_and_their_gradient_written_where_they_are():
    with dask.config.set({"array.chunk-size": "128MiB"}):
        x = da.zeros(10**11, chunks=10**7)
        (gradient,) = dualad.vjp(lambda x: x[[3, 10**10]] * 2.0, x)[1](da.ones(2))
    assert gradient.shape == x.shape
    np.testing.assert_array_equal(gradient[10**10 - 2 : 10**10 + 2].compute(), [0, 0, 2, 0])


def test_the_number_of_elements_of_an_array_of_unknown_length_is_found_where_it_becomes_a_tensor():
    x = da.from_array(np.arange(10.0), chunks=3)
    y = dualad.asarray(x[x % 2 == 0])
    assert y.shape == (5,)
    assert y.tolist() == [0, 2, 4, 6, 8]
    assert [i.tolist() for i in dualad.nonzero(dualad.asarray(x) > 7)] == [[8, 9]]


Y = np.linspace(-2, 3, 12)
POSITIVE = Y[Y > 0]
ROWS = np.random.default_rng(0).standard_normal((12, 3))
PICKED = ROWS[Y > 0]
# What a function gives for dask arrays whose lengths nobody knows, which meet a Tensor in it or not at all.
UNKNOWN = {
    "mean": (lambda a, b, w: dualad.mean(b), POSITIVE.mean()),
    "var": (lambda a, b, w: dualad.var(b), POSITIVE.var()),
    "argmax": (lambda a, b, w: dualad.argmax(b), 6),
    "cumulative_sum": (lambda a, b, w: dualad.cumulative_sum(b), POSITIVE.cumsum()),
    "cumulative_prod": (lambda a, b, w: dualad.cumulative_prod(b), POSITIVE.cumprod()),
    "stack": (lambda a, b, w: dualad.stack([b, b]), [POSITIVE, POSITIVE]),
    "vmap": (lambda a, b, w: dualad.vmap(lambda row, y: row @ w - y)(a, b), PICKED.sum(1) - POSITIVE),
    "residuals": (
        lambda a, b, w: dualad.grad(lambda w: dualad.sum((a @ w - b) ** 2))(w),
        2 * PICKED.T @ (PICKED.sum(1) - POSITIVE),
    ),
    "tangent": (
        lambda a, b, w: dualad.jvp(lambda w: dualad.mean(a @ w - b), (w,), (w,))[1],
        PICKED.sum(1).mean(),
    ),
    "curvature": (
        lambda a, b, w: dualad.hessian(lambda w: dualad.mean((a @ w - b) ** 2))(w),
        2 * PICKED.T @ PICKED / len(POSITIVE),
    ),
    "divided by a number": (
        lambda a, b, w: dualad.grad(lambda w: dualad.var(b * w[0]))(w),
        [2 * POSITIVE.var(), 0, 0],
    ),
    "argument": (lambda a, b, w: dualad.grad(lambda b: dualad.mean(b**2))(b), 2 * POSITIVE / len(POSITIVE)),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_lengths_of_operands_are_found_where_they_are_needed(name):
    # The first block of rows has none that is chosen.
    y, rows = da.from_array(Y, chunks=4), da.from_array(ROWS, chunks=(4, 3))
    f, want = UNKNOWN[name]
    found = f(rows[y > 0], y[y > 0], da.ones(3))
    found = found.numpy() if isinstance(found, dualad.Tensor) else found.compute()
    np.testing.assert_allclose(found, want)


def test_lengths_are_computed_once():
    y = da.from_array(Y, chunks=4)
    b = y[y > 0]
    f = dualad.grad(lambda s: dualad.sum((b * s) ** 2))
    f(da.ones(()))
    with dask.config.set(scheduler=refuse):
        gradient = f(da.ones(()))
    assert gradient.compute() == pytest.approx(2 * (POSITIVE**2).sum())


def test_operands_of_different_lengths_are_told_of_by_their_lengths():
    y, rows = da.from_array(Y, chunks=4), da.from_array(ROWS, chunks=(4, 3))
    with pytest.raises(dualad.ShapeError, match=r"shapes \(7,\) and \(5,\)"):
        dualad.grad(lambda w: dualad.sum(rows[y > 0] @ w - y[y < 0]))(da.ones(3))


def test_masked_blocks_are_refused():
    masked = da.ma.masked_greater(da.from_array(Y, chunks=4), 0)
    for f in (
        lambda: dualad.asarray(masked),
        lambda: dualad.sum(masked),
        lambda: dualad.grad(lambda x: dualad.sum(x**2))(masked),
        lambda: dualad.grad(lambda w: dualad.sum(w * masked))(da.ones(12)),
    ):
        with pytest.raises(dualad.DTypeError, match="masked arrays are not supported"):
            f()


def test_blocks_that_are_tensors_are_refused():
    def f(w):
        return dualad.sum(da.map_blocks(lambda block: block * w, da.ones(4, chunks=2), dtype=float))

    with pytest.raises(dualad.GradientError, match="the blocks of a dask array are Tensors"):
        dualad.grad(f)(1.5)


# -- what is the user's ----------------------------------------------------------------------------


def test_writing_to_a_dask_array_does_not_reach_its_tensor():
    x = da.from_array(np.arange(4.0), chunks=2)
    y = dualad.asarray(x)
    x[0] = 9.0
    assert y.tolist() == [0, 1, 2, 3]


def test_a_dask_array_is_known_before_anything_else_of_the_plugin_was_asked_for():
    program = "import dask.array as da, dualad; print(dualad.asarray(da.ones(3)).device)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "dask\n"


def test_printing_does_not_compute():
    x = dualad.ones(3, device="dask") + 1
    with dask.config.set(scheduler=refuse):
        assert repr(x) == "tensor(shape=(3,), dtype=dualad.float32, device='dask', lazy)"
        assert f"{x}" == repr(x)


def test_numbers_go_to_other_libraries_by_dlpack():
    x = dualad.asarray(da.arange(5, chunks=2) * 1.5)
    np.testing.assert_array_equal(np.from_dlpack(x), np.arange(5) * 1.5)


# -- computing -------------------------------------------------------------------------------------


def test_compute_and_persist_take_trees_and_leave_what_is_no_array():
    x = dualad.asarray(da.ones(4, chunks=2)).requires_grad_()
    tree = {"x": x, "y": [x * 2, da.arange(3)], "name": "a", "n": 3}
    computed = dualad_dask.compute(tree)
    assert (computed["x"].device, computed["x"].requires_grad) == ("cpu", False)
    assert isinstance(computed["y"][1], np.ndarray)
    assert (computed["name"], computed["n"]) == ("a", 3)
    kept, other = dualad_dask.persist(tree, x * 3)
    assert (kept["x"].device, kept["x"].requires_grad, kept["x"].is_leaf) == ("dask", True, True)
    assert not kept["y"][0].requires_grad
    assert isinstance(kept["y"][1], da.Array)
    with dask.config.set(scheduler=refuse):
        assert other.tolist() == [3.0] * 4


@pytest.mark.parametrize("function", [dualad_dask.compute, dualad_dask.persist])
def test_what_is_differentiated_is_not_computed_in_between(function):
    def f(x):
        return function(x * x)

    with pytest.raises(dualad.GradientError, match="a transform that goes on"):
        dualad.grad(f)(da.ones(()))


# -- random numbers --------------------------------------------------------------------------------


def test_random_numbers_are_drawn_block_by_block_and_again_when_they_are_lost():
    dualad.manual_seed(5)
    x = dualad.randn(10, 10, dtype=dualad.float64, device="dask")
    y = dualad.randn(10, 10, dtype=dualad.float64, device="dask")
    array = x._raw
    assert array.npartitions > 10
    values = array.compute()
    np.testing.assert_array_equal(
        array.blocks[-1, 0].compute(), values[-array.chunks[0][-1] :, : array.chunks[1][0]]
    )
    assert np.unique(np.concat([values, y.numpy()])).size == 200
    dualad.manual_seed(5)
    np.testing.assert_array_equal(dualad.randn(10, 10, dtype=dualad.float64, device="dask").numpy(), values)


def test_random_numbers_of_every_kind_are_lazy():
    p = da.full((6, 6), 0.5, chunks=4)
    kinds = {
        "random": {}, "standard_normal": {}, "integers": {"low": 0, "high": 9}, "standard_gamma": {"a": p},
        "poisson": {"lam": p}, "binomial": {"n": p * 8, "p": p},
    }  # fmt: skip
    for kind, parameters in kinds.items():
        dtype = np.dtype("int64" if kind == "integers" else "float64")
        with dask.config.set(scheduler=refuse):
            x = BACKEND.random(BACKEND.generator(1, DEVICE), kind, (6, 6), dtype, DEVICE, **parameters)
        values = x.compute()
        assert (values.shape, values.dtype) == ((6, 6), dtype)
        assert np.unique(values).size > 2


def test_a_hundred_gigabytes_of_random_numbers_are_described():
    with dask.config.set({"array.chunk-size": "128MiB", "scheduler": refuse}):
        x = dualad.rand(125_000_000, 100, dtype=dualad.float64, device="dask")
    assert x._raw.nbytes == 100e9
    assert max(x._raw.chunksize) * min(x._raw.chunksize) * 8 <= 2**27


def test_reading_by_lazy_indices_in_many_blocks_warns_of_nothing():
    x = da.from_array(np.arange(64.0), chunks=1)
    index = da.from_array(np.arange(64)[::-1].copy(), chunks=1) + 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", PerformanceWarning)
        y = BACKEND.getitem(x, key=index)
    np.testing.assert_array_equal(y.compute(), np.arange(64.0)[::-1])


# -- programs --------------------------------------------------------------------------------------

PROGRAMS = {
    "writing at a mask": lambda a: _written(a, a > 0.5, 0.0).sum(),
    "writing at indices": lambda a: _written(a, dualad.argmax(a, axis=0), 5.0),
    "sorting": lambda a: dualad.sort(a, axis=0)[:2] ** 2,
    "vmap over indices": lambda a: dualad.vmap(lambda row, i: row[i] ** 2)(a, dualad.argmax(a, axis=1)),
    "a checkpoint": dualad.checkpoint(lambda a: dualad.sin(a) * a),
    "functions of NumPy": lambda a: np.median(np.exp(a), axis=0),
    "running products": lambda a: dualad.cumulative_prod(a, axis=0),
}


def _written(a, key, value):
    y = a * 1.0
    y[key] = value
    return y


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_of_programs_are_lazy_at_every_order(name):
    f = lambda a: dualad.sum(PROGRAMS[name](a))  # noqa: E731
    a = np.random.default_rng(2).random((5, 3))
    x = dualad.asarray(da.from_array(a, chunks=2) + 0)
    with dask.config.set(scheduler=refuse):
        got = [dualad.grad(f)(x), dualad.hvp(f, (x,), (x,)), dualad.jvp(f, (x,), (x,))[1]]
    y = dualad.asarray(a)
    want = [dualad.grad(f)(y), dualad.hvp(f, (y,), (y,)), dualad.jvp(f, (y,), (y,))[1]]
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-10, atol=1e-12)


# -- tangents, cotangents and linear functions -------------------------------------------------------


def test_tangents_and_cotangents_of_numpy_are_put_among_dask_arrays():
    w = da.ones(3)
    f = lambda w: (da.from_array(ROWS, chunks=(4, 3)) @ w) ** 2  # noqa: E731
    (gradient,) = dualad.vjp(f, w)[1](Y)
    np.testing.assert_allclose(gradient.compute(), 2 * ROWS.T @ (ROWS.sum(1) * Y))
    tangent = dualad.jvp(f, (w,), (np.arange(3),))[1]
    np.testing.assert_allclose(tangent.compute(), 2 * ROWS.sum(1) * (ROWS @ np.arange(3)))
    with pytest.raises(dualad.DTypeError, match="masked"):
        dualad.vjp(f, w)[1](np.ma.masked_array(Y, Y > 0))


def test_a_linear_function_is_transposed_without_being_computed():
    a = da.from_array(ROWS, chunks=(4, 3)) * 2
    with dask.config.set(scheduler=refuse):
        (g,) = dualad.linear_transpose(lambda w: a @ w, da.zeros(3))(da.from_array(Y))
        with pytest.raises(dualad.GradientError, match="the derivative of multiply"):
            dualad.linear_transpose(lambda w: (a @ w) * w[0], da.zeros(3))
    np.testing.assert_allclose(g.compute(), 2 * ROWS.T @ Y)
