"""Optimizers: they change parameters by their gradients, in PyTorch's form.

Parameters may be on any device, also on several: an update is made of the same ops as any other
program, so it runs wherever the parameter is.
"""

from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
