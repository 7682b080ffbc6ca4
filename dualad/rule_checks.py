"""What users' rules give, checked: the library's own maps are not, as that takes time."""

from __future__ import annotations

from functools import partial
from typing import Any

from .backends.registry import BY_TYPE
from .engine.fit import fit
from .engine.node import Standin
from .engine.operands import PYTHON_SCALARS, plain_array, type_name
from .engine.tensor import Tensor, raw_value
from .errors import GradientError, ShapeError
from .rules import Map, Scale


def watch(m: Map) -> None:
    """Have a map look at what its rule gives, and say what is wrong with it.

    Errors are a GradientError if it is no array, and a ShapeError if it has another shape. They name the op
    and the argument.
    """
    if m.rule is not None and "pull" not in vars(m):
        vars(m).update(pull=partial(_pull, m, m.pull), push=partial(_push, m, m.push), factor_rule=None)


def checked_tangent(name: str, t: Any, y: Any) -> Any:
    """Return the tangent that an op's rules gave, fitted to its result."""
    if len(t.shape) > len(y.shape) or not _broadcasts(t.shape, y.shape):
        raise ShapeError(
            f"{name}: its rules gave a tangent of shape {tuple(t.shape)} for a result of shape "
            f"{tuple(y.shape)}"
        )
    return fit(t, y)


def _push(m: Map, push: Any, xp: Any, t: Any, call: Any, reads: Any, static: Any) -> Any:
    try:
        pushed = push(xp, t, call, reads, static)
    except (TypeError, ValueError, AttributeError, GradientError):
        _check_factor(m, xp, reads, static, tuple(t.shape), "tangent's")
        raise
    for part in pushed if type(pushed) is tuple else (pushed,):
        _check_array(m, part, "the tangent")
    return pushed


def _pull(
    m: Map,
    pull: Any,
    xp: Any,
    g: Any,
    like: Any,
    reads: Any,
    static: Any,
    is_complex: bool,
    safe: bool = False,
) -> Any:
    shape = None if type(g) is list else tuple(g.shape)
    try:
        pulled = pull(xp, g, like, reads, static, is_complex, safe)
    except (TypeError, ValueError, AttributeError, GradientError):
        _check_factor(m, xp, reads, static, shape)
        raise
    _check_array(m, pulled, "the cotangent")
    got, want = tuple(pulled.shape), tuple(like.shape)
    if got != want and got != shape and not _broadcasts(got, want):
        _check_factor(m, xp, reads, static, shape)
        raise ShapeError(f"{_which(m)} gave a cotangent of shape {got}, expected {want}")
    return pulled


def _check_factor(
    m: Map, xp: Any, reads: Any, static: Any, shape: tuple[int, ...] | None, whose: str = "result's"
) -> None:
    """Raise if the factor of a Scale is no number or array, or does not fit a shape."""
    if not isinstance(m, Scale) or m.rule is None:
        return
    fits = _broadcasts if whose == "result's" else _meets
    p = m.rule(xp, *reads, **m.named(static))
    for factor in p if type(p) is tuple else (p,):
        if type(factor) in PYTHON_SCALARS:
            continue
        _check_array(m, factor, "the factor")
        if type(m) is Scale and shape is not None and not fits(tuple(factor.shape), shape):
            raise ShapeError(
                f"{_which(m)} gave a factor of shape {tuple(factor.shape)}, which does not fit the "
                f"{whose} shape, {shape}"
            )


def _check_array(m: Map, given: Any, what: str) -> None:
    if type(raw_value(given)) is Standin:
        raise GradientError(f"{_which(m)} is not linear in t: it reads its elements")
    if not isinstance(given, Tensor) and BY_TYPE[type(plain_array(given))] is None:
        raise GradientError(f"{_which(m)} gave {type_name(given)}, expected {what}, an array")


def _which(m: Map) -> str:
    arguments = m.op.arguments
    name = arguments[m.position] if m.position < len(arguments) else str(m.position)
    return f"{m.op.name}: the rule ({type(m).__name__}) for argument {name!r}"


def _broadcasts(shape: Any, to: Any) -> bool:
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(n in (1, k) for n, k in pairs)


def _meets(a: Any, b: Any) -> bool:
    """Return whether arrays of two shapes broadcast together."""
    return all(n == k or 1 in (n, k) for n, k in zip(reversed(a), reversed(b), strict=False))
