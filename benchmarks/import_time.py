"""What ``import dualad`` costs beside importing what it needs, in fresh interpreters."""

from __future__ import annotations

import os
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
    # Installed packages come with their bytecode; where it must not be written, ours has none.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(run.stdout)
