"""The data types of the Array API standard, one object each, the same for every backend.

A backend's own dtype objects (``numpy.dtype('float32')``) are translated at its door
(`dualad.backends`): they differ between libraries, and NumPy's equal ``None``, strings and more.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .errors import DTypeError

Kind = Literal["bool", "signed integer", "unsigned integer", "real floating", "complex floating"]


class DType:
    """A data type, such as ``dualad.float32``.

    Attributes
    ----------
    name : str
        The name in the standard, such as ``"float32"``.
    kind : str
        The standard's kind: ``"bool"``, ``"signed integer"``, ``"unsigned integer"``,
        ``"real floating"`` or ``"complex floating"``.
    itemsize : int
        Bytes per element.
    is_floating_point : bool
        Whether this is a real floating-point type.
    is_complex : bool
        Whether this is a complex type.
    is_differentiable : bool
        Whether Tensors of this type can require grad: real and complex floating types.

    Examples
    --------
    >>> import dualad
    >>> dualad.float64.itemsize, dualad.float64.is_floating_point
    (8, True)
    """

    __slots__ = ("is_complex", "is_differentiable", "is_floating_point", "itemsize", "kind", "name")

    def __init__(self, name: str, kind: Kind, itemsize: int) -> None:
        self.name, self.kind, self.itemsize = name, kind, itemsize
        self.is_floating_point = kind == "real floating"
        self.is_complex = kind == "complex floating"
        self.is_differentiable = self.is_floating_point or self.is_complex

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of that name: ``np.dtype(d)`` asks for it."""
        if self.name == "bfloat16":
            raise DTypeError("NumPy has no bfloat16; use float32, which holds all of its numbers")
        return np.dtype(self.name)

    @property
    def host(self) -> np.dtype[Any]:
        """NumPy's dtype for elements of this type: float32 for bfloat16, which NumPy lacks."""
        return np.dtype("float32" if self.name == "bfloat16" else self.name)

    def __eq__(self, other: object) -> bool:
        """Whether they name the same type: NumPy's dtypes and scalar types and Python's types can, too."""
        if self is other:
            return True
        if isinstance(other, DType) or not isinstance(other, (np.dtype, type, str)):
            return NotImplemented
        try:
            return as_dtype(other) is self
        except DTypeError:
            return False

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"dualad.{self.name}"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return as_dtype, (self.name,)  # unpickled and copied to the same object


bool_ = DType("bool", "bool", 1)
int8 = DType("int8", "signed integer", 1)
int16 = DType("int16", "signed integer", 2)
int32 = DType("int32", "signed integer", 4)
int64 = DType("int64", "signed integer", 8)
uint8 = DType("uint8", "unsigned integer", 1)
uint16 = DType("uint16", "unsigned integer", 2)
uint32 = DType("uint32", "unsigned integer", 4)
uint64 = DType("uint64", "unsigned integer", 8)
float16 = DType("float16", "real floating", 2)
bfloat16 = DType("bfloat16", "real floating", 2)
float32 = DType("float32", "real floating", 4)
float64 = DType("float64", "real floating", 8)
complex64 = DType("complex64", "complex floating", 8)
complex128 = DType("complex128", "complex floating", 16)

ALL = (
    bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
#: Whose sums are made in single precision.
HALVES = (float16, bfloat16)
BY_NAME = {dtype.name: dtype for dtype in ALL}

# PyTorch's other names for them.
ALIASES = {
    "half": float16, "float": float32, "double": float64, "cfloat": complex64,
    "cdouble": complex128, "short": int16, "int": int32, "long": int64,
}  # fmt: skip

# Python's number types, as NumPy and PyTorch read them: what they are in Python.
_PYTHON = {bool: bool_, int: int64, float: float64, complex: complex128}

_default = float32


def get_default_dtype() -> DType:
    """Return the dtype that Python floats and creation functions get (float32 at first).

    Examples
    --------
    >>> import dualad
    >>> dualad.get_default_dtype()
    dualad.float32
    """
    return _default


def set_default_dtype(dtype: DType) -> None:
    """Set the dtype that Python floats and creation functions get.

    Parameters
    ----------
    dtype : DType
        A real floating type; complex numbers get the complex type of the same precision.

    Raises
    ------
    DTypeError
        If `dtype` is not a real floating type.

    Examples
    --------
    >>> import dualad
    >>> dualad.set_default_dtype(dualad.float64)
    >>> dualad.tensor([0.5]).dtype
    dualad.float64
    >>> dualad.set_default_dtype(dualad.float32)
    """
    global _default
    dtype = as_dtype(dtype)
    if not dtype.is_floating_point:
        raise DTypeError(f"set_default_dtype: only real floating types are supported, got {dtype}")
    _default = dtype


def as_dtype(dtype: object) -> DType:
    """Return the DType that `dtype` names.

    It is a DType, its name or NumPy's code for it (``"f8"``), the dtype of an array library, or one of
    Python's bool, int, float and complex, of which the last two are in double precision.

    Raises
    ------
    DTypeError
        If `dtype` names no data type of the standard.
    """
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, type) and dtype in _PYTHON:
        return _PYTHON[dtype]
    # NumPy's dtype objects and scalar types, and those of other libraries, carry the name.
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or dtype
    if not isinstance(name, str):  # PyTorch's have nothing but "torch.float32"
        name = str(dtype).rpartition(".")[2]
    if isinstance(name, str) and name in BY_NAME:
        return BY_NAME[name]
    if isinstance(dtype, str):
        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = dtype
        if name in BY_NAME:
            return BY_NAME[name]
    raise DTypeError(f"not a data type: {dtype!r}; use one such as dualad.float32")


def complex_of(dtype: DType) -> DType:
    """Return the complex type of a floating type's precision."""
    if dtype in HALVES:
        return complex64
    return {float32: complex64, float64: complex128}.get(dtype, dtype)


def real_of(dtype: DType) -> DType:
    """Return the real type of a complex type's parts; other types are returned as they are."""
    return {complex64: float32, complex128: float64}.get(dtype, dtype)


def promote(*kinds: Any) -> DType:
    """Return the dtype that dtypes and Python's numbers promote to, as NumPy has it.

    bfloat16, which NumPy lacks, stays what it is beside integers and Python's numbers, as in PyTorch
    and JAX, and becomes float32 beside float16.
    """
    others = [k.host if isinstance(k, DType) else k for k in kinds if k is not bfloat16]
    if bfloat16 in kinds:
        wide = [k for k in others if isinstance(k, complex) or getattr(k, "kind", "") in ("f", "c")]
        if not wide:
            return bfloat16
        others = [np.float32, *wide]
    return BY_NAME[np.result_type(*others).name]
