"""Whole derivatives: Jacobians and Hessians, all directions at once.

A function is evaluated once: on a tape, along which the unit vectors of its outputs are pulled back, a
batch of them together; or on dual numbers whose tangents are the batch of the inputs' unit vectors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import prod
from typing import Any

from ..backends.registry import DTYPES
from ..engine.fit import zeros
from ..engine.namespace import ops
from ..engine.operands import type_name
from ..engine.tensor import Tensor, wrap
from ..errors import GradientError
from ..levels import standin
from . import trees
from .forward import push
from .reverse import of_arguments
from .tape import Inputs, Tape, taped
from .vmap import check_randomness, checked_count, vmap

#: A Jacobian as a list for each output, with a block for each input: a Tensor of the shape of the
#: output followed by that of the input.
Blocks = list[list[Any]]


def jacrev(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
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
    chunk_size : int, optional
        How many rows (columns) to compute at once, which bounds the memory; all if None.

    Returns
    -------
    callable
        It takes the arguments of f. The Jacobian of an output of shape ``s`` in an argument of shape
        ``t`` has the shape ``s + t``; for pytrees it is a pytree like the output, of pytrees like
        the argument; for several `argnums` there is a tuple of such in their place. With `has_aux`
        it is the first of a pair, with the auxiliary output.

    Raises
    ------
    TypeError, ValueError
        If f cannot be called, or `chunk_size` is no positive integer.
    GradientError
        When called, if an output is complex and `holomorphic` not set: see `vjp` and `jacfwd`; if it is
        of an integer dtype, or no array and no number.
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
    return _jacobian("jacrev", f, argnums, has_aux, holomorphic, rows, chunk_size)


def jacfwd(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "same",
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of f by forward mode, which is best for few inputs.

    The parameters and the layout are those of `jacrev`. Arguments must be real unless
    `holomorphic`; outputs may be complex. f is evaluated once (for each chunk), its tangents those of
    all columns at once. `randomness`, as for `vmap`, says what random numbers drawn in f do; the
    default is that they are the same for all columns; if they are "different", each column is that of
    another function, and there is no auxiliary output.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jacfwd(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    several = isinstance(argnums, (tuple, list))
    chunk_size = _checked("jacfwd", f, chunk_size)
    check_randomness("jacfwd", randomness)
    if has_aux and randomness == "different":
        raise ValueError(
            "jacfwd: with randomness='different' each column has an auxiliary output of its own; leave out "
            "has_aux, or take randomness='same'"
        )

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen, primals, places = of_arguments("jacfwd", f, argnums, args, kwargs)
        inputs = Inputs("jacfwd", primals, holomorphic, argnums=places)
        _check_real(inputs, inputs.values, "arguments")
        if holomorphic:
            trees.check_complex(inputs.values, "jacfwd", "is for complex arguments")
        outputs, blocks, structure, aux = _pushed_at_once(inputs, chosen, has_aux, chunk_size, randomness)
        _check_outputs("jacfwd", outputs, structure)
        if holomorphic:
            trees.check_complex(outputs, "jacfwd", "is for functions that give complex numbers")
        jacobians = [_for_arguments(inputs, row, several) for row in blocks]
        result = trees.unflatten(structure, jacobians)
        return (result, inputs.returned(aux)) if has_aux else result

    return differentiated


def jacobian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
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
    return _jacobian("jacobian", f, argnums, has_aux, holomorphic, fewer, chunk_size)


def hessian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
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
    chunk_size = _checked("hessian", f, chunk_size)

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen, primals, places = of_arguments("hessian", f, argnums, args, kwargs)
        tape, aux = taped("hessian", chosen, primals, has_aux, holomorphic, places)
        _check_outputs("hessian", tape.outputs, tape.structure)
        first = rows(tape, chunk_size, record=True)
        second = iter(rows(Tape(tape.inputs, first), chunk_size))
        hessians = []
        for row in first:
            of_each = [_for_arguments(tape.inputs, next(second), several) for _ in row]
            hessians.append(_chosen(tape.inputs, of_each, several))
        result = trees.unflatten(tape.structure, hessians)
        return (result, aux) if has_aux else result

    return differentiated


def _jacobian(
    name: str, f: Any, argnums: Any, has_aux: bool, holomorphic: bool, blocks: Any, chunk_size: int | None
) -> Callable[..., Any]:
    several = isinstance(argnums, (tuple, list))
    chunk_size = _checked(name, f, chunk_size)

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen, primals, places = of_arguments(name, f, argnums, args, kwargs)
        tape, aux = taped(name, chosen, primals, has_aux, holomorphic, places)
        _check_outputs(name, tape.outputs, tape.structure)
        jacobians = [_for_arguments(tape.inputs, row, several) for row in blocks(tape, chunk_size)]
        result = trees.unflatten(tape.structure, jacobians)
        return (result, aux) if has_aux else result

    return differentiated


def _checked(name: str, f: Any, chunk_size: Any) -> int | None:
    """Return the size of the chunks, if it is one and f a function."""
    trees.check_function(name, f)
    return checked_count(f"{name}: chunk_size", chunk_size, 1)


def _check_outputs(name: str, outputs: list[Any], structure: Any) -> None:
    """Raise GradientError unless a function gave arrays of floating dtypes, or Python's numbers."""
    for i, y in enumerate(outputs if outputs or structure.type is not type(None) else [None]):
        if trees.is_differentiable(y) or (isinstance(y, (int, float, complex)) and not isinstance(y, bool)):
            continue
        path = trees.path_of(structure, i) if outputs else ""
        got = str(DTYPES[y.dtype]) if hasattr(y, "dtype") else type_name(y)
        raise GradientError(
            f"{name}: the function must give arrays of floating dtypes, got {got}{path and ' at ' + path}; "
            "with has_aux=True it can give (output, aux), and anything as aux"
        )


