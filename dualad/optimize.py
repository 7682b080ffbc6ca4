"""SciPy's solvers on pytrees of arrays of any backend: `minimize`, `root`, `least_squares`, `for_scipy`.

SciPy's solvers know vectors of float64; here they get values, gradients, Jacobians and Hessians as such,
of functions of whatever the user's unknowns are. SciPy is imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from .backends import for_device
from .backends.registry import BY_TYPE
from .engine.namespace import ops
from .engine.node import GROUND, Batch
from .engine.tensor import Tensor, raw_value, wrap
from .errors import BackendError, BatchError, GradientError, ShapeError
from .transforms import trees
from .transforms.jacobians import fewer, rows
from .transforms.linear import pushing
from .transforms.products import recorded_gradient
from .transforms.reverse import unit
from .transforms.tape import Tape, taped

__all__ = ["Problem", "for_scipy", "least_squares", "minimize", "root"]

#: What SciPy's methods of `minimize` take besides a gradient; those below take not even that.
_TAKE_PRODUCTS = frozenset({"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"})
_TAKE_HESSIANS = frozenset({"dogleg", "trust-exact"})
_TAKE_VALUES = frozenset({"nelder-mead", "powell", "cobyla", "cobyqa"})
#: The methods of `root` that take a Jacobian.
_TAKE_JACOBIANS = frozenset({"hybr", "lm"})


def for_scipy(f: Callable[..., Any], x0: Any, *args: Any, **kwargs: Any) -> Problem:
    """Return a function and where to start in the form that SciPy's solvers take.

    Parameters
    ----------
    f : callable
        ``f(x, *args, **kwargs)``: one real number to be minimized, or residuals: an array or a pytree
        of them, which are taken as one vector. Inside it the unknowns are Tensors.
    x0 : pytree of arrays or numbers
        The unknowns at the start, of floating dtypes, on any devices.
    *args, **kwargs
        What else f takes.

    Returns
    -------
    Problem
        See there.

    Raises
    ------
    TypeError
        If f cannot be called.
    DTypeError
        If an unknown is not of a floating dtype.
    GradientError
        If an unknown is being differentiated by a transform around: through a solver's iterations
        there is no derivative.
    BatchError
        If an unknown is one of a batch of `vmap`.

    Examples
    --------
    >>> import dualad, scipy.optimize
    >>> def distance(p):
    ...     return (p["x"] - 1.0) ** 2 + (p["y"] * p["x"] - 6.0) ** 2
    >>> problem = dualad.optimize.for_scipy(distance, {"x": 3.0, "y": 3.0})
    >>> found = scipy.optimize.minimize(
    ...     problem.fun, problem.x0, jac=problem.jac, hessp=problem.hessp, method="trust-ncg"
    ... )
    >>> {name: round(value, 2) for name, value in problem.unravel(found.x).items()}
    {'x': 1.0, 'y': 6.0}
    """
    return Problem(f, x0, *args, **kwargs)


class Problem:
    """A function of a pytree of unknowns, as functions of a vector of float64; see `for_scipy`.

    At each point f is evaluated once, whatever is asked there; a solver asks for the value, the
    gradient and many products with the Hessian at one point before it goes to the next. Complex unknowns
    and residuals count as two numbers: all their real parts, then all their imaginary parts.

    Attributes
    ----------
    x0 : ndarray
        The unknowns at the start, one after the other.

    Examples
    --------
    >>> import dualad
    >>> problem = dualad.optimize.for_scipy(lambda p: (p["a"] - 1.0) ** 2 + p["b"] ** 2, {"a": 3.0, "b": 1.0})
    >>> problem.x0, problem.fun(problem.x0), problem.jac(problem.x0)
    (array([3., 1.]), 5.0, array([4., 2.]))
    """

    def __init__(self, f: Callable[..., Any], x0: Any, *args: Any, **kwargs: Any) -> None:
        trees.check_function("for_scipy", f)
        self._f, self._args, self._kwargs = f, args, kwargs
        self._unknowns = _Unknowns(x0)
        self._latest: _Point | None = None
        self._together = any(for_device(device).lazy for _, _, device in self._unknowns.likes)
        self.x0 = self._unknowns.ravel(x0)

    def fun(self, x: Any) -> Any:
        """Return the value: a float, or the vector of residuals."""
        value = self._at(x).value
        return value if isinstance(value, float) else value.copy()

    def jac(self, x: Any) -> np.ndarray:
        """Return the gradient, or the Jacobian of the residuals: a row for each of them."""
        return self._at(x).jacobian.copy()  # solvers may write to it

    def value_and_grad(self, x: Any) -> tuple[Any, np.ndarray]:
        """Return ``fun(x)`` and ``jac(x)``, for solvers that are told ``jac=True``."""
        return self.fun(x), self.jac(x)

    def jac_operator(self, x: Any) -> Any:
        """Return the Jacobian as a ``LinearOperator``, which is never made: for many unknowns."""
        return self._at(x).jacobian_operator()

    def hess(self, x: Any, v: Any = None) -> np.ndarray:
        """Return the Hessian of a function that gives one number.

        With v, one number for each residual, it is the Hessian of their sum weighted by v: what SciPy's
        ``NonlinearConstraint`` asks for.
        """
        point = self._at(x)
        return point.hessian.copy() if v is None else point.weighted_hessian(v)

    def hessp(self, x: Any, p: Any) -> np.ndarray:
        """Return the product of the Hessian with a vector."""
        return self._at(x).hessian_product(p)

    def check_number(self) -> None:
        """Raise GradientError unless f gives one real number, at the start."""
        point = self._at(self.x0)
        if not isinstance(point.value, float):
            unit(point.tape)

    def ravel(self, tree: Any) -> np.ndarray:
        """Return unknowns, a pytree like that of the start, as a vector."""
        return self._unknowns.ravel(tree)

    def unravel(self, x: Any) -> Any:
        """Return a vector as unknowns: a pytree like that of the start, of the same kinds of arrays."""
        parts = self._unknowns.parts(Tensor(_vector(x, self.x0.size).copy()))
        given = self._unknowns.given
        leaves = [trees.like_input(part, leaf) for part, leaf in zip(parts, given, strict=True)]
        return trees.unflatten(self._unknowns.structure, leaves)

    def _at(self, x: Any) -> _Point:
        x = _vector(x, self.x0.size)
        point = self._latest
        if point is None or not np.array_equal(point.x, x):
            self._latest = None  # what the last point has saved is not needed while f is evaluated
            known = self._value_and_gradient(x) if self._together else None
            point = self._latest = _Point(self._of_vector, x, known)
        return point

    def _value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray] | None:
        """Return value and gradient computed together, for unknowns on a lazy device; None for residuals."""
        unknowns = trees.unflatten(self._unknowns.structure, self._unknowns.parts(Tensor(x.copy())))
        tape, _ = taped("for_scipy", lambda p: self._f(p, *self._args, **self._kwargs), (unknowns,))
        y = tape.outputs[0] if tape.structure.is_leaf() else None
        if not isinstance(y, Tensor) or y.shape or y.dtype.is_complex:
            self._together = False
            return None
        _check_ground("f depends on what is", y)
        value, *parts = _on_host([y, *tape.gradients([unit(tape)])])
        flat = [p.reshape(-1) for part in parts for p in (_planes(part) if np.iscomplexobj(part) else [part])]
        return float(value), np.concatenate(flat, dtype=np.float64)

    def _of_vector(self, x: Tensor) -> Tensor:
        """Return f of a vector: one real number as it is, all else as a vector of residuals."""
        unknowns = trees.unflatten(self._unknowns.structure, self._unknowns.parts(x))
        y = self._f(unknowns, *self._args, **self._kwargs)
        leaves, structure = trees.flatten(_something("for_scipy", y))
        results = [ops.asarray(leaf) for leaf in leaves]
        if structure.is_leaf() and not results[0].ndim and not results[0].dtype.is_complex:
            return results[0].to("cpu", "float64")
        flat = [part for r in results for part in (_planes(r) if r.dtype.is_complex else [r])]
        vectors = [ops.reshape(r, (-1,)).to("cpu", "float64") for r in flat]
        return ops.concat(vectors) if vectors else ops.zeros(0, dtype="float64")


def _check_ground(what: str, x: Tensor) -> None:
    """Raise if a Tensor belongs to a transform around, as solvers see numbers only.

    Raises
    ------
    BatchError
        If it is one of a batch.
    GradientError
        If it is differentiated.
    """
    if type(x._node) is Batch:
        raise BatchError(
            f"for_scipy: {what} batched by vmap, and a solver has one problem at a time; solve them in a loop"
        )
    if x._node is not None and x._node.level != GROUND:
        raise GradientError(
            f"for_scipy: {what} being differentiated by a transform around, and there is no derivative "
            "through a solver's iterations; use dualad.stop_gradient, or dualad.custom_root to have one by "
            "the equations"
        )


class _Unknowns:
    """How a pytree lies in a vector."""

    def __init__(self, tree: Any) -> None:
        self.given, self.structure = trees.flatten(tree)
        likes = []
        for i, leaf in enumerate(self.given):
            path = trees.path_of(self.structure, i)
            where = f" at {path}" if path else ""
            likes.append(wrap(trees.below(leaf, f"for_scipy: an unknown{where}")))
            _check_ground(f"an unknown{where} is", likes[-1])
        self.likes = [(like.shape, like.dtype, like.device) for like in likes]

    def ravel(self, tree: Any) -> np.ndarray:
        leaves, structure = trees.flatten(tree)
        if structure != self.structure:
            got, expected = trees.both_shown(structure, self.structure)
            raise GradientError(f"for_scipy: the unknowns have the structure {got}, not {expected}")
        parts = [np.zeros(0)]
        for leaf, (shape, _, _) in zip(leaves, self.likes, strict=True):
            array = np.asarray(ops.asarray(leaf).detach().to("cpu"))
            if array.shape != shape:
                raise ShapeError(f"for_scipy: an unknown has shape {array.shape}, expected {shape}")
            parts += [p.reshape(-1) for p in (_planes(array) if np.iscomplexobj(array) else [array])]
        return np.concatenate(parts, dtype=np.float64)

    def parts(self, x: Tensor) -> list[Tensor]:
        """Return the unknowns, differentiably, in a vector's place."""
        parts, start = [], 0
        for shape, dtype, device in self.likes:
            n = prod(shape)
            part = x[start : start + n]
            start += n
            if dtype.is_complex:
                part = part + 1j * x[start : start + n]
                start += n
            parts.append(ops.reshape(part, shape).to(device, dtype))
        return parts


