"""Derivatives compared with finite differences, in PyTorch's form.

A complex number counts as two real ones, its real and its imaginary part: so every function is one
between real vectors, and has one Jacobian matrix, that is found in three ways.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.namespace import ops
from ..engine.tensor import Tensor
from ..errors import GradientError
from ..transforms import jvp, vjp


class GradcheckError(GradientError):
    """A derivative that is not what finite differences say."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    check_forward_ad: bool = True,
    check_backward_ad: bool = True,
) -> bool:
    """Return whether the derivatives of a function agree with central differences.

    Parameters
    ----------
    func : callable
        A function of Tensors that gives a Tensor or a tuple of them.
    inputs : Tensor or tuple
        Its arguments. Those that require grad are differentiated in; they should be of double
        precision, or `eps` larger.
    eps : float
        The step of the differences.
    atol, rtol : float
        An entry may differ by ``atol + rtol * abs(numerical)``.
    raise_exception : bool
        Raise where they disagree, instead of returning False.
    check_forward_ad, check_backward_ad : bool
        Which modes to check.

    Raises
    ------
    GradcheckError
        If a derivative is wrong: the message names the output, the input, the mode and the entry
        that is worst, with both numbers.
    ValueError
        If no input requires grad.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([0.5, 1.0], dtype=dualad.float64, requires_grad=True)
    >>> dualad.autograd.gradcheck(dualad.sin, x)
    True
    """
    f, points = _of_tracked("gradcheck", func, inputs, eps)
    problems = []
    outputs = _listed(f(*points))
    numerical = _differences(f, points, len(outputs), eps)
    if check_backward_ad:
        problems += _compared("reverse", _by_rows(f, points, outputs), numerical, atol, rtol)
    if check_forward_ad:
        problems += _compared("forward", _by_columns(f, points, len(outputs)), numerical, atol, rtol)
    if problems and raise_exception:
        raise GradcheckError("gradcheck: " + "\n".join(problems))
    return not problems


def gradgradcheck(func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, **options: Any) -> bool:
    """Return whether the second derivatives of a function agree with differences of the first.

    Parameters
    ----------
    func, inputs
        As for `gradcheck`.
    grad_outputs : Tensor or tuple of Tensors, optional
        Cotangents for the outputs, in which the derivatives are checked too; random ones by default.
    **options
        The other parameters of `gradcheck`.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([0.5, 1.0], dtype=dualad.float64, requires_grad=True)
    >>> dualad.autograd.gradgradcheck(lambda x: x**3, x)
    True
    """
    f, points = _of_tracked("gradgradcheck", func, inputs, options.get("eps", 1e-6))
    outputs = _listed(f(*points))
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        grad_outputs = [_random(rng, y) for y in outputs]
    given = [ops.asarray(g).detach().requires_grad_() for g in _listed(grad_outputs)]
    n = len(points)

    def pulled(*arguments: Any) -> Any:
        xs, gs = arguments[:n], arguments[n:]
        return vjp(lambda *xs: tuple(_listed(f(*xs))), *xs)[1](tuple(gs))

    return gradcheck(pulled, (*(x.requires_grad_() for x in points), *given), **options)


def _of_tracked(name: str, func: Any, inputs: Any, eps: float) -> tuple[Callable[..., Any], list[Tensor]]:
    """Return a function of those inputs that require grad, and them."""
    given = _listed(inputs)
    places = [i for i, x in enumerate(given) if type(x) is Tensor and x.requires_grad]
    if not places:
        raise ValueError(f"{name}: no input requires grad: there is nothing to check")
    if any(given[i].dtype.name in ("float32", "complex64") for i in places) and eps < 1e-4:
        warnings.warn(
            f"{name}: an input is of single precision, in which differences with eps={eps} say little; "
            "use float64",
            stacklevel=3,
        )

    def f(*points: Any) -> Any:
        filled = list(given)
        for i, x in zip(places, points, strict=True):
            filled[i] = x
        return func(*filled)

    return f, [given[i].detach().clone() for i in places]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _random(rng: Any, like: Tensor) -> Tensor:
    values = rng.standard_normal(like.shape)
    if like.dtype.is_complex:
        values = values + 1j * rng.standard_normal(like.shape)
    return ops.asarray(np.asarray(values).astype(like.dtype.name), device=like.device)


