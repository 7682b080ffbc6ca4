"""``python -m dualad``: what a bug report needs, and the tools of those who write backends."""

from __future__ import annotations

import argparse
import platform
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, entry_points, version
from pathlib import Path

from . import backends, scaffold, testing
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
    _add_certify(commands.add_parser("certify", help="check a backend, and print what is wrong"))
    options = parser.parse_args(arguments)
    try:
        if options.command == "certify":
            return _certify(options)
        if options.command == "new-backend":
            written = scaffold.new_backend(options.name, options.library, options.device, options.into)
            print(scaffold.next_steps(written))
        else:
            print(report())
    except (DualadError, OSError) as error:
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


def _add_certify(parser: argparse.ArgumentParser) -> None:
    parser.description = "Check a backend function by function; the exit status is 1 if anything is wrong."
    parser.add_argument("name", metavar="NAME", help="the backend's name, such as numpy")
    parser.add_argument(
        "--only", metavar="PATTERN", action="append", default=[],
        help="a function, such as 'linalg.*', or a group of checks, such as threads; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        action="append",
        help="a device to look at; may be repeated (default: all)",
    )
    parser.add_argument("--quick", action="store_true", help="look at one example of each function only")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all that was found to a file")
    parser.add_argument("--badge", metavar="FILE", type=Path, help="write an endpoint badge for shields.io")


def _certify(options: argparse.Namespace) -> int:
    """Print a backend's certificate."""
    try:
        certificate = testing.certify(
            options.name,
            only=options.only,
            devices=options.device,
            quick=options.quick,
            progress=_count if sys.stderr.isatty() else None,
        )
    except ValueError as error:
        print(f"dualad: {error}", file=sys.stderr)
        return 2
    print(certificate)
    if options.json is not None:
        certificate.write(options.json)
    if options.badge is not None:
        certificate.write_badge(options.badge)
    return 0 if certificate.passed else 1


def _count(done: int, total: int) -> None:
    """Say how far a certification is, where somebody is waiting at a terminal."""
    end = "\r" if done < total else "\n"
    print(f"{done} of {total} checks", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
