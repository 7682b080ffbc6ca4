"""Functions with rules of the user's, in JAX's form: `custom_vjp`, `custom_jvp`, `custom_gradient`.

One rule is given; the other mode is its transpose (see `dualad.call`). So a function with a pullback
can be pushed forward, one with a rule for tangents pulled back, and both at every order at which the
rule can itself be differentiated.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import optree

from ..call import Call, Parts, run_again
from ..call_levels import call
from ..engine.dataclasses import NAMESPACE
from ..engine.namespace import ops
from ..engine.operands import type_name
from ..errors import GradientError
from ..levels import argument, handle, without_level
from ..linear_tape import LinearRule, LinearTape
from . import trees
from .arguments import Arguments, Outputs, has_level, pair, positional, signature_of
from .residuals import Residuals


class _Custom(ABC):
    """A function that waits for a rule: what `custom_vjp` and `custom_jvp` have in common."""

    _kind = ""
    _how = ""

    def __init__(self, f: Callable[..., Any], nondiff_argnums: int | Sequence[int] = ()) -> None:
        trees.check_function(self._kind, f)
        functools.update_wrapper(self, f)
        self._f, self._signature = f, signature_of(f)
        self._name = f"{self._kind} of {getattr(f, '__name__', type_name(f))}"
        numbers = [nondiff_argnums] if isinstance(nondiff_argnums, int) else list(nondiff_argnums)
        if not all(isinstance(n, int) and n >= 0 for n in numbers):
            raise TypeError(
                f"{self._kind}: nondiff_argnums must be places of arguments, got {nondiff_argnums!r}"
            )
        self._nondiff = sorted(set(numbers))

    def __repr__(self) -> str:
        return f"<{self._name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._has_rule():
            raise GradientError(f"{self._name} has no rule yet: {self._how}")
        args = positional(self._name, self._signature, args, kwargs)
        fixed = [args[n] for n in self._nondiff if n < len(args)]
        if any(has_level(x) for x in trees.flatten(fixed)[0]):
            raise GradientError(
                f"{self._name}: an argument named in nondiff_argnums is being differentiated, or batched by "
                "vmap; its rule has no derivative there"
            )
        arguments = Arguments(self._name, [a for n, a in enumerate(args) if n not in self._nondiff])
        if not arguments.values:
            return self._f(*args)
        arguments.keep()
        rule = self._rule(arguments, fixed)
        outs = call(rule, arguments.values)
        arguments.forget()
        return rule.outputs.tree(outs)

    @abstractmethod
    def _has_rule(self) -> bool:
        """Return whether the rule has been given."""

    @abstractmethod
    def _rule(self, arguments: Arguments, fixed: list[Any]) -> _TreeCall:
        """Return a call with these arguments, and those that are not to be differentiated in."""

    def _arranged(self, arguments: tuple[Any, ...], fixed: list[Any]) -> list[Any]:
        """Return all arguments in their places, from those to differentiate in and the others."""
        arranged = list(arguments)
        for n, a in zip(self._nondiff, fixed, strict=False):
            arranged.insert(n, a)
        return arranged


class custom_vjp(_Custom):
    """A function whose pullback is given, in JAX's form; it can be pushed forward too.

    Parameters
    ----------
    f : callable
        A function of pytrees of arrays that gives one. It is called where nothing is differentiated.
    nondiff_argnums : int or sequence of int
        The places of arguments that are no arrays, or not to be differentiated in.

    Raises
    ------
    GradientError
        When called: before `defvjp`; if f depends on a Tensor that is differentiated and is not among its
        arguments; if the rule gives something of a wrong structure. In forward mode, in `linearize` and in
        Jacobians by columns: if `bwd` is not linear in the cotangent.
    ShapeError, DTypeError
        When differentiated: if a cotangent does not fit its argument.

    Notes
    -----
    Forward mode transposes the pullback, which is linear in the cotangent. A `bwd` that is not, such as
    one that clips, is good for reverse mode alone; a step or a branch by a value may go unnoticed elsewhere.
    Higher derivatives differentiate `bwd`; a residual that is neither an argument nor an output is seen with
    its history by running `fwd` once more. A gradient of complex arguments is PyTorch's, the conjugate of
    JAX's.

    Examples
    --------
    >>> import dualad
    >>> @dualad.custom_vjp
    ... def log1pexp(x):
    ...     return dualad.log(1 + dualad.exp(x))
    >>> log1pexp.defvjp(lambda x: (log1pexp(x), x), lambda x, g: (g / (1 + dualad.exp(-x)),))
    >>> dualad.grad(log1pexp)(100.0)
    1.0
    >>> dualad.jvp(log1pexp, (0.0,), (1.0,))[1]
    0.5

    A gradient that is clipped on its way back has no forward mode:

    >>> @dualad.custom_vjp
    ... def clipped(x, limit):
    ...     return x
    >>> clipped.defvjp(
    ...     lambda x, limit: (x, limit), lambda limit, g: (dualad.clip(g, -limit, limit), None)
    ... )
    >>> dualad.grad(lambda x: 5 * clipped(x, 2.0))(1.0)
    2.0
    >>> dualad.jvp(lambda x: clipped(x, 2.0), (1.0,), (1.0,))
    Traceback (most recent call last):
        ...
    dualad.errors.GradientError: custom_vjp of clipped: its bwd is not linear in the cotangent: ...
    """

    _kind, _how = "custom_vjp", "call its defvjp(fwd, bwd)"
    #: What errors call the two parts of the rule, and what the first gives.
    _gives, _pulls, _given = "fwd", "bwd", "(output, residuals)"

    def __init__(self, f: Callable[..., Any], nondiff_argnums: int | Sequence[int] = ()) -> None:
        super().__init__(f, nondiff_argnums)
        self._fwd: Callable[..., Any] | None = None
        self._bwd: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Give the rule.

        Parameters
        ----------
        fwd : callable
            It takes the arguments of f, and gives a pair: what f gives, and the residuals, a pytree.
        bwd : callable
            ``bwd(*nondiff, residuals, cotangent)`` gives a tuple with a cotangent for each argument that is
            not in `nondiff_argnums`: a pytree like it, None for zero.
        """
        trees.check_function(f"{self._name}: defvjp", fwd, ", fwd")
        trees.check_function(f"{self._name}: defvjp", bwd, ", bwd")
        self._fwd, self._bwd = fwd, bwd

    def _has_rule(self) -> bool:
        return self._bwd is not None

    def _rule(self, arguments: Arguments, fixed: list[Any]) -> _TreeCall:
        return _PullCall(self, arguments, fixed)


