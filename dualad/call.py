"""Calls: functions of several arrays that have one derivative rule of their own.

A `Call` says, on lists of Tensors, what a function computes and how all its results move with all its
arguments at once; `call_levels.call` makes it at all levels. The differential of a call and its adjoint are
transposes of each other. One is given; the other is found by taping the first, which is linear, and walking
the tape back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from .batching import into, tell
from .dtypes import DType
from .engine.draws import Draws, replaying
from .engine.namespace import ops
from .engine.node import Batch, CallNode, Output, TransposedLevel
from .engine.tensor import Tensor, wrap
from .errors import BatchError
from .levels import bare, level_of, without_level
from .linear_tape import LinearRule, LinearTape, Values


class Parts(NamedTuple):
    """What is kept of a call, taken apart, so that a node saves no more than its rule needs.

    Attributes
    ----------
    values, outs : set of int
        Which arguments and outputs are needed.
    leaves : list
        What is kept besides: arrays, Tensors and other things.
    rest : object
        What `Call.joined` needs to put it together again.
    """

    values: set[int]
    outs: set[int]
    leaves: list[Any]
    rest: Any


class Call(ABC):
    """One call of a function with a rule of its own.

    What is kept for the rule is handed on as ``kept``, a function that gives it: what is not asked
    for is not computed.

    Attributes
    ----------
    name, node_name : str
        What errors and `grad_fn` call it.
    functions : tuple of callable
        The user's functions it consists of, in which errors look for names.
    owner : object
        Of which the user tells the rule, if he does.
    pulls : str
        What errors call the user's rule for cotangents, if there is one.
    live : tuple of bool
        Which arguments are differentiated in, at any level.
    constant : set of int
        The outputs that do not move, although their dtype would allow it.
    batched : callable or None
        What the user gave for batches: ``batched(batch, flags, values)`` returns the outputs of all
        examples, which are along the first axis of the values flagged.
    opaque : bool
        Whether the function may be any program, and is called for one example after the other.
    draws : Draws
        The random numbers that the forward pass has drawn.
    """

    name = node_name = ""
    saves = True
    functions: tuple[Any, ...] = ()
    owner: Any = None
    pulls = ""
    live: tuple[bool, ...] = ()
    batched: Callable[[Batch, tuple[bool, ...], Values], Values] | None = None
    opaque = False

    def __init__(self) -> None:
        self.constant: set[int] = set()
        self.draws = Draws()

    def compute(self, values: Values) -> Values:
        """Return the outputs where nothing is differentiated."""
        return self.forward(values)[0]

    @abstractmethod
    def forward(self, values: Values) -> tuple[Values, Any]:
        """Return the outputs, and what is to be kept for the rule."""

    def seen(self, kept: Callable[[], Any], values: Values, outs: Values) -> Any:
        """Return what is kept as it is seen from arguments and outputs with a history."""
        return self.forward(values)[1]

    def parts(self, kept: Any) -> Parts | None:
        """Return what is kept taken apart; None if all arguments and outputs are needed with it."""
        return None

    def joined(self, rest: Any, leaves: list[Any], values: Values, outs: Values) -> Any:
        """Return what `parts` has taken apart."""
        return rest

    def differential(self, kept: Callable[[], Any], values: Values, outs: Values, tangents: Values) -> Values:
        """Return the tangents of the outputs for those of the arguments; None stands for zero."""
        moving = [i for i in range(len(outs)) if self.moves(i, outs[i])]

        def adjoint(cotangents: Values) -> Values:
            spread = dict(zip(moving, cotangents, strict=True))
            return self.adjoint(kept, values, outs, [spread.get(i) for i in range(len(outs))])

        pushed = LinearTape(adjoint, [outs[i] for i in moving], self._pull_rule()).pull(tangents)
        found = dict(zip(moving, pushed, strict=True))
        return [found.get(i) for i in range(len(outs))]

    def adjoint(self, kept: Callable[[], Any], values: Values, outs: Values, cotangents: Values) -> Values:
        """Return the cotangents of the arguments for those of the outputs; None stands for zero."""
        live = [i for i, alive in enumerate(self.live) if alive]

        def differential(tangents: Values) -> Values:
            spread = dict(zip(live, tangents, strict=True))
            return self.differential(kept, values, outs, [spread.get(i) for i in range(len(values))])

        rule = LinearRule(self.owner, f"{self.name}: its jvp", "tangents", "in forward mode")
        pulled = LinearTape(differential, [values[i] for i in live], rule).pull(cotangents)
        found = dict(zip(live, pulled, strict=True))
        return [found.get(i) for i in range(len(values))]

    def forward_and_push(self, values: Values, tangents: Values) -> tuple[Values, Values]:
        """Return the outputs and their tangents, where the arguments have no level below that of these."""
        outs, kept = self.forward(values)
        return outs, self.differential(lambda: kept, values, outs, tangents)

    def moves(self, i: int, out: Tensor) -> bool:
        """Return whether an output moves with the arguments."""
        return i not in self.constant and out.dtype.is_differentiable

    def pull(self, node: CallNode, cotangents: Values, differentiable: bool) -> Values:
        """Return the cotangents of the arguments, as the walk asks for them (see `CallNode`)."""
        values, outs, leaves, rest = node.saved
        if not differentiable:
            values, outs = self.shown(node, values, outs)
        kept = rest if leaves is None else Later(lambda: self.joined(rest, leaves, values, outs))
        given = [None if g is None else wrap(g) for g in cotangents]
        if differentiable:
            seen_values, seen_outs = self.with_history(node, values, outs)
            later = self.later(kept, seen_values, seen_outs)
            pulled = self.of_each(lambda gs: self.adjoint(later, seen_values, seen_outs, gs), given)
        else:
            rule = lambda gs: self.adjoint(kept, values, outs, gs)  # noqa: E731
            pulled = self.of_each(rule, given)
            if self.pulls and any(_is_transposed(g) for g in given):
                told = self._pull_rule()
                told.refuse(told.fault(rule, given, pulled))
            pulled = [None if g is None else without_level(g, node.level) for g in pulled]
        pulled = [None if p is None else g for g, p in zip(pulled, node.parents, strict=True)]
        # Above the first level values are Tensors, whose dtypes are dualad's own.
        dtype = node.dtype[0][1] if type(node.dtype) is tuple else node.dtype
        lifted = type(dtype) is DType or any(isinstance(g, Tensor) for g in cotangents)
        return pulled if lifted else [None if g is None else bare(g) for g in pulled]

    def _pull_rule(self) -> LinearRule:
        return LinearRule(self.owner, f"{self.name}: its {self.pulls}", "cotangent", "in reverse mode")

    def of_each(self, rule: Callable[[Values], Values], vectors: Values) -> Values:
        """Return what a rule gives for tangents or cotangents, one after the other if it looks at a batch."""
        try:
            return rule(vectors)
        except BatchError:
            level = max(map(level_of, vectors))
            batch = next(v._node for v in vectors if level_of(v) == level)
            if type(batch) is not Batch or not batch.size:
                raise
        tell(
            self.name,
            f"vmap: the rule of {self.name} looks at values, and is called example by example, which is slow",
        )
        moved = []
        for i in range(batch.size):
            one = [wrap(v._value.value)[i] if level_of(v) == level else v for v in vectors]
            moved.append(self.of_each(rule, one))
        parts = zip(*moved, strict=True)
        return [None if p[0] is None else into(ops.stack(list(p)), batch) for p in parts]

    def shown(self, node: CallNode, values: Values, outs: Values) -> tuple[Values, Values]:
        """Return arguments and outputs as the rule is to see them where it is not differentiated."""
        return values, outs

    def with_history(self, node: CallNode, values: Values, outs: Values) -> tuple[Values, Values]:
        """Return arguments and outputs with the history that they have on the tape."""
        pairs = zip(values, node.parents, strict=True)
        return [v if p is None else Tensor(bare(v), p) for v, p in pairs], self.on_tape(node, outs)

    def attribute(self, node: CallNode, name: str) -> Any:
        """Return what a node of this call has by a name besides its own attributes."""
        raise AttributeError(f"{self.node_name!r} object has no attribute {name!r}")

    def later(self, kept: Callable[[], Any], values: Values, outs: Values) -> Callable[[], Any]:
        """Return what is kept as seen from these arguments and outputs, when it is asked for."""
        return Later(lambda: self.seen(kept, values, outs))

    def on_tape(self, node: CallNode, outs: Values) -> Values:
        """Return the outputs with the history that a node gives them."""
        if len(outs) == 1:
            return [Tensor(bare(outs[0]), node)]
        return [
            Tensor(bare(o), Output(node, i, o.shape, bare(o).dtype)) if self.moves(i, o) else o
            for i, o in enumerate(outs)
        ]


def run_again(rule: Call, values: Values) -> Any:
    """Return what is kept of a call, by running it once more, on arguments with their history."""
    try:
        with replaying(rule.draws):
            return rule.forward(values)[1]
    except Exception as error:
        error.add_note(
            f"{rule.name}: its forward pass is run again, on Tensors with their history, as its rule is "
            "differentiated, and keeps what is neither an argument nor an output."
        )
        raise


def _is_transposed(g: Any) -> bool:
    """Return whether a cotangent is one of a pullback that is being taped."""
    return isinstance(g, Tensor) and g._node is not None and type(g._node.level) is TransposedLevel


class Now:
    """A value that is there, as a function that gives it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self) -> Any:
        return self.value


class Later:
    """A value that is computed when first asked for."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make: Callable[[], Any] | None = make
        self._value: Any = None

    def __call__(self) -> Any:
        if self._make is not None:
            self._value, self._make = self._make(), None
        return self._value


def nothing() -> None:
    """Stand for what is not kept."""
