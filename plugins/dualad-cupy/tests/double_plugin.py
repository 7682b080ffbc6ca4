"""A plugin of pytest, ``-p double_plugin``: the run sees the double of CuPy as CuPy.

It has two devices, or as many as DOUBLE_DEVICES says.
"""

import os

import fake_cuda
import fake_modules

fake_cuda.devices = int(os.environ.get("DOUBLE_DEVICES", "2"))
fake_modules.install()
