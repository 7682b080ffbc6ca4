"""SciPy's functions for any array library, on Tensors, differentiated."""

import warnings

import numpy as np
import pytest
from consuming import M, N, V, W, as_given, check

pytest.importorskip("scipy", minversion="1.17")
from scipy import cluster, differentiate, fft, integrate, linalg, optimize, signal, special, stats
from scipy.optimize import elementwise
from scipy.spatial.transform import RigidTransform, Rotation

Q = np.random.default_rng(1).standard_normal(4)


def _of(module, names):
    return {f"{module.__name__}.{n}": getattr(module, n) for n in names.split()}


ONE = {
    **_of(special, "erf erfc erfinv exp1 expit entr digamma gamma gammaln i0 i0e i1 j0 logit log_ndtr ndtr ndtri"),
    **_of(special, "spence ellipk logsumexp softmax log_softmax"),
    **_of(stats, "gmean hmean skew kurtosis variation tmean tvar tstd sem entropy circmean circvar circstd zscore"),
    **_of(stats, "gzscore lmoment differential_entropy"),
    "stats.kstat": lambda x: stats.kstat(x, 3),
    "stats.moment": lambda x: stats.moment(x, 3),
    "stats.pmean": lambda x: stats.pmean(x, 2),
    "stats.trim_mean": lambda x: stats.trim_mean(x, 0.1),
    "stats.ttest_1samp": lambda x: stats.ttest_1samp(x, 0.1).statistic,
    "stats.power_divergence": lambda x: stats.power_divergence(x * 10, x.sum() / 0.6 * (0 * x + 1)).statistic,
    "stats.jarque_bera": lambda x: stats.jarque_bera(x).statistic,
    "stats.describe": lambda x: stats.describe(x).variance,
    "stats.combine_pvalues": lambda x: stats.combine_pvalues(x).statistic,
    "integrate.trapezoid": lambda x: integrate.trapezoid(x, dx=0.5),
    "integrate.cumulative_trapezoid": integrate.cumulative_trapezoid,
    "integrate.cumulative_simpson": integrate.cumulative_simpson,
    "integrate.tanhsinh": lambda x: integrate.tanhsinh(lambda t, a: t**2 * a, 0.0 * x, 0.0 * x + 1, args=(x,)).integral,
    "integrate.cubature": lambda x: integrate.cubature(lambda t: t[:, 0] ** 2, x[:1] * 0, x[:1]).estimate,
    "differentiate.derivative": lambda x: differentiate.derivative(lambda t: t**3, x).df,
    **_of(fft, "fft rfft ifft hfft"),
    "fft.fht": lambda x: fft.fht(x, 0.1, 0.5),
    "signal.hilbert": signal.hilbert,
    "signal.freqz": lambda x: signal.freqz(x)[1],
    "signal.resample": lambda x: signal.resample(x, 9),
    "signal.gauss_spline": lambda x: signal.gauss_spline(x, 2),
    "stats.iqr": stats.iqr,
    "stats.gstd": stats.gstd,
    "stats.kstatvar": stats.kstatvar,
    "stats.quantile": lambda x: stats.quantile(x, 0.3),
    "stats.boxcox_llf": lambda x: stats.boxcox_llf(0.5, x),
    "stats.yeojohnson_llf": lambda x: stats.yeojohnson_llf(0.5, x),
    "stats.chisquare": lambda x: stats.chisquare(x / x.sum() * 3).statistic,
    "stats.ttest_1samp, its p": lambda x: stats.ttest_1samp(x, 0.1).pvalue,
    "stats.tsem": stats.tsem,
    "integrate.nsum": lambda x: integrate.nsum(lambda k, a: a / k**3, 0 * x + 1, 0 * x + np.inf, args=(x,)).sum,
    "integrate.romb": lambda x: integrate.romb(x[:5]),
    "integrate.fixed_quad": lambda x: integrate.fixed_quad(lambda t: t * t, 0, x[0])[0],
    "differentiate.jacobian": lambda x: differentiate.jacobian(lambda t: t**3, x).df,
    "optimize.elementwise.find_root": lambda x: elementwise.find_root(
        lambda t, a: t**3 - a, (0 * x, 0 * x + 2), args=(x,)).x,
    "optimize.rosen_hess": optimize.rosen_hess,
    "optimize.rosen_hess_prod": lambda x: optimize.rosen_hess_prod(x, x),
    "fft.ifht": lambda x: fft.ifht(x, 0.1, 0.5),
    "signal.convolve": lambda x: signal.convolve(x, x, method="fft"),
    "signal.envelope": signal.envelope,
    "signal.vectorstrength": lambda x: signal.vectorstrength(x, 0.5)[0],
    "optimize.rosen": optimize.rosen,
    "optimize.rosen_der": optimize.rosen_der,
}  # fmt: skip
TWO = {
    **_of(special, "xlogy xlog1py rel_entr kl_div beta betaln"),
    "stats.pearsonr": lambda x, y: stats.pearsonr(x, y).statistic,
    "stats.ttest_ind": lambda x, y: stats.ttest_ind(x, y).statistic,
    "stats.ttest_rel": lambda x, y: stats.ttest_rel(x, y).statistic,
    "stats.f_oneway": lambda x, y: stats.f_oneway(x, y).statistic,
    "stats.bartlett": lambda x, y: stats.bartlett(x, y).statistic,
    "signal.fftconvolve": signal.fftconvolve,
    "signal.oaconvolve": signal.oaconvolve,
    "signal.correlate": lambda x, y: signal.correlate(x, y, method="fft"),
}  # fmt: skip
ROTATIONS = {
    "apply": lambda q: Rotation.from_quat(q).apply(as_given(N[0], q)),
    "as_matrix": lambda q: Rotation.from_quat(q).as_matrix(),
    "as_euler": lambda q: Rotation.from_quat(q).as_euler("xyz"),
    "as_rotvec": lambda q: Rotation.from_quat(q).as_rotvec(),
    "product": lambda q: (Rotation.from_quat(q) * Rotation.from_quat(q)).as_matrix(),
    "from_rotvec": lambda q: Rotation.from_rotvec(q[:3]).as_quat(),
    "from_euler": lambda q: Rotation.from_euler("zyx", q[:3]).as_matrix(),
    "as_mrp": lambda q: Rotation.from_quat(q).as_mrp(),
    "inverse": lambda q: Rotation.from_quat(q).inv().as_quat(),
    "magnitude": lambda q: Rotation.from_quat(q).magnitude(),
    "power": lambda q: (Rotation.from_quat(q) ** 0.5).as_matrix(),
    "rigid": lambda q: RigidTransform.from_translation(q[:3]).apply(q[:3]),
}


@pytest.mark.parametrize("name", ONE)
def test_functions_of_a_vector(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about few samples, or precision, as on NumPy
        check(ONE[name], V)


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_vectors(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(TWO[name], V, W)


@pytest.mark.parametrize("name", ROTATIONS)
def test_rotations(name):
    check(ROTATIONS[name], Q)


def test_matrices():
    check(cluster.vq.whiten, M)
    check(lambda x: linalg.block_diag(x, x * x), M)
    check(lambda x: signal.freqz_sos(as_given([[1.0, 0.2, 0.1, 1.0, 0.3, 0.1]], x), worN=4)[1] * x[0, 0], M)
    check(lambda x: stats.directional_stats(x).mean_direction, M)
