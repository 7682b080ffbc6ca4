# ruff: noqa: E501  a table reads best with an entry on a line
"""Random numbers are of their distributions, of the shapes and dtypes that were asked for."""

import numpy as np
import pytest
import scipy.special as sp

import dualad
from dualad import random
from dualad.testing.plugin import needs


def listed(x):
    return x.cpu().numpy().tolist()


# -- distributions -----------------------------------------------------------------------------------

MANY = 20_000
EVEN = np.linspace(0.0, 1.0, 7)[1:-1]  # of a power of 2 of them float16 has too few
CONTINUOUS = {
    "rand": ((), lambda x: x), "randn": ((), sp.ndtr), "normal": ((1.0, 2.0), lambda x: sp.ndtr((x - 1) / 2)),
    "uniform": ((-1.0, 3.0), lambda x: (x + 1) / 4), "exponential": ((2.0,), lambda x: -np.expm1(-x / 2)),
    "laplace": ((1.0, 2.0), lambda x: np.where(x < 1, 0.5 * np.exp(-abs(x - 1) / 2), 1 - 0.5 * np.exp(-abs(x - 1) / 2))),
    "logistic": ((1.0, 2.0), lambda x: sp.expit((x - 1) / 2)), "gumbel": ((1.0, 2.0), lambda x: np.exp(-np.exp((1 - x) / 2))),
    "cauchy": ((1.0, 2.0), lambda x: 0.5 + np.arctan((x - 1) / 2) / np.pi), "lognormal": ((0.5, 2.0), lambda x: sp.ndtr((np.log(x) - 0.5) / 2)),
    "weibull": ((1.7,), lambda x: -np.expm1(-(x**1.7))), "pareto": ((2.5,), lambda x: 1 - (1 + x) ** -2.5),
    "gamma": ((0.3, 2.0), lambda x: sp.gammainc(0.3, x / 2)), "gamma-large": ((40.0, 0.5), lambda x: sp.gammainc(40.0, x * 2)),
    "rayleigh": ((2.0,), lambda x: -np.expm1(-(x**2) / 8)), "power": ((2.5,), lambda x: x**2.5),
    "triangular": ((-1.0, 0.0, 3.0), lambda x: np.where(x < 0, (x + 1) ** 2 / 4, 1 - (3 - x) ** 2 / 12)),
    "triangular-right": ((0.0, 2.0, 2.0), lambda x: x**2 / 4), "triangular-left": ((0.0, 0.0, 2.0), lambda x: 1 - (2 - x) ** 2 / 4),
    "random": ((), lambda x: x), "standard_normal": ((), sp.ndtr), "standard_exponential": ((), lambda x: -np.expm1(-x)),
    "standard_cauchy": ((), lambda x: 0.5 + np.arctan(x) / np.pi), "standard_gamma": ((0.3,), lambda x: sp.gammainc(0.3, x)),
    "beta": ((0.5, 2.0), lambda x: sp.betainc(0.5, 2.0, x)), "chisquare": ((3.0,), lambda x: sp.gammainc(1.5, x / 2)),
    "standard_t": ((3.0,), lambda x: sp.stdtr(3.0, x)), "f": ((3.0, 5.0), lambda x: sp.fdtr(3.0, 5.0, x)),
}  # fmt: skip


def _check_distribution(sample, cdf):
    """Kolmogorov and Smirnov's test, failed by chance once in a million."""
    levels = np.sort(cdf(np.sort(sample)))
    n = len(levels)
    steps = np.arange(n + 1) / n
    distance = max(np.abs(levels - steps[1:]).max(), np.abs(levels - steps[:-1]).max())
    assert distance < np.sqrt(-np.log(1e-6 / 2) / 2 / n)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_distributions(name, device):
    parameters, cdf = CONTINUOUS[name]
    x = getattr(random, name.partition("-")[0])(*parameters, (MANY,), device=device)
    assert x.shape == (MANY,)
    _check_distribution(x.cpu().numpy().astype(np.float64), cdf)


