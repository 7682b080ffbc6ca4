"""Derivatives in PyTorch's form: of Tensors that require grad.

Examples
--------
>>> import dualad
>>> x = dualad.tensor([1.0, 2.0], requires_grad=True)
>>> dualad.autograd.grad((x * x).sum(), x)
(tensor([2., 4.]),)
"""

from ..engine.gradients import backward
from ..engine.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..engine.node import Node
from ..testing.gradcheck import gradcheck, gradgradcheck
from ..testing.report import GradcheckError
from . import forward_ad, function, functional, graph
from .anomaly import detect_anomaly, is_anomaly_check_nan_enabled, is_anomaly_enabled, set_detect_anomaly
from .derivatives import grad
from .function import Function

__all__ = [
    "Function", "GradcheckError", "Node", "backward", "detect_anomaly", "enable_grad", "forward_ad",
    "function", "functional", "grad", "gradcheck", "gradgradcheck", "graph", "inference_mode",
    "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip
