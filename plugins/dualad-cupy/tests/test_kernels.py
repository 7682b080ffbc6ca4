"""Elementwise code as kernels: what is traced, what C makes of it, and when a kernel is launched.

Covered without a GPU: the C of every rule is compiled by a C++ compiler, for all dtypes that kernels are
made for, and its values are compared with NumPy's, with infinities, NaN and zeros of both signs among the
arguments; and programs and optimizers run on kernels that are compiled that way and loop over NumPy
arrays. Not covered: that CUDA's compiler takes the text and gives the same values, and what CuPy does
between a call and its launch. On a machine with a GPU `test_suite.py` runs all of dualad's tests through
these kernels.
"""

from functools import partial

import numpy as np
import pytest
from dualad_cupy import kernels
from dualad_cupy.tracing import ARRAY, Source, UntraceableError
from kernels_in_c import COMPILER, CompileException, FakeCupy, build, call, loop

import dualad
import dualad.special
from dualad import optim
from dualad.backends import get
from dualad.batching import REGISTRY
from dualad.rules import Linear

in_c = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here to compile the kernels")
DTYPES = ("float16", "float32", "float64")
NUMPY = get("numpy").namespace
POINTS = (0.0, -0.0, 0.25, -0.25, 0.75, 1.0, -1.0, 2.0, -3.5, 40.0, np.inf, -np.inf, np.nan)
COTANGENTS = (1.5, -2.0, 0.0, -0.0, np.inf, np.nan)


def rules():
    """Yield each rule that may be a kernel, as (name, function, constants before what it reads, reads)."""
    for name, op in sorted(REGISTRY.items()):
        for m in op.maps:
            if m is None or not m.fuses:
                continue
            if isinstance(m, Linear):
                yield f"{name}_{m.position}", m.rule, (None,), len(m.reads)
            else:
                yield f"{name}_{m.position}", m._times, (), len(m.reads)
                yield f"{name}_{m.position}_masked", m._masked_times, (), len(m.reads)


RULES = list(rules())


def traced(function, dtype, constants, count):
    return Source(function, np.dtype(dtype), [ARRAY, *constants, *[ARRAY] * count], ())


# -- the text ------------------------------------------------------------------------------------


def test_all_rules_are_traced_but_those_that_call_special_functions():
    refused = set()
    for name, function, constants, count in RULES:
        try:
            traced(function, "float32", constants, count)
        except AttributeError as error:
            assert error.args == ("special",), name
            refused.add(name)
    assert all(name.startswith("special.") for name in refused)
    assert len(RULES) - len(refused) > 100


@in_c
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_c_of_every_rule_gives_numpys_values(dtype):
    todo = []
    for name, function, constants, count in RULES:
        try:
            todo.append((name, function, constants, count, traced(function, dtype, constants, count)))
        except AttributeError:  # special functions, see above
            continue
    code = [
        loop(f"f{i}", s.in_params, f"{dtype} y", f"{s.statements}\ny = {s.results[0]};")
        for i, (*_, s) in enumerate(todo)
    ]
    library = build("".join(code))
    for i, (name, function, constants, count, source) in enumerate(todo):
        points = np.asarray([p for p in POINTS if np.isfinite(p) or not name.startswith("remainder")], dtype)
        grid = np.meshgrid(np.asarray(COTANGENTS, dtype), *[points] * count, indexing="ij")
        g, *reads = (a.ravel() for a in grid)
        with np.errstate(all="ignore"):
            expected = np.broadcast_to(function(NUMPY, g, *constants, *reads), g.shape)
        arguments = {0: g, **dict(enumerate(reads, 1 + len(constants)))}
        (y,) = call(getattr(library, f"f{i}"), [arguments[k] for k in source.arrays], [dtype])
        assert expected.dtype == y.dtype == dtype, name
        # A function of C may round its last bit otherwise than NumPy's.
        np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps, err_msg=name)
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]), err_msg=name)
