"""What a tracked Tensor carries beside its value: a Node of the tape, or a Dual's tangent.

A Tensor is *of a level*: that of its node, or the ground if it has none. Levels are tags from a
counter. Plain Tensors that require grad are of level `GROUND`; each transform takes a fresh level,
so nothing has to be put back when one ends, however it ends, and two nested derivatives can
never be mistaken for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any
from weakref import ref

from .hooks import Hooks, RemovableHandle, hooks_of, register
from .namespace import ops

GROUND = 0

#: A level of its own for each transform: higher than all that are open around it.
fresh_level: Callable[[], int] = count(GROUND + 1).__next__

# A node's number is higher than those of the nodes it depends on: walking back in falling order
# meets each node after all its consumers.
_next_number = count().__next__


class Node:
    """One application of an op, as the reverse walk needs it.

    Attributes
    ----------
    op : Op
        The op that was applied.
    level : int
        The level of its result.
    number : int
        Its place in the order of creation.
    parents : tuple of (Node or None)
        The node of each argument that is tracked at this level.
    saved : tuple of (tuple or None), or None
        For each argument, the values its map reads; None once they are freed.
    static : dict
        The op's keyword arguments.
    shape, dtype
        Those of the result, which its cotangent takes.
    hooks : Hooks or None
        What is called when the walk passes.
    stream : object
        Where a backend has streams, the one that the op went to; not there if that is the default.
    """

    stream: Any

    # `_metadata` is not there before it is asked for, `stream` only where the op went to one that is
    # not the default: most nodes live without.
    __slots__ = (
        "__weakref__", "_metadata", "dtype", "hooks", "level", "number", "op", "parents", "saved", "shape",
        "static", "stream",
    )  # fmt: skip

    def __init__(
        self, op: Any, level: int, parents: Any, saved: Any, static: Any, shape: Any, dtype: Any
    ) -> None:
        self.op = op
        self.level = level
        self.parents = parents
        self.saved = saved
        self.static = static
        self.shape = shape
        self.dtype = dtype
        self.hooks: Hooks | None = None
        self.number = _next_number()

    def name(self) -> str:
        """Return the node's name in PyTorch's style, such as ``"MulBackward0"``."""
        return f"{self.op.node_name}Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes of the op's arguments, each with the number of the output it used."""
        return tuple(_edge(p) for p in self.parents)

    def register_hook(self, hook: Callable[[Any, Any], Any]) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` whenever this node has been walked.

        Both are tuples of Tensors, with None where no gradient is wanted or has come. The hook may
        return a tuple to take the place of `grad_inputs`.

        Examples
        --------
        >>> import dualad
        >>> x = dualad.ones(2, requires_grad=True)
        >>> y = x.clone()
        >>> handle = y.grad_fn.register_hook(lambda grad_inputs, grad_outputs: (grad_outputs[0] * 2,))
        >>> y.sum().backward()
        >>> x.grad
        tensor([2., 2.])
        """
        self._tend()
        return register(hooks_of(self).post, hook)

    def register_prehook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` whenever this node is about to be walked.

        It may return a tuple to take the place of `grad_outputs`.

        Examples
        --------
        >>> import dualad
        >>> x = dualad.ones(2, requires_grad=True)
        >>> y = x.clone()
        >>> handle = y.grad_fn.register_prehook(lambda grad_outputs: (grad_outputs[0] * 3,))
        >>> y.sum().backward()
        >>> x.grad
        tensor([3., 3.])
        """
        self._tend()
        return register(hooks_of(self).pre, hook)

    def _tend(self) -> None:
        """Have the walk take its general step here."""
        if type(self) is Node:
            self.__class__ = Tended

    # What the op saved, by PyTorch's names for its first and second argument and its result.
    _saved_self = property(lambda self: ops.saved_value(self, 0))
    _saved_other = _saved_exponent = property(lambda self: ops.saved_value(self, 1))
    _saved_result = property(lambda self: ops.saved_value(self, -1))

    @property
    def metadata(self) -> dict[str, Any]:
        """What others keep with the node; anomaly mode and the profiler keep ``"line"`` here."""
        try:
            return self._metadata
        except AttributeError:
            self._metadata: dict[str, Any] = {}
            return self._metadata

    @property
    def line(self) -> str | None:
        """The line of the user's program that made the node, if an observer has looked on."""
        line = self.metadata.get("line") if hasattr(self, "_metadata") else None
        return None if line is None else str(line)


class Tended(Node):
    """A node that is not walked in the usual way: others have hooks on it, or keep what it saved.

    A Node is turned into one by giving it this class, which has no attributes of its own: so the
    usual way has nothing to ask. Its ``saved`` may be a `Packed`.
    """

    __slots__ = ()

    @property
    def saved(self) -> Any:
        """What the node saved; fetched, where another has it."""
        return saved_by(self)

    @saved.setter
    def saved(self, value: Any) -> None:
        _SAVED.__set__(self, value)


_SAVED: Any = Node.__dict__["saved"]


class Packed:
    """What a node saved, in the keeping of another; `unpack` fetches it."""

    __slots__ = ("unpack",)

    def __init__(self, unpack: Callable[[], Any]) -> None:
        self.unpack = unpack


def saved_by(node: Node) -> Any:
    """Return what a node saved; fetched, where another has it."""
    kept = _SAVED.__get__(node)
    return kept.unpack() if type(kept) is Packed else kept


