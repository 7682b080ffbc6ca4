"""A plugin of pytest, ``-p double_plugin``: the run sees the double of CuPy as CuPy.

It has two devices, or as many as DOUBLE_DEVICES says. To import this changes nothing, as pytest does
where it looks for examples in modules.
"""

import os

import fake_cuda
import fake_modules


def pytest_load_initial_conftests():
    """Put the double there before anything asks for CuPy."""
    fake_cuda.devices = int(os.environ.get("DOUBLE_DEVICES", "2"))
    fake_modules.install()
