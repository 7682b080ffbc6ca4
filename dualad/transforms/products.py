"""Products of second derivatives with vectors, whose matrices are never made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import trees
from .reverse import unit
from .tape import Tape, taped


def hvp(f: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False) -> Any:
    """Return the product of the Hessian of a real function with a vector.

    The gradient is recorded as it is computed, and the vector pulled back through that record:
    the product is the gradient of ``<gradient, vector>`` (Pearlmutter, Fast exact multiplication by
    the Hessian, 1994, in reverse mode). f is evaluated once.

    Parameters
    ----------
    f : callable
        A function that gives one real number.
    primals, tangents : tuple
        The arguments of f, arrays or pytrees of them, and a vector of the structure and shapes of
        each.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.

    Returns
    -------
    pytree
        A product for each argument: a tuple, or for one argument the product itself; with `has_aux`
        a pair of that and the auxiliary output.

    Raises
    ------
    GradientError, ShapeError, DTypeError
        If f gives no single real number, or the vector does not fit the arguments.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    return _product("hvp", f, primals, tangents, has_aux)


def vhp(f: Callable[..., Any], primals: Any, cotangents: Any, *, has_aux: bool = False) -> Any:
    """Return the product of a vector with the Hessian of a real function: `hvp`, as it is symmetric.

    Examples
    --------
    >>> import dualad
    >>> dualad.vhp(lambda x, y: x**2 * y, (2.0, 3.0), (1.0, 0.0))
    (6.0, 4.0)
    """
    return _product("vhp", f, primals, cotangents, has_aux)


def ggnvp(
    f: Callable[..., Any],
    loss: Callable[[Any], Any],
    primals: Any,
    tangents: Any,
    *,
    has_aux: bool = False,
) -> Any:
    """Return the product of the generalized Gauss-Newton matrix of ``loss(f(x))`` with a vector.

    The matrix is ``J^T H J``, with J the Jacobian of f and H the Hessian of the loss in the output
    of f: the part of the Hessian that is positive semidefinite where the loss is convex (Schraudolph,
    Fast curvature matrix-vector products for second-order gradient descent, 2002; Martens, Deep
    learning via Hessian-free optimization, 2010). f and the loss are evaluated once.

    Parameters
    ----------
    f : callable
        The model: a function of the primals that gives an array or a pytree of them.
    loss : callable
        A function of what f gives, its one argument, that gives one real number.
    primals, tangents : tuple
        The arguments of f, arrays or pytrees of them, and a vector of the structure and shapes of
        each.
    has_aux : bool
        Whether f gives a pair, of which the second part does not go to the loss.

    Returns
    -------
    pytree
        A product for each argument: a tuple, or for one argument the product itself; with `has_aux`
        a pair of that and the auxiliary output.

    Raises
    ------
    GradientError, ShapeError, DTypeError
        If the loss is no single real number, or the vector does not fit the arguments.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> f, loss = lambda x: x**2, lambda y: 0.5 * (y**2).sum()
    >>> dualad.ggnvp(f, loss, (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 4., 16.])
    """
    trees.check_function("ggnvp", loss, " as the loss")
    trees.check_tuples("ggnvp", primals, tangents)
    tape, aux = taped("ggnvp", f, tuple(primals), has_aux)
    forward = tape.transposed()
    moved = forward.gradients(forward.fitted(tuple(tangents), "tangent"), retain=False)
    moving = [i for i, node in enumerate(tape.nodes) if node is not None]

    def of_moving(parts: list[Any]) -> Any:
        outputs = list(tape.outputs)
        for i, part in zip(moving, parts, strict=True):
            outputs[i] = part
        return loss(trees.unflatten(tape.structure, outputs))

    above, _ = taped("ggnvp: loss", of_moving, ([tape.outputs[i] for i in moving],))
    curved = recorded_gradient(above).gradients(moved, retain=False)
    cotangents: list[Any] = [None] * len(tape.nodes)
    for i, part in zip(moving, curved, strict=True):
        cotangents[i] = part
    product = tape.as_given(tape.gradients(cotangents, retain=False))
    return _for_arguments(product, aux, has_aux)


def recorded_gradient(tape: Tape) -> Tape:
    """Return the tape from the gradient of a function of one real number back to its arguments."""
    return tape.recorded([unit(tape)])


def _product(name: str, f: Any, primals: Any, vector: Any, has_aux: bool) -> Any:
    trees.check_tuples(name, primals, vector)
    tape, aux = taped(name, f, tuple(primals), has_aux)
    gradient = recorded_gradient(tape)
    product = gradient.gradients(gradient.fitted(tuple(vector), "vector"), retain=False)
    return _for_arguments(gradient.as_given(product), aux, has_aux)


def _for_arguments(product: Any, aux: Any, has_aux: bool) -> Any:
    """Return a tuple of products, or the only one, with the auxiliary output if there is one."""
    result = product[0] if len(product) == 1 else product
    return (result, aux) if has_aux else result
