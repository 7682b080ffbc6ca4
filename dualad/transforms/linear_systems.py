"""Linear systems whose matrix is given by what it does to a vector, a pytree: solvers for them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..dtypes import real_of
from ..engine.namespace import ops
from ..engine.tensor import Tensor
from ..errors import BatchError, GradientError
from . import trees
from .arguments import as_tensor
from .vmap import vmap

#: ``solve(matvec, b)`` gives the x for which ``matvec(x)`` is b.
Solver = Callable[[Callable[[Any], Any], Any], Any]


def dense(matvec: Callable[[Any], Any], b: Any) -> Any:
    """Solve a small system: build its matrix, from what it does to the unit vectors."""
    space = Space(b)
    matrix = ops.matrix_transpose(_rows(lambda v: space.vector(matvec(space.tree(v))), space.eye()))
    return space.tree(ops.linalg.solve(matrix, space.vector(b)))


def _rows(f: Callable[[Any], Any], eye: Tensor) -> Any:
    try:
        return vmap(f)(eye)
    except BatchError:  # it looks at values: one vector after the other
        return ops.stack([f(eye[i]) for i in range(eye.shape[0])])


def iterative(method: str) -> Solver:
    """Return a solver by SciPy's Krylov method of that name, which builds no matrix."""

    def solve(matvec: Callable[[Any], Any], b: Any) -> Any:
        import scipy.sparse.linalg as krylov  # few programs need it, and not all have it

        space = Space(b)
        vector = space.vector(b)
        n = vector.shape[0]

        def multiply(v: Any) -> Any:
            given = ops.asarray(np.ravel(v), dtype=vector.dtype, device=vector.device)
            return np.array(space.vector(matvec(space.tree(given))).cpu())  # SciPy writes to it

        operator = krylov.LinearOperator((n, n), matvec=multiply, dtype=vector.dtype.name)
        rtol = 1e-12 if vector.dtype.name == "float64" else 1e-6
        with np.errstate(all="ignore"):  # a breakdown is told by `info`
            x, info = getattr(krylov, method)(operator, np.array(vector.cpu()), rtol=rtol, atol=0.0)
        if info:
            raise GradientError(
                f"a linear system was not solved by {method!r} (SciPy's info is {info}); give another solver"
            )
        return space.tree(ops.asarray(x, dtype=vector.dtype, device=vector.device))

    return solve


SOLVERS: dict[str, Solver] = {
    "dense": dense, **{name: iterative(name) for name in ("bicgstab", "cg", "gmres")},
}  # fmt: skip


class Space:
    """The vectors of real numbers that stand for pytrees like one: real parts, and imaginary ones behind."""

    def __init__(self, like: Any) -> None:
        leaves, self.structure = trees.flatten(like)
        self.leaves = [as_tensor(x) for x in leaves]
        reals = [real_of(x.dtype) for x in self.leaves]
        self.dtype = max(reals, key=lambda d: d.itemsize)

    def vector(self, tree: Any) -> Tensor:
        """Return a pytree as a vector."""
        parts = []
        for given, like in zip(trees.flatten(tree)[0], self.leaves, strict=True):
            x = ops.reshape(as_tensor(given), (-1,))
            both = [ops.real(x), ops.imag(x)] if like.dtype.is_complex else [x]
            parts += [ops.astype(part, self.dtype) for part in both]
        return ops.concat(parts) if len(parts) > 1 else parts[0]

    def tree(self, vector: Any) -> Any:
        """Return the pytree of a vector."""
        leaves, start = [], 0
        for like in self.leaves:
            n = prod(like.shape)
            x = vector[start : start + n]
            start += n
            if like.dtype.is_complex:
                x = x + 1j * vector[start : start + n]
                start += n
            leaves.append(ops.astype(ops.reshape(x, like.shape), like.dtype))
        return trees.unflatten(self.structure, leaves)

    def eye(self) -> Tensor:
        """Return the unit vectors, as the rows of a matrix."""
        n = sum(prod(x.shape) * (2 if x.dtype.is_complex else 1) for x in self.leaves)
        return ops.eye(n, dtype=self.dtype, device=self.leaves[0].device)
