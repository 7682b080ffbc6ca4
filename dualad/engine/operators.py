"""What Python's operators do on a Tensor: each is a function of the namespace.

An operand that is no array makes the function raise `UnknownOperand`. The operator takes lists of numbers
as NumPy does; for all else it returns NotImplemented, so that Python asks the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import DTypeError, UnknownOperandError
from .namespace import ops

if TYPE_CHECKING:
    from .tensor import Tensor

Operator = Callable[[Any, Any], "Tensor"]

_functions = vars(ops)  # a dictionary look-up is as quick as an attribute's


def _binary(name: str) -> Operator:
    def operator(self: Any, other: Any) -> Tensor:
        try:
            return _functions[name](self, other)
        except UnknownOperandError:
            return _with_list(_functions[name], self, other)

    return operator


def _reflected(name: str) -> Operator:
    def operator(self: Any, other: Any) -> Tensor:
        try:
            return _functions[name](other, self)
        except UnknownOperandError:
            return _with_list(lambda x, listed: _functions[name](listed, x), self, other)

    return operator


def _in_place(name: str) -> Operator:
    def operator(self: Any, other: Any) -> Tensor:
        try:
            return ops.update(self, _functions[name], other)
        except UnknownOperandError:
            return _with_list(lambda x, listed: ops.update(x, _functions[name], listed), self, other)

    return operator


def _with_list(operator: Operator, x: Any, other: Any) -> Tensor:
    """Return what an operator gives for a list of numbers; NotImplemented for what is none.

    A single integer is not taken for an array: ``[None] * n`` is Python's.
    """
    if type(other) not in (list, tuple) or not other or not (x.ndim or x.dtype.is_differentiable):
        return NotImplemented
    try:
        listed = ops.of_list(other, x)
    except (DTypeError, ValueError):  # not of numbers, or of lists of several lengths
        return NotImplemented
    return operator(x, listed)


def _comparison(name: str) -> Any:  # `object.__eq__` promises a bool
    return _binary(name)


class Operators:
    """The operators, as a mixin of `Tensor`."""

    __slots__ = ()

    __add__, __radd__, __iadd__ = _binary("add"), _reflected("add"), _in_place("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __isub__ = _in_place("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __imul__ = _in_place("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __itruediv__ = _in_place("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _reflected("floor_divide")
    __ifloordiv__ = _in_place("floor_divide")
    __mod__, __rmod__ = _binary("remainder"), _reflected("remainder")
    __imod__ = _in_place("remainder")
    __pow__, __rpow__, __ipow__ = _binary("pow"), _reflected("pow"), _in_place("pow")
    __matmul__, __rmatmul__ = _binary("matmul"), _reflected("matmul")
    __imatmul__ = _in_place("matmul")
    __and__, __rand__ = _binary("bitwise_and"), _reflected("bitwise_and")
    __iand__ = _in_place("bitwise_and")
    __or__, __ror__ = _binary("bitwise_or"), _reflected("bitwise_or")
    __ior__ = _in_place("bitwise_or")
    __xor__, __rxor__ = _binary("bitwise_xor"), _reflected("bitwise_xor")
    __ixor__ = _in_place("bitwise_xor")
    __lshift__, __rlshift__ = _binary("bitwise_left_shift"), _reflected("bitwise_left_shift")
    __ilshift__ = _in_place("bitwise_left_shift")
    __rshift__, __rrshift__ = _binary("bitwise_right_shift"), _reflected("bitwise_right_shift")
    __irshift__ = _in_place("bitwise_right_shift")

    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")
    __eq__, __ne__ = _comparison("equal"), _comparison("not_equal")

    # As a key a Tensor is told by what it is, not by its elements.
    __hash__ = object.__hash__

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __pos__(self) -> Tensor:
        return ops.positive(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __round__(self, ndigits: int | None = None) -> Tensor:
        return ops.round(self) if ndigits is None else self.round(ndigits)  # type: ignore[attr-defined]

    def __invert__(self) -> Tensor:
        return ops.bitwise_invert(self)

    def __getitem__(self, key: Any) -> Tensor:
        return ops.read(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        ops.write(self, key, value)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(ops.unstack(self))

    def __contains__(self, value: Any) -> bool:
        return bool(ops.any(ops.equal(self, value)))
