"""Modes: whether ops are recorded, in which batches, and what a number made of a tracked Tensor does.

They are per thread and per async task.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from .recording import RECORDING, restore, set_recording

F = TypeVar("F", bound=Callable[..., Any])

#: The batches of the `vmap` calls that are under way, from the outermost in: random numbers ask for them.
BATCHES: ContextVar[tuple[Any, ...]] = ContextVar("dualad_batches", default=())


def batches() -> tuple[Any, ...]:
    """Return the batches that are under way; one that Ctrl-C ended at the wrong moment is not."""
    return tuple(batch for batch in BATCHES.get() if not (batch.ended and is_over(batch)))


#: The batches of `vmap` calls that are over, but not for a function that is run again as part of them.
RESUMED: ContextVar[tuple[Any, ...]] = ContextVar("dualad_resumed_batches", default=())


def is_over(batch: Any) -> bool:
    """Return whether nothing can be done any more with the values of a batch that has ended."""
    return batch not in RESUMED.get()


def is_grad_enabled() -> bool:
    """Return whether ops on Tensors that require grad are recorded.

    Examples
    --------
    >>> import dualad
    >>> with dualad.no_grad():
    ...     dualad.is_grad_enabled()
    False
    """
    return bool(RECORDING.get())


#: The grad modes that were entered and not left, the innermost last, each with what was before.
_ENTERED: ContextVar[tuple[tuple[Any, Any], ...]] = ContextVar("dualad_entered", default=())


class _Mode:
    """A grad mode as a context manager and as a decorator, also of generators and coroutines.

    Generators may leave modes in another order than they entered them in, and in another thread or
    task, when somebody closes them there: leaving one takes it out from among the others.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    def __enter__(self) -> None:
        self._enter(RECORDING.get())

    def _enter(self, before: Any) -> None:
        try:
            _ENTERED.set((*_ENTERED.get(), (self, before)))
            set_recording(self._enabled)
        except BaseException:  # Ctrl-C, between two instructions
            self._leave()
            raise

    def __exit__(self, *exc: object) -> None:
        try:
            self._leave()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        entered = _ENTERED.get()
        if entered and entered[-1][0] is self:
            restore(entered[-1][1])
            _ENTERED.set(entered[:-1])
            return
        for i in reversed(range(len(entered))):  # it is not the innermost
            if entered[i][0] is self:
                above = (entered[i + 1][0], entered[i][1])
                _ENTERED.set((*entered[:i], above, *entered[i + 2 :]))
                return
        # It was entered in another thread or task, and nothing is to be undone here.

    def _fresh(self) -> _Mode:
        """Return a mode like this one, for one call of a decorated function."""
        return _Mode(self._enabled)

    def __call__(self, function: F) -> F:
        fresh = self._fresh

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                return _steps(fresh, function(*args, **kwargs))

            return generator  # type: ignore[return-value]

        if inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            def async_generator(*args: Any, **kwargs: Any) -> Any:
                return _async_steps(fresh, function(*args, **kwargs))

            return async_generator  # type: ignore[return-value]

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with fresh():
                    return await function(*args, **kwargs)

            return coroutine  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with fresh():
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


def _steps(fresh: Callable[[], _Mode], generator: Any) -> Any:
    """Run a generator with the mode set while it runs, and not while its consumer does."""
    send, value = generator.send, None
    try:
        while True:
            try:
                with fresh():
                    item = send(value)
            except StopIteration as stop:
                return stop.value
            try:
                value, send = (yield item), generator.send
            except GeneratorExit:
                raise
            except BaseException as error:
                value, send = error, generator.throw
    finally:
        with fresh():
            generator.close()


async def _async_steps(fresh: Callable[[], _Mode], generator: Any) -> Any:
    """Do the same for an async generator."""
    send, value = generator.asend, None
    try:
        while True:
            try:
                with fresh():
                    item = await send(value)
            except StopAsyncIteration:
                return
            try:
                value, send = (yield item), generator.asend
            except GeneratorExit:
                raise
            except BaseException as error:
                value, send = error, generator.athrow
    finally:
        with fresh():
            await generator.aclose()


