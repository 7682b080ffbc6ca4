"""Discrete distributions and choices. They are constants: nothing that jumps has a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import float64, get_default_dtype
from ...engine.namespace import ops
from ...engine.shapes import same
from ...engine.tensor import Tensor, raw_value
from ...errors import DTypeError, ShapeError
from ...op import Op
from ..common import one_axis, other_names, same_dtype, whole
from ..conversion import asarray
from ..datatypes import finfo
from .basic import integers, random_order
from .drawing import Source, check, draw_examples, finish, laid_out, lengths, parameters, source

_poisson = Op(
    "random.poisson(lam)",
    shape=same,
    dtype=same_dtype,
    compute=lambda xp, lam, *, stream: stream.draw("poisson", lam.shape, lam.dtype, lam=lam),
    batch=draw_examples,
)
_binomial = Op(
    "random.binomial(n, p)",
    shape=same,
    dtype=same_dtype,
    compute=lambda xp, n, p, *, stream: stream.draw("binomial", n.shape, n.dtype, n=n, p=p),
    batch=draw_examples,
)


def bernoulli(
    input: Any, p: Any = None, *, size: Any = None, generator: Any = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return 1 with a probability, else 0; ``bernoulli(x, p)`` is of the shape and dtype of x.

    Parameters
    ----------
    input : array or number
        The probabilities, from 0 to 1; where p is given, what has the result's shape and dtype.
    p : array or number, optional
        The probability.
    size : int or tuple of int, optional
        The shape; by default that of `input`.
    generator : Generator, optional
        Where to draw from; the device's own by default.
    dtype : DType, optional
        Of the result; that of `input` by default.
    device : str or Device, optional
        That of the arrays by default.
    requires_grad : bool
        Whether ops on the result are recorded.

    Raises
    ------
    ValueError
        If a probability is not from 0 to 1; on a GPU elements are not looked at.
    DTypeError
        If probabilities are integers or complex.

    Examples
    --------
    >>> import dualad
    >>> dualad.bernoulli(dualad.tensor([0.0, 1.0, 1.0]))
    tensor([0., 1., 1.])
    """
    if p is not None:
        x = asarray(input)
        size, device = x.shape if size is None else size, x.device if device is None else device
        dtype, input = x.dtype if dtype is None else dtype, p
    elif hasattr(input, "dtype") and not asarray(input).dtype.is_floating_point:
        raise DTypeError(
            f"bernoulli: probabilities cannot be {input.dtype}; give p= for their dtype and shape"
        )
    (p,), shape, s = parameters("bernoulli", {"p": input}, size, None, device, generator)
    check("bernoulli", "p", p, 0, 1)
    return finish((s.uniform(shape) < p).to(s.dtype if dtype is None else dtype), requires_grad)