def is_freed(node: Node) -> bool:
    """Return whether what a node saved has been freed."""
    return _SAVED.__get__(node) is None


def is_packed(node: Node) -> bool:
    """Return whether another keeps what a node saved."""
    return type(_SAVED.__get__(node)) is Packed


def keep_for(node: Node, unpack: Callable[[], Any]) -> None:
    """Take what a node saved out of its keeping: `unpack` fetches it when it is needed."""
    if type(node) is Node:
        node.__class__ = Tended
    _SAVED.__set__(node, Packed(unpack))


class CallNode(Tended):
    """The application of a function with a rule of its own, which pulls to all arguments at once.

    Its op has a method ``pull(node, cotangents, differentiable)``. It is given a list with a cotangent for
    each output (arrays; Tensors where the pass is differentiated or above the first level; None for an
    output, of several, that none has reached), and gives a list with one, or None, for each parent. Its
    method ``attribute(node, name)`` gives, or raises, for names that the node does not have itself.
    """

    __slots__ = ()

    def name(self) -> str:
        """Return what the function with the rule is called."""
        return str(self.op.node_name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.op.attribute(self, name)


class Leaf(Node):
    """Where a derivative ends: a Tensor that requires grad, or the input of a transform.

    ``box()`` is where the gradient goes; None where there is no Tensor, any more, to ask for it.
    """

    __slots__ = ("box",)

    def __init__(self, level: int, shape: Any, dtype: Any, box: GradBox | None = None) -> None:
        super().__init__(None, level, (), (), None, shape, dtype)
        self.box: Callable[[], GradBox | None] = _no_box if box is None else ref(box)

    def name(self) -> str:
        return "AccumulateGrad"

    @property
    def variable(self) -> Any:
        """The Tensor whose gradient ends here; None if there is none, any more."""
        box = self.box()
        return None if box is None else box.owner()


class Output(Node):
    """One output of an op that has several; its parent is the node of the op."""

    __slots__ = ("index",)

    def __init__(self, node: Node, index: int, shape: Any, dtype: Any) -> None:
        super().__init__(node.op, node.level, (node,), (), None, shape, dtype)
        self.index = index

    def name(self) -> str:
        """Return the name of the node whose output it is."""
        return str(self.parents[0].name())

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        return self.parents[0].next_functions


def _no_box() -> None:
    return None


def _edge(parent: Node | None) -> tuple[Node | None, int]:
    return (parent.parents[0], parent.index) if type(parent) is Output else (parent, 0)


class GradBox:
    """Where a Tensor's ``.grad`` is kept.

    The Tensor holds it and its node knows it weakly, so that a gradient with a history, which
    leads back to that node, makes no reference cycle. `retains` is the hook that puts the gradient
    of a Tensor that is no leaf here, if its user has asked for that.
    """

    __slots__ = ("__weakref__", "grad", "owner", "retains")

    def __init__(self, owner: Any) -> None:
        self.owner: Callable[[], Any] = ref(owner)
        self.grad: Any = None
        self.retains: Any = None


class _InferenceBox:
    """Stands for the box of a Tensor that was made in inference mode, until it needs one."""

    grad = retains = None


INFERENCE = _InferenceBox()


class DualLevel(int):
    """A level of forward mode that its user ends: the tangents of that level are then gone.

    Attributes
    ----------
    ended : bool
        Whether it has ended.
    given : dict
        The Tensors that the user has given as tangents, with what was taken of them, by its identity.
    owner : object
        Who ends it, if that is a context manager.
    """

    ended = False
    owner: Any = None

    def __init__(self, level: int) -> None:
        self.given: dict[int, Any] = {}


class TransposedLevel(int):
    """A level at which a pullback is taped as the linear function it is, so that it can be transposed."""


class Dual:
    """The forward-mode counterpart of a Node: a level and the tangent of a value at that level."""

    __slots__ = ("level", "tangent")

    def __init__(self, level: int, tangent: Any) -> None:
        self.level = level
        self.tangent = tangent


class Batch:
    """What a Tensor carries that has a value for each of several examples: `vmap`'s level and their number.

    All Tensors of one `vmap` share it.

    Attributes
    ----------
    level, size : int
        The level, and the number of examples.
    randomness : {"error", "different", "same"}
        Whether random numbers may be drawn, and whether they differ between examples.
    ended : bool
        Whether the `vmap` is over: nothing can be done with its values then.
    written : list
        What Tensors were before they were given values of this `vmap`; `views.take_back` looks at it.
    """

    __slots__ = ("ended", "level", "randomness", "size", "written")

    def __init__(self, level: int, size: int, randomness: str = "error") -> None:
        self.level, self.size, self.randomness = level, size, randomness
        self.ended = False
        self.written: list[Any] = []


class Batched:
    """The value of a Tensor of a Batch: the examples' values along the first axis of one array.

    Its shape is that of one example, so that who asks a Tensor sees the program of one example.

    Attributes
    ----------
    value : array or Tensor of a lower level
        Of shape ``(batch.size, *shape)``.
    batch : Batch
        Which `vmap` it belongs to.
    """

    __slots__ = ("batch", "value")

    def __init__(self, value: Any, batch: Batch) -> None:
        self.value, self.batch = value, batch

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.value.shape[1:]

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self.value.dtype


class Standin:
    """The shape and dtype of an array that is never made.

    A Differential's rule is linear in its tangent; taped over a stand-in of the tangent, with no
    arithmetic spent on it, it yields its own adjoint.
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = tuple(shape), dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)
