"""On a GPU: dualad's own suite, run on the backend."""

import subprocess
import sys
from pathlib import Path

import pytest
from gpu import BACKEND, needs_gpu

import dualad

ROOT = Path(__file__).parents[3]
pytestmark = needs_gpu


def test_it_is_found_by_its_entry_point():
    assert dualad.backends.get("cupy").device_types == ("cuda",)


@pytest.mark.parametrize("device", BACKEND.devices(), ids=str)
def test_arrays_go_to_every_gpu_and_back(device):
    array = dualad.rand(3).numpy()
    there = BACKEND.from_numpy(array, device)
    assert BACKEND.device_of(there) == device
    for other in BACKEND.devices():
        moved = BACKEND.to_device(there, other)
        assert BACKEND.device_of(moved) == other
        assert BACKEND.to_numpy(moved).tolist() == array.tolist()


def test_it_is_certified():
    certificate = dualad.testing.certify("cupy")
    assert certificate.passed, str(certificate)


def test_the_suite_passes():
    command = [sys.executable, "-m", "pytest", str(ROOT / "tests"), "--dualad-backend=cupy", "-q", "-x"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
