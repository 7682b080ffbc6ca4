"""Sums of exponentials along axes, without overflow. These need no SciPy."""

from __future__ import annotations

from math import inf, prod
from typing import Any

from ...batching import along
from ...engine.shapes import reduced, same
from ...engine.tensor import Tensor
from ...op import Unary
from ...rules import Differential, Weighted
from .. import elementwise as elem
from ..common import all_axes
from ..conversion import asarray

# -- rules -------------------------------------------------------------------------------------


class SelfAdjoint(Differential):
    """A Differential that is its own adjoint, so that no tape is needed to find it."""

    def pull(
        self, xp: Any, g: Any, like: Any, reads: Any, static: Any, is_complex: bool, safe: bool = False
    ) -> Any:
        return self.push(xp, g, None, reads, static)


def _largest(xp: Any, x: Any, axis: Any) -> Any:
    """The largest element along the axes, kept; 0 where that is infinite or there is none."""
    if not prod([x.shape[i] for i in axis]):
        return xp.sum(x, axis=axis, keepdims=True)
    m = xp.max(x, axis=axis, keepdims=True)
    return xp.where(xp.abs(m) == inf, 0, m)


def _logsumexp(xp: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    m = _largest(xp, x, axis)
    total = xp.sum(xp.exp(x - m), axis=axis, keepdims=True)
    none = total == 0
    y = xp.where(none, -inf, xp.log(xp.where(none, 1, total)) + m)
    return y if keepdims else xp.reshape(y, reduced(x, axis=axis))


def _shares(xp: Any, x: Any, y: Any) -> Any:
    """exp(x - y); where y is infinite, 1 for the elements equal to it, and 0 if it is -inf."""
    infinite = xp.abs(y) == inf
    exponent = xp.where(infinite, -inf, x) - xp.where(infinite, 0, y)
    return xp.exp(xp.where(infinite & (x == inf), 0, exponent))


def _softmax(xp: Any, x: Any, *, axis: Any) -> Any:
    if not prod(x.shape):
        return x
    p = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return p / xp.sum(p, axis=axis, keepdims=True)


def _log_softmax(xp: Any, x: Any, *, axis: Any) -> Any:
    x = x - _largest(xp, x, axis)
    return x - _logsumexp(xp, x, axis=axis, keepdims=True)


def _softmax_differential(xp: Any, t: Any, y: Any, *, axis: Any) -> Any:
    return y * (t - xp.sum(y * t, axis=axis, keepdims=True))


def _log_softmax_differential(xp: Any, t: Any, y: Any, *, axis: Any) -> Any:
    return t - xp.sum(xp.exp(y) * t, axis=axis, keepdims=True)


# -- ops ---------------------------------------------------------------------------------------

_ALONG = along("axis")
_logsumexp_op = Unary(
    "special.logsumexp(x)", Weighted(_shares), shape=reduced, compute=_logsumexp, batch=_ALONG
)
_softmax_op = Unary(
    "special.softmax(x)",
    SelfAdjoint(_softmax_differential),
    shape=same,
    compute=_softmax,
    batch=_ALONG,
)
_log_softmax_op = Unary(
    "special.log_softmax(x)",
    Differential(_log_softmax_differential),
    shape=same,
    compute=_log_softmax,
    batch=_ALONG,
)

# -- functions ---------------------------------------------------------------------------------


def logsumexp(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return ``log(sum(exp(x)))`` over all elements, or along axes, without overflow.

    Parameters
    ----------
    x : array
        Of a real dtype.
    axis : int or tuple of int, optional
        The axes to sum over; all if None.
    keepdims : bool
        Keep the axes summed over, with length 1.

    Returns
    -------
    Tensor
        Where all elements are -inf it is -inf, and its gradient 0.

    Raises
    ------
    AxisError
        If there is no such axis.

    Examples
    --------
    >>> import dualad
    >>> dualad.special.logsumexp(dualad.tensor([[0.0, 0.0], [1000.0, -dualad.inf]]), axis=1)
    tensor([6.9315e-01, 1.0000e+03])
    """
    x = _floating(x)
    return _logsumexp_op(x, axis=all_axes("logsumexp", axis, x.ndim), keepdims=keepdims)


def softmax(x: Any, /, *, axis: Any = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` over all elements, or along axes, without overflow.

    Parameters
    ----------
    x : array
        Of a real dtype.
    axis : int or tuple of int, optional
        The axes along which the result sums to 1; all if None.

    Examples
    --------
    >>> import dualad
    >>> dualad.special.softmax(dualad.tensor([[0.0, 0.0], [1000.0, -1000.0]]), axis=1)
    tensor([[0.5000, 0.5000],
            [1.0000, 0.0000]])
    """
    x = _floating(x)
    return _softmax_op(x, axis=all_axes("softmax", axis, x.ndim))


def log_softmax(x: Any, /, *, axis: Any = None) -> Tensor:
    """Return ``log(softmax(x))``, exact also where softmax underflows; see `softmax`.

    Examples
    --------
    >>> import dualad
    >>> dualad.special.log_softmax(dualad.tensor([1000.0, -1000.0]))
    tensor([    0., -2000.])
    """
    x = _floating(x)
    return _log_softmax_op(x, axis=all_axes("log_softmax", axis, x.ndim))


def softplus(x: Any, /) -> Tensor:
    """Return ``log(1 + exp(x))`` of each element, without overflow.

    Examples
    --------
    >>> import dualad
    >>> dualad.special.softplus(dualad.tensor([0.0, 1000.0]))
    tensor([6.9315e-01, 1.0000e+03])
    """
    return elem.logaddexp(_floating(x), 0.0)


def _floating(x: Any) -> Tensor:
    x = asarray(x)
    return x if x.dtype.is_differentiable else x * 1.0