def _for_arguments(inputs: Inputs, row: list[Any], several: bool) -> Any:
    """Return the blocks of an output as a pytree like the arguments, each of its argument's kind."""
    parts = [trees.like_inputs(wrap(b), [leaf]) for b, leaf in zip(row, inputs.given, strict=True)]
    return _chosen(inputs, parts, several)


def _chosen(inputs: Inputs, parts: list[Any], several: bool) -> Any:
    arguments = trees.unflatten(inputs.structure, parts)
    return arguments if several else arguments[0]


def rows(tape: Tape, chunk_size: int | None = None, record: bool = False) -> Blocks:
    """Return a Jacobian by pulling back each element of the outputs; recorded if asked for."""
    _check_real(tape.inputs, tape.outputs, "outputs")
    return _rows(tape, chunk_size, record)


def columns(tape: Tape, chunk_size: int | None = None) -> Blocks:
    """Return a Jacobian by pushing on each element of the inputs, along the transpose of the tape."""
    _check_real(tape.inputs, tape.inputs.values, "arguments")
    transposed = _rows(tape.transposed(), chunk_size)
    blocks, moving = [], 0
    for y, node in zip(tape.outputs, tape.nodes, strict=True):
        if node is None:
            blocks.append([_nothing(y, value) for value in tape.inputs.values])
            continue
        blocks.append([_behind(of_input[moving], len(y.shape)) for of_input in transposed])
        moving += 1
    return blocks


def fewer(tape: Tape, chunk_size: int | None = None) -> Blocks:
    """Return a Jacobian by rows or columns, whichever are fewer; complex outputs have no rows."""
    outputs, values = tape.outputs, tape.inputs.values
    if not tape.inputs.transposes and any(map(trees.is_complex, outputs)):
        return columns(tape, chunk_size)
    if not tape.inputs.transposes and any(map(trees.is_complex, values)):
        return rows(tape, chunk_size)
    few_rows = sum(map(_count, outputs)) <= sum(map(_count, values))
    return (rows if few_rows else columns)(tape, chunk_size)


