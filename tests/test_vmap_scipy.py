"""SciPy's functions for any array library inside vmap: the loop over the examples, or an error that says why not."""

import pytest

pytest.importorskip("scipy", minversion="1.17")
from consumers import test_scipy as calls
from test_vmap_functions import _check

import dualad

CASES = {
    **{n: (f, (calls.V,)) for n, f in calls.ONE.items()},
    **{n: (f, (calls.V, calls.W)) for n, f in calls.TWO.items()},
    **{f"Rotation, {n}": (f, (calls.Q,)) for n, f in calls.ROTATIONS.items()},
}
#: They look at values: whether there is a NaN, whether a loop has converged, which method is faster.
LOOK = [
    "scipy.stats.hmean", "scipy.stats.tvar", "scipy.stats.tstd", "stats.pmean", "stats.power_divergence", "stats.iqr",
    "stats.quantile", "stats.yeojohnson_llf", "stats.tsem", "stats.ttest_ind", "stats.ttest_rel", "stats.f_oneway",
    "stats.bartlett", "integrate.tanhsinh", "integrate.cubature", "integrate.nsum", "integrate.fixed_quad",
    "differentiate.derivative", "differentiate.jacobian", "optimize.elementwise.find_root", "signal.convolve",
    "signal.correlate",
]  # fmt: skip
# About few samples, or precision, as on NumPy.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", [n for n in CASES if n not in LOOK])
def test_functions_that_do_not_look_at_values(name):
    call, arrays = CASES[name]
    _check(lambda *xs: _first(call(*xs)), *arrays)


@pytest.mark.parametrize("name", LOOK)
def test_functions_that_look_at_values_say_so(name):
    call, arrays = CASES[name]
    with pytest.raises(dualad.BatchError, match=r"inside vmap|reading x\[mask\] gives"):
        _check(lambda *xs: _first(call(*xs)), *arrays)


def _first(result):
    return result[0] if isinstance(result, (tuple, list)) else result
