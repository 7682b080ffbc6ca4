"""The heart: an op is told once, with one map for each argument; both modes are derived.

The derivative of an op in one of its arguments is a linear map. It is told in the shortest of
these forms, and knows two verbs: `push` carries a tangent forward, `pull` a cotangent back.

    Scale         dy = p * dx        the rule gives the factor p
    Weighted      dy = sum(p * dx)   the same for a reduction
    Linear        dy = op(dx)        the op is linear in this argument; the rule is its adjoint
    Joint         the same, for ops linear in several arguments together (where, concat)
    Differential  dy = rule(dx)      any code linear in dx; its adjoint is found by taping it

A rule names the values it reads, among the op's arguments and ``y`` for the result, and a tape
keeps only those. It is written against a namespace ``xp``: a backend's own functions at first
order, the differentiable ones at higher orders. What broadcasting and promotion do to arguments
is undone by the engine (`dualad.engine.fit`) and is never a rule's business.

The gradient of a complex number is the Riesz vector of the real inner product Re⟨a, b⟩, as in
PyTorch (the conjugate of JAX's): `Scale.pull` conjugates, and nothing else needs to know.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Literal

import numpy as np

from .backends.registry import DTYPES
from .engine.fit import fit, zeros
from .engine.namespace import ops
from .engine.node import Leaf, Standin, fresh_level
from .engine.operands import PYTHON_SCALARS, type_name
from .engine.recording import recording_from
from .engine.shapes import kept, reduced
from .engine.tensor import Tensor, lift, raw_value
from .engine.walk import Walk
from .errors import GradientError, MissingDerivativeError
from .kernels import Kernels, is_own
from .linear_tape import nonlinear_op

Rule = Callable[..., Any]

_GIVEN = ("xp", "g", "t", "like")  # what a rule's parameters may be besides values


class Map:
    """How an op's result moves with one of its arguments.

    Parameters
    ----------
    rule : callable
        See the kinds. After the parameters of its kind it names the values it reads, and, behind
        ``*``, the op's keyword arguments it needs; ``position`` is that of the argument.
    """

    #: Whose buffer the adjoint can be written into, that of the "argument" or of the "result".
    in_place: str | None = None
    #: Whether tangents and cotangents pass as they are.
    is_identity = False
    #: Whether the adjoint puts zeros where the argument was not chosen, be it infinite there or NaN.
    masks = False
    #: Whether an element of the result moves with the element at its place alone.
    elementwise = False
    #: What gives the factor of a Scale without keywords: the walk need not go through `pull` then.
    factor_rule: Rule | None = None
    #: Whether the rule computes element by element.
    pointwise = False
    #: What multiplies by what it computes, where a backend makes kernels.
    kernels: Kernels | None = None

    def __init__(self, rule: Rule | None) -> None:
        self.rule = rule

    def bind(self, op: Any, position: int) -> None:
        """Learn which values the rule reads, by name, from the op it is told for."""
        self.op, self.position = op, position
        places = [*op.arguments, "y"]
        names, self.keywords = _parameters(self.rule)
        values = [n for n in names if n not in _GIVEN]
        unknown = [n for n in values if n not in places]
        if unknown:
            raise TypeError(f"{op.name}: a rule reads {unknown[0]!r}, which is none of {places}")
        self.reads = tuple(-1 if n == "y" else places.index(n) for n in values)
        self.pick = _picker(self.reads)
        op.saves = op.saves or bool(self.reads)
        if self.rule is not None and self.pointwise and is_own(self.rule) and not self.keywords:
            self.kernels = Kernels(f"{op.name}_{position}", self.rule, self._times, self._masked_times)

    def named(self, static: dict[str, Any]) -> dict[str, Any]:
        """Return those of the op's keyword arguments that the rule names."""
        if not self.keywords:
            return {}
        return {k: self.position if k == "position" else static[k] for k in self.keywords}

    def _times(self, xp: Any, g: Any, *reads: Any) -> Any:
        """Return g, a tangent or cotangent, times what the rule gives."""
        assert self.rule is not None
        return g * self.rule(xp, *reads)

    def _masked_times(self, xp: Any, g: Any, *reads: Any) -> Any:
        assert self.rule is not None
        return product(xp, g, self.rule(xp, *reads))

    def push(self, xp: Any, t: Any, call: Any, reads: Any, static: Any) -> Any:
        """Return the tangent of the result for the tangent `t` of the argument."""
        raise NotImplementedError

    def pull(
        self, xp: Any, g: Any, like: Any, reads: Any, static: Any, is_complex: bool, safe: bool = False
    ) -> Any:
        """Return the cotangent of the argument for the cotangent `g` of the result.

        If `safe`, a zero in g stays zero, whatever it is multiplied by.
        """
        raise NotImplementedError


