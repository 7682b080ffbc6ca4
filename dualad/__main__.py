"""``python -m dualad``: what a bug report needs, and the tools of those who write backends."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, entry_points, version
from pathlib import Path

from . import backends, scaffold, testing
from ._version import __version__
from .backends import Backend, Device
from .backends.device import devices_of
from .errors import DeviceError, DualadError


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
        for device in devices_of(backend):
            about = backend.describe(device)
            lines.append(f"{device}" + (f" ({about})" if about else ""))
    except DeviceError as error:
        lines.append(f"broken: {error} ({backends.origin(backend)})")
    except Exception as error:  # a report of what is broken must not break
        lines.append(f"broken: {type(error).__name__}: {error} ({backends.origin(backend)})")
    return lines


#: The exit status, as shells give it, of a command whose output nobody reads to its end (SIGPIPE).
_UNREAD = 128 + 13


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the arguments name; return the exit status.

    It is 0 if all is well, 1 if a certificate has faults, and 2 if the command could not be done.
    """
    parser = argparse.ArgumentParser(prog="python -m dualad", description="Tools of dualad.")
    parser.add_argument("--version", action="version", version=f"dualad {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("report", help="print versions, backends and devices, for a bug report; the default")
    _add_new_backend(commands.add_parser("new-backend", help="write the skeleton of a backend"))
    _add_certify(commands.add_parser("certify", help="check a backend, and print what is wrong"))
    options = parser.parse_args(arguments)
    try:
        status = _run(options)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, and not when Python ends, it shows that nobody reads
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNREAD
    except (DualadError, OSError) as error:
        print(f"dualad: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    if options.command == "certify":
        return _certify(options)
    if options.command == "new-backend":
        written = scaffold.new_backend(options.name, options.library, options.device, options.into)
        print(scaffold.next_steps(written))
    else:
        print(report())
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
    parser.description = (
        "Check a backend function by function; the exit status is 1 if anything is wrong, and 2 if there is "
        "nothing to check, such as no backend of that name."
    )
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
    for path in (options.json, options.badge):
        if path is not None and not _is_writable(path):
            print(f"dualad: cannot write {path}", file=sys.stderr)
            return 2
    try:
        certificate = testing.certify(
            options.name,
            only=options.only,
            devices=_each_once(backends.get(options.name), options.device),
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


def _each_once(backend: Backend, names: list[str] | None) -> list[Device] | None:
    """Return the devices of these names, without repetitions: ``rods`` is ``rods:0``."""
    if names is None:
        return None
    devices = [Device(name) for name in names]
    own = [backend.check_device(d) if d.type in backend.device_types else d for d in devices]
    return list(dict.fromkeys(own))


def _is_writable(path: Path) -> bool:
    return not path.is_dir() and os.access(path if path.exists() else path.parent, os.W_OK)


def _count(done: int, total: int) -> None:
    """Say how far a certification is, where somebody is waiting at a terminal."""
    end = "\r" if done < total else "\n"
    print(f"{done} of {total} checks", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
