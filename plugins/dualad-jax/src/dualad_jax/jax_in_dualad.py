"""Functions of JAX's in dualad programs: dualad differentiates them by JAX's derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

import dualad
from dualad import Tensor
from dualad.backends import CPU, Device
from dualad.backends.registry import BY_TYPE
from dualad.engine.tensor import raw_value
from dualad.errors import GradientError
from dualad.levels import is_live
from dualad.transforms import trees
from dualad.transforms.arguments import has_level

Array = Any
#: A function of JAX's arrays in a list that gives JAX's arrays in a list.
Function = Callable[[list[Array]], list[Array]]


def from_jax(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of JAX's as one of Tensors and arrays, which dualad differentiates.

    Parameters
    ----------
    f : callable
        A function of JAX's arrays, or of pytrees of them, that gives such. It is given JAX's arrays in the
        places of Tensors and of arrays, and all else as it is. Let JAX compile it, by ``jax.jit``, where it
        is called often.

    Returns
    -------
    callable
        It takes Tensors, or arrays of any backend, in the places of JAX's arrays, and gives Tensors or
        arrays, as they came, on the device of the first of them. dualad differentiates it in all arguments,
        in both modes and at every order at which JAX can, and maps it by ``jax.vmap``.

    Raises
    ------
    TypeError
        If f cannot be called.
    GradientError
        When called, if f depends on a Tensor that dualad differentiates and that is not among its arguments.
    DTypeError
        When called, if an argument has 64 bits and JAX has not been told to have such types.

    Notes
    -----
    Arrays that f closes over are constants. f may call functions of dualad's, too; the derivatives are
    JAX's all the same, by ``jax.vjp`` and ``jax.jvp``, in dualad's convention where numbers are complex.

    Examples
    --------
    >>> import dualad, dualad_jax, jax, jax.numpy as jnp
    >>> softplus = dualad_jax.from_jax(jax.jit(jax.nn.softplus))
    >>> x = dualad.tensor([0.0, 100.0], requires_grad=True)
    >>> softplus(x).sum().backward()
    >>> x.grad
    tensor([0.5000, 1.0000])
    >>> slope = dualad.grad(lambda x: softplus(x))
    >>> dualad.grad(slope)(dualad.tensor(0.0))
    tensor(0.2500)

    A pytree of parameters:

    >>> loss = dualad_jax.from_jax(lambda p, x: jnp.sum(x @ p["w"] + p["b"]))
    >>> p = {"w": dualad.ones(2), "b": dualad.tensor(0.5)}
    >>> gradients = dualad.grad(loss)(p, dualad.tensor([[3.0, 4.0]]))
    >>> gradients["w"], gradients["b"]
    (tensor([3., 4.]), tensor(1.))
    """
    trees.check_function("from_jax", f)
    name = f"from_jax of {getattr(f, '__name__', type(f).__name__)}"

    @functools.wraps(f)
    def bridged(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = trees.flatten((args, kwargs))
        arrays = [i for i, x in enumerate(leaves) if _is_array(x)]
        live = [i for i in arrays if has_level(leaves[i])]
        given = list(leaves)
        for i in arrays:
            if i not in live:
                given[i] = _to_native(leaves[i])
        out: Any = None
        # As it is here, so that it shows if the result depends on a Tensor that is no argument.
        recorded = dualad.is_grad_enabled()

        def flat(values: list[Array]) -> list[Array]:
            nonlocal out
            filled = list(given)
            for i, v in zip(live, values, strict=True):
                filled[i] = v
            positional, named = trees.unflatten(structure, filled)
            with dualad.set_grad_enabled(recorded):
                found, kind = trees.flatten(f(*positional, **named))
            found = [_untracked(name, y) if isinstance(y, Tensor) else y for y in found]
            taken = [i for i, y in enumerate(found) if isinstance(y, (jax.Array, jax.core.Tracer))]
            out = [None if i in taken else y for i, y in enumerate(found)], taken, kind
            return [found[i] for i in taken]

        home = dualad.asarray(leaves[arrays[0]], copy=False).device if arrays else CPU
        ys = _called(flat, home, [leaves[i] for i in live])
        rest, taken, kind = out
        like = [leaves[i] for i in arrays] or [0.0]
        for i, y in zip(taken, ys, strict=True):
            rest[i] = trees.like_inputs(y, like)
        return trees.unflatten(kind, rest)

    return bridged


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor) or (hasattr(x, "shape") and BY_TYPE[type(x)] is not None)


def _untracked(name: str, y: Tensor) -> Any:
    """Return a Tensor that the function has given as one of JAX's arrays, if it is of such."""
    if has_level(y):
        raise GradientError(
            f"{name}: the function depends on a dualad Tensor that is differentiated, or batched, and is not "
            "among its arguments, and its derivatives would be lost; make it an argument, or detach it"
        )
    return raw_value(y) if y.device.type == "jax" else y


def _to_native(x: Any) -> Array:
    """Return an array or a Tensor as one of JAX's arrays, without history."""
    raw = raw_value(x)
    backend = BY_TYPE[type(raw)]
    assert backend is not None
    return raw if backend.name == "jax" else raw_value(dualad.asarray(raw).to("jax"))


def _from_native(y: Array, home: Device) -> Tensor:
    """Return one of JAX's arrays as a Tensor on a device."""
    x = dualad.asarray(y)
    return x if home.type == "jax" else x.to(home)


