"""Random numbers, under the names of ``torch.random`` and ``numpy.random``.

The functions that PyTorch has take its arguments, the others NumPy's; all take ``generator=``.
"""

from .ops.random.basic import permutation, rand, rand_like, randint, randint_like, randn, randn_like, randperm
from .ops.random.continuous import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    lognormal,
    multivariate_normal,
    normal,
    pareto,
    power,
    rayleigh,
    triangular,
    uniform,
    weibull,
)  # fmt: skip
from .ops.random.discrete import bernoulli, binomial, choice, geometric, multinomial, poisson
from .ops.random.gamma import (
    beta,
    chisquare,
    dirichlet,
    f,
    gamma,
    negative_binomial,
    standard_gamma,
    standard_t,
)
from .ops.random.generators import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)  # fmt: skip
from .ops.random.standard import (
    random,
    standard_cauchy,
    standard_exponential,
    standard_normal,
)

__all__ = [
    "Generator", "bernoulli", "beta", "binomial", "cauchy", "chisquare", "choice", "default_generator",
    "dirichlet", "exponential", "f", "fork_rng", "gamma", "geometric", "get_rng_state", "gumbel",
    "initial_seed", "laplace", "logistic", "lognormal", "manual_seed", "multinomial", "multivariate_normal",
    "negative_binomial", "normal", "pareto", "permutation", "poisson", "power", "rand", "rand_like",
    "randint", "randint_like", "randn", "randn_like", "random", "randperm", "rayleigh", "seed",
    "set_rng_state", "standard_cauchy", "standard_exponential", "standard_gamma", "standard_normal",
    "standard_t", "triangular", "uniform", "weibull",
]  # fmt: skip
