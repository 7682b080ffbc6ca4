"""Checkpoints in PyTorch's form: memory saved by computing again what a derivative needs.

`dualad.checkpoint` is the same as a function of functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ContextDecorator, nullcontext
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

from ..engine.operands import type_name
from ..errors import CheckpointError
from ..transforms.checkpointing import Contexts, Options, run
from ..transforms.trees import check_function

__all__ = [
    "CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn", "set_checkpoint_early_stop",
]  # fmt: skip

#: What `set_checkpoint_early_stop` has set: the last counts.
_early_stop: ContextVar[tuple[bool, ...]] = ContextVar("dualad_checkpoint_early_stop", default=())


def noop_context_fn() -> Contexts:
    """Return two context managers that do nothing: the default of `checkpoint`'s `context_fn`."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Return ``function(*args, **kwargs)``, which is computed again where its derivative is needed.

    Nothing of what it computes on the way is kept. It can be used inside and outside of all
    transforms, and within such a function.

    Parameters
    ----------
    function : callable
        It must do the same when it is run again: what it reads besides its arguments must not be
        written to in the meantime.
    *args, **kwargs
        Its arguments.
    use_reentrant : bool, optional
        There for PyTorch's sake: there is one implementation, with the limits of neither of its two.
    context_fn : callable
        Gives two context managers: one for the first run, one for the others.
    determinism_check : {"default", "none"}
        Compare the ops that are recorded, with the shapes and dtypes of what they give, or do not.
    debug : bool
        There for PyTorch's sake: errors name the ops in any case.
    early_stop : bool
        Stop running again when all that is needed is there; `set_checkpoint_early_stop` takes precedence.
    preserve_rng_state : bool
        Draw the same random numbers each time. It costs a copy of a generator that the function draws from.

    Raises
    ------
    TypeError
        If `function` is none.
    CheckpointError
        In the backward pass, if the function does other things when it is run again.
    ValueError
        If `determinism_check` is neither.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([0.0, 1.0], requires_grad=True)
    >>> y = dualad.utils.checkpoint.checkpoint(lambda x: (x.sin() * x).exp(), x, use_reentrant=False)
    >>> y.sum().backward()
    >>> x.grad
    tensor([0.0000, 3.2054])
    """
    check_function("checkpoint", function)
    stops = (early_stop, *_early_stop.get())[-1]
    options = Options(preserve_rng_state, context_fn(), determinism_check, stops)
    return run(function, args, kwargs, options)


def checkpoint_sequential(
    functions: Iterable[Callable[..., Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    *,
    preserve_rng_state: bool = True,
) -> Any:
    """Apply functions one after the other, a segment of them at a time under a checkpoint.

    Parameters
    ----------
    functions : iterable of callable
        Each is applied to what the one before gives.
    segments : int
        How many segments to make. The first are the longest, as fewer inputs are held while they run
        again; the last is not under a checkpoint, as the backward pass comes to it at once.
    input : Tensor
        What the first is applied to.
    use_reentrant : bool, optional
        There for PyTorch's sake.
    preserve_rng_state : bool
        Draw the same random numbers each time.

    Raises
    ------
    TypeError
        If `segments` is no integer, or what is listed no function.
    ValueError
        If `segments` is less than 1, or more than there are functions.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor(0.5, requires_grad=True)
    >>> y = dualad.utils.checkpoint.checkpoint_sequential([dualad.sin, dualad.exp, dualad.tanh], 2, x)
    >>> y.backward()
    >>> x.grad
    tensor(0.2075)
    """
    listed = list(functions)
    for i, function in enumerate(listed):
        check_function("checkpoint_sequential", function, f" at {i}")
    if not isinstance(segments, int):
        raise TypeError(f"checkpoint_sequential: segments must be an integer, got {type_name(segments)}")
    if not 1 <= segments <= max(len(listed), 1):
        raise ValueError(
            f"checkpoint_sequential: segments must be from 1 to the number of functions, {len(listed)}, got "
            f"{segments}"
        )
    starts = _starts(len(listed), segments)
    for start, stop in pairwise(starts):
        input = checkpoint(_chain, listed[start:stop], input, preserve_rng_state=preserve_rng_state)
    return _chain(listed[starts[-1] :], input)


def _starts(count: int, segments: int) -> list[int]:
    """Return where the segments of so many functions begin.

    While one runs again, the inputs of those before it are held too. So each is shorter than the one
    before by a function, if there are enough: then all need the same memory.
    """
    slope = min(1.0, 2 * (count / segments - 1) / (segments - 1)) if segments > 1 else 0.0
    longest = count / segments + slope * (segments - 1) / 2
    return [int(k * longest - slope * k * (k - 1) / 2 + 0.5) for k in range(segments)]


def _chain(functions: list[Callable[..., Any]], x: Any) -> Any:
    for f in functions:
        x = f(x)
    return x


class set_checkpoint_early_stop(ContextDecorator):
    """Set whether running again stops when all is there that is needed: for checkpoints made inside.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor(1.0, requires_grad=True)
    >>> with dualad.utils.checkpoint.set_checkpoint_early_stop(False):
    ...     y = dualad.utils.checkpoint.checkpoint(dualad.exp, x)
    """

    def __init__(self, enable: bool) -> None:
        self._enable = enable

    def __enter__(self) -> None:
        _early_stop.set((*_early_stop.get(), self._enable))

    def __exit__(self, *exc: object) -> None:
        _early_stop.set(_early_stop.get()[:-1])
