"""What the tests that need a GPU have in common. They run on the double of CuPy too: see `test_on_double`."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import dualad_cupy
import pytest

BACKEND = dualad_cupy.CupyBackend()
DEVICES = [str(d) for d in BACKEND.devices()] if BACKEND.unavailable is None else []
needs_gpu = pytest.mark.skipif(not DEVICES, reason=f"needs a GPU: {BACKEND.unavailable}")
needs_two = pytest.mark.skipif(len(DEVICES) < 2, reason=f"needs two GPUs, there are {len(DEVICES)}")


@contextmanager
def no_waiting(monkeypatch):
    """Let whatever reads from the GPU, or waits for it, raise.

    CuPy itself tells of copies to the host and of waiting for a device, if it is asked; of waiting
    for a stream or an event it does not.
    """
    import cupy
    import cupyx

    def refuse(self):
        raise cupyx.DeviceSynchronized(f"{type(self).__name__}.synchronize was called")

    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy calls its watch unreliable: it may miss some
        for kind in (cupy.cuda.Stream, cupy.cuda.Event):
            patch.setattr(kind, "synchronize", refuse)
        with cupyx.allow_synchronize(False):
            yield
