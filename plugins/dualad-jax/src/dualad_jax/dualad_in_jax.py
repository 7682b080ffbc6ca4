"""Functions of dualad's in JAX programs: JAX differentiates them by dualad's derivatives.

A call is one primitive of JAX's. Its tangents are another call, of a function linear in them, whose
transpose is a third; each of these is a function of dualad's in its turn, so there are derivatives of all
orders, in both modes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

import dualad
from dualad import Tensor
from dualad.backends.registry import BY_TYPE
from dualad.engine.tensor import raw_value
from dualad.errors import DTypeError, GradientError, ShapeError
from dualad.transforms import trees
from dualad.transforms.arguments import has_level

Array = Any
#: A function of Tensors in a list that gives Tensors in a list.
Function = Callable[[list[Tensor]], list[Tensor]]


def to_jax(f: Callable[..., Any], *, result: Any = None) -> Callable[..., Any]:
    """Return a function of dualad's as one of JAX's, which JAX differentiates by dualad's derivatives.

    Parameters
    ----------
    f : callable
        A function of Tensors, or of pytrees of them, that gives such. It is given Tensors of JAX's arrays
        in the places of arrays and of floats, and all else as it is.
    result : pytree of jax.ShapeDtypeStruct, optional
        What f gives. If this is told, f may compute anything: it is given Tensors on the CPU, whose values
        are known, also where JAX compiles the program, which then calls back (``jax.pure_callback``); under
        ``jax.vmap`` with one example after the other.

    Returns
    -------
    callable
        It takes and gives JAX's arrays. It can be differentiated in all arguments, in both modes and at
        every order at which dualad can, and stands inside ``jax.jit``, ``jax.vmap``, ``jax.grad`` and all
        other transforms of JAX's.

    Raises
    ------
    TypeError
        If f cannot be called.
    GradientError
        When called, if f depends on a Tensor that requires grad and is not among its arguments.
    ShapeError, DTypeError
        When called, if f does not give what `result` says.

    Notes
    -----
    Derivatives are those that dualad has, by its rules and by those of the user's: custom rules, implicit
    functions, conventions at kinks. Of complex arguments they have JAX's convention. Traced arrays must be
    arguments of f: one that it closes over is an error, JAX's or dualad's.

    Derivatives run f once more; where that is compiled together, XLA leaves out what is computed twice.
    Random numbers would be others then: make them arguments, or a key from which f draws (`generator`).

    Examples
    --------
    >>> import dualad, dualad_jax, jax, jax.numpy as jnp
    >>> norm = dualad_jax.to_jax(lambda x: dualad.sqrt(dualad.sum(x * x)))
    >>> x = jnp.asarray([3.0, 4.0])
    >>> [round(float(g), 3) for g in jax.jit(jax.grad(norm))(x)]
    [0.6, 0.8]
    >>> [[round(float(h), 3) for h in row] for row in jax.hessian(norm)(x)]
    [[0.128, -0.096], [-0.096, 0.072]]

    A function whose steps depend on values:

    >>> def root(a):  # Newton's method
    ...     x = a
    ...     while abs(float(x.detach()) ** 2 - float(a.detach())) > 1e-6:
    ...         x = (x + a / x) / 2
    ...     return x
    >>> number = jax.ShapeDtypeStruct((), jnp.float32)
    >>> slope = jax.jit(jax.grad(dualad_jax.to_jax(root, result=number)))
    >>> round(float(slope(jnp.float32(4.0))), 3)
    0.25
    """
    trees.check_function("to_jax", f)
    name = f"to_jax of {getattr(f, '__name__', type(f).__name__)}"
    told = None if result is None else jax.tree.flatten(result)

    @functools.wraps(f)
    def bridged(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = jax.tree.flatten((args, kwargs), is_leaf=_is_tensor)
        places = [i for i, leaf in enumerate(leaves) if _is_array(leaf)]
        out: Any = None

        def flat(tensors: list[Tensor]) -> list[Tensor]:
            nonlocal out
            filled = list(leaves)
            for i, t in zip(places, tensors, strict=True):
                filled[i] = t
            positional, named = jax.tree.unflatten(structure, filled)
            found, kind = jax.tree.flatten(f(*positional, **named), is_leaf=_is_tensor)
            taken = [i for i, y in enumerate(found) if _is_array(y)]
            out = [None if i in taken else y for i, y in enumerate(found)], taken, kind
            return [dualad.asarray(found[i]) for i in taken]

        arrays = [_as_array(leaves[i]) for i in places]
        ys = call_p.bind(*arrays, call=Call(flat, name, None if told is None else told[0]))
        if told is not None:
            return jax.tree.unflatten(told[1], ys)
        rest, taken, kind = out
        for i, y in zip(taken, ys, strict=True):
            rest[i] = y
        return jax.tree.unflatten(kind, rest)

    return bridged


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def _is_array(x: Any) -> bool:
    return isinstance(x, (Tensor, float, complex)) or BY_TYPE[type(x)] is not None


def _as_array(x: Any) -> Array:
    """Return an argument as one of JAX's arrays."""
    if isinstance(x, Tensor):
        if has_level(x):
            raise GradientError(
                "to_jax: a Tensor that dualad differentiates, or batches, is given to a function of JAX's, "
                "through which no history goes; detach it, or call the function of dualad's itself"
            )
        x = raw_value(x.to("jax"))
    return jnp.asarray(x)


