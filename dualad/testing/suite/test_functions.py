"""The functions: values, first and second derivatives, dtypes, in every form of argument."""

from __future__ import annotations

import pytest

from dualad.testing.plugin import run_check

from .catalogue import FUNCTIONS


@pytest.mark.parametrize("check", FUNCTIONS, ids=str)
def test_function(check, device):
    run_check(check, device)
