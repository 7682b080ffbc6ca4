"""``python -m dualad``: what a bug report needs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from . import backends
from ._version import __version__

PACKAGES = (
    "numpy",
    "array-api-compat",
    "pluggy",
    "optree",
    "scipy",
    "array-api-strict",
    "cupy-cuda12x",
    "cupy-cuda13x",
)


def report() -> str:
    """Return versions, backends with their devices, and why one that is missing is missing."""
    lines = [f"dualad {__version__}", f"Python {platform.python_version()} on {platform.platform()}"]
    for package in PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    lines += ["", "backends:"]
    for backend in backends.all():
        if backend.unavailable is not None:
            lines.append(f"  {backend.name}: unavailable: {backend.unavailable}")
            continue
        for device in backend.devices():
            about = backend.describe(device)
            lines.append(f"  {backend.name}: {device}" + (f" ({about})" if about else ""))
    lines += [f"  plugin {name!r} failed to load: {why}" for name, why in backends.failures().items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
