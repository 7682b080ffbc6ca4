"""Whole derivatives: Jacobians and Hessians.

A function is evaluated once, on a tape; then the unit vectors of its outputs are pulled back along it.
Columns of the Jacobian are rows of its transpose, which has a tape as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import prod
from typing import Any

from ..engine.fit import zeros
from ..engine.namespace import ops
from ..engine.tensor import wrap
from ..errors import GradientError
from . import trees
from .reverse import of_arguments
from .tape import Tape, taped

#: A Jacobian as a list for each output, with a block for each input: a Tensor of the shape of the
#: output followed by that of the input.
Blocks = list[list[Any]]


def jacrev(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of f by reverse mode, which is best for few outputs.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    argnums : int or tuple of int
        Which positional arguments to differentiate in.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.
    holomorphic : bool
        Give the derivatives of complex analysis: f is analytic, its arguments and outputs are
        complex. Whether f is analytic is not checked.

    Returns
    -------
    callable
        It takes the arguments of f. The Jacobian of an output of shape ``s`` in an argument of shape
        ``t`` has the shape ``s + t``; for pytrees it is a pytree like the output, of pytrees like
        the argument; for several `argnums` there is a tuple of such in their place. With `has_aux`
        it is the first of a pair, with the auxiliary output.

    Raises
    ------
    GradientError
        When called, if an output is complex and `holomorphic` not set: see `vjp` and `jacfwd`.
    DTypeError
        When called, if an argument to differentiate in is not of a floating dtype, or not complex
        although `holomorphic`.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jacrev(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """
    return _jacobian("jacrev", f, argnums, has_aux, holomorphic, rows)


def jacfwd(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of f by columns, which is best for few inputs.

    The parameters and the layout are those of `jacrev`. Arguments must be real unless
    `holomorphic`; outputs may be complex.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jacfwd(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian("jacfwd", f, argnums, has_aux, holomorphic, columns)


def jacobian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of f, by rows or columns, whichever are fewer.

    The parameters and the layout are those of `jacrev`. Arguments or outputs must be real unless
    `holomorphic`.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jacobian(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    return _jacobian("jacobian", f, argnums, has_aux, holomorphic, fewer)


def hessian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the second derivatives of f: the Jacobian of its Jacobian.

    The parameters are those of `jacrev`. For an output of shape ``s`` and arguments of shapes ``t``
    and ``u`` there is an array of shape ``s + t + u``; a pytree of arguments gives a pytree of
    pytrees, several `argnums` a tuple of tuples.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    several = isinstance(argnums, (tuple, list))

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen, primals = of_arguments("hessian", f, argnums, args, kwargs)
        tape, aux = taped("hessian", chosen, primals, has_aux, holomorphic)
        first = rows(tape, record=True)
        second = iter(rows(Tape(tape.inputs, first)))
        hessians = []
        for row in first:
            of_each = [_for_arguments(tape, next(second), several) for _ in row]
            hessians.append(_chosen(tape, of_each, several))
        result = trees.unflatten(tape.structure, hessians)
        return (result, aux) if has_aux else result

    return differentiated


def _jacobian(
    name: str, f: Any, argnums: Any, has_aux: bool, holomorphic: bool, blocks: Callable[[Tape], Blocks]
) -> Callable[..., Any]:
    several = isinstance(argnums, (tuple, list))

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen, primals = of_arguments(name, f, argnums, args, kwargs)
        tape, aux = taped(name, chosen, primals, has_aux, holomorphic)
        jacobians = [_for_arguments(tape, row, several) for row in blocks(tape)]
        result = trees.unflatten(tape.structure, jacobians)
        return (result, aux) if has_aux else result

    return differentiated


def _for_arguments(tape: Tape, row: list[Any], several: bool) -> Any:
    """Return the blocks of an output as a pytree like the arguments, each of its argument's kind."""
    parts = [trees.like_inputs(wrap(b), [leaf]) for b, leaf in zip(row, tape.inputs.given, strict=True)]
    return _chosen(tape, parts, several)


def _chosen(tape: Tape, parts: list[Any], several: bool) -> Any:
    arguments = trees.unflatten(tape.inputs.structure, parts)
    return arguments if several else arguments[0]


def rows(tape: Tape, record: bool = False) -> Blocks:
    """Return a Jacobian by pulling back each element of the outputs; recorded if asked for."""
    _check_real(tape, tape.outputs, "outputs")
    return _rows(tape, record)


def columns(tape: Tape) -> Blocks:
    """Return a Jacobian by pushing on each element of the inputs."""
    _check_real(tape, tape.inputs.values, "arguments")
    transposed = _rows(tape.transposed())
    blocks, moving = [], 0
    for y, node in zip(tape.outputs, tape.nodes, strict=True):
        if node is None:
            blocks.append([_nothing(y, value) for value in tape.inputs.values])
            continue
        blocks.append([_behind(of_input[moving], len(y.shape)) for of_input in transposed])
        moving += 1
    return blocks


def fewer(tape: Tape) -> Blocks:
    """Return a Jacobian by rows or columns, whichever are fewer; complex outputs have no rows."""
    outputs, values = tape.outputs, tape.inputs.values
    if not tape.inputs.transposes and any(map(trees.is_complex, outputs)):
        return columns(tape)
    if not tape.inputs.transposes and any(map(trees.is_complex, values)):
        return rows(tape)
    return rows(tape) if _count(outputs) <= _count(values) else columns(tape)


def _rows(tape: Tape, record: bool = False) -> Blocks:
    blocks = []
    for i, (y, node) in enumerate(zip(tape.outputs, tape.nodes, strict=True)):
        if node is None or not prod(y.shape):
            blocks.append([_nothing(y, value) for value in tape.inputs.values])
            continue

        def pull(g: Any, i: int = i) -> list[Any]:
            cotangents: list[Any] = [None] * len(tape.nodes)
            cotangents[i] = g
            return tape.gradients(cotangents, record=record)

        blocks.append(_of_units(pull, y))
    return blocks


def _of_units(pull: Callable[[Any], list[Any]], y: Any) -> list[Any]:
    """Return what a linear function gives for all unit vectors of y's space, their axes in front."""
    if not y.shape:
        return pull(trees.ones_like(y))
    n = prod(y.shape)
    units = ops.reshape(ops.eye(n, dtype=y.dtype, device=y.device), (n, *y.shape))
    pulled = zip(*(pull(units[i]) for i in range(n)), strict=True)
    stacked = [ops.stack([wrap(p) for p in parts]) for parts in pulled]
    return [ops.reshape(s, (*y.shape, *s.shape[1:])) for s in stacked]


def _nothing(y: Any, value: Any) -> Any:
    """Return the block of an output that does not depend on an input, or has no elements."""
    return zeros((*getattr(y, "shape", ()), *value.shape), value.dtype, beside=value)


def _behind(block: Any, ndim: int) -> Any:
    """Return a block with its last `ndim` axes in front."""
    axes = range(len(block.shape))
    return ops.permute_dims(block, (*axes[len(axes) - ndim :], *axes[: len(axes) - ndim]))


def _count(values: list[Any]) -> int:
    return sum(prod(getattr(v, "shape", ())) for v in values)


def _check_real(tape: Tape, values: list[Any], what: str) -> None:
    if not tape.inputs.transposes and any(map(trees.is_complex, values)):
        raise GradientError(
            f"{tape.inputs.name}: complex {what} have no single derivative; pass holomorphic=True if the "
            "function is analytic, or use dualad.vjp or dualad.jvp"
        )
