"""What users read about the ops that are public as they stand: the elementwise ones.

A row each: the name, what it returns, the arguments of an example, and what it gives.
"""

from __future__ import annotations

DESCRIPTIONS: dict[str, tuple[str, str, str]] = {
    "abs": (
        "the absolute value of each element, of complex ones the modulus; 0 has the derivative 0.",
        "tensor([-2.0, 3.0])",
        "tensor([2., 3.])",
    ),
    "acos": (
        "the angle in radians, from 0 to pi, whose cosine is each element.",
        "tensor([1.0, 0.0])",
        "tensor([0.0000, 1.5708])",
    ),
    "acosh": (
        "the number, 0 or more, whose hyperbolic cosine is each element.",
        "tensor([1.0, 2.0])",
        "tensor([0.0000, 1.3170])",
    ),
    "add": ("the sum of the arguments, elementwise.", "tensor([1.0, 2.0]), 10", "tensor([11., 12.])"),
    "asin": (
        "the angle in radians, from -pi/2 to pi/2, whose sine is each element.",
        "tensor([0.0, 1.0])",
        "tensor([0.0000, 1.5708])",
    ),
    "asinh": (
        "the number whose hyperbolic sine is each element.",
        "tensor([0.0, 1.0])",
        "tensor([0.0000, 0.8814])",
    ),
    "atan": (
        "the angle in radians, from -pi/2 to pi/2, whose tangent is each element.",
        "tensor([0.0, 1.0])",
        "tensor([0.0000, 0.7854])",
    ),
    "atan2": (
        "the angle in radians, from -pi to pi, of the point with x2 across and x1 up.",
        "tensor([1.0, 0.0]), tensor([0.0, -1.0])",
        "tensor([1.5708, 3.1416])",
    ),
    "atanh": (
        "the number whose hyperbolic tangent is each element.",
        "tensor([0.0, 0.5])",
        "tensor([0.0000, 0.5493])",
    ),
    "bitwise_and": ("the bits set in both integers, elementwise.", "tensor([6, 5]), 3", "tensor([2, 1])"),
    "bitwise_invert": ("each integer with every bit inverted.", "tensor([0, 5])", "tensor([-1, -6])"),
    "bitwise_left_shift": ("the bits of x1 moved up x2 places.", "tensor([1, 3]), 2", "tensor([ 4, 12])"),
    "bitwise_or": ("the bits set in either integer, elementwise.", "tensor([6, 5]), 3", "tensor([7, 7])"),
    "bitwise_right_shift": ("the bits of x1 moved down x2 places.", "tensor([4, 12]), 2", "tensor([1, 3])"),
    "bitwise_xor": (
        "the bits set in one of the two integers, elementwise.",
        "tensor([6, 5]), 3",
        "tensor([5, 6])",
    ),
    "ceil": (
        "the smallest integer that is not less than each element.",
        "tensor([-1.5, 1.5])",
        "tensor([-1.,  2.])",
    ),
    "copysign": (
        "the size of x1 with the sign of x2.",
        "tensor([1.0, 2.0]), tensor([-1.0, 1.0])",
        "tensor([-1.,  2.])",
    ),
    "cos": (
        "the cosine of each element, an angle in radians.",
        "tensor([0.0, 1.0])",
        "tensor([1.0000, 0.5403])",
    ),
    "cosh": ("the hyperbolic cosine of each element.", "tensor([0.0, 1.0])", "tensor([1.0000, 1.5431])"),
    "divide": ("x1 divided by x2, elementwise.", "tensor([1.0, 2.0]), 4", "tensor([0.2500, 0.5000])"),
    "equal": (
        "whether the arguments are equal, elementwise.",
        "tensor([1.0, 2.0]), 2",
        "tensor([False,  True])",
    ),
    "exp": ("e to the power of each element.", "tensor([0.0, 1.0])", "tensor([1.0000, 2.7183])"),
    "expm1": ("exp(x) - 1, exact for small elements.", "tensor([0.0, 1.0])", "tensor([0.0000, 1.7183])"),
    "floor": (
        "the largest integer that is not greater than each element.",
        "tensor([-1.5, 1.5])",
        "tensor([-2.,  1.])",
    ),
    "floor_divide": (
        "x1 divided by x2, rounded down, elementwise; it has the derivative 0.",
        "tensor([5.0, -5.0]), 2",
        "tensor([ 2., -3.])",
    ),
    "greater": (
        "whether x1 is greater than x2, elementwise.",
        "tensor([1.0, 3.0]), 2",
        "tensor([False,  True])",
    ),
    "greater_equal": (
        "whether x1 is x2 or greater, elementwise.",
        "tensor([1.0, 2.0]), 2",
        "tensor([False,  True])",
    ),
    "hypot": (
        "sqrt(x1**2 + x2**2), without overflow; its derivative at (0, 0) is 0.",
        "tensor([3.0]), tensor([4.0])",
        "tensor([5.])",
    ),
    "isfinite": (
        "whether each element is neither infinite nor NaN.",
        "tensor([1.0, dualad.inf])",
        "tensor([ True, False])",
    ),
    "isinf": ("whether each element is infinite.", "tensor([1.0, dualad.inf])", "tensor([False,  True])"),
    "isnan": ("whether each element is NaN.", "tensor([1.0, dualad.nan])", "tensor([False,  True])"),
    "less": ("whether x1 is less than x2, elementwise.", "tensor([1.0, 3.0]), 2", "tensor([ True, False])"),
    "less_equal": (
        "whether x1 is x2 or less, elementwise.",
        "tensor([2.0, 3.0]), 2",
        "tensor([ True, False])",
    ),
    "log": ("the natural logarithm of each element.", "tensor([1.0, 10.0])", "tensor([0.0000, 2.3026])"),
    "log10": (
        "the logarithm to base 10 of each element.",
        "tensor([1.0, 100.0])",
        "tensor([0.0000, 2.0000])",
    ),
    "log1p": ("log(1 + x), exact for small elements.", "tensor([0.0, 1.0])", "tensor([0.0000, 0.6931])"),
    "log2": ("the logarithm to base 2 of each element.", "tensor([1.0, 8.0])", "tensor([0., 3.])"),
    "logaddexp": (
        "log(exp(x1) + exp(x2)), without overflow.",
        "tensor([0.0, 1000.0]), tensor([0.0, 1000.0])",
        "tensor([6.9315e-01, 1.0007e+03])",
    ),
    "logical_and": (
        "whether both arguments are true, elementwise.",
        "tensor([True, False]), True",
        "tensor([ True, False])",
    ),
    "logical_not": ("whether each element is false.", "tensor([True, False])", "tensor([False,  True])"),
    "logical_or": (
        "whether either argument is true, elementwise.",
        "tensor([True, False]), False",
        "tensor([ True, False])",
    ),
    "logical_xor": (
        "whether one of the two arguments is true, elementwise.",
        "tensor([True, False]), True",
        "tensor([False,  True])",
    ),
    "maximum": (
        "the larger of the arguments, elementwise; tied ones share the gradient evenly.",
        "tensor([1.0, 3.0]), 2",
        "tensor([2., 3.])",
    ),
    "minimum": (
        "the smaller of the arguments, elementwise; tied ones share the gradient evenly.",
        "tensor([1.0, 3.0]), 2",
        "tensor([1., 2.])",
    ),
    "multiply": ("the product of the arguments, elementwise.", "tensor([1.0, 2.0]), 3", "tensor([3., 6.])"),
    "negative": ("each element with its sign changed.", "tensor([1.0, -2.0])", "tensor([-1.,  2.])"),
    "nextafter": (
        "the number next to x1 that its dtype has, towards x2.",
        "tensor([1.0]), 2",
        "tensor([1.0000])",
    ),
    "not_equal": (
        "whether the arguments differ, elementwise.",
        "tensor([1.0, 2.0]), 2",
        "tensor([ True, False])",
    ),
    "positive": ("each element as it is.", "tensor([1.0, -2.0])", "tensor([ 1., -2.])"),
    "pow": ("x1 to the power of x2, elementwise.", "tensor([2.0, 3.0]), 2", "tensor([4., 9.])"),
    "reciprocal": ("1 divided by each element.", "tensor([2.0, 4.0])", "tensor([0.5000, 0.2500])"),
    "remainder": (
        "what is left of x1 when it is divided by x2, with the sign of x2.",
        "tensor([5.0, -5.0]), 3",
        "tensor([2., 1.])",
    ),
    "round": (
        "the nearest integer of each element; halves go to the even one.",
        "tensor([0.5, 1.5, 1.7])",
        "tensor([0., 2., 2.])",
    ),
    "relu": (
        "the element where it is more than 0, else 0; its derivative at 0 is 0.",
        "tensor([-1.0, 2.0])",
        "tensor([0., 2.])",
    ),
    "sigmoid": (
        "``1 / (1 + exp(-x))`` of each element, without overflow.",
        "tensor([0.0, 100.0])",
        "tensor([0.5000, 1.0000])",
    ),
    "signbit": (
        "whether the sign of each element is minus, of -0.0 too.",
        "tensor([-0.0, 1.0])",
        "tensor([ True, False])",
    ),
    "sin": (
        "the sine of each element, an angle in radians.",
        "tensor([0.0, 1.0])",
        "tensor([0.0000, 0.8415])",
    ),
    "sinh": ("the hyperbolic sine of each element.", "tensor([0.0, 1.0])", "tensor([0.0000, 1.1752])"),
    "sqrt": ("the square root of each element.", "tensor([4.0, 9.0])", "tensor([2., 3.])"),
    "square": ("the square of each element.", "tensor([2.0, -3.0])", "tensor([4., 9.])"),
    "subtract": ("x1 less x2, elementwise.", "tensor([1.0, 2.0]), 3", "tensor([-2., -1.])"),
    "tan": (
        "the tangent of each element, an angle in radians.",
        "tensor([0.0, 1.0])",
        "tensor([0.0000, 1.5574])",
    ),
    "tanh": ("the hyperbolic tangent of each element.", "tensor([0.0, 1.0])", "tensor([0.0000, 0.7616])"),
    "trunc": ("each element without its fractional part.", "tensor([-1.5, 1.5])", "tensor([-1.,  1.])"),
}


def describe(name: str, arguments: tuple[str, ...]) -> str:
    """Return the docstring of a public op."""
    what, given, result = DESCRIPTIONS[name]
    several = "arrays or numbers, which broadcast" if len(arguments) > 1 else "array or number"
    return f"""Return {what}

Parameters
----------
{", ".join(arguments)} : {several}
    Of any shape.

Returns
-------
Tensor
    Of the shape that the arguments broadcast to.

Examples
--------
>>> import dualad
>>> from dualad import tensor
>>> dualad.{name}({given})
{result}
"""
