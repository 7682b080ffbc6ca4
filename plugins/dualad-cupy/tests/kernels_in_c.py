"""A stand-in for what `kernels` uses of CuPy: the kernels' text, compiled as C++ and run on NumPy arrays."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

COMPILER = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
C_TYPES = {"float16": "float16", "float32": "float", "float64": "double"}

# The names that CUDA and CuPy's headers bring. Half precision is kept as a float that has been rounded.
PRELUDE = r"""
#include <cmath>
using namespace std;
#define __device__
#define CUDART_NAN ((double)NAN)
#define CUDART_INF ((double)INFINITY)
static double half_of(double x) {
    if (x == 0 || !isfinite(x)) return x;
    int exponent;
    frexp(x, &exponent);
    int unit = exponent - 11 < -24 ? -24 : exponent - 11;
    double rounded = ldexp(nearbyint(ldexp(x, -unit)), unit);
    return fabs(rounded) > 65504 ? copysign(INFINITY, x) : rounded;
}
struct float16 {
    float value;
    float16() {}
    float16(float x) : value((float)half_of(x)) {}
    explicit float16(bool x) : value(x) {}
    explicit float16(int x) : value((float)half_of(x)) {}
    explicit float16(double x) : value((float)half_of(x)) {}
    operator float() const { return value; }
};
"""


def params_of(text):
    """Return the (dtype, name) of each parameter of a kernel."""
    return [tuple(p.split()) for p in text.split(",")]


def loop(symbol, in_params, out_params, operation):
    """Return a C++ function that does what CuPy makes an ElementwiseKernel do."""
    ins, outs = params_of(in_params), params_of(out_params)
    arguments = [f"const {C_TYPES[d]}* in_{n}" for d, n in ins] + [f"{C_TYPES[d]}* out_{n}" for d, n in outs]
    reads = "".join(f"const {C_TYPES[d]} {n} = in_{n}[at];\n" for d, n in ins)
    results = "".join(f"{C_TYPES[d]} &{n} = out_{n}[at];\n" for d, n in outs)
    return (
        f'extern "C" void {symbol}(long size, {", ".join(arguments)}) {{\n'
        f"for (long at = 0; at < size; ++at) {{\n{reads}{results}{operation}\n}}\n}}\n"
    )


def build(code):
    """Compile C++ code; return the library."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        source.write_text(PRELUDE + code)
        # As CUDA's compiler is asked to: no sums and products contracted.
        flags = ["-O0", "-shared", "-fPIC", "-ffp-contract=off", "-o", library, source]
        subprocess.run([COMPILER, *flags], check=True)
        return ctypes.CDLL(str(library))


def call(function, arrays, out_dtypes):
    """Run a compiled loop on arrays of one size; return its results."""
    stored = lambda dtype: np.dtype("float32" if dtype == "float16" else dtype)  # noqa: E731
    ins = [np.ascontiguousarray(a, stored(a.dtype)) for a in arrays]
    outs = [np.empty(arrays[0].shape, stored(d)) for d in out_dtypes]
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*ins, *outs)]
    function(ctypes.c_long(arrays[0].size), *pointers)
    return [a.astype(d) for a, d in zip(outs, out_dtypes, strict=True)]


class CompileException(Exception):
    """What CuPy raises where CUDA's compiler refuses a kernel."""


class FakeCupy:
    """CuPy, as `kernels` knows it, on NumPy arrays.

    Attributes
    ----------
    made, launched : list of str
        The names of kernels, as they were made and as they were launched.
    """

    ndarray = np.ndarray
    cuda = SimpleNamespace(compiler=SimpleNamespace(CompileException=CompileException))

    def __init__(self):
        self.made, self.launched = [], []

    def ElementwiseKernel(self, in_params, out_params, operation, name, return_tuple, options):
        """Return a kernel as CuPy's class of that name does."""
        assert options == ("--fmad=false",)
        self.made.append(name)
        function = getattr(build(loop(name, in_params, out_params, operation)), name)
        dtypes = [d for d, _ in params_of(in_params)]
        out_dtypes = [d for d, _ in params_of(out_params)]

        def kernel(*args):
            self.launched.append(name)
            assert len(args) == len(dtypes)
            for a, dtype in zip(args, dtypes, strict=True):
                assert not isinstance(a, np.ndarray) or a.dtype == dtype
            arrays = [np.asarray(a, dtype) for a, dtype in zip(args, dtypes, strict=True)]
            results = call(function, np.broadcast_arrays(*arrays), out_dtypes)
            return tuple(results) if return_tuple or len(results) > 1 else results[0]

        return kernel

    def ReductionKernel(
        self, in_params, out_params, map_expr, reduce_expr, post_map_expr, identity, name, reduce_type,
        preamble, options,
    ):  # fmt: skip
        """Return a kernel as CuPy's class of that name does."""
        assert (reduce_expr, post_map_expr, identity) == ("a + b", "y = a", "0")
        assert options == ("--fmad=false",)
        self.made.append(name)
        wide = {c: d for d, c in C_TYPES.items()}[reduce_type]
        terms = loop(name, in_params, f"{wide} term", f"term = {map_expr};")
        function = getattr(build(preamble + "\n" + terms), name)
        ((dtype, _),) = params_of(out_params)

        def kernel(*args, axis):
            self.launched.append(name)
            (term,) = call(function, np.broadcast_arrays(*args), [wide])
            return np.sum(term, axis=axis).astype(dtype)

        return kernel
