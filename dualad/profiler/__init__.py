"""Where a program spends its time and its memory: `dualad.profile`."""

from .recorder import profile
from .tables import Row

__all__ = ["Row", "profile"]
