"""Peak memory of a backward pass, beside what the rules' named values add up to.

NumPy reports its buffers to `tracemalloc`, so the peak is counted, not sampled. The yardstick is a
ledger kept along the tape: the values that rules name, until their node has been visited, and the
gradients on their way. What exceeds it are temporaries and values kept without need.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import numpy as np

import dualad

from . import mlp


def ratio(forward: Callable[[], Any], leaves: list[Any]) -> float:
    """Return the peak of ``forward().backward()`` during backward over the ledger's.

    Parameters
    ----------
    forward : callable
        Returns a scalar Tensor.
    leaves : list of Tensor
        The Tensors that exist before and whose gradients are computed.
    """
    forward().backward()  # whatever is made once is made now
    for leaf in leaves:
        leaf.grad = None
    gc.collect()
    tracemalloc.start()
    try:
        y = forward()
        before = {_buffer(a) for leaf in leaves for a in [_array(leaf)]}
        expected = ledger(y.grad_fn, before)
        gc.collect()
        tracemalloc.reset_peak()
        y.backward()
        return tracemalloc.get_traced_memory()[1] / expected
    finally:
        tracemalloc.stop()


def ledger(root: Any, before: Iterable[int]) -> int:
    """Return the bytes that a backward pass from `root` needs at its height.

    Parameters
    ----------
    root : Node
        Where it starts.
    before : iterable of int
        The buffers that exist anyway: inputs and parameters.
    """
    nodes = _nodes(root)
    size = {n: prod(n.shape) * np.dtype(n.dtype).itemsize for n in nodes}
    users, sizes = _saved(nodes, set(before))
    held = sum(sizes.values())
    pending = {root: size[root]}
    peak = held
    for node in nodes:
        for parent, reads in zip(node.parents, node.saved, strict=True):
            if parent is None or parent in pending:
                continue
            if not reads and parent.shape == node.shape:
                # What passes through unchanged, as in a sum of terms, is the same buffer further on.
                pending[parent], pending[node] = pending[node], 0
            else:
                pending[parent] = size[parent]
        peak = max(peak, held + sum(pending.values()))
        if node.parents:
            del pending[node]  # a leaf's stays: it is the result
        for buffer in _buffers(node):
            users[buffer] = users.get(buffer, 0) - 1
            if users[buffer] == 0:
                held -= sizes.get(buffer, 0)
    return peak


def _nodes(root: Any) -> list[Any]:
    """Return the nodes below `root` in the order of the walk."""
    seen, stack = {root}, [root]
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda n: -n.number)


def _saved(nodes: list[Any], before: set[int]) -> tuple[dict[int, int], dict[int, int]]:
    """Return how many nodes name each buffer, and the buffers' sizes."""
    users: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for node in nodes:
        for buffer, nbytes in _buffers(node).items():
            if buffer not in before:
                users[buffer] = users.get(buffer, 0) + 1
                sizes[buffer] = nbytes
    return users, sizes


def _buffers(node: Any) -> dict[int, int]:
    """Return the buffers that a node's rules name, with their sizes in bytes."""
    values = [v for reads in node.saved or () for v in reads or () if isinstance(v, np.ndarray)]
    return {_buffer(v): _owner(v).nbytes for v in values}


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _buffer(array: np.ndarray) -> int:
    return id(_owner(array))


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach())


def of_mlp() -> float:
    """The MLP of the timings."""
    x, labels, arrays = mlp.data()
    parameters = [dualad.tensor(p, requires_grad=True) for p in arrays]
    images = dualad.tensor(x)
    return ratio(lambda: mlp.loss(dualad, parameters, images, labels), [*parameters, images])


def of_chain() -> float:
    """60 elementwise ops on a million floats."""
    x = dualad.tensor(np.linspace(0.1, 1.5, 1_000_000), requires_grad=True)

    def forward() -> Any:
        y = x
        for _ in range(20):
            y = dualad.sin(y) * x + y
        return y.sum()

    return ratio(forward, [x])
