"""Backends of the toy library with a fault each, and where and how the certification kit has to name it."""

import time
from types import MappingProxyType

import numpy as np
from toys import Array, ToyBackend, bare

from dualad.backends import Device


class Fault:
    """A backend with one fault, and where and how the kit is to name it."""

    def __init__(self, backend, row, column, words):
        self.backend, self.row, self.column, self.words = backend, row, column, words


FAULTS = {}


def _fault(row, column, words):
    def note(backend):
        FAULTS[backend.__name__.lstrip("_")] = Fault(backend, row, column, words)
        return backend

    return note


@_fault("exp", "value", r"result 0 is on toy\d+:0, and its arguments are on toy\d+:1")
class _OutputOnTheWrongDevice(ToyBackend):
    def exp(self, x):
        return self.kind(np.exp(x.data), 0)


@_fault("hooks", "from_numpy", "from_numpy shares memory with its argument, where a copy is due")
class _MemoryOfNumPyIsShared(ToyBackend):
    def from_numpy(self, array, device, non_blocking=False):
        return self.kind(array, device.index or 0)


@_fault(
    "hooks", "device_of", r"device_of gives toy\d+:0 of what from_numpy and xp.zeros have made on toy\d+:1"
)
class _AllIsOnTheFirstDevice(ToyBackend):
    def device_of(self, array):
        return Device(self.name, 0)


@_fault("hooks", "device_of", r"device_of gives device\(.*index=2\) of .*, which is none of devices\(\)")
class _ArraysAreNowhere(ToyBackend):
    def device_of(self, array):
        return Device(self.name, 2)


@_fault("hooks", "has_dtype", r"has_dtype says yes of bfloat16 on toy\d+:1, which native_dtypes has not")
class _AllDTypesArePromised(ToyBackend):
    def has_dtype(self, dtype, device):
        return True


@_fault("hooks", "is_view", "is_view says no of a reshape to .*: they share memory")
class _ViewsAreDenied(ToyBackend):
    def is_view(self, result, array):
        return False


@_fault("hooks", "copy", "copy shares memory with its argument")
class _CopiesShareMemory(ToyBackend):
    def copy(self, array):
        return self.kind(array.data, array.device)


@_fault("indexing", "writing", "setitem writes into its argument, where a copy is due")
class _WritesIntoTheArgument(ToyBackend):
    def setitem(self, array, value, *, key):
        array.data[bare(key)] = bare(value)
        return array


@_fault("add", "dtypes", "of float32 and float64, the result has dtype float32, expected float64")
class _PromotesToTheFirst(ToyBackend):
    def add(self, x1, x2):
        y = self.xp.add(x1, x2)
        return self.xp.astype(y, x1.dtype) if isinstance(x1, Array) else y


@_fault("determinism", "sum", "sum of the same numbers differs by .* from call to call")
class _SumsInAnyOrder(ToyBackend):
    order = np.random.default_rng()

    def sum(self, x, *, axis=None, keepdims=False, dtype=None):
        if x.ndim == 1:
            x = self.kind(self.order.permutation(x.data), x.device)
        return self.xp.sum(x, axis=axis, keepdims=keepdims, dtype=dtype)


@_fault("indexing", "reading", r"getitem: x\[.*-1.*\] of shape .* is \[")
class _NegativeIndicesAreZero(ToyBackend):
    def getitem(self, array, *, key):
        parts = [np.maximum(k, 0) if isinstance(k, np.ndarray) and k.dtype.kind == "i" else k
                 for k in (key if isinstance(key, tuple) else (key,))]  # fmt: skip
        return super().getitem(array, key=tuple(parts))


@_fault("hooks", "functions", "the namespace xp has no sinh: give the backend a method of that name")
class _FunctionIsMissing(ToyBackend):
    def function(self, name):
        if name == "sinh":
            raise AttributeError(name)
        return super().function(name)


@_fault("hooks", "masked_product", r"masked_product\(\[0, 2, 0, 3, 0\], .*\) is nan at \[0\], expected 0")
class _MaskLetsNaNThrough(ToyBackend):
    def masked_product(self, g, p):
        return g * p


@_fault("hooks", "overrides", "the method scatter that overrides the default .*leave it out.* is")
class _OverrideIsWrong(ToyBackend):
    def scatter(self, g, *, shape, key):
        whole = np.zeros(shape, g.dtype)
        whole[bare(key)] = g.data
        return self.kind(whole, g.device)


@_fault("hooks", "unbroadcast", r"RuntimeError: no kernel for it \(toy_faults.py, line \d+, in unbroadcast\)")
class _OverrideRaises(ToyBackend):
    def unbroadcast(self, array, shape):
        raise RuntimeError("no kernel for it")


@_fault("indexing", "adding", "index_add: .* where a place is named twice, is")
class _RepeatedIndicesCountOnce(ToyBackend):
    def index_add(self, array, value, *, key):
        array.data[bare(key)] += value.data
        return array


@_fault("random numbers", "copies", "copy_generator: the copy .* shares its state")
class _GeneratorsAreNotCopied(ToyBackend):
    def copy_generator(self, generator):
        return generator


