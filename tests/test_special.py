"""Special functions: SciPy's values, conventions at the ends of domains, and what is missing."""

import doctest
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import scipy.special
import scipy.stats
from conftest import needs

import dualad
from dualad import inf, pi, special
from dualad.op import REGISTRY
from dualad.ops.special.descriptions import DESCRIPTIONS

# -- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DESCRIPTIONS)
@pytest.mark.parametrize("dtype", [dualad.float32, dualad.float64], ids=str)
def test_values_are_those_of_scipy(name, dtype, device):
    needs(dtype, device)
    given = DESCRIPTIONS[name][1]
    want = eval(f"f({given})", {"f": getattr(scipy.special, name), "tensor": np.array})
    make = lambda data: dualad.asarray(data, dtype=dtype, device=device)  # noqa: E731
    y = eval(f"f({given})", {"f": getattr(special, name), "tensor": make})
    assert (y.dtype, str(y.device)) == (dtype, device)
    rtol = 1e-5 if dtype is dualad.float32 else 1e-12
    np.testing.assert_allclose(y.cpu().numpy(), want, rtol=rtol, atol=1e-7 if rtol > 1e-6 else 1e-14)


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_example_of_each_docstring(name):
    op = REGISTRY[f"special.{name}"]
    test = doctest.DocTestParser().get_doctest(op.__doc__, {}, name, None, None)
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


def test_all_public_names_are_described():
    functions = {"digamma", "jn", "logsumexp", "softmax", "log_softmax", "softplus", "multigammaln", "zeta"}
    functions |= {"expm1", "log1p"}  # of the standard
    assert set(special.__all__) == set(DESCRIPTIONS) | functions
    assert all(getattr(special, name).__doc__ for name in special.__all__)


def test_what_scipy_sends_to_a_namespace_is_there():
    sent = pytest.importorskip("scipy.special._support_alternative_backends")._special_funcs
    assert {f.name for f in sent} <= set(special.__all__)


def test_functions_made_of_others(device):
    x = np.array([[1.0, -2.0, 30.0], [0.5, 1000.0, -1000.0]], dtype=np.float32)
    t = dualad.asarray(x, device=device)
    for axis in (None, 0, 1, (0, 1)):
        for name in ("logsumexp", "softmax", "log_softmax"):
            want = getattr(scipy.special, name)(x, axis=axis)
            np.testing.assert_allclose(
                getattr(special, name)(t, axis=axis).cpu().numpy(), want, rtol=1e-5, atol=1e-6
            )
    assert special.logsumexp(t, axis=1, keepdims=True).shape == (2, 1)
    assert special.logsumexp(t[:0], axis=0).tolist() == [-inf] * 3
    np.testing.assert_allclose(special.zeta(t[1, 0] + 2).item(), scipy.special.zeta(2.5), rtol=1e-5)
    np.testing.assert_allclose(special.zeta(-1).item(), -1 / 12, rtol=1e-5)
    want = scipy.special.multigammaln([3.0, 4.5], 3)
    np.testing.assert_allclose(special.multigammaln(dualad.tensor([3.0, 4.5]), 3).numpy(), want, rtol=1e-5)
    assert special.logsumexp(dualad.tensor([0, 0])).item() == pytest.approx(np.log(2))
    with pytest.raises(dualad.AxisError, match="logsumexp: axis 2 is out of bounds"):
        special.logsumexp(t, axis=2)
    with pytest.raises(TypeError, match="multigammaln: d must be an integer"):
        special.multigammaln(t, 1.5)


def test_orders_may_be_arrays_of_integers(device):
    n = dualad.asarray([0, 1, 2], dtype=dualad.int32, device=device)
    x = dualad.asarray([0.5, 1.0, 2.0], device=device)
    at, h = np.array([0.5, 1.0, 2.0]), 1e-6
    for name in ("yn", "expn", "polygamma", "spherical_jn"):
        f, ours = getattr(scipy.special, name), partial(getattr(special, name), n)
        np.testing.assert_allclose(ours(x).cpu().numpy(), f(np.arange(3), at), rtol=1e-5)
        slope = dualad.grad(lambda x, f=ours: dualad.sum(f(x)))(x)
        want = (f(np.arange(3), at + h) - f(np.arange(3), at - h)) / (2 * h)
        np.testing.assert_allclose(slope.cpu().numpy(), want, rtol=1e-4)