class custom_jvp(_Custom):
    """A function whose rule for tangents is given, in JAX's form; it can be pulled back too.

    Parameters
    ----------
    f : callable
        A function of pytrees of arrays that gives one. It is called where nothing is differentiated.
    nondiff_argnums : int or sequence of int
        The places of arguments that are no arrays, or not to be differentiated in.

    Raises
    ------
    GradientError
        In reverse mode: if the rule is not linear in the tangents. When called: without a rule; if f depends
        on a Tensor that is differentiated and is not among its arguments; if the rule gives something of a
        wrong structure.
    ShapeError, DTypeError
        When called, if a tangent does not fit its output.

    Notes
    -----
    Reverse mode tapes the rule, which is linear in the tangents, and walks the tape back.

    Examples
    --------
    >>> import dualad
    >>> @dualad.custom_jvp
    ... def log1pexp(x):
    ...     return dualad.log(1 + dualad.exp(x))
    >>> @log1pexp.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t * (1 - 1 / (1 + dualad.exp(x)))
    >>> dualad.grad(log1pexp)(100.0)
    1.0
    """

    _kind, _how = "custom_jvp", "call its defjvp(rule) or defjvps(*rules)"

    def __init__(self, f: Callable[..., Any], nondiff_argnums: int | Sequence[int] = ()) -> None:
        super().__init__(f, nondiff_argnums)
        self._jvp: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Give the rule; return it, so that this can be a decorator.

        Parameters
        ----------
        jvp : callable
            ``jvp(*nondiff, primals, tangents)`` takes tuples of the arguments and their tangents, and
            gives a pair: what f gives, and its tangent, of the same structure.
        """
        trees.check_function(f"{self._name}: defjvp", jvp, ", the rule")
        self._jvp = jvp
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Give a rule for each argument; the tangent is their sum.

        Parameters
        ----------
        *jvps : callable or None
            ``jvp(tangent, output, *arguments)`` gives the tangent of the output for that of one argument;
            None for an argument with which the output does not move.
        """
        for jvp in jvps:
            if jvp is not None:
                trees.check_function(f"{self._name}: defjvps", jvp, " or None for each argument")
        if self._nondiff:
            raise TypeError(f"{self._name}: defjvps cannot be used with nondiff_argnums; use defjvp")

        def rule(primals: Any, tangents: Any) -> Any:
            out = self(*primals)
            if len(jvps) != len(primals):
                raise GradientError(
                    f"{self._name}: defjvps was given {len(jvps)} rules for {len(primals)} arguments"
                )
            parts = [j(t, out, *primals) for j, t in zip(jvps, tangents, strict=True) if j is not None]
            if not parts:
                return out, optree.tree_map(trees.zero_tangent, out, namespace=NAMESPACE)
            return out, functools.reduce(
                lambda a, b: optree.tree_map(ops.add, a, b, namespace=NAMESPACE), parts
            )

        self._jvp = rule

    def _has_rule(self) -> bool:
        return self._jvp is not None

    def _rule(self, arguments: Arguments, fixed: list[Any]) -> _TreeCall:
        return _PushCall(self, arguments, fixed)


