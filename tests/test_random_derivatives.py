# ruff: noqa: E501  a table reads best with an entry on a line
"""Samples move with the parameters of their distributions."""

import numpy as np
import pytest
import scipy.special as sp

import dualad
from dualad import random
from dualad.testing import gradcheck
from dualad.testing.plugin import needs

MANY = 20_000


def double(device):
    needs(dualad.float64, device)
    return {"dtype": dualad.float64, "device": device}


MOVING = {
    "normal": (lambda a, b, kw: dualad.normal(a, b, (3,), **kw), (0.3, 1.2)),
    "uniform": (lambda a, b, kw: dualad.uniform(a, b, (3,), **kw), (0.3, 1.2)),
    "exponential": (lambda a, kw: random.exponential(a, (3,), **kw), (0.7,)),
    "laplace": (lambda a, b, kw: random.laplace(a, b, (3,), **kw), (0.3, 1.2)),
    "logistic": (lambda a, b, kw: random.logistic(a, b, (3,), **kw), (0.3, 1.2)),
    "gumbel": (lambda a, b, kw: random.gumbel(a, b, (3,), **kw), (0.3, 1.2)),
    "cauchy": (lambda a, b, kw: random.cauchy(a, b, (3,), **kw), (0.3, 1.2)),
    "lognormal": (lambda a, b, kw: random.lognormal(a, b, (3,), **kw), (0.3, 0.6)),
    "weibull": (lambda a, kw: random.weibull(a, (3,), **kw), (1.7,)),
    "pareto": (lambda a, kw: random.pareto(a, (3,), **kw), (2.7,)),
    "rayleigh": (lambda a, kw: random.rayleigh(a, (3,), **kw), (1.7,)),
    "power": (lambda a, kw: random.power(a, (3,), **kw), (2.7,)),
    "triangular": (lambda a, b, c, kw: random.triangular(a, b, c, (3,), **kw), (-1.3, 0.2, 1.9)),
    "gamma in the scale": (lambda a, kw: random.gamma(2.0, a, (3,), **kw), (0.7,)),
    "in place": (lambda a, b, kw: dualad.zeros(3, **kw).normal_(a, b), (0.3, 1.2)),
    "permutation": (lambda a, kw: random.permutation(a * dualad.ones(3, **kw)), (0.3,)),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVING)
def test_samples_move_with_location_and_scale(name, device):
    keywords = double(device)
    call, point = MOVING[name]

    def f(*parameters):
        dualad.manual_seed(3)
        return call(*parameters, keywords) ** 2

    inputs = [dualad.full((3,), p, requires_grad=True, **keywords) for p in point]
    assert gradcheck(f, inputs, check_forward_ad=True, rtol=1e-6, atol=1e-7)
    assert dualad.testing.gradgradcheck(f, inputs, rtol=1e-5, atol=1e-6)


def test_vectors_of_normal_numbers_move_with_mean_and_covariance():
    mean = dualad.asarray(np.array([1.0, -1.0]), requires_grad=True)
    root = dualad.asarray(np.array([[1.4, 0.2], [0.1, 0.7]]), requires_grad=True)

    def f(mean, root):
        dualad.manual_seed(3)
        return random.multivariate_normal(mean, root @ root.T, (4,)) ** 2

    assert gradcheck(f, [mean, root], check_forward_ad=True)


# Of a and log z: d log z / da, and its derivative in a, in 40 digits by mpmath from the definition.
SLOPES = np.array([
    (0.01, -120.966311227, 12040.54257691, -1203892.1363),
    (0.01, 0.411502942111, 45.37691187511, -4463.2546564),
    (0.2, -69.5044232398, 346.076916716, -1724.0476976),
    (0.2, -2.9372633293, 14.03144313401, -64.360227655),
    (1.0, -0.366512920582, 1.396593476237, -0.9543776095),
    (2.5, -0.978313839613, 0.9443127142595, -0.26842325023),
    (20.0, 3.25434059354, 0.0441794371398, -0.0010750736307),
    (90.0, 4.30186506, 0.01226973199631, -7.066816584e-5),
    (300.0, 5.41494692054, 0.003839994485423, -6.7148829171e-6),
    (2990.0, 8.0230, 0.0003311380463367, -5.5196105325e-8),
    (10000.0, 9.20777246184, 0.000100130119282, -5.0088155868e-9),
    (10000.0, 9.25746831396, 9.766373850467e-5, -4.8449948302e-9),
])  # fmt: skip