def _is_key(x: Array) -> bool:
    return bool(jnp.issubdtype(x.dtype, jax.dtypes.prng_key))


class Call:
    """A call of a function from JAX.

    Parameters
    ----------
    function : callable
        It: of Tensors in a list, differentiable by dualad.
    name : str
        What errors call it.
    result : list of jax.ShapeDtypeStruct, optional
        What it gives, where it computes on the CPU.
    linear : int
        Of how many arguments, the last ones, it is a linear function.
    transposed : callable, optional
        It gives the call of the transpose in these arguments.
    """

    def __init__(
        self,
        function: Function,
        name: str,
        result: Sequence[Any] | None = None,
        linear: int = 0,
        transposed: Callable[[], Call] | None = None,
    ) -> None:
        self.function, self.name, self.linear, self.transposed = function, name, linear, transposed
        self.result = None if result is None else list(result)
        self._shapes: list[Any] | None = self.result

    def run(self, *arrays: Array) -> list[Array]:
        """Return what the function gives of JAX's arrays."""
        if self.result is not None:
            return list(jax.pure_callback(self._on_host, self.result, *arrays))
        ys = self._called([a if _is_key(a) else dualad.asarray(a, copy=False) for a in arrays])
        return [raw_value(y if y.device.type == "jax" else y.to("jax")) for y in ys]

    def _on_host(self, *arrays: Any) -> list[np.ndarray]:
        assert self.result is not None
        ys = self._called([dualad.asarray(np.asarray(a)) for a in arrays])
        got = [np.asarray(raw_value(y.to("cpu"))) for y in ys]
        if [a.shape for a in got] != [s.shape for s in self.result]:
            shapes = [s.shape for s in self.result]
            raise ShapeError(f"{self.name}: it gives shapes {[a.shape for a in got]}, `result` says {shapes}")
        for a, s in zip(got, self.result, strict=True):
            if a.dtype.kind != np.dtype(s.dtype).kind:
                raise DTypeError(f"{self.name}: it gives {a.dtype}, `result` says {s.dtype}")
        return [a.astype(s.dtype) for a, s in zip(got, self.result, strict=True)]

    def _called(self, tensors: list[Tensor]) -> list[Tensor]:
        ys = self.function(tensors)
        if any(y.requires_grad for y in ys):
            raise GradientError(
                f"{self.name}: the function depends on a dualad Tensor that requires grad and is not among "
                "its arguments, and JAX could not give it a gradient; make it an argument, or detach it"
            )
        return ys

    def shapes(self, *avals: Any) -> list[Any]:
        """Return the shapes and dtypes of what it gives."""
        if self._shapes is None:
            likes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
            program, shapes = jax.make_jaxpr(self.run, return_shape=True)(*likes)
            if any(isinstance(c, jax.core.Tracer) for c in program.consts):
                raise GradientError(
                    f"{self.name}: the function depends on an array that JAX traces and that is not among "
                    "its arguments, and JAX could not differentiate in it; make it an argument"
                )
            self._shapes = list(shapes)
        return self._shapes

    # -- functions of the same arguments ---------------------------------------------------------

    def moving(self, avals: Sequence[Any]) -> list[int]:
        """Return which outputs have derivatives."""
        return [i for i, s in enumerate(self.shapes(*avals)) if _moves(s)]

    def pushed(self, live: list[int], avals: Sequence[Any]) -> Call:
        """Return the call with the arguments, and tangents of some of them: it gives those of the outputs."""
        moving, count, shapes = self.moving(avals), len(avals), self.shapes(*avals)

        def push(tensors: list[Tensor]) -> list[Tensor]:
            xs, ts = tensors[:count], tensors[count:]
            return list(dualad.jvp(self._outputs(xs, live, moving), [xs[i] for i in live], ts)[1])

        result = None if self.result is None else [shapes[i] for i in moving]
        transposed = lambda: self.pulled(live, avals)  # noqa: E731
        return Call(push, self.name, result, len(live), transposed)

    def pulled(self, live: list[int], avals: Sequence[Any]) -> Call:
        """Return the call with the arguments, and cotangents of the outputs: it gives those of arguments."""
        moving, count = self.moving(avals), len(avals)

        def pull(tensors: list[Tensor]) -> list[Tensor]:
            xs, gs = tensors[:count], tensors[count:]
            _, pullback = dualad.vjp(self._outputs(xs, live, moving), *(xs[i] for i in live))
            # JAX transposes; dualad's adjoints conjugate.
            return [dualad.conj(g) for g in pullback([dualad.conj(g) for g in gs])]

        result = None if self.result is None else [
            jax.ShapeDtypeStruct(avals[i].shape, avals[i].dtype) for i in live
        ]  # fmt: skip
        transposed = lambda: self.pushed(live, avals)  # noqa: E731
        return Call(pull, self.name, result, len(moving), transposed)

    def _outputs(self, xs: list[Tensor], live: list[int], moving: list[int]) -> Callable[..., list[Tensor]]:
        """Return the function of some arguments that gives the outputs that have derivatives."""

        def function(*lively: Tensor) -> list[Tensor]:
            filled = list(xs)
            for i, x in zip(live, lively, strict=True):
                filled[i] = x
            ys = self.function(filled)
            return [ys[i] for i in moving]

        return function

    def mapped(self, axes: Sequence[int | None], size: int) -> Call:
        """Return the call with batches."""

        def batched(tensors: list[Tensor]) -> list[Tensor]:
            one = lambda *examples: self.function(list(examples))  # noqa: E731
            return list(
                dualad.vmap(one, in_axes=tuple(axes), axis_size=size, randomness="different")(*tensors)
            )

        def one_by_one(tensors: list[Tensor]) -> list[Tensor]:
            if not size:
                assert result is not None
                return [dualad.zeros(s.shape, dtype=s.dtype.name) for s in result]
            outs = []
            for i in range(size):
                examples = [x if axis is None else x[i] for x, axis in zip(tensors, axes, strict=True)]
                outs.append(self.function(examples))
            return [dualad.stack(ys) for ys in zip(*outs, strict=True)]

        result = None if self.result is None else [
            jax.ShapeDtypeStruct((size, *s.shape), s.dtype) for s in self.result
        ]  # fmt: skip
        # On the CPU f may look at values, which vmap has none of.
        function = batched if result is None else one_by_one
        transpose = self.transposed
        if transpose is None:
            return Call(function, self.name, result)
        behind = len(axes) - self.linear

        def transposed() -> Call:
            other = transpose()
            return other.mapped([*axes[:behind], *[0] * other.linear], size)

        return Call(function, self.name, result, self.linear, transposed)


