"""Anomaly mode: the first NaN or infinity is an error that names the op and the user's line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backends.registry import BY_TYPE, DTYPES
from ..engine import shapes
from ..engine.lines import CALLERS, Line, record_line, user_line
from ..engine.node import Batched, Dual, Node, Tended, is_packed
from ..engine.operands import arrays_in
from ..engine.recording import RECORDING, Observer, observers, set_observers
from ..engine.tensor import Tensor
from ..errors import AnomalyError


class Anomaly(Observer):
    """Looks at all that is computed; the parameters are those of `detect_anomaly`.

    Not at what is computed inside a derivative's rule: what is infinite there may be masked by what
    comes after, so that it is the rule's result that is looked at.
    """

    def __init__(
        self, check_nan: bool, check_infinity: bool, check_forward: bool, check_inputs: bool
    ) -> None:
        self.check_nan, self.check_infinity = check_nan, check_infinity
        self.check_forward, self.check_inputs = check_forward, check_inputs

    def computed(self, op: Any, values: Any, y: Any, start: float) -> None:
        if self.check_nan and self.check_forward and _within() is None:
            kind = self._found(values, arrays_in(y))
            if kind:
                line = user_line(CALLERS)
                raise _error("forward", op.name, line, _told_forward(op, values, arrays_in(y), kind, line))

    def pushed(self, op: Any, duals: list[Any], t: Any, start: float) -> None:
        if self.check_nan and self.check_forward and _within() is None:
            tangents = _moving_arrays([d.tangent for d in duals if d is not None])
            results = _moving_arrays(t)
            kind = self._found(tangents, results)
            if kind:
                line = user_line(CALLERS)
                raise _error("tangent", op.name, line, _told_tangent(op, tangents, results, kind, line))

    def recorded(self, node: Node) -> None:
        record_line(node, CALLERS)

    def pulled(self, node: Node, g: Any, parts: list[Any], start: float) -> None:
        if not self.check_nan or _within() is not None:
            return
        for i, part in enumerate(parts):
            # Whatever a pull gives is looked at, be its cotangent finite or not: a NaN that was given
            # to `backward`, or that a hook made, is seen where it comes to the first op.
            kind = self._worst(_moving_arrays(part))
            if kind:
                line = node.metadata.get("line") if node.line else None
                name = getattr(node.op, "name", None) or node.name()
                raise _error("backward", name, line, _told_backward(node, i, g, part, kind, line))

    def _worst(self, arrays: list[Any]) -> str:
        """Return what there is among the elements, of what is looked for: "NaN", "infinity" or ""."""
        for a in arrays:
            if not _is_finite(a):
                if _any("isnan", a):
                    return "NaN"
                if self.check_infinity:
                    return "infinity"
        return ""

    def _found(self, arguments: Any, results: list[Any]) -> str:
        """Return what the results have, "NaN" or "infinity", that was not in the arguments already."""
        if not self._worst(results):
            return ""
        for kind, test in (("NaN", "isnan"), ("infinity", "isinf")):
            if kind == "infinity" and not self.check_infinity:
                continue
            if any(_any(test, a) for a in results) and (
                self.check_inputs or not any(_any(test, v) for v in arguments)
            ):
                return kind
        return ""


# -- the modes ---------------------------------------------------------------------------------------


def _current() -> Anomaly | None:
    return next((o for o in observers() if type(o) is Anomaly), None)


def _install(anomaly: Anomaly | None) -> None:
    """Let `anomaly` look on in place of the one that does, in this thread or task."""
    others = tuple(o for o in observers() if type(o) is not Anomaly)
    set_observers(others if anomaly is None else (*others, anomaly))


def _within() -> Any:
    """Return whose derivative is being computed."""
    return RECORDING.get().within


class detect_anomaly:
    """Raise an error at the first NaN or infinity, which names the op and the line that called it.

    A context manager, for the current thread or async task. The error of a backward pass names the
    line of the op's forward call if that was inside too; so do all other errors in a backward pass.
    An op costs a few times what it does otherwise: this is for looking for an error.

    Parameters
    ----------
    check_nan : bool
        Look at the numbers. If False, the lines are kept for errors and nothing else is done.
    check_infinity : bool
        Look for infinities too.
    check_forward : bool
        Look at what ops compute too, and at the tangents of forward mode; if False, only at
        gradients.
    check_inputs : bool
        Raise also where a NaN or an infinity came in with an op's arguments and is in its result
        still. By default an op may pass on what it was given, such as the -inf of a mask.

    Raises
    ------
    AnomalyError
        By an op that has made a NaN of arguments that are none, or an infinity of finite ones; in a
        backward pass, by an op whose gradient in an argument is not finite.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 0.0], requires_grad=True)
    >>> with dualad.autograd.detect_anomaly():
    ...     dualad.sqrt(x).sum().backward()
    Traceback (most recent call last):
        ...
    dualad.errors.AnomalyError: the backward pass of sqrt made an infinity: the gradient in x is inf at [1]
    (1 of 2 elements).
      ...
        dualad.sqrt(x).sum().backward()
        ^^^^^^^^^^^^^^
      cotangent: (2,) float32, all 1
      result: (2,) float32, from 0 to 1, 0 at [1]
    """

    def __init__(
        self,
        check_nan: bool = True,
        *,
        check_infinity: bool = True,
        check_forward: bool = True,
        check_inputs: bool = False,
    ) -> None:
        self._anomaly = Anomaly(check_nan, check_infinity, check_forward, check_inputs)
        self._before: list[Anomaly | None] = []

    def __enter__(self) -> None:
        before = _current()
        try:
            self._before.append(before)
            _install(self._anomaly)
        except BaseException:  # Ctrl-C, between two instructions
            _install(before)
            raise

    def __exit__(self, *exc: object) -> None:
        before = self._before[-1]
        try:
            _install(before)
        except BaseException:
            _install(before)
            raise
        self._before.pop()


class set_detect_anomaly:
    """Switch anomaly mode on or off: at once when called, and as a context manager until its end.

    Parameters
    ----------
    mode : bool
        Whether it is on.
    check_nan, check_infinity, check_forward, check_inputs : bool
        See `detect_anomaly`.

    Examples
    --------
    >>> import dualad
    >>> with dualad.autograd.set_detect_anomaly(True):
    ...     dualad.autograd.is_anomaly_enabled()
    True
    >>> dualad.autograd.is_anomaly_enabled()
    False
    """

    def __init__(self, mode: bool, check_nan: bool = True, **checks: bool) -> None:
        self._before = _current()
        _install(detect_anomaly(check_nan, **checks)._anomaly if mode else None)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        _install(self._before)


def is_anomaly_enabled() -> bool:
    """Return whether anomaly mode is on in this thread or task.

    Examples
    --------
    >>> import dualad
    >>> with dualad.autograd.detect_anomaly():
    ...     dualad.is_anomaly_enabled()
    True
    """
    return _current() is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Return whether anomaly mode is on and looks at the numbers.

    Examples
    --------
    >>> import dualad
    >>> with dualad.autograd.detect_anomaly(check_nan=False):
    ...     dualad.is_anomaly_check_nan_enabled()
    False
    """
    anomaly = _current()
    return anomaly is not None and anomaly.check_nan


