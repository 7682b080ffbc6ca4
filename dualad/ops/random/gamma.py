"""The gamma distribution and those made of it, which move with their parameters.

Logarithms of gamma numbers are drawn, which small concentrations do not bring to 0, and all else is
made of these by differentiable ops; how they move with the concentration is told in `implicit`.
"""

from __future__ import annotations

from typing import Any

from ...engine.namespace import ops
from ...engine.shapes import same
from ...engine.tensor import Tensor
from ...errors import ShapeError
from ...op import Op
from ...rules import Scale
from .. import special as special  # the rules below ask for its functions
from ..common import same_dtype
from ..conversion import asarray
from ..pytorch import softmax
from .discrete import poisson
from .drawing import Source, check, draw_examples, finish, laid_out, lengths, parameters
from .implicit import log_gamma_slope


def _log_gamma(xp: Any, a: Any, *, stream: Any) -> Any:
    """A gamma number of concentration a is one of a + 1 times a uniform number to the power 1 / a.

    See Marsaglia and Tsang, "A simple method for generating gamma variables", 2000, section 6.
    """
    larger = stream.draw("standard_gamma", a.shape, a.dtype, a=a + 1)
    return xp.log(larger) + xp.log1p(-stream.draw("random", a.shape, a.dtype)) / a


log_gamma = Op(
    "random.log_gamma(a)",
    Scale(lambda xp, a, y: log_gamma_slope.within(xp, a, y)),
    shape=same,
    dtype=same_dtype,
    compute=_log_gamma,
    batch=draw_examples,
)


def _drawn(a: Any, shape: tuple[int, ...], s: Source) -> Tensor:
    """Return logarithms of gamma numbers of concentration a."""
    (laid,) = laid_out([a], shape, s)
    return log_gamma(laid, stream=s.generator._stream)


