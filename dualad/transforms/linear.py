"""Functions as linear maps: `linearize` and `linear_transpose`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.operands import is_traced
from ..engine.recording import recording_from
from ..engine.tensor import raw_value, wrap
from ..errors import GradientError
from ..linear_tape import nonlinear_op, not_zero
from . import trees
from .tape import Inputs, Tape, taped


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return ``f(*primals)`` and the function that pushes tangents on from there.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    *primals : pytree of arrays or numbers
        Where to linearize.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.

    Returns
    -------
    tuple
        ``(f(*primals), push)``, and the auxiliary output third if `has_aux`. ``push(*tangents)``
        gives the tangent of the output, without evaluating f again: it is the transpose of the
        pullback, which is linear.

    Raises
    ------
    DTypeError
        If a primal is not of a floating dtype.
    GradientError, ShapeError, DTypeError
        By ``push``, if the tangents do not fit the primals.

    Examples
    --------
    >>> import dualad
    >>> y, push = dualad.linearize(lambda x: x**3, 2.0)
    >>> y, push(1.0), push(0.5)
    (8.0, 12.0, 6.0)
    """
    tape, aux = taped("linearize", f, primals, has_aux)
    push = pushing(tape)
    return (tape.value(), push, aux) if has_aux else (tape.value(), push)


def pushing(tape: Tape) -> Callable[..., Any]:
    """Return the function that pushes tangents of a tape's inputs on to its outputs."""
    inputs, transposed = tape.inputs, tape.transposed()

    def push(*tangents: Any) -> Any:
        moved = iter(transposed.gradients(transposed.fitted(tangents, "tangent")))
        out = [
            trees.zero_tangent(y) if node is None else wrap(next(moved))
            for y, node in zip(tape.outputs, tape.nodes, strict=True)
        ]
        return trees.unflatten(tape.structure, [trees.like_inputs(t, inputs.given) for t in out])

    return push


def linear_transpose(f: Callable[..., Any], *primals: Any) -> Callable[[Any], Any]:
    """Return the transpose of a linear function.

    For ``f(x) = A @ x`` it is the function ``g -> A.T @ g``: transposed and not conjugated where A
    is complex.

    Parameters
    ----------
    f : callable
        A linear function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    *primals : pytree of arrays, numbers, or objects with ``shape`` and ``dtype``
        What arguments f takes; their values do not matter. For objects that are no arrays results
        are Tensors on the CPU.

    Returns
    -------
    callable
        It takes a cotangent like the output of f, and gives a tuple with a part for each primal.

    Raises
    ------
    GradientError
        If f is not linear, where that can be told: f at 0 is not 0, or the derivative of one of
        its ops depends on the arguments. That a step function, or a branch taken because of a
        value, made f not linear cannot be told; nor is f at 0 looked at where values are yet to be
        computed, as under ``jax.jit`` and on dask.
    DTypeError
        If a primal is not of a floating dtype.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> transpose = dualad.linear_transpose(lambda x: x[:2] * 3, np.zeros(3))
    >>> transpose(np.array([1.0, 2.0]))
    (array([3., 6., 0.]),)
    """
    trees.check_function("linear_transpose", f)
    leaves, structure = trees.flatten(primals)
    zeros = [trees.zeros_for(leaf) for leaf in leaves]
    inputs = Inputs("linear_transpose", trees.unflatten(structure, zeros), transposes=True)
    with recording_from(inputs.level):
        tape = Tape(inputs, f(*inputs.tensors()))
    _check_linear(tape)
    return tape.pull


def _check_linear(tape: Tape) -> None:
    """Raise unless a function, taped at 0, is 0 there and none of its ops multiplies its inputs."""
    known = [y for y in tape.outputs if raw_value(y) is not None and not is_traced(y)]
    if any(map(not_zero, known)):
        raise GradientError("linear_transpose: f is not linear: at 0 it is not 0")
    op = nonlinear_op([node for node in tape.nodes if node is not None], tape.inputs.leaves)
    if op is not None:
        raise GradientError(
            f"linear_transpose: f is not linear: the derivative of {op} depends on the arguments of f; "
            "dualad.vjp gives the transpose of a function's derivative at a point"
        )
