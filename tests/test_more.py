"""Running sums and products, differences, counting, searching and sets against NumPy's."""

import numpy as np
import pytest
from conftest import needs

import dualad

DTYPES = ["float32", "float64", "complex64", "complex128", "int32", "int64"]


def _tensor(array, device):
    array = np.asarray(array)
    needs(getattr(dualad, array.dtype.name), device)
    return dualad.asarray(array, device=device)


def _array(shape, dtype, seed=0):
    a = np.random.default_rng(seed).integers(-3, 4, shape)
    return (a + (1j * a[::-1] if "complex" in dtype else 0)).astype(dtype)


def _numpy(x):
    return x.cpu().detach().numpy()


# -- running sums and products -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_running_values(name, dtype, device):
    if "int" in dtype:
        needs(dualad.int64, device)
    a = _array((3, 4), dtype)
    for axis in (0, 1, -1):
        for include_initial in (False, True):
            got = getattr(dualad, name)(_tensor(a, device), axis=axis, include_initial=include_initial)
            want = getattr(np, name)(a, axis=axis, include_initial=include_initial)
            np.testing.assert_allclose(_numpy(got), want, rtol=1e-5)
            assert _numpy(got).dtype == want.dtype
    x = _tensor(a, device)
    np.testing.assert_allclose(_numpy(getattr(dualad, name)(x[0])), getattr(np, name)(a[0]), rtol=1e-5)
    assert getattr(dualad, name)(x[:, :0], axis=1).shape == (3, 0)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_running_values_have_the_dtype_asked_for(name, device):
    needs(dualad.int64, device)
    x = _tensor(np.array([100, 100, 3], dtype=np.int16), device)
    for dtype in (dualad.int8, dualad.int32, dualad.float32, dualad.complex64):
        y = getattr(dualad, name)(x, dtype=dtype, include_initial=True)
        assert y.dtype is dtype
        want = getattr(np, name)(_numpy(x).astype(dtype.name), dtype=dtype.name, include_initial=True)
        assert y.tolist() == want.tolist()


def test_other_names(device):
    x = _tensor(_array((2, 3), "float32"), device)
    assert (
        dualad.cumsum(x, 1).tolist() == dualad.cumsum(x, dim=1).tolist() == np.cumsum(_numpy(x), 1).tolist()
    )
    assert dualad.cumprod(x).tolist() == np.cumprod(_numpy(x)).tolist()


def test_every_derivative_of_a_running_product_is_right_at_zeros(device):
    x = dualad.tensor([2.0, 0.0, 3.0, 0.0], device=device)
    last = lambda x: dualad.cumulative_prod(x)[-1]  # noqa: E731  it is what `prod` gives
    assert dualad.grad(last)(x).tolist() == [0.0, 0.0, 0.0, 0.0]
    second = dualad.grad(lambda x: dualad.grad(last)(x)[1])
    assert second(x).tolist() == [0.0, 0.0, 0.0, 6.0]
    assert dualad.grad(lambda x: second(x)[3])(x).tolist() == [3.0, 0.0, 2.0, 0.0]
    assert dualad.jvp(dualad.cumulative_prod, (x,), (dualad.ones_like(x),))[1].tolist() == [
        1.0,
        2.0,
        6.0,
        0.0,
    ]


def test_a_running_product_keeps_its_argument_and_result_alone():
    node = dualad.cumulative_prod(dualad.ones(100, requires_grad=True)).grad_fn
    assert [len(reads) for reads in node.saved] == [2]


# -- differences -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_differences(dtype, device):
    a, b, c = _array((3, 4), dtype), _array((3, 2), dtype, 1), _array((3, 1), dtype, 2)
    x = _tensor(a, device)
    for n in range(6):
        for axis in (0, -1):
            assert dualad.diff(x, n=n, axis=axis).tolist() == np.diff(a, n=n, axis=axis).tolist()
        got = dualad.diff(x, n=n, prepend=_tensor(b, device), append=_tensor(c, device))
        assert got.tolist() == np.diff(a, n=n, prepend=b, append=c).tolist()
        assert got.dtype is x.dtype
    assert dualad.diff(x, prepend=1, axis=0).tolist() == np.diff(a, prepend=1, axis=0).tolist()


