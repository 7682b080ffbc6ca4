"""What dualad asks of a backend, one example a function; ``python -m dualad certify dask`` has more."""

import dask

import dualad.testing


def test_it_is_certified():
    with dask.config.set(scheduler="synchronous"):
        certificate = dualad.testing.certify("dask", quick=True)
    assert certificate.passed, str(certificate)
