"""Solutions of equations, differentiated by the equations, whatever solver finds them.

Where ``f(x, theta) = 0`` defines x as a function of theta, the implicit function theorem gives its
derivative: ``A dx = -(df/dtheta) dtheta`` with ``A = df/dx``. So a solver is called on plain arrays, and can
be anything; each derivative is the solution of one linear system, with A forwards and its
adjoint backwards. That system is solved by `custom_linear_solve`, which is differentiated in the same way:
so it goes on to any order.

The theorem for solvers is in A. Griewank and A. Walther, Evaluating Derivatives (2nd ed., SIAM 2008),
chapter 15; as a decorator in M. Blondel et al., Efficient and Modular Implicit Differentiation, NeurIPS 2022.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..call import Call
from ..call_levels import call
from ..engine.modes import RECORDING
from ..engine.namespace import ops
from ..engine.operands import type_name
from ..errors import GradientError, MissingDerivativeError, ShapeError
from ..levels import argument, refuse_closed, tracked_names
from . import trees
from .arguments import Arguments, Outputs, pair, positional, signature_of
from .forward import jvp
from .linear import linearize
from .linear_systems import SOLVERS, Solver
from .reverse import vjp

_SOLVERS = "a function solve(matvec, b), or one of 'dense', 'bicgstab', 'cg', 'gmres'"


def custom_root(
    f: Callable[..., Any],
    *,
    tangent_solve: str | Solver = "dense",
    symmetric: bool = False,
    has_aux: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Differentiate a solver by the equation it solves, ``f(x, *args) = 0``: a decorator.

    Parameters
    ----------
    f : callable
        The equation's left side, ``f(x, *args)``: a pytree of the structure and shapes of x, computed so
        that it can be differentiated.
    tangent_solve : callable or {"dense", "bicgstab", "cg", "gmres"}
        Solves the linear systems of the derivatives: ``tangent_solve(matvec, b)`` gives the x for which
        ``matvec(x)`` is b, for the derivative of f in x and for its adjoint. "dense" builds the matrix,
        the others are SciPy's, which do not.
    symmetric : bool
        Whether the derivative of f in x is its own adjoint, as where f is a gradient.
    has_aux : bool
        Whether the solver gives a pair, of which the second part is not differentiated.

    Returns
    -------
    callable
        A decorator for the solver, a function ``solver(x0, *args)`` that gives x. It is called on
        Tensors without history or on what it was given, and may be any program. The solution does not
        move with `x0`. Under `vmap` it is called for one example after the other.

    Raises
    ------
    ShapeError
        When differentiated, if f gives something of another structure or shape than x.
    GradientError
        When differentiated, if the derivative of f in x is singular, or SciPy's method does not converge;
        if f depends on a Tensor that is differentiated and is not among its arguments.

    Notes
    -----
    That x is a root is not checked: the derivatives are those of the equation, at what the solver gives,
    and as precise as that.

    Examples
    --------
    >>> import dualad, numpy as np, scipy.optimize
    >>> def f(x, a):
    ...     return x**3 + x - a
    >>> @dualad.custom_root(f)
    ... def root(x0, a):
    ...     return scipy.optimize.newton(f, x0, args=(float(a),))
    >>> f"{root(1.0, 10.0):.6f}"
    '2.000000'
    >>> f"{dualad.grad(root, argnums=1)(1.0, 10.0):.6f}"  # 1 / (3 x² + 1)
    '0.076923'
    """
    solve = _solver("custom_root", tangent_solve)
    equation = _Equation("custom_root", f, (f,), solve, symmetric, has_aux, tangent_solve != "dense")
    return functools.partial(_decorated, equation)