def _check_counts(sample, probabilities):
    """How often each value from 0 on comes, within six standard deviations."""
    p = np.asarray(probabilities, dtype=float)
    seen = np.bincount(np.asarray(sample).astype(int).reshape(-1), minlength=len(p))[: len(p)]
    n = np.size(sample)
    assert (abs(seen - n * p) <= 6 * np.sqrt(n * p * (1 - p)) + 1e-9).all()


K = np.arange(12)
DISCRETE = {
    "randint": (lambda kw: random.randint(2, 7, (MANY,), **kw), np.r_[0, 0, np.full(5, 0.2)]),
    "poisson": (lambda kw: random.poisson(3.0, (MANY,), **kw), np.exp(K * np.log(3) - 3 - sp.gammaln(K + 1))),
    "binomial": (lambda kw: random.binomial(5, 0.3, (MANY,), **kw), sp.comb(5, K[:6]) * 0.3 ** K[:6] * 0.7 ** (5 - K[:6])),
    "geometric": (lambda kw: random.geometric(0.3, (MANY,), **kw), np.r_[0, 0.3 * 0.7 ** K[:9]]),
    "negative_binomial": (lambda kw: random.negative_binomial(2.5, 0.4, (MANY,), **kw), sp.poch(2.5, K) / sp.factorial(K) * 0.4**2.5 * 0.6**K),
    "one success for certain": (lambda kw: random.negative_binomial(2.0, 1.0, (MANY,), **kw), [1.0]),
    "bernoulli": (lambda kw: random.bernoulli(0.3, size=(MANY,), **kw), [0.7, 0.3]),
}  # fmt: skip


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_distributions(name, device):
    sample, probabilities = DISCRETE[name]
    dtype = {"dtype": dualad.int32} if name == "randint" else {}
    _check_counts(sample({"device": device, **dtype}).cpu().numpy(), probabilities)


def test_choices_come_in_proportion_to_their_weights(device):
    needs(dualad.int64, device)
    p = np.array([0.1, 0.0, 0.6, 0.3, 0.0])
    weights = dualad.asarray(2 * p, device=device, dtype=dualad.float32)
    probabilities = dualad.asarray(p, device=device, dtype=dualad.float32)
    _check_counts(dualad.multinomial(weights, MANY, True).cpu().numpy(), p)
    rows = dualad.multinomial(dualad.stack([weights, weights * 0 + 1.0]), 500, True)
    assert (rows.shape, rows.device) == ((2, 500), device)
    _check_counts(rows[0].cpu().numpy(), p)
    _check_counts(rows[1].cpu().numpy(), np.full(5, 0.2))
    pairs = dualad.multinomial(dualad.stack([weights] * MANY), 2).cpu().numpy()
    _check_counts(pairs[:, 0], p)
    follows = sum(p[k] * np.where(np.arange(5) == k, 0, p / (1 - p[k])) for k in (0, 2, 3))
    _check_counts(pairs[:, 1], follows)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    _check_counts(random.choice(5, (100, 50), p=probabilities).cpu().numpy(), p)
    _check_counts(random.choice(4, MANY, device=device).cpu().numpy(), np.full(4, 0.25))


def test_permutations_are_equally_frequent(device):
    needs(dualad.int64, device)
    orders = [tuple(listed(dualad.randperm(3, device=device))) for _ in range(600)]
    every = sorted(set(orders))
    assert len(every) == 6
    _check_counts([every.index(o) for o in orders], np.full(6, 1 / 6))
    x = dualad.asarray(np.arange(12.0, dtype=np.float32).reshape(3, 4), device=device)
    for axis in (0, 1, -1):
        y = random.permutation(x, axis=axis).cpu().numpy()
        assert sorted(y.T.tolist() if axis else y.tolist()) == (
            x.cpu().numpy().T.tolist() if axis else x.tolist()
        )