# -- the Jacobian matrix, in three ways: jacobians[output][input] of shape (elements, elements) ------


def _parts(array: Any) -> np.ndarray:
    """Return an array as a vector of real numbers: real parts, then imaginary ones."""
    a = ops.asarray(array).detach().cpu().numpy().reshape(-1)
    return np.concatenate([a.real, a.imag]) if np.iscomplexobj(a) else a


def _unit_vectors(x: Tensor) -> list[Tensor]:
    n = int(x.size)
    units = [np.eye(n)[i] for i in range(n)]
    if x.dtype.is_complex:
        units += [1j * u for u in units]
    return [ops.asarray(u.reshape(x.shape).astype(x.dtype.name), device=x.device) for u in units]


def _columns(columns: list[list[np.ndarray]], count: int) -> list[np.ndarray]:
    """Return the matrices of all outputs, from what each direction gives in each of them."""
    return [np.stack([c[k] for c in columns], axis=1) if columns else np.zeros((0, 0)) for k in range(count)]


def _differences(f: Any, points: list[Tensor], count: int, eps: float) -> list[list[np.ndarray]]:
    def column(i: int, t: Tensor) -> list[np.ndarray]:
        ahead, behind = (_listed(f(*points[:i], points[i] + t * h, *points[i + 1 :])) for h in (eps, -eps))
        return [(_parts(a) - _parts(b)) / (2 * eps) for a, b in zip(ahead, behind, strict=True)]

    by_input = [_columns([column(i, t) for t in _unit_vectors(x)], count) for i, x in enumerate(points)]
    return [[matrices[k] for matrices in by_input] for k in range(count)]


def _by_columns(f: Any, points: list[Tensor], count: int) -> list[list[np.ndarray]]:
    nothing = [ops.zeros_like(x) for x in points]

    def column(i: int, t: Tensor) -> list[np.ndarray]:
        return [_parts(y) for y in _listed(jvp(f, points, [*nothing[:i], t, *nothing[i + 1 :]])[1])]

    by_input = [_columns([column(i, t) for t in _unit_vectors(x)], count) for i, x in enumerate(points)]
    return [[matrices[k] for matrices in by_input] for k in range(count)]


def _by_rows(f: Any, points: list[Tensor], outputs: list[Tensor]) -> list[list[np.ndarray]]:
    _, pullback = vjp(lambda *xs: tuple(_listed(f(*xs))), *points)
    nothing = [ops.zeros_like(y) for y in outputs]
    jacobians = []
    for k, y in enumerate(outputs):
        seeds = ((*nothing[:k], unit, *nothing[k + 1 :]) for unit in _unit_vectors(y))
        rows = [[_parts(g) for g in pullback(seed)] for seed in seeds]
        jacobians.append([
            np.stack([row[i] for row in rows]) if rows else np.zeros((0, 0)) for i in range(len(points))
        ])  # fmt: skip
    return jacobians


def _compared(mode: str, found: Any, numerical: Any, atol: float, rtol: float) -> list[str]:
    """Return what is wrong, a line for each pair of an output and an input."""
    problems = []
    for k, (ours, theirs) in enumerate(zip(found, numerical, strict=True)):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if not a.size or not b.size:
                continue
            excess = np.abs(a - b) - (atol + rtol * np.abs(b))
            excess = np.where(np.isfinite(excess), excess, np.inf)
            if excess.max() > 0:
                row, column = np.unravel_index(excess.argmax(), excess.shape)
                problems.append(
                    f"Jacobian mismatch for output {k} with respect to input {i} in {mode} mode: "
                    f"numerical {b[row, column]:.6g}, analytical {a[row, column]:.6g}, worst at row {row}, "
                    f"column {column}, of shape {a.shape}"
                )
    return problems
