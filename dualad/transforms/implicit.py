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
from collections.abc import Callable
from typing import Any

from .implicit_calls import Equation, System, adjoint_of, decorated, difference_of, like_tree, solved
from .linear_systems import SOLVERS, Solver
from .trees import check_function

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
        ``matvec(x)`` is b, for the derivative of f in x and for its adjoint. "dense" builds the matrix, and
        raises if it is singular. The others are SciPy's, which do not build it, and cannot tell: of a
        singular system that has solutions they give one, such as the shortest.
    symmetric : bool
        Whether the derivative of f in x is its own adjoint, as where f is a gradient.
    has_aux : bool
        Whether the solver gives a pair, of which the second part is not differentiated.

    Returns
    -------
    callable
        A decorator for the solver, a function ``solver(x0, *args)`` that gives x. It is called on
        Tensors without history or on what it was given, and may be any program. All its arguments but the
        first are those of f: options of the solver alone are bound before, by `functools.partial`, or
        ignored by f. The solution does not move with `x0`. Under `vmap` it is called for one example after
        the other.

    Raises
    ------
    ShapeError
        When differentiated, if f gives something of another structure or shape than x.
    GradientError
        When differentiated, if the derivative of f in x is singular, or SciPy's method does not converge;
        if f depends on a Tensor that is differentiated and is not among its arguments; if the solver gives
        something that is no array.
    TypeError
        If f or the solver cannot be called, or the solver is given other arguments than f takes.

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
    check_function("custom_root", f, ", the equation's left side")
    solve = _solver("custom_root", tangent_solve)
    equation = Equation("custom_root", f, (f,), solve, symmetric, has_aux, tangent_solve != "dense")
    return functools.partial(decorated, equation)


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
    name = "custom_fixed_point"
    check_function(name, f)
    solve = _solver(name, tangent_solve)

    def difference(x: Any, *args: Any) -> Any:
        return difference_of(like_tree(name, "what the function gives", f(x, *args), x), x)

    equation = Equation(name, difference, (f,), solve, symmetric, has_aux, tangent_solve != "dense")
    return functools.partial(decorated, equation)


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
        or on what was given, and may be any program. The names are those of `custom_root`, as is what they do
        with a singular matrix.
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
        If the matrix is singular, or SciPy's method does not converge; if `matvec` is seen not to be linear:
        for twice the opposite of x it does not give twice the opposite; if `matvec` depends on a Tensor that
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
    check_function(name, matvec, ", matvec")
    chosen = _solver(name, solve)
    if transpose_solve is not None:
        transposed: Solver | None = _solver(name, transpose_solve)
    else:
        transposed = chosen if isinstance(solve, str) or symmetric else None

    def bind(args: Any, like: Any) -> Callable[[Any], Any]:
        return lambda x: like_tree(name, "matvec", matvec(x, *args), like)

    def bind_adjoint(args: Any, like: Any) -> Callable[[Any], Any]:
        return adjoint_of(bind(args, like), like)

    system = System(
        name,
        (matvec,),
        bind,
        bind if symmetric else bind_adjoint,
        chosen,
        transposed,
        has_aux,
        solve != "dense",
        matvec,
    )
    return solved(system, tuple(args), b)


def _solver(name: str, solve: Any) -> Solver:
    if callable(solve):
        return solve
    if solve in SOLVERS:
        return SOLVERS[solve]
    raise ValueError(f"{name}: the solver of linear systems must be {_SOLVERS}; got {solve!r}")
