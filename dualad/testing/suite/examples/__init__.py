"""The examples of all rooms of ops: a file for each room.

An `Example` is a function of Tensors and the arrays it is called with. The checks put them on each
device and in each dtype.
"""

from . import core, cumulative, fourier, linalg, random, special
from .example import Example

_ROOMS = (core, linalg, fourier, cumulative, special, random)
EXAMPLES: list[Example] = [e for room in _ROOMS for e in room.EXAMPLES]

__all__ = ["EXAMPLES", "Example"]
