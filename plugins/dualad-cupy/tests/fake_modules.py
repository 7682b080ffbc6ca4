"""The modules of the double of CuPy: `cupy`, `cupy.linalg`, `cupy.random`, `cupyx` and the rest.

This is no GPU: see `fake_cupy`.
"""

from __future__ import annotations

import inspect
import sys
import types

import fake_cuda as cuda
import kernel_texts
import numpy as np
import scipy.special
from fake_cupy import API, _bare, _Capsule, _in_place, _key, _new, _operands, _order, _run, at, ndarray

# The host waits in these, by what they mean or, as CuPy tells of them, because they look at values.
_WAITING = {
    "argwhere", "average", "bincount", "compress", "delete", "extract", "flatnonzero", "gradient",
    "histogram", "histogram2d", "histogramdd", "interp", "ix_", "mask_indices", "nanmax", "nanmin", "nonzero",
    "percentile", "place", "quantile", "ravel_multi_index", "real_if_close", "trim_zeros", "unique",
    "unravel_index",
}  # fmt: skip
_VIEWS_OR_HOST = {"result_type", "can_cast", "promote_types", "broadcast_shapes", "may_share_memory"}


def _function(name, numpy, parameters):
    """Return CuPy's function of a name: NumPy's, with the arguments that CuPy's has."""

    def function(*args, **keywords):
        unknown = set(keywords) - set(parameters if parameters is not None else keywords)
        if unknown:
            raise TypeError(f"{name}() got an unexpected keyword argument {min(unknown)!r}")
        if name in _WAITING or (name == "repeat" and isinstance(args[1], ndarray)):
            cuda.counts.wait()
        if name in _VIEWS_OR_HOST:
            return numpy(*map(_dtyped, args), **keywords)
        out = keywords.pop("out", None)
        y = _run(numpy, *args, **keywords)
        return y if out is None else _in_place(lambda a, v: np.copyto(a, v), out, y)

    function.__name__ = function.__qualname__ = name
    if parameters is not None:  # array-api-compat looks at it
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        function.__signature__ = inspect.Signature([inspect.Parameter(p, kind) for p in parameters])
    return function


def _dtyped(a):
    return a._a if isinstance(a, ndarray) else a


def _quiet(function):
    """Return a function of NumPy's linear algebra that gives NaN where that raises, as CuPy's do."""

    def run(a, *args, **keywords):
        try:
            return function(a, *args, **keywords)
        except np.linalg.LinAlgError as error:
            if "ingular" not in str(error) and "definite" not in str(error):
                raise
            like = args[0] if args and isinstance(args[0], np.ndarray) else a
            return np.full(like.shape, np.nan, np.result_type(a, like))

    return run


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if blocking:
        cuda.counts.wait()
    if isinstance(obj, ndarray):
        if obj._memory.device_id != cuda._thread.device:
            y = obj.copy()
            return y if dtype is None or y.dtype == dtype else y.astype(dtype)
        if not copy and (dtype is None or obj.dtype == dtype):
            return obj
        return _run(lambda a: np.array(a, dtype=dtype, copy=True), obj)
    if isinstance(obj, (list, tuple)) and _operands(obj):
        return _run(lambda *parts: np.asarray(parts, dtype), *obj)
    interface = getattr(obj, "__cuda_array_interface__", None)
    if interface is not None:
        return _foreign(obj, interface)
    values = np.array(obj, dtype=dtype, ndmin=ndmin)
    if values.dtype.kind not in "biufcV":
        raise ValueError(f"Unsupported dtype {values.dtype}")
    cuda.counts.host_to_device += 1
    return _new(values, cuda.launch())


def _foreign(obj, interface):
    """Return an array that shares the memory of another library's."""
    address, _ = interface["data"]
    layout = {
        "shape": interface["shape"], "typestr": interface["typestr"], "strides": interface.get("strides"),
        "data": (address, False), "version": 3,
    }  # fmt: skip
    values = np.asarray(types.SimpleNamespace(__array_interface__=layout))
    y = _new(values, None)
    y._memory = cuda.UnownedMemory(obj, cuda._thread.device)
    return y


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return array(a, dtype=dtype, copy=bool(copy), blocking=blocking)


