"""Whole derivatives: Jacobians and Hessians, and their products with vectors.

A function is evaluated once and linearized; then one direction at a time is pulled back or pushed on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import prod
from typing import Any

from ..engine.fit import zeros
from ..engine.namespace import ops
from ..engine.tensor import Tensor
from ..errors import GradientError
from . import trees
from .forward import jvp
from .reverse import argument_places, grad, vjp


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Return ``f(*primals)`` and the function that pushes tangents on from there.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    *primals : pytree of arrays or numbers
        Where to linearize.

    Returns
    -------
    tuple
        ``(f(*primals), push)``. ``push(*tangents)`` gives the tangent of the output, without
        evaluating f again: it is the transpose of the pullback, which is linear.

    Raises
    ------
    DTypeError
        If a primal is not of a floating dtype.

    Examples
    --------
    >>> import dualad
    >>> y, push = dualad.linearize(lambda x: x**3, 2.0)
    >>> y, push(1.0), push(0.5)
    (8.0, 12.0, 6.0)
    """
    y, pullback = vjp(f, *primals)
    return y, _transposed(pullback, y)


def _transposed(pullback: Callable[..., Any], y: Any) -> Callable[..., Any]:
    """Return the transpose of a pullback, taped once: a function of tangents."""
    leaves, structure = trees.flatten(y)
    _, transpose = vjp(pullback, trees.unflatten(structure, [_zeros_like(leaf) for leaf in leaves]))
    return lambda *tangents: transpose(tangents)[0]


def jacrev(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of f, a row at a time by reverse mode.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    argnums : int or tuple of int
        Which positional arguments to differentiate in.

    Returns
    -------
    callable
        It takes the arguments of f. The Jacobian of an output of shape ``s`` in an argument of shape
        ``t`` has the shape ``s + t``; for pytrees it is a pytree like the output, of pytrees like
        the argument; for several `argnums` there is a tuple of such in their place.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jacrev(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """
    return _jacobian("jacrev", f, argnums, _rows)


def jacfwd(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of f, a column at a time; see `jacrev`.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jacfwd(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian("jacfwd", f, argnums, _columns)


def jacobian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of f, by rows or columns, whichever are fewer.

    The parameters and the layout are those of `jacrev`.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jacobian(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    return _jacobian("jacobian", f, argnums, _fewer)


def hessian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives the Hessian of a real function; see `jacrev` for its layout.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacrev(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """Return the product of the Hessian of a real function with a vector, forward over reverse.

    Parameters
    ----------
    f : callable
        A function that gives one real number.
    primals, tangents : tuple
        The arguments of f, and a direction for each.

    Returns
    -------
    pytree
        A product for each argument: a tuple, or for one argument the product itself.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    if not isinstance(primals, (tuple, list)):
        raise TypeError("hvp: primals must be a tuple, of as many parts as f has arguments: (x,)")
    argnums: Any = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), tuple(primals), tangents)[1]


def elementwise_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives the derivative of each element of f's result, summed over them.

    For a function that maps element by element that is its derivative.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.elementwise_grad(np.square)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    return grad(lambda *args, **kwargs: ops.sum(f(*args, **kwargs)), argnums)


def stop_gradient(tree: Any) -> Any:
    """Return a pytree of the same values, which no derivative, of whatever level, goes through.

    Examples
    --------
    >>> import dualad
    >>> dualad.grad(lambda x: x * dualad.stop_gradient(x))(3.0)
    3.0
    """
    leaves, structure = trees.flatten(tree)
    return trees.unflatten(structure, [ops.detach(x) if type(x) is Tensor else x for x in leaves])


def _jacobian(name: str, f: Any, argnums: Any, build: Any) -> Callable[..., Any]:
    several = isinstance(argnums, (tuple, list))

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        places = argument_places(name, argnums, len(args))

        def of_wanted(*chosen: Any) -> Any:
            filled = list(args)
            for n, part in zip(places, chosen, strict=True):
                filled[n] = part
            return f(*filled, **kwargs)

        primals = tuple(args[n] for n in places)
        y, pullback = vjp(of_wanted, *primals)
        return build(name, y, pullback, primals, several)

    return differentiated


