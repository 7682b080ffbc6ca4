"""Inverses, systems of equations and determinants."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...backends.registry import DTYPES
from ...batching import apply, broadcast, reshaped
from ...engine import shapes
from ...engine.node import Batched
from ...engine.tensor import Tensor
from ...errors import ShapeError
from ...op import Binary, Op, Unary
from ...rules import Differential, Linear
from .. import manipulation as manip
from ..common import whole
from ..conversion import asarray
from .common import adjoint, as_matrices, identity_like, real_part, tolerance, trace_of
from .products import matmul

# -- rules -------------------------------------------------------------------------------------


def _pinv_moves(xp: Any, t: Any, x: Any, y: Any) -> Any:
    """The differential of the pseudo-inverse where the rank stays [Golub and Pereyra 1973, (4.12)]."""
    th, yh = adjoint(xp, t), adjoint(xp, y)
    beside = (y @ yh) @ th
    above = th @ (yh @ y)
    return -(y @ t @ y) + beside - (beside @ x) @ y + above - y @ (x @ above)


def _without_each(xp: Any, s: Any) -> Any:
    """Return for each of several numbers the product of all others."""
    kept = xp.where(identity_like(s) == 1, 1, s[..., None, :])
    return xp.prod(kept, axis=-1)


def _without_pairs(xp: Any, s: Any) -> Any:
    """Return for each two of several numbers, (i, j), the product of all others; 0 for i = j."""
    eye = identity_like(s) == 1
    left_out = eye[:, None, :] | eye[None, :, :]
    products = xp.prod(xp.where(left_out, 1, s[..., None, None, :]), axis=-1)
    return xp.where(eye, 0, products)


def _cofactors(xp: Any, x: Any) -> Any:
    """Return the transposed cofactors, by singular values: right where x is singular too.

    ``adj(u s v) = adj(v) adj(s) adj(u)``, and that of a unitary matrix is its adjoint times its
    determinant.
    """
    finite = xp.all(xp.isfinite(x), axis=(-2, -1), keepdims=True)  # of others there is no decomposition
    x = xp.where(finite, x, identity_like(x))
    u, s, v = xp.linalg.svd(x, full_matrices=False)
    turn = xp.linalg.det(u) * xp.linalg.det(v)
    scaled = adjoint(xp, v) * _without_each(xp, s)[..., None, :]
    return xp.where(finite, turn[..., None, None] * (scaled @ adjoint(xp, u)), float("nan"))


def _cofactors_move(xp: Any, t: Any, x: Any) -> Any:
    """The differential of the cofactors: of a diagonal matrix they are products of all but two."""
    u, s, v = xp.linalg.svd(x, full_matrices=False)
    turn = xp.linalg.det(u) * xp.linalg.det(v)
    uh, vh = adjoint(xp, u), adjoint(xp, v)
    e = uh @ t @ vh
    pairs = _without_pairs(xp, s)
    on = xp.sum(pairs * xp.linalg.diagonal(e)[..., None, :], axis=-1, keepdims=False)
    inner = on[..., None, :] * identity_like(s) - pairs * e
    return turn[..., None, None] * (vh @ inner @ uh)


def _slogdet_moves(xp: Any, t: Any, x: Any, y: Any) -> Any:
    """The logarithm grows with the real part of the trace, the sign turns with the imaginary one."""
    turn = trace_of(xp, xp.linalg.solve(x, t))
    grows = real_part(xp, turn)
    return (y[0] * (turn - grows) if DTYPES[x.dtype].is_complex else xp.zeros_like(y[0])), grows


def _solve_examples(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Batch a system. A matrix that is the same for all is factored once: examples are columns for it."""
    x1, x2 = values
    if type(x1) is Batched:
        return broadcast(op, size, values, static)
    _, *leading, n, columns = x2.value.shape
    last = len(leading)  # where the axis of the examples goes, behind that of the rows
    to_columns = (*range(1, last + 2), 0, last + 2)
    sides = reshaped(apply("permute_dims", x2.value, axes=to_columns), (*leading, n, size * columns))
    y = op.below(x1, sides)
    y = reshaped(y, (*y.shape[:-1], size, columns))
    last = len(y.shape) - 2
    return apply("permute_dims", y, axes=(last, *range(last), last + 1))


# -- ops ---------------------------------------------------------------------------------------

