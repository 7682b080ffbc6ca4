"""Functions traced to C: what is told, and what C makes of it.

The C of every function and of every rule is compiled by a C++ compiler, for all dtypes that kernels are
made for, and its values are compared with NumPy's, with infinities, NaN and zeros of both signs among the
arguments. Not covered: that CUDA's compiler takes the text and gives the same values.
"""

import numpy as np
import pytest
from dualad_cupy.tracing import ARRAY, FUNCTIONS, LOGIC, TESTS, Source, UntraceableError
from kernels_in_c import COMPILER, build, call, loop

import dualad.special  # noqa: F401  its rules are among all
from dualad.backends import get
from dualad.batching import REGISTRY

in_c = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here to compile the kernels")
# How far a function of C may be from NumPy's, by the way it rounds its last bits.
DTYPES = {"float16": 4e-3, "float32": 1e-6, "float64": 2e-14}
NUMPY = get("numpy").namespace
POINTS = (0.0, -0.0, 0.25, -0.25, 0.75, 1.0, -1.0, 2.0, -3.5, 40.0, np.inf, -np.inf, np.nan)
COTANGENTS = (1.5, -2.0, 0.0, -0.0, np.inf, np.nan)


def rules():
    """Yield what may be a kernel: its name, the function, and how many arrays it takes besides the first."""
    for name, op in sorted(REGISTRY.items()):
        if name.startswith("random."):  # in double precision where there is that: that is no elementwise code
            continue
        if op.functions.pointwise:  # an op made of several functions
            yield f"{name}, computed", op.functions.compute, len(op.arguments) - 1
        for m in op.maps:
            if m is not None and m.kernels is not None:
                plain, masked = m.kernels.functions
                yield m.kernels.name, plain, len(m.reads)
                yield f"{m.kernels.name}_masked", masked, len(m.reads)


RULES = list(rules())


def traced(function, dtype, count):
    return Source(function, np.dtype(dtype), [ARRAY] * (1 + count), ())


# -- the text ------------------------------------------------------------------------------------


def test_all_rules_are_traced_but_those_that_call_special_functions():
    refused = {}
    for name, function, count in RULES:
        try:
            traced(function, "float32", count)
        except AttributeError as error:
            refused[name] = error.args
    assert set(refused.values()) <= {("special",), ("remainder",)}
    assert all(name.startswith("special.") for name in refused)
    assert len(RULES) - len(refused) > 100


def compiled(sources):
    """Return a function for each source, of the arrays that it reads."""
    results = [f"{s.statements}\ny = {s.results[0]};" for s in sources]
    code = [loop(f"f{i}", s.in_params, f"{s.dtype} y", r) for i, (s, r) in enumerate(zip(sources, results))]  # noqa: B905
    library = build("".join(code))
    return [
        lambda arrays, i=i, s=s: call(
            getattr(library, f"f{i}"), [arrays[k] for k in s.arrays], [s.dtype.name]
        )[0]
        for i, s in enumerate(sources)
    ]


def grid(dtype, *points):
    return [a.ravel() for a in np.meshgrid(*[np.asarray(p, dtype) for p in points], indexing="ij")]


def points_for(name):
    # CuPy rounds a quotient that is infinite to infinity, NumPy to NaN.
    return [
        p
        for p in POINTS
        if np.isfinite(p) or name not in ("floor_divide", "remainder_1", "remainder_1_masked")
    ]


@in_c
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_c_of_every_rule_gives_numpys_values(dtype):
    todo = []
    for name, function, count in RULES:
        try:
            todo.append((name, function, count, traced(function, dtype, count)))
        except AttributeError:  # special functions, see above
            continue
    functions = compiled([source for *_, source in todo])
    for (name, function, count, _), in_c in zip(todo, functions, strict=True):
        g, *reads = grid(dtype, COTANGENTS, *[points_for(name)] * count)
        with np.errstate(all="ignore"):
            expected = np.broadcast_to(function(NUMPY, g, *reads), g.shape)
        y = in_c([g, *reads])
        assert expected.dtype == y.dtype == dtype, name
        np.testing.assert_allclose(y, expected, rtol=DTYPES[dtype], err_msg=name)
        if name.endswith("computed"):  # which of two zeros is the larger differs from library to library
            continue
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]), err_msg=name)


