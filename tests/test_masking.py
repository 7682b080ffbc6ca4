"""A zero cotangent gives a zero gradient, whatever is infinite or NaN where nothing was asked for."""

import numpy as np
import pytest

import dualad
from dualad import where

pytestmark = pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value", "ignore:overflow")

X = [-1.0, 0.0, 1.0, 2.0]
DATA = np.array([np.nan, np.inf, 3.0, -2.0], dtype=np.float32)


def _cleared(y):
    y[:2] = 0.0
    return y


# What is computed of x, and its derivative where x is 1 and 2; where x is -1 and 0 it is 0.
MASKED = {
    "where sqrt": (lambda x: where(x > 0, dualad.sqrt(x), 0.0), [0.5, 8**-0.5]),
    "where log": (lambda x: where(x > 0, dualad.log(x), 0.0), [1.0, 0.5]),
    "where log1p": (lambda x: where(x > 0, dualad.log1p(x - 1), 0.0), [1.0, 0.5]),
    "where divide": (lambda x: where(x > 0, 1 / x, 0.0), [-1.0, -0.25]),
    "where divided by 0": (lambda x: where(x > 9, x / 0.0, 0.0), [0.0, 0.0]),
    "where divided by NaN": (lambda x: where(x > 9, x / np.nan, 0.0), [0.0, 0.0]),
    "where ratio": (lambda x: where(x > 0, x / x, 0.0), [0.0, 0.0]),
    "where reciprocal": (lambda x: where(x > 0, dualad.reciprocal(x), 0.0), [-1.0, -0.25]),
    "where pow": (lambda x: where(x > 0, x**0.5, 0.0), [0.5, 8**-0.5]),
    "where pow of arrays": (lambda x: where(x > 0, x**x, 0.0), [1.0, 4 * (1 + np.log(2))]),
    "where acosh": (lambda x: where(x > 0, dualad.acosh(x + 1), 0.0), [3**-0.5, 8**-0.5]),
    "where overflow": (lambda x: where(x > 0, dualad.exp(-x * 400) + dualad.exp(x), 0.0), [np.e, np.e**2]),
    "where angle": (lambda x: where(x > 0, dualad.atan2(where(x > 0, x, 0.0), 1.0), 0.0), [0.5, 0.2]),
    "times a mask": (lambda x: dualad.sqrt(abs(x)) * (x > 0.5).to(x.dtype), [0.5, 8**-0.5]),
    "masked data": (lambda x: where(dualad.asarray(np.isfinite(DATA), device=x.device),
                                    x * dualad.asarray(DATA, device=x.device), 0.0), [3.0, -2.0]),
    "read": (lambda x: dualad.sqrt(x)[2:], [0.5, 8**-0.5]),
    "read by mask": (lambda x: dualad.log(x)[x > 0], [1.0, 0.5]),
    "infinite, overwritten": (lambda x: _cleared((1 / where(x > 0, 1.0, 0.0) - x) ** 2), [0.0, 2.0]),
    "overwritten": (lambda x: _cleared(dualad.log(x)), [1.0, 0.5]),
}  # fmt: skip


@pytest.mark.parametrize("case", MASKED)
def test_what_is_masked_does_not_count(case, device):
    f, want = MASKED[case]
    x = dualad.asarray(X, device=device)
    g = dualad.grad(lambda x: dualad.sum(f(x)))(x)
    np.testing.assert_allclose(g.cpu().numpy(), [0, 0, *want], rtol=1e-5, atol=1e-6)
    second = dualad.grad(lambda x: dualad.sum(dualad.grad(lambda x: dualad.sum(f(x)))(x)))(x)
    assert np.isfinite(second.cpu().numpy()).all()
    leaf = x.clone().requires_grad_()
    f(leaf).sum().backward(create_graph=True)
    np.testing.assert_allclose(leaf.grad.detach().cpu().numpy(), g.cpu().numpy(), rtol=1e-6)


@pytest.mark.parametrize("f", [dualad.log, dualad.sqrt, dualad.reciprocal, lambda x: 1 / x, lambda x: x**0.5])
def test_a_pullback_is_linear_also_at_zero(f, device):
    """Zeros are masked where the factor is infinite only: as a function of it, g = 0 is a point as any."""
    x = dualad.asarray([1.0, 2.0], device=device)
    zero = dualad.zeros_like(x)
    slope = dualad.grad(lambda x: dualad.sum(f(x)))(x)
    pulled = lambda g: dualad.vjp(f, x)[1](g)[0]  # noqa: E731
    assert dualad.jvp(pulled, (zero,), (zero + 1,))[1].tolist() == slope.tolist()
    assert dualad.grad(lambda g: dualad.sum(pulled(g)))(zero).tolist() == slope.tolist()
