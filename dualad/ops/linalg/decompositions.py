"""Decompositions of matrices.

The differentials are those of the tables of Giles, "Collected matrix derivative results for
forward and reverse mode algorithmic differentiation" (2008), extended to complex matrices and
more rows than columns by Townsend, "Differentiating the singular value decomposition" (2016),
and Walter and Lehmann, "Algorithmic differentiation of linear algebra functions" (2010).

Vectors are known up to a sign or a phase. What a function makes of them has a derivative if it does
not depend on that, and the derivative is then the one here, for which a phase does not turn.
Where eigenvalues or singular values are equal the vectors have no derivative: the turning of such
vectors into each other, which would be infinite, is left out, and all stays finite.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...backends.registry import DTYPES
from ...batching import broadcast
from ...dtypes import complex_of
from ...engine.fit import astype
from ...engine.tensor import Tensor, is_tracked
from ...op import Op, Unary
from ...rules import Differential
from ..common import boolean, real_result
from ..conversion import require_dtype
from ..elementwise import times_inverse
from ..manipulation import matrix_transpose
from .common import (
    adjoint,
    as_matrices,
    complex_dtype,
    hermitian,
    identity_like,
    inverse_differences,
    real_part,
    tolerance,
)  # fmt: skip

# -- rules -------------------------------------------------------------------------------------


def _cholesky_moves(xp: Any, t: Any, y: Any) -> Any:
    """``y Φ(y⁻¹ t y⁻ᴴ)``, where Φ takes the lower triangle and half of the diagonal."""
    inner = xp.linalg.solve(y, adjoint(xp, xp.linalg.solve(y, hermitian(xp, t))))
    return y @ (xp.tril(inner) * (1 - identity_like(y) / 2))


def _eigh_moves(xp: Any, t: Any, y: Any) -> Any:
    w, v = y
    e = adjoint(xp, v) @ hermitian(xp, t) @ v
    return real_part(xp, xp.linalg.diagonal(e)), v @ (inverse_differences(xp, w) * e)


def _eig_moves(xp: Any, t: Any, y: Any) -> Any:
    w, v = y
    e = xp.linalg.solve(v, xp.matmul(t, v))  # not @: PyTorch's takes no real t beside it
    turned = v @ (inverse_differences(xp, w) * e)
    # The vectors keep their length: what lies along them is taken away.
    along = xp.sum(real_part(xp, xp.conj(v) * turned), axis=-2, keepdims=True)
    return xp.linalg.diagonal(e), turned - v * along


def _eig_complex(xp: Any, x: Any) -> Any:
    """Call the backend's function, whose results are real in some libraries where they can be."""
    return tuple(astype(xp, a, complex_dtype(x)) for a in xp.linalg.eig(x))


def _eigvals_complex(xp: Any, x: Any) -> Any:
    return astype(xp, xp.linalg.eigvals(x), complex_dtype(x))


def _svd_moves(xp: Any, t: Any, y: Any, *, full_matrices: bool) -> Any:
    u, s, vh = y
    k = s.shape[-1]
    v = adjoint(xp, vh)
    u1, v1 = u[..., :, :k], v[..., :, :k]
    e = adjoint(xp, u1) @ t @ v1
    row, column = s[..., None, :], s[..., :, None]
    f = inverse_differences(xp, s * s)
    left = f * (e * row + column * adjoint(xp, e))
    right = f * (column * e + adjoint(xp, e) * row)
    diagonal = xp.linalg.diagonal(e)
    if DTYPES[t.dtype].is_complex:
        # The phases that a pair of vectors shares may turn; what is not shared is split evenly.
        turn = times_inverse(xp, diagonal - xp.real(diagonal), 2 * s)[..., None, :] * identity_like(s)
        left, right = left + turn, right - turn
    # What leaves the space of the vectors altogether.
    out = t @ v1 - u1 @ e
    across = adjoint(xp, t) @ u1 - v1 @ adjoint(xp, e)
    du = u1 @ left + times_inverse(xp, out, row)
    dv = v1 @ right + times_inverse(xp, across, row)
    if full_matrices:
        du, dv = _completed(xp, du, u, k), _completed(xp, dv, v, k)
    return du, real_part(xp, diagonal), adjoint(xp, dv)


def _completed(xp: Any, dq: Any, q: Any, k: int) -> Any:
    """Add the motion of the columns that complete a basis: against that of the first k."""
    if q.shape[-1] == k:
        return dq
    rest = q[..., :, k:]
    return xp.concat([dq, -(q[..., :, :k] @ (adjoint(xp, dq) @ rest))], axis=-1)


def _qr_moves(xp: Any, t: Any, y: Any, *, mode: str) -> Any:
    q, r = y
    k = min(q.shape[-2], r.shape[-1])
    q1, r1 = q[..., :, :k], r[..., :k, :k]
    e = adjoint(xp, xp.linalg.solve(adjoint(xp, r1), adjoint(xp, t[..., :, :k])))  # t r⁻¹
    inner = adjoint(xp, q1) @ e
    lower = xp.tril(inner, k=-1)
    omega = lower - adjoint(xp, lower)  # q1ᴴ dq1, which is skew: r stays triangular
    if DTYPES[t.dtype].is_complex:  # and its diagonal real
        diagonal = xp.linalg.diagonal(inner)
        omega = omega + (diagonal - xp.real(diagonal))[..., None, :] * identity_like(r1)
    dq = q1 @ (omega - inner) + e
    dr = adjoint(xp, q1) @ t - omega @ r[..., :k, :]
    below = r.shape[-2] - k
    if below:
        dq = _completed(xp, dq, q, k)
        dr = xp.concat([dr, xp.zeros_like(r[..., k:, :])], axis=-2)
    return dq, dr