def _moves(aval: Any) -> bool:
    return bool(jnp.issubdtype(aval.dtype, jnp.inexact))


# -- the primitive -----------------------------------------------------------------------------------

call_p: Any = Primitive("dualad_call")
call_p.multiple_results = True


def _run(*arrays: Array, call: Call) -> list[Array]:
    return call.run(*arrays)


def _abstract(*avals: Any, call: Call) -> list[Any]:
    return [ShapedArray(s.shape, s.dtype) for s in call.shapes(*avals)]


def _push(primals: Sequence[Array], tangents: Sequence[Any], *, call: Call) -> tuple[list[Array], list[Any]]:
    outs = call_p.bind(*primals, call=call)
    avals = [jax.typeof(x) for x in primals]
    live = [i for i, t in enumerate(tangents) if type(t) is not ad.Zero]
    first = len(primals) - call.linear
    if all(i >= first for i in live):
        ts = [ad.instantiate_zeros(t) for t in tangents[first:]]
        return outs, call_p.bind(*primals[:first], *ts, call=call)
    pushed = call_p.bind(*primals, *(tangents[i] for i in live), call=call.pushed(live, avals))
    found = dict(zip(call.moving(avals), pushed, strict=True))
    return outs, [found.get(i, ad.Zero(jax.typeof(y).to_tangent_aval())) for i, y in enumerate(outs)]


def _pull(cts: Sequence[Any], *args: Any, call: Call) -> list[Any]:
    assert call.transposed is not None
    first = len(args) - call.linear
    gs = [ad.instantiate_zeros(g) for g in cts]
    pulled = call_p.bind(*args[:first], *gs, call=call.transposed())
    wanted = [ad.is_undefined_primal(a) for a in args[first:]]
    return [None] * first + [g if w else None for g, w in zip(pulled, wanted, strict=True)]


def _map(args: Sequence[Array], dims: Sequence[Any], *, call: Call) -> tuple[list[Array], list[int]]:
    is_mapped = [d is not None for d in dims]
    size = next(x.shape[d] for x, d, m in zip(args, dims, is_mapped, strict=True) if m)
    first = len(args) - call.linear
    placed, axes = [], []
    for i, (x, d, m) in enumerate(zip(args, dims, is_mapped, strict=True)):
        if m:
            x = jnp.moveaxis(x, d, 0)
        elif i >= first:  # so that the transpose has only batches, too
            x = jnp.broadcast_to(x, (size, *x.shape))
        placed.append(x)
        axes.append(0 if m or i >= first else None)
    outs = call_p.bind(*placed, call=call.mapped(axes, size))
    return outs, [0] * len(outs)


call_p.def_impl(_run)
call_p.def_abstract_eval(_abstract)
ad.primitive_jvps[call_p] = _push
ad.primitive_transposes[call_p] = _pull
batching.primitive_batchers[call_p] = _map
mlir.register_lowering(call_p, mlir.lower_fun(_run, multiple_results=True))
