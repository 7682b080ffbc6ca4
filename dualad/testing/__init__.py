"""Checks of derivatives, for functions of one's own."""

from .functional import check_grads
from .gradcheck import gradcheck, gradgradcheck
from .report import GradcheckError
from .rules import check_rule

__all__ = ["GradcheckError", "check_grads", "check_rule", "gradcheck", "gradgradcheck"]
