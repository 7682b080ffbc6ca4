"""Linear algebra: what rules reach as ``xp.linalg``."""

from ..manipulation import matrix_transpose
from ..reductions import vector_norm
from .decompositions import cholesky, eig, eigh, eigvals, eigvalsh, matrix_rank, qr, svd, svdvals
from .inverses import det, inv, matrix_power, pinv, slogdet, solve
from .norms import diagonal, matrix_norm, norm, trace
from .products import cross, dot, matmul, outer, tensordot, vecdot

__all__ = [
    "cholesky", "cross", "det", "diagonal", "dot", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matmul",
    "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "norm", "outer", "pinv", "qr",
    "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip
