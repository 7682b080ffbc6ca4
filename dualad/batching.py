"""How ops act on a batch: the reading of an op that `vmap` takes.

At a level of `vmap` a Tensor's value is `Batched`: the values of all examples in one array, whose
first axis counts them. An op then acts on all of them at once, by a rule of one of these kinds:

    broadcast     along its leading axes, as functions of elements and of matrices do by themselves
    along         its keywords name axes, which are one further back
    loop          example by example, for want of anything better; it says so once

A rule is called with the op, the number of examples, the op's arguments (`Batched` ones, and others
that are the same for all examples) and its keywords, and returns the result, or a tuple of results,
with the examples along the first axis. It computes with `op.below`, so that what is below may have
levels of its own: `vmap` nests, and is differentiated, like everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from .engine.lines import warn_user
from .engine.node import Batch, Batched
from .engine.shapes import shape_of
from .engine.tensor import Tensor
from .errors import BatchError

Rule = Callable[[Any, int, Any, dict[str, Any]], Any]


class BatchLoopWarning(UserWarning):
    """An op under `vmap` is computed example by example, as it has no better way."""


def into(value: Any, batch: Batch) -> Tensor:
    """Return a value with the examples along its first axis as a Tensor of one example."""
    if isinstance(value, Tensor):
        value._refresh()
        value = value._value if value._node is None else value
    return Tensor(Batched(value, batch), batch)


def is_batched(x: Any) -> bool:
    """Whether a Tensor has a value for each example of a `vmap`, at whatever level."""
    while isinstance(x, Tensor):
        x = x._value
    return type(x) is Batched


# -- arguments in the form that a rule needs -------------------------------------------------------


def physical(v: Any) -> Any:
    """Return the array of all examples; of what is the same for all, itself."""
    return v.value if type(v) is Batched else v


def aligned(v: Any, ndim: int) -> Any:
    """Return the array of all examples with the axes of one example filled up, in front, to `ndim`."""
    if type(v) is not Batched:
        return v
    size, *shape = v.value.shape
    missing = ndim - len(shape)
    return reshaped(v.value, (size, *[1] * missing, *shape)) if missing > 0 else v.value


def _ndim(v: Any) -> int:
    """Return the number of axes of one example, or of what is the same for all."""
    return len(v.value.shape) - 1 if type(v) is Batched else len(shape_of(v))


def spread(v: Any, size: int) -> Any:
    """Return the array of all examples, also of what is the same for all of them."""
    if type(v) is Batched:
        return v.value
    return apply("broadcast_to", v, shape=(size, *v.shape))


def example(v: Any, i: int) -> Any:
    """Return the value of one example."""
    return apply("getitem", v.value, key=i) if type(v) is Batched else v


def apply(name: str, x: Any, **static: Any) -> Any:
    """Call an op of one array, or Tensor of a lower level; arrays give arrays."""
    return REGISTRY[name].below(x, **static)


def reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    """Return an array, or a Tensor of a lower level, in another shape."""
    return apply("reshape", x, shape=shape)


#: Every op, by name. It stands here, below the ops, for the rules that need others.
REGISTRY: dict[str, Any] = {}

# -- the kinds of rules ----------------------------------------------------------------------------


def broadcast(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Batch a function of elements, or of the matrices in the last axes: leading axes broadcast."""
    if len(values) == 1:
        return op.below(values[0].value, **static)
    if len(values) == 2 and type(values[0]) is type(values[1]) is Batched:
        a, b = values[0].value, values[1].value
        if len(a.shape) == len(b.shape):
            return op.below(a, b, **static)
    ndim = max([_ndim(v) for v in values])
    return op.below(*[aligned(v, ndim) for v in values], **static)


def along(*names: str) -> Rule:
    """Return a rule for an op whose keywords `names` are axes, counted from the front.

    Several arguments are of equal shapes, up to what is the same for all examples.
    """

    def rule(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
        moved = {name: _further_back(static[name]) for name in names}
        arrays = [v.value if type(v) is Batched else spread(v, size) for v in values]
        return op.below(*arrays, **{**static, **moved})

    return rule


def _further_back(axis: Any) -> Any:
    return tuple(a + 1 for a in axis) if isinstance(axis, tuple) else axis + 1


def over_all_or_along(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Batch a search over one axis, or, where that is None, over all elements as a vector."""
    (x,) = values
    if static["axis"] is not None:
        return op.below(x.value, **{**static, "axis": static["axis"] + 1})
    y = op.below(reshaped(x.value, (size, prod(x.shape))), **{**static, "axis": 1, "keepdims": False})
    return reshaped(y, (size, *[1] * len(x.shape))) if static["keepdims"] else y


def loop(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Batch any op, example by example."""
    if not size:
        raise BatchError(f"vmap: {op.name} is computed example by example, and there is none")
    tell(
        op.name,
        f"vmap: {op.name} has no rule for batches and is computed example by example, which is slow; give it "
        "one, batch=..., from dualad.batching",
    )
    results = [op.below(*(example(v, i) for v in values), **static) for i in range(size)]
    if type(results[0]) is tuple:
        return tuple(_stacked(parts) for parts in zip(*results, strict=True))
    return _stacked(results)


def tell(name: str, message: str) -> None:
    """Warn, once and at the line of the user's program, of what is slow."""
    if name in _told:
        return
    _told.add(name)
    warn_user(message, BatchLoopWarning)


def _stacked(parts: Any) -> Any:
    return REGISTRY["stack"].below(*parts, axis=0)


_told: set[str] = set()


def data_dependent(op: Any, size: int, values: Any, static: dict[str, Any]) -> Any:
    """Refuse: the result's shape differs from example to example."""
    raise BatchError(
        f"vmap: the shape of what {op.name} gives depends on the values, and may differ between examples; "
        "use dualad.where, which keeps the shape"
    )
