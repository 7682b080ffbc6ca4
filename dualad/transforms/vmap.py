"""A function of one example, applied to all examples of a batch at once: `vmap`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from ..backends.registry import BY_TYPE
from ..batching import into
from ..engine.modes import BATCHES
from ..engine.namespace import ops
from ..engine.node import Batch, fresh_level
from ..engine.operands import PYTHON_SCALARS, plain_array, type_name
from ..engine.tensor import Tensor
from ..errors import AxisError, BatchError, ShapeError
from . import trees


def vmap(
    f: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    randomness: str = "error",
    *,
    axis_size: int | None = None,
    chunk_size: int | None = None,
    in_dims: Any = None,
    out_dims: Any = None,
) -> Callable[..., Any]:
    """Return a function that applies f to all examples of a batch at once.

    Inside f an argument looks like one example: its axis of examples is gone. Each op computes all
    examples in one call. `vmap` nests, and can stand inside and outside of all other transforms.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    in_axes : int, None, or a pytree of such
        Which axis of each argument counts the examples; None for what is the same for all. One for all
        arguments, or a tuple with one for each, which for a pytree may be a pytree of that structure
        or of its beginning.
    out_axes : int, None, or a pytree of such
        Where that axis is put in the results; None for what is the same for all examples.
    randomness : {"error", "different", "same"}
        Whether random numbers drawn inside f may be, and whether they differ between examples.
    axis_size : int, optional
        The number of examples, if no argument tells it.
    chunk_size : int, optional
        How many examples to compute at once, which bounds the memory; all if None.
    in_dims, out_dims
        PyTorch's names of `in_axes` and `out_axes`.

    Returns
    -------
    callable
        It takes the arguments of f; those by keyword are the same for all examples.

    Raises
    ------
    AxisError
        When called, if an argument has no such axis.
    ShapeError
        If arguments differ in the number of examples, or none tells it.
    BatchError
        If f looks at a value, makes an array whose shape depends on values, or gives a result that
        differs between examples where `out_axes` is None.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> norms = dualad.vmap(dualad.linalg.vector_norm)
    >>> norms(np.array([[3.0, 4.0], [6.0, 8.0]]))
    array([ 5., 10.])
    >>> gradients = dualad.vmap(dualad.grad(lambda w, x: (w * x) ** 2), in_axes=(None, 0))
    >>> gradients(1.0, np.array([1.0, 2.0]))
    array([2., 8.])
    """
    in_axes = in_axes if in_dims is None else in_dims
    out_axes = out_axes if out_dims is None else out_dims
    if randomness not in ("error", "different", "same"):
        raise ValueError(f"vmap: randomness must be 'error', 'different' or 'same', got {randomness!r}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: chunk_size must be at least 1, got {chunk_size}")

    @functools.wraps(f, updated=())
    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = trees.flatten(args)
        axes = _axes_of("in_axes", tuple(in_axes) if isinstance(in_axes, list) else in_axes, args)
        moved = [_examples_first(x, a) for x, a in zip(leaves, axes, strict=True)]
        size = _size(moved, axes, axis_size)
        run = functools.partial(_run, f, structure, kwargs, out_axes, leaves, randomness)
        if chunk_size is None or chunk_size >= size:
            return run(moved, axes, size)
        return _in_chunks(run, moved, axes, size, chunk_size, out_axes)

    return batched


def _run(
    f: Any, structure: Any, kwargs: Any, out_axes: Any, given: Any, randomness: str, moved: Any, axes: Any,
    size: int,
) -> Any:  # fmt: skip
    """Call f with the examples along the first axis of what has them, at a level of their own."""
    batch = Batch(fresh_level(), size, randomness)
    inputs = [x if a is None else into(x, batch) for x, a in zip(moved, axes, strict=True)]
    token = BATCHES.set((*BATCHES.get(), batch))
    try:
        out = f(*trees.unflatten(structure, inputs), **kwargs)
    finally:
        BATCHES.reset(token)
    results, out_structure = trees.flatten(out)
    places = _axes_of("out_axes", out_axes, out)
    mapped = [x for x, a in zip(given, axes, strict=True) if a is not None] or given
    return trees.unflatten(
        out_structure,
        [trees.like_inputs(_result(y, a, batch), mapped) for y, a in zip(results, places, strict=True)],
    )


def _in_chunks(run: Any, moved: Any, axes: Any, size: int, chunk: int, out_axes: Any) -> Any:
    """Run chunk by chunk, and join what they give along the axes of the examples."""
    parts = []
    for start in range(0, size, chunk):
        stop = min(start + chunk, size)
        some = [x if a is None else x[start:stop] for x, a in zip(moved, axes, strict=True)]
        parts.append(run(some, axes, stop - start))
    places = _axes_of("out_axes", out_axes, parts[0])
    columns = zip(*(trees.flatten(p)[0] for p in parts), strict=True)
    joined = [c[0] if a is None else _joined(c, a) for c, a in zip(columns, places, strict=True)]
    return trees.unflatten(trees.flatten(parts[0])[1], joined)


def _joined(parts: Any, axis: int) -> Any:
    tensors = [ops.asarray(p) for p in parts]
    return trees.like_inputs(ops.concat(tensors, axis=axis), [parts[0]])


def _axes_of(name: str, axes: Any, tree: Any) -> list[int | None]:
    """Return the axis of each leaf of a tree, from a pytree of axes that has its structure or its beginning.

    Raises
    ------
    TypeError
        If what stands for a leaf is neither an integer nor None.
    ShapeError
        If the structures do not fit.
    """
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        return [axes] * len(trees.flatten(tree)[0])
    if optree.tree_is_leaf(axes):
        raise TypeError(f"vmap: {name} must be integers or None, or pytrees of them, got {axes!r}")
    wanted, kinds, _, _ = optree.tree_flatten_one_level(axes, none_is_leaf=True)
    if optree.tree_is_leaf(tree, none_is_leaf=True):
        raise ShapeError(f"vmap: {name} has {axes!r} for {type_name(tree)}, which has no parts")
    children, entries, _, _ = optree.tree_flatten_one_level(tree, none_is_leaf=True)
    if len(wanted) != len(children) or kinds != entries:
        raise ShapeError(
            f"vmap: {name}, {axes!r}, does not have the structure of what it is for: {len(children)} parts"
        )
    return [a for w, c in zip(wanted, children, strict=True) for a in _axes_of(name, w, c)]


def _examples_first(x: Any, axis: int | None) -> Any:
    """Return an argument as a Tensor with its axis of examples in front; one without it as it is."""
    if axis is None:
        return x
    if type(x) in PYTHON_SCALARS or not hasattr(x, "shape"):
        raise AxisError(
            f"vmap: in_axes names axis {axis} of an argument that is {type_name(x)}, which has no axes; give "
            "None for it"
        )
    tensor = x if type(x) is Tensor else _shared(x)
    if not -len(x.shape) <= axis < len(x.shape):
        raise AxisError(f"vmap: in_axes names axis {axis} of an argument of shape {tuple(x.shape)}")
    return ops.moveaxis(tensor, axis, 0) if axis % len(x.shape) else tensor


def _shared(x: Any) -> Tensor:
    """Return an array as a Tensor, without a copy: nobody writes to it while `vmap` runs."""
    plain = plain_array(x)
    return Tensor(plain) if BY_TYPE[type(plain)] is not None else ops.asarray(plain)


def _size(moved: Any, axes: Any, axis_size: int | None) -> int:
    sizes = {x.shape[0] for x, a in zip(moved, axes, strict=True) if a is not None}
    if axis_size is not None:
        sizes.add(axis_size)
    if len(sizes) > 1:
        raise ShapeError(
            "vmap: the arguments must have the same number of examples, got "
            + " and ".join(str(n) for n in sorted(sizes))
        )
    if not sizes:
        raise ShapeError("vmap: in_axes is None for every argument; give axis_size, the number of examples")
    return int(sizes.pop())


def _result(y: Any, axis: int | None, batch: Batch) -> Any:
    """Return a result without this level, with the axis of examples at its place."""
    if type(y) is Tensor:
        y._refresh()
    if type(y) is not Tensor or y._node is not batch:
        if axis is None:
            return y
        y = ops.asarray(y)
        whole = ops.broadcast_to(y, (batch.size, *y.shape))
        return ops.moveaxis(whole, 0, _place(axis, whole.ndim))
    if axis is None:
        raise BatchError(
            f"vmap: out_axes is None for a result, of shape {y.shape}, that differs between examples"
        )
    whole = y._value.value
    whole = whole if type(whole) is Tensor else Tensor(_owned(whole))
    return ops.moveaxis(whole, 0, _place(axis, whole.ndim)) if axis else whole


def _place(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise AxisError(
            f"vmap: out_axes names axis {axis} of a result of {ndim} axes, the examples' among them"
        )
    return axis


def _owned(array: Any) -> Any:
    """Return an array that shares no memory with an argument."""
    if isinstance(array, np.generic):
        return array
    backend = BY_TYPE[type(array)]
    assert backend is not None
    return array if backend.owns_memory(array) else backend.copy(array)
