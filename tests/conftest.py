"""Every test that takes `device` runs on all devices of the backends at hand, or of those named."""

import os

import dualad
from dualad.testing.plugin import devices, fresh_state, needs, pytest_generate_tests

__all__ = ["fresh_state", "needs", "pytest_generate_tests", "pytest_itemcollected", "pytest_report_header"]

# Before SciPy is imported: it then asks arrays for their namespace (tests/consumers).
os.environ.setdefault("SCIPY_ARRAY_API", "1")


def pytest_report_header(config):
    lines = ["devices: " + ", ".join(devices(config))]
    missing = [b for b in dualad.backends.all() if b.unavailable is not None]
    return lines + [f"skipped: all tests on {b.name}: {b.unavailable}" for b in missing]


def pytest_itemcollected(item):
    """Let ``-m device`` select what is worth running on another backend."""
    if "device" in getattr(item, "fixturenames", ()):
        item.add_marker("device")
