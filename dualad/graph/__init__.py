"""Pictures of graphs, and what graphs keep alive.

Examples
--------
>>> import dualad
>>> x = dualad.tensor([1.0, 2.0], requires_grad=True)
>>> dualad.graph.draw(x.exp().sum())
<Picture of a graph: 2 ops, 1 leaf, 8 B saved>
"""

from .memory import Memory, memory
from .picture import Picture, draw

__all__ = ["Memory", "Picture", "draw", "memory"]
