"""What pytest learns of dualad wherever it is installed: one option.

This stands beside the package and not in it, for pytest imports it in every run, also in those that
have nothing to do with dualad. The package is imported only when the option is given.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names backends."""
    parser.getgroup("dualad").addoption(
        "--dualad-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="run the tests of dualad on the devices of this backend only; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a backend that there is not, or that cannot be used here, before any test runs."""
    if named := config.getoption("--dualad-backend"):
        import dualad
        from dualad.testing.devices import usable_devices

        for name in named:
            try:
                usable_devices(dualad.backends.get(name))
            except (dualad.BackendError, dualad.DeviceError) as error:
                raise pytest.UsageError(f"--dualad-backend: {error}") from None