def test_slopes_of_gamma_numbers(device):
    random.gamma(1.0)  # brings the op
    op = dualad.op.REGISTRY["random.log_gamma_slope"]
    wide = dualad.float64
    try:
        dualad.zeros(1, dtype=wide, device=device)
    except dualad.DTypeError:
        wide = None
    for dtype, first, second in (
        (
            wide,
            *((1e-8, 1e-6) if device == "cpu" else (1e-6, 1e-3)),
        ),  # other libraries' incomplete gammas are rougher
        (dualad.float32, 1e-5 if wide else 1e-4, None if wide else 1e-2),
    ):
        if dtype is None:
            continue
        a, log_z = (dualad.asarray(c.astype(dtype.name), device=device) for c in SLOPES[:, :2].T)
        slope, bend = dualad.jvp(lambda a, z=log_z: op(a, z), (a,), (dualad.ones_like(a),))
        assert slope.dtype is dtype
        np.testing.assert_allclose(slope.cpu().numpy(), SLOPES[:, 2], rtol=first)
        if second:
            np.testing.assert_allclose(bend.cpu().numpy(), SLOPES[:, 3], rtol=second)


@pytest.mark.parametrize("a", [0.01, 0.3, 1.0, 7.0, 400.0, 1e4])
def test_gamma_numbers_keep_their_level_as_they_move(a, device):
    """Their distribution function does not move along ``z + s h`` as a moves by h."""
    a = dualad.full((50,), a, requires_grad=True, **double(device))
    z = random.gamma(a)
    (s,) = dualad.autograd.grad(z.sum(), a)
    a, z, s = (x.detach().cpu().numpy() for x in (a, z, s))
    seen = z > 1e-250  # others have come to 0
    a, z, s = a[seen], z[seen], s[seen]
    assert len(z) > 20
    h = 1e-5 * a * np.minimum(1, 1 / np.sqrt(a)) * np.minimum(1, z / (s * a))
    levels = [np.where(sp.gammainc(a, z) < 0.5, sp.gammainc(a + d, z + s * d), -sp.gammaincc(a + d, z + s * d))
              for d in (-h, h)]  # fmt: skip
    density = np.exp((a - 1) * np.log(z) - z - sp.gammaln(a))
    np.testing.assert_allclose((levels[1] - levels[0]) / (2 * h) / (density * s), 0, atol=1e-6)


def test_gamma_numbers_have_two_derivatives_in_all_modes(device):
    a = dualad.asarray(np.array([0.2, 1.0, 30.0]), device=device) if double(device) else None

    def f(a):
        dualad.manual_seed(3)
        return (random.gamma(a) ** 1.5).sum()

    tangent = dualad.asarray(np.array([0.3, -1.0, 2.0]), device=device)
    reverse = dualad.grad(f)(a)
    forward = dualad.jvp(f, (a,), (tangent,))[1]
    np.testing.assert_allclose(forward.item(), (reverse * tangent).sum().item(), rtol=1e-12)
    mixes = [
        dualad.jvp(dualad.grad(f), (a,), (tangent,))[1],
        dualad.grad(lambda a: dualad.jvp(f, (a,), (tangent,))[1])(a),
        dualad.grad(lambda a: (dualad.grad(f)(a) * tangent).sum())(a),
    ]
    for other in mixes[1:]:
        np.testing.assert_allclose(other.cpu().numpy(), mixes[0].cpu().numpy(), rtol=1e-10)
    with pytest.raises(dualad.MissingDerivativeError, match=r"random\.log_gamma_bend.*third derivative"):
        dualad.grad(lambda a: (dualad.grad(lambda a: dualad.grad(f)(a).sum())(a) ** 2).sum())(a)


def _moment(call, *point, order=1):
    """Return the gradient of a mean, or its second derivative, as the mean over samples, and its error."""
    xs = [dualad.full((MANY,), p, dtype=dualad.float64, requires_grad=True) for p in point]
    grads = dualad.autograd.grad(call(*xs).sum(), xs, create_graph=order > 1)
    if order > 1:
        grads = dualad.autograd.grad(grads[0].sum(), xs)
    columns = [g.detach().numpy() for g in grads]
    return [c.mean() for c in columns], [c.std() / np.sqrt(MANY) for c in columns]


def _trigamma(x):
    return sp.polygamma(1, x)


