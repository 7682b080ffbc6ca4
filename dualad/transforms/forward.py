"""Forward mode as functions of functions: `jvp`, and derivatives of any order along a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.node import Dual, fresh_level
from ..engine.recording import recording_from
from ..engine.tensor import Tensor, wrap
from . import trees


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False) -> Any:
    """Return ``f(*primals)`` and the derivative of f there in the direction `tangents`.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    primals : tuple or list
        The arguments of f.
    tangents : tuple or list
        A direction for each, of its structure and shapes.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.

    Returns
    -------
    tuple
        ``(f(*primals), tangent of it)``, and the auxiliary output third if `has_aux`.

    Raises
    ------
    TypeError
        If f cannot be called, or primals and tangents are no tuples.
    GradientError
        If the tangents have not the structure of the primals.
    ShapeError, DTypeError
        If a tangent does not fit its primal.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jvp(np.sin, (0.0,), (1.0,))
    (0.0, 1.0)
    """
    value, tangent, aux = pushed("jvp", f, primals, tangents, has_aux)
    return (value, tangent, aux) if has_aux else (value, tangent)


def directional(
    f: Callable[..., Any], primals: Any, tangents: Any, order: int = 1, *, has_aux: bool = False
) -> Any:
    """Return f and its derivatives along a line: those of ``f(x + s * t)`` by s, at 0.

    Divided by the factorials they are the coefficients of the Taylor series of f along the line.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    primals : tuple or list
        The arguments x of f.
    tangents : tuple or list
        The direction t: a part for each argument, of its structure and shapes.
    order : int
        How many derivatives to take. f is evaluated once, on numbers of ``2**order`` parts.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.

    Returns
    -------
    tuple
        ``(f, f', ..., f^(order))``, each like the output of f; with `has_aux` a pair of that and
        the auxiliary output.

    Raises
    ------
    ValueError
        If `order` is no integer of at least 0.
    GradientError, ShapeError, DTypeError
        If the tangents do not fit the primals.

    Examples
    --------
    >>> import dualad
    >>> dualad.directional(lambda x: x**3, (2.0,), (1.0,), order=3)
    (8.0, 12.0, 12.0, 6.0)
    """
    trees.check_function("directional", f)
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise ValueError(f"directional: order must be an integer of at least 0, got {order!r}")

    def listed(*args: Any) -> Any:
        y, aux = trees.parted("directional", f(*args), has_aux)
        return (y,), aux

    g = listed
    for _ in range(max(order, 1)):
        g = _with_the_next(g, tangents)
    derivatives, aux = g(*primals)
    return (derivatives[: order + 1], aux) if has_aux else derivatives[: order + 1]


def _with_the_next(g: Callable[..., Any], tangents: Any) -> Callable[..., Any]:
    """Return a function that gives what g lists, and the derivative of the last of it."""

    def longer(*args: Any) -> Any:
        known, moved, aux = pushed("directional", g, args, tangents, has_aux=True)
        return (*known, moved[-1]), aux

    return longer


def pushed(
    name: str, f: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool
) -> tuple[Any, Any, Any]:
    """Return a function's value, its tangent, and its auxiliary output or None; see `jvp`."""
    trees.check_function(name, f)
    given, directions, structure = trees.paired(name, primals, tangents)
    values = trees.all_below(given, name, structure)
    fitted = trees.all_fitting(directions, values, structure, name, "tangent")
    results, moved, out_structure, aux = push(name, f, values, fitted, structure, has_aux)
    moved = [trees.zero_tangent(y) if t is None else t for y, t in zip(results, moved, strict=True)]
    value = trees.unflatten(out_structure, [trees.like_inputs(y, given) for y in results])
    tangent = trees.unflatten(out_structure, [trees.like_inputs(t, given) for t in moved])
    if has_aux:
        extra, aux_structure = trees.flatten(aux)
        aux = trees.unflatten(aux_structure, [trees.like_inputs(y, given) for y in extra])
    return value, tangent, aux


def push(
    name: str, f: Callable[..., Any], values: list[Any], tangents: list[Any], structure: Any, has_aux: bool
) -> tuple[list[Any], list[Any], Any, Any]:
    """Evaluate f once, on values and tangents: the leaves of a tuple of arguments.

    Returns
    -------
    tuple
        The leaves of the result; the tangent of each, None for what does not move; the structure of the
        result; and its auxiliary output or None.
    """
    level = fresh_level()
    duals = [Tensor(v, Dual(level, t)) for v, t in zip(values, tangents, strict=True)]
    with recording_from(level):
        out = f(*trees.unflatten(structure, duals))
    out, aux = trees.parted(name, out, has_aux)
    results, out_structure = trees.flatten(out)
    pairs = [_split(y, level) for y in results]
    if has_aux:
        extra, aux_structure = trees.flatten(aux)
        aux = trees.unflatten(aux_structure, [_split(y, level)[0] for y in extra])
    return [y for y, _ in pairs], [t for _, t in pairs], out_structure, aux


def _split(y: Any, level: int) -> tuple[Any, Any]:
    """Return a result without this level, and its tangent; None if it does not move."""
    if not isinstance(y, Tensor):
        return y, None
    y._refresh()
    node = y._node
    if type(node) is Dual and node.level == level:
        return wrap(y._value), wrap(node.tangent)
    return y, None
