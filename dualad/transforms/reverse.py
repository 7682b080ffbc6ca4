"""Reverse mode as functions of functions: `vjp`, `grad` and its kin."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..engine.fit import zeros
from ..engine.namespace import ops
from ..engine.operands import type_name
from ..engine.tensor import Tensor, raw_value, wrap
from ..errors import GradientError
from . import trees
from .tape import Tape, taped


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return ``f(*primals)`` and its pullback, which carries cotangents back to the primals.

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
        ``(f(*primals), pullback)``, and the auxiliary output third if `has_aux`. The pullback
        takes a cotangent of the structure and shapes of the output, and gives a tuple with a
        gradient for each primal. It may be called any number of times.

    Raises
    ------
    TypeError
        If f cannot be called.
    DTypeError
        If a primal is not of a floating dtype.
    GradientError, ShapeError, DTypeError
        By the pullback, if a cotangent does not fit the output.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> y, pullback = dualad.vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 1.0]))
    (array([2., 4.]),)
    """
    tape, aux = taped("vjp", f, primals, has_aux)

    def pullback(cotangents: Any) -> Any:
        return tape.pull(cotangents)

    return (tape.value(), pullback, aux) if has_aux else (tape.value(), pullback)


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the value of f and its gradient.

    Parameters
    ----------
    f : callable
        A function whose result is one real number (a 0-d array).
    argnums : int or tuple of int
        The positional arguments to differentiate in: arrays or pytrees of them.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.
    holomorphic : bool
        Give the derivative ``df/dz`` of complex analysis: f is analytic, its arguments and its
        result are complex. Whether f is analytic is not checked.

    Returns
    -------
    callable
        It takes the arguments of f and returns ``(value, gradient)``, or, with `has_aux`,
        ``((value, aux), gradient)``. The gradient has the structure of the argument, and is a
        tuple of such if `argnums` is one.

    Raises
    ------
    TypeError
        If f cannot be called.
    GradientError
        When called, if f gives no single real number (complex if `holomorphic`).
    DTypeError
        When called, if an argument to differentiate in is not of a floating dtype, or not complex
        although `holomorphic`.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    def arranged(value: Any, aux: Any, gradient: Any) -> Any:
        return ((value(), aux) if has_aux else value()), gradient

    return _gradient("value_and_grad", f, argnums, has_aux, holomorphic, arranged)