class _Point:
    """What is known of a function at a point; each is computed when it is first asked for."""

    value: float | np.ndarray

    def __init__(
        self, f: Callable[[Tensor], Tensor], x: np.ndarray, known: tuple[float, np.ndarray] | None = None
    ) -> None:
        self._f, self.x = f, x.copy()  # solvers write to theirs
        if known is not None:
            self.value, self.jacobian = known
            return
        raw = np.asarray(raw_value(self.tape.outputs[0]))
        self.value = raw if raw.ndim else float(raw)

    @cached_property
    def tape(self) -> Tape:
        tape, _ = taped("for_scipy", self._f, (self.x,))
        (y,) = tape.outputs
        _check_ground("f depends on what is", y)
        return tape

    @cached_property
    def jacobian(self) -> np.ndarray:
        tape = self.tape
        if isinstance(self.value, float):
            (gradient,) = tape.gradients([unit(tape)])
            return np.asarray(raw_value(gradient))
        return _only_block(fewer(tape))

    def jacobian_operator(self) -> Any:
        tape, push = self.tape, pushing(self.tape)
        value = np.atleast_1d(self.value)
        return _scipy("jac_operator").sparse.linalg.LinearOperator(
            (value.size, self.x.size),
            matvec=lambda v: np.atleast_1d(push(v.reshape(-1))),
            rmatvec=lambda g: tape.pull(g.reshape(np.shape(self.value)))[0],
            dtype=np.float64,
        )

    @cached_property
    def _gradient(self) -> Tape:
        return recorded_gradient(self.tape)

    @cached_property
    def hessian(self) -> np.ndarray:
        return _only_block(rows(self._gradient))

    def weighted_hessian(self, v: Any) -> np.ndarray:
        weights = _vector(np.atleast_1d(v), np.size(self.value)).reshape(np.shape(self.value))
        return _only_block(rows(self.tape.recorded([weights])))

    def hessian_product(self, p: Any) -> np.ndarray:
        (product,) = self._gradient.gradients([_vector(p, self.x.size)])
        return np.asarray(raw_value(product))


