"""Linear algebra: the standard's ``linalg`` namespace."""

from .ops.linalg import matmul, matrix_transpose, tensordot, vecdot, vector_norm

__all__ = ["matmul", "matrix_transpose", "tensordot", "vecdot", "vector_norm"]