@other_names(lam="input")
def poisson(
    input: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return counts with means of `input`.

    Parameters
    ----------
    input : array or number
        The means, not negative; NumPy's name ``lam`` does as well.
    size, generator, device, requires_grad
        See `bernoulli`.
    dtype : DType, optional
        Of the result; by default that of `input`, or the default dtype if it is a number or of integers.

    Raises
    ------
    ValueError
        If a mean is negative; on a GPU elements are not looked at.

    Examples
    --------
    >>> import dualad
    >>> dualad.poisson(dualad.zeros(3))
    tensor([0., 0., 0.])
    """
    (lam,), shape, s = parameters("poisson", {"input": input}, size, None, device, generator)
    check("poisson", "input", lam, 0)
    counts = _poisson(*laid_out([lam], shape, s), stream=s.generator._stream)
    return finish(counts if dtype is None else counts.to(dtype), requires_grad)


@other_names(n="count", p="prob")
def binomial(
    count: Any, prob: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return how many of `count` trials succeed, each with the probability `prob`.

    Parameters
    ----------
    count, prob : array or number
        Whole numbers, not negative, and numbers from 0 to 1; they broadcast. NumPy's names ``n`` and
        ``p`` do as well.
    size, generator, dtype, device, requires_grad
        See `poisson`.

    Raises
    ------
    ValueError
        If they are out of their bounds; on a GPU elements are not looked at.

    Examples
    --------
    >>> import dualad
    >>> dualad.binomial(dualad.tensor([5.0, 8.0]), 1.0)
    tensor([5., 8.])
    """
    given = {"count": count, "prob": prob}
    (count, prob), shape, s = parameters("binomial", given, size, None, device, generator)
    check("binomial", "count", count, 0)
    check("binomial", "prob", prob, 0, 1)
    counts = _binomial(*laid_out([count, prob], shape, s), stream=s.generator._stream)
    return finish(counts if dtype is None else counts.to(dtype), requires_grad)


def geometric(
    p: Any, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return how many trials it takes until one succeeds: from 1 on.

    Parameters
    ----------
    p : array or number
        The probability that one succeeds, greater than 0 and at most 1.
    size, generator, dtype, device, requires_grad
        See `poisson`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.geometric(dualad.ones(3))
    tensor([1., 1., 1.])
    """
    (p,), shape, s = parameters("geometric", {"p": p}, size, None, device, generator)
    check("geometric", "p", p, 0, 1, open=True)
    # One less than 1, so that its logarithm is finite, is 1 in this precision.
    p = (p if isinstance(p, Tensor) else ops.full((), p, dtype=s.dtype, device=s.device)).detach()
    rate = -ops.log1p(-ops.minimum(p, 1 - finfo(s.dtype).eps))
    counts = ops.ceil(s.exponential(shape) / rate)
    return finish(counts if dtype is None else counts.to(dtype), requires_grad)


# -- choices -----------------------------------------------------------------------------------------


def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Return indices drawn with probabilities in proportion to weights.

    Parameters
    ----------
    input : array of shape (n,) or (m, n)
        The weights, not negative, and not all 0; of a real floating dtype.
    num_samples : int
        How many to draw from each row.
    replacement : bool
        Whether one index can be drawn several times. Without, they are in the order in which they
        would be drawn one after the other.
    generator : Generator, optional
        Where to draw from; the device's own by default.

    Returns
    -------
    Tensor of integers of shape (num_samples,) or (m, num_samples)

    Raises
    ------
    ShapeError
        If the weights are no vector or matrix.
    DTypeError
        If they are not of a real floating dtype.
    ValueError
        If there are not as many weights, or not as many that are not 0, as are to be drawn without
        replacement, or if one is negative; on a GPU elements are not looked at.

    Examples
    --------
    >>> import dualad
    >>> dualad.multinomial(dualad.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    x = asarray(input).detach()
    if x.ndim not in (1, 2):
        raise ShapeError(f"multinomial: expects weights of shape (n,) or (m, n), got {x.shape}")
    if not x.dtype.is_floating_point:
        raise DTypeError(
            f"multinomial: weights cannot be {x.dtype}; convert them, with .to({get_default_dtype()}), first"
        )
    return _weighted(
        "multinomial", x, whole("multinomial", "num_samples", num_samples), replacement, generator
    )


def _weighted(name: str, x: Tensor, count: int, replacement: bool, generator: Any) -> Tensor:
    """Return indices of floating weights, in each row."""
    s = source(name, x.dtype, x.device, generator)
    _check_weights(name, x, count, replacement)
    if s.backend.has_dtype(float64, s.device):
        s = s._replace(dtype=float64)
        x = x.to(float64)
    if not replacement or count == 1:
        # Of exponential numbers with these rates each is the least in proportion to its rate, and so on
        # for the rest (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
        return ops.argsort(x / s.exponential(x.shape), axis=-1, descending=True)[..., :count]
    return _with_replacement(x, count, s)


def _with_replacement(x: Tensor, count: int, s: Source) -> Tensor:
    """Return indices by where uniform numbers lie among the cumulated weights."""
    rising = ops.cumulative_sum(x, axis=-1)
    rising = rising / rising[..., -1:]
    u = s.uniform((*x.shape[:-1], count))
    if x.ndim == 1:
        return ops.searchsorted(rising, u, side="right")
    if not x.shape[0]:
        return u.to("int64")
    return ops.stack([ops.searchsorted(rising[i], u[i], side="right") for i in range(x.shape[0])])


def _check_weights(name: str, x: Tensor, count: int, replacement: bool) -> None:
    check(name, "a weight", x, 0)
    n = x.shape[-1]
    if count < 1 or (count > n and not replacement):
        raise ValueError(
            f"{name}: cannot draw {count} of {n}" + ("" if replacement else " without replacement")
        )
    raw = raw_value(x)
    if isinstance(raw, np.ndarray) and raw.size:
        least = int(np.count_nonzero(raw, axis=-1).min())
        if least < (1 if replacement else count):
            raise ValueError(f"{name}: only {least} weights are not 0, and {count} are to be drawn")


def choice(
    a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, *, generator: Any = None,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """Return parts of an array drawn at random; of a number a, integers from 0 to a - 1.

    Parameters
    ----------
    a : array or int
        What to draw from. The result is differentiable in it: its parts are those of a.
    size : int or tuple of int, optional
        How many, in which shape; one by default.
    replace : bool
        Whether one part can be drawn several times.
    p : array of shape (n,), optional
        The probabilities; equal ones by default. On a GPU, where elements are not looked at, they are
        taken to be in proportion to them.
    axis : int
        Along which the parts of an array lie.
    generator : Generator, optional
        Where to draw from; the device's own by default.
    device : str or Device, optional
        That of `a`, or of p, by default.

    Raises
    ------
    ValueError
        If there is nothing to draw from, or not as much without replacement, or if probabilities are
        negative or do not sum to 1; on a GPU elements are not looked at.
    ShapeError
        If there are not as many probabilities as parts.
    DTypeError
        If probabilities are complex.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.choice(5, (2, 3)).shape
    (2, 3)
    >>> dualad.random.choice(dualad.tensor([3.0, 1.0]), 2, replace=False).sort()
    tensor([1., 3.])
    """
    parts = asarray(a, device=device) if hasattr(a, "shape") or isinstance(a, (list, tuple)) else None
    weights = None if p is None else asarray(p, device=device)
    if parts is None or parts.ndim == 0:
        parts, n, axis = None, whole("choice", "a", a), 0
        device = weights.device if device is None and weights is not None else device
    else:
        axis = one_axis("choice", axis, parts.ndim)
        n, device = parts.shape[axis], parts.device
    shape = () if size is None else lengths("choice", size)
    at = ops.reshape(_indices(n, shape, replace, weights, device, generator), shape)
    if parts is None:
        return at
    chosen = ops.take(parts, ops.reshape(at, (-1,)), axis=axis)
    return ops.reshape(chosen, (*parts.shape[:axis], *shape, *parts.shape[axis + 1 :]))


def _indices(
    n: int, shape: tuple[int, ...], replace: bool, weights: Tensor | None, device: Any, generator: Any
) -> Tensor:
    """Return as many integers from 0 to n - 1 as the shape has elements, as a vector."""
    count = int(np.prod(shape, dtype=int))
    if n < 1 or (not replace and count > n):
        raise ValueError(f"choice: cannot draw {count} of {n}" + ("" if replace else " without replacement"))
    if weights is not None:
        if weights.shape != (n,):
            raise ShapeError(f"choice: expects {n} probabilities, got shape {weights.shape}")
        return _weighted("choice", _probabilities("choice", weights.detach()), count, replace, generator)
    if replace:
        return integers("choice", 0, n, (count,), None, device, generator)
    return random_order("choice", n, device, generator)[:count]


def _probabilities(name: str, p: Tensor) -> Tensor:
    """Return probabilities as floating numbers; raise ValueError if they are seen not to sum to 1."""
    if p.dtype.is_complex:
        raise DTypeError(f"{name}: probabilities are real, and cannot be {p.dtype}")
    p = p if p.dtype.is_floating_point else p.to(get_default_dtype())
    raw = raw_value(p)
    if isinstance(raw, np.ndarray):
        sums = np.atleast_1d(raw.sum(-1, dtype=np.float64))
        # NumPy's tolerance: half of the digits that the probabilities have.
        wrong = sums[~(abs(sums - 1) <= np.sqrt(finfo(p.dtype).eps))]
        if wrong.size:
            raise ValueError(
                f"{name}: probabilities must sum to 1, got a sum of {wrong[0]:g}; divide them by it"
            )
    return p
