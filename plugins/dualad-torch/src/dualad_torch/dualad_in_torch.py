"""Functions of dualad's in PyTorch programs, whose autograd differentiates them by dualad's derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad

import dualad
from dualad import Tensor
from dualad.engine.draws import Draws, noting, replaying
from dualad.engine.tensor import raw_value
from dualad.errors import GradientError
from dualad.transforms import trees
from dualad.transforms.arguments import has_level

from .backend import DEVICE_TYPES
from .indexing import shares_memory
from .lists import filled
from .recorded import check_inside, inside

#: A function of Tensors in a list that gives Tensors in a list.
Function = Callable[[list[Tensor]], list[Tensor]]


def to_torch(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of dualad's as one of torch.Tensors, which PyTorch differentiates.

    Parameters
    ----------
    f : callable
        A function of dualad Tensors, or of pytrees of them, that gives such. It is given Tensors on the
        devices ``torch``, ``torch_cuda`` and so on, which share memory with the torch.Tensors, and may
        compute on any device. What is no torch.Tensor it is given as it is.

    Returns
    -------
    callable
        It takes pytrees of torch.Tensors in the places of Tensors, and gives torch.Tensors in the places of
        Tensors. PyTorch differentiates it in all arguments, at every order at which dualad can: by
        ``backward``, ``torch.autograd.grad`` (with `create_graph` and `is_grads_batched`),
        ``torch.autograd.forward_ad``, and ``torch.func``'s transforms, ``torch.vmap`` among them.

    Raises
    ------
    TypeError
        If f cannot be called.
    GradientError
        When called, if f depends on something that is differentiated and is not among its arguments: a
        dualad Tensor, also of a batch; or a torch.Tensor that requires grad where PyTorch records (such as
        a parameter), is one of an enclosing transform of ``torch.func``, or is a dual number.

    Notes
    -----
    A backward pass uses what the call has kept. If it is differentiated itself (`create_graph`, torch.func)
    f is run once more, and draws the same random numbers from dualad's generators.

    Examples
    --------
    >>> import dualad, dualad_torch, torch
    >>> norm = dualad_torch.to_torch(lambda x: dualad.sqrt(dualad.sum(x * x)))
    >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> norm(x).backward()
    >>> x.grad
    tensor([0.6000, 0.8000])
    >>> torch.func.hessian(norm)(x.detach())
    tensor([[ 0.1280, -0.0960],
            [-0.0960,  0.0720]])
    """
    trees.check_function("to_torch", f)
    name = f"to_torch of {getattr(f, '__name__', type(f).__name__)}"

    @functools.wraps(f)
    def bridged(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = trees.flatten((args, kwargs))
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        xs, others = [leaves[i] for i in places], filled(leaves, places, [None] * len(places))
        out: Any = None

        def flat(tensors: list[Tensor]) -> list[Tensor]:
            nonlocal out
            positional, named = trees.unflatten(structure, filled(others, places, tensors))
            found, kind = trees.flatten(f(*positional, **named))
            taken = [i for i, y in enumerate(found) if isinstance(y, Tensor | torch.Tensor)]
            home = tensors[0].device if tensors else dualad.device("torch")
            ys = [_beside(found[i], home) for i in taken]
            out = [None if i in taken else y for i, y in enumerate(found)], taken, kind
            return ys

        ys = _called(flat, name, xs)
        rest, taken, kind = out
        # The outputs lead to `flat`, which must not lead back to them.
        return trees.unflatten(kind, filled(rest, taken, ys))

    return bridged


def _beside(y: Any, home: Any) -> Tensor:
    """Return a result as a Tensor on a device of PyTorch's."""
    y = dualad.asarray(y)
    return y if y.device.type in DEVICE_TYPES.values() else y.to(home)


def _called(function: Function, name: str, xs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Call a function with torch.Tensors, so that PyTorch can differentiate it."""
    call = _Call(function, name)
    if call.records and not torch._C._are_functorch_transforms_active():
        call.live = [i for i, x in enumerate(xs) if x.requires_grad]
    return _Bridge.apply(call, *xs)  # type: ignore[no-untyped-call]


def _called_on_batches(function: Function, name: str, xs: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    """Call as `_called` does a function of gradients, of which `is_grads_batched` may make batches.

    For these PyTorch has tensors of an older kind than those of `torch.vmap`.
    """
    batched = list(map(_is_old_batch, xs))
    if not any(batched):
        return _called(function, name, xs)
    one = lambda *examples: _called(function, name, examples)  # noqa: E731
    in_dims = tuple(0 if b else None for b in batched)
    level = torch._C._vmapmode_decrement_nesting() + 1  # there no random numbers are drawn
    try:
        whole = [
            torch._remove_batch_dim(x, level, 1, 0) if b else x for x, b in zip(xs, batched, strict=True)
        ]
        ys = torch.vmap(one, in_dims=in_dims, randomness="same")(*whole)  # those are replayed
    finally:
        torch._C._vmapmode_increment_nesting()
    return [torch._add_batch_dim(y, 0, level) for y in ys]


def _is_old_batch(x: torch.Tensor) -> bool:
    return torch._C._functorch.is_legacy_batchedtensor(x)


class _Call:
    """One call of a function from PyTorch, and what is kept of it for the backward pass.

    Attributes
    ----------
    live : list of int
        The arguments that plain backward passes differentiate in.
    records, transformed : bool
        Whether it was made where PyTorch's autograd is on, and in a transform or in forward mode.
    moving : list of int
        The outputs that have derivatives; known once it has been run.
    """

    def __init__(self, function: Function, name: str) -> None:
        self.function, self.name = function, name
        self.live: list[int] = []
        self.records = torch.is_grad_enabled()
        self.transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
        self.moving: list[int] = []
        self._draws = Draws()
        self._pullback: Any = None
        self._kept: list[tuple[torch.Tensor, int]] = []  # the outputs, each with its version

    def run(self, xs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Return the outputs; keep the tape if the arguments are live."""
        tensors = [dualad.asarray(x.detach(), copy=False) for x in xs]
        with noting(self._draws), inside(self.name, self.records, self.transformed):
            if self.live:
                ys, self._pullback = dualad.vjp(
                    lambda *lively: self.function(filled(tensors, self.live, lively)),
                    *(tensors[i] for i in self.live),
                )
            else:
                ys = self.function(tensors)
            for y in ys:
                check_inside(raw_value(y), self.transformed)
        if any(map(has_level, ys)):
            raise GradientError(
                f"{self.name}: the function depends on a dualad Tensor that is differentiated, or batched, "
                "and is no torch.Tensor among its arguments. Its derivative would be lost: pass it as a "
                "torch.Tensor, or pass its detach() if it is a constant"
            )
        arrays = [raw_value(y) for y in ys]
        # What PyTorch writes to an output must not be seen in an argument.
        arrays = [a.clone() if any(shares_memory(a, x) for x in xs) else a for a in arrays]
        self.moving = [i for i, y in enumerate(ys) if y.dtype.is_differentiable]
        if self.live:
            self._kept = [(a, a._version) for a in arrays]
        # PyTorch makes the tensors it is given parts of its graph; the tape keeps its own.
        return tuple(a.detach() for a in arrays)

    def has_tape(self) -> bool:
        """Whether there is a tape, of values to which nobody has written since."""
        return self._pullback is not None and all(a._version == version for a, version in self._kept)

    def forget_tape(self) -> None:
        """Give the memory of the tape back."""
        self._pullback = None

    def pull(self, gs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the gradients of the live arguments by the tape."""
        moving = set(self.moving)
        cotangents = [dualad.asarray(g, copy=False) if i in moving else 0.0 for i, g in enumerate(gs)]
        return [raw_value(g) for g in self._pullback(cotangents)]

    # Functions of the same arguments, to be called by PyTorch in their turn.

    def pulled(self, needed: list[int], count: int) -> Function:
        """Return the function of arguments and cotangents that gives the gradients of some arguments."""

        def function(tensors: list[Tensor]) -> list[Tensor]:
            xs, gs = tensors[:count], tensors[count:]
            _, pullback = dualad.vjp(self._moving_outputs(xs, needed), *(xs[i] for i in needed))
            return list(pullback(gs))

        return function

    def pushed(self, live: list[int], count: int) -> Function:
        """Return the function of arguments and tangents of some of them that gives those of the outputs."""

        def function(tensors: list[Tensor]) -> list[Tensor]:
            xs, ts = tensors[:count], tensors[count:]
            f = self._moving_outputs(xs, live)
            return list(dualad.jvp(f, [xs[i] for i in live], ts)[1])

        return function

    def _moving_outputs(self, xs: list[Tensor], places: list[int]) -> Callable[..., list[Tensor]]:
        """Return the function of some of the arguments that gives the outputs that have derivatives."""

        def function(*lively: Tensor) -> list[Tensor]:
            with replaying(self._draws):
                ys = self.function(filled(xs, places, lively))
            return [ys[i] for i in self.moving]

        return function

    def mapped(self, in_dims: Sequence[int | None], size: int, randomness: str) -> Function:
        """Return the function of batches."""

        def function(tensors: list[Tensor]) -> list[Tensor]:
            one = lambda *examples: self.function(list(examples))  # noqa: E731
            batched = dualad.vmap(one, in_axes=tuple(in_dims), axis_size=size, randomness=randomness)
            return list(batched(*tensors))

        return function


class _Bridge(torch.autograd.Function):
    """How PyTorch sees a call."""

    @staticmethod
    def forward(call: _Call, *xs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return call.run(xs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        ctx.call, *xs = inputs
        ctx.count = len(output)
        ctx.save_for_backward(*xs)
        ctx.save_for_forward(*xs)
        constant = [y for i, y in enumerate(output) if i not in ctx.call.moving]
        ctx.mark_non_differentiable(*constant)

    @staticmethod
    def backward(ctx: Any, *gs: torch.Tensor) -> tuple[Any, ...]:
        call, xs = ctx.call, ctx.saved_tensors  # which raises if one has been written to
        batched = torch._C._are_functorch_transforms_active() or any(map(_is_old_batch, gs))
        if call.has_tape() and not torch.is_grad_enabled() and not batched:
            pulled = dict(zip(call.live, call.pull(gs), strict=True))
            torch.autograd.Variable._execution_engine.queue_callback(
                functools.partial(_forget_with_pytorch, ctx)
            )
        else:
            needed = [i for i in range(len(xs)) if ctx.needs_input_grad[i + 1]]
            function = call.pulled(needed, len(xs))
            gradients = _called_on_batches(function, call.name, [*xs, *(gs[i] for i in call.moving)])
            pulled = dict(zip(needed, gradients, strict=True))
        return (None, *(pulled.get(i) for i in range(len(xs))))

    @staticmethod
    def jvp(ctx: Any, _: None, *ts: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        call, xs = ctx.call, ctx.saved_tensors
        live = [i for i, t in enumerate(ts) if t is not None]
        moving = [t for t in ts if t is not None]
        pushed = _called_on_batches(call.pushed(live, len(xs)), call.name, [*xs, *moving])
        found = dict(zip(call.moving, pushed, strict=True))
        return tuple(found.get(i) for i in range(ctx.count))

    @staticmethod
    def vmap(info: Any, in_dims: Any, call: _Call, *xs: torch.Tensor) -> tuple[Any, tuple[int, ...]]:
        function = call.mapped(in_dims[1:], info.batch_size, info.randomness)
        batched = _Call(function, call.name)
        batched.records, batched.transformed = call.records, True
        outs = _Bridge.apply(batched, *xs)  # type: ignore[no-untyped-call]
        call.moving = batched.moving
        return outs, (0,) * len(outs)


def _forget_with_pytorch(ctx: Any) -> None:
    """At the end of a backward pass, let a tape go if PyTorch has let go of what it saved itself."""
    try:
        ctx.saved_tensors  # noqa: B018
    except RuntimeError:
        ctx.call.forget_tape()
