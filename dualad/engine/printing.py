"""How a Tensor is shown: the layout PyTorch's users know, from a NumPy array.

All numbers of an array are written alike, in one of four ways: as integers (``1``), as floats
without fraction (``1.``), with a fixed number of digits (``0.5000``), or in scientific notation
(``5.0000e-01``). So the array is looked at once, for a `_Column`, before any number is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from math import inf, isfinite
from typing import Any

import numpy as np


@dataclass(frozen=True)
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=inf),
}

# Replaced as a whole, never changed: a thread that is printing goes on with the one it has.
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how Tensors are printed; what is not given stays as it is.

    Parameters
    ----------
    precision : int, optional
        Digits after the point (4 at first).
    threshold : float, optional
        The number of elements above which only the edges are shown (1000 at first).
    edgeitems : int, optional
        Elements shown at either end of each axis that is cut (3 at first).
    linewidth : int, optional
        Characters per line (80 at first).
    profile : {"default", "short", "full"}, optional
        Settings to start from; the other arguments override them. ``"short"`` has two digits and
        two edge items, ``"full"`` shows all elements.
    sci_mode : bool, optional
        Whether to use scientific notation. None, also when not given, leaves it to the numbers.

    Raises
    ------
    ValueError
        If there is no such profile, or a number is negative.

    Examples
    --------
    >>> import dualad
    >>> dualad.set_printoptions(precision=2)
    >>> dualad.tensor([3.14159])
    tensor([3.14])
    >>> dualad.set_printoptions(profile="default")
    """
    global _options
    new = _options
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(
                f"set_printoptions: profile must be one of {', '.join(_PROFILES)}, got {profile!r}"
            )
        new = _PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name, value in changes.items():
        if value < 0:
            raise ValueError(f"set_printoptions: {name} must not be negative, got {value}")
    _options = replace(new, **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """Return how Tensors are printed, as keyword arguments of `set_printoptions`.

    Examples
    --------
    >>> import dualad
    >>> dualad.get_printoptions()["precision"]
    4
    """
    return asdict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Set how Tensors are printed until the end of a ``with`` block.

    Parameters
    ----------
    **options
        The arguments of `set_printoptions`.

    Examples
    --------
    >>> import dualad
    >>> with dualad.printoptions(precision=1):
    ...     print(dualad.tensor([3.14159]))
    tensor([3.1])
    """
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(array: np.ndarray[Any, Any], suffixes: Sequence[str], name: str = "tensor") -> str:
    """Return the representation of a Tensor: its numbers, and what is to be said behind them.

    Parameters
    ----------
    array : numpy.ndarray
        The elements.
    suffixes : sequence of str
        Such as ``"dtype=dualad.float64"``; a device, if it is among them, comes first.
    name : str
        What stands before the bracket.

    Notes
    -----
    The shape is added where the numbers do not tell it: ``tensor([], size=(0, 3))``.
    """
    options = _options
    suffixes = list(suffixes)
    if (array.size == 0 and array.ndim != 1) or (array.size and not options.edgeitems):
        at = 1 if suffixes and suffixes[0].startswith("device=") else 0
        suffixes.insert(at, f"size={array.shape}")
    prefix = name + "("
    body = _Body(array, options, len(prefix)).text() if array.size else "[]"
    return _join(prefix + body, suffixes, options.linewidth, len(prefix))


def _join(text: str, suffixes: Sequence[str], linewidth: int, indent: int) -> str:
    """Put the suffixes behind the text, each on a new line if it does not fit."""
    # Two for the comma and space, two that PyTorch leaves free at the end of the first such line.
    column = len(text) - (text.rfind("\n") + 1) + 2
    for suffix in suffixes:
        if column + 2 + len(suffix) > linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += 2 + len(suffix)
    return text + ")"


class _Column:
    """One way of writing, and the width it needs, for all numbers of a real array.

    Parameters
    ----------
    numbers : numpy.ndarray
        All numbers that will be shown. Zeros and those that are not finite do not count, neither
        for the way of writing nor for the width.
    """

    def __init__(self, numbers: np.ndarray[Any, Any], options: _Options) -> None:
        if numbers.dtype.kind == "f":
            numbers = numbers[np.isfinite(numbers) & (numbers != 0)]
            self._write = _float_writer(numbers, options)
        else:
            self._write = str
        self.width = max((len(self._write(number)) for number in numbers.flat), default=1)

    def format(self, number: Any) -> str:
        return self._write(number).rjust(self.width)


def _float_writer(numbers: np.ndarray[Any, Any], options: _Options) -> Callable[[Any], str]:
    """Return the way to write an array of non-zero finite floats."""
    scientific, whole = False, True
    if numbers.size:
        size = np.abs(numbers)
        small, large = float(size.min()), float(size.max())
        scientific = large / small > 1e3 or large > 1e8 or small < 1e-4
        if options.sci_mode is not None:
            scientific = options.sci_mode
        whole = bool(np.all(numbers == np.ceil(numbers)))
    if scientific:
        return f"{{:.{options.precision}e}}".format
    if whole:
        return lambda number: f"{number:.0f}." if isfinite(number) else f"{number}"
    return f"{{:.{options.precision}f}}".format


class _Body:
    """The numbers of an array, in nested brackets."""

    def __init__(self, array: np.ndarray[Any, Any], options: _Options, indent: int) -> None:
        self._options, self._indent = options, indent
        self._cut = [False] * array.ndim
        if array.size > options.threshold:
            self._cut = [length > 2 * options.edgeitems for length in array.shape]
        for axis, cut in enumerate(self._cut):
            if cut:
                edge = np.arange(options.edgeitems)
                array = np.take(array, np.concatenate((edge, array.shape[axis] - edge[::-1] - 1)), axis)
        self._shown = array
        parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
        self._columns = [_Column(part, options) for part in parts]

    def text(self) -> str:
        if not self._shown.ndim:
            return self._number(self._shown.item())
        return self._brackets(self._shown.tolist(), 0)

    def _number(self, number: Any) -> str:
        if len(self._columns) == 1:
            return self._columns[0].format(number)
        real, imag = self._columns
        behind = imag.format(number.imag).lstrip() + "j"
        sign = "" if behind[0] == "-" else "+"
        return real.format(number.real) + sign + behind

    def _brackets(self, items: list[Any], axis: int) -> str:
        """Write the items of one axis; the bracket stands under the `axis` ones around it."""
        indent = self._indent + axis
        newline = "\n" + " " * (indent + 1)
        further = self._shown.ndim - axis - 1
        if further:
            texts = [self._brackets(item, axis + 1) for item in items]
            self._mark_cut(texts, axis, "...")
            return "[" + ("," + "\n" * (further - 1) + newline).join(texts) + "]"
        texts = [self._number(item) for item in items]
        # The space in front is PyTorch's: a wide gap, seen at once.
        self._mark_cut(texts, axis, " ..." if texts else "...")
        needed = sum(column.width for column in self._columns) + len(self._columns) + 1
        per_line = max(1, (self._options.linewidth - indent) // needed)
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return "[" + ("," + newline).join(lines) + "]"

    def _mark_cut(self, texts: list[str], axis: int, mark: str) -> None:
        if self._cut[axis]:
            texts.insert(self._options.edgeitems, mark)
