"""Several GPUs: work on an array is done by the GPU that it is on.

CuPy computes on the *current* device, wherever its arguments are, and puts the result there. Where
there are several GPUs, dualad's functions therefore make that of their arrays current, and their
results are of a subclass of CuPy's arrays whose operators do the same: rules are written in them.
Where there is one GPU nothing of this is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any

_BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and", "or",
    "xor",
)  # fmt: skip
#: What is done with an array by an operator or by a method, in rules and in the core.
GUARDED = (
    *(f"__{n}__" for n in _BINARY),
    *(f"__r{n}__" for n in _BINARY),
    *(f"__i{n}__" for n in _BINARY if n != "matmul"),
    *(f"__{n}__" for n in ("neg", "pos", "abs", "invert", "lt", "le", "eq", "ne", "gt", "ge")),
    *(f"__{n}__" for n in ("getitem", "setitem", "bool", "int", "float", "complex", "index")),
    *("astype", "get", "item", "tolist", "conj", "sum", "mean", "max", "min", "any", "all"),
    *("reshape", "ravel"),
)


def array_class(cupy: Any) -> type:
    """Return the subclass of CuPy's arrays whose operators run on the array's own GPU.

    It has no attributes of its own, so that an array is made one of it by assigning its ``__class__``.
    """
    methods = {n: _guard(getattr(cupy.ndarray, n), cupy) for n in GUARDED if hasattr(cupy.ndarray, n)}
    return type("ndarray", (cupy.ndarray,), {"__slots__": (), "__module__": __name__, **methods})


def _guard(plain: Callable[..., Any], cupy: Any) -> Callable[..., Any]:
    @wraps(plain)
    def run(self: Any, *args: Any, **keywords: Any) -> Any:
        device = self.device
        for a in args:
            if isinstance(a, cupy.ndarray) and a.device != device:
                raise ValueError(_apart(device, a.device))
        with device:
            return plain(self, *args, **keywords)

    return run


class OnOwnDevice:
    """A namespace whose functions run on the GPU of their arrays, those of its parts (``linalg``) too."""

    def __init__(self, part: Any, guard: Callable[[Any], Any]) -> None:
        self._part, self._guard = part, guard

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if isinstance(found, ModuleType):
            found = OnOwnDevice(found, self._guard)
        elif callable(found) and not isinstance(found, type):  # dtypes and errors are as they are
            found = self._guard(found)
        setattr(self, name, found)
        return found


def on_own_device(function: Callable[..., Any], cupy: Any, kind: type) -> Callable[..., Any]:
    """Return the function made to run on the GPU of its arrays, or of ``device=``, its results of `kind`.

    The function raises a ValueError if its arrays are on different GPUs.
    """

    @wraps(function)
    def run(*args: Any, **keywords: Any) -> Any:
        device = None
        for a in _arrays(args, cupy.ndarray):
            if device is None:
                device = a.device
            elif a.device != device:
                raise ValueError(_apart(device, a.device))
        device = device or keywords.get("device")
        if device is None:
            return adopt(function(*args, **keywords), cupy.ndarray, kind)
        with device:
            return adopt(function(*args, **keywords), cupy.ndarray, kind)

    return run


def adopt(result: Any, plain: type, kind: type) -> Any:
    """Return the result, an array or a tuple or list of them, its arrays having become of `kind`."""
    for a in _arrays((result,), plain):
        if type(a) is plain:
            a.__class__ = kind
    return result


def _arrays(values: Any, plain: type) -> Iterator[Any]:
    for v in values:
        if isinstance(v, plain):
            yield v
        elif isinstance(v, (tuple, list)):
            yield from _arrays(v, plain)


def _apart(first: Any, second: Any) -> str:
    return f"arrays on different GPUs, cuda:{first.id} and cuda:{second.id}"
