"""Forward mode in PyTorch's form: Tensors that carry a tangent along, inside a dual level.

Examples
--------
>>> import dualad
>>> import dualad.autograd.forward_ad as fwAD
>>> with fwAD.dual_level():
...     x = fwAD.make_dual(dualad.tensor([1.0, 2.0]), dualad.tensor([1.0, 0.0]))
...     fwAD.unpack_dual(x**3)
UnpackedDualTensor(primal=tensor([1., 8.]), tangent=tensor([3., 0.]))
"""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import NamedTuple

from ..batching import into
from ..engine.node import Batch, Dual, DualLevel, fresh_level
from ..engine.operands import type_name
from ..engine.tensor import Tensor, plain, wrap
from ..errors import DeviceError, GradientError, ShapeError
from ..transforms import trees

__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual",
]  # fmt: skip

#: The levels that were entered and not left, the innermost last.
_levels: ContextVar[tuple[DualLevel, ...]] = ContextVar("dualad_dual_levels", default=())


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` gives.

    Attributes
    ----------
    primal : Tensor
        The value.
    tangent : Tensor or None
        The tangent; None if there is none.
    """

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Begin a level of forward mode, in this thread or task; return its number, counted from 0.

    The ``with`` of `dual_level` ends it too, also if there is an exception.

    Examples
    --------
    >>> import dualad.autograd.forward_ad as fwAD
    >>> fwAD.enter_dual_level()
    0
    >>> fwAD.exit_dual_level(level=0)
    """
    return _enter(DualLevel(fresh_level()))


def _enter(level: DualLevel) -> int:
    entered = _levels.get()
    _levels.set((*entered, level))
    return len(entered)


def exit_dual_level(*, level: int | None = None) -> None:
    """End the innermost level of forward mode: its tangents are gone.

    Parameters
    ----------
    level : int, optional
        Its number, to be sure.

    Raises
    ------
    GradientError
        If there is none, or `level` is another.

    Examples
    --------
    >>> import dualad
    >>> from dualad.autograd import forward_ad
    >>> level = forward_ad.enter_dual_level()
    >>> x = forward_ad.make_dual(dualad.ones(2), dualad.ones(2))
    >>> forward_ad.exit_dual_level(level=level)
    >>> forward_ad.unpack_dual(x).tangent is None
    True
    """
    levels = _levels.get()
    if not levels:
        raise GradientError("exit_dual_level: there is no level to exit, enter_dual_level comes first")
    if level is not None and level != len(levels) - 1:
        raise GradientError(
            "exit_dual_level: Trying to exit a forward AD level that was not the last one that was created: "
            f"got {level}, the last is {len(levels) - 1}"
        )
    _end(levels[-1])


def _end(level: DualLevel) -> None:
    left = tuple(entered for entered in _levels.get() if entered is not level)
    level.ended = True
    level.given.clear()
    _levels.set(left)


class dual_level(ContextDecorator):
    """A level of forward mode: a context manager, and a decorator.

    Tangents are given to Tensors by `make_dual`, and read by `unpack_dual`. When the level ends they are
    gone, however it ends.

    Examples
    --------
    >>> import dualad
    >>> import dualad.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(dualad.tensor(2.0), dualad.tensor(1.0))
    ...     y, t = fwAD.unpack_dual(x * x)
    >>> t, fwAD.unpack_dual(x).tangent
    (tensor(4.), None)
    """

    def __enter__(self) -> int:
        level = DualLevel(fresh_level())
        level.owner = self
        try:
            return _enter(level)
        except BaseException:  # Ctrl-C, between two instructions
            _end(level)
            raise

    def __exit__(self, *exc: object) -> None:
        try:
            self._leave()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        own = [level for level in _levels.get() if level.owner is self]
        if own:  # else the user has ended it already
            _end(own[-1])


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """Return a Tensor of the same value and history that carries a tangent.

    Parameters
    ----------
    tensor : Tensor
        The value, real or complex floating.
    tangent : Tensor
        The direction, of its shape and device. It is converted to the dtype of `tensor`.
    level : int, optional
        The number of the level; the innermost by default.

    Raises
    ------
    GradientError
        If no level has been entered, if the Tensor has a tangent of this level, or if it belongs to
        a transform that began after the level.
    ShapeError, DTypeError, DeviceError
        If the tangent does not fit.

    Examples
    --------
    >>> import dualad
    >>> import dualad.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     fwAD.make_dual(dualad.tensor(2.0), dualad.tensor(3.0)).exp()
    tensor(7.3891, tangent=tensor(22.1672))
    """
    at = _level("make_dual", level)
    if at is None:
        raise GradientError(
            "make_dual: Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for name, x in (("primal", tensor), ("tangent", tangent)):
        if not isinstance(x, Tensor):
            raise TypeError(f"make_dual: Expected {name} to be a Tensor, but got: {type_name(x)}")
        if not x.dtype.is_differentiable:
            raise ValueError(
                f"make_dual: Expected {name} to be floating point or complex, but got: {x.dtype}"
            )
        x._refresh()
        if x._node is not None and x._node.level > at:
            raise GradientError(
                f"make_dual: the {name} belongs to a transform that began after the dual level; enter the "
                "level inside the function that is transformed"
            )
    if type(tensor._node) is Dual and tensor._node.level == at:
        raise GradientError(
            "make_dual: Making a dual Tensor based on a Tensor that already has a forward gradient at the "
            f"same level {_levels.get().index(at)} is not supported."
        )
    if tangent.shape != tensor.shape:
        raise ShapeError(
            "make_dual: Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {tensor.shape} while the given forward "
            f"gradient is of size {tangent.shape}."
        )
    if tangent.device != tensor.device:
        raise DeviceError(
            f"make_dual: the tangent is on {tangent.device}, the Tensor on {tensor.device}; move it first, "
            f"with .to({str(tensor.device)!r})"
        )
    value = trees.below(plain(tensor), "make_dual")
    t = trees.fitting(plain(tangent), value, "make_dual", "tangent")
    at.given[id(t)] = tangent, t
    return Tensor(value, Dual(at, t))


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """Return the value of a Tensor without its tangent, and the tangent.

    Parameters
    ----------
    tensor : Tensor
        Any Tensor.
    level : int, optional
        The number of the level whose tangent is meant; the innermost by default.

    Raises
    ------
    GradientError
        If it belongs to a level or a transform that began after this one.

    Examples
    --------
    >>> import dualad
    >>> import dualad.autograd.forward_ad as fwAD
    >>> fwAD.unpack_dual(dualad.tensor(2.0))
    UnpackedDualTensor(primal=tensor(2.), tangent=None)
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"unpack_dual: expected a Tensor, got {type_name(tensor)}")
    at = _level("unpack_dual", level)
    return UnpackedDualTensor(tensor, None) if at is None else _unpacked(tensor, at)


def _unpacked(x: Tensor, at: DualLevel) -> UnpackedDualTensor:
    x._refresh()
    node = x._node
    if type(node) is Dual and node.level == at:
        return UnpackedDualTensor(wrap(x._value), _tangent(node, at))
    if node is None or node.level < at:
        return UnpackedDualTensor(x, None)
    if type(node) is Batch:
        primal, tangent = _unpacked(wrap(x._value.value), at)
        return UnpackedDualTensor(into(primal, node), None if tangent is None else into(tangent, node))
    raise GradientError(
        "unpack_dual: the Tensor belongs to a level or a transform that began after this dual level; unpack "
        "it outside of that"
    )


def _tangent(dual: Dual, level: DualLevel) -> Tensor:
    """Return a tangent: the very Tensor that `make_dual` was given, unless that has been written to."""
    given, taken = level.given.get(id(dual.tangent), (None, None))
    if given is not None and taken is dual.tangent and trees.below(plain(given), "unpack_dual") is taken:
        return given
    return wrap(dual.tangent)


def _level(name: str, level: int | None) -> DualLevel | None:
    """Return the level of a number; the innermost if that is None, and None if there is no level."""
    levels = _levels.get()
    if level is None or not levels:
        return levels[-1] if levels else None
    if not 0 <= level < len(levels):
        raise GradientError(f"{name}: there is no dual level {level}; the innermost is {len(levels) - 1}")
    return levels[level]