def test_vectors_of_correlated_normal_numbers_and_of_dirichlet(device):
    cov = np.array([[2.0, 0.6], [0.6, 0.5]])
    x = random.multivariate_normal(np.array([1.0, -1.0]), cov, (MANY,), dtype="float32", device="cpu").numpy()
    assert abs(x.mean(0) - [1, -1]).max() < 6 * np.sqrt(2.0 / MANY)
    assert abs(np.cov(x.T) - cov).max() < 6 * 2 * 2 / np.sqrt(MANY)
    alpha = dualad.asarray(np.array([0.05, 1.0, 2.0], np.float32), device=device)
    y = random.dirichlet(alpha, (MANY,)).cpu().numpy()
    assert y.shape == (MANY, 3)
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-5)
    for k, a in enumerate([0.05, 1.0, 2.0]):
        _check_distribution(np.maximum(y[:, k], 1e-45), lambda v, a=a: sp.betainc(a, 3.05 - a, v))


def test_uniform_numbers_are_less_than_1(device):
    for dtype in (dualad.float16, dualad.float32):
        try:
            x = dualad.rand(100_000, dtype=dtype, device=device)
        except dualad.DTypeError:
            continue
        assert float(x.max()) < 1
        assert float(x.min()) >= 0
        assert bool((random.exponential(size=(100_000,), dtype=dtype, device=device) > 0).all())


def test_complex_numbers(device):
    needs(dualad.complex64, device)
    z = dualad.randn(MANY, dtype=dualad.complex64, device=device).cpu().numpy()
    for part in (z.real, z.imag):
        _check_distribution(part, lambda x: sp.ndtr(x * 2**0.5))
    z = dualad.rand(MANY, dtype=dualad.complex64, device=device).cpu().numpy()
    for part in (z.real, z.imag):
        _check_distribution(part, lambda x: x)
    mean = dualad.zeros(3, dtype=dualad.complex64, device=device)
    assert dualad.normal(mean, 2.0).dtype is dualad.complex64
    assert dualad.randn_like(mean).dtype is dualad.complex64


# -- forms of calls ----------------------------------------------------------------------------------


def test_shapes_are_those_to_which_parameters_broadcast(device):
    mean, std = dualad.zeros(3, 1, device=device), dualad.ones(4, device=device)
    assert dualad.normal(mean, std).shape == (3, 4)
    assert dualad.normal(mean, std, (2, 3, 4)).shape == (2, 3, 4)
    assert dualad.normal(mean=0.0, std=std).device == device
    assert dualad.normal(0, 1, 5).shape == (5,)
    assert dualad.normal().shape == dualad.uniform(1, 2).shape == random.gamma(2).shape == ()
    assert random.gamma(mean + 1, std).shape == random.beta(mean + 1, std).shape == (3, 4)
    assert dualad.poisson(mean).shape == (3, 1)
    assert dualad.binomial(mean + 3, 0.5 * std).shape == (3, 4)
    assert dualad.bernoulli(mean, 0.5 * std[:1]).shape == (3, 1)
    for f in (dualad.normal, dualad.uniform, random.gamma, random.beta):
        with pytest.raises(dualad.ShapeError, match="parameters do not broadcast to the size"):
            f(mean + 1, std * 2, (4, 4))
        with pytest.raises(dualad.ShapeError, match="parameters do not broadcast: "):
            f(dualad.ones(2, device=device), std * 2)


def test_dtypes_are_those_of_parameters(device):
    needs(dualad.float64, device)
    wide = dualad.ones(3, dtype=dualad.float64, device=device)
    assert dualad.normal(wide, dualad.ones(3, device=device)).dtype is dualad.float64
    assert dualad.normal(0.0, wide, dtype=dualad.float32).dtype is dualad.float32
    assert random.gamma(wide).dtype is dualad.poisson(wide).dtype is dualad.float64
    whole = dualad.ones(3, dtype=dualad.int32, device=device)
    assert random.gamma(whole).dtype is dualad.normal(whole, 1).dtype is dualad.float32
    assert dualad.bernoulli(whole, 0.5).dtype is dualad.int32
    assert dualad.poisson(wide, dtype=dualad.int32).dtype is dualad.int32
    for x in (dualad.poisson(wide, requires_grad=True), dualad.binomial(wide, 0.5, requires_grad=True),
              random.geometric(wide, requires_grad=True)):  # fmt: skip
        assert x.requires_grad
        assert x.is_leaf
    dualad.set_default_dtype(dualad.float64)
    assert dualad.normal(0.0, 1.0, (2,)).dtype is random.beta(1, 2).dtype is dualad.float64