def gamma(
    shape: Any, scale: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers of the gamma distribution; they carry derivatives in both parameters.

    Those in the shape are exact for each sample, by implicit differentiation of its distribution
    function; there are two of them, a third raises a MissingDerivativeError.

    Parameters
    ----------
    shape, scale : array or number
        The concentration, greater than 0, and what the numbers are multiplied by, as in NumPy.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> a = dualad.tensor([0.5, 3.0], requires_grad=True)
    >>> dualad.random.gamma(a).sum().backward()
    >>> bool((a.grad > 0).all())
    True
    """
    given = {"shape": shape, "scale": scale}
    (a, scale), n, s = parameters("gamma", given, size, dtype, device, generator)
    check("gamma", "shape", a, 0, open=True)
    check("gamma", "scale", scale, 0)
    return finish(ops.exp(_drawn(a, n, s)) * scale, requires_grad)


def standard_gamma(
    shape: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers of `dualad.random.gamma` of scale 1; they carry derivatives in shape.

    Parameters
    ----------
    shape : array or number
        The concentration, greater than 0.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.standard_gamma(2.0, (4,)).shape
    (4,)
    """
    (a,), n, s = parameters("standard_gamma", {"shape": shape}, size, dtype, device, generator)
    check("standard_gamma", "shape", a, 0, open=True)
    return finish(ops.exp(_drawn(a, n, s)), requires_grad)


def beta(
    a: Any, b: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers of the beta distribution; they carry derivatives in both parameters.

    Each is x / (x + y) with x and y from `gamma`, whose derivatives it takes.

    Parameters
    ----------
    a, b : array or number
        Greater than 0.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.random.beta(0.5, 2.0, (4,))
    >>> bool(((x >= 0) & (x <= 1)).all())
    True
    """
    (a, b), shape, s = parameters("beta", {"a": a, "b": b}, size, dtype, device, generator)
    check("beta", "a", a, 0, open=True)
    check("beta", "b", b, 0, open=True)
    return finish(ops.sigmoid(_drawn(a, shape, s) - _drawn(b, shape, s)), requires_grad)


def dirichlet(
    alpha: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return vectors of the Dirichlet distribution; they carry derivatives in alpha.

    Each is a vector of numbers from `gamma`, divided by their sum.

    Parameters
    ----------
    alpha : array of shape (..., n)
        Greater than 0.
    size : int or tuple of int, optional
        The shape in front of n; by default that of alpha.
    generator, dtype, device, requires_grad
        See `dualad.normal`.

    Raises
    ------
    ShapeError
        If alpha is a number.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.dirichlet(dualad.ones(3), (2,)).shape
    (2, 3)
    """
    alpha = asarray(alpha)
    if alpha.ndim == 0:
        raise ShapeError("dirichlet: alpha must have an axis, got a number")
    rows = None if size is None else (*lengths("dirichlet", size), alpha.shape[-1])
    (alpha,), shape, s = parameters("dirichlet", {"alpha": alpha}, rows, dtype, device, generator)
    check("dirichlet", "alpha", alpha, 0, open=True)
    return finish(softmax(_drawn(alpha, shape, s), -1), requires_grad)


def chisquare(
    df: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers of the chi-square distribution; they carry derivatives in df.

    Parameters
    ----------
    df : array or number
        The degrees of freedom, greater than 0.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.chisquare(3, (4,)).shape
    (4,)
    """
    (df,), shape, s = parameters("chisquare", {"df": df}, size, dtype, device, generator)
    check("chisquare", "df", df, 0, open=True)
    return finish(2 * ops.exp(_drawn(0.5 * df, shape, s)), requires_grad)


def standard_t(
    df: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers of Student's t distribution; they carry derivatives in df.

    Each is a normal number divided by the root of one from `chisquare` over df.

    Parameters
    ----------
    df : array or number
        The degrees of freedom, greater than 0.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.standard_t(3, (4,)).shape
    (4,)
    """
    (df,), shape, s = parameters("standard_t", {"df": df}, size, dtype, device, generator)
    check("standard_t", "df", df, 0, open=True)
    half = 0.5 * df
    root = half**0.5 * ops.exp(-0.5 * _drawn(half, shape, s))
    return finish(s.normal(shape) * root, requires_grad)


def f(
    dfnum: Any, dfden: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return numbers of the F distribution; they carry derivatives in both degrees of freedom.

    Each is a quotient of two from `chisquare`, each over its degrees of freedom.

    Parameters
    ----------
    dfnum, dfden : array or number
        The degrees of freedom of the numerator and of the denominator, greater than 0.
    size, generator, dtype, device, requires_grad
        See `dualad.normal`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.f(3, 5, (4,)).shape
    (4,)
    """
    given = {"dfnum": dfnum, "dfden": dfden}
    (m, n), shape, s = parameters("f", given, size, dtype, device, generator)
    check("f", "dfnum", m, 0, open=True)
    check("f", "dfden", n, 0, open=True)
    logs = _drawn(0.5 * m, shape, s) - _drawn(0.5 * n, shape, s)
    return finish(ops.exp(logs) * (n / m), requires_grad)


def negative_binomial(
    n: Any, p: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return how many trials fail before n succeed: counts from 0 on, which are constants.

    Each is drawn by `poisson` with a mean from `gamma`.

    Parameters
    ----------
    n : array or number
        Greater than 0, and need not be whole.
    p : array or number
        The probability that one succeeds, greater than 0 and at most 1.
    size, generator, device, requires_grad
        See `dualad.normal`.
    dtype : DType, optional
        See `dualad.poisson`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.negative_binomial(3, dualad.ones(2))
    tensor([0., 0.])
    """
    given = {k: v.detach() if isinstance(v, Tensor) else v for k, v in {"n": n, "p": p}.items()}
    (n, p), shape, s = parameters("negative_binomial", given, size, None, device, generator)
    check("negative_binomial", "n", n, 0, open=True)
    check("negative_binomial", "p", p, 0, 1, open=True)
    means = ops.exp(_drawn(n, shape, s)) * ((1 - p) / p)
    return poisson(means, generator=generator, dtype=dtype, requires_grad=requires_grad)
