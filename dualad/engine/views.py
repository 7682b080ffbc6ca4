"""Views: Tensors that share their elements, so that writing to one reaches the others.

A Tensor is a handle on a value, and values never change. So
a view is not a piece of memory. It is a handle that knows how it is seen from a *root*: a list of
steps, each of which can be taken forward (`Step.see`) and written back through (`Step.write`).
Writing to any of the handles gives the root a new value; the others notice by its version, when
next looked at, and take their steps again.

    Storage     the root's value and its version; shared by all that see each other's elements
    Family      the root's node; `x.detach()` and `x.data` share x's storage and begin a family
    Alias       a handle's place: its family, its steps from the root, the version it has seen
"""

from __future__ import annotations

import gc
from sys import getrefcount
from threading import RLock
from typing import Any, Protocol
from weakref import ref

from ..errors import DTypeError, GradientError
from .hooks import hooks_of
from .modes import BATCHES, enable_grad
from .node import GROUND, Batch, Batched, Dual, Leaf
from .recording import RECORDING
from .tensor import Tensor, batches_of, check_write, grad_box, is_tracked, of_class, without_history


class Step(Protocol):
    """One step from a Tensor to a view of it, such as an index or a reshape."""

    def see(self, base: Tensor) -> Tensor:
        """Return the view of `base`."""

    def write(self, base: Tensor, view: Tensor) -> Tensor:
        """Return `base` with what the view shows replaced by `view`."""


class Storage:
    """A root's value, shared by every handle that sees its elements."""

    __slots__ = ("__weakref__", "value", "version")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.version = 0


class Family:
    """The handles that share a storage and a history."""

    __slots__ = ("__weakref__", "node", "storage")

    def __init__(self, storage: Storage, node: Any) -> None:
        self.storage = storage
        self.node = node

    def root(self) -> Tensor:
        value, node = self.storage.value, self.node
        # The root's value is of the level below its node; without a node only the value is left.
        return _bare(value) if node is None else Tensor(value, node)


class Alias:
    """A handle's place among those that share its elements."""

    __slots__ = ("family", "steps", "version")

    def __init__(self, family: Family, steps: tuple[Step, ...]) -> None:
        self.family = family
        self.steps = steps
        self.version = family.storage.version

    def refresh(self, handle: Tensor) -> None:
        """Bring the handle up to date with its root, if that has been written to."""
        storage = self.family.storage
        if self.version == storage.version:
            return
        with _lock, enable_grad():
            view = self.family.root()
            for step in self.steps:
                view = step.see(view)
            give(handle, view._value, view._node)
            self.version = storage.version

    def write(self, handle: Tensor, new: Tensor) -> None:
        """Write a new value of the whole view, through its steps, to the root."""
        with _lock:
            base, bases = self.family.root(), []
            for step in self.steps:
                bases.append(base)
                base = step.see(base)
            for step, base in zip(reversed(self.steps), reversed(bases), strict=True):
                new = step.write(base, new)
            storage = self.family.storage
            storage.value, self.family.node = _accept(new, self.family.node)
            storage.version += 1
            self.refresh(handle)


# Writes and refreshes touch several fields; ops on up-to-date handles take no lock.
_lock = RLock()


def _accept(new: Tensor, node: Any) -> tuple[Any, Any]:
    """Return the value and node of a handle on `node` that is given the value of `new`.

    Where nothing is recorded the history stays as it was: an optimizer's step changes a
    parameter's value and it remains the same leaf.
    """
    if new._node is not None or RECORDING.get() or type(node) is Batch:
        return new._value, new._node
    return new._value, node


def give(handle: Tensor, value: Any, node: Any) -> None:
    """Give a handle a value and its node; if it retains its gradient, that is now the new one's."""
    box = handle._box
    if box is None or box.retains is None:
        handle._value, handle._node = value, node
        return
    old, new = _reverse_node(handle._value, handle._node), _reverse_node(value, node)
    handle._value, handle._node = value, node
    if new is old or Batch in (type(new), type(old)):
        return
    old.hooks.retained.remove(box.retains)
    if new is None:
        box.retains = None
    else:
        hooks_of(new).retained.append(box.retains)


def _reverse_node(value: Any, node: Any) -> Any:
    """Return the node of reverse mode below the tangents of a value."""
    while type(node) is Dual:
        value, node = (value._value, value._node) if type(value) is Tensor else (value, None)
    return node


def assign(handle: Tensor, new: Tensor) -> None:
    """Give a handle a new value, and all that share its elements theirs."""
    check_write(handle._value if handle._alias is None else handle._alias.family.storage.value, new)
    if BATCHES.get():
        _remember(handle, new)
    if handle._alias is None:
        give(handle, *_accept(new, handle._node))
    else:
        handle._alias.write(handle, new)


