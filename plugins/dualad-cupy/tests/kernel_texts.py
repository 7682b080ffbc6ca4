"""What the texts of `kernels` say, computed with NumPy: no compiler, and nothing of C's own, is in this."""

import re

import numpy as np

C_TYPES = {
    "float16": "float16",
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    "signed char": "int8",
}
_NAMES = {
    "fabs": "abs", "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2", "pow": "power",
    "acosh": "arccosh", "asinh": "arcsinh", "atanh": "arctanh",
}  # fmt: skip
_FUNCTIONS = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "copysign", "cos", "cosh", "exp",
    "expm1", "fabs", "floor", "fmax", "fmin", "hypot", "isfinite", "isinf", "isnan", "log", "log10", "log1p",
    "log2", "pow", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
)  # fmt: skip
_KNOWN = {
    "__builtins__": {},
    "where": np.where,
    "CUDART_NAN": np.nan,
    "CUDART_INF": np.inf,
    "float": lambda x: np.asarray(x, "float32"),
    "double": lambda x: np.asarray(x, "float64"),
    **{name: getattr(np, _NAMES.get(name, name)) for name in _FUNCTIONS},
}


def params_of(text):
    """Return the (dtype, name) of each parameter of a kernel."""
    return [tuple(p.split()) for p in text.split(",")]


def evaluate(statements, values):
    """Run C statements on arrays by name; return all values by name."""
    values = dict(values)
    for line in statements.splitlines():
        name, code = re.fullmatch(r"(?:const [a-z0-9 ]+ )?(\w+) = (.*);", line).groups()
        cast = re.fullmatch(r"\(([a-z0-9 ]+)\)\((.*)\)", code)
        with np.errstate(all="ignore"):
            if cast is None:
                values[name] = values[code]
            else:
                values[name] = np.asarray(eval(_python(cast[2]), _KNOWN, values)).astype(C_TYPES[cast[1]])
    return values


def _python(code):
    """Return an expression of C's, whose parts are put together in no more ways than these, as Python's."""
    if " ? " in code:
        condition, choice = code.split(" ? ", 1)
        return f"where({_python(condition)}, {', '.join(map(_python, choice.split(' : ', 1)))})"
    for sign, operator in ((" || ", " | "), (" && ", " & ")):
        if sign in code:
            return operator.join(f"({_python(part)})" for part in code.split(sign))
    return f"~({code[1:]})" if code.startswith("!") else code


def _elementwise(in_params, out_params, operation, args):
    """Return the results of an ElementwiseKernel on arrays and numbers, a tuple."""
    params = params_of(in_params)
    assert len(args) == len(params)
    for a, (dtype, _) in zip(args, params, strict=True):
        assert not isinstance(a, np.ndarray) or a.dtype == dtype
    given = np.broadcast_arrays(*[np.asarray(a, d) for a, (d, _) in zip(args, params, strict=True)])
    values = evaluate(operation, {n: a for a, (_, n) in zip(given, params, strict=True)})
    assert all(values[n].dtype == d for d, n in params_of(out_params))
    return tuple(np.broadcast_to(values[n], given[0].shape).copy() for _, n in params_of(out_params))


def _reduced(in_params, out_params, map_expr, reduce_type, preamble, args, axis):
    """Return the result of a ReductionKernel that sums."""
    head, _, body = preamble.partition(") {\n")
    assert re.search(r"(\w+)\(", head)[1] == map_expr.partition("(")[0]
    statements, _, result = body.removesuffix(";\n}").partition("return ")
    ((dtype, _),) = params_of(out_params)
    (terms,) = _elementwise(in_params, f"{dtype} y", f"{statements}y = {result};", args)
    return np.sum(terms, axis=axis, dtype=C_TYPES[reduce_type]).astype(dtype)


class CompileException(Exception):
    """What CuPy raises where CUDA's compiler refuses a kernel."""


def kernels(run, note=lambda what, name: None):
    """Return what stands for CuPy's ElementwiseKernel and ReductionKernel.

    ``run(function, *args)`` launches a function of NumPy's arrays. ``note`` is told, by the name, of each
    kernel that is "made" or "launched".
    """

    def elementwise_kernel(in_params, out_params, operation, name, return_tuple, options):
        assert options == ("--fmad=false",)
        note("made", name)

        def compute(*args):
            results = _elementwise(in_params, out_params, operation, args)
            return results if return_tuple or len(results) > 1 else results[0]

        def kernel(*args):
            note("launched", name)
            return run(compute, *args)

        return kernel

    def reduction_kernel(
        in_params, out_params, map_expr, reduce_expr, post_map_expr, identity, name, reduce_type, preamble,
        options,
    ):  # fmt: skip
        assert (reduce_expr, post_map_expr, identity) == ("a + b", "y = a", "0")
        assert options == ("--fmad=false",)
        note("made", name)

        def kernel(*args, axis):
            note("launched", name)
            return run(
                lambda *args: _reduced(in_params, out_params, map_expr, reduce_type, preamble, args, axis),
                *args,
            )

        return kernel

    return elementwise_kernel, reduction_kernel
