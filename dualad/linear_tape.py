"""The transpose of a linear function of Tensors, found by taping it; and how it is told that one is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakSet

import numpy as np

from .engine.fit import fit, zeros
from .engine.modes import enable_grad
from .engine.namespace import ops
from .engine.node import Leaf, Node, Tended, fresh_level
from .engine.operands import is_traced
from .engine.tensor import Tensor, raw_value, wrap
from .engine.walk import Walk
from .errors import GradientError
from .levels import bare, level_of, without_level

Values = list[Any]

_known: WeakSet[Any] = WeakSet()


def is_known(owner: Any) -> bool:
    """Return whether something has been called once more and so been found to be linear."""
    try:
        return owner in _known
    except TypeError:  # it is no object that can be known again
        return False


def remember(owner: Any) -> None:
    """Have `is_known` tell that something need not be called once more."""
    with suppress(TypeError):
        _known.add(owner)


class LinearRule(NamedTuple):
    """A rule of the user's that is transposed, and so has to be linear.

    Attributes
    ----------
    owner : object
        What it is the rule of.
    name, vector, use : str
        What errors call it and what it is linear in, and what it can be used for if it is not.
    """

    owner: Any
    name: str
    vector: str
    use: str

    def fault(self, function: Callable[[Values], Values], vectors: Values, results: Values) -> str | None:
        """Return what shows that it is not linear, as far as that can be told; None if nothing does.

        Parameters
        ----------
        function : callable
            It: of a list of Tensors and None a list of such.
        vectors, results : list of (Tensor or None)
            What it was called with, at a level of their own, and what it gave.
        """
        level = max(map(level_of, vectors))
        live = [y for y in results if level_of(y) == level]
        op = nonlinear_op([y._node for y in live], [x._node for x in vectors if level_of(x) == level])
        if op is not None:
            return f"the derivative of {op} depends on it"
        fixed = [y for y in results if y is not None and level_of(y) != level]
        if any(map(is_traced, results)):
            return None  # there are no numbers to look at
        if any(map(not_zero, fixed)):
            return "it gives what does not move with it, and is not 0"
        if is_known(self.owner):
            return None
        opposite = function([None if x is None else -without_level(x, level) for x in vectors])
        if any(not_opposite(y, z) for y, z in zip(results, opposite, strict=True)):
            return "for the opposite it does not give the opposite"
        remember(self.owner)
        return None

    def refuse(self, fault: str | None) -> None:
        """Raise if there is a fault."""
        if fault is not None:
            raise GradientError(
                f"{self.name} is not linear in the {self.vector}: {fault}. So it has no transpose, and can "
                f"be used {self.use} only"
            )


class LinearTape:
    """A linear function of Tensors, taped, so that its transpose can be had.

    Parameters
    ----------
    function : callable
        It takes a list of Tensors and gives one of Tensors and None.
    likes : list of Tensor
        What its arguments are like.
    rule : LinearRule
        Whose it is.
    """

    def __init__(self, function: Callable[[Values], Values], likes: Values, rule: LinearRule) -> None:
        self.level, self.rule = fresh_level(), rule
        points = [bare(_small(x)) for x in likes]
        self.leaves = [Leaf(self.level, p.shape, p.dtype) for p in points]
        arguments = [Tensor(p, leaf) for p, leaf in zip(points, self.leaves, strict=True)]
        with enable_grad():
            self.results = function(arguments)
            self._fault = rule.fault(function, arguments, self.results)

    def pull(self, cotangents: Values) -> Values:
        """Return what the transpose gives for cotangents of the results; None stands for zero.

        Raises
        ------
        GradientError
            If the function is not linear.
        """
        self.rule.refuse(self._fault)
        walk = Walk(retain=True)
        walk.named = False
        with enable_grad():
            for y, g in zip(self.results, cotangents, strict=True):
                if g is not None and level_of(y) == self.level:
                    walk.deposit(y._node, fit(g, y._node))
            found = walk.run(self.leaves)
        return [wrap(found[leaf]) if leaf in found else None for leaf in self.leaves]


def nonlinear_op(nodes: Iterable[Node], origins: Iterable[Node]) -> str | None:
    """Return the name of an op between nodes and those they come from whose derivative reads what is live.

    A function with a rule of its own counts as linear.
    """
    stack, seen = list(nodes), set(origins)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack.extend(p for p in node.parents if p is not None)
        if type(node) in (Node, Tended) and any(
            parent is not None and any(i < 0 or node.parents[i] is not None for i in m.reads)
            for parent, m in zip(node.parents, node.op.maps_for(len(node.parents)), strict=True)
        ):
            return str(node.op.name)
    return None


def not_zero(y: Tensor) -> bool:
    """Return whether an element is not 0, nor NaN."""
    value = raw_value(y)
    if value is None:
        return False
    a = ops.asarray(value)
    return bool(ops.any(ops.logical_and(ops.not_equal(a, 0), ops.equal(a, a))))


def not_opposite(y: Tensor | None, z: Tensor | None) -> bool:
    """Return whether two Tensors, of which None stands for 0, are far from each other's opposite."""
    if y is None or z is None:
        other = z if y is None else y
        return other is not None and not_zero(other)
    a, b = (ops.asarray(raw_value(x)) for x in (y, z))
    size = ops.abs(a) + ops.abs(b)
    rounding = 1e-6 * ops.sum(size)  # elements may be small differences of large terms
    return bool(ops.any(ops.abs(a + b) > 1e-3 * size + rounding))


def _small(x: Tensor) -> Any:
    """Return where a linear function is taped: not at 0, which is masked."""
    eps = np.finfo(np.dtype(x.dtype.name)).eps
    return wrap(zeros(x.shape, x.dtype, beside=x)) + float(eps)
