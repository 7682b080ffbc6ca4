"""A plugin of pytest, ``-p double_plugin``: the run sees the double of CuPy, with two devices, as CuPy."""

import fake_modules

fake_modules.install()
