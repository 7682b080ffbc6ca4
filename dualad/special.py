"""Special functions: what SciPy's array API support asks of a namespace's ``special``.

The values are SciPy's; ``pip install 'dualad[special]'`` brings it.
"""

from .ops.special import *  # noqa: F403  its names are listed once
from .ops.special import __all__ as __all__
