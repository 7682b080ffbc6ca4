"""The ops: each function of the standard once, a file for each of its sections.

This file gives the engine what it asks for by name (rules run on it, operators and methods call
it), by plain assignment.
"""

from __future__ import annotations

from ..engine import accumulation, gradients, saving, tensor, views
from ..engine.namespace import ops
from ..engine.tensor import Tensor
from ..op import REGISTRY, Op
from . import (
    conversion,
    creation,
    cumulative,
    dask_protocol,
    elementwise,
    fourier,
    gathering,
    indexing,
    joining,
    linalg,
    manipulation,
    moving,
    numpy_functions,
    pytorch,
    reductions,
    searching,
    sets,
)
from .common import as_shape
from .descriptions import DESCRIPTIONS, describe
from .numpy_functions.calls import array
from .random import discrete, inplace

_ROOMS = (
    conversion, creation, cumulative, elementwise, indexing, inplace, joining, manipulation, pytorch,
    reductions, searching, sets,
)  # fmt: skip
for _room in _ROOMS:
    for _name, _function in vars(_room).items():
        _own = isinstance(_function, Op) or getattr(_function, "__module__", "") == _room.__name__
        if _own and not _name.startswith("_"):
            # A bound method is called in half the time that an object with `__call__` takes.
            setattr(ops, _name, _function.__call__ if isinstance(_function, Op) else _function)

for _name in DESCRIPTIONS:
    REGISTRY[_name].__doc__ = describe(_name, REGISTRY[_name].arguments)

ops.linalg, ops.fft = linalg, fourier
ops.read_rows, ops.write_rows, ops.shows_rows = gathering.read, gathering.written, gathering.shows
ops.matmul, ops.dot = linalg.matmul, linalg.dot
ops.matrix_transpose, ops.norm = manipulation.matrix_transpose, linalg.norm
ops.to, ops.to_cuda, ops.tensor_type = moving.to, moving.to_cuda, moving.tensor_type
ops.pin_memory, ops.is_pinned = moving.pin_memory, moving.is_pinned
ops.of_list = array
ops.bernoulli, ops.multinomial = discrete.bernoulli, discrete.multinomial
ops.copy, ops.as_shape, ops.view = manipulation.clone, as_shape, manipulation.view
ops.detach, ops.require_grad, ops.forget_history = views.detach, views.require_grad, views.forget_history
ops.backward, ops.register_hook = gradients.backward, accumulation.register_hook
ops.retain_grad, ops.retains_grad = accumulation.retain_grad, accumulation.retains_grad
ops.saved_value, ops.is_inference = saving.saved_value, tensor.is_inference
ops.register_post_accumulate_grad_hook = accumulation.register_post_accumulate_grad_hook

Tensor.__array_ufunc__ = numpy_functions._array_ufunc  # type: ignore[attr-defined]
Tensor.__array_function__ = numpy_functions._array_function  # type: ignore[attr-defined]
Tensor.to_dask_array = dask_protocol._to_dask_array  # type: ignore[attr-defined]
Tensor.__dask_tokenize__ = dask_protocol._dask_tokenize  # type: ignore[attr-defined]
Tensor.__dask_graph__ = dask_protocol._dask_graph  # type: ignore[attr-defined]