_inv = Unary("linalg.inv(x)", Differential(lambda xp, t, y: -(y @ t @ y)), batch=broadcast)
_solve = Binary(
    "linalg.solve(x1, x2)",
    Differential(lambda xp, t, x1, y: -xp.linalg.solve(x1, t @ y)),
    Linear(lambda xp, g, like, x1: xp.linalg.solve(adjoint(xp, x1), g)),
    shape=shapes.matmul,
    batch=_solve_examples,
)
_pinv = Unary("linalg.pinv(x)", Differential(_pinv_moves), batch=broadcast)
_adjugate = Unary("adjugate(x)", Differential(_cofactors_move), compute=_cofactors, batch=broadcast)
_det = Unary(
    "linalg.det(x)", Differential(lambda xp, t, x: trace_of(xp, _adjugate.within(xp, x) @ t)), batch=broadcast
)
_slogdet = Op("linalg.slogdet(x)", Differential(_slogdet_moves), batch=broadcast)

# -- functions ---------------------------------------------------------------------------------


class SlogdetResult(NamedTuple):
    """The sign (of complex matrices a number of modulus 1) and logarithm of determinants."""

    sign: Tensor
    logabsdet: Tensor


def inv(x: Any, /) -> Tensor:
    """Return the inverses of matrices.

    Parameters
    ----------
    x : array of shape (..., n, n)
        Of a floating dtype, real or complex.

    Raises
    ------
    ShapeError
        If the matrices are not square.
    numpy.linalg.LinAlgError
        If one is singular, from NumPy.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.inv(dualad.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return _inv(as_matrices("inv", x, square=True))


def solve(x1: Any, x2: Any, /) -> Tensor:
    """Return the y for which ``x1 @ y`` is x2.

    Parameters
    ----------
    x1 : array of shape (..., n, n)
        The matrices of the systems.
    x2 : array of shape (n,) or (..., n, k)
        The right-hand sides: one vector, or the columns of matrices.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.solve(dualad.tensor([[2.0, 0.0], [0.0, 4.0]]), dualad.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    x1, x2 = as_matrices("solve", x1, square=True), asarray(x2)
    if not x2.ndim or x2.shape[-2:][0] != x1.shape[-1]:
        raise ShapeError(f"solve: shapes {x1.shape} and {x2.shape} do not fit")
    if x2.ndim == 1:
        return _solve(x1, manip.expand_dims(x2, -1))[..., 0]
    return _solve(x1, x2)


def pinv(x: Any, /, *, rtol: Any = None) -> Tensor:
    """Return the Moore-Penrose pseudo-inverses of matrices.

    Parameters
    ----------
    x : array of shape (..., n, m)
        Of a floating dtype. The derivative is that for a rank that does not change.
    rtol : float or array of shape (...), optional
        Singular values that are not above this times the largest count as 0; by default
        ``max(n, m)`` times the dtype's precision.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.pinv(dualad.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    return _pinv(as_matrices("pinv", x), **tolerance(rtol))


def det(x: Any, /) -> Tensor:
    """Return the determinants of matrices; the derivative, by cofactors, is right for singular ones.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> dualad.linalg.det(x).backward()
    >>> x.grad
    tensor([[ 4., -2.],
            [-2.,  1.]])
    """
    return _det(as_matrices("det", x, square=True))


def slogdet(x: Any, /) -> SlogdetResult:
    """Return the signs and the logarithms of the absolute values of determinants.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.slogdet(dualad.tensor([[1.0, 0.0], [0.0, -1.0]]))
    SlogdetResult(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    return SlogdetResult(*_slogdet(as_matrices("slogdet", x, square=True)))


def matrix_power(x: Any, n: int, /) -> Tensor:
    """Return matrices multiplied n times by themselves; of their inverses if n is negative.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.matrix_power(dualad.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    x = asarray(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"matrix_power: expected square matrices, of shape (..., n, n), got shape {x.shape}")
    n = whole("matrix_power", "n", n)
    if n < 0:
        x, n = inv(x), -n
    power = None
    while n:  # by squares: the binary digits of n
        if n % 2:
            power = x if power is None else matmul(power, x)
        n //= 2
        x = matmul(x, x) if n else x
    return manip.broadcast_to(identity_like(x), x.shape) if power is None else power
