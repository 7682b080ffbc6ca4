"""Without a GPU: the tests that need one, run on a double of CuPy that computes with NumPy.

They hold what the plugin itself does. What CuPy and a GPU do, they cannot: see `fake_cupy`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SUITE = ROOT / "dualad" / "testing" / "suite"
OWN = sorted(HERE.glob("test_gpu_*.py"))
PROGRAMS = [ROOT / "tests" / f"test_{name}.py" for name in ("inplace", "tutorials", "optim", "checkpoint")]


def _run(*arguments, devices):
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-p",
            "double_plugin",
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "DOUBLE_DEVICES": str(devices)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert " passed" in result.stdout


@pytest.mark.parametrize("devices", [1, 2])
def test_the_plugins_own(devices):
    _run(*map(str, OWN), devices=devices)


@pytest.mark.parametrize("devices", [1, 2])
def test_the_certification_of_a_backend(devices):
    _run(str(SUITE / "test_backend.py"), "--dualad-backend=cupy", devices=devices)


def test_the_walk_of_the_registry():
    _run(str(SUITE / "test_functions.py"), "--dualad-backend=cupy", devices=1)


def test_programs_of_dualads_own_tests():
    _run(*map(str, PROGRAMS), "--dualad-backend=cupy", "-m", "device", devices=2)
