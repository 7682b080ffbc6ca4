"""The graph of ops behind a Tensor, in PyTorch's form: its nodes, and hooks on what they save and pass on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar, copy_context
from threading import Lock
from typing import Any, Literal
from weakref import WeakKeyDictionary, WeakSet

from ..engine.accumulation import register_hook
from ..engine.gradients import GradientEdge, get_gradient_edge
from ..engine.hooks import RemovableHandle
from ..engine.node import CallNode, Node, keep_for
from ..engine.operands import type_name
from ..engine.recording import observers, observing, set_recording
from ..engine.saving import Keeper, Values, apart, origin, saved_places
from ..engine.tensor import Tensor
from ..engine.walk import Walk, current_walk
from ..errors import ShapeError
from ..transforms.trees import check_function

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks",
    "get_gradient_edge", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip

#: Why hooks on saved Tensors may not be set here: the last reason counts.
_refusals: ContextVar[tuple[str, ...]] = ContextVar("dualad_saved_tensors_hooks_refusals", default=())


class saved_tensors_hooks:
    """Have what ops save for their derivatives packed, and unpacked when a backward pass needs it.

    A context manager, for the ops inside; where several are nested the innermost counts. It changes
    the current thread or async task only.

    Parameters
    ----------
    pack_hook : callable
        Called with each Tensor an op saves, an argument or its result; it may return anything.
    unpack_hook : callable
        Called with that, each time the Tensor is needed; it returns a Tensor of the same shape. The
        derivative is that of the packed Tensor, whatever history this one has.

    Raises
    ------
    RuntimeError
        When entered inside `disable_saved_tensors_hooks`.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 2.0], requires_grad=True)
    >>> with dualad.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), dualad.tensor):
    ...     y = x.exp()
    >>> y.sum().backward()
    >>> x.grad
    tensor([2.7183, 7.3891])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self._mode = observing(_Hooked(pack_hook, unpack_hook))

    def __enter__(self) -> None:
        if refusals := _refusals.get():
            raise RuntimeError(refusals[-1])
        self._mode.__enter__()

    def __exit__(self, *exc: object) -> None:
        self._mode.__exit__(*exc)


class _Hooked(Keeper):
    """Packs what nodes save with a user's hooks."""

    def __init__(self, pack: Callable[[Tensor], Any], unpack: Callable[[Any], Tensor]) -> None:
        self.pack, self.unpack = pack, unpack

    def keep(self, node: Node) -> None:
        if type(node) is Values or isinstance(node, CallNode):
            keep_for(node, self._packed(node.name(), node.saved))
            return
        places = saved_places(node)
        if not places:
            return
        rebuild = {p: self._packed(node.name(), v, origin(node, p)) for p, v in places.items()}
        reads = [None if r is None else m.reads for r, m in zip(node.saved, node.op.maps, strict=False)]

        def unpack() -> tuple[Any, ...]:
            values = {place: build() for place, build in rebuild.items()}
            return tuple(None if r is None else tuple(values[place] for place in r) for r in reads)

        keep_for(node, unpack)

    def _packed(self, name: str, value: Any, node: Node | None = None) -> Callable[[], Any]:
        """Pack the arrays of a saved value; return what unpacks them and puts the value together again."""
        arrays: list[Any] = []
        rebuild = apart(value, arrays)
        tensors = [Tensor(a, node if a is value else None) for a in arrays]
        # In a context of its own: no mode of its stays on, not even if Ctrl-C ends it anywhere.
        packed = copy_context().run(self._pack, tensors)
        shapes = [tuple(t.shape) for t in tensors]
        return lambda: rebuild(self._unpacked(p, s, name) for p, s in zip(packed, shapes, strict=True))

    def _pack(self, tensors: list[Tensor]) -> list[Any]:
        set_recording(False)
        return [self.pack(t) for t in tensors]

    def _unpacked(self, packed: Any, shape: tuple[int, ...], name: str) -> Any:
        tensor = self.unpack(packed)
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type_name(tensor)}, for what {name} saved"
            )
        if tensor.shape != shape:
            raise ShapeError(
                f"saved_tensors_hooks: unpack_hook returned a Tensor of shape {tensor.shape} for what {name} "
                f"saved, which is of shape {shape}"
            )
        return tensor._raw


