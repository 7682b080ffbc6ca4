"""How a call is made at all levels: what `Op.__call__` does for an op.

`call` peels the innermost level off the arguments, calls itself on what is below, and records the result
at that level. So the functions that users write into `Function`, `custom_vjp` and their kin run on plain
values at the bottom, and their rules at each level above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .backends.registry import STREAMED
from .batching import into
from .call import Call, Now, Parts, nothing
from .engine.draws import noting
from .engine.fit import fit, zeros
from .engine.modes import BATCHES
from .engine.namespace import ops
from .engine.node import Batch, CallNode, Dual, fresh_level
from .engine.recording import RECORDING, records
from .engine.streams import note_stream
from .engine.tensor import Tensor, wrap
from .errors import BatchError
from .levels import bare, handle, is_live, level_of, refuse_closed, standin, tracked_names, without_level
from .linear_tape import Values


class BatchedCall(Call):
    """A call as it acts on all examples of a batch: the examples are along the first axis of the values.

    The user's functions run on Tensors of one example, at the level of the batch.
    """

    def __init__(self, inner: Call, batch: Batch, flags: tuple[bool, ...]) -> None:
        self.inner, self.batch, self.flags = inner, batch, flags
        self.name, self.node_name, self.functions = inner.name, inner.node_name, inner.functions
        self.owner, self.pulls = inner.owner, inner.pulls
        self.live, self.constant, self.opaque = inner.live, inner.constant, inner.opaque
        self.draws = inner.draws

    def compute(self, values: Values) -> Values:
        if self.opaque:
            return self.forward(values)[0]
        return self._out(self.inner.compute(self._into(values)))

    def forward(self, values: Values) -> tuple[Values, Any]:
        if self.opaque:
            return self._looped(values), None
        outs, kept = self.inner.forward(self._into(values))
        return self._out(outs), kept

    def _looped(self, values: Values) -> Values:
        """Return the outputs of all examples, computed one after the other."""
        rows = []
        for i in range(self.batch.size):
            one = [v[i] if flag else v for v, flag in zip(values, self.flags, strict=True)]
            rows.append(self.inner.forward(one)[0])
        if not rows:
            raise BatchError(
                f"vmap: {self.name} is called for one example after the other, and there is none"
            )
        return [ops.stack(parts) for parts in zip(*rows, strict=True)]

    def seen(self, kept: Callable[[], Any], values: Values, outs: Values) -> Any:
        with self._open():
            return self.inner.seen(kept, self._into(values), [into(o, self.batch) for o in outs])

    def differential(self, kept: Callable[[], Any], values: Values, outs: Values, tangents: Values) -> Values:
        here, kept = self._above(kept, values, outs, tangents)
        inner_outs = [into(o, here.batch) for o in outs]
        with here._open():
            pushed = self.inner.differential(kept, here._into(values), inner_outs, here._into(tangents))
            return here._out(pushed)

    def parts(self, kept: Any) -> Parts | None:
        return None if self.opaque else self.inner.parts(kept)

    def joined(self, rest: Any, leaves: list[Any], values: Values, outs: Values) -> Any:
        return self.inner.joined(rest, leaves, self._into(values), [into(o, self.batch) for o in outs])

    def adjoint(self, kept: Callable[[], Any], values: Values, outs: Values, cotangents: Values) -> Values:
        here, kept = self._above(kept, values, outs, cotangents)
        inner_outs = [into(o, here.batch) for o in outs]
        given = [None if g is None else into(g, here.batch) for g in cotangents]
        with here._open():
            pulled = self.inner.adjoint(kept, here._into(values), inner_outs, given)
            return [
                g if g is None else here._leave(g) if flag else here._summed(g)
                for g, flag in zip(pulled, self.flags, strict=True)
            ]

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Let random numbers know of the batch, also when its `vmap` is over."""
        under_way = BATCHES.get()
        if any(batch.level == self.batch.level for batch in under_way):
            yield
            return
        token = BATCHES.set((*under_way, self.batch))
        try:
            yield
        finally:
            BATCHES.reset(token)

    def _above(
        self, kept: Callable[[], Any], values: Values, outs: Values, others: Values
    ) -> tuple[BatchedCall, Callable[[], Any]]:
        """Return this at a level above those of tangents or cotangents, which may be of later levels."""
        if max(map(level_of, others), default=-1) < self.batch.level:
            return self, kept
        batch = Batch(fresh_level(), self.batch.size, self.batch.randomness)
        here = BatchedCall(self.inner, batch, self.flags)
        return here, here.later(kept, values, outs)

    def _into(self, values: Values) -> Values:
        pairs = zip(values, self.flags, strict=True)
        return [into(v, self.batch) if flag and v is not None else v for v, flag in pairs]

    def _out(self, outs: Values) -> Values:
        return [None if o is None else self._leave(o) for o in outs]

    def _leave(self, x: Tensor) -> Tensor:
        """Return the values of all examples, also of what is the same for all."""
        if level_of(x) == self.batch.level:
            return wrap(x._value.value)
        return ops.broadcast_to(x, (self.batch.size, *x.shape))

    def _summed(self, g: Tensor) -> Tensor:
        """Return the cotangent of an argument that all examples share: the sum of theirs."""
        if level_of(g) == self.batch.level:
            return ops.sum(wrap(g._value.value), axis=0)
        return g * self.batch.size


