"""Functions that compute element by element, traced to C.

A function is called once with `Expression` objects in the place of arrays, and leaves the C
statements of the same computation. Each statement rounds to the arrays' dtype, as each of CuPy's
operations does. What cannot be told in such statements raises, and is then not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import isfinite, isnan
from typing import Any

import numpy as np

#: The dtypes that kernels are made for, with their names in C: reals, whose promotion is simple.
C_TYPES = {"float16": "float16", "float32": "float", "float64": "double"}

#: Stands in the place of an array among the arguments of a function that is to be traced.
ARRAY = object()


class UntraceableError(TypeError):
    """A function does what C statements of one real dtype cannot say."""


def _binary(name: str) -> Callable[[Any, Any], Any]:
    return lambda self, other: getattr(TracedNamespace(self.trace), name)(self, other)


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    return lambda self, other: getattr(TracedNamespace(self.trace), name)(other, self)


def _unary(name: str) -> Callable[[Any], Any]:
    return lambda self: getattr(TracedNamespace(self.trace), name)(self)


class Expression:
    """A value in a function that is being traced: an array, a number that is to come, or computed.

    Attributes
    ----------
    trace : Trace
        The trace it belongs to.
    kind : {"real", "bool", "int8"}
        What it is; "real" is the dtype of the arrays.
    name : str
        Its name in C.
    statement : str
        The C statement that computes it; empty for arrays and numbers.
    operands : tuple of Expression
        What it is computed of.
    is_number : bool
        Whether it is a number rather than an array: its dtype is that of what it meets.
    """

    __array_ufunc__ = None  # NumPy's functions are not to take it for an object
    __slots__ = ("is_number", "kind", "name", "operands", "statement", "trace")

    def __init__(
        self,
        trace: Trace,
        kind: str,
        name: str,
        statement: str = "",
        operands: tuple[Expression, ...] = (),
        is_number: bool = False,
    ) -> None:
        self.trace, self.kind, self.name = trace, kind, name
        self.statement, self.operands, self.is_number = statement, operands, is_number

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array it stands for."""
        return self.trace.dtype if self.kind == "real" else np.dtype(self.kind)

    __neg__, __pos__, __abs__ = _unary("negative"), _unary("positive"), _unary("abs")
    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __pow__, __rpow__ = _binary("pow"), _reflected("pow")
    __lt__, __le__, __gt__, __ge__ = (
        _binary("less"), _binary("less_equal"), _binary("greater"), _binary("greater_equal")
    )  # fmt: skip
    __and__, __or__, __invert__ = _binary("logical_and"), _binary("logical_or"), _unary("logical_not")
    # `object` promises a bool of these two.
    __eq__: Any = _binary("equal")
    __ne__: Any = _binary("not_equal")
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise UntraceableError("the elements decide which way the function goes")


