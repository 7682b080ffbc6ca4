"""For tests that run on all devices: the fixture `device`, and what else such tests need.

A ``conftest.py`` takes from here what the tests of its folder are to have::

    from dualad.testing.plugin import fresh_state, pytest_generate_tests

The devices are those of the backends named by pytest's option ``--dualad-backend``, or of all that
can be used here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import dualad
from dualad.backends import Backend
from dualad.engine.recording import observers

from .devices import usable_devices

if TYPE_CHECKING:
    from .suite.catalogue import Check


def backends(config: pytest.Config) -> list[Backend]:
    """Return the backends that a run of pytest is for."""
    named = config.getoption("--dualad-backend")
    if named:
        return [dualad.backends.get(name) for name in named]
    return [b for b in dualad.backends.all() if b.unavailable is None]


def devices(config: pytest.Config) -> list[str]:
    """Return the devices that a run of pytest is for."""
    return [str(d) for b in backends(config) for d in usable_devices(b)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that takes `device` on each of the devices."""
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", devices(metafunc.config))


@pytest.fixture(autouse=True)
def fresh_state() -> Iterator[None]:
    """Give each test the same random numbers, and the next one the modes that it expects."""
    dualad.manual_seed(0)
    yield
    dualad.set_default_dtype(dualad.float32)
    assert dualad.is_grad_enabled(), "a test left grad mode off"
    assert not observers(), "a test left somebody looking on"


def needs(dtype: dualad.DType, device: Any) -> None:
    """Skip the test where the device has no arrays of that dtype."""
    try:
        dualad.zeros(1, dtype=dtype, device=device)
    except dualad.DTypeError as error:
        pytest.skip(str(error))


def run_check(check: Check, device: str) -> None:
    """Run one of the suite's checks, in the words of pytest.

    What the device lacks is skipped, and what fails as the backend's `gaps` declare is expected to.
    """
    from .suite.cases import NotHere, backend_of
    from .suite.catalogue import declared_gap

    backend = backend_of(device)
    try:
        check(device)
    except NotHere as reason:
        pytest.skip(str(reason))
    except Exception as error:
        gap = declared_gap(check, backend, error)
        if gap is None:
            raise
        pytest.xfail(f"{backend.name} declares a gap, {gap}: {backend.gaps[gap]}")
