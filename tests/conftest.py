"""Every test that takes `device` runs on all devices of the backends at hand, or of those named."""

import os

import pytest

import dualad
from dualad.engine.recording import observers

# Before SciPy is imported: it then asks arrays for their namespace (tests/consumers).
os.environ.setdefault("SCIPY_ARRAY_API", "1")


def pytest_addoption(parser):
    parser.addoption(
        "--backend", action="append", default=[], help="run on this backend only; may be repeated"
    )


def _backends(config):
    named = config.getoption("--backend")
    if named:
        return [dualad.backends.get(name) for name in named]
    return [b for b in dualad.backends.all() if b.unavailable is None]


def pytest_configure(config):
    try:
        config.stash[DEVICES] = [str(d) for b in _backends(config) for d in b.devices()]
    except dualad.BackendError as error:
        raise pytest.UsageError(f"--backend: {error}") from None


DEVICES = pytest.StashKey[list]()


def pytest_report_header(config):
    lines = ["devices: " + ", ".join(config.stash[DEVICES])]
    missing = [b for b in dualad.backends.all() if b.unavailable is not None]
    return lines + [f"skipped: all tests on {b.name}: {b.unavailable}" for b in missing]


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", metafunc.config.stash[DEVICES])


@pytest.fixture(autouse=True)
def _fresh_state():
    """Give each test the same random numbers, and the next one the modes that it expects."""
    dualad.manual_seed(0)
    yield
    dualad.set_default_dtype(dualad.float32)
    assert dualad.is_grad_enabled(), "a test left grad mode off"
    assert not observers(), "a test left somebody looking on"


def needs(dtype, device):
    """Skip the test where the device has no arrays of that dtype."""
    try:
        dualad.zeros(1, dtype=dtype, device=device)
    except dualad.DTypeError as error:
        pytest.skip(str(error))
