"""The backend's tests are dualad's own suite, run on it."""

import subprocess
import sys
from pathlib import Path

import dualad_cupy
import numpy as np
import pytest

import dualad

ROOT = Path(__file__).parents[3]
BACKEND = dualad_cupy.CupyBackend()
pytestmark = pytest.mark.skipif(BACKEND.unavailable is not None, reason=str(BACKEND.unavailable))


def test_it_is_found_by_its_entry_point():
    assert dualad.backends.get("cupy").device_types == ("cuda",)


@pytest.mark.parametrize("device", BACKEND.devices(), ids=str)
def test_arrays_go_to_every_gpu_and_back(device):
    array = np.arange(3.0)
    there = BACKEND.from_numpy(array, device)
    assert BACKEND.device_of(there) == device
    np.testing.assert_array_equal(BACKEND.to_numpy(there), array)
    for other in BACKEND.devices():
        assert BACKEND.device_of(BACKEND.to_device(there, other)) == other


KEYS = [
    (2, 1),
    (slice(None, None, -2),),
    (np.array([0, 3, 3]),),
    (np.array([0, 3]), slice(None), np.array([1, 1])),
    (np.array([True, False, True, False]),),
    (np.array([True, False, True, False]), slice(None), np.array([1, 0])),
    (None, ..., 1),
]


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_reading_writing_and_adding_by_index_agree_with_numpy(key, dtype):
    x = np.arange(24).reshape(4, 3, 2).astype(dtype)
    value = np.arange(x[key].size).reshape(x[key].shape).astype(dtype) + 1
    device = BACKEND.devices()[0]
    on_gpu = lambda array: BACKEND.from_numpy(array, device)  # noqa: E731
    np.testing.assert_array_equal(BACKEND.to_numpy(BACKEND.getitem(on_gpu(x), key=key)), x[key])
    written, added = x.copy(), x.copy()
    written[key] = value
    np.add.at(added, key, value)
    there = BACKEND.setitem(on_gpu(x), on_gpu(value), key=key)
    np.testing.assert_array_equal(BACKEND.to_numpy(there), written)
    there = BACKEND.index_add(on_gpu(x), on_gpu(value), key=key)
    np.testing.assert_allclose(BACKEND.to_numpy(there), added)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers_repeat_with_their_seed(dtype):
    device = BACKEND.devices()[0]

    def draw(kind, **keywords):
        generator = BACKEND.generator(3, device)
        return BACKEND.to_numpy(BACKEND.random(generator, kind, (5,), np.dtype(dtype), device, **keywords))

    for kind, keywords in [("random", {}), ("standard_normal", {}), ("integers", {"low": 0, "high": 9})]:
        numbers = draw(kind, **keywords)
        assert numbers.dtype == dtype
        np.testing.assert_array_equal(numbers, draw(kind, **keywords))


def test_a_copied_generator_gives_the_same_numbers():
    device = BACKEND.devices()[0]

    def draw(generator):
        return BACKEND.to_numpy(BACKEND.random(generator, "random", (5,), np.dtype("float64"), device))

    generator = BACKEND.generator(3, device)
    draw(generator)
    copied = BACKEND.copy_generator(generator)
    numbers = draw(generator), draw(generator)
    np.testing.assert_array_equal(numbers, (draw(copied), draw(copied)))


def test_a_bug_report_names_the_gpu():
    assert "GiB free" in BACKEND.describe(BACKEND.devices()[0])


def test_the_suite_passes():
    suites = [str(ROOT / "tests"), str(ROOT / "dualad" / "testing" / "suite")]
    command = [sys.executable, "-m", "pytest", *suites, "--dualad-backend=cupy", "-q", "-x"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