def from_dlpack(x, *, device=None, copy=None):
    kind, number = x.__dlpack_device__()
    if kind != 2:
        raise TypeError("CPU arrays cannot be directly imported to CuPy.")
    with cuda.Device(number):
        capsule = x.__dlpack__(stream=1, max_version=(1, 0), copy=copy)
    assert isinstance(capsule, _Capsule)
    source = capsule.array
    y = ndarray.__new__(ndarray)
    y._a, y._memory, y._ticket, y.base = source._a, source._memory, source._ticket, source
    return y


def copyto(dst, src, casting="same_kind", where=None):
    where = True if where is None else where
    _in_place(lambda a, v, w: np.copyto(a, v, casting=casting, where=w), dst, src, where)


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def _scatter(numpy, kinds):
    def scatter(a, slices, value):
        key, masked = _key(a, slices)
        if masked:
            cuda.counts.wait()
        elif a.dtype.char not in kinds:
            raise TypeError(f"cupy.{numpy.__name__}.at does not support {a.dtype}")

        def change(a, v):
            places = np.arange(a.size).reshape(a.shape)[key]
            v = np.broadcast_to(v, places.shape).astype(a.dtype).ravel()
            turn = _order.permutation(places.size)
            if places.size:
                numpy.at(a, at(places.ravel()[turn], a.shape), v[turn] if a.ndim else v[-1])

        _in_place(change, a, value)

    return scatter


class Philox4x3210:
    """`cupy.random.Philox4x3210`: its state, on the device, is that of NumPy's Philox."""

    def __init__(self, seed=None, *, size=-1):
        self.lock, self._size = None, size if size > 0 else 1024
        self._device = cuda._thread.device
        self._state = _new(np.zeros(self._type_size() * self._size, np.int8), cuda.launch())
        self._put(np.random.Philox(int(np.random.SeedSequence(seed).generate_state(1)[0])))

    def _type_size(self):
        return 128

    def _put(self, bits):
        s = bits.state
        numbers = [*s["state"]["counter"], *s["state"]["key"], *s["buffer"]]
        numbers += [s["buffer_pos"], s["has_uint32"], s["uinteger"]]
        raw = np.array(numbers, np.uint64).view(np.int8)
        _in_place(lambda a: a.__setitem__(slice(raw.size), raw), self._state)

    def _bits(self):
        if cuda._thread.device != self._device:
            raise RuntimeError("This Generator state is allocated in a different device")
        n = [int(i) for i in self._state._a[:104].view(np.uint64)]
        bits = np.random.Philox(0)
        bits.state = {
            "bit_generator": "Philox",
            "state": {"counter": np.array(n[:4], np.uint64), "key": np.array(n[4:6], np.uint64)},
            "buffer": np.array(n[6:10], np.uint64),
            "buffer_pos": n[10], "has_uint32": n[11], "uinteger": n[12],
        }  # fmt: skip
        return bits


class Generator:
    """`cupy.random.Generator`, as far as it has the methods of the plugin's kinds of numbers."""

    def __init__(self, bit_generator):
        self.bit_generator = bit_generator

    def _draw(self, kind, *parameters, **keywords):
        arrays = _operands(parameters)
        bits = self.bit_generator._bits()
        values = getattr(np.random.Generator(bits), kind)(*map(_bare, parameters), **keywords)
        ticket = cuda.launch([(a.shape, a._ticket) for a in (*arrays, self.bit_generator._state)])
        self.bit_generator._put(bits)
        return _new(np.asarray(values), ticket)

    def random(self, size=None, dtype=np.float64, out=None):
        return self._draw("random", size=size, dtype=np.dtype(dtype))

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        if np.dtype(dtype).char not in "fd":
            raise TypeError(f"Unsupported dtype {np.dtype(dtype).name} for standard_normal")
        return self._draw("standard_normal", size=size, dtype=np.dtype(dtype))

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        return self._draw("integers", int(low), int(high), size=size, dtype=np.dtype(dtype))

    def standard_gamma(self, shape, size=None, dtype=np.float64, out=None):
        if np.dtype(dtype).char not in "fd":
            raise TypeError(f"Unsupported dtype {np.dtype(dtype).name} for standard_gamma")
        return self._draw("standard_gamma", shape, size=size).astype(dtype)

    def poisson(self, lam=1.0, size=None):
        return self._draw("poisson", lam, size=size)

    def binomial(self, n, p, size=None):
        return self._draw("binomial", n.astype(np.int64), p, size=size)


