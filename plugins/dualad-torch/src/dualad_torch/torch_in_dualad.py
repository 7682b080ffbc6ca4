"""Functions of PyTorch's in dualad programs: dualad differentiates them by PyTorch's derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import dualad
from dualad import Tensor
from dualad.backends import CPU, Device, get
from dualad.backends.registry import BY_TYPE
from dualad.engine.exhaustion import shortage
from dualad.engine.tensor import raw_value
from dualad.errors import GradientError
from dualad.levels import is_live
from dualad.transforms import trees
from dualad.transforms.arguments import has_level

from .backend import DEVICE_TYPES
from .lists import filled
from .recorded import check_wholly_unrecorded

#: A function of torch.Tensors in a list that gives torch.Tensors in a list.
Function = Callable[[list[torch.Tensor]], list[torch.Tensor]]


def from_torch(f: Callable[..., Any], *, device: Any = None) -> Callable[..., Any]:
    """Return a function of PyTorch's as one of Tensors and arrays, which dualad differentiates.

    Parameters
    ----------
    f : callable
        A function of torch.Tensors, or of pytrees of them, that gives such: a ``torch.nn.Module``, say. It
        is given torch.Tensors in the places of Tensors and of arrays, and all else as it is; if it is called
        with numbers alone, in the places of floating-point and complex ones too that go by position.
    device : torch.device or str, optional
        Where f is to run: where its own tensors are. By default where the arguments are: NumPy's are
        PyTorch's on the CPU.

    Returns
    -------
    callable
        It takes Tensors, or arrays of any backend, in the places of torch.Tensors, and gives Tensors or
        arrays, as they came, on the device of the first of them. dualad differentiates it in all arguments,
        in both modes and at every order at which PyTorch can, and maps it by ``torch.vmap``.

    Raises
    ------
    TypeError
        If f cannot be called.
    GradientError
        When called, if an argument is a torch.Tensor that PyTorch differentiates, outside torch.no_grad; or
        if f depends on a dualad Tensor that is differentiated, or batched, and is not among its arguments.
    OutOfMemoryError
        When called or differentiated, if PyTorch has no memory left.

    Notes
    -----
    The tensors that f has of its own, such as the parameters of a module, are constants here: they get no
    gradients. To differentiate in them, make them arguments, by ``torch.func.functional_call``.

    Forward mode, and derivatives above the first, run f once more; random numbers of PyTorch's are then
    the same. What else f changes, such as the averages of a batch norm, it changes again.

    Examples
    --------
    >>> import dualad, dualad_torch, numpy as np, torch
    >>> softplus = dualad_torch.from_torch(torch.nn.functional.softplus)
    >>> dualad.grad(lambda x: np.sum(softplus(x)))(np.array([0.0, 100.0]))
    array([0.5, 1. ])
    >>> dualad.grad(dualad.grad(softplus))(0.0)
    0.25

    Parameters of a module as arguments:

    >>> model = torch.nn.Linear(2, 1)
    >>> call = lambda params, x: torch.func.functional_call(model, params, (x,))
    >>> loss = lambda params, x: dualad_torch.from_torch(call)(params, x).sum()
    >>> params = {"weight": np.ones((1, 2)), "bias": np.zeros(1)}
    >>> dualad.grad(loss)(params, np.array([3.0, 4.0]))
    {'weight': array([[3., 4.]]), 'bias': array([1.])}
    """
    trees.check_function("from_torch", f)
    name = f"from_torch of {getattr(f, '__name__', type(f).__name__)}"
    where = None if device is None else torch.device(device)

    @functools.wraps(f)
    def bridged(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = trees.flatten((args, kwargs))
        arrays = [i for i, x in enumerate(leaves) if _is_array(x)]
        for i in arrays:
            check_wholly_unrecorded(name, leaves[i])
        if not arrays:
            count = len(trees.flatten(args)[0])
            arrays = [i for i, x in enumerate(leaves[:count]) if type(x) in (float, complex)]
        live = [i for i in arrays if has_level(leaves[i])]
        constant = [i for i in arrays if i not in live]
        others = filled(leaves, live, [None] * len(live))
        others = filled(others, constant, [_to_native(leaves[i], where, shares=False) for i in constant])
        out: Any = None

        def flat(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
            nonlocal out
            positional, named = trees.unflatten(structure, filled(others, live, tensors))
            found, kind = trees.flatten(f(*positional, **named))
            found = [_untracked(name, y) if isinstance(y, Tensor) else y for y in found]
            taken = [i for i, y in enumerate(found) if isinstance(y, torch.Tensor)]
            out = [None if i in taken else y for i, y in enumerate(found)], taken, kind
            return [found[i] for i in taken]

        first = leaves[arrays[0]] if arrays else 0.0
        home = CPU if type(first) in (float, complex) else dualad.asarray(first, copy=False).device
        ys = _called(flat, name, where, home, [leaves[i] for i in live])
        rest, taken, kind = out
        like = [leaves[i] for i in arrays] or [0.0]
        return trees.unflatten(kind, filled(rest, taken, [trees.like_inputs(y, like) for y in ys]))

    return bridged


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor) or (hasattr(x, "shape") and BY_TYPE[type(x)] is not None)


def _untracked(name: str, y: Tensor) -> torch.Tensor:
    """Return a Tensor that a function of PyTorch's gives as a torch.Tensor; raise if it is tracked."""
    if has_level(y):
        raise GradientError(
            f"{name}: the function depends on a dualad Tensor that is differentiated, or batched, and is not "
            "among its arguments. Its derivative would be lost: pass it as an argument, or pass its detach() "
            "if it is a constant"
        )
    return _to_native(y, None, shares=True)