@_fault("random numbers", "seeds", "generators of the seeds 3 and 4 give the same numbers")
class _SeedsAreIgnored(ToyBackend):
    def generator(self, seed, device):
        return super().generator(0, device)


@_fault("random numbers", "moments", "standard_normal: the variance of 20000 numbers is .*, expected 1.0000")
class _NormalNumbersAreTooWide(ToyBackend):
    def random(self, generator, kind, shape, dtype, device, **parameters):
        x = super().random(generator, kind, shape, dtype, device, **parameters)
        return x * 1.1 if kind == "standard_normal" else x


@_fault("threads", "reading and writing", "in .* threads")
class _CacheIsSharedByThreads(ToyBackend):
    last = None

    def getitem(self, array, *, key):
        self.last = array
        time.sleep(0)
        return super().getitem(self.last, key=key)


@_fault("matmul", "value", "result 0 is .*, expected")
class _ProductsConjugate(ToyBackend):
    def matmul(self, x1, x2):
        return self.xp.matmul(self.xp.conj(x1) if x1.dtype.kind == "c" else x1, x2)


@_fault("hooks", "to_numpy", "to_numpy of a .*int8 array of shape .* has dtype float64, expected .*int8")
class _DTypeIsLostOnTheWay(ToyBackend):
    def to_numpy(self, array):
        return array.data.astype(np.float64) if array.data.dtype.kind in "iu" else array.data


@_fault("dtypes", "half sums", "5000 ones of float16 add up to .*: terms must be added in float32")
class _HalfSumsStopGrowing(ToyBackend):
    def unbroadcast(self, array, shape):
        if array.dtype == np.float16 and shape == (1,):
            return self.kind(np.cumsum(array.data, dtype=np.float16)[-1:], array.device)
        return super().unbroadcast(array, shape)


@_fault("memory", "owned memory", "owns_memory says yes of the result of .*: they share memory")
class _ViewsOwnTheirMemory(ToyBackend):
    def owns_memory(self, array):
        return True

    def write(self, array, value, key):
        array.data[bare(key)] = bare(value)
        return array


@_fault("memory", "owned memory", "owns_memory says yes of the result of broadcast_to, .* changed others")
class _BroadcastArraysAreWritable(ToyBackend):
    def owns_memory(self, array):
        return array.data.base is None or getattr(array, "is_made", False)

    def write(self, array, value, key):
        array.data[bare(key)] = bare(value)
        return array

    def broadcast_to(self, x, shape):
        missing = len(shape) - x.ndim
        sizes = zip(x.data.strides, x.shape, shape[missing:], strict=True)
        strides = (0,) * missing + tuple(s if n == m else 0 for s, n, m in sizes)
        data = np.lib.stride_tricks.as_strided(x.data.copy(), shape, strides)
        y = self.kind(data, x.device)
        y.is_made = True
        return y


@_fault("errors", "missing dtypes", "zeros of uint16 is refused, of which has_dtype says yes")
class _DTypesArePromised(ToyBackend):
    def __init__(self):
        super().__init__()
        whole = self.xp.zeros

        def zeros(shape, *, dtype=None, device=None):
            if dtype == np.uint16:
                raise TypeError("there is no uint16")
            return whole(shape, dtype=dtype, device=device)

        self.xp.zeros = zeros


@_fault("hooks", "special_function", r"special_function\('erf'\) of float32 gives float64")
class _SpecialFunctionsAreDouble(ToyBackend):
    def special_function(self, name):
        plain = super().special_function(name)
        return lambda *args: self.xp.astype(plain(*args), np.dtype(np.float64))


@_fault("hooks", "fuse", r"what fuse gives for exp\(a\) \* b \+ a, on shape .*, has shape")
class _FusedFunctionsForgetTheirShape(ToyBackend):
    def fuse(self, function, name):
        cached = []

        def fused(*args, **numbers):
            cached.append(function(self.namespace, *args, **numbers))
            return cached[0]

        return fused


@_fault("hooks", "dlpack", "through dlpack others can write to the array: give them a copy")
class _MemoryIsGivenAway(ToyBackend):
    def dlpack(self, array, **keywords):
        return array.data.__dlpack__(**keywords)


@_fault("hooks", "gaps", r"gaps names \['linalg.eighh'\], which is no function and no check of this kit")
class _GapHasNoName(ToyBackend):
    gaps = MappingProxyType({"linalg.eighh": "the library has no eigenvectors"})


@_fault("hooks", "to_device", r"to_device from toy\d+:1 to toy\d+:0 gives an array on toy\d+:1")
class _MovesGoNowhere(ToyBackend):
    def to_device(self, array, device, non_blocking=False):
        return array


@_fault("moves", "gradients", r"arrays on the devices \{0, 1\} \(toys.py, line")
class _SumsGoToTheFirstDevice(ToyBackend):
    def sum(self, x, *, axis=None, keepdims=False, dtype=None):
        y = self.xp.sum(x, axis=axis, keepdims=keepdims, dtype=dtype)
        return self.kind(y.data, 0)
