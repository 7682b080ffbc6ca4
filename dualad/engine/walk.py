"""The reverse walk: cotangents from the roots back to the leaves, in one loop.

No recursion, whatever the depth of the graph; each node once, when all that flows into it has
been added up; what a node saved is freed as the walk leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any

from ..backends.registry import BY_TYPE, DTYPES
from ..dtypes import DType
from ..errors import GradientError
from .fit import fit, zeros
from .namespace import of_backend, ops
from .node import Node, Output
from .tensor import Tensor, wrap

FREED = (
    "Trying to backward through the graph a second time: the values that {node} saved were freed by "
    "the first backward. Pass retain_graph=True to the first one if you need them again, or "
    "compute the output anew."
)


class _Cell:
    """The cotangent that has gathered at a node, and whether its buffer is the walk's own."""

    __slots__ = ("node", "owned", "total")

    def __init__(self, node: Node, total: Any, owned: bool) -> None:
        self.node = node
        self.total = total
        self.owned = owned


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
        self.cells: dict[int, _Cell] = {}
        self.heap: list[int] = []  # the negated numbers of the nodes in `cells`
        #: Called with each leaf and its cotangent, if set.
        self.arrived: Callable[[Node, Any], None] | None = None

    def deposit(self, node: Node, g: Any, owned: bool = False) -> None:
        """Add a cotangent, already fitted, to what has gathered at a node."""
        number = node.number
        cell = self.cells.get(number)
        if cell is None:
            self.cells[number] = _Cell(node, g, owned)
            heappush(self.heap, -number)
        elif cell.owned and type(g) is not Tensor:
            cell.total += g  # in place where arrays can be written, else a new array
        else:
            cell.total = cell.total + g
            cell.owned = type(g) is not Tensor  # a sum of the walk's own; a Tensor has history

    def run(self, capture: Iterable[Node] = ()) -> dict[Node, Any]:
        """Walk until nothing is left; return the cotangents of the nodes in `capture` by node."""
        capture = set(capture)
        captured: dict[Node, Any] = {}
        cells, heap = self.cells, self.heap
        while heap:
            cell = cells.pop(-heappop(heap))
            node = cell.node
            if node.hooks is not None:
                cell.total, cell.owned = _call_hooks(node, cell.total), False
            if node in capture:
                captured[node], cell.owned = cell.total, False
            if type(node) is Node:
                self._visit(node, cell.total, cell.owned)
            elif type(node) is Output:
                self._gather(node, cell.total)
            elif self.arrived is not None:
                self.arrived(node, cell.total)
        return captured

    def _visit(self, node: Node, g: Any, owned: bool) -> None:
        """Pull a cotangent through a node's op and deposit the results with its parents."""
        op, saved, static = node.op, node.saved, node.static
        if saved is None:
            raise GradientError(FREED.format(node=node.name()))
        complex_result = False
        if type(g) is list:  # one for each output
            g = _materialize(node, g)
            kind = type(g[0])
        else:
            kind = type(g)
            complex_result = DTYPES[node.dtype].is_complex
        if self.differentiable:
            saved = _as_tensors(node, saved)
        # Above the first level values are Tensors, whose dtypes are dualad's own.
        lifted = self.differentiable or kind is Tensor or type(node.dtype) is DType
        xp = ops if lifted else of_backend(BY_TYPE[kind])  # type: ignore[arg-type]
        for parent, rule, reads in zip(node.parents, op.maps, saved, strict=False):
            if parent is None or (self.needed is not None and parent not in self.needed):
                continue
            if rule.in_place is not None and not lifted:
                self._pull_in_place(rule, xp, g, owned, parent, static)
                continue
            # abs has a complex argument and a real result.
            conjugate = complex_result or (parent.dtype is not node.dtype and DTYPES[parent.dtype].is_complex)
            pulled = rule.pull(xp, g, parent, reads, static, conjugate)
            if pulled.shape != parent.shape or pulled.dtype is not parent.dtype:
                pulled = fit(pulled, parent)
            # `deposit`, unrolled for the first cotangent, which is most often the only one.
            number = parent.number
            if number in self.cells:
                self.deposit(parent, pulled)
            else:
                self.cells[number] = _Cell(parent, pulled, False)
                heappush(self.heap, -number)
        if not self.retain and any(saved):  # what saved nothing can be walked again
            node.saved = None

    def _pull_in_place(
        self, rule: Any, xp: Any, g: Any, owned: bool, parent: Node, static: Any
    ) -> None:
        """Pull through a map that can write: reading n elements one by one costs O(n) in all."""
        keywords = rule.named(static)
        if rule.in_place == "argument":
            cell = self.cells.get(parent.number)
            if cell is None:
                self.deposit(parent, zeros(parent.shape, parent.dtype, beside=g), owned=True)
                cell = self.cells[parent.number]
            elif not cell.owned:
                cell.total, cell.owned = xp.copy(cell.total), True
            cell.total = rule.writes(xp, cell.total, g, **keywords)
        else:
            total = rule.writes(xp, g if owned else xp.copy(g), **keywords)
            self.deposit(parent, fit(total, parent), owned=True)

    def _gather(self, node: Output, g: Any) -> None:
        """Put the cotangent of one output in its place among those of its op."""
        op_node = node.parents[0]
        cell = self.cells.get(op_node.number)
        if cell is None:
            cell = self.cells[op_node.number] = _Cell(op_node, [None] * len(op_node.dtype), False)
            heappush(self.heap, -op_node.number)
        cell.total[node.index] = g