class save_on_cpu(saved_tensors_hooks):
    """Keep what ops save in the memory of the host, and bring it back when a backward pass needs it.

    Parameters
    ----------
    pin_memory : bool
        There for PyTorch's sake: the copies are the backend's.
    device_type : str
        Likewise: a Tensor goes back to the device it came from.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 2.0], requires_grad=True)
    >>> with dualad.autograd.graph.save_on_cpu():
    ...     y = x.exp()
    >>> y.sum().backward()
    >>> x.grad
    tensor([2.7183, 7.3891])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: (t.device, t.detach().cpu()), lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks(ContextDecorator):
    """Let hooks on saved Tensors raise a RuntimeError of this message: those that are set inside.

    Raises
    ------
    RuntimeError
        Also if hooks are set where this begins.

    Examples
    --------
    >>> import dualad
    >>> with dualad.autograd.graph.disable_saved_tensors_hooks("not here"):
    ...     with dualad.autograd.graph.save_on_cpu():
    ...         pass
    Traceback (most recent call last):
        ...
    RuntimeError: not here
    """

    def __init__(self, error_message: str) -> None:
        self._message = error_message

    def __enter__(self) -> None:
        if any(isinstance(o, _Hooked) for o in observers()):
            raise RuntimeError(self._message)
        _refusals.set((*_refusals.get(), self._message))

    def __exit__(self, *exc: object) -> None:
        _refusals.set(_refusals.get()[:-1])


class _Mutations:
    """What `allow_mutation_on_saved_tensors` gives."""

    def clear(self) -> None:
        """Do nothing: no copies are kept."""


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Mutations]:
    """Do nothing: writing to a Tensor never changes what was saved of it.

    It is there for programs that come from PyTorch.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.ones(2, requires_grad=True)
    >>> with dualad.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = x.clone()
    ...     z = y**2
    ...     _ = y.mul_(10)
    >>> z.sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """
    yield _Mutations()


def register_multi_grad_hook(
    tensors: Sequence[Tensor],
    fn: Callable[[Sequence[Tensor | None]], None] | Callable[[Tensor], None],
    *,
    mode: Literal["all", "any"] = "all",
) -> RemovableHandle:
    """Call a function in each backward pass when several gradients have been computed.

    Parameters
    ----------
    tensors : sequence of Tensors
        Whose gradients to wait for. Those that a pass does not come by are not waited for.
    fn : callable
        Called with the list of gradients, None where there is none, or, if `mode` is "any", with the
        first gradient.
    mode : {"all", "any"}
        Wait for all, or for the first.

    Returns
    -------
    RemovableHandle
        Its ``remove()`` takes the hook away, as does leaving it as a context manager.

    Raises
    ------
    ValueError
        If `mode` is neither.
    TypeError
        If `tensors` is no sequence of Tensors, or `fn` no function.
    GradientError
        If a Tensor does not require grad.

    Examples
    --------
    >>> import dualad
    >>> a, b = (dualad.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    >>> handle = dualad.autograd.graph.register_multi_grad_hook((a, b), print)
    >>> (a * b).backward()
    [tensor(3.), tensor(2.)]
    """
    if mode not in ("all", "any"):
        raise ValueError(
            f"register_multi_grad_hook: Expects mode to be one of ('all', 'any') but got {mode!r}"
        )
    check_function("register_multi_grad_hook", fn)
    if isinstance(tensors, Tensor) or not isinstance(tensors, Iterable):
        raise TypeError(
            f"register_multi_grad_hook: expected a sequence of Tensors, got {type_name(tensors)}; for "
            "one Tensor there is Tensor.register_hook"
        )
    tensors = list(tensors)
    hook = _First(fn) if mode == "any" else _All(tensors, fn)
    handles = []
    try:
        for i, x in enumerate(tensors):
            handles.append(register_hook(x, hook.at(i)))
    except BaseException:
        for handle in handles:
            handle.remove()
        raise
    return _Handles(handles)


class _First:
    """Calls a function with the first gradient of a pass."""

    def __init__(self, fn: Any) -> None:
        self.fn, self.done, self.lock = fn, WeakSet[Walk](), Lock()

    def at(self, i: int) -> Callable[[Tensor], None]:
        return self._arrived

    def _arrived(self, g: Tensor) -> None:
        walk = current_walk()
        assert walk is not None
        with self.lock:
            if walk in self.done:
                return
            self.done.add(walk)
        self.fn(g)


class _All:
    """Calls a function with all gradients of a pass, when the last has come."""

    def __init__(self, tensors: Sequence[Tensor], fn: Any) -> None:
        self.fn, self.lock = fn, Lock()
        self.edges = [get_gradient_edge(x) for x in tensors]
        self.waiting: WeakKeyDictionary[Walk, list[Tensor | None]] = WeakKeyDictionary()

    def at(self, i: int) -> Callable[[Tensor], None]:
        return lambda g: self._arrived(i, g)

    def _arrived(self, i: int, g: Tensor) -> None:
        walk = current_walk()
        assert walk is not None
        with self.lock:
            gradients = self.waiting.setdefault(walk, [None] * len(self.edges))
        gradients[i] = g
        expected = sum(edge.node in walk.reached() for edge in self.edges)
        if sum(a is not None for a in gradients) == expected:
            with self.lock:
                del self.waiting[walk]
            self.fn(gradients)


class _Handles(RemovableHandle):
    """The handles of one hook on several Tensors."""

    def __init__(self, handles: list[RemovableHandle]) -> None:
        self.id, self._handles = handles[0].id if handles else -1, handles

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