def _called(function: Function, home: Device, xs: Sequence[Tensor]) -> Sequence[Tensor]:
    """Call a function with Tensors, so that dualad can differentiate it."""
    call = _Call(function, home)
    call.live = any(map(is_live, xs))
    return _Bridge.apply(call, *xs)


class _Call:
    """One call of a function from dualad, and what is kept of it for the backward pass.

    Attributes
    ----------
    live : bool
        Whether it is differentiated.
    moving : list of int
        The outputs that have derivatives; known once it has been run.
    """

    live = False

    def __init__(self, function: Function, home: Device) -> None:
        self.function, self.home = function, home
        self.moving: list[int] = []
        self._pullback: Any = None

    def run(self, xs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the outputs; keep JAX's pullback if the arguments are live."""
        inputs = [_to_native(x) for x in xs]
        live = [i for i, x in enumerate(inputs) if _is_differentiable(x)]
        if self.live and live:
            kept: list[Array] = []

            def moving_outputs(*lively: Array) -> tuple[list[Array], list[Array]]:
                ys = self.function(_filled(inputs, live, lively))
                kept[:] = [i for i, y in enumerate(ys) if _is_differentiable(y)]
                return [ys[i] for i in kept], ys

            _, self._pullback, outputs = jax.vjp(moving_outputs, *(inputs[i] for i in live), has_aux=True)
        else:
            outputs = self.function(inputs)
        self.moving = [i for i, y in enumerate(outputs) if _is_differentiable(y)]
        return tuple(_from_native(y, self.home) for y in outputs)

    def pull(self, gs: Sequence[Tensor]) -> list[Tensor] | None:
        """Return the gradients of the arguments by what has been kept; None if nothing has."""
        if self._pullback is None:
            return None
        pulled = self._pullback([jnp.conj(_to_native(gs[i])) for i in self.moving])
        return [_from_native(jnp.conj(g), self.home) for g in pulled]

    # Functions of the same arguments, to be called in their turn.

    def pulled(self, live: list[int], count: int) -> Function:
        """Return the function of arguments and cotangents that gives the gradients of some arguments."""

        def function(arrays: list[Array]) -> list[Array]:
            xs, gs = arrays[:count], arrays[count:]
            _, pullback = jax.vjp(self._moving_outputs(xs, live), *(xs[i] for i in live))
            # JAX transposes; dualad's adjoints conjugate.
            return [jnp.conj(g) for g in pullback([jnp.conj(g) for g in gs])]

        return function

    def pushed(self, live: list[int], count: int) -> Function:
        """Return the function of arguments and tangents of some of them that gives those of the outputs."""

        def function(arrays: list[Array]) -> list[Array]:
            xs, ts = arrays[:count], arrays[count:]
            return list(jax.jvp(self._moving_outputs(xs, live), tuple(xs[i] for i in live), tuple(ts))[1])

        return function

    def _moving_outputs(self, xs: list[Array], live: list[int]) -> Callable[..., list[Array]]:
        def function(*lively: Array) -> list[Array]:
            ys = self.function(_filled(xs, live, lively))
            return [ys[i] for i in self.moving]

        return function

    def mapped(self, axes: Sequence[int | None]) -> Function:
        """Return the function of batches."""

        def function(arrays: list[Array]) -> list[Array]:
            one = lambda *examples: self.function(list(examples))  # noqa: E731
            return list(jax.vmap(one, in_axes=tuple(axes))(*arrays))

        return function


def _is_differentiable(x: Array) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.inexact))


def _filled(arrays: list[Array], places: list[int], others: Sequence[Array]) -> list[Array]:
    filled = list(arrays)
    for i, a in zip(places, others, strict=True):
        filled[i] = a
    return filled


class _Bridge(dualad.autograd.Function):
    """How dualad sees a call."""

    @staticmethod
    def forward(call: _Call, *xs: Tensor) -> tuple[Tensor, ...]:
        return call.run(xs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.call, *xs = inputs
        ctx.count = len(output)
        ctx.save_for_backward(*xs)
        ctx.save_for_forward(*xs)
        ctx.mark_non_differentiable(*(y for i, y in enumerate(output) if i not in ctx.call.moving))

    @staticmethod
    def backward(ctx: Any, *gs: Tensor) -> tuple[Any, ...]:
        call, xs = ctx.call, ctx.saved_tensors
        live = [i for i, x in enumerate(xs) if x.dtype.is_differentiable]
        gradients: Any = None if dualad.is_grad_enabled() else call.pull(gs)
        if gradients is None:
            function = call.pulled(live, len(xs))
            gradients = _called(function, call.home, [*xs, *(gs[i] for i in call.moving)])
        pulled = dict(zip(live, gradients, strict=True))
        return (None, *(pulled.get(i) for i in range(len(xs))))

    @staticmethod
    def jvp(ctx: Any, _: None, *ts: Tensor) -> tuple[Any, ...]:
        call, xs = ctx.call, ctx.saved_tensors
        live = [i for i, x in enumerate(xs) if x.dtype.is_differentiable]
        pushed = _called(call.pushed(live, len(xs)), call.home, [*xs, *(ts[i] for i in live)])
        found = dict(zip(call.moving, pushed, strict=True))
        return tuple(found.get(i) for i in range(ctx.count))

    @staticmethod
    def vmap(info: Any, in_dims: Any, call: _Call, *xs: Tensor) -> tuple[Any, tuple[int, ...]]:
        batched = _Call(call.mapped(in_dims[1:]), call.home)
        batched.live = any(map(is_live, xs))
        outs = _Bridge.apply(batched, *xs)
        call.moving = batched.moving
        return outs, (0,) * len(outs)
