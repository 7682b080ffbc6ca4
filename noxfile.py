"""What there is to run: `nox -l` lists it. Python and nox are all that has to be there before."""

import os
import re
import shutil
import subprocess
import sys

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "types"]

# PyTorch without CUDA, a tenth of the download, and of one version: the table it is in is committed.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH = "torch==2.13.0" if sys.platform == "darwin" else "torch==2.13.0+cpu"


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests and the documentation's examples on every backend present."""
    session.install("-e", ".[test]", "-e", "plugins/dualad-strict", "-e", cupy_plugin())
    session.run("pytest", *(session.posargs or ["-n", "auto"]))
    session.run(
        "pytest",
        "plugins/dualad-cupy/tests/test_unavailable.py",
        "plugins/dualad-strict/tests",
        "--deselect",
        "plugins/dualad-strict/tests/test_suite.py::test_the_suite_passes",
    )


@nox.session
def digits(session: nox.Session) -> None:
    """Train a classifier of handwritten digits; write digits.png."""
    plugins = ["-e", cupy_plugin()] if shutil.which("nvidia-smi") else []
    session.install("-e", ".[digits]", *plugins)
    session.run("python", "docs/examples/digits.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure dualad beside hand-written NumPy, PyTorch and HIPS autograd."""
    session.install("-e", ".[bench]", TORCH, "--extra-index-url", TORCH_INDEX)
    session.run("python", "-m", "benchmarks", *session.posargs)


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
    for source in (".", "plugins/dualad-cupy", "plugins/dualad-strict"):
        session.run("python", "-m", "build", "--outdir", "dist", source)


def cupy_plugin() -> str:
    """Return the CuPy plugin with the extra that fits this machine's driver, if it has one."""
    extra = ""
    if shutil.which("nvidia-smi"):
        shown = subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"CUDA Version:\s*(\d+)", shown)
        if version and int(version[1]) >= 12:
            extra = "[cuda13x]" if int(version[1]) >= 13 else "[cuda12x]"
    return f"plugins/dualad-cupy{extra}"
