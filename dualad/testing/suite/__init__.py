"""The suite that a backend has to pass, as files of pytest.

Run it on a backend that is installed, from anywhere::

    pytest --dualad-backend=name --pyargs dualad.testing.suite
"""