def _to_native(x: Any, where: torch.device | None, shares: bool) -> torch.Tensor:
    """Return an array or Tensor as a torch.Tensor without history, which may share its memory or not."""
    raw = raw_value(x)
    if not isinstance(raw, torch.Tensor):
        if not isinstance(raw, np.ndarray | np.generic | float | complex):
            raw = raw_value(dualad.asarray(raw).to("torch"))
        elif (
            shares
            and isinstance(raw, np.ndarray)
            and raw.flags.writeable
            and min(raw.strides, default=0) >= 0
        ):
            raw = torch.from_numpy(raw)
        else:
            raw = torch.tensor(np.array(raw))
    elif not shares:
        raw = raw.detach().clone()
    return raw.detach() if where is None else raw.detach().to(where)


def _from_native(y: torch.Tensor, home: Device) -> Tensor:
    """Return a torch.Tensor as a Tensor on a device, which shares memory with nothing that others hold."""
    own = y if y._base is None else y._base
    made_here = own.grad_fn is not None  # and so is no argument, no parameter and no buffer
    plain = y.detach().resolve_conj().resolve_neg()
    if home.type == "cpu" and plain.device.type == "cpu" and made_here and plain.dtype is not torch.bfloat16:
        return dualad.asarray(plain.numpy(), copy=False)
    x = dualad.asarray(plain, copy=False if made_here else None)
    return x if x.device == home else x.to(home)


def _called(
    function: Function, name: str, where: torch.device | None, home: Device, xs: Sequence[Tensor]
) -> Sequence[Tensor]:
    """Call a function with Tensors, so that dualad can differentiate it."""
    call = _Call(function, name, where, home)
    call.live = any(map(is_live, xs))
    return _Bridge.apply(call, *xs)


