"""All that can be said of an op's rule, checked: `check_rule`, a ready test."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..batching import BatchLoopWarning
from ..dtypes import DType
from ..engine import gradients
from ..engine.namespace import ops
from ..engine.node import Standin
from ..engine.tensor import Tensor
from ..op import Op
from ..transforms import grad, jvp, trees, vjp, vmap
from . import functional
from .functions import Function
from .report import GradcheckError, Report

_SINGLE = {"float64": "float32", "complex128": "complex64"}
_BATCH = 3


def check_rule(op: Callable[..., Any], *examples: Any) -> None:
    """Check the rule of an op, or of another function with a rule, in every way it can be used.

    In double precision, at each example: both modes against central differences; the second derivatives
    in all four mixes against differences of the first; the modes against each other, to the last digits;
    ``backward()`` and ``backward(create_graph=True)`` against the transforms; and `vmap`, with each
    argument batched, against the loop. In single precision values, tangents and gradients against
    those in double. Of an op moreover the shape and dtype it tells of a result that is not computed.

    Parameters
    ----------
    op : callable
        A function of arrays by position and of all else by keyword.
    *examples : tuple
        The arrays of a call, and the keywords in a dict at the end, if there are any. Away from kinks;
        complex arrays for a function of complex numbers.

    Raises
    ------
    GradcheckError
        If something is wrong. The message names the op, the argument, the mode and the worst entry, with
        both numbers. It is an AssertionError.
    TypeError
        If an example is no tuple, or has no array of a floating dtype.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> from dualad.rules import Scale
    >>> @dualad.primitive(Scale(lambda xp, x: 3 * x * x))
    ... def cube(x):
    ...     return x**3
    >>> dualad.testing.check_rule(cube, (np.array([0.5, -2.0]),), (np.array(1.0 + 2.0j),))
    """
    __tracebackhide__ = True  # pytest then shows the line that calls this
    if not examples:
        raise TypeError("check_rule: give an example, a tuple of the arrays of a call: check_rule(op, (x,))")
    for example in examples:
        if not isinstance(example, (tuple, list)):
            raise TypeError(
                f"check_rule: an example must be a tuple of the arrays of a call, (x,), got "
                f"{type(example).__name__}"
            )
        arrays, keywords = list(example), {}
        if isinstance(arrays[-1], dict):
            keywords = arrays.pop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BatchLoopWarning)  # that it loops is no fault of the rule
            _Check(op, arrays, keywords).run()


class _Check:
    """The check of an op at one example.

    Attributes
    ----------
    points : list of Tensor
        The arguments to differentiate in, in double precision.
    names : list of str
        What they are called.
    """

    def __init__(self, op: Any, arrays: list[Any], keywords: dict[str, Any]) -> None:
        self.op, self.keywords = op, keywords
        self.name = str(getattr(op, "name", getattr(op, "__name__", op)))
        self.given = [
            ops.asarray(a) if hasattr(a, "shape") or isinstance(a, (float, complex)) else a for a in arrays
        ]
        self.places = [
            i for i, x in enumerate(self.given) if isinstance(x, Tensor) and x.dtype.is_differentiable
        ]
        if not self.places:
            raise TypeError(f"check_rule: {self.name}: no argument of an example is of a floating dtype")
        named = getattr(op, "arguments", ())
        self.names = [named[i] if i < len(named) else f"args[{i}]" for i in self.places]
        self.points = [_double(self.given[i]) for i in self.places]
        self.rng = np.random.default_rng(0)

    def __call__(self, *points: Any) -> tuple[Any, ...]:
        """Return those results that have derivatives, as a tuple."""
        args = list(self.given)
        for i, x in zip(self.places, points, strict=True):
            args[i] = x
        return tuple(
            y for y in trees.flatten(self.op(*args, **self.keywords))[0] if trees.is_differentiable(y)
        )

    def run(self) -> None:
        """Check all there is."""
        __tracebackhide__ = True
        if isinstance(self.op, Op):
            self.check_shapes()
        self.check_differences()
        self.ts = [self.draw(x) for x in self.points]
        self.gs = [self.draw(y) for y in self(*self.points)]
        self.check_adjoint()
        self.check_backward()
        self.check_single()
        for axes in self.batchings():
            self.check_batches(axes)

    def check_differences(self) -> None:
        __tracebackhide__ = True
        step, tolerance = functional.TOLERANCES[8]
        report = Report(step, tolerance, tolerance)
        results = len(self(*self.points))
        told = [self.name if results == 1 else f"{self.name}[{k}]" for k in range(results)]
        f = Function(self, self.points, self.names, lambda k, _: told[k])
        functional.check_orders(f, report, 2, ("fwd", "rev"), self.rng)
        if report.wrong:
            raise GradcheckError(report.text(f"check_rule: {self.name}"))

    def check_adjoint(self) -> None:
        """Compare the modes by ⟨J t, g⟩ = ⟨t, Jᴴ g⟩."""
        __tracebackhide__ = True
        for i, (x, t, name) in enumerate(zip(self.points, self.ts, self.names, strict=True)):
            tangents = [t if k == i else ops.zeros_like(p) for k, p in enumerate(self.points)]
            pushed = jvp(self, tuple(self.points), tuple(tangents))[1]
            pulled = vjp(self, *self.points)[1](tuple(self.gs))[i]
            if pulled.dtype is not x.dtype or pulled.shape != x.shape:
                raise GradcheckError(
                    f"check_rule: {self.name}: the gradient in {name} is of shape {pulled.shape} and dtype "
                    f"{pulled.dtype}, {name} of {x.shape} and {x.dtype}"
                )
            forward, reverse = _inner(pushed, self.gs), _inner([t], [pulled])
            size = sum(float(ops.sum(ops.abs(a))) for a in (*pushed, *self.gs, pulled, t))
            self.compare(
                f"in {name}, ⟨J t, g⟩ in forward and ⟨t, Jᴴ g⟩ in reverse mode",
                forward,
                reverse,
                1e-11 * size,
            )

    def check_backward(self) -> None:
        """Compare the Tensors' own gradients, and those of these, with the transforms'."""
        __tracebackhide__ = True
        places = tuple(range(len(self.points)))
        first = grad(self.scalar, places)
        want = first(*self.points)
        second = grad(lambda *xs: _inner(first(*xs), self.ts), places)(*self.points)
        leaves = [x.clone().requires_grad_() for x in self.points]
        plain = gradients.grad(self.scalar(*leaves), leaves, materialize_grads=True)
        self.compare_all("the gradient by backward() and by grad", plain, want, 1e-11)
        got = gradients.grad(self.scalar(*leaves), leaves, create_graph=True, materialize_grads=True)
        self.compare_all("the gradient by backward(create_graph=True) and by grad", got, want, 1e-11)
        total = _inner(got, self.ts)
        again = [ops.zeros_like(x) for x in leaves]
        if isinstance(total, Tensor) and total.requires_grad:
            again = list(gradients.grad(total, leaves, materialize_grads=True))
        self.compare_all(
            "the second derivative by backward(create_graph=True) and by grad", again, second, 1e-10
        )

    def check_single(self) -> None:
        """Compare single precision with double."""
        __tracebackhide__ = True
        single = [x.to(_SINGLE[x.dtype.name]) for x in self.points]
        results, wanted = self(*single), self(*self.points)
        gs = [ops.astype(g, y.dtype) for g, y in zip(self.gs, results, strict=True)]
        ts = [ops.astype(t, x.dtype) for t, x in zip(self.ts, single, strict=True)]
        pushed = jvp(self, tuple(single), tuple(ts))[1]
        pulled = vjp(self, *single)[1](tuple(gs))
        ways = [
            ("the value", results, wanted),
            ("the tangent", pushed, jvp(self, tuple(self.points), tuple(self.ts))[1]),
            ("the gradient", pulled, vjp(self, *self.points)[1](tuple(self.gs))),
        ]
        for what, got, want in ways:
            for a, b in zip(got, want, strict=True):
                if a.dtype.name != _SINGLE[b.dtype.name]:
                    raise GradcheckError(
                        f"check_rule: {self.name}: in single precision {what} is {a.dtype}, expected "
                        f"dualad.{_SINGLE[b.dtype.name]}"
                    )
            self.compare_all(f"{what} in single and in double precision", got, want, 1e-3)

    def check_batches(self, axes: tuple[int | None, ...]) -> None:
        """Compare `vmap` with the loop: values, gradients inside it and gradients of it."""
        __tracebackhide__ = True
        pairs = list(zip(self.points, axes, strict=True))
        batch = [x if a is None else ops.stack([x * (1 + 0.01 * i) for i in range(_BATCH)]) for x, a in pairs]
        which = " and ".join(n for n, a in zip(self.names, axes, strict=True) if a is not None)
        places = tuple(range(len(batch)))

        def looped(f: Any) -> list[Any]:
            rows = [
                f(*(x if a is None else x[i] for x, a in zip(batch, axes, strict=True)))
                for i in range(_BATCH)
            ]
            return [ops.stack(parts) for parts in zip(*rows, strict=True)]

        ways: dict[str, Callable[..., Any]] = {"the value": self, "the gradient": grad(self.scalar, places)}
        for what, f in ways.items():
            got = vmap(f, in_axes=axes)(*batch)
            self.compare_all(f"{what} by vmap over {which} and by the loop", got, looped(f), 1e-9)
        of_vmap = grad(lambda *xs: ops.sum(vmap(self.scalar, in_axes=axes)(*xs)), places)(*batch)
        one = looped(grad(self.scalar, places))
        want = [ops.sum(g, axis=0) if a is None else g for g, a in zip(one, axes, strict=True)]
        self.compare_all(f"the gradient of vmap over {which} and that of the loop", of_vmap, want, 1e-9)

    def check_shapes(self) -> None:
        """Compare what the op tells of a result, for a stand-in, with the result."""
        __tracebackhide__ = True
        y = self.op(*self.given, **self.keywords)
        if isinstance(y, tuple) or self.op.variadic or getattr(self.op, "derives_shape", False):
            return
        for i, name in zip(self.places, self.names, strict=True):
            x = self.given[i]
            given = [x if not isinstance(x, Tensor) else x._raw for x in self.given]
            static = {**getattr(self.op, "_defaults", {}), **self.keywords}
            told = self.op.below(*given[:i], Standin(x.shape, x.dtype), *given[i + 1 :], **static)
            if tuple(told.shape) != y.shape or _dtype(told) is not y.dtype:
                raise GradcheckError(
                    f"check_rule: {self.name}: of a result for a {name} that has but a shape, the op tells "
                    f"shape {tuple(told.shape)} and dtype {_dtype(told)}; computed it is of {y.shape} and "
                    f"{y.dtype}"
                )

    # -- helpers ---------------------------------------------------------------------------------------

    def scalar(self, *points: Any) -> Any:
        """Return the inner product of the results with the cotangents."""
        return _inner(self(*points), self.gs)

    def draw(self, like: Tensor) -> Tensor:
        values = self.rng.standard_normal(like.shape)
        if like.dtype.is_complex:
            values = values + 1j * self.rng.standard_normal(like.shape)
        return ops.asarray(values, dtype=like.dtype, device=like.device)

    def batchings(self) -> list[tuple[int | None, ...]]:
        """Return which arguments are batched: all of them, and each alone."""
        count = len(self.points)
        alone: list[tuple[int | None, ...]] = [
            tuple(0 if i == k else None for i in range(count)) for k in range(count)
        ]
        return [(0,) * count, *(alone if count > 1 else [])]

    def compare_all(self, what: str, got: Any, want: Any, tolerance: float) -> None:
        __tracebackhide__ = True
        names = self.names if len(got) == len(self.names) and "value" not in what else [""] * len(got)
        for name, a, b in zip(names, got, want, strict=True):
            self.compare(f"{what}, in {name}" if name else what, a, b, tolerance)

    def compare(self, what: str, a: Any, b: Any, tolerance: float) -> None:
        """Raise unless two arrays agree, up to `tolerance` absolutely and relatively."""
        __tracebackhide__ = True
        x, y = (np.asarray(ops.asarray(v).detach().cpu().numpy()) for v in (a, b))
        if x.shape != y.shape:
            raise GradcheckError(f"check_rule: {self.name}: {what}: shapes {x.shape} and {y.shape}")
        with np.errstate(invalid="ignore"):
            over = np.abs(x - y) - tolerance * (1 + np.abs(y))
        over = np.where(np.isfinite(over), over, np.where(np.isnan(x) & np.isnan(y), 0.0, np.inf))
        if over.size and over.max() > 0:
            worst = tuple(int(n) for n in np.unravel_index(over.argmax(), over.shape))
            raise GradcheckError(
                f"check_rule: {self.name}: {what} differ: worst at {list(worst)}, {x[worst]:.10g} and "
                f"{y[worst]:.10g}"
            )


def _double(x: Tensor) -> Tensor:
    return x.detach().to("complex128" if x.dtype.is_complex else "float64")


def _inner(a: Any, b: Any) -> Any:
    """Return the real inner product of lists of Tensors."""
    total: Any = 0.0
    for x, y in zip(a, b, strict=True):
        total = total + ops.sum(ops.real(ops.conj(x) * y))
    return total


def _dtype(told: Any) -> DType:
    return ops.zeros((), dtype=told.dtype).dtype
