"""A double of CuPy that computes with NumPy, for tests on machines without a GPU.

**This is not a GPU.** What passes on it shows that the plugin's own logic is right as far as the
double is like CuPy, and nothing of what CuPy, CUDA or a GPU do. It has two devices and

- takes only functions that CuPy 14 has, with its arguments (``cupy_api.json``, written down from
  CuPy itself), and refuses what CuPy refuses: NumPy arrays among its own, implicit conversion to
  NumPy, arrays that are not on the current device (as between GPUs without peer access);
- does in no order what GPUs do in none: where several values are written to, or added to, an
  element, it takes them in a random order; indices out of bounds wrap around;
- gives NaN where NumPy's linear algebra raises;
- counts what is read from the device and each time the host waits (`fake_cuda.counts`), and notes
  what is read on a stream that has not waited for the stream that it was made on.

`install` puts it in the place of the modules `cupy`, `cupyx` and `cupyx.scipy.special`.
"""

from __future__ import annotations

import json
import operator
import sys
import types
from pathlib import Path

import fake_cuda as cuda
import numpy as np

API = json.loads((Path(__file__).parent / "cupy_api.json").read_text())
_order = np.random.default_rng(0)


class ndarray:
    """`cupy.ndarray`: elements on a device."""

    __slots__ = ("__weakref__", "_a", "_memory", "_ticket", "base")

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        _own(self, np.zeros(shape, dtype, order=order))

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: self._a.flags)
    device = property(lambda self: cuda.Device(self._memory.device_id))
    T = property(lambda self: _run(lambda a: a.T, self))
    mT = property(lambda self: _run(lambda a: a.mT, self))
    real = property(lambda self: _run(lambda a: a.real, self))

    @property
    def imag(self):
        return _run(lambda a: a.imag if a.dtype.kind == "c" else np.zeros_like(a), self)

    @property
    def data(self):
        address = self._a.__array_interface__["data"][0]
        return types.SimpleNamespace(
            mem=self._memory, ptr=address, device_id=self._memory.device_id, device=self.device
        )

    # -- to the host: each of these waits

    def get(self, stream=None, order="C", out=None, blocking=True):
        cuda.counts.read()
        (stream or cuda.get_current_stream())._key()
        cuda.launch([(self.shape, self._ticket)])
        if out is not None:
            out[...] = self._a
            return out
        return np.array(self._a, order=order)

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __bool__(self):
        return bool(self.get())

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __complex__(self):
        return complex(self.get())

    def __index__(self):
        return operator.index(self.get().item())

    def __repr__(self):
        return repr(self.get())

    def __array__(self, dtype=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
            "array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        known = (ndarray, np.ndarray, np.generic, int, float, complex)
        if not all(isinstance(x, known) or hasattr(x, "__cuda_array_interface__") for x in inputs):
            return NotImplemented
        if method != "__call__" or ufunc.__name__ not in API["cupy"]:
            return NotImplemented
        inputs = [x if isinstance(x, known) else sys.modules["cupy"].asarray(x) for x in inputs]
        return getattr(sys.modules["cupy"], ufunc.__name__)(*inputs, **keywords)

    def __len__(self):
        return len(self._a)

    def __iter__(self):
        return (self[i] for i in range(len(self._a)))

    # -- elements

    def __getitem__(self, key):
        key, masked = _key(self, key)
        if masked:
            cuda.counts.wait()
        parts = key if isinstance(key, tuple) else (key,)
        basic = all(k is None or k is ... or isinstance(k, (int, slice, np.integer)) for k in parts)
        if basic and ... not in parts:
            key = (*parts, ...)  # of one element a view too, where NumPy would give a scalar
        return _run(lambda a: a[key], self)

    def __setitem__(self, key, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("Unsupported type <class 'numpy.ndarray'>")
        key, masked = _key(self, key)
        if masked:
            cuda.counts.wait()

        def write(a, v):
            places = np.arange(a.size).reshape(a.shape)[key]
            v = np.asarray(v)
            while v.ndim > places.ndim and v.shape[0] == 1:
                v = v[0]
            v = np.broadcast_to(v, places.shape).astype(a.dtype).ravel()
            turn = _order.permutation(places.size)
            if not places.size:
                return
            a[at(places.ravel()[turn], a.shape)] = v[turn] if a.ndim else v[-1]

        _in_place(write, self, value)

    def fill(self, value):
        _in_place(lambda a, v: a.fill(v), self, value)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        return _run(lambda a: a.astype(dtype), self)

    def copy(self, order="C"):
        if self.device.id == cuda._thread.device:
            return _run(lambda a: np.array(a, order=order), self)
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        return _new(self._a.copy(), cuda.launch([(self.shape, self._ticket)]))

    def view(self, dtype=None, type=None):
        y = _run(lambda a: a.view(dtype) if dtype else a.view(), self)
        if type is not None:
            y.__class__ = type
        return y

    def nonzero(self):
        cuda.counts.wait()
        return _run(lambda a: a.nonzero(), self)

    def reshape(self, *shape, order="C", copy=None):
        shape = shape[0] if len(shape) == 1 else shape
        return _run(lambda a: a.reshape(shape, order=order), self)

    def transpose(self, *axes):
        return _run(lambda a: a.transpose(*axes), self)

    def __dlpack_device__(self):
        return (2, self.device.id)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if copy is True and dl_device in (None, self.__dlpack_device__()):
            raise BufferError("copy=True only supported for copy to CPU.")
        return _Capsule(self)

    @property
    def __cuda_array_interface__(self):
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "strides": None if self.flags.c_contiguous else self.strides,
            "data": (self.data.ptr if self.size else 0, False),
            "version": 3,
            "stream": 1,
        }


class _Capsule:
    """What stands for a DLPack capsule of an array."""

    def __init__(self, array):
        self.array = array


def _own(x, values, ticket=None):
    """Let an array have these elements, in memory of the current device."""
    x._memory = cuda.PooledMemory(values.nbytes, cuda._thread.device)
    x._a, x.base, x._ticket = values, None, ticket


def _new(values, ticket):
    x = ndarray.__new__(ndarray)
    _own(x, values, ticket)
    return x


def _operands(args):
    """Return the arrays in arguments of a kernel, all of which must be on the current device."""
    found = []
    for a in args:
        if isinstance(a, ndarray):
            if a._memory.device_id != cuda._thread.device:
                raise ValueError(
                    f"The device where the array resides ({a._memory.device_id}) is different from the "
                    f"current device ({cuda._thread.device}). Peer access is unavailable between these."
                )
            found.append(a)
        elif isinstance(a, (list, tuple)):
            found += _operands(a)
        elif isinstance(a, np.ndarray):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return found


def _bare(a):
    if isinstance(a, ndarray):
        return a._a
    return type(a)(map(_bare, a)) if type(a) in (list, tuple) else a


def _run(function, *args, **keywords):
    """Compute with NumPy, as a kernel on the current stream; a result that shares memory is a view."""
    arrays = _operands((*args, *keywords.values()))
    ticket = cuda.launch([(a.shape, a._ticket) for a in arrays])
    with np.errstate(all="ignore"):
        result = function(*map(_bare, args), **{k: _bare(v) for k, v in keywords.items()})
    return _wrapped(result, arrays, ticket)


def _wrapped(result, arrays, ticket):
    if isinstance(result, (tuple, list)):
        return tuple(_wrapped(r, arrays, ticket) for r in result)
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    values = np.asarray(result)
    for a in arrays:
        if values is a._a:
            return a
        if values.base is not None and np.may_share_memory(values, a._a):
            y = ndarray.__new__(type(a))
            y._a, y._memory, y._ticket = values, a._memory, a._ticket
            y.base = a if a.base is None else a.base
            return y
    y = _new(values, ticket)
    kind = next((type(a) for a in arrays if type(a) is not ndarray), ndarray)
    y.__class__ = kind
    return y


def _in_place(function, x, *args):
    """Change an array in place, as a kernel on the current stream; return it."""
    arrays = _operands((x, *args))
    ticket = cuda.launch([(a.shape, a._ticket) for a in arrays])
    with np.errstate(all="ignore"):
        function(x._a, *map(_bare, args))
    x._ticket = ticket
    return x


def at(places, shape):
    """Return the key of these places, counted over all axes."""
    return np.unravel_index(places, shape) if shape else ()


def _key(x, key):
    """Return a key for NumPy, its integer arrays wrapped around; and whether a mask is among them."""
    parts = list(key) if isinstance(key, tuple) else [key]
    masked, axis = False, 0
    masks = [k for k in parts if isinstance(k, ndarray) and k.dtype.kind == "b"]
    used = sum(k is not None and k is not ... for k in parts) + sum(k.ndim - 1 for k in masks)
    for i, k in enumerate(parts):
        if k is None:
            continue
        if k is ...:
            axis += x.ndim - used
            continue
        if isinstance(k, (np.ndarray, list)):
            k = parts[i] = sys.modules["cupy"].asarray(k)
        if isinstance(k, ndarray):
            _operands((k,))
            if k.dtype.kind == "b":
                masked, parts[i] = True, k._a
                axis += k.ndim
                continue
            parts[i] = k._a % x.shape[axis] if x.shape[axis] else k._a
        axis += 1
    return tuple(parts) if isinstance(key, tuple) else parts[0], masked


_OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
    "lshift": np.left_shift, "rshift": np.right_shift, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal,
    "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


def _give_operators():
    def binary(function, turned):
        def method(self, other):
            if not isinstance(other, (ndarray, int, float, complex, np.generic)):
                if getattr(other, "__array_ufunc__", None) is None:
                    return NotImplemented
                return function(*((other, self) if turned else (self, other)))
            return _run(function, *((other, self) if turned else (self, other)))

        return method

    def in_place(function):
        def method(self, other):
            return _in_place(lambda a, b: function(a, b, out=a, casting="same_kind"), self, other)

        return method

    for name, function in _OPERATORS.items():
        setattr(ndarray, f"__{name}__", binary(function, False))
        if name not in ("lt", "le", "eq", "ne", "gt", "ge"):
            setattr(ndarray, f"__r{name}__", binary(function, True))
            setattr(ndarray, f"__i{name}__", in_place(function))
    for name, function in {
        "neg": np.negative,
        "pos": np.positive,
        "abs": np.abs,
        "invert": np.invert,
    }.items():
        setattr(ndarray, f"__{name}__", lambda self, function=function: _run(function, self))
    for name in ("sum", "prod", "mean", "max", "min", "any", "all", "argmax", "argmin", "ravel", "conj",
                 "cumsum", "squeeze", "swapaxes", "argsort", "take", "flatten", "std", "var"):  # fmt: skip
        setattr(
            ndarray, name, lambda self, *a, name=name, **k: _run(getattr(np.ndarray, name), self, *a, **k)
        )
    ndarray.__hash__ = None


_give_operators()