def _only_block(blocks: Any) -> np.ndarray:
    return np.asarray(raw_value(blocks[0][0]))


def _on_host(values: list[Any]) -> list[np.ndarray]:
    """Return arrays or Tensors as arrays of NumPy, those of one backend computed together."""
    arrays = [raw_value(v) for v in values]
    found: dict[int, np.ndarray] = {}
    for backend in {BY_TYPE[type(a)] for a in arrays}:
        assert backend is not None
        places = [i for i, a in enumerate(arrays) if BY_TYPE[type(a)] is backend]
        found.update(zip(places, backend.to_numpy_all([arrays[i] for i in places]), strict=True))
    return [found[i] for i in range(len(arrays))]


def _planes(z: Any) -> list[Any]:
    return [z.real, z.imag]


def _vector(x: Any, n: int) -> np.ndarray:
    """Return what a solver, or a user, gives as a vector of float64."""
    vector = np.asarray(x, dtype=np.float64)
    if vector.shape != (n,):
        raise ShapeError(f"for_scipy: expected a vector of {n} numbers, got shape {vector.shape}")
    return vector


def minimize(f: Callable[..., Any], x0: Any, args: Any = (), **options: Any) -> Any:
    """Minimize a function by ``scipy.optimize.minimize``, which gets what its method can use.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` gives one real number.
    x0 : pytree of arrays or numbers
        The unknowns at the start.
    args : tuple
        What else f takes; anything that is no tuple is its one other argument, as in SciPy.
    **options
        ``method``, ``tol``, ``bounds``, ``options`` ... as SciPy takes them; those that speak of
        unknowns, of the vector of all of them. The gradient, and for methods that use second
        derivatives the Hessian or its products, are given to it.

    Returns
    -------
    OptimizeResult
        As SciPy gives it, with ``x`` a pytree like `x0`.

    Raises
    ------
    GradientError
        If f gives no single real number.
    BackendError
        If SciPy is not installed.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> def rosenbrock(x):
    ...     return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
    >>> found = dualad.optimize.minimize(rosenbrock, np.zeros(5), method="Newton-CG", tol=1e-10)
    >>> found.x.round(6)
    array([1., 1., 1., 1., 1.])
    """
    problem = Problem(f, x0, *_arguments(args))
    problem.check_number()
    name = options.get("method")
    name = name.lower() if isinstance(name, str) else "bfgs"
    if name not in _TAKE_VALUES:
        options = {"jac": problem.jac, **options}
    if name in _TAKE_PRODUCTS and "hess" not in options:
        options = {"hessp": problem.hessp, **options}
    elif name in _TAKE_HESSIANS:
        options = {"hess": problem.hess, **options}
    return _solved(problem, _scipy("minimize").optimize.minimize(problem.fun, problem.x0, **options))


