"""PyTorch's ``torch.utils``, as far as it is about derivatives: checkpoints, and the handles of hooks."""

from . import checkpoint, hooks

__all__ = ["checkpoint", "hooks"]
