"""What dask asks a Tensor for that is handed to its own functions: an array, a name, a graph.

Dask takes any object for an array of its own kind, and asks it nothing that has a derivative. So a Tensor
that is tracked refuses here, or ``dask.array.sum(x)`` had a gradient of zeros. Dask is imported in functions
that dask calls, and nowhere else.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..engine.tensor import Tensor
from ..errors import GradientError


def _to_dask_array(self: Tensor) -> Any:
    """Return the elements as a dask array: of a Tensor on dask the very one, else one of a copy.

    Raises
    ------
    GradientError
        If the Tensor is tracked, also by a transform: no derivative goes through dask's functions.
    BatchError
        If it is one of a batch of `vmap`.
    """
    _check_untracked(self)
    if self.device.type == "dask":
        return self._raw
    return import_module("dask.array").from_array(self._to_numpy("to_dask_array()"))


def _dask_tokenize(self: Tensor) -> Any:
    """Return what names a Tensor in a graph of dask's, of which it becomes a part."""
    _check_untracked(self)
    return "dualad.Tensor", import_module("dask.base").normalize_token(self._raw)


def _dask_graph(self: Tensor) -> None:
    """Return that a Tensor is no collection of dask's; of one on dask that is tracked, refuse to be asked.

    Where a Tensor on another device goes through ``dask.delayed`` it is an object like any other, whose
    history the results of functions have.
    """
    if self.device.type == "dask":
        _check_untracked(self)


def _check_untracked(x: Tensor) -> None:
    x._refresh()
    x._check_single("dask's function")
    if x._node is not None:
        raise GradientError(
            "a function of dask's was called on a Tensor that is being differentiated, and no derivative "
            "goes through it. Use dualad's or NumPy's functions (dualad.sum(x), np.sum(x), dualad.where, "
            "dualad.stack) and operators (a @ x) in place of dask.array's, a.dot, map_blocks and "
            "dask.delayed; where no derivative is wanted, hand over x.detach()"
        )
