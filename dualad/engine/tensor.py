"""Tensor: a handle on an array, with its place in the history of derivatives.

The class says what a Tensor *is*: its value, its history, its gradient, its way to Python and
NumPy. What it can *do* is inherited: `operators.Operators` and `methods.Methods` name the
functions of the namespace that the ops fill.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from ..backends.device import Device
from ..backends.registry import BY_TYPE, DTYPES
from ..dtypes import DType, bool_, complex_of, get_default_dtype, int64
from ..errors import BatchError, DeviceError, DTypeError, GradientError, ShapeError
from .lines import warn_user
from .methods import Methods
from .modes import CONCRETIZATION, INFERRING, ConcretizationWarning, is_inference_mode_enabled, is_over
from .namespace import ops
from .node import (
    GROUND,
    INFERENCE,
    Batch,
    Batched,
    Dual,
    DualLevel,
    GradBox,
    Leaf,
    Node,
    Output,
    Standin,
)
from .operators import Operators
from .printing import tensor_repr
from .recording import RECORDING


class Tensor(Operators, Methods):
    """An array of any backend that can carry derivatives.

    Made by `dualad.tensor`, `dualad.asarray` and the creation functions. ``Tensor(data)`` makes
    one of the default dtype, as in PyTorch.

    Parameters
    ----------
    data : number, nested sequence of numbers, or array
        The elements, of any shape.

    Notes
    -----
    A Tensor is a handle. Its value never changes; writing (``x[0] = 1``, ``x += y``, ``x.zero_()``)
    gives the handle, and every view of it, a new one. So what a derivative needs is always as it
    was when it was computed.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    # _value  an array of a backend, or (above the ground level) a Tensor of a lower level
    # _node   a Node or Leaf (reverse), a Dual (forward), or None: a constant
    # _alias  its place among the handles that share its elements; None if it is alone
    # _box    where `.grad` is kept, once there is one
    __slots__ = ("__weakref__", "_alias", "_box", "_node", "_value")

    _alias: Any
    _box: Any

    def __init__(self, data: Any, _node: Any = None) -> None:
        self._value = data
        self._node = _node
        self._alias = None
        self._box = None
        if _node is None:
            # The check that this is an array costs a look-up, and only where nothing is recorded.
            if BY_TYPE[type(data)] is None and type(data) is not Standin:
                self._value = ops.tensor(data, dtype=get_default_dtype())._value
            if INFERRING and is_inference_mode_enabled():
                self._box = INFERENCE

    # -- what it is ----------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Look again if the elements are shared: another handle may have written to them."""
        if self._alias is not None:
            self._alias.refresh(self)
        while type(self._node) is Dual and type(self._node.level) is DualLevel and self._node.level.ended:
            below = self._value
            self._value, self._node = (below._value, below._node) if type(below) is Tensor else (below, None)

    @property
    def _raw(self) -> Any:
        """The backend's array below all levels."""
        return raw_value(self)

    @property
    def _backend(self) -> Any:
        return BY_TYPE[type(raw_value(self))]

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return tuple(self._value.shape)  # PyTorch's are of a class of their own

    @property
    def dtype(self) -> DType:
        """The data type of the elements."""
        return DTYPES[self._value.dtype]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._value.shape)

    @property
    def size(self) -> _Size:
        """The number of elements; called, ``x.size()`` or ``x.size(dim)``, the shape as in PyTorch."""
        n = 1
        for length in self._value.shape:
            n *= length
        return _Size(n, self._value.shape)

    @property
    def flat(self) -> Tensor:
        """The elements as a vector, through which they can be written: ``x.flat[::n] = 0``."""
        return ops.view(self, (-1,))

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return int(self.size) * self.itemsize

    @property
    def device(self) -> Device:
        """The device the elements are on."""
        raw = raw_value(self)
        backend = BY_TYPE[type(raw)]
        assert backend is not None
        return backend.device_of(raw)

    @property
    def is_cuda(self) -> bool:
        """Whether the elements are on a CUDA device."""
        return self.device.type == "cuda"

    # -- history -------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether ops on this Tensor are recorded. It can be set on leaves."""
        return is_tracked(reverse_part(self))

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """Whether this is where a gradient ends: made by the user, not by a recorded op."""
        part = reverse_part(self)
        return type(part._node) is Leaf or not is_tracked(part)

    @property
    def grad_fn(self) -> Node | None:
        """The node of the op that made this Tensor; None for leaves."""
        node = reverse_part(self)._node
        if node is None or type(node) in (Leaf, Batch):
            return None
        return node.parents[0] if type(node) is Output else node

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has accumulated; None before the first."""
        return None if self._box is None else self._box.grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            _check_grad(self, value)
            check_write(self, value)
        grad_box(self).grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def data(self) -> Tensor:
        """The same elements without history: writing to them changes this Tensor, unrecorded."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        if isinstance(value, complex | float | int):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}; write numbers by fill_")
        new = ops.asarray(value).detach()
        check_write(self, new)
        for x in (self, new):
            x._check_single("setting .data")
        if new.dtype is not self.dtype:
            raise DTypeError(f"data: this Tensor is {self.dtype}, got {new.dtype}; convert it first")
        if type(self._node) is Leaf:
            self._node.shape = new.shape
        self._value, self._alias = new._value, None

    # -- to Python and NumPy -------------------------------------------------------------------

    def numpy(self) -> Any:
        """Return the elements as a read-only NumPy array, without a copy where they are on the CPU.

        Raises
        ------
        GradientError
            If the Tensor requires grad: the NumPy array could not carry its history.
        """
        return self._to_numpy("numpy()")

    def _to_numpy(self, asked: str) -> Any:
        self._refresh()
        self._check_single(asked)
        if self._node is not None:
            raise GradientError(
                f"Can't call {asked} on Tensor that requires grad: a NumPy array cannot carry the history "
                f"that gradients flow along. {MADE_OF_TENSORS}. Where no derivative is wanted, use "
                "tensor.detach().numpy() instead"
            )
        array = self._backend.to_numpy(self._raw).view()
        array.flags.writeable = False
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self._to_numpy("np.asarray()")
        if self.device.type != "cpu" and copy is False:
            raise ValueError(f"np.asarray(copy=False): the Tensor is on {self.device}, not in host memory")
        wanted = None if dtype is None else np.dtype(dtype)
        if copy or (wanted is not None and wanted != array.dtype):
            if copy is False:
                raise ValueError(f"np.asarray(copy=False): {array.dtype} to {wanted} needs a copy")
            return np.array(array, dtype=wanted)
        return array

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        return ops.namespace(self.device, api_version)

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        self._refresh()
        self._check_single("__dlpack__()")
        if self._node is not None:
            raise GradientError(
                "Can't export Tensors that require gradient, use tensor.detach(): through DLPack the "
                "elements would leave without the history that gradients flow along."
            )
        return self._backend.dlpack(
            self._raw, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._backend.dlpack_device(self._raw)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where the elements are on a GPU, by Numba's protocol; no attribute of a Tensor elsewhere.

        Nor of one that is tracked: CuPy then leaves ``array * tensor`` to dualad, which differentiates it.
        """
        self._refresh()
        if self._node is not None:
            raise AttributeError(
                "__cuda_array_interface__: the Tensor is tracked, and its elements would leave without their "
                "history; use tensor.detach()"
            )
        interface = getattr(self._raw, "__cuda_array_interface__", None)
        if interface is None:
            raise AttributeError(f"__cuda_array_interface__: the Tensor is on {self.device}, not on a GPU")
        return dict(interface)

    def item(self) -> Any:
        """Return the only element as a Python number, which has no history.

        Raises
        ------
        ShapeError
            If there is not exactly one element.
        GradientError
            If the Tensor is tracked and `set_concretization` says so.
        """
        return self._concrete("item()")

    def _told(self, asked: str) -> None:
        """Do what `set_concretization` says of numbers made of a tracked Tensor."""
        node = _tracker(self)
        mode = CONCRETIZATION.get()
        if node is None or mode == "allow":
            return
        if mode == "default" and (node.level == GROUND or asked in _EXPECTED or not RECORDING.get()):
            return
        message = (
            f"{asked} of a tracked Tensor: the number has no history, and gradients that should flow through "
            f"it are 0. Use dualad's or NumPy's functions on the Tensor itself. {MADE_OF_TENSORS}. Where "
            "no derivative is wanted, take x.detach(), or dualad.set_concretization('allow')"
        )
        if mode == "raise":
            raise GradientError(message)
        warn_user(message, ConcretizationWarning)

    def _check_single(self, asked: str) -> None:
        """Raise if this is a value for each of several examples, of which Python can see none."""
        batches = batches_of(self)
        if any(batch.ended and is_over(batch) for batch in batches):
            raise BatchError(f"{asked}: {LEFT}")
        if batches:
            raise BatchError(
                f"{asked} of a Tensor inside vmap: it has a value for each example. Use dualad's functions, "
                "and dualad.where in place of a branch; as an index into a NumPy array, table[i], use it in "
                "dualad.asarray(table)[i] or dualad.take(table, i, axis=0); or leave it out of in_axes if it "
                "is the same for all"
            )

    def _concrete(self, asked: str) -> Any:
        self._check_single(asked)
        self._told(asked)
        if self.size != 1:
            raise ShapeError(
                f"a Tensor with {int(self.size)} elements (shape {self.shape}) cannot be converted to a "
                "Python number; use .tolist(), or reduce it first, with .sum() say"
            )
        return self._backend.to_numpy(self._raw).item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers, which have no history."""
        self._check_single("tolist()")
        self._told("tolist()")
        return self._backend.to_numpy(self._raw).tolist()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"the truth value of a Tensor with {int(self.size)} elements is ambiguous; use "
                ".any() or .all()"
            )
        return bool(self._concrete("bool()"))

    def __float__(self) -> float:
        return float(self._concrete("float()"))

    def __int__(self) -> int:
        return int(self._concrete("int()"))

    def __complex__(self) -> complex:
        return complex(self._concrete("complex()"))

    def __index__(self) -> int:
        if not self.dtype.kind.endswith("integer") and self.dtype.kind != "bool":
            raise TypeError(f"only integer Tensors can be used as an index, got {self.dtype}")
        return int(self.item())

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __format__(self, spec: str) -> str:
        if self.ndim or (not spec and batches_of(self)):
            return format(repr(self), spec)
        return format(self._concrete("format()"), spec)

    def __repr__(self) -> str:
        self._refresh()
        if BY_TYPE[type(self._raw)] is None:
            return f"tensor(shape={self.shape}, dtype={self.dtype})"  # a stand-in
        batches = batches_of(self)
        if batches:
            sizes = " x ".join(str(b.size) for b in reversed(batches))
            return f"tensor(shape={self.shape}, dtype={self.dtype}, one of {sizes} in a vmap)"
        name = "tensor" if type(self) is Tensor else type(self).__name__
        if self._backend.is_tracing(self._raw):
            how = f"device='{self.device}', lazy" if self._backend.lazy else f"traced by {self._backend.name}"
            return f"{name}(shape={self.shape}, dtype={self.dtype}, {how})"
        return tensor_repr(self._backend.to_numpy(self._raw), self._suffixes(), name)

    def _suffixes(self) -> list[str]:
        """What stands behind the numbers in the representation, where it is not the default."""
        out = []
        if self.device.type != "cpu":
            out.append(f"device='{self.device}'")
        default = get_default_dtype()
        told = (default, complex_of(default), int64, bool_) if self.size else (default,)
        if self.dtype not in told:
            out.append(f"dtype={self.dtype}")
        node = reverse_part(self)._node
        if type(node) is Leaf:
            out.append("requires_grad=True")
        elif node is not None:
            out.append(f"grad_fn=<{node.name()}>")
        if type(self._node) is Dual:
            out.append(f"tangent={wrap(self._node.tangent)!r}")
        return out

    def as_subclass(self, cls: type[Any]) -> Any:
        """Return this Tensor as one of a subclass of Tensor; they share elements and history.

        The subclass's ``__init__`` is not called.
        """
        return of_class(ops.view(self, self.shape), cls)

    # -- copies --------------------------------------------------------------------------------

    def __copy__(self) -> Tensor:
        alone = self.is_leaf and type(self._node) is not Dual
        new = ops.detach(self).requires_grad_(self.requires_grad) if alone else ops.clone(self)
        if hasattr(self, "__dict__"):
            vars(new).update(vars(self))
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        self._refresh()
        if self._node is not None and self._node.level != GROUND:
            return ops.clone(self)  # inside a transform: a copy must not cut its derivative
        if not self.is_leaf:
            raise GradientError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol "
                "at the moment: this one is the result of an op. Use .detach().clone(), or .clone() to "
                "stay in the graph"
            )
        new = of_class(Tensor(self._backend.copy(self._raw)), type(self))
        memo[id(self)] = new
        if hasattr(self, "__dict__"):
            vars(new).update(deepcopy(vars(self), memo))
        new.requires_grad_(self.requires_grad)
        if self.grad is not None:
            new.grad = deepcopy(self.grad, memo)
        return new

    def __reduce__(self) -> tuple[Callable[..., Tensor], tuple[Any, ...], Any]:
        self._refresh()
        if not self.is_leaf or (self._node is not None and self._node.level != GROUND):
            raise GradientError(
                "only leaf Tensors can be pickled: this one is the result of an op, and its history would "
                "be lost. Use .detach()"
            )
        array = self._backend.to_numpy(self._raw)
        made = (array, str(self.device), self.requires_grad, type(self), self.dtype)
        return _unpickle, made, getattr(self, "__dict__", None) or None


