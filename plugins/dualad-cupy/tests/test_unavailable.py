"""Without CuPy or a GPU the backend is there, cannot be used, and says why."""

import sys
import types

import dualad_cupy
import numpy as np
import pytest

import dualad


def fake_cupy(monkeypatch, get_device_count, zeros=np.zeros):
    """Put modules in the place of CuPy that have just what looking for GPUs needs."""
    cupy = types.ModuleType("cupy")
    cupy.ndarray = type("ndarray", (), {})
    runtime = types.SimpleNamespace(getDeviceCount=get_device_count)
    cupy.cuda = types.SimpleNamespace(runtime=runtime)
    cupy.zeros = zeros
    compat = types.ModuleType("array_api_compat.cupy")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupyx", types.ModuleType("cupyx"))
    monkeypatch.setitem(sys.modules, "array_api_compat.cupy", compat)


def no_driver():
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient\nsecond line")


def test_without_cupy_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # import cupy: ModuleNotFoundError
    backend = dualad_cupy.CupyBackend()
    assert "CuPy is not installed; install 'dualad-cupy[cuda12x]'" in backend.unavailable
    assert backend.devices() == []


def test_with_cupy_and_no_driver_it_gives_cudas_reason_in_one_line(monkeypatch):
    fake_cupy(monkeypatch, no_driver)
    backend = dualad_cupy.CupyBackend()
    assert backend.unavailable == (
        "CuPy is installed, but CUDA does not work: "
        "cudaErrorInsufficientDriver: CUDA driver version is insufficient"
    )


def test_with_cupy_and_no_gpu_it_says_so(monkeypatch):
    fake_cupy(monkeypatch, lambda: 0)
    assert dualad_cupy.CupyBackend().unavailable == "CuPy is installed, but CUDA reports no GPU"


def test_with_a_gpu_that_runs_no_kernel_it_says_so(monkeypatch):
    def zeros(n):
        raise RuntimeError("libnvrtc.so: cannot open shared object file")

    fake_cupy(monkeypatch, lambda: 1, zeros)
    backend = dualad_cupy.CupyBackend()
    assert backend.unavailable.endswith("libnvrtc.so: cannot open shared object file")


def test_with_gpus_it_lists_them(monkeypatch):
    fake_cupy(monkeypatch, lambda: 2)
    backend = dualad_cupy.CupyBackend()
    assert backend.unavailable is None
    assert backend.devices() == [dualad.device("cuda:0"), dualad.device("cuda:1")]


@pytest.mark.skipif(dualad_cupy.CupyBackend().unavailable is None, reason="there is a GPU")
def test_asking_for_the_device_says_why_it_is_not_there():
    reason = dualad_cupy.CupyBackend().unavailable
    with pytest.raises(dualad.errors.DeviceError, match="cupy backend is unavailable") as caught:
        dualad.ones(2, device="cuda")
    assert reason in str(caught.value)
    assert not dualad.cuda.is_available()
