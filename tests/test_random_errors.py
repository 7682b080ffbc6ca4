# ruff: noqa: E501  a table reads best with an entry on a line
"""What goes wrong with random numbers is said in words, and no number is drawn."""

import numpy as np
import pytest

import dualad
from dualad import random

WRONG = {
    "a negative deviation": (lambda: dualad.normal(0.0, -1.0, (2,)), ValueError, "normal: std must be at least 0, got -1"),
    "one of several": (lambda: dualad.normal(0.0, np.array([1.0, -2.0])), ValueError, "normal: std must be at least 0, got -2"),
    "no deviation": (lambda: dualad.normal(0.0, np.array([1.0, np.nan])), ValueError, "normal: std must be at least 0, got nan"),
    "ends in the wrong order": (lambda: dualad.uniform(2.0, 1.0), ValueError, "uniform: high - low must be at least 0"),
    "no concentration": (lambda: random.gamma(0.0), ValueError, "gamma: shape must be greater than 0, got 0"),
    "a negative scale": (lambda: random.laplace(0.0, -1.0), ValueError, "laplace: scale must be at least 0, got -1"),
    "no probability": (lambda: dualad.bernoulli(1.5), ValueError, "bernoulli: p must be from 0 to 1, got 1.5"),
    "probabilities that are integers": (lambda: dualad.bernoulli(dualad.ones(2, dtype=dualad.int32)), dualad.DTypeError, "bernoulli: probabilities cannot be dualad.int32"),
    "a negative mean": (lambda: dualad.poisson(np.array([-1.0])), ValueError, "poisson: input must be at least 0, got -1"),
    "a negative count": (lambda: dualad.binomial(-1, 0.5), ValueError, "binomial: count must be at least 0"),
    "a complex mean": (lambda: dualad.normal(1j, 1.0), dualad.DTypeError, "normal: mean is complex, the numbers are real"),
    "an integer that does not fit": (lambda: dualad.randint(0, 300, (2,), dtype=dualad.uint8), ValueError, "randint: integers from 0 to 299 do not fit into dualad.uint8"),
    "integers that are complex": (lambda: dualad.randint(0, 3, (2,), dtype=dualad.complex64), dualad.DTypeError, "randint: integers cannot be dualad.complex64"),
    "no integer between": (lambda: dualad.randint(3, 3, (2,)), ValueError, "randint: expects low < high, got 3 and 3"),
    "an end that is none": (lambda: dualad.randint(0, 2.5, (2,)), TypeError, "randint: high must be an integer, got 2.5"),
    "weights in three axes": (lambda: dualad.multinomial(np.ones((2, 2, 2)), 1), dualad.ShapeError, r"multinomial: expects weights of shape \(n,\) or \(m, n\)"),
    "integer weights": (lambda: dualad.multinomial(np.array([1, 2]), 1), dualad.DTypeError, r"multinomial: weights cannot be dualad\.int64; convert them, with \.to\(dualad\.float32\)"),
    "probabilities that are too many": (lambda: random.choice(2, 2, p=[0.5, 0.6]), ValueError, r"choice: probabilities must sum to 1, got a sum of 1\.1"),
    "probabilities that are too few": (lambda: random.choice(2, 2, p=np.array([0.5, 0.4999])), ValueError, r"choice: probabilities must sum to 1, got a sum of 0\.9999"),
    "a probability that is none": (lambda: random.choice(2, p=[np.nan, 1.0]), ValueError, "choice: probabilities must sum to 1, got a sum of nan"),
    "a negative probability": (lambda: random.choice(2, p=[-1.0, 2.0]), ValueError, "choice: a weight must be at least 0, got -1"),
    "complex probabilities": (lambda: random.choice(1, p=[1j]), dualad.DTypeError, "choice: probabilities are real"),
    "an example's probabilities": (lambda: dualad.vmap(lambda p: random.choice(2, p=p), randomness="different")(np.array([[0.5, 0.5], [0.5, 0.7]])), ValueError, r"got a sum of 1\.2"),
    "an end at infinity": (lambda: dualad.uniform(0, np.inf), ValueError, "uniform: high must be from .* got inf"),
    "a range that is too wide": (lambda: dualad.zeros(3).uniform_(-3e38, 3e38), ValueError, r"uniform: high - low must be at most 3\.40282e\+38, got 6e\+38"),
    "a range of arrays that is too wide": (lambda: dualad.uniform(np.float32([0, -3e38]), np.float32([1, 3e38])), ValueError, "uniform: high - low must be at most .* got inf"),
    "an end that its dtype has not": (lambda: dualad.uniform(0, 1e5, dtype="float16"), ValueError, "uniform: high must be from -65504 to 65504, got 100000"),
    "a negative length": (lambda: dualad.rand(-1), dualad.ShapeError, r"rand: lengths must not be negative, got \(-1,\)"),
    "a negative length of integers": (lambda: dualad.randint(0, 2, (-1,)), dualad.ShapeError, r"randint: lengths must not be negative, got \(-1,\)"),
    "a negative size": (lambda: random.gamma(1.0, size=(-1,)), dualad.ShapeError, r"gamma: lengths must not be negative, got \(-1,\)"),
    "a negative size of choices": (lambda: random.choice(5, -1), dualad.ShapeError, "choice: lengths must not be negative"),
    "a negative size of vectors": (lambda: random.dirichlet(np.ones(2), -1), dualad.ShapeError, r"dirichlet: lengths must not be negative, got \(-1,\)"),
    "a length that is none": (lambda: dualad.randn(2.5), TypeError, "randn: a length must be an integer, got 2.5"),
    "a shape that is given twice": (lambda: dualad.rand(2, size=(3,)), TypeError, "rand: the shape is given twice"),
    "an argument under two names": (lambda: random.normal(mean=0.0, loc=1.0), TypeError, "normal: loc and mean are the same argument"),
    "an argument given twice": (lambda: random.poisson(1.0, lam=1.0), TypeError, "multiple values for argument 'input'"),
    "no size": (lambda: dualad.randint(5), ValueError, "randint: no size is given"),
    "no integers": (lambda: dualad.randint(size=(2,)), TypeError, "randint: high must be an integer, got None"),
    "a device that is forked": (lambda: random.fork_rng(devices="lamp").__enter__(), dualad.DeviceError, "unknown device lamp"),
    "a covariance that is not definite": (lambda: random.multivariate_normal(np.zeros(2), -np.eye(2)), np.linalg.LinAlgError, "multivariate_normal: cov must be positive definite"),
    "a mode that is outside": (lambda: random.triangular(0.0, 3.0, 2.0), ValueError, "triangular: right - mode must be at least 0, got -1"),
    "a triangle without width": (lambda: random.triangular(1.0, 1.0, 1.0), ValueError, "triangular: right - left must be greater than 0"),
    "no successes": (lambda: random.negative_binomial(0, 0.5), ValueError, "negative_binomial: n must be greater than 0"),
    "too many": (lambda: dualad.multinomial(np.ones(2), 3), ValueError, "multinomial: cannot draw 3 of 2 without replacement"),
    "too many zeros": (lambda: dualad.multinomial(np.array([0.0, 1.0]), 2), ValueError, "multinomial: only 1 weights are not 0, and 2 are to be drawn"),
    "zeros alone": (lambda: dualad.multinomial(np.zeros(2), 2, True), ValueError, "multinomial: only 0 weights are not 0"),
    "a negative weight": (lambda: dualad.multinomial(np.array([-1.0, 2.0]), 1), ValueError, "multinomial: a weight must be at least 0, got -1"),
    "too many choices": (lambda: random.choice(3, 4, replace=False), ValueError, "choice: cannot draw 4 of 3 without replacement"),
    "nothing to choose": (lambda: random.choice(dualad.zeros(0)), ValueError, "choice: cannot draw 1 of 0"),
    "probabilities of others": (lambda: random.choice(3, p=[0.5, 0.5]), dualad.ShapeError, r"choice: expects 3 probabilities, got shape \(2,\)"),
    "a seed that is too great": (lambda: dualad.manual_seed(2**64), ValueError, r"manual_seed: the seed must be from -2\*\*63 to 2\*\*64 - 1"),
    "a seed that is no integer": (lambda: dualad.manual_seed(1.5), TypeError, "manual_seed: the seed must be an integer, got 1.5"),
    "the seed of a generator": (lambda: dualad.Generator().manual_seed("x"), TypeError, "Generator.manual_seed: the seed must be an integer"),
    "a device that is none": (lambda: dualad.Generator("nowhere"), dualad.DeviceError, "nowhere"),
    "a covariance that is none": (lambda: random.multivariate_normal(np.zeros(2), np.eye(3)), dualad.ShapeError, "multivariate_normal: expects a mean"),
    "a concentration without an axis": (lambda: random.dirichlet(1.0), dualad.ShapeError, "dirichlet: alpha must have an axis"),
    "an axis that is none": (lambda: random.permutation(dualad.ones(2), axis=1), dualad.AxisError, "permutation: axis 1 is out of bounds"),
    "no integers in between": (lambda: dualad.zeros(2).random_(3, 3), ValueError, "random_: expects from_ < to, got 3 and 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    call, error, words = WRONG[name]
    state = dualad.get_rng_state()
    with pytest.raises(error, match=words):
        call()
    assert bool((dualad.get_rng_state() == state).all())


def test_every_name_is_there_and_has_an_example():
    assert random.__all__ == sorted(random.__all__)
    for name in random.__all__:
        assert ">>> " in (getattr(random, name).__doc__ or ""), name