def call(rule: Call, values: Values) -> Values:
    """Return the outputs of a call on Tensors, of which at least one has a level.

    Raises
    ------
    GradientError
        If the function depends, besides its arguments, on a Tensor that is differentiated.
    """
    handles = [handle(v) for v in values]  # the user may write to the arguments later
    rule.live = tuple(is_live(v) for v in handles)
    record = bool(RECORDING.get()) and any(rule.live)
    return _call(rule, handles, record, False)[0]


def _call(rule: Call, values: Values, record: bool, keep: bool) -> tuple[Values, Callable[[], Any]]:
    """Return the outputs of a call, and what is kept of it, as seen from these arguments, if it is to be."""
    level = max(map(level_of, values), default=-1)
    if level < 0:
        if not record:
            return rule.compute(values), nothing
        with noting(rule.draws):
            outs, kept = rule.forward(values)
        return outs, Now(kept)
    nodes = [v._node if level_of(v) == level else None for v in values]
    top = next(n for n in nodes if n is not None)
    if type(top) is Batch:
        return _call_batched(rule, values, nodes, top, record, keep)
    below = [v if n is None else wrap(v._value) for v, n in zip(values, nodes, strict=True)]
    if not record or not records(level):
        return _call(rule, below, record, keep)
    if type(top) is Dual and not keep and all(level_of(v) < 0 for v in below):
        with suppress(BatchError):  # the tangents are a batch, and the rule looks at values: see _of_each
            outs, tangents = rule.forward_and_push(below, _tangents(nodes))
            _check_closed(rule, outs, level)
            return _with_tangents(rule, outs, tangents, level), nothing
    outs, kept = _call(rule, below, record, True)
    _check_closed(rule, outs, level)
    if type(top) is Dual:
        push = lambda ts: rule.differential(kept, below, outs, ts)  # noqa: E731
        results = _with_tangents(rule, outs, rule.of_each(push, _tangents(nodes)), level)
    else:
        results = _recorded(rule, below, outs, kept, nodes, level)
    return results, rule.later(kept, values, results) if keep else nothing


def _call_batched(
    rule: Call, values: Values, nodes: Values, batch: Batch, record: bool, keep: bool
) -> tuple[Values, Callable[[], Any]]:
    physical = [v if n is None else wrap(v._value.value) for v, n in zip(values, nodes, strict=True)]
    flags = tuple(n is not None for n in nodes)
    if rule.batched is not None:
        outs = rule.batched(batch, flags, physical)
        results = [into(o, batch) for o in outs]
        return results, rule.later(nothing, values, results) if keep else nothing
    # A level below may need the rule when the `vmap` is over: on a batch that does not end.
    lasts = any(map(is_live, physical))
    own = Batch(batch.level, batch.size, batch.randomness) if lasts else batch
    outs, kept = _call(BatchedCall(rule, own, flags), physical, record, keep)
    _check_closed(rule, outs, batch.level)
    results = [into(o, batch) for o in outs]
    return results, rule.later(kept, values, results) if keep and lasts else kept


def _recorded(
    rule: Call, below: Values, outs: Values, kept: Callable[[], Any], nodes: Values, level: int
) -> Values:
    """Return the outputs with a node of the tape."""
    if not any(rule.moves(i, o) for i, o in enumerate(outs)):
        return outs
    kinds = tuple((o.shape, bare(o).dtype) for o in outs)
    shape, dtype = kinds[0] if len(outs) == 1 else (None, kinds)
    saved: tuple[Any, ...] = below, outs, None, kept
    parts = rule.parts(kept.value) if type(kept) is Now else None
    if parts is not None:
        saved = _only(below, parts.values), _only(outs, parts.outs), parts.leaves, parts.rest
    node = CallNode(rule, level, tuple(nodes), saved, {}, shape, dtype)
    if STREAMED:
        note_stream(node, outs[0])
    mode = RECORDING.get()
    if type(mode) is not bool:
        mode.recorded(node)
    return rule.on_tape(node, outs)


def _only(tensors: Values, needed: set[int]) -> Values:
    """Return Tensors with those that are not needed replaced by such as have but a shape and a dtype."""
    return [x if i in needed else standin(x) for i, x in enumerate(tensors)]


def _with_tangents(rule: Call, outs: Values, tangents: Values, level: int) -> Values:
    """Return the outputs as those of a forward level."""
    results = []
    for i, (o, t) in enumerate(zip(outs, tangents, strict=True)):
        if not rule.moves(i, o):
            results.append(o)
            continue
        t = zeros(o.shape, o.dtype, beside=bare(o)) if t is None else bare(fit(without_level(t, level), o))
        results.append(Tensor(bare(o), Dual(level, t)))
    return results


def _tangents(nodes: Values) -> Values:
    return [None if n is None else wrap(n.tangent) for n in nodes]


def _check_closed(rule: Call, outs: Values, level: int) -> None:
    """Raise unless what was computed below a level is of lower levels."""
    if max(map(level_of, outs), default=-1) >= level:
        names = [n for f in rule.functions for n in tracked_names(f, level)]
        refuse_closed(rule.name, names or [""])