def _rows(tape: Tape, chunk_size: int | None, record: bool = False) -> Blocks:
    blocks = []
    for i, (y, node) in enumerate(zip(tape.outputs, tape.nodes, strict=True)):
        if node is None or not prod(y.shape):
            blocks.append([_nothing(y, value) for value in tape.inputs.values])
            continue

        def pull(g: Any, i: int = i) -> list[Any]:
            cotangents: list[Any] = [None] * len(tape.nodes)
            cotangents[i] = g
            return tape.gradients(cotangents, record=record)

        if y.shape:
            n = prod(y.shape)
            units = _shaped(ops.eye(n, dtype=y.dtype, device=y.device), (n, *y.shape))
            pulled = vmap(pull, chunk_size=chunk_size)(units)
            blocks.append([_shaped(p, (*y.shape, *p.shape[1:])) for p in pulled])
        else:
            blocks.append(pull(trees.ones_like(y)))
    return blocks


def _pushed_at_once(
    inputs: Inputs, f: Callable[..., Any], has_aux: bool, chunk_size: int | None, randomness: str
) -> tuple[list[Any], Blocks, Any, Any]:
    """Evaluate f with a batch of unit vectors as tangents.

    Returns
    -------
    tuple
        The leaves of the result, of which arrays have lost their elements; its Jacobian, its structure, and
        its auxiliary output or None.
    """
    values = [wrap(v) for v in inputs.values]
    counts = [_count(v) for v in values]
    starts = [sum(counts[:k]) for k in range(len(counts))]
    n = sum(counts)
    units = [
        _shaped(ops.eye(n, count, k=-start, dtype=v.dtype, device=v.device), (n, *v.shape))
        for v, count, start in zip(values, counts, starts, strict=True)
    ]

    def of_units(units: list[Any]) -> Any:
        results, moved, structure, aux = push(inputs.name, f, inputs.values, units, inputs.structure, has_aux)
        moving = [i for i, t in enumerate(moved) if t is not None]
        results = [standin(y) if isinstance(y, Tensor) else y for y in results]  # these may differ, if random
        return results, moving, [moved[i] for i in moving], structure, aux

    out_axes = (None, None, 0, None, None)
    batched = vmap(of_units, 0, out_axes, randomness, axis_size=n, chunk_size=chunk_size)
    outputs, moving, moved, structure, aux = batched(units)
    blocks = [[_nothing(y, v) for v in inputs.values] for y in outputs]
    for i, t in zip(moving, moved, strict=True):
        for k, (v, count, start) in enumerate(zip(values, counts, starts, strict=True)):
            if count:
                block = t if count == n else t[start : start + count]
                blocks[i][k] = _behind(_shaped(block, (*v.shape, *t.shape[1:])), t.ndim - 1)
    return outputs, blocks, structure, aux


def _nothing(y: Any, value: Any) -> Any:
    """Return the block of an output that does not depend on an input, or has no elements."""
    return zeros((*getattr(y, "shape", ()), *value.shape), value.dtype, beside=value)


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else ops.reshape(x, shape)


def _behind(block: Any, ndim: int) -> Any:
    """Return a block with its last `ndim` axes in front."""
    axes = range(len(block.shape))
    return ops.permute_dims(block, (*axes[len(axes) - ndim :], *axes[: len(axes) - ndim]))


def _count(value: Any) -> int:
    return prod(getattr(value, "shape", ()))


def _check_real(inputs: Inputs, values: list[Any], what: str) -> None:
    if not inputs.transposes and any(map(trees.is_complex, values)):
        raise GradientError(
            f"{inputs.name}: complex {what} have no single derivative; pass holomorphic=True if the "
            "function is analytic, or use dualad.vjp or dualad.jvp"
        )
