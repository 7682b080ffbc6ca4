"""The product of a cotangent with a factor as one kernel, where a backend makes such of code.

A rule is code against a namespace. A backend that fuses (`Backend.fuse`) is given it together with the
multiplication, and with the sum over what was broadcast; the rule itself knows nothing of that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any


class Kernels(dict[Any, tuple[Callable[..., Any], ...]]):
    """What computes a rule's products, made for each namespace on first use.

    Parameters
    ----------
    name : str
        What the kernels are called.
    rule : callable
        The rule, for what can be told of it without computing.
    plain, masked : callable
        ``plain(xp, g, *values)`` gives the product for a cotangent g; ``masked``, one in which a zero of
        g stays zero.
    """

    def __init__(
        self, name: str, rule: Callable[..., Any], plain: Callable[..., Any], masked: Callable[..., Any]
    ) -> None:
        super().__init__()
        self.name, self.rule, self.functions = name, rule, (plain, masked)

    def __missing__(self, xp: Any) -> tuple[Callable[..., Any], ...]:
        made = (
            *(xp.fuse(f, self.name) for f in self.functions),
            *(xp.fuse_sum(f, self.name) for f in self.functions),
        )
        self[xp] = made
        return made

    def run(self, xp: Any, masked: bool, g: Any, shape: tuple[int, ...], *values: Any) -> Any:
        """Return the product, which has g's shape, summed to `shape` if that was broadcast to it."""
        if shape != g.shape and _is_broadcast(shape, g.shape):
            return self[xp][2 + masked](shape, g, *values)
        return self[xp][masked](g, *values)

    @cached_property
    def is_value(self) -> bool:
        """Whether the rule gives one of the values that it reads, so that a product is all there is."""
        marks = [object() for _ in range(self.rule.__code__.co_argcount - 1)]
        try:
            return self.rule(None, *marks) in marks
        except Exception:  # it computes something of them
            return False


def is_own(function: Any) -> bool:
    """Return whether a function is the library's own, and so depends on its arguments alone.

    One of a user's may read what changes from call to call, which a kernel would not notice.
    """
    return getattr(function, "__module__", "").startswith(f"{__package__}.ops.")


def _is_broadcast(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Return whether an array of `shape` can have been broadcast to the shape `whole`."""
    behind = whole[len(whole) - len(shape) :]
    return len(shape) <= len(whole) and all(n in (1, m) for n, m in zip(shape, behind, strict=True))
