"""The skeleton of a backend's distribution: what ``python -m dualad new-backend`` writes.

The files are written from those in ``templates``, where ``%{name}`` and the like stand for what differs.
"""

from .skeleton import new_backend, next_steps

__all__ = ["new_backend", "next_steps"]