def _materialize(node: Node, g: list[Any]) -> list[Any]:
    """Fill in zeros for the outputs no cotangent reached; `dtype` lists what each output is."""
    some = next(a for a in g if a is not None)
    return [zeros(*of, beside=some) if a is None else a for a, of in zip(g, node.dtype, strict=True)]


def _as_tensors(node: Node, saved: Any) -> list[Any]:
    """Return what a node saved as the Tensors it came from: arguments and result with history."""
    out = []
    for rule, reads in zip(node.op.maps, saved, strict=False):
        if reads is None:
            out.append(None)
            continue
        values = []
        for place, value in zip(rule.reads, reads, strict=True):
            if place >= 0:
                origin = node.parents[place]
                values.append(value if origin is None else Tensor(value, origin))
            elif type(value) is tuple:
                values.append(_outputs(node, value))
            else:
                values.append(Tensor(value, node))
        out.append(values)
    return out


def _outputs(node: Node, values: tuple[Any, ...]) -> tuple[Tensor, ...]:
    return tuple(Tensor(a, Output(node, i, a.shape, a.dtype)) for i, a in enumerate(values))


def _call_hooks(node: Node, g: Any) -> Any:
    """Call a node's hooks with its cotangent as a Tensor; return it as they have left it."""
    for hook in list(node.hooks or ()):
        new = hook(wrap(g))
        if new is not None:
            g = check_hook_result(new, g, node)
    return g


def check_hook_result(new: Any, g: Any, node: Node) -> Any:
    """Return a hook's result as a cotangent of the same kind as `g`.

    Raises
    ------
    GradientError
        If it is no Tensor, or of another shape or dtype.
    """
    if type(new) is not Tensor:
        raise GradientError(
            f"a hook of {node.name()} returned {type(new).__name__}; return None, or a Tensor of shape "
            f"{tuple(g.shape)} to take the gradient's place"
        )
    if new.shape != g.shape:
        raise GradientError(
            f"a hook of {node.name()} has changed the size of the gradient: it was {tuple(g.shape)}, "
            f"the hook returned {new.shape}"
        )
    if new.dtype is not DTYPES[g.dtype]:
        raise GradientError(
            f"a hook of {node.name()} has changed the type of the gradient: it was {DTYPES[g.dtype]}, "
            f"the hook returned {new.dtype}"
        )
    return new if type(g) is Tensor else new._raw
