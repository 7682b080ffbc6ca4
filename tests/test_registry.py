"""The registry walk is in `dualad.testing.suite`; here is what concerns dualad itself and no backend.

That no op goes without an example, and that derivatives agree with complex steps.
"""

import numpy as np
import pytest

import dualad
from dualad.op import REGISTRY
from dualad.testing.suite.cases import arguments, draw, listed
from dualad.testing.suite.catalogue import FUNCTIONS
from dualad.testing.suite.constants import CONSTANTS
from dualad.testing.suite.examples import EXAMPLES


def test_every_differentiable_op_has_an_example():
    without = {name for name, op in REGISTRY.items() if op.differentiable} - {e.op for e in EXAMPLES}
    assert without == {"to_device"}, "to_device is differentiated by the suite's checks of moves"


def test_every_op_without_derivative_is_compared_with_numpy():
    without = {name for name, op in REGISTRY.items() if not op.differentiable} - {c.name for c in CONSTANTS}
    assert all(name.startswith("random.") for name in without), "random numbers are no two times the same"


def test_each_check_has_a_name_of_its_own():
    assert len({str(c) for c in FUNCTIONS}) == len(FUNCTIONS)


# Analytic in a complex argument, and continued by NumPy: abs(), signs and orders are not.
_ANALYTIC = (
    "positive negative square reciprocal exp expm1 sin cos tan sinh cosh tanh asinh atan sqrt log log1p "
    "log10 log2 asin acos atanh acosh add subtract multiply divide pow sum mean matmul getitem linalg.inv "
    "linalg.det linalg.solve"
)
ANALYTIC = [e for e in EXAMPLES if e.complex and e.op in _ANALYTIC.split()]


@pytest.mark.parametrize("example", ANALYTIC, ids=[e.name for e in ANALYTIC])
def test_complex_steps(example):
    """The imaginary part of f(x + i h t) / h: exact to the last digits, as nothing is subtracted."""
    f, xs = listed(example), arguments(example, dualad.float64, "cpu")
    ts = draw([x.shape for x in xs], dualad.float64, "cpu", 1)
    stepped = f([x + 1e-30j * t for x, t in zip(xs, ts, strict=True)])
    for a, b in zip(dualad.jvp(f, (xs,), (ts,))[1], stepped, strict=True):
        if not a.dtype.is_complex:
            np.testing.assert_allclose(a.numpy(), b.imag.numpy() / 1e-30, rtol=1e-10, atol=1e-12)