def custom_fixed_point(
    f: Callable[..., Any],
    *,
    tangent_solve: str | Solver = "dense",
    symmetric: bool = False,
    has_aux: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Differentiate a solver by the equation it solves, ``f(x, *args) = x``: a decorator.

    The parameters are those of `custom_root`, which this is for ``f(x, *args) - x``.

    Examples
    --------
    Newton's iteration for a square root, differentiated by what it converges to:

    >>> import dualad
    >>> def step(x, a):
    ...     return (x + a / x) / 2
    >>> @dualad.custom_fixed_point(step)
    ... def sqrt(x0, a):
    ...     for _ in range(20):
    ...         x0 = step(x0, a)
    ...     return x0
    >>> dualad.grad(sqrt, argnums=1)(1.0, 4.0)
    0.25
    """
    solve = _solver("custom_fixed_point", tangent_solve)

    name = "custom_fixed_point"

    def difference(x: Any, *args: Any) -> Any:
        return _difference(_like(name, "what the function gives", f(x, *args), x), x)

    equation = _Equation(name, difference, (f,), solve, symmetric, has_aux, tangent_solve != "dense")
    return functools.partial(_decorated, equation)


def custom_linear_solve(
    matvec: Callable[..., Any],
    b: Any,
    solve: str | Solver = "dense",
    transpose_solve: str | Solver | None = None,
    *,
    args: tuple[Any, ...] = (),
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """Return the x for which ``matvec(x, *args)`` is b, by any solver, as a differentiable function.

    Parameters
    ----------
    matvec : callable
        ``matvec(x, *args)``, linear in x, a pytree of the structure and shapes of b.
    b : pytree of arrays
        The right side.
    solve : callable or {"dense", "bicgstab", "cg", "gmres"}
        ``solve(matvec, b)`` gives x, where `matvec` takes x alone. It is called on Tensors without history,
        or on what was given, and may be any program. The names are those of `custom_root`.
    transpose_solve : callable or str, optional
        The same for the adjoint system, which reverse mode needs. By default it is `solve`, if that is one
        of the names or the matrix is symmetric.
    args : tuple of pytrees
        What the matrix depends on. Derivatives are taken in these and in b.
    symmetric : bool
        Whether the matrix is its own adjoint.
    has_aux : bool
        Whether `solve` gives a pair, of which the second part is not differentiated. This returns it too.

    Raises
    ------
    MissingDerivativeError
        In reverse mode, if `transpose_solve` is needed and not given.
    ShapeError
        If `matvec` or `solve` give something of another structure or shape than b.
    GradientError
        If the matrix is singular, or SciPy's method does not converge; if `matvec` depends on a Tensor that
        is differentiated and is not in `args`.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> def matvec(x, a):
    ...     return a @ x
    >>> def length(a, b):
    ...     x = dualad.custom_linear_solve(matvec, b, "cg", args=(a,), symmetric=True)
    ...     return dualad.sum(x * x)
    >>> a, b = np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 4.0])
    >>> dualad.grad(length, argnums=1)(a, b)
    array([1. , 0.5])
    """
    name = "custom_linear_solve"
    chosen = _solver(name, solve)
    if transpose_solve is not None:
        transposed: Solver | None = _solver(name, transpose_solve)
    else:
        transposed = chosen if isinstance(solve, str) or symmetric else None

    def bind(args: Any, like: Any) -> Callable[[Any], Any]:
        return lambda x: _like(name, "matvec", matvec(x, *args), like)

    def bind_adjoint(args: Any, like: Any) -> Callable[[Any], Any]:
        return _adjoint(bind(args, like), like)

    system = _System(
        name,
        (matvec,),
        bind,
        bind if symmetric else bind_adjoint,
        chosen,
        transposed,
        has_aux,
        solve != "dense",
    )
    return _solved(system, tuple(args), b)


def _solver(name: str, solve: Any) -> Solver:
    if callable(solve):
        return solve
    if solve in SOLVERS:
        return SOLVERS[solve]
    raise ValueError(f"{name}: the solver of linear systems must be {_SOLVERS}; got {solve!r}")


# -- linear systems --------------------------------------------------------------------------------


class _System(NamedTuple):
    """A matrix that depends on arguments, and how to solve systems with it and with its adjoint.

    ``bind(args, like)`` gives the function that multiplies vectors like `like` by it.
    """

    name: str
    functions: tuple[Callable[..., Any], ...]
    bind: Callable[[Any, Any], Callable[[Any], Any]]
    bind_adjoint: Callable[[Any, Any], Callable[[Any], Any]]
    solve: Solver
    solve_adjoint: Solver | None
    has_aux: bool
    opaque: bool  # whether the solvers may be any program

    def without_aux(self) -> _System:
        """Return the system whose solver gives the solution alone."""
        solve = self.solve
        return self._replace(has_aux=False, solve=lambda a, b: solve(a, b)[0]) if self.has_aux else self

    def adjoint(self) -> _System:
        """Return the adjoint system."""
        if self.solve_adjoint is None:
            raise MissingDerivativeError(
                f"{self.name}: reverse mode solves the adjoint system: give transpose_solve, or "
                "symmetric=True"
            )
        one = self.without_aux()
        return one._replace(
            bind=self.bind_adjoint, bind_adjoint=self.bind, solve=self.solve_adjoint, solve_adjoint=one.solve
        )


def _adjoint(linear: Callable[[Any], Any], like: Any) -> Callable[[Any], Any]:
    pull = vjp(linear, like)[1]
    return lambda g: pull(g)[0]


def _solved(system: _System, args: tuple[Any, ...], b: Any) -> Any:
    """Return the solution of a system, as a function of the arguments of its matrix and of its right side."""
    _refuse_closed(system.name, system.functions)
    arguments = Arguments(system.name, (args, b))
    rule = _SolveCall(system, arguments)
    if not arguments.values:
        return rule.outputs.tree(rule.compute([]))
    arguments.keep()
    outs = call(rule, arguments.values)
    arguments.forget()
    return rule.outputs.tree(outs)


# -- calls -----------------------------------------------------------------------------------------


class _ImplicitCall(Call):
    """The call of a solver. Its outputs are the solution, and behind it what else the solver gives."""

    def __init__(self, name: str, arguments: Arguments, functions: tuple[Any, ...], has_aux: bool) -> None:
        super().__init__()
        self.name, self.functions = name, functions
        self.node_name = f"{name.rpartition(' ')[2]}Backward0"  # of the solver, if it has a name
        self.inputs, self.has_aux = arguments, has_aux
        self.outputs, self.count = Outputs(), 0
        self.structure: Any = None

    @abstractmethod
    def solve(self, arguments: Any) -> Any:
        """Return what the solver gives."""

    @abstractmethod
    def residual(self, arguments: Any, x: Any) -> Any:
        """Return what is zero at the solution."""

    @abstractmethod
    def system(self, arguments: Any, x: Any) -> tuple[_System, tuple[Any, ...]]:
        """Return the system of the residual's derivative in x, and the arguments of its matrix."""

    def forward(self, values: list[Any]) -> tuple[list[Any], Any]:
        given = self.solve(self.inputs.filled([argument(v) for v in values]))
        x = pair(self.name, "the solver", given, "(solution, aux)")[0] if self.has_aux else given
        outs = self.outputs.taken(given)
        leaves, self.structure = trees.flatten(x)
        self.count = len(leaves)
        self.constant.update(range(self.count, len(outs)))
        return outs, None

    def seen(self, kept: Any, values: list[Any], outs: list[Any]) -> None:
        """Keep nothing: the rule is about the arguments and the solution."""

    def differential(self, kept: Any, values: list[Any], outs: list[Any], tangents: list[Any]) -> list[Any]:
        moving = [i for i, t in enumerate(tangents) if t is not None]
        x, of_moving = self._solution(outs), self._residual_of(values, outs, moving)
        moved = jvp(of_moving, tuple(values[i] for i in moving), tuple(tangents[i] for i in moving))[1]
        system, args = self.system(self.inputs.filled(values), x)
        dx = _solved(system, args, _negative(moved))
        return [*trees.flatten(dx)[0], *[None] * (len(outs) - self.count)]

    def adjoint(self, kept: Any, values: list[Any], outs: list[Any], cotangents: list[Any]) -> list[Any]:
        moving = [i for i, alive in enumerate(self.live) if alive]
        given = zip(cotangents[: self.count], outs, strict=False)
        g = trees.unflatten(self.structure, [ops.zeros_like(o) if c is None else c for c, o in given])
        system, args = self.system(self.inputs.filled(values), self._solution(outs))
        u = _solved(system.adjoint(), args, g)
        pull = vjp(self._residual_of(values, outs, moving), *(values[i] for i in moving))[1]
        pulled = dict(zip(moving, pull(_negative(u)), strict=True))
        return [pulled.get(i) for i in range(len(values))]

    def _solution(self, outs: list[Any]) -> Any:
        return trees.unflatten(self.structure, outs[: self.count])

    def _residual_of(self, values: list[Any], outs: list[Any], moving: list[int]) -> Callable[..., Any]:
        """Return the residual as a function of some of the values."""
        x = self._solution(outs)

        def residual(*points: Any) -> Any:
            filled = list(values)
            for i, v in zip(moving, points, strict=True):
                filled[i] = v
            return self.residual(self.inputs.filled(filled), x)

        return residual