# -- looking at arrays -------------------------------------------------------------------------------


def _moving_arrays(value: Any) -> list[Any]:
    """Return the arrays in a derivative, with those of its own tangents in forward mode around it."""
    if isinstance(value, (tuple, list)):
        return [a for v in value for a in _moving_arrays(v)]
    found, inner = arrays_in(value), value
    while isinstance(inner, (Tensor, Batched)):
        if isinstance(inner, Tensor) and type(inner._node) is Dual:
            found += _moving_arrays(inner._node.tangent)
        inner = inner._value if isinstance(inner, Tensor) else inner.value
    return found


def _is_finite(value: Any) -> bool:
    """Whether an array, or number, has no NaN and no infinity."""
    if type(value) is np.ndarray or isinstance(value, np.generic):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    return not (_any("isnan", value) or _any("isinf", value))


def _any(test: str, value: Any) -> bool:
    """Whether a test of elements, "isnan" or "isinf", holds for any; integers pass none."""
    backend = BY_TYPE[type(value)]
    if backend is None:
        numbers = (value.real, value.imag) if isinstance(value, complex) else (value,)
        return any(isinstance(n, float) and getattr(math, test)(n) for n in numbers)
    if not DTYPES[value.dtype].is_differentiable:
        return False
    xp = backend.xp
    return bool(backend.to_numpy(xp.any(getattr(xp, test)(value))))


# -- telling -----------------------------------------------------------------------------------------


def _error(phase: str, op: str, line: Line | None, lines: Iterator[str]) -> AnomalyError:
    error = AnomalyError("\n".join(lines))
    error.op, error.phase, error.line = op, phase, line
    return error


def _told_forward(op: Any, values: Any, results: list[Any], kind: str, line: Any) -> Iterator[str]:
    y = next(a for a in results if _any(_TESTS[kind], a))
    where, text = _places(y, kind)
    came = [name for name, v in _named(op, values) if _any(_TESTS[kind], v)]
    if came:
        yield f"{op.name} was given {_ARTICLES[kind]} by its argument {came[0]}: its result is {text}."
    else:
        given = "arguments without any" if kind == "NaN" else "finite numbers"
        yield f"{op.name} made {_ARTICLES[kind]} of {given}: its result is {text}."
    yield _line_text(line)
    elementwise = op.shape is shapes.elementwise
    for name, v in _named(op, values):
        yield f"  {name}: {_described(v, where if elementwise else None, y.shape)}"
    yield f"  result: {_described(y)}"