def custom_gradient(f: Callable[..., Any]) -> custom_vjp:
    """Return a function whose pullback f gives along with its value.

    Parameters
    ----------
    f : callable
        A function of pytrees of arrays that gives a pair: its output, and a function that takes a
        cotangent of the output and gives a tuple of cotangents, one for each argument (or just the one, if
        there is one argument).

    Returns
    -------
    custom_vjp
        The function of the first part of the pair, with all that `custom_vjp` says of it.

    Examples
    --------
    >>> import dualad
    >>> @dualad.custom_gradient
    ... def log1pexp(x):
    ...     e = dualad.exp(x)
    ...     return dualad.log(1 + e), lambda g: g * (1 - 1 / (1 + e))
    >>> dualad.grad(log1pexp)(100.0)
    1.0
    """
    trees.check_function("custom_gradient", f)
    name = f"custom_gradient of {getattr(f, '__name__', type_name(f))}"
    gives, given = "the function", "(output, pullback)"

    @functools.wraps(f)
    def value(*args: Any) -> Any:
        return pair(name, gives, f(*args), given)[0]

    def bwd(pullback: Callable[..., Any], cotangent: Any) -> Any:
        trees.check_function(name, pullback, " behind the output, the pullback")
        pulled = pullback(cotangent)
        return pulled if isinstance(pulled, (tuple, list)) else (pulled,)

    function = custom_vjp(value)
    function._kind, function._name = "custom_gradient", name
    function._gives, function._pulls, function._given = gives, "pullback", given
    function.defvjp(f, bwd)
    return function


class _TreeCall(Call):
    """A call of a function of pytrees."""

    def __init__(self, custom: Any, arguments: Arguments, fixed: list[Any]) -> None:
        super().__init__()
        self.custom, self.inputs, self.fixed = custom, arguments, fixed
        self.owner = custom
        self.outputs = Outputs()
        self.name = custom._name
        self.node_name = f"{custom._f.__name__}Backward0"
        self.functions = (custom._f,)

    def compute(self, values: list[Any]) -> list[Any]:
        return self.outputs.taken(self.custom._f(*self._filled([argument(v) for v in values])))

    def _filled(self, values: list[Any]) -> list[Any]:
        """Return all arguments, with these Tensors among them."""
        return self.custom._arranged(self.inputs.filled(values), self.fixed)


