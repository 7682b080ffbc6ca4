"""The backend passes dualad's certification kit, without a gap, and dualad's own suite."""

import subprocess
import sys
from pathlib import Path

import dualad.testing

ROOT = Path(__file__).parents[3]


def test_it_is_certified():
    report = dualad.testing.certify("torch")
    assert report.passed, str(report)
    assert not dualad.backends.get("torch").gaps


def test_the_suite_passes():
    command = [sys.executable, "-m", "pytest", "tests", "-m", "device", "--dualad-backend=torch", "-q", "-x"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
