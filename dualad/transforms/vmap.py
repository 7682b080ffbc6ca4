"""A function of one example, applied to all examples of a batch at once: `vmap`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from operator import index
from typing import Any

import numpy as np
import optree

from ..backends.registry import BY_TYPE, DTYPES
from ..batching import into
from ..engine.dataclasses import NAMESPACE
from ..engine.draws import Draws, noting, replaying
from ..engine.modes import BATCHES, batches
from ..engine.namespace import ops
from ..engine.node import Batch, fresh_level
from ..engine.operands import PYTHON_SCALARS, plain_array, snapshot, type_name
from ..engine.tensor import Tensor, batches_of
from ..engine.views import take_back
from ..errors import AxisError, BatchError, DTypeError, ShapeError
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
        If f looks at a value, makes an array whose shape depends on values, writes values that differ
        between examples into a Tensor from outside, or gives such where `out_axes` is None.
    TypeError, ValueError
        If one of these arguments is not what it must be.

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
    if not callable(f):
        raise TypeError(f"vmap: expected a function, got {type_name(f)}")
    in_axes = in_axes if in_dims is None else in_dims
    out_axes = out_axes if out_dims is None else out_dims
    check_randomness("vmap", randomness)
    axis_size = checked_count("vmap: axis_size", axis_size, 0)
    chunk_size = checked_count("vmap: chunk_size", chunk_size, 1)

    @functools.wraps(f, updated=())
    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = trees.flatten(args)
        axes = _axes_of(
            "in_axes", tuple(in_axes) if isinstance(in_axes, list) else in_axes, args, len(leaves)
        )
        moved = [_examples_first(x, a) for x, a in zip(leaves, axes, strict=True)]
        size = _size(moved, axes, axis_size)
        mapped = [x for x, a in zip(leaves, axes, strict=True) if a is not None] or leaves
        run = functools.partial(_run, f, structure, kwargs, out_axes, mapped, randomness)
        if chunk_size is None or chunk_size >= size:
            return run(moved, axes, size)
        return _in_chunks(run, moved, axes, size, chunk_size, out_axes, randomness == "same")

    return batched


def check_randomness(name: str, randomness: Any) -> None:
    """Raise ValueError unless it is one of those that `vmap` knows."""
    if randomness not in ("error", "different", "same"):
        raise ValueError(f"{name}: randomness must be 'error', 'different' or 'same', got {randomness!r}")


def checked_count(name: str, value: Any, least: int) -> int | None:
    """Return a number of examples that the user named, in a transform's argument of that name."""
    if value is None:
        return None
    try:
        n = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer or None, got {value!r}") from None
    if n < least:
        raise ValueError(f"{name} must be at least {least}, got {n}")
    return n


def _run(
    f: Any, structure: Any, kwargs: Any, out_axes: Any, mapped: Any, randomness: str, moved: Any, axes: Any,
    size: int,
) -> Any:  # fmt: skip
    """Call f at a level of its own, and let nothing of that level stay behind."""
    batch = Batch(fresh_level(), size, randomness)
    around = batches()
    try:
        BATCHES.set((*around, batch))
        result = _applied(f, structure, kwargs, out_axes, mapped, moved, axes, batch)
    finally:
        batch.ended = True  # first of all: Ctrl-C may come before the next line
        BATCHES.set(around)
        left = take_back(batch)
    if left:
        raise BatchError(
            "vmap: values that differ between examples were written into a Tensor, of shape "
            f"{tuple(left[0].shape)}, that outlives the call, where they mean nothing; it has its old value "
            "back. Write to a Tensor made inside the function, or return what is to be written"
        )
    return result


def _applied(
    f: Any, structure: Any, kwargs: Any, out_axes: Any, mapped: Any, moved: Any, axes: Any, batch: Batch
) -> Any:
    """Call f with the examples along the first axis of what has them; put them in place in the results."""
    inputs = [_own(x) if a is None else into(x, batch) for x, a in zip(moved, axes, strict=True)]
    out = f(*trees.unflatten(structure, inputs), **{name: _all_own(x) for name, x in kwargs.items()})
    results, out_structure = trees.flatten(out)
    places = _axes_of("out_axes", out_axes, out, len(results))
    return trees.unflatten(
        out_structure, [_result(y, a, batch, mapped) for y, a in zip(results, places, strict=True)]
    )


def _own(x: Any) -> Any:
    """Return an argument that is the same for all examples; an array as a Tensor of f's own, to write to.

    An index that differs between examples cannot read a NumPy array, and reads a Tensor.
    """
    if isinstance(x, Tensor):
        return snapshot(x)
    if BY_TYPE[type(x)] is None or type(x) in PYTHON_SCALARS or isinstance(x, np.generic):
        return x
    try:
        return _shared(x)
    except DTypeError:
        return x  # of strings or objects, or masked


def _all_own(tree: Any) -> Any:
    """Return an argument by keyword likewise; one without arrays is the very same object."""
    leaves, structure = trees.flatten(tree)
    own = [_own(x) for x in leaves]
    return tree if all(a is b for a, b in zip(own, leaves, strict=True)) else trees.unflatten(structure, own)


