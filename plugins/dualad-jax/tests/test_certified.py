"""The backend passes dualad's certification kit, without a gap.

Here one example of each function is looked at: JAX compiles anew for each shape, and all of them take some
ten minutes: ``pytest --dualad-backend=jax --pyargs dualad.testing.suite``.
"""

import dualad
import dualad.testing


def test_it_is_certified():
    report = dualad.testing.certify("jax", devices=["jax:0"], quick=True)
    assert report.passed, str(report)
    assert not report.gaps