# -- counting and searching --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bool", *DTYPES])
def test_count_nonzero(dtype, device):
    needs(dualad.int64, device)
    a = _array((3, 4), dtype)
    x = _tensor(a, device)
    for axis in (None, 0, -1, (0, 1), ()):
        for keepdims in (False, True):
            got = dualad.count_nonzero(x, axis=axis, keepdims=keepdims)
            assert got.dtype is dualad.int64
            assert got.tolist() == np.asarray(np.count_nonzero(a, axis=axis, keepdims=keepdims)).tolist()
            assert not got.requires_grad
    assert dualad.count_nonzero(x, dim=0, keepdim=True).shape == (1, 4)
    assert dualad.count_nonzero(x[0, 0]).tolist() == np.count_nonzero(a[0, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side, dtype, device):
    needs(dualad.int64, device)
    a, v = np.array([3, 1, 2, 2, 5], dtype), np.array([[0, 2], [3, 9]], dtype)
    order = np.argsort(a, stable=True)
    x, y = _tensor(a, device), _tensor(v, device)
    want = np.searchsorted(a, v, side=side, sorter=order).tolist()
    assert dualad.searchsorted(dualad.sort(x), y, side=side).tolist() == want
    assert dualad.searchsorted(x, y, side=side, sorter=_tensor(order, device)).tolist() == want
    assert dualad.searchsorted(dualad.sort(x), 2, side=side).tolist() == want[0][1]


def test_a_number_searched_for_has_the_dtype_of_the_array(device):
    needs(dualad.int64, device)
    x = _tensor(np.array([0.1, 0.2], dtype=np.float32), device)
    assert dualad.searchsorted(x, 0.1, side="right").item() == 1  # 0.1 in double is less than in single
    needs(dualad.float64, device)
    y = _tensor(np.array([1, 3]), device)
    assert dualad.searchsorted(y, 2.5).item() == 1


def test_positions_do_not_move(device):
    needs(dualad.int64, device)
    x = dualad.tensor([1.0, 2.0], device=device, requires_grad=True)
    assert not dualad.searchsorted(x, x).requires_grad
    assert dualad.grad(lambda x: dualad.sum(x[dualad.searchsorted(x, 1.5)] ** 2))(x).tolist() == [0.0, 4.0]


# -- sets --------------------------------------------------------------------------------------


def test_isin(device):
    needs(dualad.int64, device)
    x, y = _tensor(np.array([[1, 2], [3, 4]]), device), _tensor(np.array([2, 4, 9]), device)
    assert dualad.isin(x, y).tolist() == [[False, True], [False, True]]
    assert dualad.isin(x, y, invert=True).tolist() == [[True, False], [True, False]]
    assert dualad.isin(x, 3).tolist() == [[False, False], [True, False]]
    assert dualad.isin(4, x).tolist() is True
    assert dualad.isin(x, y[:0]).tolist() == [[False, False], [False, False]]


def test_isin_of_floats():
    x = dualad.tensor([1.5, dualad.nan, 2.5], requires_grad=True)
    y = dualad.isin(x, dualad.tensor([2.5, dualad.nan]))
    assert y.tolist() == [False, False, True]
    assert not y.requires_grad


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "complex64"])
def test_distinct_elements(dtype, device):
    needs(dualad.int64, device)
    a = _array((3, 4), dtype)
    x, want = _tensor(a, device), np.unique_all(a)
    got = dualad.unique_all(x)
    assert got._fields == want._fields
    for g, w in zip(got, want, strict=True):
        assert (g.device, g.tolist()) == (x.device, w.tolist())
    assert got.values.dtype is x.dtype
    assert dualad.unique_counts(x)._fields == ("values", "counts")
    assert dualad.unique_counts(x).counts.tolist() == want.counts.tolist()
    assert dualad.unique_inverse(x)._fields == ("values", "inverse_indices")
    assert dualad.unique_inverse(x).inverse_indices.tolist() == want.inverse_indices.tolist()
    assert dualad.unique_values(x).tolist() == want.values.tolist()
    assert dualad.unique_values(x[0, 0]).tolist() == [a[0, 0]]
    assert dualad.unique_all(x[:0]).values.shape == (0,)


def test_nans_are_all_distinct(device):
    needs(dualad.int64, device)
    x = dualad.tensor([dualad.nan, 1.0, dualad.nan], device=device)
    assert dualad.unique_counts(x).counts.tolist() == [1, 1, 1]


def test_the_gradient_goes_to_the_first_of_equal_elements(device):
    needs(dualad.int64, device)
    x = dualad.tensor([[3.0, 1.0], [3.0, 2.0]], device=device, requires_grad=True)
    y = dualad.unique_all(x)
    (y.values * dualad.tensor([1.0, 2.0, 3.0], device=device)).sum().backward()
    assert x.grad.tolist() == [[3.0, 1.0], [0.0, 2.0]]
    assert not any(part.requires_grad for part in y[1:])


# -- errors ------------------------------------------------------------------------------------

ERRORS = {
    "cumulative_sum: axis must be given for an array of 2 dimensions": (
        dualad.ShapeError,
        dualad.cumulative_sum,
    ),
    "cumulative_prod: axis 2 is out of bounds": (
        dualad.AxisError,
        lambda x: dualad.cumulative_prod(x, axis=2),
    ),
    "cumulative_prod: axis must be given for an array of 0": (
        dualad.ShapeError,
        lambda x: dualad.cumulative_prod(x[0, 0]),
    ),
    "cumsum: axis -3 is out of bounds": (dualad.AxisError, lambda x: dualad.cumsum(x, -3)),
    "diff: n must be 0 or more, got -1": (ValueError, lambda x: dualad.diff(x, n=-1)),
    "diff: n must be an integer, got 1.5": (TypeError, lambda x: dualad.diff(x, n=1.5)),
    "diff: axis 2 is out of bounds": (dualad.AxisError, lambda x: dualad.diff(x, axis=2)),
    "must agree in all axes but axis 1": (dualad.ShapeError, lambda x: dualad.diff(x, prepend=x[:1])),
    "count_nonzero: axis 2 is out of bounds": (dualad.AxisError, lambda x: dualad.count_nonzero(x, axis=2)),
    "searchsorted: x1 must have one axis": (dualad.ShapeError, lambda x: dualad.searchsorted(x, x)),
    "searchsorted: side must be 'left' or 'right'": (
        ValueError,
        lambda x: dualad.searchsorted(x[0], x, side="middle"),
    ),
    "searchsorted: x2 must be of a real dtype, got dualad.complex64": (
        dualad.DTypeError,
        lambda x: dualad.searchsorted(x[0], x.to(dualad.complex64)),
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_function_and_the_argument(message, device):
    kind, call = ERRORS[message]
    with pytest.raises(kind, match=message):
        call(dualad.ones(2, 3, device=device))