def _in_chunks(
    run: Any, moved: Any, axes: Any, size: int, chunk: int, out_axes: Any, same_numbers: bool
) -> Any:
    """Run chunk by chunk, and join what they give along the axes of the examples."""
    parts: list[Any] = []
    draws = Draws()
    for start in range(0, size, chunk):
        stop = min(start + chunk, size)
        some = [x if a is None else x[start:stop] for x, a in zip(moved, axes, strict=True)]
        with (replaying(draws) if parts else noting(draws)) if same_numbers else nullcontext():
            parts.append(run(some, axes, stop - start))
    results, structure = trees.flatten(parts[0])
    places = _axes_of("out_axes", out_axes, parts[0], len(results))
    columns = zip(*(trees.flatten(p)[0] for p in parts), strict=True)
    joined = [c[0] if a is None else _joined(c, a) for c, a in zip(columns, places, strict=True)]
    return trees.unflatten(structure, joined)


def _joined(parts: Any, axis: int) -> Any:
    tensors = [ops.asarray(p) for p in parts]
    return trees.like_inputs(ops.concat(tensors, axis=axis), [parts[0]])


# -- axes --------------------------------------------------------------------------------------------


def _axes_of(name: str, axes: Any, tree: Any, leaves: int | None = None) -> list[int | None]:
    """Return the axis of each leaf of a tree, from a pytree of axes that has its structure or its beginning.

    `leaves` is how many leaves the tree has, if that is known.

    Raises
    ------
    TypeError
        If what stands for a leaf is neither an integer nor None.
    ShapeError
        If the structures do not fit.
    """
    if axes is None or (isinstance(axes, (int, np.integer)) and not isinstance(axes, bool)):
        n = len(trees.flatten(tree)[0]) if leaves is None else leaves
        return [axes if axes is None else int(axes)] * n
    if type(axes) is type(tree) is tuple and len(axes) == len(tree):
        return [a for w, c in zip(axes, tree, strict=True) for a in _axes_of(name, w, c)]
    if optree.tree_is_leaf(axes, namespace=NAMESPACE):
        raise TypeError(f"vmap: {name} must be an integer or None, or a pytree of them, got {axes!r}")
    wanted, kinds, _, _ = optree.tree_flatten_one_level(axes, none_is_leaf=True, namespace=NAMESPACE)
    if optree.tree_is_leaf(tree, none_is_leaf=True, namespace=NAMESPACE):
        raise ShapeError(f"vmap: {name} has {axes!r} for {type_name(tree)}, which has no parts")
    children, entries, _, _ = optree.tree_flatten_one_level(tree, none_is_leaf=True, namespace=NAMESPACE)
    if len(wanted) != len(children) or kinds != entries:
        parts = "one part" if len(children) == 1 else f"{len(children)} parts"
        raise ShapeError(
            f"vmap: {name} has {axes!r} for {type_name(tree)} of {parts}; it must be an integer or None for "
            "all of them, or have one for each part"
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
    tensor = x if isinstance(x, Tensor) else _shared(x)
    if not -len(x.shape) <= axis < len(x.shape):
        raise AxisError(f"vmap: in_axes names axis {axis} of an argument of shape {tuple(x.shape)}")
    return ops.moveaxis(tensor, axis, 0) if axis % len(x.shape) else tensor


def _shared(x: Any) -> Tensor:
    """Return an array as a Tensor, without a copy: nobody writes to it while `vmap` runs."""
    plain = plain_array(x)
    backend = BY_TYPE[type(plain)]
    if backend is None:
        return ops.asarray(plain)
    DTYPES[plain.dtype]  # refuses object arrays and strings
    return Tensor(backend.guarded(lambda array: array, "vmap")(plain))


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


def _place(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise AxisError(
            f"vmap: out_axes names axis {axis} of a result of {ndim} axes, the examples' among them"
        )
    return axis


# -- results -----------------------------------------------------------------------------------------


def _result(y: Any, axis: int | None, batch: Batch, mapped: list[Any]) -> Any:
    """Return a result without this level, with the axis of examples in its place, as the arguments are."""
    if batch not in batches_of(y):
        return trees.like_inputs(y, mapped) if axis is None else _repeated(y, axis, batch, mapped)
    if axis is None:
        raise BatchError(
            f"vmap: out_axes is None for a result, of shape {y.shape}, that differs between examples"
        )
    if y._node is not batch:
        raise BatchError("vmap: a result is from inside another transform, which has ended")
    whole = y._value.value
    whole = whole if isinstance(whole, Tensor) else Tensor(_owned(whole, mapped))
    whole = ops.moveaxis(whole, 0, _place(axis, whole.ndim)) if axis else whole
    return trees.like_inputs(whole, mapped)


def _repeated(y: Any, axis: int, batch: Batch, mapped: list[Any]) -> Any:
    """Return a result that is the same for all examples once for each."""
    if type(y) in PYTHON_SCALARS and mapped and not any(isinstance(x, Tensor) for x in mapped):
        y = np.asarray(y)  # in double precision, as among arrays
    elif type(y) not in PYTHON_SCALARS and not hasattr(y, "shape"):
        raise BatchError(
            f"vmap: a result is {type_name(y)}, which cannot be put together to one for all examples; give "
            "out_axes=None for it to have it as it is"
        )
    y = ops.asarray(y)
    whole = ops.clone(ops.broadcast_to(y, (batch.size, *y.shape)))
    return trees.like_inputs(ops.moveaxis(whole, 0, _place(axis, whole.ndim)), mapped)


def _owned(array: Any, mapped: list[Any]) -> Any:
    """Return an array that shares no memory with an argument."""
    if isinstance(array, np.generic):
        return array
    backend = BY_TYPE[type(array)]
    assert backend is not None
    if backend.owns_memory(array) and not any(array is x for x in mapped):
        return array
    return backend.copy(array)
