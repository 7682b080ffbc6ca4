"""Functions as a check of derivatives sees them: between real vectors, differentiated in three ways.

A complex number counts as two real ones, its real and its imaginary part. So every function has
one Jacobian matrix, whatever it takes and gives.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import optree

from ..backends.registry import BY_TYPE
from ..engine.namespace import ops
from ..engine.operands import type_name
from ..engine.tensor import Tensor
from ..transforms import jvp, trees, vjp

Vector = np.ndarray  # of float64


class Space:
    """The coordinates of an array: the real parts of its elements, then the imaginary ones.

    Parameters
    ----------
    name : str
        What the array is called.
    like : array, Tensor or number
        Of what kind, shape, dtype and device it is.
    spread : bool
        Make Tensors whose elements do not lie side by side.
    """

    def __init__(self, name: str, like: Any, spread: bool = False) -> None:
        array = _tensor(like)
        self.name, self.like, self.spread = name, array if isinstance(like, Tensor) else like, spread
        self.shape, self.dtype, self.device = array.shape, array.dtype, array.device
        self.size = prod(self.shape) * (2 if self.dtype.is_complex else 1)

    def vector(self, value: Any) -> Vector:
        """Return the coordinates of an array of this space."""
        a = np.asarray(_tensor(value).cpu().numpy()).reshape(-1)
        parts = np.concatenate([a.real, a.imag]) if self.dtype.is_complex else a.real
        return parts.astype(np.float64)

    def array(self, vector: Vector) -> Any:
        """Return the array, Tensor or number that has these coordinates."""
        n = prod(self.shape)
        values = vector[:n] + 1j * vector[n:] if self.dtype.is_complex else vector
        values = values.reshape(self.shape).astype(self.dtype.name)
        if isinstance(self.like, Tensor):
            x = ops.asarray(values, device=self.device)
            return ops.repeat(x, 2, axis=-1)[..., ::2] if self.spread and self.shape else x
        backend = BY_TYPE[type(self.like)]
        if backend is None or isinstance(self.like, np.generic):  # Python's numbers, or NumPy's
            return values[()]
        return backend.from_numpy(values, self.device)

    def zeros(self) -> Any:
        """Return the array of zeros."""
        return self.array(np.zeros(self.size))

    def random(self, rng: np.random.Generator) -> Vector:
        """Return random coordinates, each about 1."""
        return rng.standard_normal(self.size)

    def units(self) -> list[Vector]:
        """Return the unit vectors."""
        return list(np.eye(self.size))

    def place(self, k: int) -> str:
        """Return in words what a coordinate is, such as ``"real(x[0, 2])"``."""
        n = prod(self.shape)
        index = ", ".join(str(int(i)) for i in np.unravel_index(k % n, self.shape))
        words = " " in self.name and (index or not self.dtype.is_complex)
        element = f"({self.name})" if words else self.name
        element += f"[{index}]" if index else ""
        return f"{'imag' if k >= n else 'real'}({element})" if self.dtype.is_complex else element


class Function:
    """A function of several arrays, at a point.

    Parameters
    ----------
    f : callable
        It takes the arrays as arguments and gives a pytree, of which only what is of a floating dtype
        counts.
    point : list
        Arrays, Tensors or numbers: where it is looked at.
    names : list of str
        What they are called.
    named : callable
        What a part of the result is called: ``named(i, path)`` for its place and its optree accessor.

    Attributes
    ----------
    inputs, outputs : list of Space
        What goes in and comes out.
    """

    def __init__(
        self, f: Callable[..., Any], point: list[Any], names: list[str], named: Callable[[int, Any], str]
    ) -> None:
        self.f = f
        self.inputs = [Space(name, x) for name, x in zip(names, point, strict=True)]
        self.point = [s.vector(x) for s, x in zip(self.inputs, point, strict=True)]
        leaves, structure = trees.flatten(f(*self.arguments()))
        paths = optree.treespec_accessors(structure)
        self.places = [i for i, y in enumerate(leaves) if _counts(y)]
        self.outputs = [Space(named(i, paths[i]), leaves[i]) for i in self.places]
        self.count = len(leaves)

    def arguments(self, moved: int = 0, step: Any = 0.0) -> list[Any]:
        """Return the point as new arrays, one of them moved by a step."""
        spaces = enumerate(zip(self.inputs, self.point, strict=True))
        return [s.array(v + step if i == moved else v) for i, (s, v) in spaces]

    def __call__(self, *arguments: Any) -> tuple[Any, ...]:
        leaves = trees.flatten(self.f(*arguments))[0]
        if len(leaves) != self.count:
            raise ValueError(
                f"the function gave {self.count} arrays, and {len(leaves)} when it was called once more with "
                "arguments of the same shapes: its derivatives cannot be checked"
            )
        return tuple(leaves[i] for i in self.places)

    def told(self, results: Any) -> list[Vector]:
        """Return the coordinates of results, or of their tangents."""
        return [s.vector(y) for s, y in zip(self.outputs, results, strict=True)]

    # -- values and derivatives ------------------------------------------------------------------------

    def value(self, moved: int = 0, step: Any = 0.0) -> list[Vector]:
        """Return the coordinates of the results where one argument is moved by a step."""
        return self.told(self(*self.arguments(moved, step)))

    def difference(self, i: int, direction: Vector, eps: float) -> list[Vector]:
        """Return the central differences of the results, along a direction of one argument."""
        ahead, behind = self.value(i, eps * direction), self.value(i, -eps * direction)
        return [(a - b) / (2 * eps) for a, b in zip(ahead, behind, strict=True)]

    def push(self, i: int, direction: Vector) -> list[Any]:
        """Return the tangents of the results, by forward mode, for a tangent of one argument."""
        tangents = [s.array(direction) if k == i else s.zeros() for k, s in enumerate(self.inputs)]
        return list(jvp(self, tuple(self.arguments()), tuple(tangents))[1])

    def pullback(self) -> Callable[[list[Any]], list[Any]]:
        """Return what gives the gradients in the arguments, by reverse mode, for a cotangent of each result.

        A cotangent may be None, which is to count as zero.
        """
        _, pull = vjp(self, *self.arguments())

        def pulled(cotangents: list[Any]) -> list[Any]:
            given = zip(self.outputs, cotangents, strict=True)
            return list(pull(tuple(s.zeros() if g is None else g for s, g in given)))

        return pulled

    def cotangents(self, k: int, direction: Vector, others: bool = True) -> list[Any]:
        """Return a direction as the cotangent of one result, with zeros or None for the others."""
        return [
            s.array(direction) if n == k else s.zeros() if others else None
            for n, s in enumerate(self.outputs)
        ]


def _tensor(value: Any) -> Tensor:
    """Return a constant Tensor of an array or number, Python's numbers in double precision."""
    return ops.asarray(np.asarray(value) if isinstance(value, (int, float, complex)) else value).detach()