class _PullCall(_TreeCall):
    """A call of a `custom_vjp`. Kept are its residuals."""

    def __init__(self, custom: custom_vjp, arguments: Arguments, fixed: list[Any]) -> None:
        super().__init__(custom, arguments, fixed)
        self.functions = (custom._f, custom._fwd)
        self.pulls = custom._pulls

    def forward(self, values: list[Any]) -> tuple[list[Any], Any]:
        inputs = [argument(v) for v in values]
        before = [handle(x) for x in inputs]
        given = self.custom._fwd(*self._filled(inputs))
        out, residuals = pair(self.name, self.custom._gives, given, self.custom._given)
        outs = self.outputs.taken(out)
        leaves = trees.flatten(out)[0]
        outputs = [leaves[i] for i in self.outputs.places]
        return outs, Residuals(residuals, inputs, before, outputs, self.inputs.leaves)

    def seen(self, kept: Callable[[], Any], values: list[Any], outs: list[Any]) -> Any:
        residuals = kept()
        if not residuals.complete:
            residuals = run_again(self, values)
        return residuals.on(values, outs)

    def parts(self, kept: Any) -> Parts:
        return kept.parts(len(self.inputs.places))

    def joined(self, rest: Any, leaves: list[Any], values: list[Any], outs: list[Any]) -> Any:
        return rest.joined(leaves, values, outs)

    def adjoint(self, kept: Any, values: list[Any], outs: list[Any], cotangents: list[Any]) -> list[Any]:
        g = self.outputs.cotangents(cotangents, outs)
        given = self.custom._bwd(*self.fixed, kept().tree(), g)
        return self.inputs.cotangents(given, self.pulls)


class _PushCall(_TreeCall):
    """A call of a `custom_jvp`. Kept is the tape of its rule, which is linear in the tangents."""

    def __init__(self, custom: custom_jvp, arguments: Arguments, fixed: list[Any]) -> None:
        super().__init__(custom, arguments, fixed)
        self.functions = (custom._f, custom._jvp)

    def forward(self, values: list[Any]) -> tuple[list[Any], Any]:
        outs: list[Any] = []

        def pushed(tangents: list[Any]) -> list[Any]:
            given = iter(tangents)
            spread = [next(given) if alive else None for alive in self.live]
            outs[:], moved = self.forward_and_push(values, spread)
            return moved

        rule = LinearRule(self.custom, f"{self.name}: its rule", "tangents", "in forward mode")
        tape = LinearTape(pushed, [v for v, alive in zip(values, self.live, strict=True) if alive], rule)
        return [without_level(o, tape.level) for o in outs], tape

    def forward_and_push(self, values: list[Any], tangents: list[Any]) -> tuple[list[Any], list[Any]]:
        primals = self.inputs.filled([argument(v) for v in values])
        given = self.custom._jvp(*self.fixed, primals, self.inputs.tangents(tangents, values))
        out, tangent = pair(self.name, "the rule", given, "(output, tangent)")
        outs = self.outputs.taken(out)
        return outs, self.outputs.tangents(tangent, outs, f"{self.name}: the tangent that the rule gave")

    def parts(self, kept: Any) -> Parts:
        return Parts(set(range(len(self.inputs.places))), set(), [], kept)

    def differential(self, kept: Any, values: list[Any], outs: list[Any], tangents: list[Any]) -> list[Any]:
        return self.forward_and_push(values, tangents)[1]

    def adjoint(self, kept: Any, values: list[Any], outs: list[Any], cotangents: list[Any]) -> list[Any]:
        pulled = iter(kept().pull(cotangents))
        return [next(pulled) if alive else None for alive in self.live]
