"""The calls of solvers at all levels: the equation and its linear systems tell the derivatives."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..call import Call
from ..call_levels import call
from ..engine.namespace import ops
from ..engine.operands import type_name
from ..engine.recording import RECORDING
from ..errors import GradientError, MissingDerivativeError, ShapeError
from ..levels import argument, refuse_closed, tracked_names
from ..linear_tape import is_known, not_opposite, remember
from . import trees
from .arguments import Arguments, Outputs, as_tensor, is_array, pair, positional, signature_of
from .forward import jvp
from .linear import linearize
from .linear_systems import Solver
from .reverse import vjp

# -- linear systems --------------------------------------------------------------------------------


class System(NamedTuple):
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
    matvec: Any = None  # the user's function, if it has to be seen whether it is linear

    def without_aux(self) -> System:
        """Return the system whose solver gives the solution alone."""
        solve = self.solve
        return self._replace(has_aux=False, solve=lambda a, b: solve(a, b)[0]) if self.has_aux else self

    def adjoint(self) -> System:
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


def adjoint_of(linear: Callable[[Any], Any], like: Any) -> Callable[[Any], Any]:
    """Return the adjoint of a function's derivative at `like`: of a linear function, its own."""
    pull = vjp(linear, like)[1]
    return lambda g: pull(g)[0]


def solved(system: System, args: tuple[Any, ...], b: Any) -> Any:
    """Return the solution of a system, as a function of the arguments of its matrix and of its right side."""
    _refuse_closed(system.name, system.functions)
    arguments = Arguments(system.name, (args, b))
    rule = _SolveCall(system, arguments)
    if not arguments.values:
        outs = [trees.like_inputs(y, arguments.leaves) for y in rule.compute([])]
        return rule.outputs.tree(outs)
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
    def system(self, arguments: Any, x: Any) -> tuple[System, tuple[Any, ...]]:
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
        dx = solved(system, args, _negative(moved))
        return [*trees.flatten(dx)[0], *[None] * (len(outs) - self.count)]

    def adjoint(self, kept: Any, values: list[Any], outs: list[Any], cotangents: list[Any]) -> list[Any]:
        moving = [i for i, alive in enumerate(self.live) if alive]
        given = zip(cotangents[: self.count], outs, strict=False)
        g = trees.unflatten(self.structure, [ops.zeros_like(o) if c is None else c for c, o in given])
        system, args = self.system(self.inputs.filled(values), self._solution(outs))
        u = solved(system.adjoint(), args, g)
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

    def __init__(self, solver: Any, equation: Equation, arguments: Arguments) -> None:
        super().__init__(equation.name, arguments, (*equation.functions, solver), equation.has_aux)
        self.solver, self.equation = solver, equation
        self.opaque = True

    def solve(self, arguments: Any) -> Any:
        given = self.solver(*arguments)
        x = given[0] if self.has_aux and isinstance(given, (tuple, list)) and given else given
        leaves = trees.flatten(x)[0]
        wrong = next((y for y in leaves if not is_array(y)), None if leaves else x)
        if wrong is not None or not leaves:
            raise GradientError(
                f"{self.name}: the solver must give the solution, an array or a pytree of arrays, got "
                f"{type_name(wrong)}"
            )
        return given

    def residual(self, arguments: Any, x: Any) -> Any:
        return self.equation.residual(x, *arguments[1:])

    def system(self, arguments: Any, x: Any) -> tuple[System, tuple[Any, ...]]:
        return self.equation.system(), (x, *arguments[1:])