class _RootCall(_ImplicitCall):
    """The call of a solver of ``f(x, *args) = 0``."""

    def __init__(self, solver: Any, equation: _Equation, arguments: Arguments) -> None:
        super().__init__(equation.name, arguments, (*equation.functions, solver), equation.has_aux)
        self.solver, self.equation = solver, equation
        self.opaque = True

    def solve(self, arguments: Any) -> Any:
        return self.solver(*arguments)

    def residual(self, arguments: Any, x: Any) -> Any:
        return self.equation.residual(x, *arguments[1:])

    def system(self, arguments: Any, x: Any) -> tuple[_System, tuple[Any, ...]]:
        return self.equation.system(), (x, *arguments[1:])


class _SolveCall(_ImplicitCall):
    """The call of a solver of a linear system. The arguments are those of the matrix, a tuple, and b."""

    def __init__(self, system: _System, arguments: Arguments) -> None:
        super().__init__(system.name, arguments, system.functions, system.has_aux)
        self.linear, self.opaque = system, system.opaque

    def solve(self, arguments: Any) -> Any:
        args, b = arguments
        try:
            given = self.linear.solve(self.linear.bind(args, b), b)
        except np.linalg.LinAlgError as error:
            raise GradientError(f"{self.name}: the linear system has no single solution: {error}") from error
        if not self.has_aux:
            return _like(self.name, "what solve gives", given, b)
        x, aux = pair(self.name, "solve", given, "(solution, aux)")
        return _like(self.name, "what solve gives", x, b), aux

    def residual(self, arguments: Any, x: Any) -> Any:
        args, b = arguments
        return _difference(self.linear.bind(args, x)(x), b)

    def system(self, arguments: Any, x: Any) -> tuple[_System, tuple[Any, ...]]:
        return self.linear.without_aux(), arguments[0]


