"""Half precision: float16 and, where a backend has it, bfloat16."""

import pickle

import numpy as np
import pytest

import dualad
from dualad.testing.plugin import needs

HALVES = [dualad.float16, dualad.bfloat16]
EPS = {dualad.float16: 2.0**-10, dualad.bfloat16: 2.0**-7}


def half(values, dtype, device, **keywords):
    needs(dtype, device)
    return dualad.tensor(values, dtype=dtype, device=device, **keywords)


@pytest.mark.parametrize("dtype", HALVES)
def test_gradients_are_of_the_dtype_and_right_to_its_digits(device, dtype):
    points = [0.5, 1.0, 1.5, -2.0]
    x = half(points, dtype, device, requires_grad=True)
    (dualad.sin(x) * x + 2 * x).sum().backward()
    assert x.grad.dtype is dtype
    p = np.array(points)
    exact = np.cos(p) * p + np.sin(p) + 2
    np.testing.assert_allclose(
        x.grad.to("cpu", dtype=dualad.float32).numpy(), exact, rtol=0, atol=8 * EPS[dtype]
    )


@pytest.mark.parametrize("dtype", HALVES)
def test_a_sum_over_what_was_broadcast_is_made_in_single_precision(device, dtype):
    # Added one by one in half precision, ones stop to count at 2048 and at 256.
    x = half([1.0], dtype, device, requires_grad=True)
    w = dualad.ones((5000,), dtype=dtype, device=device)
    (x * w).sum().backward()
    assert float(x.grad[0]) == pytest.approx(5000, rel=EPS[dtype])


@pytest.mark.parametrize("dtype", HALVES)
def test_an_element_that_is_read_often_gathers_in_single_precision(device, dtype):
    x = half([1.0, 2.0], dtype, device, requires_grad=True)
    needs(dualad.int64, device)
    x[dualad.zeros(5000, dtype=dualad.int64, device=device)].sum().backward()
    assert float(x.grad[0]) == pytest.approx(5000, rel=EPS[dtype])
    assert float(x.grad[1]) == 0


def test_numpy_has_no_bfloat16_and_says_so():
    with pytest.raises(dualad.DTypeError, match=r"the device cpu has no arrays of dtype dualad\.bfloat16"):
        dualad.ones(2, dtype=dualad.bfloat16)
    # NumPy before 2.4 says so in words of its own.
    with pytest.raises(TypeError, match=r"NumPy has no bfloat16; use float32|interpret 'dualad.bfloat16'"):
        np.zeros(2, dtype=dualad.bfloat16)


def test_bfloat16_stays_beside_integers_and_widens_beside_other_floats():
    b = dualad.bfloat16
    assert dualad.result_type(b, dualad.int64) is b
    assert dualad.result_type(b, dualad.bool, 2.5) is b
    assert dualad.result_type(b, dualad.float16) is dualad.float32
    assert dualad.result_type(b, dualad.float64) is dualad.float64
    assert dualad.result_type(b, 1j) is dualad.complex64
    assert dualad.can_cast(b, dualad.float32)
    assert not dualad.can_cast(dualad.float32, b)
    assert dualad.finfo(b).eps == 2.0**-7
    assert dualad.finfo(b).max == pytest.approx(3.3895e38, rel=1e-4)


def test_bfloat16_goes_where_there_is_none_only_as_something_else(device):
    x = half([1.5, -3.0], dualad.bfloat16, device)
    with pytest.raises(dualad.DTypeError, match=r"cpu has no arrays of dtype dualad\.bfloat16"):
        x.to("cpu")
    assert x.to("cpu", dtype=dualad.float32).tolist() == [1.5, -3.0]
    assert dualad.tensor([1.5, -3.0]).to(device, dtype=dualad.bfloat16).tolist() == [1.5, -3.0]
    assert x.numpy().dtype == np.float32
    assert x.tolist() == [1.5, -3.0]
    assert "dtype=dualad.bfloat16" in repr(x)
    assert x.float().bfloat16().dtype is dualad.bfloat16
    assert x.type().endswith("BFloat16Tensor")
    again = pickle.loads(pickle.dumps(x))
    assert again.dtype is dualad.bfloat16
    assert again.tolist() == [1.5, -3.0]


@pytest.mark.parametrize("dtype", HALVES)
def test_an_optimizer_steps_in_half_precision(device, dtype):
    x = half([1.0, -2.0], dtype, device, requires_grad=True)
    optimizer = dualad.optim.SGD([x], lr=0.25, momentum=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (x * x).sum().backward()
        optimizer.step()
    # x - (0.5 * 2x + 2x')/4 with x' = x/2
    assert x.detach().tolist() == [0.0, 0.0]
    assert x.dtype is dtype


@pytest.mark.parametrize("dtype", HALVES)
def test_random_numbers_of_half_precision_stay_below_one(device, dtype):
    needs(dtype, device)
    x = dualad.rand(20_000, dtype=dtype, device=device)
    assert x.dtype is dtype
    assert float(x.min()) >= 0
    assert float(x.max()) < 1
