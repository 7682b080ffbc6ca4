"""What ``import dualad`` costs beside importing what it needs, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

NEEDED = "import numpy, array_api_compat, pluggy, optree"
TIMED = "from time import perf_counter as t; start = t(); {}; print(t() - start)"


def ratio(rounds: int) -> float:
    """Return the time of ``import dualad`` over that of its dependencies, the median by turns."""
    for statement in (NEEDED, "import dualad"):
        _seconds(statement)  # bytecode is compiled and files are read once
    return median(_seconds("import dualad") / _seconds(NEEDED) for _ in range(rounds))


def _seconds(statement: str) -> float:
    command = [sys.executable, "-c", TIMED.format(statement)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