def _told_tangent(op: Any, tangents: list[Any], results: list[Any], kind: str, line: Any) -> Iterator[str]:
    t = next(a for a in results if _any(_TESTS[kind], a))
    came = any(_any(_TESTS[kind], a) for a in tangents)
    verb = "was given" if came else "made"
    yield (
        f"the derivative of {op.name} {verb} {_ARTICLES[kind]} in forward mode: "
        f"the tangent of its result is {_places(t, kind)[1]}."
    )
    yield _line_text(line)
    for a in tangents:
        yield f"  tangent: {_described(a)}"
    yield f"  tangent of the result: {_described(t)}"


def _told_backward(node: Node, i: int, g: Any, part: Any, kind: str, line: Any) -> Iterator[str]:
    name = getattr(node.op, "name", None) or node.name()
    argument = _argument(node.op, i)
    array = next(a for a in _moving_arrays(part) if _any(_TESTS[kind], a))
    where, text = _places(array, kind)
    came = any(_any(_TESTS[kind], a) for a in _moving_arrays(g))
    tangent = "" if any(a is array for a in arrays_in(part)) else "the tangent of "
    verb = "was given" if came else "made"
    what = f"{tangent}the gradient in {argument}"
    yield f"the backward pass of {name} {verb} {_ARTICLES[kind]}: {what} is {text}."
    yield _line_text(line)
    for a in arrays_in(g):
        yield f"  cotangent: {_described(a, where, array.shape)}"
    for read, value in _saved(node, i):
        yield f"  {read}: {_described(value, where, array.shape)}"


_ARTICLES = {"NaN": "a NaN", "infinity": "an infinity"}
_TESTS = {"NaN": "isnan", "infinity": "isinf"}


def _named(op: Any, values: Any) -> list[tuple[str, Any]]:
    return [(_argument(op, i), v) for i, v in enumerate(values)]


def _argument(op: Any, i: int) -> str:
    names = getattr(op, "arguments", ())
    return names[i] if i < len(names) else f"argument {i}"


def _saved(node: Node, i: int) -> list[tuple[str, Any]]:
    """Return what the rule for an argument has read, by name; nothing where others may keep it."""
    if type(node) not in (Node, Tended) or is_packed(node) or node.saved is None or node.saved[i] is None:
        return []
    places = node.op.maps_for(len(node.saved))[i].reads
    pairs = zip(places, node.saved[i], strict=True)
    return [("result" if k < 0 else _argument(node.op, k), a) for k, v in pairs for a in arrays_in(v)]


def _line_text(line: Line | None) -> str:
    if line is not None:
        return line.traceback()
    return "  (the line of the forward call is not known: it was not inside detect_anomaly())"


def _places(array: Any, kind: str) -> tuple[tuple[int, ...], str]:
    """Return where the first NaN or infinity is, and what is to be said of it."""
    a = _host(array)
    hits = np.isnan(a) if kind == "NaN" else np.isinf(a)
    where = tuple(int(k) for k in np.argwhere(hits)[0])
    at = f" at {list(where)} ({np.count_nonzero(hits)} of {a.size} elements)" if where else ""
    return where, f"{_number(a[where])}{at}"


def _described(value: Any, where: tuple[int, ...] | None = None, shape: Any = None) -> str:
    """Return a number, or the shape, dtype and range of an array, and its element at a place."""
    if BY_TYPE[type(value)] is None:
        return str(value)
    a = _host(value)
    text = f"{a.shape} {DTYPES[value.dtype].name}"
    if not a.ndim:
        return f"{text}, {_number(a[()])}"
    numbers = _range(a)
    told = numbers.startswith("all") and not numbers.endswith("finite")
    if where and not told and a.size > 1 and _fits(a.shape, shape):
        numbers += f", {_number(np.broadcast_to(a, shape)[where])} at {list(where)}"
    return f"{text}, {numbers}" if numbers else text


def _fits(small: Any, shape: Any) -> bool:
    try:
        return np.broadcast_shapes(small, shape) == tuple(shape)
    except ValueError:
        return False


def _range(a: np.ndarray) -> str:
    """Return between which numbers the finite elements of an array lie."""
    finite = np.isfinite(a)
    if a.dtype.kind not in "fiu":
        return "all finite" if finite.all() else "not all finite"
    numbers = a[finite]
    if not numbers.size:
        return "none finite" if a.size else ""
    low, high = numbers.min(), numbers.max()
    text = f"all {_number(low)}" if low == high else f"from {_number(low)} to {_number(high)}"
    return text if numbers.size == a.size else f"{text} where finite"


def _number(value: Any) -> str:
    return f"{value:.6g}" if value.dtype.kind in "fc" else str(value)


def _host(array: Any) -> np.ndarray:
    backend = BY_TYPE[type(array)]
    assert backend is not None
    return np.asarray(backend.to_numpy(array))
