"""The reverse walk: cotangents from the roots back to the leaves, in one loop.

No recursion, whatever the depth of the graph; each node once, when all that flows into it has
been added up; what a node saved is freed as the walk leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar, copy_context
from heapq import heappop, heappush
from time import perf_counter
from typing import Any
from weakref import WeakSet

import numpy as np

from ..backends.registry import DTYPES, STREAMED
from ..dtypes import DType
from ..errors import GradientError, OutOfMemoryError
from .calling import call_posthooks, call_prehooks, call_tensor_hooks
from .exhaustion import describe_graph, exhaustion
from .fit import fit, zeros
from .modes import set_grad_enabled
from .namespace import SPACES, ops
from .node import CallNode, Leaf, Node, Output, is_freed, saved_by
from .operands import arrays_in
from .recording import RECORDING, observers
from .streams import Streams
from .tensor import Tensor, lift

FREED = (
    "Trying to backward through the graph a second time: the values that {node} saved were freed by "
    "the first backward. Pass retain_graph=True to the first one if you need them again, or "
    "compute the output anew."
)


_WALK: ContextVar[Any] = ContextVar("dualad_walk", default=None)


def current_walk() -> Walk | None:
    """Return the pass that is under way in this thread or task: hooks are called within one."""
    walk: Walk | None = _WALK.get()
    return walk


class Walk:
    """One reverse pass: `deposit` cotangents at the roots, then `run`.

    Parameters
    ----------
    retain : bool
        Keep what the nodes saved.
    differentiable : bool
        Record the pass itself: cotangents are Tensors, and what nodes saved is seen again as the
        Tensors it came from.
    needed : set of Node or None
        Visit these nodes only; None for all.
    """

    def __init__(
        self, retain: bool = False, differentiable: bool = False, needed: set[Node] | None = None
    ) -> None:
        self.retain = retain or differentiable
        self.differentiable = differentiable
        self.needed = needed
        # The nodes that cotangents have reached, by number; what has gathered at each; those whose
        # buffers are the walk's own; and the numbers, negated, as a heap.
        self.nodes: dict[int, Node] = {}
        self.totals: dict[int, Any] = {}
        self.owned: set[int] = set()
        self.heap: list[int] = []
        self.masked: set[int] = set()  # whose cotangents have zeros that mean "not chosen"
        #: Whether the nodes are ops of the user's program, whose names mean something in an error.
        self.named = True
        #: Called with each leaf and its cotangent, if set.
        self.arrived: Callable[[Leaf, Any], None] | None = None
        #: Where the pass began, and whose `release` is called when it ends, however it does.
        self.roots: tuple[Node, ...] = ()
        self.streams: Streams | None = None
        self.helpers: WeakSet[Any] | None = None
        self._reached: set[Node] | None = None

    def deposit(self, node: Node, g: Any, owned: bool = False) -> None:
        """Add a cotangent, already fitted, to what has gathered at a node."""
        number = node.number
        if self.streams is not None:
            self.streams.add(number, self.totals.get(number))
        if number not in self.totals:
            self.nodes[number], self.totals[number] = node, g
            heappush(self.heap, -number)
            if owned:
                self.owned.add(number)
        elif type(g) is Tensor:
            self.totals[number] = _sum(self.totals[number], g)
            self.owned.discard(number)
        elif number in self.owned:
            self.totals[number] += g  # in place where arrays can be written, else a new array
        else:
            total = self.totals[number] = self.totals[number] + g
            if type(total) is not Tensor:  # a sum of the walk's own
                self.owned.add(number)

    def run(self, capture: Iterable[Node] = (), recording: bool | None = None) -> dict[Node, Any]:
        """Walk until nothing is left; return the cotangents of the nodes in `capture` by node.

        Whether the pass is recorded may be said by `recording`. It is done in a context of its own: no
        mode of its stays on, be it ended by an error or, between two instructions, by Ctrl-C.
        """
        self.roots = tuple(self.nodes.values())
        self.streams = Streams.of_pass(self.totals) if STREAMED else None
        try:
            return copy_context().run(self._run_within, capture, recording)
        finally:
            if self.streams is not None:
                self.streams.end()
            for helper in self.helpers or ():
                helper.release()

    def _run_within(self, capture: Iterable[Node], recording: bool | None) -> dict[Node, Any]:
        _WALK.set(self)
        if recording is not None:
            set_grad_enabled(recording)
        # A slope that is infinite is seen in the gradient, or masked; NumPy need not warn of our lines.
        with np.errstate(all="ignore"):
            return self._run(capture)

    def _run(self, capture: Iterable[Node]) -> dict[Node, Any]:
        captured: dict[Node, Any] = dict.fromkeys(capture)
        reached: dict[Node, Any] = {}
        # One long loop with its names at hand: this is where a backward pass spends its time.
        heap, nodes, totals, owned, needed = self.heap, self.nodes, self.totals, self.owned, self.needed
        retain, differentiable, masked = self.retain, self.differentiable, self.masked
        # Where somebody looks on, or work goes to several streams, no node is walked the short way.
        usual = None if observers() or (self.streams is not None and self.streams.apart) else Node
        node: Any = None
        # What is asked of a dtype and of a type of array is asked once for each run of nodes alike.
        dtype = kind = xp = None
        is_complex = lifted = several = rare = False
        try:
            while heap:
                number = -heappop(heap)
                node, g = nodes.pop(number), totals.pop(number)
                safe = number in masked
                if node.hooks is not None:
                    g = self._on_its_stream(call_tensor_hooks, node, g)
                    owned.discard(number)
                if captured and node in captured:
                    reached[node] = g
                    owned.discard(number)
                    # Where no way goes on from here, the node itself is not walked, nor freed.
                    if needed is not None and not any(p in needed for p in node.parents):
                        continue
                if type(node) is not usual:
                    saved = reads = pulled = None  # of the node before: a step may take long, and memory
                    if self.streams is None:
                        self._step(node, g, safe)
                    else:
                        self._on_its_stream(self._step, node, g, safe)
                        usual = None if self.streams.apart else usual
                    continue
                saved = node.saved
                if saved is None:
                    raise GradientError(FREED.format(node=node.name()))
                if node.dtype is not dtype or type(g) is not kind:
                    several = type(g) is list  # a cotangent for each output
                    if several:
                        g = _materialize(node, g)
                    dtype, kind = node.dtype, type(g[0]) if several else type(g)
                    is_complex = not several and DTYPES[dtype].is_complex
                    # Above the first level values are Tensors, whose dtypes are dualad's own.
                    lifted = differentiable or kind is Tensor or type(dtype) is DType
                    xp = ops if lifted else SPACES[kind]
                    # Where a cotangent times a factor is not all there is to it, `pull` sees to it.
                    rare = is_complex or several or xp.fuses
                if differentiable:
                    saved = _as_tensors(node, saved)
                elif lifted:
                    g, saved = lift(g), lift(saved)
                plain = not (rare or safe)
                for parent, rule, reads in zip(node.parents, node.op.maps, saved):  # noqa: B905  is slower
                    if parent is None or (needed is not None and parent not in needed):
                        continue
                    if rule.is_identity:
                        pulled = g if parent.shape == node.shape and parent.dtype is dtype else fit(g, parent)
                    elif rule.in_place is not None and not lifted:
                        self._pull_in_place(rule, xp, g, node, parent)
                        if safe or rule.masks:
                            masked.add(parent.number)
                        continue
                    else:
                        factor_rule = rule.factor_rule
                        if factor_rule is not None and parent.dtype is dtype and plain:
                            pulled = g * factor_rule(xp, *reads)
                        else:
                            # abs has a complex argument and a real result.
                            conjugate = is_complex or DTYPES[parent.dtype].is_complex
                            pulled = rule.pull(xp, g, parent, reads, node.static, conjugate, safe)
                            if rule.masks:
                                masked.add(parent.number)
                        if pulled.shape != parent.shape or (
                            pulled.dtype is not parent.dtype
                            and not (lifted and pulled.dtype is DTYPES[parent.dtype])
                        ):
                            pulled = fit(pulled, parent)
                    # `deposit`, unrolled for the first cotangent, which is most often the only one.
                    number = parent.number
                    if safe:
                        masked.add(number)
                    if number not in totals:
                        nodes[number], totals[number] = parent, pulled
                        heappush(heap, -number)
                    elif number in owned and not lifted:
                        totals[number] += pulled
                    else:
                        self.deposit(parent, pulled)
                if not retain and node.op.saves:  # what saves nothing can be walked again
                    node.saved = None
        except BaseException as error:
            reason = self._explained(error, node, g) if node is not None else error
            try:
                if reason is error:
                    raise
                raise reason from error
            finally:
                del reason  # or the error would hold this frame, and this frame the error
        return reached

    def _explained(self, error: BaseException, node: Node, g: Any) -> BaseException:
        """Return the error to raise where walking a node has failed: ours where memory has run out."""
        reason = exhaustion(error, node.name(), arrays_in(g)) or error
        if isinstance(reason, OutOfMemoryError):
            describe_graph(reason, [node, *self.nodes.values()])
        if self.named:
            _annotate(reason, node)
        return reason

    def _on_its_stream(self, function: Callable[..., Any], node: Node, g: Any, *args: Any) -> Any:
        """Call ``function(node, g, *args)`` on the stream that the node's op went to."""
        if self.streams is None:
            return function(node, g, *args)
        with self.streams.at(node, g):
            return function(node, g, *args)

    def _step(self, node: Node, g: Any, safe: bool) -> None:
        """Take a node that is not walked the short way: a leaf, an output, or one that others tend to."""
        if type(node) is Output:
            self._gather(node, g)
            return
        if type(node) is Leaf:
            if self.arrived is not None:
                self._arrive(node, g)
            return
        hooks = node.hooks
        if hooks is not None and hooks.pre:
            g = call_prehooks(node, g)
            if g is None:
                return
        if is_freed(node):
            raise GradientError(FREED.format(node=node.name()))
        arrived = g if type(g) is list else [g]
        if type(g) is list:
            g = _materialize(node, g)
        saved = None if type(node) is CallNode else saved_by(node)  # a call asks for it itself
        mode, start = RECORDING.get(), perf_counter()
        if type(node) is CallNode:
            parts = node.op.pull(node, arrived, self.differentiable)
        elif type(mode) is bool:
            parts = self._pulled(node, g, saved, safe)
        else:
            parts = mode.evaluate(node, self._pulled, node, g, saved, safe)
        parts = [None if a is None else fit(a, p) for a, p in zip(parts, node.parents, strict=True)]
        if type(mode) is not bool:
            mode.pulled(node, g, parts, start)
        if hooks is not None and hooks.post:
            parts = call_posthooks(node, parts, arrived)
        for parent, part in zip(node.parents, parts, strict=True):
            if part is not None and (self.needed is None or parent in self.needed):
                if safe:
                    self.masked.add(parent.number)
                self.deposit(parent, part)
        if not self.retain and node.op.saves:
            node.saved = None

    def _arrive(self, leaf: Leaf, g: Any) -> None:
        """Hand a leaf its gradient, and call the hooks around that."""
        assert self.arrived is not None
        hooks = leaf.hooks
        if not hooks:
            self.arrived(leaf, g)
            return
        if (g := call_prehooks(leaf, g)) is None:
            return
        with hooks.lock:
            self.arrived(leaf, g)
            for hook in list(hooks.accumulated.values()):
                hook()
        call_posthooks(leaf, [], [g])

    def release_at_end(self, helper: Any) -> None:
        """Call the `release` of a helper when this pass ends, if it is there then."""
        if self.helpers is None:
            self.helpers = WeakSet()
        self.helpers.add(helper)

    def reached(self) -> set[Node]:
        """Return the nodes that this pass comes by, from its roots on."""
        if self._reached is None:
            self._reached, stack = set(), list(self.roots)
            while stack:
                node = stack.pop()
                if node not in self._reached and (self.needed is None or node in self.needed):
                    self._reached.add(node)
                    stack.extend(p for p in node.parents if p is not None)
        return self._reached

    def _pulled(self, node: Node, g: Any, saved: Any, safe: bool) -> list[Any]:
        """Return the cotangents of a node's parents, one by one: what `_run` does at greater length."""
        first = g[0] if type(g) is list else g
        lifted = self.differentiable or type(first) is Tensor or type(node.dtype) is DType
        if self.differentiable:
            saved = _as_tensors(node, saved)
        elif lifted:
            g, saved = lift(g), lift(saved)
        xp = ops if lifted else SPACES[type(first)]
        is_complex = type(g) is not list and DTYPES[node.dtype].is_complex
        parts: list[Any] = []
        for parent, rule, reads in zip(node.parents, node.op.maps_for(len(saved)), saved, strict=True):
            if parent is None or (self.needed is not None and parent not in self.needed):
                parts.append(None)
                continue
            conjugate = is_complex or DTYPES[parent.dtype].is_complex
            parts.append(
                g if rule.is_identity else rule.pull(xp, g, parent, reads, node.static, conjugate, safe)
            )
            if rule.masks:
                self.masked.add(parent.number)
        return parts

    def _pull_in_place(self, rule: Any, xp: Any, g: Any, node: Node, parent: Node) -> None:
        """Pull through a map that can write: reading n elements one by one costs O(n) in all."""
        if rule.in_place == "argument":
            number = parent.number
            if number not in self.totals:
                self.deposit(parent, zeros(parent.shape, parent.dtype, beside=g), owned=True)
            elif number not in self.owned:
                self.totals[number] = xp.copy(self.totals[number])
                self.owned.add(number)
            self.totals[number] = rule.writes(xp, self.totals[number], g, **node.static)
        else:
            total = rule.writes(xp, g if node.number in self.owned else xp.copy(g), **node.static)
            self.deposit(parent, fit(total, parent), owned=True)

    def _gather(self, node: Output, g: Any) -> None:
        """Add the cotangent of one output to what has gathered there, among those of its op."""
        op_node = node.parents[0]
        if op_node.number not in self.totals:
            self.deposit(op_node, [None] * len(op_node.dtype))
        # A pass that is differentiated sees outputs again, by nodes of their own.
        gathered = self.totals[op_node.number]
        before = gathered[node.index]
        gathered[node.index] = g if before is None else _sum(before, g)


