"""Forward mode as a function of functions: `jvp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.fit import zeros
from ..engine.modes import enable_grad
from ..engine.namespace import ops
from ..engine.node import Dual, fresh_level
from ..engine.tensor import Tensor, wrap
from ..errors import GradientError
from . import trees


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False) -> Any:
    """Return ``f(*primals)`` and the derivative of f there in the direction `tangents`.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    primals : tuple or list
        The arguments of f.
    tangents : tuple or list
        A direction for each, of its structure and shapes.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.

    Returns
    -------
    tuple
        ``(f(*primals), tangent of it)``, and the auxiliary output third if `has_aux`.

    Raises
    ------
    GradientError
        If the tangents have not the structure of the primals.
    ShapeError, DTypeError
        If a tangent does not fit its primal.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.jvp(np.sin, (0.0,), (1.0,))
    (0.0, 1.0)
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError(
            "jvp: primals and tangents must be tuples, of as many parts as f has arguments: (x,), (t,)"
        )
    given, structure = trees.flatten(tuple(primals))
    directions, got = trees.flatten(tuple(tangents))
    if got != structure:
        raise GradientError(f"jvp: the tangents have the structure {got}, the primals {structure}")
    level = fresh_level()
    duals = []
    for leaf, t in zip(given, directions, strict=True):
        value = trees.below(leaf, "jvp")
        duals.append(Tensor(value, Dual(level, trees.fitting(t, value, "jvp", "tangent"))))
    with enable_grad():
        out = f(*trees.unflatten(structure, duals))
    aux = None
    if has_aux:
        if not isinstance(out, tuple) or len(out) != 2:
            raise GradientError(
                f"jvp: with has_aux=True f must return (output, aux), got {type(out).__name__}"
            )
        out, aux = out
    results, out_structure = trees.flatten(out)
    pairs = [_split(y, level) for y in results]
    value = trees.unflatten(out_structure, [trees.like_inputs(y, given) for y, _ in pairs])
    tangent = trees.unflatten(out_structure, [trees.like_inputs(t, given) for _, t in pairs])
    if not has_aux:
        return value, tangent
    extra, aux_structure = trees.flatten(aux)
    lowered = [trees.like_inputs(_split(y, level)[0], given) for y in extra]
    return value, tangent, trees.unflatten(aux_structure, lowered)


def _split(y: Any, level: int) -> tuple[Any, Any]:
    """Return a result without this level, and its tangent: zeros if it does not move."""
    if type(y) is not Tensor:
        if isinstance(y, (int, float, complex)) and not hasattr(y, "shape"):
            return y, type(y)()
        return y, zeros(y.shape, y.dtype, beside=y) if hasattr(y, "shape") else None
    y._refresh()
    node = y._node
    if type(node) is Dual and node.level == level:
        return wrap(y._value), wrap(node.tangent)
    return y, ops.zeros_like(y)
