"""What a node of the tape knows of hooks: functions of the user's that a reverse walk calls as it passes.

At each node the order is PyTorch's:

1. the hooks of its Tensor, then what keeps the Tensor's gradient (`retain_grad`);
2. the node's prehooks;
3. the node itself is walked; if it is a leaf, the gradient is added to the Tensor's ``.grad``;
4. for a leaf, the hooks that wait for that;
5. the node's hooks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from threading import Lock, RLock
from typing import Any
from weakref import ref

_next_id = count().__next__


class RemovableHandle:
    """What registering a hook gives: ``remove()`` takes the hook away, as does leaving a ``with``.

    Attributes
    ----------
    id : int
        A number of this hook's own.
    """

    def __init__(self, hooks: OrderedDict[int, Any]) -> None:
        self.id = _next_id()
        self._hooks = ref(hooks)

    def remove(self) -> None:
        """Take the hook away; again does nothing."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Hooks:
    """The hooks on a node, each kind in the order of registration.

    Attributes
    ----------
    tensor : OrderedDict
        Those of its Tensor, ``hook(gradient)``, which may return another gradient.
    retained : list
        What keeps the gradient of a Tensor that is no leaf.
    pre : OrderedDict
        The node's prehooks, ``hook(grad_outputs)``.
    accumulated : OrderedDict
        Those of a leaf, called without arguments when its ``.grad`` is set.
    post : OrderedDict
        The node's hooks, ``hook(grad_inputs, grad_outputs)``.
    lock : RLock
        Held from when a leaf's ``.grad`` is added to until its hooks have run: they see the gradient
        whole, also where other threads walk to the same leaf.
    """

    __slots__ = ("accumulated", "lock", "post", "pre", "retained", "tensor")

    def __init__(self) -> None:
        self.tensor: OrderedDict[int, Callable[[Any], Any]] = OrderedDict()
        self.pre: OrderedDict[int, Callable[[Any], Any]] = OrderedDict()
        self.post: OrderedDict[int, Callable[[Any, Any], Any]] = OrderedDict()
        self.accumulated: OrderedDict[int, Callable[[], Any]] = OrderedDict()
        self.retained: list[Any] = []
        self.lock = RLock()

    def __len__(self) -> int:
        return sum(map(len, (self.tensor, self.retained, self.pre, self.accumulated, self.post)))


_making = Lock()


def hooks_of(node: Any) -> Hooks:
    """Return the hooks of a node, made on first use."""
    with _making:
        if node.hooks is None:
            node.hooks = Hooks()
        hooks: Hooks = node.hooks
    return hooks


def register(hooks: OrderedDict[int, Any], hook: Callable[..., Any]) -> RemovableHandle:
    """Add a hook to those of its kind; return its handle."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