def _parameters(rule: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a rule's parameters, those by position and those by keyword."""
    if rule is None:
        return (), ()
    code = rule.__code__  # inspect.signature would be a tenth of the time that importing takes
    n = code.co_argcount
    return code.co_varnames[:n], code.co_varnames[n : n + code.co_kwonlyargcount]


def _picker(reads: tuple[int, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a function that picks the values at these places, the fastest there is."""
    if len(reads) > 1:
        return itemgetter(*reads)
    if not reads:
        return itemgetter(slice(0))
    (k,) = reads
    return itemgetter(slice(k, k + 1 or None))  # a tuple of one


class Scale(Map):
    """``dy = p * dx``, elementwise.

    Parameters
    ----------
    rule : number or callable
        The factor, or ``rule(xp, *values) -> p``. A factor of 1 costs nothing, one of -1 a
        negation.
    singular : bool or callable
        Whether the factor is infinite or NaN at some finite arguments, or ``singular(*values)`` if
        that depends on them; see `product`.
    """

    elementwise = pointwise = True

    def __init__(self, rule: Rule | float, singular: bool | Callable[..., bool] = False) -> None:
        super().__init__(rule if callable(rule) else None)
        self.factor = None if callable(rule) else rule
        self.is_identity = self.factor == 1
        self.singular = singular

    def bind(self, op: Any, position: int) -> None:
        super().bind(op, position)
        self.factor_rule = None if self.keywords or self.singular else self.rule

    def push(self, xp: Any, t: Any, call: Any, reads: Any, static: Any) -> Any:
        if self.rule is None:
            return self.times(xp, t)
        if xp.fuses and self.kernels is not None and not self.kernels.is_value:
            return self.kernels.run(xp, self.is_singular(reads), t, t.shape, *reads)
        p = self.rule(xp, *reads, **self.named(static)) if self.keywords else self.rule(xp, *reads)
        if type(p) is tuple:  # an op of several outputs has a factor for each
            return tuple(t * q for q in p)
        return product(xp, t, p) if self.is_singular(reads) else t * p

    def is_singular(self, reads: Any) -> bool:
        """Return whether the factor may be infinite or NaN."""
        return self.singular(*reads) if callable(self.singular) else self.singular

    def pull(
        self, xp: Any, g: Any, like: Any, reads: Any, static: Any, is_complex: bool, safe: bool = False
    ) -> Any:
        if self.rule is None:
            return self.times(xp, g)
        kernels = self.kernels if xp.fuses and not is_complex else None
        if kernels is not None and (like.shape != g.shape or not kernels.is_value):
            return kernels.run(xp, safe or self.is_singular(reads), g, like.shape, *reads)
        p = self.rule(xp, *reads, **self.named(static)) if self.keywords else self.rule(xp, *reads)
        if type(p) is tuple:
            return sum(a * conjugate(xp, q) for a, q in zip(g, p, strict=True))
        # Here is the complex convention: the adjoint of multiplying by p multiplies by conj(p).
        p = conjugate(xp, p) if is_complex else p
        return product(xp, g, p) if safe or self.is_singular(reads) else g * p

    def times(self, xp: Any, a: Any) -> Any:
        """Return the plain factor times `a`."""
        if self.factor == 1:
            return a
        if self.factor == -1:
            return -a
        return xp.zeros_like(a) if self.factor == 0 else a * self.factor


class Weighted(Scale):
    """``dy = sum(p * dx)`` over the op's ``axis``: a reduction.

    Parameters
    ----------
    rule : callable
        The weights, ``rule(xp, *values, **keywords) -> p``, of the argument's shape; the result is
        given with the axes kept, of length 1. A Differential could say the same; taping it took longer
        than the rest of a small network.
    """

    elementwise = False

    def bind(self, op: Any, position: int) -> None:
        super().bind(op, position)
        self.factor_rule = None  # there is more to its pull than the factor

    def push(self, xp: Any, t: Any, call: Any, reads: Any, static: Any) -> Any:
        assert self.rule is not None
        shape = kept(t.shape, static["axis"])
        reads = self._kept(xp, reads, shape)
        if xp.fuses and self.kernels is not None:
            total = self.kernels.run(xp, False, t, shape, *reads)
            return total if static["keepdims"] else xp.reshape(total, reduced(t, axis=static["axis"]))
        p = self.rule(xp, *reads, **self.named(static))
        return xp.sum(t * p, axis=static["axis"], keepdims=static["keepdims"])

    def pull(
        self, xp: Any, g: Any, like: Any, reads: Any, static: Any, is_complex: bool, safe: bool = False
    ) -> Any:
        shape = kept(like.shape, static["axis"])
        reads = self._kept(xp, reads, shape)
        return super().pull(xp, xp.reshape(g, shape), like, reads, static, is_complex, safe)

    def _kept(self, xp: Any, reads: Any, shape: tuple[int, ...]) -> list[Any]:
        return [xp.reshape(v, shape) if k < 0 else v for v, k in zip(reads, self.reads, strict=True)]


def product(xp: Any, g: Any, p: Any) -> Any:
    """Return ``g * p``, and 0 where g is 0, also if p is infinite or NaN there.

    What does not count (it was masked, or multiplied by 0) must not spoil what does.
    """
    return g * p if type(p) in PYTHON_SCALARS else xp.masked_product(g, p)


def conjugate(xp: Any, p: Any) -> Any:
    """Return the conjugate of a number or array; that of a real one is itself."""
    if type(p) in PYTHON_SCALARS:
        return p.conjugate()
    return xp.conj(p) if DTYPES[p.dtype].is_complex else p


class Linear(Map):
    """``dy = op(dx)``: the op is linear in this argument, its own push.

    Parameters
    ----------
    rule : callable
        The adjoint, ``rule(xp, g, like, *values, **keywords)``; `like` has the shape and dtype of
        the argument.
    masks : bool
        Whether the adjoint puts zeros where the argument was not chosen.
    elementwise : bool
        Whether an element of the argument's cotangent depends on the elements at its place alone, and
        not on `like`.
    in_place : {"argument", "result"}, optional
        The adjoint can also be had by writing: into the cotangent that gathers at the argument,
        ``writes(xp, total, g, **keywords)``, which adds to it, or into that of the result,
        ``writes(xp, g, **keywords)``, which turns it into the argument's. Both return it.
    writes : callable, optional
        How. It takes the op's keywords and no values, and is called on the walk's own arrays.
    """

    def __init__(
        self,
        rule: Rule,
        in_place: Literal["argument", "result"] | None = None,
        writes: Callable[..., Any] | None = None,
        masks: bool = False,
        elementwise: bool = False,
    ) -> None:
        super().__init__(rule)
        self.in_place, self.writes, self.masks = in_place, writes, masks
        self.elementwise = self.pointwise = elementwise

    def _times(self, xp: Any, g: Any, *reads: Any) -> Any:
        assert self.rule is not None
        return self.rule(xp, g, None, *reads)

    _masked_times = _times

    def push(self, xp: Any, t: Any, call: Any, reads: Any, static: Any) -> Any:
        return call(t)

    def pull(
        self, xp: Any, g: Any, like: Any, reads: Any, static: Any, is_complex: bool, safe: bool = False
    ) -> Any:
        assert self.rule is not None
        if xp.fuses and self.kernels is not None and not is_complex:
            return self.kernels.run(xp, False, g, like.shape, *reads)
        return self.rule(xp, g, like, *reads, **self.named(static))


class Joint(Linear):
    """Linear in several arguments together: in a push the others of them are 0."""


class Differential(Map):
    """``dy = rule(dx)``: a textbook's differential, ``rule(xp, t, *values, **keywords)``.

    The rule is code linear in `t`. Its adjoint is derived: the rule is taped over a stand-in of
    `t` that has a shape and no elements, so no arithmetic is spent, and the tape walked back.
    """

    def push(self, xp: Any, t: Any, call: Any, reads: Any, static: Any) -> Any:
        assert self.rule is not None
        try:
            return self.rule(xp, t, *reads, **self.named(static))
        except np.linalg.LinAlgError as error:
            raise self._missing(error) from error

    def pull(
        self, xp: Any, g: Any, like: Any, reads: Any, static: Any, is_complex: bool, safe: bool = False
    ) -> Any:
        try:
            return self._adjoint(g, like, reads, static)
        except np.linalg.LinAlgError as error:
            raise self._missing(error) from error

    def _missing(self, error: Exception) -> GradientError:
        return GradientError(f"{self.op.name}: there is no derivative here: {error}")

    def _which(self) -> str:
        named = self.op.arguments
        name = named[self.position] if self.position < len(named) else str(self.position)
        return f"{self.op.name}: the rule (Differential) for argument {name!r}"

    def _adjoint(self, g: Any, like: Any, reads: Any, static: Any) -> Any:
        """Tape the rule and walk back."""
        assert self.rule is not None
        dtype = DTYPES[like.dtype]
        leaf = Leaf(fresh_level(), like.shape, dtype)
        with recording_from(leaf.level):
            t = Tensor(Standin(like.shape, dtype), leaf)
            y = self.rule(ops, t, *map(lift, reads), **self.named(static))
        walk = Walk()
        walk.named = False
        for root, part in zip(*((y, g) if type(y) is tuple else ((y,), (g,))), strict=True):
            if not isinstance(root, Tensor):
                raise GradientError(f"{self._which()} gave {type_name(root)}, expected the tangent, an array")
            if root._node is None or root._node.level != leaf.level:
                continue
            walk.deposit(root._node, lift(fit(part, root._node)))
        try:
            pulled = walk.run([leaf])
        except TypeError as error:  # arithmetic with a stand-in, which has no elements
            op = nonlinear_op(
                [root._node for root in (y if type(y) is tuple else (y,)) if root._node], [leaf]
            )
            if op is None:
                raise
            raise GradientError(
                f"{self._which()} is not linear in t: the derivative of {op} depends on it"
            ) from error
        first = g[0] if type(g) is list else g
        if leaf not in pulled:
            return zeros(like.shape, like.dtype, beside=first)
        # The tape was of Tensors; where the walk goes on with arrays it is given one.
        return pulled[leaf] if type(first) is Tensor else raw_value(pulled[leaf])


class Missing(Map):
    """No derivative is known in this argument; whoever needs it is told so.

    Parameters
    ----------
    reason : str
        What to say after the names of the op and the argument.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(None)
        self.reason = reason

    def _raise(self) -> Any:
        name = self.op.arguments[self.position]
        raise MissingDerivativeError(
            f"{self.op.name}: the derivative in argument {name!r} is not available: {self.reason}. "
            "Detach that argument if its derivative is not wanted"
        )

    def push(self, xp: Any, t: Any, call: Any, reads: Any, static: Any) -> Any:
        return self._raise()

    def pull(
        self, xp: Any, g: Any, like: Any, reads: Any, static: Any, is_complex: bool, safe: bool = False
    ) -> Any:
        return self._raise()