class Trace:
    """The statements of a function that is being traced, for arrays of one real dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.ctype = dtype, C_TYPES[dtype.name]
        # Half precision is computed in single, and rounded after each statement, as CuPy does it.
        self.wide = "float" if self.ctype == "float16" else self.ctype
        self.count = 0  # of statements; what they make is not held here, lest there be reference cycles

    def apply(self, form: str, *operands: Any, kind: str = "real") -> Expression:
        """Return the result of an operation whose C is ``form.format(*operands)`` on real values.

        Of bytes only sums are known, which wrap around as NumPy's do.
        """
        if form == FUNCTIONS["add"] and all(isinstance(a, Expression) and a.kind == "int8" for a in operands):
            return self.add("int8", form, operands)
        if not any(isinstance(a, Expression) and a.kind == "real" and not a.is_number for a in operands):
            raise UntraceableError("arithmetic of Python's numbers, or of integers")
        return self.add(kind, form, [self.real(a) for a in operands])

    def logical(self, form: str, *operands: Any) -> Expression:
        """Return the result of an operation on truth values."""
        if not all(isinstance(a, Expression) and a.kind == "bool" for a in operands):
            raise UntraceableError("arithmetic of bits")
        return self.add("bool", form, operands)

    def real(self, value: Any) -> Any:
        """Return a value as one of the arrays' dtype: a number as it is written in C."""
        if isinstance(value, Expression):
            return value if value.kind == "real" else self.add("real", "{0}", [value])
        if type(value) not in (bool, int, float):
            raise UntraceableError(f"arithmetic with a {type(value).__name__}")
        with np.errstate(over="ignore"):
            number = float(self.dtype.type(value))
        if isfinite(number):
            return f"{self.wide}({number!r})"
        name = "CUDART_NAN" if isnan(number) else "CUDART_INF" if number > 0 else "-CUDART_INF"
        return f"{self.wide}({name})"

    def add(self, kind: str, form: str, operands: Sequence[Any]) -> Expression:
        """Add a statement; return what it computes."""
        name = f"t{self.count}"
        self.count += 1
        ctype = {"real": self.ctype, "bool": "bool", "int8": "signed char"}[kind]
        code = form.format(*(self._read(a) for a in operands), T=self.wide)
        read = tuple(a for a in operands if isinstance(a, Expression))
        return Expression(self, kind, name, f"const {ctype} {name} = ({ctype})({code});", read)

    def _read(self, operand: Expression | str) -> str:
        if isinstance(operand, str):
            return operand
        return (
            f"float({operand.name})" if operand.kind == "real" and self.wide != self.ctype else operand.name
        )

    @staticmethod
    def code_of(results: Iterable[Expression]) -> tuple[str, set[Expression]]:
        """Return the statements that lead to results, and all that is read on the way."""
        live: set[Expression] = set()
        stack = list(results)
        while stack:
            expression = stack.pop()
            if expression not in live:
                live.add(expression)
                stack.extend(expression.operands)
        made = sorted((e for e in live if e.statement), key=lambda e: int(e.name[1:]))
        return "\n".join(e.statement for e in made), live


#: The real functions of real arrays, by their names in the standard; where a name of C's is not the
#: whole of it, what CuPy computes.
FUNCTIONS = {
    "abs": "fabs({0})",
    "acos": "acos({0})",
    "acosh": "acosh({0})",
    "add": "{0} + {1}",
    "asin": "asin({0})",
    "asinh": "asinh({0})",
    "atan": "atan({0})",
    "atan2": "atan2({0}, {1})",
    "atanh": "atanh({0})",
    "ceil": "ceil({0})",
    "copysign": "copysign({0}, {1})",
    "cos": "cos({0})",
    "cosh": "cosh({0})",
    "divide": "{0} / {1}",
    "exp": "exp({0})",
    "expm1": "expm1({0})",
    "floor": "floor({0})",
    "floor_divide": "floor({0} / {1})",
    "hypot": "hypot({0}, {1})",
    "log": "log({0})",
    "log10": "log10({0})",
    "log1p": "log1p({0})",
    "log2": "log2({0})",
    "logaddexp": "{0} == {1} ? {0} + log(2.0) : fmax({0}, {1}) + log1p(exp(-fabs({0} - {1})))",
    "maximum": "isnan({0}) || isnan({1}) ? {T}(CUDART_NAN) : fmax({0}, {1})",
    "minimum": "isnan({0}) || isnan({1}) ? {T}(CUDART_NAN) : fmin({0}, {1})",
    "multiply": "{0} * {1}",
    "negative": "-{0}",
    "pow": "pow({0}, {1})",
    "reciprocal": "1 / {0}",
    "sign": "{0} < 0 || {0} > 0 ? copysign({T}(1), {0}) : {0} - {0}",
    "sin": "sin({0})",
    "sinh": "sinh({0})",
    "sqrt": "sqrt({0})",
    "square": "{0} * {0}",
    "subtract": "{0} - {1}",
    "tan": "tan({0})",
    "tanh": "tanh({0})",
    "trunc": "trunc({0})",
}

#: Those that give truth values.
TESTS = {
    "equal": "{0} == {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "isfinite": "isfinite({0})",
    "isinf": "isinf({0})",
    "isnan": "isnan({0})",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "not_equal": "{0} != {1}",
}

#: Those of truth values.
LOGIC = {
    "logical_and": "{0} && {1}",
    "logical_not": "!{0}",
    "logical_or": "{0} || {1}",
    "logical_xor": "{0} != {1}",
}