class _Call:
    """One call of a function from dualad, and what is kept of it for the backward pass.

    Attributes
    ----------
    live : bool
        Whether it is differentiated.
    records : bool
        Whether dualad records where it was made: dualad turns that off while the function runs.
    moving : list of int
        The outputs that have derivatives; known once it has been run.
    """

    live = False

    def __init__(self, function: Function, name: str, where: torch.device | None, home: Device) -> None:
        self.function, self.name, self.where, self.home = function, name, where, home
        self.records = dualad.is_grad_enabled()
        self.moving: list[int] = []
        self._inputs: list[torch.Tensor] = []
        self._outputs: list[torch.Tensor] = []
        self._random: Any = None

    def run(self, xs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the outputs; keep PyTorch's graph if the arguments are live."""
        self._random = _random_state()
        inputs = [_to_native(x, self.where, shares=self.live and x.dtype.is_differentiable) for x in xs]
        # dualad records, so that Tensors are seen that the function closes over.
        recording = dualad.set_grad_enabled(self.records)
        with recording, torch.set_grad_enabled(self.live), _memory_told(self.name, self.home):
            if self.live:  # PyTorch refuses to write to a leaf that requires grad: Tensors do not change
                inputs = [t.requires_grad_(_is_differentiable(t)) for t in inputs]
            outputs = self.function(inputs)
        self.moving = [i for i, y in enumerate(outputs) if _is_differentiable(y)]
        if self.live:
            self._inputs, self._outputs = inputs, outputs
        return tuple(_from_native(y, self.home) for y in outputs)

    def has_graph(self) -> bool:
        """Whether there is a graph of PyTorch's: of a batch another call has it."""
        return bool(self._inputs)

    def pull(self, gs: Sequence[Tensor]) -> list[Tensor | None]:
        """Return the gradients of the arguments by PyTorch's graph."""
        pairs = zip(self._outputs, gs, strict=True)
        with _memory_told(self.name, self.home):
            found = _gradients(
                [(y, _to_native(g, self.where, shares=True)) for y, g in pairs if y.requires_grad],
                [x for x in self._inputs if x.requires_grad],
                retain_graph=True,
            )
        left = iter(found)
        pulled = [next(left) if x.requires_grad else None for x in self._inputs]
        return [None if g is None else _from_native(g, self.home) for g in pulled]

    def pulled(self, live: list[int], count: int) -> Function:
        """Return the function of arguments and cotangents that gives the gradients of some arguments."""

        def function(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
            xs, gs = tensors[:count], tensors[count:]

            def outputs(*lively: torch.Tensor) -> tuple[torch.Tensor, ...]:
                with _replayed(self._random):
                    ys = self.function(filled(xs, live, lively))
                return tuple(ys[i] for i in self.moving)

            return _pulled(outputs, [xs[i] for i in live], gs)

        return function

    def mapped(self, in_dims: Sequence[int | None], randomness: str) -> Function:
        """Return the function of batches."""

        def function(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
            one = lambda *examples: tuple(self.function(list(examples)))  # noqa: E731
            return list(torch.vmap(one, in_dims=tuple(in_dims), randomness=randomness)(*tensors))

        return function


@contextmanager
def _memory_told(name: str, device: Device) -> Iterator[None]:
    """Turn PyTorch's errors that there is no memory left into dualad's."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        is_ours = device.type in DEVICE_TYPES.values()
        reason = shortage(error, name, get("torch"), device if is_ours else Device("torch"))
        if reason is None:
            raise
        try:
            raise reason from error
        finally:
            del reason  # it holds this frame: memory would wait for the collector of cycles


def _is_differentiable(t: torch.Tensor) -> bool:
    return t.is_floating_point() or t.is_complex()


def _pulled(f: Callable[..., Any], xs: list[torch.Tensor], gs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the gradients of arguments for cotangents, as PyTorch can differentiate them once more."""
    if torch._C._are_functorch_transforms_active():
        return list(torch.func.vjp(f, *xs)[1](tuple(gs)))
    records = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = [x if x.requires_grad else x.detach().requires_grad_() for x in xs]
        pairs = [(y, g) for y, g in zip(f(*inputs), gs, strict=True) if y.requires_grad]
        found = _gradients(pairs, inputs, create_graph=records)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(xs, found, strict=True)]


def _gradients(
    pairs: list[tuple[torch.Tensor, torch.Tensor]], inputs: list[torch.Tensor], **how: bool
) -> Sequence[torch.Tensor | None]:
    """Return the gradients of inputs for outputs, each with its cotangent; None for those without."""
    if not pairs or not inputs:
        return [None] * len(inputs)
    outputs, gs = zip(*pairs, strict=True)
    return torch.autograd.grad(outputs, inputs, gs, allow_unused=True, **how)


def _random_state() -> Any:
    """Return where PyTorch's generators stand, those of GPUs where CUDA has been used."""
    used = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if used else []


@contextmanager
def _replayed(state: Any) -> Iterator[None]:
    """Draw random numbers as from a state, and leave PyTorch's generators where they are."""
    if torch._C._are_functorch_transforms_active():
        yield
        return
    host, gpus = state
    with torch.random.fork_rng(devices=range(len(gpus))):
        torch.set_rng_state(host)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)
        yield


class _Bridge(dualad.autograd.Function):
    """How dualad sees a call."""

    @staticmethod
    def forward(call: _Call, *xs: Tensor) -> tuple[Tensor, ...]:
        return call.run(xs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.call, *xs = inputs
        ctx.save_for_backward(*xs)
        ctx.mark_non_differentiable(*(y for i, y in enumerate(output) if i not in ctx.call.moving))

    @staticmethod
    def backward(ctx: Any, *gs: Tensor) -> tuple[Any, ...]:
        call, xs = ctx.call, ctx.saved_tensors
        differentiated = dualad.is_grad_enabled() and any(map(has_level, (*xs, *gs)))
        if call.has_graph() and not differentiated:
            return (None, *call.pull(gs))
        live = [i for i, x in enumerate(xs) if x.dtype.is_differentiable]
        function = call.pulled(live, len(xs))
        gradients = _called(function, call.name, call.where, call.home, [*xs, *(gs[i] for i in call.moving)])
        pulled = dict(zip(live, gradients, strict=True))
        return (None, *(pulled.get(i) for i in range(len(xs))))

    @staticmethod
    def vmap(info: Any, in_dims: Any, call: _Call, *xs: Tensor) -> tuple[Any, tuple[int, ...]]:
        batched = _Call(call.mapped(in_dims[1:], info.randomness), call.name, call.where, call.home)
        batched.records = call.records
        batched.live = any(map(is_live, xs))
        outs = _Bridge.apply(batched, *xs)
        call.moving = batched.moving
        return outs, (0,) * len(outs)
