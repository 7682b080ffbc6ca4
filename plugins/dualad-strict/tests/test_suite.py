"""The backend's tests are dualad's own suite, run on it."""

import subprocess
import sys
from pathlib import Path

import dualad_strict
import numpy as np
import pytest

import dualad

ROOT = Path(__file__).parents[3]
BACKEND = dualad_strict.StrictBackend()


def test_it_is_found_by_its_entry_point():
    assert dualad.backends.get("strict").device_types == ("strict",)


@pytest.mark.parametrize("device", BACKEND.devices(), ids=str)
def test_arrays_go_to_every_device_and_back(device):
    array = np.arange(3, dtype=np.int32)
    there = BACKEND.from_numpy(array, device)
    assert BACKEND.device_of(there) == device
    np.testing.assert_array_equal(BACKEND.to_numpy(there), array)


def test_the_copy_shares_no_memory():
    array = np.zeros(3, dtype=np.int32)
    there = BACKEND.from_numpy(array, BACKEND.devices()[0])
    array[0] = 1
    assert BACKEND.to_numpy(there)[0] == 0


def test_the_suite_passes():
    suites = [str(ROOT / "tests"), str(ROOT / "dualad" / "testing" / "suite")]
    command = [sys.executable, "-m", "pytest", *suites, "--dualad-backend=strict", "-q", "-x"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
