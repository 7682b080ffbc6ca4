"""The transpose of a linear function of Tensors, found by taping it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .engine.fit import fit, zeros
from .engine.modes import enable_grad
from .engine.node import Leaf, fresh_level
from .engine.tensor import Tensor, wrap
from .engine.walk import Walk
from .levels import bare, level_of

Values = list[Any]


class LinearTape:
    """A linear function of Tensors, taped, so that its transpose can be had.

    Parameters
    ----------
    function : callable
        It takes a list of Tensors and gives one of Tensors and None.
    likes : list of Tensor
        What its arguments are like.
    """

    def __init__(self, function: Callable[[Values], Values], likes: Values) -> None:
        self.level = fresh_level()
        points = [bare(_small(x)) for x in likes]
        self.leaves = [Leaf(self.level, p.shape, p.dtype) for p in points]
        with enable_grad():
            self.results = function([Tensor(p, leaf) for p, leaf in zip(points, self.leaves, strict=True)])

    def pull(self, cotangents: Values) -> Values:
        """Return what the transpose gives for cotangents of the results; None stands for zero."""
        walk = Walk(retain=True)
        walk.named = False
        with enable_grad():
            for y, g in zip(self.results, cotangents, strict=True):
                if g is not None and level_of(y) == self.level:
                    walk.deposit(y._node, fit(g, y._node))
            found = walk.run(self.leaves)
        return [wrap(found[leaf]) if leaf in found else None for leaf in self.leaves]


def _small(x: Tensor) -> Any:
    """Return where a linear function is taped: small, in case it clips, and not 0, which is masked."""
    eps = np.finfo(np.dtype(x.dtype.name)).eps
    return wrap(zeros(x.shape, x.dtype, beside=x)) + float(eps)