class _Size(int):
    """A number of elements that, called, gives the shape.

    ``x.size`` is the standard's, ``x.size()`` is PyTorch's.
    """

    _shape: tuple[int, ...]

    def __new__(cls, n: int, shape: tuple[int, ...]) -> _Size:
        self = super().__new__(cls, n)
        self._shape = shape
        return self

    def __call__(self, dim: int | None = None) -> Any:
        return self._shape if dim is None else self._shape[dim]

    def __reduce__(self) -> Any:
        return int, (int(self),)


def grad_box(x: Tensor) -> GradBox:
    """Return where the gradient of x is kept, made on first use."""
    if x._box is None or x._box is INFERENCE:
        x._box = GradBox(x)
    return x._box


def is_inference(x: Tensor) -> bool:
    """Return whether a Tensor was made in `inference_mode`.

    Examples
    --------
    >>> import dualad
    >>> with dualad.inference_mode():
    ...     x = dualad.ones(2)
    >>> dualad.is_inference(x), dualad.is_inference(x * 2)
    (True, False)
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"is_inference: expected a Tensor, got {type(x).__name__}")
    return x._box is INFERENCE


def raw_value(value: Any) -> Any:
    """Return the backend's array below a Tensor's levels, or an array as it is.

    Below levels of `vmap` it has their axes, in front.
    """
    while True:
        if isinstance(value, Tensor):
            if value._alias is not None:
                value._alias.refresh(value)
            value = value._value
        elif type(value) is Batched:
            value = value.value
        else:
            return value


def check_write(x: Any, new: Any) -> None:
    """Raise if a Tensor of the value of x must not be given that of `new`: see `Backend.check_write`."""
    raw = raw_value(new)
    if type(raw) is np.ndarray:
        return
    backend = BY_TYPE[type(raw)]
    if backend is not None and backend.is_tracing(raw):
        backend.check_write(raw_value(x), raw)


def without_history(x: Tensor) -> Tensor:
    """Return a Tensor of the same value that no derivative goes through; levels of `vmap` stay."""
    value: Any = x
    while isinstance(value, Tensor):
        value._refresh()
        if type(value._node) is Batch:
            below = value._value.value
            below = without_history(below) if type(below) is Tensor else below
            if type(below) is Tensor and below._node is None:
                below = below._value
            return Tensor(Batched(below, value._node), value._node)
        value = value._value
    return Tensor(value)


#: What to say where NumPy is to put Tensors into an array of its own.
MADE_OF_TENSORS = (
    "In place of np.array([x, y]) use np.stack([x, y]) or dualad.asarray([x, y]), and write into "
    "np.zeros_like(x) or dualad.zeros(n, dtype=x.dtype), not into np.zeros(n)"
)

#: What loses no derivative: steps, and what is printed.
_EXPECTED = ("bool()", "int()", "format()")

#: What to say of a Tensor of a `vmap` that is over.
LEFT = (
    "this Tensor is from inside a vmap that has ended, where it had a value for each example; return it from "
    "the function that is mapped, and use what vmap gives"
)


def batches_of(x: Any) -> list[Batch]:
    """Return the levels of `vmap` for whose examples a Tensor has values, the innermost first."""
    found = []
    while isinstance(x, Tensor):
        x._refresh()
        if type(x._node) is Batch:
            found.append(x._node)
            x = x._value.value
        else:
            x = x._value
    return found


def is_tracked(x: Any) -> bool:
    """Whether a derivative goes through a Tensor. To be one of a `vmap`'s examples is no history."""
    return _tracker(x) is not None


