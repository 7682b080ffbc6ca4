"""``python -m dualad``: what a bug report needs, and the tools of those who write backends."""

from __future__ import annotations

import argparse
import platform
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, entry_points, version
from pathlib import Path

from . import backends, scaffold
from ._version import __version__
from .backends import Backend
from .errors import DualadError


def report() -> str:
    """Return versions, backends with their devices, and why one that is missing is missing."""
    lines = [f"dualad {__version__}", f"Python {platform.python_version()} on {platform.platform()}"]
    lines += _versions()
    lines += ["", "backends:"]
    for backend in backends.all():
        lines += [f"  {backend.name}: {about}" for about in _about(backend)]
    lines += [f"  {failure}" for failure in backends.failures()]
    return "\n".join(lines)


def _versions() -> list[str]:
    """Return the versions of what dualad and its plugins need, and of the plugins."""
    plugins = {e.dist.name: e.dist for e in entry_points(group="dualad") if e.dist is not None}
    needed = ["numpy", "array-api-compat", "pluggy", "optree", "scipy", *sorted(plugins)]
    for plugin in plugins.values():
        needed += sorted(_requirements(plugin))
    lines = []
    for package in dict.fromkeys(needed):
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return lines


def _requirements(distribution: Distribution) -> set[str]:
    names = {re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in distribution.requires or ()}
    return names - {"dualad"}


def _about(backend: Backend) -> list[str]:
    """Return a line for each device of a backend, or one that says why there is none."""
    if backend.unavailable is not None:
        return [f"unavailable: {backend.unavailable} ({backends.origin(backend)})"]
    lines = []
    try:
        for device in backend.devices():
            about = backend.describe(device)
            lines.append(f"{device}" + (f" ({about})" if about else ""))
    except Exception as error:  # a report of what is broken must not break
        lines.append(f"broken: {type(error).__name__}: {error} ({backends.origin(backend)})")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the arguments name; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dualad", description="Tools of dualad.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("report", help="print versions, backends and devices, for a bug report; the default")
    _add_new_backend(commands.add_parser("new-backend", help="write the skeleton of a backend"))
    options = parser.parse_args(arguments)
    try:
        if options.command == "new-backend":
            written = scaffold.new_backend(options.name, options.library, options.device, options.into)
            print(scaffold.next_steps(written))
        else:
            print(report())
    except DualadError as error:
        print(f"dualad: {error}", file=sys.stderr)
        return 1
    return 0


def _add_new_backend(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a distribution dualad-NAME with a backend, its tests and a CI file."
    parser.add_argument("name", metavar="NAME", help="the backend's name, such as mylib")
    parser.add_argument("--library", metavar="MODULE", help="the array library's namespace (default: NAME)")
    parser.add_argument("--device", metavar="TYPE", help="the device type that it gets (default: NAME)")
    parser.add_argument(
        "--into", metavar="DIR", type=Path, default=Path(), help="where to put dualad-NAME (default: here)"
    )


if __name__ == "__main__":
    sys.exit(main())