# -- conventions -------------------------------------------------------------------------------

MINUS = -inf
SLOPES = {
    "sinc": (special.sinc, (0.0,), (0.0,)),
    "exprel": (special.exprel, (0.0,), (0.5,)),
    "entr": (special.entr, (0.0,), (inf,)),
    "xlogy both": (special.xlogy, (0.0, 0.0), (0.0, 0.0)),
    "xlogy": (special.xlogy, (0.0, 2.0), (np.log(2), 0.0)),
    "xlog1py both": (special.xlog1py, (0.0, -1.0), (0.0, 0.0)),
    "rel_entr both": (special.rel_entr, (0.0, 0.0), (0.0, 0.0)),
    "rel_entr": (special.rel_entr, (0.0, 1.0), (MINUS, 0.0)),
    "kl_div both": (special.kl_div, (0.0, 0.0), (0.0, 1.0)),
    "huber": (special.huber, (1.0, 1.0), (0.0, 1.0)),
    "pseudo_huber": (special.pseudo_huber, (0.0, 0.0), (0.0, 0.0)),
    "log_ndtr below": (special.log_ndtr, (-1000.0,), (1000.001,)),
    "log_ndtr above": (special.log_ndtr, (40.0,), (0.0,)),
    "rgamma": (special.rgamma, (-2.0,), (2.0,)),
    "spence": (special.spence, (1.0,), (-1.0,)),
    "ellipk": (special.ellipk, (0.0,), (pi / 8,)),
    "ellipkm1": (special.ellipkm1, (1.0,), (-pi / 8,)),
    "ellipe": (special.ellipe, (0.0,), (-pi / 8,)),
    "boxcox": (lambda p: special.boxcox(2.0, p), (0.0,), (np.log(2) ** 2 / 2,)),
    "inv_boxcox": (lambda p: special.inv_boxcox(1.0, p), (0.0,), (-np.e / 2,)),
    "gammainc 1": (lambda x: special.gammainc(1, x), (0.0,), (1.0,)),
    "gammainc 2": (lambda x: special.gammainc(2, x), (0.0,), (0.0,)),
    "gammainc inf": (lambda x: special.gammainc(2, x), (inf,), (0.0,)),
    "betainc": (lambda x: special.betainc(1, 1, x), (0.0,), (1.0,)),
    "betainc at 1": (lambda x: special.betainc(1, 2, x), (1.0,), (0.0,)),
    "bdtr all": (lambda p: special.bdtr(3, 3, p), (0.3,), (0.0,)),
    "stdtr": (lambda x: special.stdtr(1, x), (0.0,), (1 / pi,)),
    "expn": (lambda x: special.expn(3, x), (0.0,), (-1.0,)),
    "j1": (special.j1, (0.0,), (0.5,)),
    "i1e": (special.i1e, (0.0,), (0.5,)),
    "i0e": (special.i0e, (0.0,), (0.0,)),
}


@pytest.mark.filterwarnings("ignore:divide by zero")  # some slopes are infinite
@pytest.mark.parametrize("case", SLOPES)
def test_first_derivatives_at_special_points(case, device):
    f, at, want = SLOPES[case]
    xs = [dualad.full((), x, device=device) for x in at]
    got = dualad.grad(f, argnums=tuple(range(len(xs))))(*xs)
    assert [g.item() for g in got] == pytest.approx(want, rel=1e-5, abs=1e-6)
    for i, (x, slope) in enumerate(zip(xs, want, strict=True)):
        one = lambda x, i=i: f(*xs[:i], x, *xs[i + 1 :])  # noqa: E731
        pushed = dualad.jvp(one, (x,), (dualad.ones_like(x),))[1]
        assert pushed.item() == pytest.approx(slope, rel=1e-5, abs=1e-6)


CURVATURES = {
    "sinc": (special.sinc, 0.0, -(pi**2) / 3),
    "exprel": (special.exprel, 0.0, 1 / 3),
    "gammainc": (lambda x: special.gammainc(2, x), 0.0, 1.0),
    "betainc": (lambda x: special.betainc(2, 1, x), 0.0, 2.0),
    "betainc at 1": (lambda x: special.betainc(1, 2, x), 1.0, -2.0),
    "log_ndtr above": (special.log_ndtr, 40.0, 0.0),
    "spence": (special.spence, 1.0, 0.5),
    "ellipk": (special.ellipk, 0.0, 9 * pi / 64),
    "j1": (special.j1, 0.0, 0.0),
    "xlogy": (lambda x: special.xlogy(x, x + 2), 0.0, 1.0),
    "inv_boxcox": (lambda p: special.inv_boxcox(1.0, p), 0.0, 11 * np.e / 12),
}