def _tracker(x: Any) -> Any:
    """Return the node, or the tangent, that a derivative goes through; None if a Tensor is not tracked."""
    while isinstance(x, Tensor):
        x._refresh()
        if type(x._node) is not Batch:
            return x._node
        x = x._value.value
    return None


def reverse_part(x: Tensor) -> Tensor:
    """Return what reverse mode knows of a Tensor, below the tangents that forward mode has put around it."""
    x._refresh()
    value: Any = x
    while isinstance(value, Tensor) and type(value._node) is Dual:
        value = value._value
    return wrap(value)


def plain(x: Any) -> Any:
    """Return a Tensor of a subclass as a plain one at its place in history; all else as it is.

    A subclass's Tensor is a user's handle and nothing else: values, nodes and tapes have plain ones,
    which the inner parts tell by ``type(x) is Tensor``. What takes handles asks ``isinstance``.
    """
    if type(x) is Tensor or not isinstance(x, Tensor):
        return x
    x._refresh()
    return Tensor(x._value, x._node)


def of_class(y: Any, kind: type[Tensor]) -> Any:
    """Return a new Tensor, or each of several, as one of a subclass, whose ``__init__`` is not called."""
    if type(y) is tuple:
        return tuple(of_class(a, kind) for a in y)
    if kind is Tensor:
        return y
    new = object.__new__(kind)
    new._value, new._node, new._alias, new._box = y._value, y._node, y._alias, y._box
    return new


