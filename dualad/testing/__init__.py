"""Checks of derivatives, for functions of one's own."""

from .functional import check_grads
from .gradcheck import gradcheck, gradgradcheck
from .report import GradcheckError

__all__ = ["GradcheckError", "check_grads", "gradcheck", "gradgradcheck"]