@pytest.mark.parametrize("case", CURVATURES)
def test_second_derivatives_at_special_points(case, device):
    f, at, want = CURVATURES[case]
    x = dualad.full((), at, device=device)
    assert dualad.grad(dualad.grad(f))(x).item() == pytest.approx(want, rel=1e-4, abs=1e-5)


def test_infinite_elements_of_logsumexp(device):
    slope = dualad.grad(special.logsumexp)
    make = lambda *x: dualad.asarray(x, dtype=dualad.float32, device=device)  # noqa: E731
    assert special.logsumexp(make(-inf, -inf)).item() == -inf
    assert slope(make(-inf, -inf)).tolist() == [0.0, 0.0]
    assert slope(make(-inf, 0.0)).tolist() == [0.0, 1.0]
    assert special.logsumexp(make(inf, 0.0)).item() == inf
    assert slope(make(inf, 0.0)).tolist() == [1.0, 0.0]
    masked = dualad.grad(lambda x: special.softmax(x)[0])(make(0.0, 0.0, -inf))
    assert masked.tolist() == [0.25, -0.25, 0.0]


# -- what is missing ---------------------------------------------------------------------------


def test_a_missing_derivative_is_told_in_backward_only(device):
    df = dualad.full((), 3.0, device=device, requires_grad=True)
    x = dualad.full((), 0.5, device=device, requires_grad=True)
    y = special.stdtr(df, x)
    with pytest.raises(dualad.MissingDerivativeError, match=r"stdtr: the derivative in argument 'df'"):
        y.backward()
    y = special.stdtr(df.detach(), x)
    y.backward()
    assert x.grad.item() == pytest.approx(scipy.stats.t.pdf(0.5, 3), rel=1e-4)
    assert df.grad is None


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda a: special.jv(a, 1.0), "v"),
        (lambda a: special.betainc(2.0, a, 0.3), "b"),
        (lambda a: special.gammaincinv(a, 0.3), "a"),
        (lambda a: special.zeta(a), "x"),
        (lambda a: special.polygamma(a, 1.0), "n"),
    ],
)
def test_missing_derivatives_name_their_argument(call, argument):
    with pytest.raises(dualad.MissingDerivativeError, match=f"in argument '{argument}' is not available"):
        dualad.grad(call)(2.0)


# -- SciPy itself ------------------------------------------------------------------------------


def _run(program, **environment):
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_scipy_is_imported_by_the_first_use():
    program = """
import sys, dualad
print(hasattr(dualad, "special"), "scipy" in sys.modules)
dualad.special.softmax(dualad.ones(3))
print("scipy" in sys.modules)
dualad.special.erf(0.5)
print("scipy" in sys.modules)
"""
    assert _run(program).split() == ["True", "False", "False", "True"]


def test_without_scipy_the_message_says_what_to_install():
    program = """
import sys
sys.modules["scipy"] = None
import dualad
print(dualad.special.softplus(0.0))
try:
    dualad.special.erf(0.5)
except dualad.BackendError as error:
    print(error)
"""
    assert _run(program).splitlines()[1] == "dualad.special.erf needs SciPy: pip install 'dualad[special]'"


def test_scipy_sends_tensors_to_dualad():
    program = """
import warnings; warnings.simplefilter("error")
import dualad, scipy.special
x = dualad.tensor([0.5, 1.5], requires_grad=True)
y = scipy.special.erf(x) + scipy.special.betainc(2.0, 3.0, x / 2)
y.sum().backward()
print(type(y).__name__, x.grad is not None)
"""
    assert _run(program, SCIPY_ARRAY_API="1") == "Tensor True"


@pytest.mark.filterwarnings("ignore")
def test_slopes_at_infinity_and_at_zero():
    assert dualad.grad(special.exprel)(float("inf")) == float("inf")
    assert dualad.grad(special.exprel)(-float("inf")) == 0.0
    assert dualad.grad(lambda p: special.boxcox(0.0, p))(2.0) == 0.25
    assert dualad.grad(lambda p: special.boxcox(2.0, p))(0.0) == pytest.approx(0.5 * np.log(2.0) ** 2)