def _special():
    special = types.ModuleType("cupyx.scipy.special")
    for name in API["special"]:
        if hasattr(scipy.special, name):
            setattr(special, name, _function(name, getattr(scipy.special, name), None))
    plain = scipy.special.zeta
    special.zeta = _function("zeta", lambda x, q: plain(x, q), None)  # Hurwitz's alone
    return special


def modules():
    """Return the modules by name."""
    cupy = types.ModuleType("cupy")
    cupy.__version__, cupy.ndarray, cupy.cuda = API["version"], ndarray, cuda.module()
    for name in dir(np):  # dtypes, constants, errors
        value = getattr(np, name)
        if name[0] != "_" and not callable(value) and not isinstance(value, types.ModuleType):
            setattr(cupy, name, value)
        if isinstance(value, type) and issubclass(value, (np.generic, np.dtype)):
            setattr(cupy, name, value)
    for name, parameters in API["cupy"].items():
        setattr(cupy, name, _function(name, getattr(np, name), parameters))
    cupy.finfo, cupy.iinfo, cupy.dtype, cupy.exceptions = np.finfo, np.iinfo, np.dtype, np.exceptions
    cupy.isdtype = np.isdtype
    for function in (array, asarray, from_dlpack, copyto, asnumpy):
        setattr(cupy, function.__name__, function)
    cupy.ElementwiseKernel, cupy.ReductionKernel = kernel_texts.kernels(_run)
    cupy.cuda.compiler = types.SimpleNamespace(CompileException=kernel_texts.CompileException)
    cupy.get_default_memory_pool = lambda: cuda.pool
    cupy.get_default_pinned_memory_pool = lambda: cuda.pinned_pool
    for part, base in (("linalg", np.linalg), ("fft", np.fft)):
        module = types.ModuleType(f"cupy.{part}")
        for name, parameters in API[part].items():
            numpy = getattr(base, name)
            setattr(module, name, _function(name, _quiet(numpy) if part == "linalg" else numpy, parameters))
        setattr(cupy, part, module)
    cupy.linalg.LinAlgError = np.linalg.LinAlgError
    cupy.random = types.ModuleType("cupy.random")
    cupy.random.Generator, cupy.random.Philox4x3210 = Generator, Philox4x3210
    cupyx = types.ModuleType("cupyx")
    cupyx.allow_synchronize, cupyx.DeviceSynchronized = cuda.allow_synchronize, cuda.DeviceSynchronized
    cupyx.scatter_add = _scatter(np.add, "iIlLqQefd")
    cupyx.scatter_max = _scatter(np.maximum, "iIlLqQfd")
    cupyx.scipy = types.ModuleType("cupyx.scipy")
    cupyx.scipy.special = _special()
    named = [cupy, cupy.cuda, cupy.cuda.device, cupy.linalg, cupy.fft, cupy.random]
    named += [cupyx, cupyx.scipy, cupyx.scipy.special]
    return {m.__name__: m for m in named}


def install():
    """Put the double in the place of CuPy, in this process, for good."""
    for name in [n for n in sys.modules if n.partition(".")[0] in ("cupy", "cupyx")]:
        del sys.modules[name]
    for name in [n for n in sys.modules if n.startswith("array_api_compat.cupy")]:
        del sys.modules[name]
    sys.modules.update(modules())