class no_grad(_Mode):
    """Do not record ops: results do not require grad.

    A context manager and a decorator (of functions, generators and coroutines). Forward-mode
    tangents stop here too, so that all modes agree on what is differentiated. It changes the
    current thread or async task only. A transform that is *called* inside is not affected.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.ones(2, requires_grad=True)
    >>> with dualad.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        if function is None:
            return self
        _Mode.__init__(self, False)  # `@no_grad` without parentheses
        return self(function)

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_Mode):
    """Record ops, also inside `no_grad`. A context manager and a decorator.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.ones(2, requires_grad=True)
    >>> with dualad.no_grad(), dualad.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        if function is None:
            return self
        _Mode.__init__(self, True)
        return self(function)

    def __init__(self) -> None:
        super().__init__(True)


#: The inference modes that are entered and not left, in whatever thread: asked before looking closer.
INFERRING: list[Any] = []


class inference_mode(_Mode):
    """Do not record ops, as `no_grad`; Tensors made inside say that they are inference Tensors.

    A context manager and a decorator. Such Tensors can do what all others can: as values never
    change, nothing has to be refused outside of the mode.

    Parameters
    ----------
    mode : bool
        False for the normal mode: ops are recorded, also inside `no_grad`.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.ones(2, requires_grad=True)
    >>> with dualad.inference_mode():
    ...     y = x * 2
    >>> y.requires_grad, y.is_inference()
    (False, True)
    """

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if not callable(mode):
            return self
        self.__init__()  # type: ignore[misc]  # `@inference_mode` without parentheses
        return self(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)
        self.mode = bool(mode)

    def _fresh(self) -> inference_mode:
        new: inference_mode = inference_mode(self.mode)
        return new

    def _enter(self, before: Any) -> None:
        INFERRING.append(self)
        super()._enter(before)

    def _leave(self) -> None:
        super()._leave()
        INFERRING[:] = [mode for mode in INFERRING if mode is not self]


def is_inference_mode_enabled() -> bool:
    """Return whether Tensors made here are inference Tensors.

    Examples
    --------
    >>> import dualad
    >>> with dualad.inference_mode():
    ...     dualad.is_inference_mode_enabled()
    True
    """
    modes = (mode.mode for mode, _ in reversed(_ENTERED.get()) if isinstance(mode, inference_mode))
    return next(modes, False)


class set_grad_enabled(_Mode):
    """Set whether ops are recorded: at once when called, and as a context manager until its end.

    Parameters
    ----------
    mode : bool
        Whether to record.

    Examples
    --------
    >>> import dualad
    >>> with dualad.set_grad_enabled(False):
    ...     dualad.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before = RECORDING.get()
        set_recording(self._enabled)

    def __enter__(self) -> None:
        self._enter(self._before)

    def __call__(self, function: F) -> F:
        restore(self._before)
        return super().__call__(function)


#: What becomes of ``float(x)`` and the like on a tracked Tensor x.
CONCRETIZATION: ContextVar[str] = ContextVar("dualad_concretization", default="default")


class ConcretizationWarning(UserWarning):
    """A number was made of a Tensor that is being differentiated, and the derivative through it is lost."""


class set_concretization:
    """Set what ``float(x)``, ``x.item()`` and the like of a tracked Tensor x do.

    The number they give has no history: a gradient that should flow through it is 0. The mode is set at
    once when this is called, and as a context manager until its end. It is asked by ``bool``, ``int``,
    ``float``, ``complex``, ``item()``, ``tolist()``, ``format`` and `dualad.tensor`.

    Parameters
    ----------
    mode : {"default", "allow", "warn", "raise"}
        "allow" gives the number, "warn" gives it with a `ConcretizationWarning`, and "raise" raises
        `GradientError`. The default allows it for Tensors that require grad, as PyTorch does
        (``loss.item()``), and warns of it inside a function that a transform differentiates, except
        inside `no_grad`, of ``bool`` and ``int``, whose derivative is 0, and of ``format``.

    Raises
    ------
    ValueError
        If `mode` is none of these.

    Examples
    --------
    >>> import dualad, math
    >>> with dualad.set_concretization("raise"):
    ...     dualad.grad(lambda x: math.sin(x))(1.0)
    Traceback (most recent call last):
        ...
    dualad.errors.GradientError: float() of a tracked Tensor: the number has no history, ...
    """

    def __init__(self, mode: str) -> None:
        if mode not in ("default", "allow", "warn", "raise"):
            raise ValueError(
                f"set_concretization: mode must be 'default', 'allow', 'warn' or 'raise', got {mode!r}"
            )
        self._mode, self._before = mode, CONCRETIZATION.get()
        CONCRETIZATION.set(mode)

    def __enter__(self) -> None:
        CONCRETIZATION.set(self._mode)

    def __exit__(self, *exc: object) -> None:
        CONCRETIZATION.set(self._before)
