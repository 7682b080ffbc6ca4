"""What both bridges do with lists of arguments and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def filled(leaves: list[Any], places: list[int], others: Sequence[Any]) -> list[Any]:
    """Return a list with others in some places."""
    filled = list(leaves)
    for i, x in zip(places, others, strict=True):
        filled[i] = x
    return filled
