"""`python -m dualad new-backend`: a skeleton that works as it is written, and names that it refuses."""

import ast
import os
import shlex
import subprocess
import sys
import tomllib

import pytest
from distributions import install, run

import dualad
from dualad.__main__ import main
from dualad.scaffold import new_backend
from dualad.scaffold.skeleton import FILES

#: Device types of dualad's own, with the names of their backends.
OWN = {"cuda": "cupy", "dask": "dask", "jax": "jax", "strict": "strict", "torch_cuda": "torch"}

#: Before pytest starts: of the installed plugins only the new one, for it claims array-api-strict's arrays.
ALONE = """
import importlib.metadata as metadata

found = metadata.entry_points

def entry_points(**keywords):
    entries = found(**keywords)
    return [e for e in entries if e.name == "referee"] if keywords == {"group": "dualad"} else entries

metadata.entry_points = entry_points
"""


def test_the_skeleton_of_a_real_library_passes_its_tests(tmp_path):
    arguments = ["referee", "--library", "array_api_strict", "--into", str(tmp_path)]
    written = run(tmp_path, "-m", "dualad", "new-backend", *arguments)
    assert written.returncode == 0, written.stderr
    project = tmp_path / "dualad-referee"
    assert f"{project} is written." in written.stdout
    settings = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    assert settings["name"] == "dualad-referee"
    assert "array-api-strict" in settings["dependencies"]
    (entry,) = settings["entry-points"]["dualad"].items()
    source = project / "src"
    install(source, settings["name"], None, version=settings["version"], entry=" = ".join(entry))
    (source / "alone.py").write_text(ALONE, "utf-8")
    result = run(source, "-m", "pytest", "-q", "-p", "alone", "-k", "not certified", cwd=project)
    assert result.returncode == 0, result.stdout + result.stderr
    # Its last test certifies the whole, on five devices: here some of it.
    program = (
        "import alone, dualad.testing\n"
        "report = dualad.testing.certify('referee', devices=['referee:1'], quick=True)\n"
        "assert report.passed, str(report)\n"
    )
    result = run(source, "-c", program)
    assert result.returncode == 0, result.stderr


def test_the_skeleton_of_a_library_that_is_not_there_says_so(tmp_path):
    project = new_backend("beadlib", into=tmp_path)
    install(project / "src", "dualad-beadlib", None, entry="beadlib = dualad_beadlib")
    result = run(project / "src", "-W", "error", "-m", "dualad")
    missing = "  beadlib: unavailable: beadlib is not installed; python -m pip install beadlib (dualad-beadlib 0.3.1)"
    assert missing in result.stdout
    assert result.stderr == ""


def test_the_files_are_complete(tmp_path):
    project = new_backend("my-lib", library="mylib.array_api", device="gadget", into=tmp_path)
    written = {str(p.relative_to(project)) for p in project.rglob("*") if p.is_file()}
    assert written == {path.replace("%{module}", "dualad_my_lib") for path in FILES}
    for path in project.rglob("*.py"):
        ast.parse(path.read_text("utf-8"))
    backend = (project / "src/dualad_my_lib/__init__.py").read_text("utf-8")
    assert "class MyLibBackend(Backend):" in backend
    assert "import mylib.array_api as xp" in backend
    settings = (project / "pyproject.toml").read_text("utf-8")
    assert '# Check this name: "mylib" was found or guessed' in settings
    assert tomllib.loads(settings)["project"]["dependencies"][1] == "mylib"
    assert 'device_types = ("gadget",)' in backend
    assert "%{" not in "".join(p.read_text("utf-8") for p in project.rglob("*") if p.is_file())
    assert "python-version: ${{ matrix.python }}" in (project / ".github/workflows/tests.yml").read_text(
        "utf-8"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["My Lib"], "'My Lib' is no name for a backend"),
        (["-lib"], "unrecognized arguments|required: NAME"),
        (["lib-"], "'lib-' is no name for a backend"),
        (["3d"], "'3d' is no name for a backend"),
        ([""], "'' is no name for a backend"),
        (["../lib"], "'../lib' is no name for a backend"),
        (["numpy"], "the name 'numpy' is dualad's own; choose another name"),
        (["dualad-mylib"], "the name 'dualad-mylib' is dualad's own; leave dualad- out"),
        (["lib", "--library", "my-lib"], "--library 'my-lib' is no module's name"),
        (["lib", "--library", "my..lib"], "--library 'my..lib' is no module's name"),
        (
            ["class"],
            "no module has the name 'class', which is a word of Python's; write what one imports as --library",
        ),
        (["lib", "--library", "class"], "--library 'class' is no module's name"),
        *(
            (["lib", "--device", d], f"the device type '{d}' is that of dualad-{p}; choose another")
            for d, p in OWN.items()
        ),
        *(([name], f"the name '{name}' is dualad's own; choose another name") for name in OWN.values()),
        (["lib", "--device", "lib:0"], "--device 'lib:0' is no device type"),
        (["lib", "--device", "cpu"], "the device type 'cpu' is that of NumPy"),
    ],
)
def test_names_that_cannot_be_used_are_refused(tmp_path, capsys, arguments, words):
    try:
        status = main(["new-backend", *arguments, "--into", str(tmp_path)])
    except SystemExit as left:  # argparse's own refusals
        status = left.code
    assert status != 0
    told = capsys.readouterr().err
    assert any(w in told for w in words.split("|")), told
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_a_word_of_python_will_do_for_a_library_of_another(tmp_path):
    source = new_backend("class", library="mylib", into=tmp_path) / "src/dualad_class/__init__.py"
    assert "class ClassBackend(Backend):" in source.read_text("utf-8")