def grad_and_value(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return `value_and_grad` the other way about, as in torch.func: ``(gradient, value)``.

    With `has_aux` it is ``(gradient, (value, aux))``.

    Examples
    --------
    >>> import dualad
    >>> dualad.grad_and_value(lambda x: x**3)(2.0)
    (12.0, 8.0)
    """

    def arranged(value: Any, aux: Any, gradient: Any) -> Any:
        return gradient, ((value(), aux) if has_aux else value())

    return _gradient("grad_and_value", f, argnums, has_aux, holomorphic, arranged)


def grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the gradient of f; the parameters are those of `value_and_grad`.

    Returns
    -------
    callable
        It takes the arguments of f and returns the gradient, or, with `has_aux`,
        ``(gradient, aux)``. Of a complex argument it is the vector of steepest ascent, as in
        PyTorch (the conjugate of JAX's); with `holomorphic` it is ``df/dz``.

    Examples
    --------
    >>> import dualad
    >>> dualad.grad(dualad.grad(lambda x: x**3))(2.0)
    12.0
    >>> dualad.grad(lambda z: z**2, holomorphic=True)(1 + 2j)
    (2+4j)
    """

    def arranged(value: Any, aux: Any, gradient: Any) -> Any:
        return (gradient, aux) if has_aux else gradient

    return _gradient("grad", f, argnums, has_aux, holomorphic, arranged)


def elementwise_grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the derivatives of f's elements, summed over them.

    For a function that maps element by element that is its derivative. The parameters, and what
    is returned, are those of `grad`; f may give an array of any shape.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.elementwise_grad(np.square)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    trees.check_function("elementwise_grad", f)

    @functools.wraps(f, updated=())
    def total(*args: Any, **kwargs: Any) -> Any:
        y, aux = trees.parted("elementwise_grad", f(*args, **kwargs), has_aux)
        y = ops.sum(ops.asarray(y))
        return (y, aux) if has_aux else y

    return grad(total, argnums, has_aux, holomorphic)


def stop_gradient(tree: Any) -> Any:
    """Return a pytree of the same values, which no derivative, of whatever level, goes through.

    Examples
    --------
    >>> import dualad
    >>> dualad.grad(lambda x: x * dualad.stop_gradient(x))(3.0)
    3.0
    """
    leaves, structure = trees.flatten(tree)
    return trees.unflatten(structure, [ops.detach(x) if isinstance(x, Tensor) else x for x in leaves])


def _gradient(
    name: str, f: Any, argnums: Any, has_aux: bool, holomorphic: bool, arranged: Any
) -> Callable[..., Any]:
    trees.check_function(name, f)
    several = isinstance(argnums, (tuple, list))

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen, primals, places = of_arguments(name, f, argnums, args, kwargs)
        tape, aux = taped(name, chosen, primals, has_aux, holomorphic, places)
        gradients = tape.as_given(tape.gradients([unit(tape)], retain=False))
        return arranged(tape.value, aux, tuple(gradients) if several else gradients[0])

    return differentiated


def of_arguments(
    name: str, f: Callable[..., Any], argnums: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[int, ...]]:
    """Return f as a function of the arguments that `argnums` names, these, and their places.

    Raises
    ------
    TypeError
        If `argnums` are no integers.
    GradientError
        If there are not so many arguments, or one is named twice.
    """
    wanted = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    count = len(args)
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in wanted):
        raise TypeError(f"{name}: argnums must be an int or a tuple of ints, got {argnums!r}")
    for n in wanted:
        if not -count <= n < count:
            raise GradientError(
                f"{name}: argnums names argument {n}, but {count} positional "
                + ("argument was given" if count == 1 else "arguments were given")
            )
    places = tuple(n % count for n in wanted)
    if len(set(places)) < len(places):
        raise GradientError(f"{name}: argnums names an argument twice, got {argnums}")

    def chosen(*parts: Any) -> Any:
        filled = list(args)
        for n, part in zip(places, parts, strict=True):
            filled[n] = part
        return f(*filled, **kwargs)

    return chosen, tuple(args[n] for n in places), places


def unit(tape: Tape) -> Any:
    """Return the cotangent 1 of a function's only output.

    Raises
    ------
    GradientError
        If there is not one number, and a real one unless the derivative is holomorphic.
    """
    name, holomorphic = tape.inputs.name, tape.inputs.transposes
    kind = "complex" if holomorphic else "real"
    y: Any = tape.outputs[0] if tape.structure.is_leaf() else None
    if not hasattr(y, "shape") and not isinstance(y, (bool, int, float, complex)):
        got = trees.shown(tape.structure) if y is None else type_name(y)
        raise GradientError(
            f"{name}: the function must return one {kind} number, got {got}; for a function of several "
            "results use dualad.vjp or dualad.jacobian"
        )
    if getattr(y, "shape", ()) != ():
        raise GradientError(
            f"{name}: the function must return one {kind} number, a 0-d array; got shape "
            f"{tuple(y.shape)}; sum it, or use dualad.vjp or dualad.jacobian"
        )
    if type(y) is int:
        return 1
    y = wrap(y) if hasattr(y, "shape") else ops.asarray(y)
    if not holomorphic and not y.dtype.is_floating_point:
        hint = (
            "; take its real part, or pass holomorphic=True if it is analytic" if y.dtype.is_complex else ""
        )
        raise GradientError(f"{name}: the function must return a real number, got {y.dtype}{hint}")
    return zeros((), y.dtype, beside=raw_value(y)) + 1
