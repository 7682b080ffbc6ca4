"""Functions of dask's own on Tensors: what cannot be differentiated is refused, never a gradient of zeros."""

import dask
import dask.array as da
import numpy as np
import pytest

import dualad

W = np.array([0.3, -0.5, 0.7])
A = np.arange(12.0).reshape(4, 3)


def lazy_a():
    return da.from_array(A, chunks=(2, 3))


def written(w):
    z = da.zeros(3)
    z[:] = w
    return z.sum()


REFUSED = {
    "sum": lambda w: da.sum(w * w),
    "mean": da.mean,
    "var": da.var,
    "nansum": da.nansum,
    "where": lambda w: dualad.sum(da.where(w > 0, w, 0.0)),
    "dot": lambda w: da.dot(w, w),
    "dot of an array": lambda w: da.dot(lazy_a(), w).sum(),
    "method dot": lambda w: dualad.sum(lazy_a().dot(w)),
    "matmul": lambda w: da.matmul(lazy_a(), w).sum(),
    "tensordot": lambda w: da.tensordot(lazy_a(), w, 1).sum(),
    "einsum": lambda w: da.einsum("i,i->", w, w),
    "stack": lambda w: da.stack([w, w * w]).sum(),
    "concatenate": lambda w: dualad.sum(da.concatenate([w, w])),
    "diff": lambda w: da.diff(w).sum(),
    "map_blocks": lambda w: da.map_blocks(np.sin, w).sum(),
    "asarray": lambda w: da.asarray(w).sum(),
    "from_array": lambda w: da.from_array(w).sum(),
    "add": lambda w: da.add(da.ones(3), w).sum(),
    "a term of a loss": lambda w: dualad.sum(w**2) + da.sum(w**2),
}
# Of dask's device only; written into an array, another is refused by NumPy's protocol.
REFUSED_ON_DASK = {
    "setitem": written,
    "delayed": lambda w: dualad.asarray(da.from_delayed(dask.delayed(np.sum)(w), (), float)),
}
# What goes by NumPy's protocols is differentiated.
DIFFERENTIATED = {
    "sin": (lambda w: da.sin(w).sum(), np.cos(W)),
    "square": (lambda w: da.square(w).sum(), 2 * W),
    "maximum": (lambda w: da.maximum(w, 0).sum(), [1, 0, 1]),
    "clip": (lambda w: da.clip(w, 0, 1).sum(), [1, 0, 1]),
    "take": (lambda w: da.take(w, [0, 1]).sum(), [1, 1, 0]),
    "norm": (da.linalg.norm, W / np.linalg.norm(W)),
}


@pytest.mark.parametrize("point", [W, da.from_array(W, chunks=2)], ids=["numpy", "dask"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_derivative_is_refused_in_every_mode(name, point):
    f = REFUSED[name]
    for derivative in (
        lambda: dualad.grad(f)(point),
        lambda: dualad.jvp(f, (point,), (point,)),
        lambda: f(dualad.asarray(point, requires_grad=True) * 1),
    ):
        with pytest.raises(dualad.GradientError, match="Use dualad's or NumPy's functions"):
            derivative()


@pytest.mark.parametrize("name", REFUSED_ON_DASK)
def test_what_has_no_derivative_of_tensors_on_dask_is_refused(name):
    with pytest.raises(dualad.GradientError, match="Use dualad's or NumPy's functions"):
        dualad.grad(REFUSED_ON_DASK[name])(da.from_array(W))


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_functions_that_ask_numpys_protocols_are_differentiated(name):
    f, want = DIFFERENTIATED[name]
    np.testing.assert_allclose(dualad.grad(f)(da.from_array(W, chunks=2)).compute(), want)


def test_an_example_of_a_vmap_is_refused():
    with pytest.raises(dualad.BatchError, match="inside vmap"):
        dualad.vmap(da.sum)(lazy_a())


def test_tensors_without_history_are_dask_arrays_to_dask():
    x = lazy_a()
    t = dualad.asarray(x)
    assert t.to_dask_array().name == da.asarray(t).name == x.name
    np.testing.assert_array_equal(da.sum(t, axis=0).compute(), A.sum(0))
    host = dualad.asarray(A)
    assert isinstance(da.asarray(host), da.Array)
    np.testing.assert_array_equal(da.add(x, host).compute(), 2 * A)


def test_the_name_of_a_tensor_in_a_graph_is_that_of_its_elements():
    t, host = dualad.asarray(lazy_a()), dualad.asarray(A)
    assert dask.base.tokenize(t) == dask.base.tokenize(dualad.asarray(lazy_a()))
    assert dask.base.tokenize(host) == dask.base.tokenize(dualad.asarray(A.copy()))
    assert len({dask.base.tokenize(x) for x in (t, host, host + 1)}) == 3


def test_what_a_delayed_function_computes_of_a_tensor_has_its_history():
    def f(w):
        return dask.delayed(dualad.sum)(w**2).compute()

    np.testing.assert_allclose(dualad.grad(f)(W), 2 * W)
