"""Computing what is lazy, several results in one pass."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np

import dualad
from dualad.engine.node import GROUND
from dualad.errors import GradientError
from dualad.transforms.trees import flatten, unflatten


def compute(*values: Any, **keywords: Any) -> Any:
    """Compute several results together: what they share is read and computed once.

    Parameters
    ----------
    *values : pytrees of Tensors and dask arrays
        What to compute. All other leaves are left as they are.
    **keywords
        Those of ``dask.compute``, such as ``scheduler="threads"``.

    Returns
    -------
    pytree, or tuple of pytrees for several values
        Tensors on the CPU for Tensors, without history, and NumPy arrays for dask arrays.

    Raises
    ------
    GradientError
        If a Tensor is one of a transform that goes on, whose derivative would be lost.

    Examples
    --------
    >>> import dask.array as da, dualad, dualad_dask
    >>> x = dualad.asarray(da.ones(4, chunks=2)).requires_grad_()
    >>> loss = (x * x).sum()
    >>> loss.backward()
    >>> dualad_dask.compute(loss, x.grad)
    (tensor(4., dtype=dualad.float64), tensor([2., 2., 2., 2.], dtype=dualad.float64))
    """
    leaves, structure = flatten(values)
    places, arrays = _arrays("compute", leaves)
    with np.errstate(all="ignore"):
        computed = dask.compute(*arrays, **keywords)
    for i, array in zip(places, computed, strict=True):
        array = np.asarray(array)
        leaves[i] = dualad.asarray(array) if isinstance(leaves[i], dualad.Tensor) else array
    return _as_given(structure, leaves)


def persist(*values: Any, **keywords: Any) -> Any:
    """Compute several results together and keep them, in blocks, where they are computed.

    Parameters
    ----------
    *values : pytrees of Tensors and dask arrays
        What to compute. All other leaves are left as they are.
    **keywords
        Those of ``dask.persist``.

    Returns
    -------
    pytree, or tuple of pytrees for several values
        Tensors and dask arrays of the same shapes, whose graphs are no more than their blocks. The
        Tensors are without history; a leaf that requires grad is one again.

    Raises
    ------
    GradientError
        If a Tensor is one of a transform that goes on, whose derivative would be lost.

    Examples
    --------
    >>> import dask.array as da, dualad, dualad_dask
    >>> w = dualad.asarray(da.ones(4, chunks=2))
    >>> for _ in range(3):
    ...     w = dualad_dask.persist(w / 2)
    >>> w.sum().item()
    0.5
    """
    leaves, structure = flatten(values)
    places, arrays = _arrays("persist", leaves)
    with np.errstate(all="ignore"):
        kept = dask.persist(*arrays, **keywords)
    for i, array in zip(places, kept, strict=True):
        if isinstance(leaves[i], dualad.Tensor):
            requires_grad = leaves[i].requires_grad and leaves[i].is_leaf
            array = dualad.asarray(array, requires_grad=requires_grad)
        leaves[i] = array
    return _as_given(structure, leaves)


def _arrays(name: str, leaves: list[Any]) -> tuple[list[int], list[Any]]:
    """Return the dask arrays among the leaves, those of Tensors too, and their places."""
    places, arrays = [], []
    for i, leaf in enumerate(leaves):
        array = leaf
        if isinstance(leaf, dualad.Tensor):
            leaf._refresh()
            if leaf._node is not None and leaf._node.level != GROUND:
                raise GradientError(
                    f"{name}: the Tensor is one of a transform that goes on, and what is computed has no "
                    "derivative; compute what the transform returns"
                )
            array = leaf._raw
        if isinstance(array, da.Array):
            places.append(i)
            arrays.append(array)
    return places, arrays


def _as_given(structure: Any, leaves: list[Any]) -> Any:
    values = unflatten(structure, leaves)
    return values[0] if len(values) == 1 else values
