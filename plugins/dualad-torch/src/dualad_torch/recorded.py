"""What PyTorch's own differentiation would record or lose where dualad computes, and how it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import torch
import torch.utils._pytree
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

from dualad.errors import GradientError

REQUIRES_GRAD = (
    "{name}: a torch.Tensor that requires grad, is a dual number of PyTorch's, or comes from one of "
    "torch.func's transforms, is none of dualad's arrays: PyTorch's autograd would record what dualad "
    "computes. Give dualad its .detach(), or call it inside torch.no_grad(), where no gradient of PyTorch's "
    "is wanted; where one is, wrap the function with dualad_torch.to_torch"
)

CLOSED_OVER = (
    "{bridge}: {name} got a torch.Tensor that PyTorch differentiates or maps (it requires grad, is one of "
    "torch.func's, or a dual number) and that is not among the function's arguments. Its derivative would be "
    "lost: pass it as an argument, or pass its .detach() if it is a constant"
)

#: The bridged function that runs; empty outside.
_bridge: ContextVar[str] = ContextVar("bridge", default="")


def refuse(name: str) -> NoReturn:
    """Raise because PyTorch differentiates an operand of an op."""
    bridge = _bridge.get()
    raise GradientError((CLOSED_OVER if bridge else REQUIRES_GRAD).format(name=name, bridge=bridge))


def check_unrecorded(name: str, x: Any) -> None:
    """Raise a GradientError if PyTorch records what is computed with x, or x is a dual number."""
    if isinstance(x, torch.Tensor) and is_recorded(x):
        refuse(name)


def check_wholly_unrecorded(name: str, x: Any) -> None:
    """Raise a GradientError if PyTorch records x, at the innermost level or one further out."""
    if not isinstance(x, torch.Tensor):
        return
    check_unrecorded(name, x)
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        if torch._C._functorch.is_gradtrackingtensor(x):
            refuse(name)
        x = torch._C._functorch.get_unwrapped(x)
    check_unrecorded(name, x)


def is_recorded(x: torch.Tensor) -> bool:
    """Return whether PyTorch, as it is set now, records what is computed with a tensor."""
    if x.requires_grad and torch.is_grad_enabled():
        return True
    return forward_ad._current_level >= 0 and has_tangent(x)


def has_tangent(x: torch.Tensor) -> bool:
    """Return whether a tensor is a dual number, where forward mode is on."""
    while torch._C._functorch.is_batchedtensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    found: Any = forward_ad.unpack_dual(x)  # type: ignore[no-untyped-call]
    return found.tangent is not None


@contextmanager
def inside(bridge: str, records: bool, transformed: bool) -> Iterator[None]:
    """Run a bridged function so that it cannot use what PyTorch differentiates and it has not been given.

    Parameters
    ----------
    bridge : str
        Its name, for errors.
    records : bool
        Whether PyTorch's autograd is on where it was called: PyTorch turns it off meanwhile.
    transformed : bool
        Whether it was called in one of torch.func's transforms, or in forward mode.
    """
    token = _bridge.set(bridge)
    try:
        with torch.set_grad_enabled(records):
            if transformed:
                with _Refusal():
                    yield
            else:
                yield
    finally:
        _bridge.reset(token)


def check_inside(x: torch.Tensor, transformed: bool) -> None:
    """Raise if a result of a bridged function, before it ends, is what PyTorch differentiates."""
    if is_recorded(x) or (transformed and is_of_outer_level(x)):
        refuse("the caller")


def is_of_outer_level(x: Any) -> bool:
    """Return whether x belongs to a transform, or forward mode, that is suspended now."""
    if not isinstance(x, torch.Tensor):
        return False
    if torch._C._functorch.is_functorch_wrapped_tensor(x):
        return not torch._C._are_functorch_transforms_active()
    if forward_ad._current_level < 0 or torch._C._is_fwd_grad_enabled():
        return False
    with forward_ad._set_fwd_grad_enabled(True):
        return has_tangent(x)


class _Refusal(TorchFunctionMode):
    """Refuses tensors of suspended levels: PyTorch would compute with their values and say nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name, reads = getattr(func, "__name__", str(func)), False
        if name == "__get__":
            name = func.__self__.__name__
            reads = name not in _DIFFERENTIABLE_ATTRIBUTES
        if not reads and name not in _CONSTANT_METHODS:
            leaves = torch.utils._pytree.tree_leaves((args, kwargs))
            if any(map(is_of_outer_level, leaves)):
                refuse(name)
        return func(*args, **kwargs)


_DIFFERENTIABLE_ATTRIBUTES = frozenset({"H", "T", "imag", "mH", "mT", "real"})

#: What reads no elements, or says that they are to be constants.
_CONSTANT_METHODS = frozenset(
    {"__len__", "detach", "dim", "is_complex", "is_floating_point", "numel", "size", "stride"}
)