def test_integers(device):
    x = dualad.randint(5, (2, 3), dtype=dualad.int32, device=device)
    assert (x.shape, x.dtype, x.device) == ((2, 3), dualad.int32, device)
    y = dualad.randint(2, size=(40,), dtype=dualad.int32, device=device)  # as in NumPy
    assert set(listed(y)) == {0, 1}
    assert dualad.randint(high=5, size=(2,), dtype=dualad.int32, device=device).shape == (2,)
    assert dualad.randint(low=3, high=5, size=4, dtype=dualad.int32, device=device).shape == (4,)
    for dtype in (dualad.uint8, dualad.int8):
        limits = dualad.iinfo(dtype)
        x = dualad.randint(limits.min, limits.max + 1, (5000,), dtype=dtype, device=device)
        assert (int(x.min()), int(x.max())) == (limits.min, limits.max)
    like = dualad.randint_like(x, 3)
    assert (like.shape, like.dtype, like.device) == (x.shape, x.dtype, device)
    assert set(np.unique(dualad.randint_like(x, -2, 1, dtype=dualad.int32).cpu().numpy())) == {-2, -1, 0}


def test_integers_as_floating_numbers(device):
    needs(dualad.int64, device)
    x = dualad.randint(0, 3, (50,), dtype=dualad.float32, device=device, requires_grad=True)
    assert x.requires_grad
    assert set(listed(x.detach())) == {0.0, 1.0, 2.0}
    assert dualad.randperm(4, dtype=dualad.float32, device=device).dtype is dualad.float32


def test_integers_that_int64_does_not_have(device):
    needs(dualad.uint64, device)
    assert int(dualad.randint(2**63, 2**64, (1,), dtype=dualad.uint64, device=device)[0]) >= 2**63


def test_choices(device):
    needs(dualad.int64, device)
    x = dualad.asarray(np.arange(12.0, dtype=np.float32).reshape(3, 4), device=device, requires_grad=True)
    rows = random.choice(x, (5, 2))
    assert rows.shape == (5, 2, 4)
    columns = random.choice(x, 4, replace=False, axis=1)
    assert sorted(columns.detach().cpu().numpy()[0].tolist()) == [0.0, 1.0, 2.0, 3.0]
    (rows.sum() + columns.sum()).backward()
    assert x.grad.sum().item() == 40 + 12
    assert random.choice(x.detach()).shape == (4,)
    assert random.choice([3, 5]).shape == ()
    assert random.choice(dualad.asarray(3, device=device)).item() in (0, 1, 2)


