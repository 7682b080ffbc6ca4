"""Continuous distributions made of uniform and normal numbers, which move with their parameters.

Each is a function of its parameters and of numbers that do not depend on them, made of differentiable
ops: so samples carry derivatives in the parameters, in all modes and of every order (the
reparametrization of Kingma and Welling, "Auto-encoding variational Bayes", 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, pi
from typing import Any

import numpy as np

from ...engine.namespace import ops
from ...engine.tensor import Tensor
from ...errors import ShapeError
from ..common import other_names
from ..conversion import asarray
from ..datatypes import finfo
from .drawing import Source, check, finish, floating, lengths, parameters


@other_names(loc="mean", scale="std")
def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return normal numbers, ``mean + std * randn``; they carry derivatives in mean and std.

    Parameters
    ----------
    mean, std : array or number
        The mean and the standard deviation, which is not negative; they broadcast. NumPy's names ``loc``
        and ``scale`` do as well.
    size : int or tuple of int, optional
        The shape; by default that of the parameters.
    generator : Generator, optional
        Where to draw from; the device's own by default.
    dtype : DType, optional
        By default that of the parameters, or the default dtype if they are numbers or of integers.
        Of complex numbers each part has half the variance.
    device : str or Device, optional
        By default that of the parameters; the CPU if they are numbers.
    requires_grad : bool
        Whether ops on the result are recorded; they are in any case if a parameter requires grad.

    Raises
    ------
    ValueError
        If std is negative; on a GPU elements are not looked at.
    DeviceError
        If a parameter or the generator is on another device.
    ShapeError
        If the parameters do not broadcast to the size.

    Examples
    --------
    >>> import dualad
    >>> mean = dualad.zeros(3, requires_grad=True)
    >>> dualad.normal(mean, 2.0).sum().backward()
    >>> mean.grad
    tensor([1., 1., 1.])
    """
    given = {"mean": mean, "std": std}
    (mean, std), shape, s = parameters("normal", given, size, dtype, device, generator, floating)
    check("normal", "std", std, 0)
    return finish(mean + std * s.normal(shape), requires_grad)


