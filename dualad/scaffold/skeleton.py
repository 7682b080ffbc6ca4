"""Write the skeleton of a distribution that brings a backend."""

from __future__ import annotations

import keyword
import re
import shlex
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path
from string import Template

from .._version import __version__
from ..backends import HOOK_VERSION
from ..backends.registry import NUMPY, PLUGINS
from ..errors import BackendError

#: What is written, and from which template.
FILES = {
    "pyproject.toml": "pyproject.toml.tmpl",
    "README.md": "README.md.tmpl",
    "LICENSE": "LICENSE.tmpl",
    ".gitignore": "gitignore.tmpl",
    ".github/workflows/tests.yml": "tests.yml.tmpl",
    "src/%{module}/__init__.py": "backend.py.tmpl",
    "src/%{module}/py.typed": "py.typed.tmpl",
    "tests/test_backend.py": "test_backend.py.tmpl",
    "tests/test_certified.py": "test_certified.py.tmpl",
}


class _Template(Template):
    delimiter = "%"  # a dollar has a meaning of its own in CI files


def new_backend(
    name: str, library: str | None = None, device: str | None = None, into: str | Path = "."
) -> Path:
    """Write the skeleton of a distribution ``dualad-NAME`` and return its folder.

    Parameters
    ----------
    name : str
        The backend's name: lower-case letters, digits and single hyphens.
    library : str, optional
        The module that is the array library's namespace of standard functions; by default `name`.
    device : str, optional
        The device type; by default `name`.
    into : path, optional
        The folder in which ``dualad-NAME`` is made.

    Raises
    ------
    BackendError
        If a name cannot be used, if ``dualad-NAME`` is there and not empty, or if it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from dualad.scaffold import new_backend
    >>> new_backend("mylib", into=tempfile.mkdtemp()).name
    'dualad-mylib'
    """
    _check_name(name, has_library=library is not None)
    module = name.replace("-", "_")
    library = module if library is None else library
    device = module if device is None else device
    _check_library(library)
    _check_device(device)
    target = Path(into).expanduser() / f"dualad-{name}"
    words = {
        "name": name,
        "module": f"dualad_{module}",
        "class_name": "".join(part.capitalize() for part in name.split("-")) + "Backend",
        "library": library,
        "distribution": _distribution(library),
        "device": device,
        "dualad_version": __version__,
        "hook_version": str(HOOK_VERSION),
    }
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise BackendError(f"new-backend: {target} is there already; remove it or choose another --into")
        for path, template in FILES.items():
            file = target / _Template(path).substitute(words)
            file.parent.mkdir(parents=True, exist_ok=True)
            text = files(__package__).joinpath("templates", template).read_text("utf-8")
            file.write_text(_Template(text).substitute(words), "utf-8")
    except OSError as error:
        raise BackendError(f"new-backend: cannot write {target}: {error}") from None
    return target


def next_steps(target: Path) -> str:
    """Return what to do with a new skeleton, for the one who asked for it."""
    install, tests = shlex.quote(f"{target}[test]"), shlex.quote(str(target / "tests"))
    return (
        f"{target} is written. Next:\n"
        "  look at `dependencies` in its pyproject.toml: is that the name by which pip finds the library?\n"
        f"  python -m pip install -e {install}\n"
        "  python -m dualad   # is the backend listed?\n"
        f"  python -m pytest {tests}   # what is still to do?\n"
        "See docs/backends.md of dualad for what a backend may override."
    )


def _check_name(name: str, has_library: bool) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise BackendError(
            f"new-backend: {name!r} is no name for a backend; write lower-case letters, digits and single "
            "hyphens, beginning with a letter, such as mylib"
        )
    if name == NUMPY or f"dualad-{name}" in PLUGINS.values() or name.startswith("dualad"):
        hint = "leave dualad- out" if name.startswith("dualad-") else "choose another name"
        raise BackendError(f"new-backend: the name {name!r} is dualad's own; {hint}")
    if not has_library and keyword.iskeyword(name):
        raise BackendError(
            f"new-backend: no module has the name {name!r}, which is a word of Python's; write what one "
            "imports as --library MODULE"
        )


def _check_library(library: str) -> None:
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in library.split(".")):
        raise BackendError(
            f"new-backend: --library {library!r} is no module's name; write what one imports, such as "
            "mylib or mylib.array_api"
        )


def _check_device(device: str) -> None:
    if not device.isidentifier():
        raise BackendError(
            f"new-backend: --device {device!r} is no device type; write one word of letters, digits and "
            "underscores, without an index, such as mydevice"
        )
    owner = "NumPy" if device == "cpu" else PLUGINS.get(device.partition("_")[0])  # torch_cuda is torch's
    if owner is not None:
        raise BackendError(
            f"new-backend: the device type {device!r} is that of {owner}; choose another --device"
        )


def _distribution(library: str) -> str:
    """Return the distribution that a module comes with: the installed one, or the one of its name."""
    top = library.partition(".")[0]
    return re.sub(r"[-_.]+", "-", packages_distributions().get(top, [top])[0]).lower()
