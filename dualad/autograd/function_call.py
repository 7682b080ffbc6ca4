"""The call of a `Function` at all levels: how its methods are called, and how what they give is checked."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, NamedTuple

from .. import batching
from ..call import Call, Parts, run_again
from ..call_levels import call
from ..engine.fit import fit, zeros
from ..engine.namespace import ops
from ..engine.node import GROUND, Batch, CallNode, Leaf, Standin, is_freed
from ..engine.operands import type_name
from ..engine.recording import set_recording
from ..engine.tensor import Tensor
from ..engine.views import assign
from ..engine.walk import FREED
from ..errors import GradientError, MissingDerivativeError, ShapeError
from ..levels import argument, handle, is_live, standin
from ..ops.indexing import check_writable
from ..transforms.arguments import as_tensor, has_level, is_array
from ..transforms.residuals import Residuals
from .context import FunctionCtx, restored


class VmapInfo(NamedTuple):
    """What a `Function`'s `vmap` is told of the batch."""

    batch_size: int
    randomness: str


class FunctionCall(Call):
    """A call of a `Function`. Kept is what its ctx has."""

    def __init__(self, function: Any, args: tuple[Any, ...]) -> None:
        super().__init__()
        self.function = function
        self.args = list(args)
        self.places = [i for i, x in enumerate(args) if has_level(x)]
        self.name, self.node_name = function.__name__, f"{function.__name__}Backward"
        self.functions = (function.forward,)
        if function.backward is not None and function.vjp is not None:
            raise GradientError(
                f"{self.name}: Implementing both 'backward' and 'vjp' for a custom Function is not allowed; "
                "they are two names of one method"
            )
        self.backward = function.vjp if function.backward is None else function.backward
        self.pulls = "" if self.backward is None else "backward" if function.vjp is None else "vjp"
        self.owner = function
        if function.vmap is not None:
            self.batched = self._batched
        self.rest: list[Any] = []  # the outputs that are no arrays, with None where there is one
        self.single = True
        self.dirty: dict[int, int] = {}  # which output an argument has become

    def run(self) -> Any:
        """Call it on the arguments as the user gave them."""
        values = [self.args[i] for i in self.places]
        outs = call(self, values) if values else self.compute([])
        returned = list(outs)
        for i, n in self.dirty.items():
            check_writable(self.args[i])
            assign(self.args[i], outs[n])
            returned[n] = self.args[i]
        for i in self.places:
            self.args[i] = standin(self.args[i])  # a tape that needs it has it
        return self._arranged(returned)

    def forward(self, values: list[Any]) -> tuple[list[Any], Any]:
        given = [argument(v) for v in values]
        before = [handle(x) for x in given]
        inputs, ctx = self._inputs(given), self._ctx()
        # In a context of its own: no mode of its stays on, not even if Ctrl-C ends it anywhere.
        out = copy_context().run(self._called, ctx, inputs, any(map(is_live, given)))
        outputs = self._taken(out)
        self._mark_constant(ctx, outputs)
        self._mark_dirty(ctx, inputs, outputs)
        return [as_tensor(y) for y in outputs], self._residuals(ctx, given, before, outputs)

    def _called(self, ctx: FunctionCtx, inputs: list[Any], recording: bool) -> Any:
        # Without history nothing is recorded, as in PyTorch; with one, forward is run again to have it.
        set_recording(recording)
        if self.function.setup_context is None:
            return self.function.forward(ctx, *inputs)
        out = self.function.forward(*inputs)
        self.function.setup_context(ctx, tuple(inputs), out)
        return out

    def _residuals(self, ctx: FunctionCtx, given: Any, before: Any, outputs: Any) -> Residuals:
        return Residuals(ctx._parted(), given, before, outputs, self.args, opaque=False)

    def seen(self, kept: Callable[[], Any], values: list[Any], outs: list[Any]) -> Any:
        if self.function.setup_context is not None:
            return self._set_up(values, outs)
        residuals = kept()
        if residuals is None:
            raise GradientError(
                f"{self.name}: has a vmap of its own, and is differentiated inside dualad.vmap: define "
                "setup_context(ctx, inputs, output), and forward(*args) without ctx"
            )
        if not residuals.complete:
            residuals = run_again(self, values)
        return residuals.on(values, outs)

    def _set_up(self, values: list[Any], outs: list[Any]) -> Residuals:
        """Call setup_context on arguments and outputs with a history."""
        given, outputs = [handle(v) for v in values], [handle(o) for o in outs]
        inputs, ctx = self._inputs(given), self._ctx()
        for i, n in self.dirty.items():
            inputs[i] = outputs[n]
        self.function.setup_context(ctx, tuple(inputs), self._arranged(outputs))
        self._mark_constant(ctx, outputs)
        return self._residuals(ctx, given, values, outputs)

    def parts(self, kept: Any) -> Parts | None:
        return None if self.backward is None else kept.parts(len(self.places))

    def joined(self, rest: Any, leaves: list[Any], values: list[Any], outs: list[Any]) -> Any:
        return rest.joined(leaves, values, outs)

    def shown(self, node: CallNode, values: list[Any], outs: list[Any]) -> tuple[list[Any], list[Any]]:
        if node.level != GROUND:
            return values, outs
        seen = [v if p is None else _leaf(v) for v, p in zip(values, node.parents, strict=True)]
        return seen, [_leaf(o) if self.moves(i, o) else o for i, o in enumerate(outs)]

    def attribute(self, node: CallNode, name: str) -> Any:
        if name == "needs_input_grad":
            return self._ctx().needs_input_grad
        if is_freed(node):
            if name == "saved_tensors":
                raise GradientError(FREED.format(node=self.node_name))
            raise AttributeError(
                f"{self.node_name!r} object has no attribute {name!r}, or a backward pass has freed it"
            )
        values, outs, leaves, rest = node.saved
        kept = rest() if leaves is None else self.joined(rest, leaves, values, outs)
        ctx = restored(kept.on(*self.with_history(node, values, outs)).tree())
        return getattr(ctx, name) if hasattr(ctx, name) else super().attribute(node, name)

    def adjoint(self, kept: Any, values: list[Any], outs: list[Any], cotangents: list[Any]) -> list[Any]:
        if self.backward is None:
            self._check_defined(self.function.jvp)
            return super().adjoint(kept, values, outs, cotangents)
        ctx = restored(kept().tree())
        left = iter(_filled(ctx, cotangents, outs))
        grads = [next(left) if y is _ARRAY else None for y in self.rest]
        given = self.backward(ctx, *grads)
        return self._gradients(given if isinstance(given, (tuple, list)) else (given,), values)

    def differential(self, kept: Any, values: list[Any], outs: list[Any], tangents: list[Any]) -> list[Any]:
        if self.function.jvp is None:
            self._check_defined(self.backward)
            return super().differential(kept, values, outs, tangents)
        ctx = restored(kept().tree())
        ctx._pushes = True
        tensors = [isinstance(x, Tensor) and i not in self.places for i, x in enumerate(self.args)]
        pairs = zip(self.args, tensors, strict=True)
        arguments = [ops.zeros_like(x) if wanted and ctx._materialize else None for x, wanted in pairs]
        for i, t in zip(self.places, _filled(ctx, tangents, values), strict=True):
            arguments[i] = t
        given = self.function.jvp(ctx, *arguments)
        parts = list(given) if isinstance(given, (tuple, list)) else [given]
        return self._tangents(parts, outs)

    def _check_defined(self, rule: Any) -> None:
        if rule is None:
            raise MissingDerivativeError(
                f"{self.name}: define a static method backward(ctx, *grads), or jvp(ctx, *tangents), to "
                "differentiate it"
            )

    def _gradients(self, given: Any, values: list[Any]) -> list[Any]:
        """Return the gradients of the values from those of all arguments, checked."""
        count = len(self.args)
        if len(given) < count or any(g is not None for g in given[count:]):
            raise GradientError(
                f"function {self.node_name} returned an incorrect number of gradients (expected {count}, got "
                f"{len(given)})"
            )
        for i, (x, g) in enumerate(zip(self.args, given, strict=False)):
            if g is not None and not isinstance(x, Tensor) and not is_array(x):
                raise GradientError(
                    f"function {self.node_name} returned a gradient different from None at position {i + 1}, "
                    f"but the corresponding forward input was no Tensor, but {type_name(x)}"
                )
        return [self._gradient(i, given[i], v) for i, v in zip(self.places, values, strict=True)]

    def _gradient(self, i: int, g: Any, value: Tensor) -> Tensor | None:
        if g is None:
            return None
        if not is_array(g):
            raise GradientError(f"function {self.node_name}: expected Tensor or None, got {type_name(g)}")
        g = as_tensor(g)
        if not _is_expandable(value.shape, g.shape):
            raise ShapeError(
                f"function {self.node_name} returned an invalid gradient at index {i} - got {g.shape} but "
                f"expected shape compatible with {value.shape}"
            )
        return fit(g, value)

    def _tangents(self, given: list[Any], outs: list[Any]) -> list[Any]:
        if len(given) != len(self.rest):
            raise GradientError(
                f"{self.name}: jvp returned an incorrect number of tangents (expected {len(self.rest)}, got "
                f"{len(given)})"
            )
        taken = [t for t, other in zip(given, self.rest, strict=True) if other is _ARRAY]
        tangents = []
        for i, (t, o) in enumerate(zip(taken, outs, strict=True)):
            if t is not None and (not is_array(t) or as_tensor(t).shape != o.shape):
                raise ShapeError(
                    f"{self.name}: jvp returned an invalid tangent at index {i} - got "
                    f"{getattr(t, 'shape', type_name(t))} but expected shape {o.shape}"
                )
            tangents.append(None if t is None else as_tensor(t))
        return tangents

    def _batched(self, batch: Batch, flags: tuple[bool, ...], values: list[Any]) -> list[Any]:
        """Compute on all examples by the user's vmap."""
        dims: list[int | None] = [None] * len(self.args)
        for i, flag in zip(self.places, flags, strict=True):
            dims[i] = 0 if flag else None
        inputs = self._inputs([argument(v) for v in values])
        info = VmapInfo(batch.size, batch.randomness)
        given = self.function.vmap(info, tuple(dims), *inputs)
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise GradientError(f"{self.name}: vmap must return a pair, (outputs, out_dims)")
        out, out_dims = given
        outputs = self._taken(out)
        axes = list(out_dims) if isinstance(out_dims, (tuple, list)) else [out_dims] * len(self.rest)
        if len(axes) != len(self.rest):
            raise GradientError(
                f"{self.name}: vmap returned {len(self.rest)} outputs and {len(axes)} out_dims"
            )
        chosen = [a for a, other in zip(axes, self.rest, strict=True) if other is _ARRAY]
        outs = [_examples_first(as_tensor(y), a, batch) for y, a in zip(outputs, chosen, strict=True)]
        if self.function.setup_context is not None:
            one = zip(values, flags, strict=True)
            self._set_up(
                [batching.into(v, batch) if flag else v for v, flag in one],
                [batching.into(o, batch) for o in outs],
            )
        return outs

    # -- arguments and outputs ---------------------------------------------------------------------

    def _inputs(self, handles: list[Any]) -> list[Any]:
        inputs = list(self.args)
        for i, h in zip(self.places, handles, strict=True):
            inputs[i] = h
        return inputs

    def _ctx(self) -> FunctionCtx:
        needs = [False] * len(self.args)
        for i, alive in zip(self.places, self.live, strict=True) if self.live else ():
            needs[i] = alive
        return FunctionCtx(tuple(needs))

    def _taken(self, out: Any) -> list[Any]:
        """Return the arrays among what forward gave."""
        self.single = not isinstance(out, (tuple, list))
        parts = [out] if self.single else list(out)
        self.rest = [_ARRAY if is_array(y) and not isinstance(y, (float, complex)) else y for y in parts]
        return [y for y, other in zip(parts, self.rest, strict=True) if other is _ARRAY]

    def _arranged(self, outs: list[Any]) -> Any:
        """Return outputs as forward gave them, with these for the arrays."""
        left = iter(outs)
        parts = [next(left) if y is _ARRAY else y for y in self.rest]
        return parts[0] if self.single else tuple(parts)

    def _mark_constant(self, ctx: FunctionCtx, outputs: list[Any]) -> None:
        """Note which outputs do not move."""
        marked = {id(x) for x in ctx._constant}
        self.constant |= {n for n, y in enumerate(outputs) if id(y) in marked}

    def _mark_dirty(self, ctx: FunctionCtx, inputs: list[Any], outputs: list[Any]) -> None:
        """Note which arguments were written to, and which outputs they have become."""
        for x in ctx._dirty:
            argument = next((i for i, a in enumerate(inputs) if a is x), None)
            n = next((n for n, y in enumerate(outputs) if y is x), None)
            if argument is None or n is None:
                raise GradientError(
                    f"{self.name}: a Tensor given to mark_dirty is no "
                    f"{'argument' if argument is None else 'output'}: what was written to must be both"
                )
            self.dirty[argument] = n


def _leaf(x: Tensor) -> Tensor:
    """Return a Tensor without history, of which there may be the elements, as a leaf that requires grad."""
    return Tensor(x._value, Leaf(GROUND, x.shape, x._value.dtype)) if type(x._value) is not Standin else x


_ARRAY = object()  # stands for an array among outputs


def _filled(ctx: FunctionCtx, given: list[Any], likes: list[Any]) -> list[Any]:
    """Return gradients or tangents with zeros for None, if the user wants that."""
    if not ctx._materialize:
        return given
    beside = next((g for g in given if g is not None), None)
    pairs = zip(given, likes, strict=True)
    return [zeros(x.shape, x.dtype, x if beside is None else beside) if g is None else g for g, x in pairs]


def _is_expandable(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Return whether an array of a shape broadcasts to another."""
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(n in (1, m) for n, m in pairs)


def _examples_first(y: Tensor, axis: int | None, batch: Batch) -> Tensor:
    if axis is None:
        return ops.broadcast_to(y, (batch.size, *y.shape))
    return ops.moveaxis(y, axis, 0)
