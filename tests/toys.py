"""A toy array library on top of NumPy, and its backend.

Two devices, arrays of a class of its own, functions of the standard by name.
"""

import itertools
import operator
from contextlib import contextmanager
from types import ModuleType

import array_api_compat.numpy as compat
import numpy as np

from dualad.backends import Backend, Device, hookimpl, register, unregister

_OPERATORS = (
    "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift lt le gt ge eq ne "
    "neg pos abs invert"
)
_COUNT = itertools.count()


class Array:
    """An array of the toy library: NumPy's elements on a numbered device."""

    def __init__(self, data, device=0):
        self.data, self.device = np.asarray(data), device

    shape = property(lambda self: self.data.shape)
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    T = property(lambda self: type(self)(self.data.T, self.device))
    mT = property(lambda self: type(self)(self.data.mT, self.device))
    __hash__ = None

    def __getitem__(self, key):
        return type(self)(self.data[bare(key)], self.device)

    def __setitem__(self, key, value):
        self.data[bare(key)] = bare(value)

    def to_device(self, device):
        return type(self)(self.data.copy(), device)

    def __bool__(self):
        return bool(self.data)

    def __int__(self):
        return int(self.data)

    def __float__(self):
        return float(self.data)

    def __complex__(self):
        return complex(self.data)

    def __dlpack__(self, **keywords):
        return self.data.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()


def bare(value):
    """Return NumPy's arrays in place of the toy library's."""
    if isinstance(value, Array):
        return value.data
    return type(value)(map(bare, value)) if type(value) in (tuple, list) else value


def _wrapped(function, kind):
    """Return a function of NumPy as one of the toy library: results are on the device of the arguments."""

    def call(*args, device=None, **keywords):
        if device is None:
            parts = [a for x in args for a in (x if isinstance(x, (tuple, list)) else [x])]
            devices = {a.device for a in parts if isinstance(a, Array)}
            if len(devices) > 1:
                raise ValueError(f"arrays on the devices {devices}")
            device = min(devices, default=0)
        result = function(*map(bare, args), **{k: bare(v) for k, v in keywords.items()})
        if isinstance(result, (tuple, list)):
            parts = [kind(r, device) for r in result]
            return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
        return kind(result, device) if isinstance(result, (np.ndarray, np.generic)) else result

    return call


def _operator(name, reflected):
    function = getattr(operator, name)

    def method(self, *others):
        if not all(isinstance(o, (Array, int, float, complex)) for o in others):
            return NotImplemented
        return _wrapped(function, type(self))(*((*others, self) if reflected else (self, *others)))

    return method


for _name in _OPERATORS.split():
    setattr(Array, f"__{_name.strip('_')}__", _operator(_name, reflected=False))
    setattr(Array, f"__r{_name.strip('_')}__", _operator(_name, reflected=True))


class Functions:
    """The functions and dtypes of a module of NumPy's, for arrays of the toy library."""

    def __init__(self, module, kind):
        self._module, self._kind = module, kind

    def __getattr__(self, name):
        found = getattr(self._module, name)
        if isinstance(found, ModuleType):
            return Functions(found, self._kind)
        return found if isinstance(found, (type, float)) or found is None else _wrapped(found, self._kind)


class ToyBackend(Backend):
    """The backend as it should be."""

    hook_version = 2

    def __init__(self):
        # A class of arrays, a name and a device type of its own: what others remember stays theirs.
        self.name = f"toy{next(_COUNT)}"
        self.device_types = (self.name,)
        self.kind = type("ToyArray", (Array,), {"__hash__": None})
        self.array_types = (self.kind,)
        self.xp = Functions(compat, self.kind)

    def devices(self):
        return [Device(self.name, 0), Device(self.name, 1)]

    def native_device(self, device):
        return device.index or 0

    def device_of(self, array):
        return Device(self.name, array.device)

    def from_numpy(self, array, device, non_blocking=False):
        return self.kind(array.copy(), self.native_device(device))

    def to_numpy(self, array):
        return array.data


class Plugin:
    """What a distribution would bring."""

    def __init__(self, backend):
        self.backend = backend

    @hookimpl
    def dualad_backends(self):
        return [self.backend]


@contextmanager
def registered(backend):
    """Have a backend registered for a while."""
    register(Plugin(backend), backend.name)
    try:
        yield backend
    finally:
        unregister(backend.name)