def test_a_folder_may_be_in_the_home_and_have_spaces_in_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["new-backend", "mylib", "--into", "~/my work"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["my work"]
    project = tmp_path / "my work" / "dualad-mylib"
    commands = [shlex.split(line, comments=True) for line in capsys.readouterr().out.splitlines()[2:5]]
    assert commands == [
        ["python", "-m", "pip", "install", "-e", f"{project}[test]"],
        ["python", "-m", "dualad"],
        ["python", "-m", "pytest", str(project / "tests")],
    ]


def test_a_library_that_warns_when_it_is_imported_is_no_failure(tmp_path):
    project = new_backend("beadlib", into=tmp_path)
    install(project / "src", "dualad-beadlib", None, version="0.1.0", entry="beadlib = dualad_beadlib")
    (project / "src" / "beadlib.py").write_text(
        "import warnings\nfrom array_api_strict import *\n"
        "from array_api_strict import __array_namespace_info__\n"
        "warnings.warn('the beads are old', DeprecationWarning, stacklevel=2)\n",
        "utf-8",
    )
    (project / "src" / "alone.py").write_text(ALONE.replace("referee", "beadlib"), "utf-8")
    found = "tests/test_backend.py::test_it_is_found_by_its_entry_point"
    result = run(project / "src", "-m", "pytest", "-q", "-p", "alone", found, cwd=project)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "the beads are old" in result.stdout, "but it is shown"


def test_a_folder_that_is_not_empty_stays_as_it_is(tmp_path):
    (tmp_path / "dualad-mylib").mkdir()
    (tmp_path / "dualad-mylib" / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(
        dualad.BackendError, match="dualad-mylib is there already; remove it or choose another --into"
    ):
        new_backend("mylib", into=tmp_path)
    assert [p.name for p in (tmp_path / "dualad-mylib").iterdir()] == ["notes.txt"]
    (tmp_path / "dualad-other").mkdir()
    assert new_backend("other", into=tmp_path).is_dir(), "an empty one will do"


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(dualad.BackendError, match=r"new-backend: cannot write .*file"):
        new_backend("mylib", into=tmp_path / "file")


def test_without_a_command_there_is_the_report(capsys):
    assert main([]) == 0
    plain = capsys.readouterr().out
    assert main(["report"]) == 0
    assert capsys.readouterr().out == plain
    assert plain.startswith(f"dualad {dualad.__version__}\n")


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    for command in ("report", "new-backend", "certify"):
        assert f"\n    {command}" in told


def test_the_version(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"dualad {dualad.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["abacus"], "there is no backend 'abacus'"),
        (["numpy", "--device", "abacus"], "certify: abacus is no device of the numpy backend"),
        (["numpy", "--device", "cpu:5"], "there is no device cpu:5"),
        (["numpy", "--device", "cpu::"], "not a device: 'cpu::'"),
        (["numpy", "--only", "sums"], "names nothing"),
    ],
)
def test_what_cannot_be_certified_is_no_fault(capsys, arguments, words):
    assert main(["certify", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_device_named_twice_is_looked_at_once(capsys):
    twice = ["--device", "cpu", "--device", "cpu:0"]
    assert main(["certify", "numpy", "--quick", "--only", "exp", *twice]) == 0
    assert "PASSED: numpy on cpu, " in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="Windows tells in another way that nobody reads")
def test_nobody_reads_to_the_end():
    command = [sys.executable, "-m", "dualad"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 128 + 13
