"""Derivatives of functions of arrays and pytrees compared with finite differences: `check_grads`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optree

from ..backends.registry import BY_TYPE, DTYPES
from ..engine.operands import type_name
from ..engine.tensor import Tensor
from ..errors import GradientError, ShapeError
from ..transforms import jvp, trees, vjp
from . import checks
from .functions import Function
from .report import GradcheckError, Report

#: The step of the differences, which is about the third root of the dtype's precision, and how far
#: derivatives may be off then, absolutely and relatively, by the bytes of a real number.
TOLERANCES = {8: (6e-6, 1e-5), 4: (5e-3, 1e-2), 2: (1e-1, 1e-1)}

#: Up to how many coordinates of arguments and results all entries are compared.
_ENTRIES = 400


def check_grads(
    f: Callable[..., Any],
    args: Any = None,
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> Any:
    """Check the derivatives of a function of arrays against central differences.

    The first derivatives in each mode, and those of higher order in each sequence of modes.

    Parameters
    ----------
    f : callable
        A function of arrays, Tensors, numbers, and pytrees of them, that gives the like.
    args : tuple, optional
        Its arguments. All that is of a floating dtype in them is differentiated in. If left out, a
        function is returned that takes them: ``check_grads(f)(x, y)``.
    order : int
        The highest order.
    modes : sequence of {"fwd", "rev"}
        Forward mode, reverse mode, or both.
    atol, rtol : float, optional
        By how much an entry may differ, ``atol + rtol * abs(numerical)``. The default of both is 1e-5
        in double precision, 1e-2 in single and 0.1 in half.
    eps : float, optional
        The step of the differences; 6e-6, 5e-3 or 0.1 by default.

    Raises
    ------
    GradcheckError
        If a derivative is wrong. The message names the argument, the result, the modes and the worst
        entry, with both numbers. It is an AssertionError.
    TypeError, GradientError, ShapeError
        If there is nothing to check: no floating-point argument, no floating-point result, or no
        elements in them.

    Notes
    -----
    Small functions are compared entry by entry. Where arguments and results have more than 400
    elements together, it is products with random vectors that are compared.

    Examples
    --------
    >>> import numpy as np
    >>> from dualad.testing import check_grads
    >>> check_grads(lambda p, x: np.tanh(p["w"] @ x + p["b"]), ({"w": np.eye(2), "b": 0.5}, np.ones(2)))
    >>> check_grads(np.sin, order=3)(1.0)
    """
    __tracebackhide__ = True  # pytest then shows the line that calls this
    trees.check_function("check_grads", f)
    if args is None:

        def of_arguments(*args: Any) -> None:
            __tracebackhide__ = True
            check_grads(f, args, order, modes, atol, rtol, eps)

        return of_arguments
    if not isinstance(args, (tuple, list)):
        raise TypeError(f"check_grads: args must be a tuple of f's arguments: (x,), got {type_name(args)}")
    if not modes or not set(modes) <= {"fwd", "rev"}:
        raise ValueError(f"check_grads: modes must be 'fwd', 'rev' or both, got {modes!r}")
    if order < 1:
        raise ValueError(f"check_grads: order must be 1 or more, got {order}")
    function = _of_floating(f, tuple(args))
    _check_some(function)
    step, tolerance = TOLERANCES[min(_precision(s.dtype) for s in function.inputs)]
    report = Report(
        step if eps is None else eps,
        tolerance if atol is None else atol,
        tolerance if rtol is None else rtol,
    )
    check_orders(function, report, order, modes, np.random.default_rng(0))
    if report.wrong:
        raise GradcheckError(report.text("check_grads"))
    return None


def check_orders(
    f: Function, report: Report, order: int, modes: Sequence[str], rng: np.random.Generator
) -> None:
    """Check the first derivatives, and by way of each those of the next order."""
    small = sum(s.size for s in (*f.inputs, *f.outputs)) <= _ENTRIES
    if small:
        checks.check_whole(f, report, "rev" in modes, "fwd" in modes)
    else:
        checks.check_directions(f, report, "rev" in modes, "fwd" in modes, rng)
    if order == 1 or not f.outputs:
        return
    names, point = [s.name for s in f.inputs], f.arguments()
    if "fwd" in modes:
        tangents = tuple(s.array(s.random(rng)) for s in f.inputs)
        told = [f"the tangent of {s.name}" for s in f.outputs]
        pushed = Function(lambda *xs: jvp(f, xs, tangents)[1], point, names, lambda i, _: told[i])
        check_orders(pushed, report, order - 1, modes, rng)
    if "rev" in modes:
        cotangents = tuple(s.array(s.random(rng)) for s in f.outputs)
        pulled = Function(
            lambda *xs: vjp(f, *xs)[1](cotangents), point, names, lambda i, _: f"the gradient in {names[i]}"
        )
        check_orders(pulled, report, order - 1, modes, rng)


def _of_floating(f: Callable[..., Any], args: tuple[Any, ...]) -> Function:
    """Return the function of what is of a floating dtype among the arguments, whatever they are."""
    tree: Any = args
    leaves, structure = trees.flatten(tree)
    paths = optree.treespec_accessors(structure)
    places = [i for i, leaf in enumerate(leaves) if _is_floating(leaf)]
    if not places:
        raise TypeError("check_grads: there is no floating-point array or number among the arguments")

    def of_places(*points: Any) -> Any:
        filled = list(leaves)
        for i, x in zip(places, points, strict=True):
            filled[i] = x
        return f(*trees.unflatten(structure, filled))

    names = [paths[i].codify("args") for i in places]
    return Function(of_places, [leaves[i] for i in places], names, lambda _, path: path.codify("result"))


def _check_some(function: Function) -> None:
    """Raise unless there is something to check.

    Raises
    ------
    GradientError
        If f gives nothing of a floating dtype.
    ShapeError
        If all of its arguments, or all that it gives, have no elements.
    """
    if not function.outputs:
        raise GradientError(
            "check_grads: f gives no floating-point array or number, so there is nothing to check; does it "
            "lack a return?"
        )
    for what, spaces in (("arguments", function.inputs), ("results", function.outputs)):
        if not any(s.size for s in spaces):
            raise ShapeError(f"check_grads: the {what} have no elements, so there is nothing to check")


def _is_floating(leaf: Any) -> bool:
    if isinstance(leaf, (float, complex)):
        return True
    known = isinstance(leaf, Tensor) or BY_TYPE[type(leaf)] is not None
    return known and DTYPES[leaf.dtype].is_differentiable


def _precision(dtype: Any) -> int:
    """Return the bytes of a real number of a dtype."""
    return dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