class TracedNamespace:
    """The functions of the standard for `Expression` objects; others are not there."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in FUNCTIONS:
            return partial(self._trace.apply, FUNCTIONS[name])
        if name in TESTS:
            return partial(self._trace.apply, TESTS[name], kind="bool")
        if name in LOGIC:
            return partial(self._trace.logical, LOGIC[name])
        raise AttributeError(name)

    def where(self, condition: Any, x1: Any, x2: Any) -> Expression:
        if not isinstance(condition, Expression) or condition.kind != "bool":
            raise UntraceableError("a condition that is no truth value")
        if not any(isinstance(a, Expression) and a.kind == "real" and not a.is_number for a in (x1, x2)):
            raise UntraceableError("a choice among Python's numbers, or of integers")
        trace = self._trace
        return trace.add("real", "{0} ? {1} : {2}", [condition, trace.real(x1), trace.real(x2)])

    def astype(self, x: Expression, dtype: Any) -> Expression:
        if dtype.name == x.dtype.name:
            return x
        if dtype.name == self._trace.dtype.name:
            return self._trace.add("real", "{0}", [x])
        if dtype.name == "int8" and x.kind == "bool":
            return self._trace.add("int8", "{0}", [x])
        raise UntraceableError(f"a conversion to {dtype.name}")

    def positive(self, x: Expression) -> Expression:
        return x

    real = conj = copy = positive

    def zeros_like(self, x: Expression) -> Expression:
        if x.kind != "real":
            raise UntraceableError("zeros of integers")
        return self._trace.add("real", "0", [x])  # it reads x for its shape

    def clip(self, x: Expression, min: Any, max: Any) -> Expression:
        y = x if min is None else self.maximum(x, min)
        return y if max is None else self.minimum(y, max)

    def masked_product(self, g: Expression, p: Any) -> Expression:
        return g * self.where(g == 0, 0, p)


class Source:
    """A traced function as C.

    Parameters
    ----------
    function : callable
        ``function(xp, *args, **numbers)``.
    dtype : numpy.dtype
        That of the arrays.
    args : sequence
        None in the place of each array; and constants.
    numbers : iterable of str
        The names of the numbers that are to come with each call.

    Raises
    ------
    Exception
        Whatever the function raises where it does what cannot be traced.

    Attributes
    ----------
    arrays : tuple of int
        Which arguments are read, by position.
    numbers : tuple of str
        Which numbers are read.
    statements : str
        The C statements, in which these are called ``x0, x1, ...`` and ``n0, n1, ...``.
    results : tuple of str
        The names of the results in them.
    several : bool
        Whether the function gave a tuple.
    alike : bool
        Whether each result reads all of the arrays, and so has the shape that these have, broadcast.
    """

    def __init__(
        self, function: Callable[..., Any], dtype: Any, args: Sequence[Any], numbers: Iterable[str]
    ) -> None:
        trace = Trace(dtype)
        arrays = {i: Expression(trace, "real", f"x{i}") for i, a in enumerate(args) if a is ARRAY}
        given = {name: Expression(trace, "real", f"n{i}", is_number=True) for i, name in enumerate(numbers)}
        y = function(TracedNamespace(trace), *(arrays.get(i, a) for i, a in enumerate(args)), **given)
        self.several = isinstance(y, tuple)
        results: tuple[Any, ...] = y if isinstance(y, tuple) else (y,)
        if not all(isinstance(a, Expression) and a.kind == "real" and not a.is_number for a in results):
            raise UntraceableError("a result that is no array of the arguments' dtype")
        self.dtype, self.ctype = dtype, trace.ctype
        self.statements, live = trace.code_of(results)
        self.arrays = tuple(i for i, a in arrays.items() if a in live)
        self.numbers = tuple(name for name, a in given.items() if a in live)
        self.in_params = ", ".join(
            f"{dtype.name} {a.name}" for a in (*arrays.values(), *given.values()) if a in live
        )
        self.results = tuple(a.name for a in results)
        self.alike = all(
            sum(a in read for a in arrays.values()) == len(self.arrays)
            for _, read in (trace.code_of([a]) for a in results)
        )
