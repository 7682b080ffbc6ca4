"""The handles that registering a hook gives, under PyTorch's name."""

from ..engine.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