def wrap(value: Any) -> Tensor:
    """Return a Tensor of an array; a Tensor is returned as it is."""
    return value if isinstance(value, Tensor) else Tensor(value)


def lift(value: Any) -> Any:
    """Return an array, or each of several, as a Tensor; numbers stay as they are.

    Rules that run on Tensors are given nothing else: a backend's arrays may refuse to meet one.
    """
    if type(value) in (tuple, list):
        return type(value)(map(lift, value))
    return value if type(value) is Tensor or BY_TYPE[type(value)] is None else Tensor(value)


def _unpickle(array: Any, device: str, requires_grad: bool, kind: type[Tensor], dtype: DType) -> Tensor:
    return of_class(ops.asarray(array, dtype=dtype, device=device), kind).requires_grad_(requires_grad)


def _check_grad(x: Tensor, grad: Any) -> None:
    """Raise unless `grad` can be the gradient of x."""
    if not isinstance(grad, Tensor):
        raise TypeError(f"grad: expected a Tensor or None, got {type(grad).__name__}")
    if grad is x:
        raise GradientError("grad: can't assign Variable as its own grad; give it x.detach().clone()")
    grad._check_single("setting .grad")
    if grad.shape != x.shape:
        raise ShapeError(f"grad: the gradient has shape {grad.shape}, its Tensor {x.shape}")
    if grad.dtype is not x.dtype:
        raise DTypeError(f"grad: the gradient is {grad.dtype}, its Tensor {x.dtype}")
    if grad.device != x.device:
        raise DeviceError(f"grad: the gradient is on {grad.device}, its Tensor on {x.device}; move it first")