class _SolveCall(_ImplicitCall):
    """The call of a solver of a linear system. The arguments are those of the matrix, a tuple, and b."""

    def __init__(self, system: System, arguments: Arguments) -> None:
        super().__init__(system.name, arguments, system.functions, system.has_aux)
        self.linear, self.opaque = system, system.opaque

    def solve(self, arguments: Any) -> Any:
        args, b = arguments
        try:
            given = self.linear.solve(self.linear.bind(args, b), b)
        except np.linalg.LinAlgError as error:
            raise GradientError(f"{self.name}: the linear system has no single solution: {error}") from error
        x, aux = pair(self.name, "solve", given, "(solution, aux)") if self.has_aux else (given, None)
        like_tree(self.name, "what solve gives", x, b)
        if self.linear.matvec is not None and not is_known(self.linear.matvec):
            self._check_linear(self.linear.bind(args, b), x)
        return (x, aux) if self.has_aux else x

    def _check_linear(self, matvec: Callable[[Any], Any], x: Any) -> None:
        """Raise unless the matrix does to -2 x what a linear function does."""
        leaves, structure = trees.flatten(x)
        once = trees.flatten(matvec(x))[0]
        twice = trees.flatten(matvec(trees.unflatten(structure, [-2 * a for a in leaves])))[0]
        if any(not_opposite(2 * as_tensor(y), as_tensor(z)) for y, z in zip(once, twice, strict=True)):
            raise GradientError(
                f"{self.name}: matvec is not linear: for -2 times the solution it does not give -2 times "
                "what it gives for it; custom_root is for other equations"
            )
        remember(self.linear.matvec)

    def residual(self, arguments: Any, x: Any) -> Any:
        args, b = arguments
        return difference_of(self.linear.bind(args, x)(x), b)

    def system(self, arguments: Any, x: Any) -> tuple[System, tuple[Any, ...]]:
        return self.linear.without_aux(), arguments[0]


class Equation(NamedTuple):
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
        try:
            left = self.f(x, *args)
        except (ShapeError, ValueError) as error:
            shapes = [tuple(a.shape) for a in trees.flatten(x)[0]]
            raise ShapeError(
                f"{self.name}: the equation's left side cannot be computed at what the solver gave, of shape "
                f"{', '.join(map(str, shapes))}: {error}"
            ) from error
        return like_tree(self.name, "the equation's left side", left, x)

    def check_takes(self, args: tuple[Any, ...]) -> None:
        """Raise TypeError unless the user's function takes the arguments of the solver."""
        f = self.functions[0]
        signature = signature_of(f)
        if signature is None:
            return
        try:
            signature.bind(*args)
        except TypeError as error:
            raise TypeError(
                f"{self.name}: the equation {getattr(f, '__name__', type_name(f))} is given all arguments of "
                f"the solver, {len(args)} with defaults, and does not take them: {error}. Bind options of "
                "the solver alone before, with functools.partial, or let the equation ignore them"
            ) from None

    def system(self) -> System:
        """Return the system with the derivative in x; the arguments of its matrix are x and `args`."""

        def bind(args: Any, like: Any) -> Callable[[Any], Any]:
            return linearize(lambda x: self.residual(x, *args[1:]), args[0])[1]

        def bind_adjoint(args: Any, like: Any) -> Callable[[Any], Any]:
            return adjoint_of(lambda x: self.residual(x, *args[1:]), args[0])

        adjoint = bind if self.symmetric else bind_adjoint
        return System(self.name, self.functions, bind, adjoint, self.solve, self.solve, False, self.opaque)


def decorated(equation: Equation, solver: Callable[..., Any]) -> Callable[..., Any]:
    """Return a solver as a function that is differentiated by the equation it solves."""
    trees.check_function(equation.name, solver, ", the solver")
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
        named.check_takes(args)
        arguments.keep()
        rule = _RootCall(solver, named, arguments)
        outs = call(rule, arguments.values)
        arguments.forget()
        return rule.outputs.tree(outs)

    return differentiable


# -- pytrees ---------------------------------------------------------------------------------------


def like_tree(name: str, what: str, given: Any, like: Any) -> Any:
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


def difference_of(a: Any, b: Any) -> Any:
    """Return the difference of two pytrees."""
    leaves, structure = trees.flatten(a)
    pairs = zip(leaves, trees.flatten(b)[0], strict=True)
    return trees.unflatten(structure, [ops.subtract(x, y) for x, y in pairs])


def _refuse_closed(name: str, functions: Any) -> None:
    """Raise if functions close over Tensors that are differentiated: solvers give no history to see it by."""
    if RECORDING.get():
        refuse_closed(name, [n for f in functions for n in tracked_names(f, 0)])
