"""dualad: forward- and reverse-mode automatic differentiation for every array library.

The namespace is that of the Array API standard, with PyTorch's names for Tensors and their
derivatives beside it, and the transforms `grad`, `vjp` and `jvp`.

Examples
--------
>>> import dualad
>>> x = dualad.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x**2).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
"""

from math import e, inf, nan, pi

# Imported from here, not first from deep within the package: CPython keeps frames in chunks, and
# where numpy's thousands of calls at import cross the end of one, each of them allocates anew.
import numpy as _numpy  # noqa: F401

from . import autograd, backends, cuda, errors, fft, func, linalg, optim, rules, testing, utils
from ._version import __version__
from .autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled
from .backends import Device as device
from .backends.determinism import is_deterministic as are_deterministic_algorithms_enabled
from .backends.determinism import use_deterministic_algorithms
from .dtypes import (
    DType,
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .dtypes import bool_ as bool
from .engine.modes import (
    ConcretizationWarning,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_concretization,
    set_grad_enabled,
)
from .engine.namespace import ops as _ops
from .engine.printing import get_printoptions, printoptions, set_printoptions
from .engine.tensor import Tensor, is_inference
from .errors import (
    AnomalyError,
    AxisError,
    BackendError,
    BatchError,
    CheckpointError,
    DeviceError,
    DTypeError,
    DualadError,
    GapError,
    GradientError,
    InplaceError,
    MissingDerivativeError,
    NumPyFunctionError,
    OutOfMemoryError,
    ShapeError,
    UnknownOperandError,
)
from .namespace import __array_namespace_info__
from .namespace import namespace as _namespace
from .ops.conversion import as_tensor, asarray, from_dlpack, from_numpy, tensor
from .ops.creation import (
    arange,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from .ops.cumulative import cumprod, cumsum, cumulative_prod, cumulative_sum, diff
from .ops.datatypes import broadcast_shapes, can_cast, finfo, iinfo, isdtype, result_type
from .ops.einsum import einsum
from .ops.elementwise import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    clip,
    conj,
    copysign,
    cos,
    cosh,
    divide,
    equal,
    exp,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    real,
    reciprocal,
    relu,
    remainder,
    round,
    sigmoid,
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
)
from .ops.indexing import take, take_along_axis
from .ops.joining import concat, stack, unstack
from .ops.linalg import dot, matmul, norm, tensordot, vecdot
from .ops.manipulation import (
    astype,
    broadcast_arrays,
    broadcast_to,
    clone,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    meshgrid,
    moveaxis,
    permute_dims,
    repeat,
    reshape,
    roll,
    squeeze,
    tile,
    transpose,
    tril,
    triu,
)
from .ops.moving import CPU_TYPES as _CPU_TYPES
from .ops.pytorch import (
    allclose,
    chunk,
    diag,
    gather,
    index_select,
    isclose,
    log_softmax,
    logsumexp,
    masked_fill,
    masked_select,
    rsqrt,
    softmax,
    split,
    topk,
)  # fmt: skip
from .ops.random.basic import (
    permutation,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .ops.random.continuous import normal, uniform
from .ops.random.discrete import bernoulli, binomial, multinomial, poisson
from .ops.random.generators import (
    Generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .ops.reductions import all, any, max, mean, min, prod, std, sum, var
from .ops.searching import argmax, argmin, argsort, count_nonzero, nonzero, searchsorted, sort, where
from .ops.sets import isin, unique_all, unique_counts, unique_inverse, unique_values
from .primitives import primitive
from .transforms import (
    checkpoint,
    custom_fixed_point,
    custom_gradient,
    custom_jvp,
    custom_linear_solve,
    custom_root,
    custom_vjp,
    directional,
    elementwise_grad,
    ggnvp,
    grad,
    grad_and_value,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linear_transpose,
    linearize,
    stop_gradient,
    value_and_grad,
    vhp,
    vjp,
    vmap,
)  # fmt: skip

__array_api_version__ = "2025.12"
_ops.namespace = _namespace

#: Puts in an axis of length 1, in an index.
newaxis = None

# PyTorch's other names.
half, float, double, cfloat, cdouble = float16, float32, float64, complex64, complex128
short, int, long, dtype = int16, int32, int64, DType
cat, concatenate, clamp, absolute, mul, sub, div = concat, concat, clip, abs, multiply, subtract, divide
neg, eq, ne, lt, le, gt, ge = negative, equal, not_equal, less, less_equal, greater, greater_equal
mm, permute, swapaxes, movedim = matmul, permute_dims, transpose, moveaxis
unsqueeze, unbind = expand_dims, unstack
FloatTensor, DoubleTensor = _CPU_TYPES["FloatTensor"], _CPU_TYPES["DoubleTensor"]
HalfTensor, CharTensor = _CPU_TYPES["HalfTensor"], _CPU_TYPES["CharTensor"]
ShortTensor, IntTensor = _CPU_TYPES["ShortTensor"], _CPU_TYPES["IntTensor"]
LongTensor, ByteTensor = _CPU_TYPES["LongTensor"], _CPU_TYPES["ByteTensor"]
BoolTensor = _CPU_TYPES["BoolTensor"]


#: Modules that are imported on first use: few programs need them, and they take their time.
_LAZY = frozenset({"graph", "optimize", "random", "special"})


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "profile":
        return import_module("dualad.profiler").profile
    if name not in _LAZY:
        raise AttributeError(f"module 'dualad' has no attribute {name!r}")
    return import_module(f"dualad.{name}")


# Where users import them from, and unpickling looks.
Tensor.__module__ = device.__module__ = "dualad"
device.__name__ = device.__qualname__ = "device"

# fmt: off
__all__ = [
    "AnomalyError", "AxisError", "BackendError", "BatchError", "BoolTensor", "ByteTensor", "CharTensor",
    "CheckpointError", "ConcretizationWarning", "DType", "DTypeError", "DeviceError", "DoubleTensor",
    "DualadError", "FloatTensor", "GapError", "Generator",
    "GradientError", "HalfTensor", "InplaceError", "IntTensor",
    "LongTensor", "MissingDerivativeError", "NumPyFunctionError", "OutOfMemoryError", "ShapeError",
    "ShortTensor", "Tensor", "UnknownOperandError", "__array_api_version__", "__array_namespace_info__",
    "__version__", "abs", "absolute", "acos", "acosh", "add", "all", "allclose", "any", "arange",
    "are_deterministic_algorithms_enabled", "argmax", "argmin", "argsort", "as_tensor", "asarray", "asin",
    "asinh", "astype", "atan", "atan2", "atanh", "autograd", "backends", "bernoulli", "bfloat16",
    "binomial", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "bool", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "can_cast", "cat",
    "cdouble", "ceil", "cfloat", "checkpoint", "chunk", "clamp", "clip", "clone", "complex128", "complex64",
    "concat", "concatenate", "conj", "copysign", "cos", "cosh", "count_nonzero", "cuda", "cumprod",
    "cumsum", "cumulative_prod", "cumulative_sum", "custom_fixed_point", "custom_gradient", "custom_jvp",
    "custom_linear_solve", "custom_root", "custom_vjp", "device", "diag", "diff", "directional", "div",
    "divide", "dot", "double", "dtype", "e", "einsum", "elementwise_grad", "empty", "empty_like",
    "enable_grad", "eq", "equal", "errors", "exp", "expand_dims", "expm1", "eye", "fft", "finfo", "flatten",
    "flip", "float", "float16", "float32", "float64", "floor", "floor_divide", "from_dlpack", "from_numpy",
    "full", "full_like", "func", "gather", "ge", "get_default_dtype", "get_printoptions", "get_rng_state",
    "ggnvp", "grad", "grad_and_value", "graph", "greater", "greater_equal", "gt", "half", "hessian", "hvp",
    "hypot", "iinfo", "imag", "index_select", "inf", "inference_mode", "initial_seed", "int", "int16",
    "int32", "int64", "int8", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "is_grad_enabled",
    "is_inference", "is_inference_mode_enabled", "isclose", "isdtype", "isfinite", "isin", "isinf", "isnan",
    "jacfwd", "jacobian", "jacrev", "jvp", "le", "less", "less_equal", "linalg", "linear_transpose",
    "linearize", "linspace", "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logical_and",
    "logical_not", "logical_or", "logical_xor", "logsumexp", "long", "lt", "manual_seed", "masked_fill",
    "masked_select", "matmul", "matrix_transpose", "max", "maximum", "mean", "meshgrid", "min", "minimum",
    "mm", "moveaxis", "movedim", "mul", "multinomial", "multiply", "nan", "ne", "neg", "negative",
    "newaxis", "nextafter", "no_grad", "nonzero", "norm", "normal", "not_equal", "ones", "ones_like",
    "optim", "optimize", "permutation", "permute", "permute_dims", "pi", "poisson", "positive", "pow",
    "primitive", "printoptions", "prod", "profile", "rand", "rand_like", "randint", "randint_like", "randn",
    "randn_like", "random", "randperm", "real", "reciprocal", "relu", "remainder", "repeat", "reshape",
    "result_type", "roll", "round", "rsqrt", "rules", "searchsorted", "seed", "set_concretization",
    "set_default_dtype", "set_grad_enabled", "set_printoptions", "set_rng_state", "short", "sigmoid",
    "sign", "signbit", "sin", "sinh", "softmax", "sort", "special", "split", "sqrt", "square", "squeeze",
    "stack", "std", "stop_gradient", "sub", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan",
    "tanh", "tensor", "tensordot", "testing", "tile", "topk", "transpose", "tril", "triu", "trunc",
    "uint16", "uint32", "uint64", "uint8", "unbind", "uniform", "unique_all", "unique_counts",
    "unique_inverse", "unique_values", "unsqueeze", "unstack", "use_deterministic_algorithms", "utils",
    "value_and_grad", "var", "vecdot", "vhp", "vjp", "vmap", "where", "zeros", "zeros_like",
]
# fmt: on
