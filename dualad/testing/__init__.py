"""Checks of derivatives, for functions of one's own, and of backends."""

from .certificate import Certificate
from .certification import certify
from .functional import check_grads
from .gradcheck import gradcheck, gradgradcheck
from .report import GradcheckError
from .rules import check_rule

__all__ = [
    "Certificate",
    "GradcheckError",
    "certify",
    "check_grads",
    "check_rule",
    "gradcheck",
    "gradgradcheck",
]