@in_c
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_c_of_every_function_gives_numpys_values(dtype):
    def called(name):
        return lambda xp, *args: getattr(xp, name)(*args)

    def told(name):
        return lambda xp, *args: xp.where(getattr(xp, name)(*args), args[0], 0.25)

    def combined(name):
        return lambda xp, x, y: xp.where(
            getattr(xp, name)(*[x > 0, y > 0][: 1 + ("{1}" in LOGIC[name])]), x, y
        )

    todo = [
        *[(name, called(name), 1 + ("{1}" in form)) for name, form in FUNCTIONS.items()],
        *[(name, told(name), 1 + ("{1}" in form)) for name, form in TESTS.items()],
        *[(name, combined(name), 2) for name in LOGIC],
        (
            "constants",
            lambda xp, x: xp.maximum(xp.minimum(x, 7), -0.5) + xp.where(x > 2, np.nan, x) * -np.inf,
            1,
        ),
    ]
    functions = compiled([traced(function, dtype, count - 1) for _, function, count in todo])
    for (name, function, count), in_c in zip(todo, functions, strict=True):
        args = grid(dtype, *[points_for(name)] * count)
        with np.errstate(all="ignore"):
            expected = function(NUMPY, *args)
        y = in_c(args)
        np.testing.assert_allclose(y, expected, rtol=DTYPES[dtype], err_msg=name)


def source_of(function, *places, dtype="float32", numbers=()):
    return Source(function, np.dtype(dtype), places, numbers)


def test_each_statement_rounds_to_the_dtype_of_the_arrays():
    source = source_of(lambda xp, x, y: xp.exp(x * y) + 0.1, ARRAY, ARRAY, dtype="float16")
    assert source.statements.splitlines() == [
        "const float16 t0 = (float16)(float(x0) * float(x1));",
        "const float16 t1 = (float16)(exp(float(t0)));",
        f"const float16 t2 = (float16)(float(t1) + float({float(np.float16(0.1))!r}));",
    ]


def test_what_is_not_read_is_no_parameter():
    source = source_of(lambda xp, x, y, z, **n: y * n["b"], ARRAY, ARRAY, ARRAY, numbers=("a", "b"))
    assert source.in_params == "float32 x1, float32 n1"
    assert (source.arrays, source.numbers) == ((1,), ("b",))


UNTRACEABLE = {
    "branches on elements": lambda xp, x, n: x if x > 0 else -x,
    "gives no array": lambda xp, x, n: 2.0,
    "gives truth values": lambda xp, x, n: x > 0,
    "gives a number": lambda xp, x, n: n,
    "computes with numbers alone": lambda xp, x, n: x * (n + 1),
    "compares numbers": lambda xp, x, n: xp.where(n > 1, x, 0),
    "chooses among numbers": lambda xp, x, n: x * xp.where(x > 0, 1, 2),
    "adds truth values": lambda xp, x, n: x * ((x > 0) + (x > 1)),
    "computes with bits": lambda xp, x, n: x * ((x > 0) & 1),
    "converts to another dtype": lambda xp, x, n: xp.astype(x, np.dtype("int64")),
    "converts to complex": lambda xp, x, n: x * 1j,
    "reduces": lambda xp, x, n: x * xp.sum(x),
    "asks for the shape": lambda xp, x, n: x * x.shape[0],
    "reads an element": lambda xp, x, n: x * x[0],
    "calls NumPy": lambda xp, x, n: np.sin(x),
    "calls math": lambda xp, x, n: x * float(x),
}


@pytest.mark.parametrize("function", UNTRACEABLE.values(), ids=UNTRACEABLE)
def test_what_c_cannot_say_is_refused(function):
    with pytest.raises((UntraceableError, AttributeError, TypeError)):
        source_of(lambda xp, x, *, n: function(xp, x, n), ARRAY, numbers=("n",))
