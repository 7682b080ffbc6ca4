"""What there is to run. Python and nox are all that has to be there before.

nox -s tests                        the tests of every backend, each in an environment of its own
nox -s "tests(backend='torch')"     those of one backend
nox -s matrix                       the tests of every backend on every Python here, with the lowest and
                                    the newest dependencies that are allowed; takes an hour or two
nox -s "matrix-3.12(backend='numpy', dependencies='lowest')"

What follows -- goes to pytest. A Python, GPU or library that the machine cannot have is skipped by name.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from types import MappingProxyType

import nox
from nox.command import CommandFailed
from packaging.requirements import Requirement
from packaging.version import Version

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "lint", "types"]

BACKENDS = ["numpy", "strict", "cupy", "torch", "jax", "dask"]
# The extras of dualad and its plugins that the tests need, beside the tools that they run with.
EXTRAS = ("special", "graph", "distributed", "cuda12x", "cuda13x")
PYTHONS = ["3.11", "3.12", "3.13"]
# pyenv's Pythons are here, too, whichever of them it puts forward.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, sorted(PYENV.glob("versions/*/bin")))])

# PyTorch without CUDA, a tenth of the download. It is of one version: the benchmarks' table is committed.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH = "2.13.0"


@nox.session
@nox.parametrize("backend", BACKENDS)
def tests(session: nox.Session, backend: str) -> None:
    """Run the tests of a backend; numpy: also all tests that ask for no device, and the docs."""
    if backend == "torch":
        install_torch(session)
    install(session, backend)
    run_tests(session, backend)


@nox.session(python=PYTHONS, reuse_venv=False)
@nox.parametrize("dependencies", ["lowest", "newest"])
@nox.parametrize("backend", BACKENDS)
def matrix(session: nox.Session, backend: str, dependencies: str) -> None:
    """Run the tests of a backend on this Python with these versions of what dualad needs."""
    versions = lowest(backend) if dependencies == "lowest" else {}
    if backend == "torch":
        try:
            install_torch(session, str(versions.get("torch", TORCH)))
        except CommandFailed:
            session.skip(f"no CPU build of PyTorch for Python {session.python} is to be had; see above")
    install(session, backend, versions)
    run_tests(session, backend)


@nox.session
def digits(session: nox.Session) -> None:
    """Train a classifier of handwritten digits; write digits.png."""
    plugins = ["-e", cupy_plugin()] if shutil.which("nvidia-smi") else []
    session.install("-e", ".[digits]", *plugins)
    session.run("python", "docs/examples/digits.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure dualad beside hand-written NumPy, PyTorch and HIPS autograd."""
    install_torch(session)
    session.install("-e", ".[bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def bench_cuda(session: nox.Session) -> None:
    """Measure dualad on this machine's GPU, beside CuPy by hand, PyTorch and JAX; the downloads are large."""
    if not shutil.which("nvidia-smi"):
        session.skip("nvidia-smi finds no GPU")
    cuda = "cuda13" if "cuda13x" in cupy_plugin() else "cuda12"
    session.install("-e", ".[bench]", "-e", cupy_plugin(), f"jax[{cuda}]")
    session.run("python", "-m", "benchmarks.cuda", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the official suite of the array API standard, which lies where ARRAY_API_TESTS says.

    That is a checkout of github.com/data-apis/array-api-tests with its submodule.
    """
    suite = os.environ.get("ARRAY_API_TESTS")
    if not suite or not os.path.isdir(os.path.join(suite, "array_api_tests")):
        session.skip("set ARRAY_API_TESTS to a checkout of data-apis/array-api-tests with its submodule")
    xfails = os.path.abspath("tests/conformance_xfails.txt")
    session.install("-e", ".", "pytest", "pytest-xdist", "pytest-json-report", "hypothesis", "ndindex")
    session.chdir(suite)
    session.run(
        "pytest", "-n", "auto", "array_api_tests", "--xfails-file", xfails, "--max-examples", "100",
        "--derandomize", "--disable-deadline", "-p", "no:cacheprovider", *session.posargs,
        env={"ARRAY_API_TESTS_MODULE": "dualad", "ARRAY_API_TESTS_VERSION": "2025.12"},
    )  # fmt: skip


@nox.session
def programs(session: nox.Session) -> None:
    """Hold 20,000 random programs, or so many, from a seed on, to the laws of derivatives."""
    session.install("-e", ".[test]")
    session.run("python", "tests/programs.py", *(session.posargs or ["20000"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layout."""
    session.install("ruff>=0.12")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the package's types, strictly."""
    session.install("-e", ".[types]")
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run the examples of the README, the docs and the docstrings."""
    session.install("-e", ".[test]")
    session.run("pytest", "README.md", "docs", "dualad", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the distributions of dualad and of its plugins into dist/."""
    session.install("build")
    for source in (".", *sorted(str(path) for path in Path("plugins").iterdir())):
        session.run("python", "-m", "build", "--outdir", "dist", source)


def install(session: nox.Session, backend: str, versions: dict[str, Version] = MappingProxyType({})) -> None:
    """Install dualad and the plugin of a backend, and of what they need the versions that are given."""
    extra = {"cupy": ["-e", cupy_plugin()], "dask": ["-e", "plugins/dualad-dask[distributed]"]}
    plugin = extra.get(backend, ["-e", f"plugins/dualad-{backend}"] if backend in ("torch", "jax") else [])
    constraints = Path(session.create_tmp(), "versions.txt")
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
    # The referee is part of some tests, whatever the backend.
    session.install("--constraint", str(constraints), "-e", ".[test]", "-e", "plugins/dualad-strict", *plugin)


def install_torch(session: nox.Session, version: str = TORCH) -> None:
    """Install PyTorch's CPU build; what it needs comes with whatever needs PyTorch."""
    build = version if sys.platform == "darwin" else f"{version}+cpu"
    # An index that cannot be reached is not waited for: the build may lie on the disk.
    session.install("--no-deps", "--retries", "0", "--index-url", TORCH_INDEX, f"torch=={build}")


def lowest(backend: str) -> dict[str, Version]:
    """Return the lowest version allowed of each package that dualad and the plugin of a backend need."""
    needed: dict[str, Version] = {}
    tools: dict[str, Version] = {}
    plugin = "strict" if backend == "numpy" else backend
    for source in dict.fromkeys([".", "plugins/dualad-strict", f"plugins/dualad-{plugin}"]):
        project = tomllib.loads(Path(source, "pyproject.toml").read_text("utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        note_bounds(needed, [*project["dependencies"], *chain(*(extras.get(name, ()) for name in EXTRAS))])
        note_bounds(tools, extras.get("test", ()))
    needed.pop("dualad", None)
    # What the tests need newer than dualad does cannot be tested lower.
    return {name: max(version, tools.get(name, version)) for name, version in needed.items()}


def note_bounds(bounds: dict[str, Version], requirements: Iterable[str]) -> None:
    """Put down the lower bounds that requirements set."""
    for requirement in map(Requirement, requirements):
        for version in (Version(s.version) for s in requirement.specifier if s.operator == ">="):
            bounds[requirement.name] = max(version, bounds.get(requirement.name, version))


def run_tests(session: nox.Session, backend: str) -> None:
    """Run the tests of a backend, and those of its plugin."""
    arguments = [f"--dualad-backend={backend}", *(session.posargs or ["-n", "auto"])]
    has_gpu = shutil.which("nvidia-smi") is not None
    if backend == "numpy":
        session.run("pytest", *arguments)
        return
    # torch, jax and dask are slow on small arrays: their plugins' tests certify them, which has to do.
    if backend == "strict" or (backend == "cupy" and has_gpu):
        session.run("pytest", "tests", "-m", "device", *arguments)
        session.run("pytest", "dualad/testing/suite", *arguments)
    # Some have a test that runs what is above, for those who have the plugin's tests alone.
    arguments = ["-k", "not the_suite_passes", *arguments[1:]]
    session.run("pytest", f"plugins/dualad-{backend}/tests", *arguments)
    if backend == "cupy" and not has_gpu:
        session.skip("cupy: nvidia-smi finds no GPU; only the tests that need none were run")


def cupy_plugin() -> str:
    """Return the CuPy plugin with the extra that fits this machine's driver, if it has one."""
    extra = ""
    if shutil.which("nvidia-smi"):
        shown = subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"CUDA Version:\s*(\d+)", shown)
        if version and int(version[1]) >= 12:
            extra = "[cuda13x]" if int(version[1]) >= 13 else "[cuda12x]"
    return f"plugins/dualad-cupy{extra}"
