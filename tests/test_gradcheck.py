"""`gradcheck`: right derivatives pass, wrong ones are named."""

import numpy as np
import pytest

import dualad
from dualad.autograd import GradcheckError, gradcheck, gradgradcheck
from dualad.op import REGISTRY, Op
from dualad.rules import Linear, Scale

RNG = np.random.default_rng(0)


def _leaf(*shape, complex=False):
    values = RNG.standard_normal(shape) + (1j * RNG.standard_normal(shape) if complex else 0)
    return dualad.tensor(values, requires_grad=True)


@pytest.mark.parametrize("complex", [False, True])
def test_right_derivatives(complex):
    x, y = _leaf(2, 3, complex=complex), _leaf(3, complex=complex)
    f = lambda x, y: (dualad.exp(x) @ y, dualad.abs(x))  # noqa: E731
    assert gradcheck(f, (x, y))
    assert gradgradcheck(f, (x, y))


def test_constants_are_left_alone():
    assert gradcheck(lambda x, n, c: x**n * c, (_leaf(2), 3, dualad.ones(2, dtype=dualad.float64)))
    with pytest.raises(ValueError, match="no input requires grad"):
        gradcheck(dualad.sin, dualad.ones(2))


@pytest.fixture
def wrong():
    """An op whose derivative is half of what it should be, and one whose adjoint is no adjoint."""
    half = Op("_half(x)", Scale(lambda xp, x: x), compute=lambda xp, x: x * x)
    crooked = Op("_crooked(x)", Linear(lambda xp, g, like: g * 2), compute=lambda xp, x: x * 3)
    yield half, crooked
    del REGISTRY["_half"], REGISTRY["_crooked"]


def test_wrong_derivatives_are_named(wrong):
    half, crooked = wrong
    x = dualad.tensor([1.0, 3.0], dtype=dualad.float64, requires_grad=True)
    with pytest.raises(
        GradcheckError, match=r"output 0 with respect to input 0 in reverse mode: numerical 6, analytical 3"
    ):
        gradcheck(half, x)
    assert not gradcheck(half, x, raise_exception=False)
    with pytest.raises(GradcheckError, match="in reverse mode: numerical 3, analytical 2") as raised:
        gradcheck(crooked, x)
    assert "forward" not in str(raised.value)
    assert gradcheck(crooked, x, check_backward_ad=False)


def test_a_wrong_second_derivative():
    """A factor that is right, but constant to the eye of the second derivative."""
    x = dualad.tensor([0.5, 2.0], dtype=dualad.float64, requires_grad=True)
    op = Op("_cut(x)", Scale(lambda xp, x: 3 * (x.detach() if hasattr(x, "detach") else x) ** 2),
            compute=lambda xp, x: x * x * x)  # fmt: skip
    try:
        assert gradcheck(op, x)
        with pytest.raises(GradcheckError, match="numerical 12, analytical 0"):
            gradgradcheck(op, x, dualad.ones(2, dtype=dualad.float64))
    finally:
        del REGISTRY["_cut"]


def test_single_precision_is_warned_of():
    with pytest.warns(UserWarning, match="single precision"):
        gradcheck(lambda x: x * 2, dualad.ones(1, requires_grad=True), raise_exception=False)