def uniform(
    low: Any = 0.0, high: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers drawn evenly from [low, high); they carry derivatives in both.

    The other parameters are those of `normal`. As in NumPy, rounding may give high itself.

    Raises
    ------
    ValueError
        If high is less than low, or if one of these or their difference is beyond what the dtype has; on
        a GPU elements are not looked at.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.uniform(-1.0, 1.0, (2, 3))
    >>> x.shape, bool((abs(x) <= 1).all())
    ((2, 3), True)
    """
    (low, high), shape, s = parameters("uniform", {"low": low, "high": high}, size, dtype, device, generator)
    with np.errstate(over="ignore"):  # what is too wide is told below
        width = high - low
    most = finfo(s.dtype).max
    check("uniform", "low", low, -most, most)
    check("uniform", "high", high, -most, most)
    check("uniform", "high - low", width, 0)
    check("uniform", "high - low", width, -inf, most)
    return finish(low + width * s.uniform(shape), requires_grad)


def _located(
    name: str, noise: Callable[[Source, tuple[int, ...]], Tensor], about: str
) -> Callable[..., Tensor]:
    """Return the function for a distribution of a location and a scale."""

    def distribution(
        loc: Any = 0.0, scale: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
        device: Any = None, requires_grad: bool = False,
    ) -> Tensor:  # fmt: skip
        given = {"loc": loc, "scale": scale}
        (loc, scale), shape, s = parameters(name, given, size, dtype, device, generator)
        check(name, "scale", scale, 0)
        return finish(loc + scale * noise(s, shape), requires_grad)

    distribution.__name__ = distribution.__qualname__ = name
    distribution.__doc__ = f"""Return numbers of the {about}; they carry derivatives in loc and scale.

    Parameters
    ----------
    loc, scale : array or number
        Where it lies and how wide it is, which is not negative; they broadcast.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.{name}(1.0, dualad.tensor([0.5, 2.0])).shape
    (2,)
    """
    return distribution


def _logistic(s: Source, shape: tuple[int, ...]) -> Tensor:
    u = s.inside(shape)
    return ops.log(u) - ops.log1p(-u)


laplace = _located(
    "laplace",
    lambda s, shape: s.exponential(shape) - s.exponential(shape),
    "Laplace distribution, of density ``exp(-abs(x - loc) / scale) / (2 * scale)``",
)
logistic = _located(
    "logistic", _logistic, "logistic distribution, whose distribution function is the sigmoid"
)
gumbel = _located(
    "gumbel",
    lambda s, shape: -ops.log(s.exponential(shape)),
    "Gumbel distribution, whose distribution function is ``exp(-exp((loc - x) / scale))``",
)
cauchy = _located(
    "cauchy",
    lambda s, shape: ops.tan(pi * (s.inside(shape) - 0.5)),
    "Cauchy distribution, of density ``scale / (pi * (scale**2 + (x - loc)**2))``",
)


def exponential(
    scale: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return exponential numbers, all greater than 0; they carry derivatives in scale.

    Parameters
    ----------
    scale : array or number
        The mean, which is not negative: one divided by the rate.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> bool((dualad.random.exponential(2.0, (5,)) > 0).all())
    True
    """
    (scale,), shape, s = parameters("exponential", {"scale": scale}, size, dtype, device, generator)
    check("exponential", "scale", scale, 0)
    return finish(scale * s.exponential(shape), requires_grad)


def lognormal(
    mean: Any = 0.0, sigma: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers whose logarithms are normal; they carry derivatives in both parameters.

    Parameters
    ----------
    mean, sigma : array or number
        The mean and the standard deviation of the logarithms.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> bool((dualad.random.lognormal(size=5) > 0).all())
    True
    """
    given = {"mean": mean, "sigma": sigma}
    (mean, sigma), shape, s = parameters("lognormal", given, size, dtype, device, generator)
    check("lognormal", "sigma", sigma, 0)
    return finish(ops.exp(mean + sigma * s.normal(shape)), requires_grad)


def weibull(
    a: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers whose power a is exponential; they carry derivatives in a.

    Parameters
    ----------
    a : array or number
        The shape, greater than 0.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.weibull(2.0, (4,)).shape
    (4,)
    """
    (a,), shape, s = parameters("weibull", {"a": a}, size, dtype, device, generator)
    check("weibull", "a", a, 0, open=True)
    return finish(ops.exp(ops.log(s.exponential(shape)) / a), requires_grad)


def pareto(
    a: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers of the Lomax distribution, from 0 on, as NumPy does; they carry derivatives in a.

    Those of Pareto's own with the least value m are ``m * (1 + pareto(a))``.

    Parameters
    ----------
    a : array or number
        The shape, greater than 0: they are greater than x with probability ``(1 + x) ** -a``.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.pareto(3.0, (4,)).shape
    (4,)
    """
    (a,), shape, s = parameters("pareto", {"a": a}, size, dtype, device, generator)
    check("pareto", "a", a, 0, open=True)
    return finish(ops.expm1(s.exponential(shape) / a), requires_grad)


def rayleigh(
    scale: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return lengths of vectors of two normal numbers; they carry derivatives in scale.

    Parameters
    ----------
    scale : array or number
        The standard deviation of the two, which is not negative.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.rayleigh(2.0, (4,)).shape
    (4,)
    """
    (scale,), shape, s = parameters("rayleigh", {"scale": scale}, size, dtype, device, generator)
    check("rayleigh", "scale", scale, 0)
    return finish(scale * ops.sqrt(2 * s.exponential(shape)), requires_grad)


def power(
    a: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers from 0 to 1 whose power a is uniform; they carry derivatives in a.

    Parameters
    ----------
    a : array or number
        Greater than 0: they are less than x with probability ``x ** a``.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.power(3.0, (4,)).shape
    (4,)
    """
    (a,), shape, s = parameters("power", {"a": a}, size, dtype, device, generator)
    check("power", "a", a, 0, open=True)
    return finish(ops.exp(-s.exponential(shape) / a), requires_grad)


def triangular(
    left: Any, mode: Any, right: Any, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers whose density is a triangle; they carry derivatives in all parameters.

    Parameters
    ----------
    left, mode, right : array or number
        Where it begins, where it is highest, and where it ends: in this order, and the ends differ.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.random.triangular(-1.0, 0.0, 3.0, (4,))
    >>> bool(((x >= -1) & (x <= 3)).all())
    True
    """
    given = {"left": left, "mode": mode, "right": right}
    (left, mode, right), shape, s = parameters("triangular", given, size, dtype, device, generator)
    rise, fall, width = mode - left, right - mode, right - left
    check("triangular", "mode - left", rise, 0)
    check("triangular", "right - mode", fall, 0)
    check("triangular", "right - left", width, 0, open=True)
    # The distribution function's inverse; the root's argument is chosen first, so that it is never 0.
    u = s.inside(shape)
    rising = u * width < rise
    root = ops.sqrt(ops.where(rising, u * rise, (1 - u) * fall) * width)
    return finish(ops.where(rising, left + root, right - root), requires_grad)


def multivariate_normal(
    mean: Any, cov: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return normal vectors of a mean and a covariance; they carry derivatives in both.

    They are ``mean + L @ randn`` with the Cholesky factor L of the covariance.

    Parameters
    ----------
    mean : array of shape (..., n)
        The mean.
    cov : array of shape (..., n, n)
        The covariance, symmetric and positive definite.
    size : int or tuple of int, optional
        The shape in front of n; by default that of the parameters.
    generator, dtype, device, requires_grad
        See `dualad.normal`.

    Raises
    ------
    ShapeError
        If the covariance is no square matrix of the mean's length.
    numpy.linalg.LinAlgError
        If it is not positive definite; it is a ValueError. On devices whose library does not look,
        the numbers are NaN.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.multivariate_normal(dualad.zeros(2), dualad.eye(2), (5,)).shape
    (5, 2)
    """
    mean, cov = asarray(mean), asarray(cov)
    if mean.ndim < 1 or cov.ndim < 2 or cov.shape[-2:] != (mean.shape[-1],) * 2:
        raise ShapeError(
            "multivariate_normal: expects a mean of shape (..., n) and a covariance of shape (..., n, n), "
            f"got {mean.shape} and {cov.shape}"
        )
    n = mean.shape[-1]
    rows = None if size is None else (*lengths("multivariate_normal", size), n)
    given = {"mean": mean, "cov": cov[..., 0]}
    (mean, _), shape, s = parameters("multivariate_normal", given, rows, dtype, device, generator)
    try:
        factor = ops.linalg.cholesky(cov.to(s.dtype))
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(
            "multivariate_normal: cov must be positive definite, and is not; where rounding is why, add a "
            "small number to its diagonal: cov + 1e-6 * dualad.eye(n)"
        ) from error
    noise = s.normal(shape)
    return finish(mean + ops.matmul(factor, noise[..., None])[..., 0], requires_grad)
