"""Modes: whether ops are recorded, and what a number made of a tracked Tensor does.

They are per thread and per async task.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

#: Read by every op on a tracked Tensor: a ContextVar costs 20 ns, and each thread and each
#: asyncio task has a value of its own.
RECORDING: ContextVar[bool] = ContextVar("dualad_recording", default=True)


def is_grad_enabled() -> bool:
    """Return whether ops on Tensors that require grad are recorded.

    Examples
    --------
    >>> import dualad
    >>> with dualad.no_grad():
    ...     dualad.is_grad_enabled()
    False
    """
    return RECORDING.get()


class _Mode:
    """A grad mode as a context manager and as a decorator, also of generators and coroutines."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(RECORDING.set(self._enabled))

    def __exit__(self, *exc: object) -> None:
        RECORDING.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        enabled = self._enabled

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                return _steps(enabled, function(*args, **kwargs))

            return generator  # type: ignore[return-value]

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with _Mode(enabled):
                    return await function(*args, **kwargs)

            return coroutine  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with _Mode(enabled):
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


def _steps(enabled: bool, generator: Any) -> Any:
    """Run a generator with the mode set while it runs, and not while its consumer does."""
    send, value = generator.send, None
    try:
        while True:
            try:
                with _Mode(enabled):
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
        with _Mode(enabled):
            generator.close()


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
        RECORDING.set(self._enabled)

    def __enter__(self) -> None:
        RECORDING.set(self._enabled)

    def __exit__(self, *exc: object) -> None:
        RECORDING.set(self._before)

    def __call__(self, function: F) -> F:
        RECORDING.set(self._before)
        return super().__call__(function)


#: What becomes of ``float(x)`` and the like on a tracked Tensor x.
CONCRETIZATION: ContextVar[str] = ContextVar("dualad_concretization", default="allow")


class set_concretization:
    """Set what ``bool``, ``int``, ``float``, ``complex`` and ``item()`` of a tracked Tensor do.

    The number they give has no history: a gradient that should flow through it is 0, silently. The
    mode is set at once when this is called, and as a context manager until its end.

    Parameters
    ----------
    mode : {"allow", "warn", "raise"}
        Give the number; give it with a warning; raise `GradientError`.

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
        if mode not in ("allow", "warn", "raise"):
            raise ValueError(f"set_concretization: mode must be 'allow', 'warn' or 'raise', got {mode!r}")
        self._mode, self._before = mode, CONCRETIZATION.get()
        CONCRETIZATION.set(mode)

    def __enter__(self) -> None:
        CONCRETIZATION.set(self._mode)

    def __exit__(self, *exc: object) -> None:
        CONCRETIZATION.set(self._before)