def _annotate(error: BaseException, node: Node) -> None:
    """Add to an error in a backward pass which op it is from, and the user's line if that is known."""
    line = node.metadata["line"].traceback() if node.line else ""
    note = f"This is from the backward pass, at {node.name()}"
    note += f", whose op was called here:\n{line}" if line else "."
    # A hook may raise the same error once more, and anomaly mode's own says all of it.
    if note not in getattr(error, "__notes__", ()) and not (line and f"{line}\n" in f"{error}\n"):
        error.add_note(note)


def _sum(a: Any, b: Any) -> Any:
    return b + a if type(b) is Tensor else a + b  # an array on the left may refuse to meet a Tensor


def _materialize(node: Node, g: list[Any]) -> list[Any]:
    """Fill in zeros for the outputs no cotangent reached; `dtype` lists what each output is.

    They are Tensors if one is, or if the outputs were, so that no history is lost beside plain arrays.
    """
    some = next(a for a in g if a is not None)
    missing = (zeros(shape, dtype, beside=some) for shape, dtype in node.dtype)
    whole = [b if a is None else a for a, b in zip(g, missing, strict=True)]
    lifted = type(node.dtype[0][1]) is DType or any(type(a) is Tensor for a in whole)
    return lift(whole) if lifted else whole


def _as_tensors(node: Node, saved: Any) -> list[Any]:
    """Return what a node saved as the Tensors it came from: arguments and result with history."""
    out: list[Any] = []
    for rule, reads in zip(node.op.maps, saved, strict=False):
        if not reads:  # no parent, or nothing to read
            out.append(reads)
            continue
        values: list[Any] = []
        for place, value in zip(rule.reads, reads, strict=True):
            if place >= 0:
                origin = node.parents[place]
                values.append(lift(value) if origin is None else Tensor(value, origin))
            elif type(value) is tuple:
                values.append(_outputs(node, value))
            else:
                values.append(Tensor(value, node))
        out.append(values)
    return out


def _outputs(node: Node, values: tuple[Any, ...]) -> tuple[Tensor, ...]:
    return tuple(Tensor(a, Output(node, i, a.shape, a.dtype)) for i, a in enumerate(values))