def root(f: Callable[..., Any], x0: Any, args: Any = (), **options: Any) -> Any:
    """Find where a function is zero by ``scipy.optimize.root``, which gets the Jacobian.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` gives as many numbers as there are unknowns, in an array or a pytree.
    x0, args, **options
        As for `minimize`.

    Returns
    -------
    OptimizeResult
        As SciPy gives it, with ``x`` a pytree like `x0`.

    Raises
    ------
    BackendError
        If SciPy is not installed.

    Examples
    --------
    >>> import dualad
    >>> equations = lambda p: (p["x"] + p["y"] - 3.0, p["x"] * p["y"] - 2.0)
    >>> found = dualad.optimize.root(equations, {"x": 0.0, "y": 5.0})
    >>> round(found.x["x"], 6), round(found.x["y"], 6)
    (1.0, 2.0)
    """
    problem = Problem(_residuals("root", f), x0, *_arguments(args))
    if options.get("method", "hybr").lower() in _TAKE_JACOBIANS:
        options = {"jac": problem.jac, **options}
    return _solved(problem, _scipy("root").optimize.root(problem.fun, problem.x0, **options))


def least_squares(f: Callable[..., Any], x0: Any, args: Any = (), **options: Any) -> Any:
    """Minimize a sum of squares by ``scipy.optimize.least_squares``, which gets the Jacobian.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` gives the residuals, in an array or a pytree.
    x0, args, **options
        As for `minimize`.

    Returns
    -------
    OptimizeResult
        As SciPy gives it, with ``x`` a pytree like `x0`.

    Raises
    ------
    BackendError
        If SciPy is not installed.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> t = np.linspace(0, 2, 9)
    >>> measured = 2.5 * np.exp(-1.3 * t)
    >>> residuals = lambda p: p["a"] * np.exp(-p["k"] * t) - measured
    >>> found = dualad.optimize.least_squares(residuals, {"a": 1.0, "k": 0.0})
    >>> round(found.x["a"], 6), round(found.x["k"], 6)
    (2.5, 1.3)
    """
    problem = Problem(_residuals("least_squares", f), x0, *_arguments(args))
    options = {"jac": problem.jac, **options}
    return _solved(
        problem, _scipy("least_squares").optimize.least_squares(problem.fun, problem.x0, **options)
    )


def _residuals(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of which even one number is taken as a vector."""
    trees.check_function(name, f)
    return lambda x, *more: [_something(name, f(x, *more))]


def _something(name: str, y: Any) -> Any:
    if y is None:
        raise GradientError(f"{name}: f must return numbers, got NoneType")
    return y


def _arguments(args: Any) -> tuple[Any, ...]:
    return args if isinstance(args, tuple) else (args,)


def _solved(problem: Problem, result: Any) -> Any:
    result.x = problem.unravel(result.x)
    return result


def _scipy(name: str) -> Any:
    try:
        import scipy.optimize
        import scipy.sparse.linalg
    except ModuleNotFoundError:
        raise BackendError(f"dualad.optimize.{name} needs SciPy: pip install 'dualad[special]'") from None
    return scipy