def _place(x: Tensor) -> Alias:
    if x._alias is None:
        with _lock:
            if x._alias is None:
                x._alias = Alias(Family(Storage(x._value), x._node), ())
    return x._alias


def link(view: Tensor, x: Tensor, step: Step) -> Tensor:
    """Make `view`, which is ``step.see(x)`` and no one else's, a view of x; return it."""
    place = _place(x)
    family = place.family
    if view._node is None and x._node is not None:  # made where nothing is recorded
        family = Family(family.storage, None)
    view._alias = Alias(family, (*place.steps, step))
    return view


def detach(x: Tensor) -> Tensor:
    """Return a Tensor that shares the elements of x and nothing of its history."""
    place = _place(x)
    place.refresh(x)  # a view of it may have been written to since it was last looked at
    y = of_class(without_history(x), type(x))
    y._alias = Alias(Family(place.family.storage, None), place.steps)
    return y


def unshare(x: Tensor) -> None:
    """Take x out of its place among others where there are none left, all its views being gone.

    Not inside a `vmap`, which knows by that place which Tensors are still there when it ends.
    """
    place = x._alias
    if place is not None and not place.steps and _sharers(place) == _ALONE and not BATCHES.get():
        place.refresh(x)
        x._alias = None


def _sharers(place: Alias) -> tuple[int, int]:
    return getrefcount(place.family), getrefcount(place.family.storage)


#: What `_sharers` gives when only one handle sees the storage: counted, as interpreters differ.
_ALONE = _sharers(Alias(Family(Storage(None), None), ()))


def same_view(view: Tensor, x: Tensor, same_step: Any) -> bool:
    """Whether `view` is, up to date, what one step from x shows: writing it there does nothing."""
    a, b = view._alias, x._alias
    return (
        a is not None
        and b is not None
        and a.family is b.family
        and a.version == a.family.storage.version
        and len(a.steps) == len(b.steps) + 1
        and a.steps[:-1] == b.steps
        and same_step(a.steps[-1])
    )


def require_grad(x: Tensor, requires_grad: bool = True) -> Tensor:
    """Set whether ops on x are recorded from now on; return x. See `Tensor.requires_grad_`."""
    x._refresh()
    if requires_grad:
        x._check_single("requires_grad_()")
    if requires_grad and not x.dtype.is_differentiable:
        raise DTypeError(
            "only Tensors of floating point and complex dtype can require gradients, "
            f"got {x.dtype}; convert with .to(dualad.float32) first"
        )
    if requires_grad and x._node is None:
        _begin(x, Leaf(GROUND, x.shape, x._value.dtype, grad_box(x)))
    elif not requires_grad and is_tracked(x):
        if not x.is_leaf:
            raise GradientError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        _begin(x, None)
    return x


def forget_history(x: Tensor) -> Tensor:
    """Make x a leaf that requires no grad; return it. See `Tensor.detach_`."""
    bare = without_history(x)
    _begin(x, bare._node)
    x._value = bare._value
    return x


# -- writing inside a vmap ---------------------------------------------------------------------------
# A value that differs between examples means nothing outside. Whether a handle it was written into is
# from outside shows when the vmap ends: by being still there.


def _remember(handle: Tensor, new: Tensor) -> None:
    """Note what a handle is that is about to be given the values of a `vmap` it has none of yet."""
    # A view may have values of it by its index alone, and its root none.
    before = batches_of(handle if handle._alias is None else handle._alias.family.root())
    for batch in batches_of(new):
        if batch not in before:
            family = _place(handle).family
            batch.written.append((ref(family.storage), ref(family), family.storage.value, family.node))


def take_back(batch: Batch) -> list[Any]:
    """Give what outlives a `vmap`, and has values of it, what it had before; return these values."""
    if all(storage() is None for storage, *_ in batch.written):
        return []
    gc.collect()  # what is there by a cycle of references alone is not seen by anybody
    left = []
    for seen, of, value, node in batch.written:
        storage, family = seen(), of()
        if storage is not None:
            storage.value = value
            storage.version += 1
            if family is not None:
                family.node = node
            left.append(value)
    return left


def _bare(value: Any) -> Tensor:
    """Return a root's value as a Tensor without history."""
    if type(value) is Batched:
        return without_history(Tensor(value, value.batch))
    return without_history(value) if type(value) is Tensor else Tensor(value)


def _begin(x: Tensor, node: Any) -> None:
    """Give x another history (a leaf, or none) and leave its other views with theirs."""
    x._node = node
    place = x._alias
    if place is not None:
        # A view that becomes a leaf is a root from now on: what is written to it is its own.
        own_root = bool(place.steps) and node is not None
        x._alias = None if own_root else Alias(Family(place.family.storage, node), place.steps)
