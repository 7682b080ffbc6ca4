"""Functions with a backward pass, and a forward-mode one, of the user's: PyTorch's `Function`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import batching
from ..engine.modes import is_grad_enabled, no_grad
from ..engine.namespace import ops
from ..engine.tensor import Tensor
from ..errors import GradientError, MissingDerivativeError
from ..primitives import primitive
from ..rules import Missing
from ..transforms.arguments import has_level
from .context import FunctionCtx
from .function_call import FunctionCall

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class Function:
    """A function whose derivatives are given, in PyTorch's form; call it by ``apply``.

    A subclass defines static methods:

    - ``forward(ctx, *args)``, or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``. It runs
      on Tensors without history, under `no_grad`. Tensors are differentiated in where they are
      arguments themselves, not in lists.
    - ``backward(ctx, *grads)`` takes a gradient for each output and returns one, or None, for each
      argument. It may be called ``vjp`` instead.
    - ``jvp(ctx, *tangents)`` takes a tangent, or None, for each argument and returns one for each output.
    - ``vmap(info, in_dims, *args)`` computes on a batch: arguments have the examples along the axis given
      in `in_dims`, None for those that are the same for all. It returns the outputs and their axes.
      ``info.batch_size`` is the number of examples, ``info.randomness`` as given to `dualad.vmap`.

    One of `backward` and `jvp` is enough, for both modes: the other is its transpose. `vmap` is not
    needed: the methods are run on one example, for all at once, as by ``generate_vmap_rule = True``.

    Raises
    ------
    GradientError
        By ``apply`` or in a backward pass: if the number of gradients is wrong; if one is given for an
        argument that is no Tensor; if neither `backward` nor `jvp` is defined. In forward mode without
        `jvp`, or in reverse mode without `backward`: if the other is not linear in what it is given.
    ShapeError
        If a gradient or a tangent has a shape that does not fit.

    Notes
    -----
    In a first backward pass, saved arguments and outputs that are differentiated are leaves that require
    grad, for gradients that `backward` takes itself, under `enable_grad`; they lead no further.
    ``y.grad_fn`` has the attributes of ctx, until the pass has freed it.

    Second derivatives differentiate `backward`. Saved arguments and outputs have their history there; if
    other Tensors were saved, `forward` is run once more, on arguments with their history.

    Examples
    --------
    >>> import dualad
    >>> class Exp(dualad.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = x.exp()
    ...         ctx.save_for_backward(y)
    ...         return y
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (y,) = ctx.saved_tensors
    ...         return g * y
    >>> x = dualad.tensor(0.0, requires_grad=True)
    >>> Exp.apply(x)
    tensor(1., grad_fn=<ExpBackward>)
    >>> dualad.grad(dualad.grad(Exp.apply))(0.0)
    1.0
    """

    #: Accepted as in PyTorch; a rule for `vmap` is generated in any case.
    generate_vmap_rule = False

    forward: Callable[..., Any]
    setup_context: Callable[..., Any] | None = None
    backward: Callable[..., Any] | None = None
    vjp: Callable[..., Any] | None = None
    jvp: Callable[..., Any] | None = None
    vmap: Callable[..., Any] | None = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the function."""
        if not hasattr(cls, "forward"):
            raise GradientError(f"{cls.__name__}: define a static method forward(ctx, *args)")
        return FunctionCall(cls, args).run()


class _Once(Missing):
    """What `once_differentiable` puts behind gradients: they have no derivative."""

    def __init__(self) -> None:
        super().__init__("it can be differentiated once")

    def _raise(self) -> Any:
        raise MissingDerivativeError(
            "trying to differentiate twice a function that was marked with @once_differentiable. Second "
            "derivatives, and forward mode unless jvp is defined, differentiate backward"
        )


@primitive(_Once(), _Once(), name="once_differentiable", batch=batching.broadcast)
def _barrier(gradient: Any, reached: Any) -> Any:
    return gradient


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Say of a `Function`'s `backward` that it cannot be differentiated: a decorator.

    It runs without recording; a second derivative through it is an error, not silently zero.

    Raises
    ------
    MissingDerivativeError
        When a second derivative is taken.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> from dualad.autograd.function import once_differentiable
    >>> class Sin(dualad.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return dualad.asarray(np.sin(x.numpy()))
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         return g * dualad.asarray(np.cos(ctx.saved_tensors[0].numpy()))
    >>> dualad.grad(Sin.apply)(0.0)
    1.0
    >>> dualad.grad(dualad.grad(Sin.apply))(0.0)
    Traceback (most recent call last):
        ...
    dualad.errors.MissingDerivativeError: trying to differentiate twice a function that was marked ...
    """

    @functools.wraps(backward)
    def wrapper(ctx: FunctionCtx, *grads: Any) -> Any:
        tracked = [x for x in (*ctx.saved_tensors, *grads) if has_level(x)]
        with no_grad():
            given = backward(ctx._with(ops.detach), *(x if x is None else ops.detach(x) for x in grads))
        if not tracked or not is_grad_enabled():
            return given
        reached = functools.reduce(ops.add, [ops.sum(ops.real(x)) for x in tracked])
        several = isinstance(given, (tuple, list))
        parts = [
            _barrier(g, reached) if isinstance(g, Tensor) else g for g in (given if several else (given,))
        ]
        return tuple(parts) if several else parts[0]

    return wrapper
