"""Every test that takes `device` runs on all devices of the backends at hand, or of those named."""

from dualad.testing.plugin import fresh_state, pytest_generate_tests

__all__ = ["fresh_state", "pytest_generate_tests"]