def _counts(y: Any) -> bool:
    """Whether a part of a result has a derivative."""
    if hasattr(y, "dtype"):
        return trees.is_differentiable(y)
    if not isinstance(y, (bool, int, float, complex)):
        raise TypeError(f"the function must give arrays and numbers, got {type_name(y)}")
    return isinstance(y, (float, complex))


# -- the Jacobian matrices, [k][i] of result k in argument i ----------------------------------------------


def by_differences(f: Function, eps: float) -> list[list[np.ndarray]]:
    """Return the Jacobian matrices by central differences."""
    columns = [[f.difference(i, u, eps) for u in s.units()] for i, s in enumerate(f.inputs)]
    return _of_columns(f, columns)


def by_pushing(f: Function) -> list[list[np.ndarray]]:
    """Return the Jacobian matrices by forward mode."""
    columns = [[f.told(f.push(i, u)) for u in s.units()] for i, s in enumerate(f.inputs)]
    return _of_columns(f, columns)


def by_pulling(f: Function, pull: Callable[[list[Any]], list[Any]]) -> list[list[np.ndarray]]:
    """Return the Jacobian matrices by reverse mode."""
    matrices = []
    for k, space in enumerate(f.outputs):
        rows = [pull(f.cotangents(k, u)) for u in space.units()]
        matrices.append([
            np.array([s.vector(row[i]) for row in rows]).reshape(space.size, s.size)
            for i, s in enumerate(f.inputs)
        ])  # fmt: skip
    return matrices


def _of_columns(f: Function, columns: list[list[list[Vector]]]) -> list[list[np.ndarray]]:
    return [
        [np.array([c[k] for c in columns[i]]).reshape(s.size, space.size).T for i, s in enumerate(f.inputs)]
        for k, space in enumerate(f.outputs)
    ]
