"""Derivatives compared with finite differences, in PyTorch's form: `gradcheck` and `gradgradcheck`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.gradients import grad
from ..engine.namespace import ops
from ..engine.tensor import Tensor
from ..transforms import trees, vjp
from . import checks
from .functions import Function
from .report import SINGLE, SMALL_STEP, GradcheckError, Report


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Return whether the derivatives of a function agree with central differences.

    The parameters and their defaults are PyTorch's; `check_grads` has both modes, higher orders, and takes
    whatever a function takes.

    Parameters
    ----------
    func : callable
        A function of Tensors that gives a Tensor or a tuple of them. It is called many times.
    inputs : Tensor or tuple
        Its arguments. Those that require grad are differentiated in; they should be of double
        precision, or `eps` larger.
    eps : float
        The step of the differences.
    atol, rtol : float
        An entry of a Jacobian may differ by ``atol + rtol * abs(numerical)``.
    raise_exception : bool
        Raise where they disagree, instead of returning False.
    nondet_tol : float
        By how much two backward passes over one graph may differ.
    check_undefined_grad : bool
        Also check that an output without a gradient counts as one whose gradient is zero.
    check_grad_dtypes : bool
        Also check that gradients are of the dtypes of their inputs.
    check_batched_grad, check_batched_forward_grad : bool
        Also check that `vmap` of the derivatives, in reverse and in forward mode, gives what they give
        one by one.
    check_forward_ad, check_backward_ad : bool
        Which modes to check.
    fast_mode : bool
        Compare products with random vectors in place of all entries of the Jacobians.

    Raises
    ------
    GradcheckError
        If a derivative is wrong: for each output, input and mode the message has the entry that is worst,
        with both numbers.
    ValueError
        If no input requires grad, or no mode is to be checked.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([0.5, 1.0], dtype=dualad.float64, requires_grad=True)
    >>> dualad.autograd.gradcheck(dualad.sin, x)
    True
    """
    __tracebackhide__ = True  # pytest then shows the line that calls this
    if not check_forward_ad and not check_backward_ad:
        raise ValueError("gradcheck: set check_forward_ad or check_backward_ad, or there is nothing to check")
    if check_batched_grad and not check_backward_ad:
        raise ValueError("gradcheck: check_batched_grad=True needs check_backward_ad=True")
    if check_batched_forward_grad and not check_forward_ad:
        raise ValueError("gradcheck: check_batched_forward_grad=True needs check_forward_ad=True")
    f = _of_tracked("gradcheck", func, inputs, eps)
    report = Report(eps, atol, rtol)
    _check(
        f,
        report,
        reverse=check_backward_ad,
        forward=check_forward_ad,
        fast=fast_mode,
        dtypes=check_grad_dtypes,
        undefined=check_undefined_grad,
        repeated=nondet_tol,
        batched=check_batched_grad,
        batched_forward=check_batched_forward_grad,
    )
    return _finished("gradcheck", report, raise_exception)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Return whether the second derivatives of a function agree with differences of the first.

    Parameters
    ----------
    func, inputs
        As for `gradcheck`.
    grad_outputs : Tensor or tuple of Tensors, optional
        Cotangents for the outputs, in which the derivatives are checked too; random ones by default.
    gen_non_contig_grad_outputs : bool
        Make random cotangents whose elements do not lie side by side.
    check_fwd_over_rev, check_rev_over_rev : bool
        Whether to differentiate the gradients in forward mode, and in reverse mode.
    eps, atol, rtol, raise_exception, nondet_tol
        As for `gradcheck`.
    check_undefined_grad, check_grad_dtypes, check_batched_grad, fast_mode
        As for `gradcheck`, for the gradients as a function of `inputs` and `grad_outputs`.

    Raises
    ------
    GradcheckError, ValueError
        As by `gradcheck`.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([0.5, 1.0], dtype=dualad.float64, requires_grad=True)
    >>> dualad.autograd.gradgradcheck(lambda x: x**3, x)
    True
    """
    __tracebackhide__ = True
    if not check_fwd_over_rev and not check_rev_over_rev:
        raise ValueError(
            "gradgradcheck: set check_fwd_over_rev or check_rev_over_rev, or there is nothing to check"
        )
    if check_batched_grad and not check_rev_over_rev:
        raise ValueError("gradgradcheck: check_batched_grad=True needs check_rev_over_rev=True")
    f = _of_tracked("gradgradcheck", func, inputs, eps)
    given = _cotangents(f, grad_outputs)
    names = [s.name for s in f.inputs] + [f"grad_output {k}" for k in range(len(given))]
    count = len(f.inputs)
    report = Report(eps, atol, rtol)
    for reverse, wanted, kind, gradients in (
        (True, check_rev_over_rev, _Tracked, _recorded_gradients),
        (False, check_fwd_over_rev, Function, _gradients),
    ):
        if wanted:
            of_both = functools.partial(gradients, f, count)
            g = kind(of_both, [*f.arguments(), *given], names, lambda i, _: f"the gradient in {names[i]}")
            for space in g.inputs[count:]:
                space.spread = gen_non_contig_grad_outputs and grad_outputs is None
            _check(
                g,
                report,
                reverse=reverse,
                forward=not reverse,
                fast=fast_mode,
                dtypes=check_grad_dtypes,
                undefined=check_undefined_grad,
                repeated=nondet_tol,
                batched=check_batched_grad and reverse,
            )
    return _finished("gradgradcheck", report, raise_exception)


class _Tracked(Function):
    """A function of Tensors that require grad, differentiated by `autograd.grad`."""

    def arguments(self, moved: int = 0, step: Any = 0.0) -> list[Any]:
        return [x.requires_grad_() for x in super().arguments(moved, step)]

    def pullback(self) -> Callable[[list[Any]], list[Any]]:
        xs = self.arguments()
        ys = self(*xs)

        def pulled(cotangents: list[Any]) -> list[Any]:
            return list(_grad(ys, xs, cotangents, create_graph=False))

        return pulled


def _grad(ys: Any, xs: Any, cotangents: Any, create_graph: bool) -> tuple[Any, ...]:
    """Return the gradients in xs, zeros where there is no way to them."""
    live = [
        (y, g)
        for y, g in zip(ys, cotangents, strict=True)
        if isinstance(y, Tensor) and y.requires_grad and g is not None
    ]
    if not live:
        return tuple(ops.zeros_like(x.detach()) for x in xs)
    outputs, grads = zip(*live, strict=True)
    return grad(outputs, xs, grads, retain_graph=True, create_graph=create_graph, materialize_grads=True)


def _recorded_gradients(f: Function, count: int, *arguments: Any) -> tuple[Any, ...]:
    """Return the gradients of f for arguments and cotangents, recorded."""
    return _grad(f(*arguments[:count]), arguments[:count], arguments[count:], create_graph=True)


def _gradients(f: Function, count: int, *arguments: Any) -> tuple[Any, ...]:
    """Return the same at any level."""
    return vjp(f, *arguments[:count])[1](tuple(arguments[count:]))


def _check(
    f: Function,
    report: Report,
    *,
    reverse: bool,
    forward: bool,
    fast: bool,
    dtypes: bool,
    undefined: bool,
    repeated: float,
    batched: bool = False,
    batched_forward: bool = False,
) -> None:
    """Make the checks that are asked for."""
    rng = np.random.default_rng(0)
    if fast:
        checks.check_directions(f, report, reverse, forward, rng)
    else:
        checks.check_whole(f, report, reverse, forward)
    if dtypes:
        checks.check_dtypes(f, report, reverse, forward)
    if reverse:
        checks.check_repeated(f, report, repeated, rng)
        if undefined:
            checks.check_undefined(f, report, rng)
    if batched:
        checks.check_batched(f, report, rng)
    if batched_forward:
        checks.check_batched_forward(f, report, rng)


def _finished(name: str, report: Report, raise_exception: bool) -> bool:
    __tracebackhide__ = True
    if report.wrong and raise_exception:
        raise GradcheckError(report.text(name))
    return not report.wrong


def _of_tracked(name: str, func: Any, inputs: Any, eps: float) -> Function:
    """Return the function of those inputs that require grad."""
    trees.check_function(name, func)
    given = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    places = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not places:
        raise ValueError(f"{name}: no input requires grad: there is nothing to check")
    if any(given[i].dtype.name in SINGLE for i in places) and eps < SMALL_STEP:
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

    names = [f"input {i}" for i in places]
    return _Tracked(f, [given[i] for i in places], names, lambda i, _: f"output {i}")


def _cotangents(f: Function, given: Any) -> list[Any]:
    """Return the cotangents for the outputs that were given, or random ones."""
    if given is not None:
        gs = list(given) if isinstance(given, (tuple, list)) else [given]
        if len(gs) != len(f.outputs):
            raise ValueError(
                f"gradgradcheck: got {len(gs)} grad_outputs for {len(f.outputs)} differentiable outputs"
            )
        return gs
    rng = np.random.default_rng(0)
    return [s.array(rng.standard_normal(s.size)) for s in f.outputs]
