"""Sums of products named by letters, made of permutations, sums and matrix products."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from string import ascii_letters
from typing import Any

from ..engine.operands import type_name
from ..engine.tensor import Tensor
from ..errors import ShapeError
from . import manipulation as manip
from .conversion import asarray
from .elementwise import multiply
from .linalg import diagonal, matmul
from .reductions import sum


def einsum(subscripts: str, /, *operands: Any) -> Tensor:
    """Return the sum of products that `subscripts` names, as ``numpy.einsum``.

    Parameters
    ----------
    subscripts : str
        A letter for each axis of each operand, with commas between operands, and behind ``->`` the
        axes of the result; what is not there is summed over. Without ``->`` the result has the
        letters that occur once, in alphabetical order. ``...`` stands for any axes, which broadcast.
    *operands : array
        The factors. They are multiplied from left to right.

    Raises
    ------
    ShapeError
        If letters and axes do not fit, or an axis has two lengths.

    Examples
    --------
    >>> import dualad
    >>> dualad.einsum("ij,kj->ik", dualad.ones(2, 3), dualad.ones(1, 3))
    tensor([[3.],
            [3.]])
    """
    tensors = [asarray(x) for x in operands]
    inputs, output = _parsed(subscripts, tensors)
    _check_lengths(inputs, tensors)
    parts = [_without_repeats(x, letters) for x, letters in zip(tensors, inputs, strict=True)]
    x, letters = parts[0]
    for i, (other, others) in enumerate(parts[1:], 2):
        needed = set(output).union(*(names for _, names in parts[i:]))
        x, letters = _product(x, letters, other, others, needed)
    x, letters = _summed(x, letters, output)
    return manip.permute_dims(x, [letters.index(a) for a in output])


def _parsed(subscripts: str, tensors: list[Tensor]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result, those for ``...`` among them."""
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum: expected the subscripts first, a str, got {type_name(subscripts)}")
    stray = sorted(set(subscripts.replace("...", "").replace("->", "", 1)) - set(ascii_letters + ", "))
    if stray:
        raise ShapeError(f"einsum: subscripts are letters, commas, '...' and one '->'; got {stray[0]!r}")
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(tensors):
        raise ShapeError(f"einsum: {subscripts!r} names {len(inputs)} operands, {len(tensors)} given")
    free = [a for a in ascii_letters if a not in subscripts]
    used = 0
    for i, (letters, x) in enumerate(zip(inputs, tensors, strict=True)):
        named = letters.replace("...", "")
        hidden = x.ndim - len(named) if "..." in letters else 0
        if (not named.isalpha() and named) or hidden < 0 or len(named) + hidden != x.ndim:
            raise ShapeError(f"einsum: {letters!r} does not name the axes of an array of shape {x.shape}")
        # Axes that broadcast are counted from the last.
        inputs[i] = letters.replace("...", "".join(free[hidden - 1 :: -1][:hidden]) if hidden else "")
        used = max(used, hidden)
    rest = "".join(free[used - 1 :: -1][:used]) if used else ""
    if not arrow:
        everything = "".join(inputs)
        once = sorted(a for a in set(everything) if everything.count(a) == 1 and a not in rest)
        return inputs, rest + "".join(once)
    output = output.replace("...", rest)
    unknown = sorted(set(output) - set("".join(inputs)))
    if unknown or len(set(output)) < len(output):
        raise ShapeError(f"einsum: the result of {subscripts!r} must name axes of the operands, each once")
    return inputs, output


def _check_lengths(inputs: list[str], tensors: list[Tensor]) -> None:
    lengths: dict[str, int] = {}
    for letters, x in zip(inputs, tensors, strict=True):
        for a, n in zip(letters, x.shape, strict=True):
            known = lengths.setdefault(a, n)
            if 1 not in (known, n) and known != n:
                raise ShapeError(f"einsum: the axis {a!r} has the lengths {known} and {n}")
            lengths[a] = max(known, n)


def _without_repeats(x: Tensor, letters: str) -> tuple[Tensor, str]:
    """Take the diagonal where one operand names an axis twice."""
    for a in set(letters):
        while letters.count(a) > 1:
            i, j = letters.index(a), letters.rindex(a)
            x = diagonal(manip.moveaxis(x, (i, j), (-2, -1)))
            letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + a
    return x, letters


def _summed(x: Tensor, letters: str, needed: Iterable[str]) -> tuple[Tensor, str]:
    """Sum over the axes that nobody needs."""
    axes = tuple(i for i, a in enumerate(letters) if a not in needed)
    kept = "".join(a for a in letters if a in needed)
    return (sum(x, axis=axes), kept) if axes else (x, kept)


def _product(x: Tensor, xs: str, y: Tensor, ys: str, needed: set[str]) -> tuple[Tensor, str]:
    """Multiply two operands, and sum over the axes that only they have."""
    x, xs = _summed(x, xs, needed | set(ys))
    y, ys = _summed(y, ys, needed | set(xs))
    long = {a: max(x.shape[xs.index(a)], y.shape[ys.index(a)]) for a in xs if a in ys}
    inner = [a for a in long if a not in needed]
    if not inner:
        return _outer(x, xs, y, ys)
    batch = [a for a in long if a in needed]
    rows, columns = [a for a in xs if a not in long], [a for a in ys if a not in long]
    x = _spread(x, xs, long, inner)
    y = _spread(y, ys, long, inner)
    x = manip.permute_dims(x, [xs.index(a) for a in (*batch, *rows, *inner)])
    y = manip.permute_dims(y, [ys.index(a) for a in (*batch, *inner, *columns)])
    b, r, k = len(batch), len(rows), prod(long[a] for a in inner)
    row_lengths, column_lengths = x.shape[b : b + r], y.shape[b + len(inner) :]
    x = manip.reshape(x, (*x.shape[:b], prod(row_lengths), k))
    y = manip.reshape(y, (*y.shape[:b], k, prod(column_lengths)))
    z = matmul(x, y)
    return manip.reshape(z, (*z.shape[:b], *row_lengths, *column_lengths)), "".join((*batch, *rows, *columns))


def _spread(x: Tensor, letters: str, lengths: dict[str, int], axes: list[str]) -> Tensor:
    """Repeat x along those axes on which it has one element only."""
    return manip.broadcast_to(
        x, tuple(lengths[a] if a in axes else n for a, n in zip(letters, x.shape, strict=True))
    )


def _outer(x: Tensor, xs: str, y: Tensor, ys: str) -> tuple[Tensor, str]:
    """Multiply where there is nothing to sum over."""
    letters = xs + "".join(a for a in ys if a not in xs)
    x = manip.reshape(x, (*x.shape, *[1] * (len(letters) - len(xs))))
    y = manip.permute_dims(y, sorted(range(len(ys)), key=lambda i: letters.index(ys[i])))
    shape = [1] * len(letters)
    for a, n in zip(sorted(ys, key=letters.index), y.shape, strict=True):
        shape[letters.index(a)] = n
    return multiply(x, manip.reshape(y, tuple(shape))), letters
