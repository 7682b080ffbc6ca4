"""Real distributions in a folder, as `pip` would install them there, for programs of their own."""

import os
import subprocess
import sys
from textwrap import dedent

#: A backend that is complete, to be spoiled by what is added below it.
GOOD = """
import numpy as np
from dualad.backends import Backend, Device, hookimpl

class Rods:
    def __init__(self, values): self.values, self.shape, self.dtype = values, values.shape, values.dtype

class Good(Backend):
    name = "rods"
    device_types = ("rods",)
    array_types = (Rods,)
    xp = np
    def devices(self): return [Device("rods", 0)]
    def native_device(self, device): return None
    def device_of(self, array): return Device("rods", 0)
    def from_numpy(self, array, device): return Rods(array.copy())
    def to_numpy(self, array): return array.values

@hookimpl
def dualad_backends(): return [Good()]
"""


def install(folder, name, source, *, version="0.3.1", entry=None, requires=()):
    """Write a distribution with one module and one entry point; return the module's name.

    A `source` of None leaves the module out.
    """
    module = name.replace("-", "_")
    if source is not None:
        (folder / f"{module}.py").write_text(dedent(source), "utf-8")
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    needed = "".join(f"Requires-Dist: {r}\n" for r in requires)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}", "utf-8"
    )
    (info / "entry_points.txt").write_text(f"[dualad]\n{entry or f'rods = {module}'}\n", "utf-8")
    return module


def run(folder, *arguments, **keywords):
    """Run Python with the distributions of a folder; return the finished process, its output as text."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path}, **keywords,
    )  # fmt: skip