# -- ops ---------------------------------------------------------------------------------------

_cholesky = Unary("linalg.cholesky(x)", Differential(_cholesky_moves), batch=broadcast)
_eigh = Op("linalg.eigh(x)", Differential(_eigh_moves), batch=broadcast)
_eig = Op("linalg.eig(x)", Differential(_eig_moves), compute=_eig_complex, batch=broadcast)
_svd = Op("linalg.svd(x)", Differential(_svd_moves), batch=broadcast)
_qr = Op("linalg.qr(x)", Differential(_qr_moves), batch=broadcast)
# Values alone cost less; where they are differentiated the vectors are needed.
_eigvalsh = Unary("linalg.eigvalsh(x)", dtype=real_result, batch=broadcast)
_eigvals = Unary("linalg.eigvals(x)", dtype=complex_dtype, compute=_eigvals_complex, batch=broadcast)
_svdvals = Unary("linalg.svdvals(x)", dtype=real_result, batch=broadcast)
_matrix_rank = Op("linalg.matrix_rank(x)", dtype=boolean, batch=broadcast)

# -- functions ---------------------------------------------------------------------------------


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, real, and orthonormal eigenvectors, the columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors of length 1, the columns; both complex."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVDResult(NamedTuple):
    """``x = U @ diag(S) @ Vh``: singular values in descending order between two unitary matrices."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class QRResult(NamedTuple):
    """``x = Q @ R``: orthonormal columns and an upper triangular matrix."""

    Q: Tensor
    R: Tensor


def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """Return the lower triangular y with ``y @ yᴴ = x``, or the upper one with ``yᴴ @ y = x``.

    Parameters
    ----------
    x : array of shape (..., n, n)
        Hermitian and positive definite. Only one triangle is read; the gradient is Hermitian.
    upper : bool
        Whether to return, and to read, the upper triangle.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is not positive definite, from NumPy.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.cholesky(dualad.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    x = as_matrices("cholesky", x, square=True)
    if not upper:
        return _cholesky(x)
    y = _cholesky(_conjugate_transpose(x))
    return _conjugate_transpose(y)


def eigh(x: Any, /) -> EighResult:
    """Return the eigenvalues and eigenvectors of Hermitian matrices.

    Parameters
    ----------
    x : array of shape (..., n, n)
        Hermitian. Only the lower triangle is read; the gradient is Hermitian.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.eigh(dualad.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    return EighResult(*_eigh(as_matrices("eigh", x, square=True)))


def eigvalsh(x: Any, /) -> Tensor:
    """Return the eigenvalues of Hermitian matrices, in ascending order; see `eigh`.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.eigvalsh(dualad.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    x = as_matrices("eigvalsh", x, square=True)
    return eigh(x).eigenvalues if is_tracked(x) else _eigvalsh(x)


def _of_complex_values(name: str, x: Any) -> Tensor:
    """Return square matrices on a device that has their eigenvalues' dtype."""
    x = as_matrices(name, x, square=True)
    require_dtype(x, complex_of(x.dtype))
    return x


def eig(x: Any, /) -> EigResult:
    """Return the eigenvalues and eigenvectors of square matrices, in no particular order.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.eig(dualad.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([2.+0.j, 1.+0.j])
    """
    return EigResult(*_eig(_of_complex_values("eig", x)))


def eigvals(x: Any, /) -> Tensor:
    """Return the eigenvalues of square matrices, complex and in no particular order.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.eigvals(dualad.tensor([[0.0, 1.0], [-1.0, 0.0]])).imag
    tensor([ 1., -1.])
    """
    x = _of_complex_values("eigvals", x)
    return eig(x).eigenvalues if is_tracked(x) else _eigvals(x)


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """Return the singular value decomposition of matrices.

    Parameters
    ----------
    x : array of shape (..., n, m)
        Of a floating dtype, real or complex.
    full_matrices : bool
        Whether U and Vh are square, or have ``min(n, m)`` columns and rows.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.svd(dualad.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    return SVDResult(*_svd(as_matrices("svd", x), full_matrices=full_matrices))


def svdvals(x: Any, /) -> Tensor:
    """Return the singular values of matrices, in descending order.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.svdvals(dualad.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    x = as_matrices("svdvals", x)
    return svd(x, full_matrices=False).S if is_tracked(x) else _svdvals(x)


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Return the QR decomposition of matrices whose first ``min(n, m)`` columns are independent.

    Parameters
    ----------
    x : array of shape (..., n, m)
        Of a floating dtype, real or complex.
    mode : {"reduced", "complete"}
        Whether Q has ``min(n, m)`` columns or n.

    Examples
    --------
    >>> import dualad
    >>> abs(dualad.linalg.qr(dualad.tensor([[3.0], [4.0]])).R)
    tensor([[5.]])
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete', got {mode!r}")
    return QRResult(*_qr(as_matrices("qr", x), mode=mode))


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """Return the number of singular values above `rtol` times the largest; a constant.

    Examples
    --------
    >>> import dualad
    >>> dualad.linalg.matrix_rank(dualad.tensor([[1.0, 2.0], [2.0, 4.0]]))
    tensor(1)
    """
    return _matrix_rank(as_matrices("matrix_rank", x), **tolerance(rtol))


def _conjugate_transpose(x: Tensor) -> Tensor:
    return x.conj().mT if x.dtype.is_complex else matrix_transpose(x)
