"""Functions that are run a second time when their derivative is needed, in place of what ops saved.

While the function runs, a `_Frame` looks on. When it has ended, its nodes keep nothing: what they
saved is dropped. The first that a walk comes to has the function run again, on the same inputs, with
the same random numbers, and each is handed what its counterpart saved. The graph is the one of the
first run, so derivatives of every order, hooks and transforms are what they are without a checkpoint.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import partial
from threading import RLock
from typing import Any
from weakref import ref

from ..backends.registry import DTYPES
from ..dtypes import get_default_dtype, set_default_dtype
from ..engine.draws import Draws, noting, replaying
from ..engine.modes import BATCHES, RESUMED
from ..engine.node import CallNode, Leaf, Node, fresh_level, is_freed, is_packed, keep_for, saved_by
from ..engine.operands import snapshot
from ..engine.recording import Observer, observers, observing, set_observers
from ..engine.saving import Keeper, Rebuild, Values, apart, keeper
from ..engine.tensor import Tensor, of_class
from ..engine.walk import current_walk
from ..errors import CheckpointError
from . import trees

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]


def checkpoint(f: Callable[..., Any], *, preserve_rng_state: bool = True) -> Callable[..., Any]:
    """Return a function that computes f, and computes it again where its derivative is needed.

    Memory is saved for time: of what f computes on the way nothing is kept, and a backward pass that
    comes to f runs it once more. It can be used inside and outside of all transforms, and within f.

    Parameters
    ----------
    f : callable
        It must do the same when it is run again: what it reads besides its arguments must not be
        written to in the meantime.
    preserve_rng_state : bool
        Draw the same random numbers the second time. It costs a copy of a generator that f draws from.
        Those of `np.random` and `random` are not seen, and differ.

    Raises
    ------
    CheckpointError
        In the backward pass, if f does other things the second time.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> @dualad.checkpoint
    ... def layer(x):
    ...     return np.tanh(np.sin(x) * x)
    >>> dualad.grad(lambda x: layer(layer(x)))(0.0)
    0.0
    """
    trees.check_function("checkpoint", f)
    options = Options(preserve_rng_state=preserve_rng_state)

    @functools.wraps(f, updated=())
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        return run(f, args, kwargs, options)

    return checkpointed


class Options:
    """How a function is run again.

    Parameters
    ----------
    preserve_rng_state : bool
        Whether to draw the same random numbers.
    contexts : tuple of context managers
        One to run it in the first time, one for the other times.
    determinism_check : {"default", "none"}
        Whether to compare what is recorded.
    early_stop : bool
        Whether to stop as soon as all is there that is needed.

    Raises
    ------
    ValueError
        If `determinism_check` is neither.
    """

    def __init__(
        self,
        preserve_rng_state: bool = True,
        contexts: Contexts | None = None,
        determinism_check: str = "default",
        early_stop: bool = True,
    ) -> None:
        if determinism_check not in ("default", "none"):
            raise ValueError(
                "checkpoint: determinism_check should be one of ['default', 'none'], got "
                f"{determinism_check!r}"
            )
        self.preserve_rng_state, self.early_stop = preserve_rng_state, early_stop
        nothing: Contexts = (nullcontext(), nullcontext())
        self.first, self.second = contexts or nothing
        self.checks = determinism_check == "default"


def run(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
    """Return ``f(*args, **kwargs)``, with nodes that keep nothing of what it computes."""
    frame = _Frame(f, args, kwargs, options)
    note = nullcontext() if frame.draws is None else noting(frame.draws)
    try:
        with note, options.first, observing(frame):
            out = f(*args, **kwargs)
    except BaseException:
        if frame in observers():  # Ctrl-C came as the `with` was about to end
            set_observers(tuple(o for o in observers() if o is not frame))
        raise
    frame.close()
    return out


class _Frame(Keeper):
    """A run of a function: the nodes that it recorded, and all that is needed to run it again."""

    def __init__(self, f: Any, args: Any, kwargs: Any, options: Options) -> None:
        self.f, self.options, self.level = f, options, fresh_level()
        leaves, self.structure = trees.flatten((args, kwargs))
        self.inputs = Values([snapshot(x) for x in leaves])  # the user may write to them later
        self.given = {x._node for x in leaves if isinstance(x, Tensor)}
        self.handles = [_Handle(x) for x in self.structure.flatten_up_to((args, kwargs))]
        if (outer := keeper()) is not None:
            outer.keep(self.inputs)
        self.context, self.dtype = copy_context(), get_default_dtype()
        self.draws = Draws() if options.preserve_rng_state else None
        self.nodes: list[ref[Node]] = []
        self.trace: list[_Recorded] = []
        # By number of the node: what puts together what it saved, of how many arrays; what is at hand.
        self.rebuild: dict[int, tuple[Rebuild | None, int]] = {}
        self.fetched: dict[int, Any] = {}
        self.leaves: dict[Leaf, Any] = {}
        self.lock = RLock()

    def keep(self, node: Node) -> None:
        if node.level <= self.level:  # others are of a transform inside f, which walks them itself
            self.nodes.append(ref(node))
            self.trace.append(_recorded(node))

    def close(self) -> None:
        """Take what the nodes have saved out of their keeping: f has ended."""
        for i, node in enumerate(r() for r in self.nodes):
            if node is None:
                continue
            for parent in node.parents:
                if type(parent) is Leaf and parent not in self.given and parent.variable is not None:
                    self.leaves[parent] = _value(parent.variable)
            if is_freed(node) or not (type(node) is Values or node.op.saves):
                continue
            arrays: list[Any] = []
            rebuild = None if isinstance(node, CallNode) else apart(saved_by(node), arrays)
            if rebuild is None or arrays:
                self.rebuild[i] = rebuild, len(arrays)
                keep_for(node, partial(self.unpack, i))

    def unpack(self, i: int) -> Any:
        """Return what a node saved, by running f again if it is not at hand."""
        with self.lock:
            if i not in self.fetched:
                self._run_again()
            found = self.fetched.pop(i)
        walk = current_walk()
        if walk is None:
            self.release()
        else:
            walk.release_at_end(self)
        rebuild = self.rebuild[i][0]
        return found if rebuild is None else rebuild(iter(found))

    def release(self) -> None:
        """Drop what no node has asked for."""
        with self.lock:
            self.fetched.clear()

    def _run_again(self) -> None:
        self.fetched.clear()
        for leaf, value in self.leaves.items():
            if leaf.variable is not None and _value(leaf.variable) is not value:
                raise CheckpointError(
                    f"checkpoint: a leaf Tensor, of shape {tuple(leaf.shape)}, that {self.name()} reads has "
                    "been written to since; call backward first, or pass it as an argument"
                )
        values = zip(self.handles, saved_by(self.inputs), strict=True)
        args, kwargs = trees.unflatten(self.structure, [handle.again(x) for handle, x in values])
        second = _Second(self)
        watching = tuple(o for o in observers() if not isinstance(o, Keeper))
        try:
            # In the modes of the first run; what f sets in this context ends with it.
            self.context.copy().run(self._again, (*watching, second), args, kwargs)
        except _Stop as stop:
            if stop.run is not second:
                raise
        except BaseException as error:
            self.fetched.clear()
            error.add_note(f"This is from running {self.name()} again, as it is under a checkpoint.")
            raise
        second.finish()

    def _again(self, watching: tuple[Observer, ...], args: Any, kwargs: Any) -> None:
        set_observers(watching)
        RESUMED.set(BATCHES.get())
        before = get_default_dtype()
        set_default_dtype(self.dtype)
        try:
            with replaying(self.draws), self.options.second:
                self.f(*args, **kwargs)
        finally:
            set_default_dtype(before)

    def name(self) -> str:
        """Return what f is called."""
        return getattr(self.f, "__qualname__", None) or type(self.f).__name__


class _Handle:
    """The class of an argument, if it is a subclass of Tensor, and its attributes."""

    def __init__(self, x: Any) -> None:
        self.kind = type(x) if isinstance(x, Tensor) else Tensor
        self.attributes = dict(getattr(x, "__dict__", ()) if self.kind is not Tensor else ())

    def again(self, value: Any) -> Any:
        """Return a value as an argument that the function may write to."""
        new = snapshot(value)
        if self.kind is not Tensor:
            new = of_class(new, self.kind)
            for name, attribute in self.attributes.items():
                setattr(new, name, attribute)
        return new


class _Stop(BaseException):
    """Ends a second run, all being there that is needed. No error, so that functions do not catch it."""

    def __init__(self, run: _Second) -> None:
        self.run = run


class _Second(Keeper):
    """A second run of a frame's function: hands the frame what its nodes saved."""

    def __init__(self, frame: _Frame) -> None:
        self.frame, self.level, self.count = frame, fresh_level(), 0
        wanted = (i for i in frame.rebuild if (node := frame.nodes[i]()) is not None and is_packed(node))
        self.wanted = set(wanted)

    def keep(self, node: Node) -> None:
        if node.level > self.level:
            return
        frame, i = self.frame, self.count
        self.count += 1
        if frame.options.checks:
            self._check(i, node)
        if i in self.wanted:
            self.wanted.remove(i)
            rebuild, count = frame.rebuild[i]
            arrays: list[Any] = []
            if rebuild is None:
                frame.fetched[i] = node.saved
            else:
                apart(saved_by(node), arrays)
                frame.fetched[i] = arrays
            if len(arrays) != count:
                raise self._differs(i, node)
        if not self.wanted and frame.options.early_stop:
            raise _Stop(self)

    def finish(self) -> None:
        """Raise unless all has been recorded once more."""
        frame = self.frame
        if self.wanted or (not frame.options.early_stop and frame.options.checks and self._fewer()):
            frame.fetched.clear()
            raise CheckpointError(
                "checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation: {frame.name()} recorded {len(frame.trace)} ops, and run again {self.count}; "
                f"the first that is missing is {_told(frame.trace[self.count])}"
            )

    def _fewer(self) -> bool:
        return self.count < len(self.frame.trace)

    def _check(self, i: int, node: Node) -> None:
        """Raise unless this is what was recorded the first time."""
        frame = self.frame
        if i >= len(frame.trace):
            raise CheckpointError(
                "checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation: {frame.name()} recorded {len(frame.trace)} ops, and run again more; the "
                f"first of these is {_told(_recorded(node))}"
            )
        if frame.trace[i] != _recorded(node):
            raise self._differs(i, node)
        original, outside = frame.nodes[i](), frame.inputs.number
        for p, q in zip(original.parents if original is not None else (), node.parents, strict=False):
            if p is not q and any(parent is not None and parent.number < outside for parent in (p, q)):
                raise CheckpointError(
                    f"checkpoint: a Tensor that {frame.name()} reads from outside its arguments, in "
                    f"{node.name()}, is not the one it read the first time; pass it as an argument"
                )

    def _differs(self, i: int, node: Node) -> CheckpointError:
        return CheckpointError(
            "checkpoint: Recomputed values have different metadata than during the forward pass: op "
            f"{i + 1} of {self.frame.name()} was {_told(self.frame.trace[i])}, and run again it is "
            f"{_told(_recorded(node))}"
        )


_Recorded = tuple[str, Any, Any]


def _recorded(node: Node) -> _Recorded:
    """Return what two runs must have in common: a node's name, and the shape and dtype of what it gave."""
    return node.name(), node.shape, node.dtype


def _told(recorded: _Recorded) -> str:
    name, shape, dtype = recorded
    if dtype is None:
        return name
    outputs = dtype if shape is None else [(shape, dtype)]
    return f"{name} giving " + " and ".join(f"{tuple(s)} {DTYPES[d]}" for s, d in outputs)


def _value(x: Tensor) -> Any:
    x._refresh()
    return x._value
