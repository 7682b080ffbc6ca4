"""The texts of `kernels`, compiled as C++ and run on NumPy arrays."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from kernel_texts import params_of

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