class _Equation(NamedTuple):
    """An equation ``f(x, *args) = 0``, and how the linear systems of its derivative are solved."""

    name: str
    f: Callable[..., Any]
    functions: tuple[Callable[..., Any], ...]  # the user's own
    solve: Solver
    symmetric: bool
    has_aux: bool
    opaque: bool  # whether the solver may be any program

    def residual(self, x: Any, *args: Any) -> Any:
        """Return the left side, of the structure and shapes of x."""
        return _like(self.name, "the equation's left side", self.f(x, *args), x)

    def system(self) -> _System:
        """Return the system with the derivative in x; the arguments of its matrix are x and `args`."""

        def bind(args: Any, like: Any) -> Callable[[Any], Any]:
            return linearize(lambda x: self.residual(x, *args[1:]), args[0])[1]

        def bind_adjoint(args: Any, like: Any) -> Callable[[Any], Any]:
            return _adjoint(lambda x: self.residual(x, *args[1:]), args[0])

        adjoint = bind if self.symmetric else bind_adjoint
        return _System(self.name, self.functions, bind, adjoint, self.solve, self.solve, False, self.opaque)


def _decorated(equation: _Equation, solver: Callable[..., Any]) -> Callable[..., Any]:
    signature = signature_of(solver)
    name = f"{equation.name} of {getattr(solver, '__name__', type_name(solver))}"
    named = equation._replace(name=name)

    @functools.wraps(solver)
    def differentiable(*args: Any, **kwargs: Any) -> Any:
        _refuse_closed(name, (*equation.functions, solver))
        args = positional(name, signature, args, kwargs)
        arguments = Arguments(name, args)
        if not arguments.values:
            return solver(*args)
        arguments.keep()
        rule = _RootCall(solver, named, arguments)
        outs = call(rule, arguments.values)
        arguments.forget()
        return rule.outputs.tree(outs)

    return differentiable


# -- pytrees ---------------------------------------------------------------------------------------


def _like(name: str, what: str, given: Any, like: Any) -> Any:
    """Return a pytree, whose structure and shapes must be those of another."""
    leaves, structure = trees.flatten(given)
    others, expected = trees.flatten(like)
    if structure != expected:
        raise ShapeError(f"{name}: {what} has the structure {structure}, expected {expected}")
    for a, b in zip(leaves, others, strict=True):
        if tuple(getattr(a, "shape", ())) != tuple(getattr(b, "shape", ())):
            raise ShapeError(
                f"{name}: {what} has shape {tuple(getattr(a, 'shape', ()))}, expected "
                f"{tuple(getattr(b, 'shape', ()))}"
            )
    return given


def _negative(tree: Any) -> Any:
    leaves, structure = trees.flatten(tree)
    return trees.unflatten(structure, [-x for x in leaves])


def _difference(a: Any, b: Any) -> Any:
    leaves, structure = trees.flatten(a)
    pairs = zip(leaves, trees.flatten(b)[0], strict=True)
    return trees.unflatten(structure, [ops.subtract(x, y) for x, y in pairs])


def _refuse_closed(name: str, functions: Any) -> None:
    """Raise if functions close over Tensors that are differentiated: solvers give no history to see it by."""
    if RECORDING.get():
        refuse_closed(name, [n for f in functions for n in tracked_names(f, 0)])