METHODS = {
    "normal_": ((3.0, 0.5), lambda x: sp.ndtr((x - 3) / 0.5)), "uniform_": ((2.0, 4.0), lambda x: (x - 2) / 2),
    "exponential_": ((2.0,), lambda x: -np.expm1(-2 * x)), "cauchy_": ((), lambda x: 0.5 + np.arctan(x) / np.pi),
    "log_normal_": ((), lambda x: sp.ndtr((np.log(x) - 1) / 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_tensors_are_filled_in_place(name, device):
    arguments, cdf = METHODS[name]
    x = dualad.zeros(2, MANY, device=device)
    row = x[1]
    g = dualad.Generator(device).manual_seed(3)
    assert getattr(row, name)(*arguments, generator=g) is row
    _check_distribution(x[1].cpu().numpy().astype(np.float64), cdf)
    assert not x[0].any()
    g.manual_seed(3)
    assert listed(getattr(dualad.zeros(MANY, device=device), name)(*arguments, generator=g)) == listed(row)
    leaf = dualad.ones(3, device=device, requires_grad=True)
    with pytest.raises(dualad.InplaceError):
        getattr(leaf, name)(*arguments)
    with dualad.no_grad():
        getattr(leaf, name)(*arguments)
    assert leaf.requires_grad
    with pytest.raises(dualad.DTypeError, match=r"cannot be dualad\.int32"):
        getattr(dualad.zeros(3, dtype=dualad.int32, device=device), name)(*arguments)


def test_tensors_are_filled_with_integers_in_place(device):
    needs(dualad.int64, device)
    x = dualad.zeros(MANY, device=device)
    _check_counts(x.random_(5).cpu().numpy(), np.full(5, 0.2))
    _check_counts(x.random_(2, 4).cpu().numpy(), [0, 0, 0.5, 0.5])
    _check_counts(x.bernoulli_(0.2).cpu().numpy(), [0.8, 0.2])
    _check_counts(x.geometric_(0.3).cpu().numpy(), np.r_[0, 0.3 * 0.7 ** K[:9]])
    assert listed(dualad.zeros(2, device=device).bernoulli_(dualad.asarray([0.0, 1.0], device=device))) == [
        0,
        1,
    ]
    bits = dualad.zeros(MANY, dtype=dualad.int8, device=device).random_()
    _check_distribution(bits.cpu().numpy() + np.random.default_rng(0).random(MANY), lambda v: v / 128)
    flags = dualad.zeros(MANY, dtype=dualad.bool, device=device)
    _check_counts(flags.random_().cpu().numpy(), [0.5, 0.5])
    _check_counts(flags.bernoulli_(0.1).cpu().numpy(), [0.9, 0.1])
    assert float(x.random_().max()) > 2**23
    assert listed(dualad.asarray([0.0, 2.0], device=device).multinomial(1)) == [1]
    assert listed(dualad.asarray([0.0, 1.0], device=device).bernoulli()) == [0, 1]


# -- other libraries' names --------------------------------------------------------------------------

ONE, OTHER = np.array([1.0, 2.0]), np.array([0.25, 0.5])
RENAMED = {
    "normal": (lambda: random.normal(loc=ONE, scale=OTHER), lambda: random.normal(ONE, OTHER)),
    "normal of a size": (lambda: random.normal(loc=1.0, size=3), lambda: random.normal(1.0, 1.0, 3)),
    "poisson": (lambda: random.poisson(lam=ONE), lambda: random.poisson(ONE)),
    "binomial": (lambda: random.binomial(n=ONE, p=OTHER), lambda: random.binomial(ONE, OTHER)),
    "rand": (lambda: dualad.rand(size=(2, 3)), lambda: dualad.rand(2, 3)),
    "rand of a number": (lambda: dualad.rand(size=2), lambda: dualad.rand(2)),
    "randn": (lambda: dualad.randn(size=(2, 3)), lambda: dualad.randn((2, 3))),
    "zeros": (lambda: dualad.zeros(size=(2, 3)), lambda: dualad.zeros(2, 3)),
    "ones": (lambda: dualad.ones(size=(2, 3)), lambda: dualad.ones(2, 3)),
    "full": (lambda: dualad.full(size=(2,), fill_value=7), lambda: dualad.full((2,), 7)),
    "empty": (lambda: dualad.zeros_like(dualad.empty(size=(2, 3))), lambda: dualad.zeros(2, 3)),
}


@pytest.mark.parametrize("name", RENAMED)
def test_arguments_under_names_of_other_libraries(name):
    drawn = []
    for call in RENAMED[name]:
        dualad.manual_seed(4)
        x = call()
        drawn.append((x.shape, x.dtype, listed(x)))
    assert drawn[0] == drawn[1]


def test_probabilities_may_be_integers_and_rounded():
    assert listed(random.choice(2, 3, p=[0, 1])) == [1, 1, 1]
    for dtype, parts in ((np.float32, 1000), (np.float16, 7)):
        p = np.full(parts, 1 / parts, dtype)  # not 1 when summed exactly
        assert abs(p.sum(dtype=float) - 1) > 1e-9
        assert random.choice(parts, 4, p=p).shape == (4,)


def test_probabilities_of_other_devices_are_in_proportion(device):
    needs(dualad.int64, device)
    if device == "cpu":
        pytest.skip("probabilities of the CPU are looked at")
    p = dualad.asarray([3.0, 1.0], dtype=dualad.float32, device=device)
    _check_counts(random.choice(2, MANY, p=p).cpu().numpy(), [0.75, 0.25])