def _fewer(name: str, y: Any, pullback: Any, primals: Any, several: bool) -> Any:
    rows, columns = (sum(prod(_shape(leaf)) for leaf in trees.flatten(tree)[0]) for tree in (y, primals))
    return (_rows if rows <= columns else _columns)(name, y, pullback, primals, several)


def _rows(name: str, y: Any, pullback: Any, primals: Any, several: bool) -> Any:
    """Pull back each element of the output."""
    outputs, structure = trees.flatten(y)
    inputs, in_structure = trees.flatten(primals)
    nothing = [_zeros_like(leaf) for leaf in outputs]
    jacobians = []
    for i, leaf in enumerate(outputs):
        pulled = [
            trees.flatten(pullback(trees.unflatten(structure, [*nothing[:i], one, *nothing[i + 1 :]])))[0]
            for one in _basis(name, leaf)
        ]
        shape = _shape(leaf)
        parts = [_gathered([row[k] for row in pulled], shape, x, 0) for k, x in enumerate(inputs)]
        jacobians.append(_for_arguments(in_structure, parts, several))
    return trees.unflatten(structure, jacobians)


def _columns(name: str, y: Any, pullback: Any, primals: Any, several: bool) -> Any:
    """Push on each element of the arguments."""
    inputs, in_structure = trees.flatten(primals)
    outputs, structure = trees.flatten(y)
    push = _transposed(pullback, y)
    nothing = [_zeros_like(x) for x in inputs]
    pushed = [
        [
            trees.flatten(push(*trees.unflatten(in_structure, [*nothing[:i], one, *nothing[i + 1 :]])))[0]
            for one in _basis(name, x)
        ]
        for i, x in enumerate(inputs)
    ]
    if not all(pushed):  # an argument without elements: the shapes are all there is
        return _rows(name, y, pullback, primals, several)
    jacobians = []
    for k in range(len(outputs)):
        columns = [[column[k] for column in of_input] for of_input in pushed]
        parts = [_gathered(c, _shape(x), x, -1) for c, x in zip(columns, inputs, strict=True)]
        jacobians.append(_for_arguments(in_structure, parts, several))
    return trees.unflatten(structure, jacobians)


def _gathered(parts: list[Any], shape: tuple[int, ...], like: Any, axis: int) -> Any:
    """Return the rows (axis 0) or columns (-1) of a Jacobian as one array, of the kind of an argument."""
    if not parts:
        x = ops.asarray(like)
        stacked = ops.zeros((0, *x.shape), dtype=x.dtype, device=x.device)
    else:
        stacked = ops.stack([ops.asarray(p) for p in parts], axis=axis)
    rest = stacked.shape[1:] if axis == 0 else stacked.shape[:-1]
    whole = ops.reshape(stacked, (*shape, *rest) if axis == 0 else (*rest, *shape))
    return trees.like_inputs(whole, [like])


def _for_arguments(structure: Any, parts: list[Any], several: bool) -> Any:
    arguments = trees.unflatten(structure, parts)
    return arguments if several else arguments[0]


def _basis(name: str, leaf: Any) -> Any:
    """Yield the unit vectors of a leaf's space, each as a leaf of its kind."""
    x = ops.asarray(leaf)
    if x.dtype.is_complex:
        raise GradientError(f"{name}: complex arguments and outputs have no single Jacobian; use vjp or jvp")
    for i in range(prod(x.shape)):
        one = ops.zeros(prod(x.shape), dtype=_dtype(leaf), device=x.device)
        one[i] = 1.0
        yield trees.like_inputs(ops.reshape(one, x.shape), [leaf])


def _zeros_like(leaf: Any) -> Any:
    if isinstance(leaf, float):
        return 0.0
    return ops.zeros_like(leaf) if type(leaf) is Tensor else zeros(leaf.shape, leaf.dtype, beside=leaf)


def _shape(leaf: Any) -> tuple[int, ...]:
    return tuple(getattr(leaf, "shape", ()))


def _dtype(leaf: Any) -> Any:
    return "float64" if isinstance(leaf, float) else ops.asarray(leaf).dtype
