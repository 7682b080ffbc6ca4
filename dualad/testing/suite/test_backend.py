"""All that is not a function: a backend's methods, indexing, moves, memory, threads, errors and more."""

from __future__ import annotations

import pytest

from dualad.testing.plugin import run_check

from .catalogue import OTHERS


@pytest.mark.parametrize("check", OTHERS, ids=str)
def test_backend(check, device):
    run_check(check, device)