MEANS = {
    "gamma": (random.gamma, (0.3,), [1.0]),
    "gamma squared": (lambda a: random.gamma(a) ** 2, (2.5,), [6.0]),
    "gamma squared, of a small concentration": (lambda a: random.gamma(a) ** 2, (0.02,), [1.04]),
    "logarithm of gamma": (lambda a: dualad.log(random.gamma(a)), (1.3,), [_trigamma(1.3)]),
    "gamma of a large concentration": (lambda a: dualad.log(random.gamma(a)), (5e3,), [_trigamma(5e3)]),
    "gamma and scale": (random.gamma, (2.0, 3.0), [3.0, 2.0]),
    "beta": (random.beta, (0.4, 1.7), [1.7 / 2.1**2, -0.4 / 2.1**2]),
    "beta squared": (
        lambda a, b: random.beta(a, b) ** 2, (2.0, 3.0),
        [(5 * 30 - 6 * 11) / 900, -6 * 11 / 900],  # of a (a + 1) / ((a + b) (a + b + 1))
    ),
    "chisquare": (lambda df: random.chisquare(df) ** 2, (3.0,), [8.0]),
    "standard_t": (
        lambda df: dualad.log1p(random.standard_t(df) ** 2 / df), (3.0,), [0.5 * (_trigamma(2.0) - _trigamma(1.5))],
    ),
    "f": (
        lambda m, n: dualad.log(random.f(m, n)), (3.0, 5.0),
        [0.5 * _trigamma(1.5) - 1 / 3, -0.5 * _trigamma(2.5) + 1 / 5],
    ),
    "dirichlet": (
        lambda a: dualad.log(random.dirichlet(dualad.stack([a, 2 * a, 0 * a + 1.0], axis=-1))[..., 0]), (0.8,),
        [_trigamma(0.8) - 3 * _trigamma(3.4)],
    ),
    "normal": (lambda m, s: dualad.exp(dualad.normal(m, s)), (0.1, 0.5), [np.exp(0.225), 0.5 * np.exp(0.225)]),
    "triangular": (
        lambda a, b, c: random.triangular(a, b, c) ** 2, (-1.0, 0.0, 3.0),
        [(2 * -1 + 3) / 6, (-1 + 3) / 6, (2 * 3 - 1) / 6],  # of (a**2 + b**2 + c**2 + a b + a c + b c) / 6
    ),
    "triangular from its mode": (lambda a, c: random.triangular(a, a, c), (0.0, 2.0), [2 / 3, 1 / 3]),
    "standard_gamma": (random.standard_gamma, (0.3,), [1.0]),
    "weibull": (random.weibull, (2.0,), [-sp.gamma(1.5) * sp.psi(1.5) / 4]),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANS)
def test_gradients_of_means(name):
    """The mean of the samples' derivatives is the derivative of the mean, within six standard deviations."""
    call, point, want = MEANS[name]
    means, errors = _moment(call, *point)
    for mean, error, w in zip(means, errors, want, strict=True):
        assert abs(mean - w) < 6 * error + 1e-9 * abs(w)
        assert error < 0.2 * abs(w)


SECOND = {
    "gamma squared": (lambda a: random.gamma(a) ** 2, 2.5, 2.0),
    "logarithm of gamma": (lambda a: dualad.log(random.gamma(a)), 1.3, sp.polygamma(2, 1.3)),
    "beta": (lambda a: random.beta(a, 2.0), 1.5, -2 * 2.0 / 3.5**3),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_of_means(name):
    call, a, want = SECOND[name]
    (mean,), (error,) = _moment(call, a, order=2)
    assert abs(mean - want) < 6 * error + 1e-7 * abs(want)
    assert error < 0.2 * abs(want)


@pytest.mark.parametrize("draw", [random.gamma, lambda a: random.beta(a, 2.0)], ids=["gamma", "beta"])
def test_differences_of_seeded_gamma_numbers_are_those_of_the_sampler(draw):
    """Its motion at a fixed seed is another than the implicit one, as docs/random.md tells."""
    a = dualad.full((40,), 2.5, dtype=dualad.float64, requires_grad=True)

    def seeded(a):
        dualad.manual_seed(3)
        return draw(a)

    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        gradcheck(seeded, [a])


def test_small_concentrations_give_no_nan(device):
    a = dualad.full((200,), 0.005, device=device, requires_grad=True)
    for f in (random.gamma, lambda a: random.beta(a, a), lambda a: random.dirichlet(a), random.chisquare):
        x = f(a)
        (g,) = dualad.autograd.grad(x.sum() if x.ndim else x, a)
        assert bool(dualad.isfinite(x).all())
        assert bool(dualad.isfinite(g).all())


@pytest.mark.parametrize("f", [dualad.poisson, dualad.bernoulli, random.geometric, lambda x: random.negative_binomial(x, x),
                               lambda x: dualad.binomial(9.0, x),
                               lambda x: dualad.multinomial(x, 2)])  # fmt: skip
def test_counts_are_constants(f):
    x = dualad.tensor([0.5, 0.25], requires_grad=True)
    y = f(x)
    assert not y.requires_grad
    assert dualad.grad(lambda x: (x * f(x)).sum())(x.detach()).shape == (2,)
