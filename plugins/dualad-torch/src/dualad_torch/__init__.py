"""PyTorch beside dualad: its tensors as a backend's arrays, and bridges between the two autograds.

The backend owns the device types ``torch`` (PyTorch's CPU), ``torch_cuda``, ``torch_mps`` and
``torch_xpu``. PyTorch's own autograd takes no part in what dualad computes; `to_torch` and
`from_torch` let the one differentiate functions of the other.
"""

from __future__ import annotations

from dualad.backends import Backend, hookimpl

from .backend import TorchBackend
from .dualad_in_torch import to_torch
from .torch_in_dualad import from_torch

__all__ = ["TorchBackend", "from_torch", "to_torch"]


@hookimpl
def dualad_backends() -> list[Backend]:
    """Return the backend."""
    return [TorchBackend()]
