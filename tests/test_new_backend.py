"""`python -m dualad new-backend`: a skeleton that works as it is written, and names that it refuses."""

import ast
import tomllib

import pytest
from distributions import install, run

import dualad
from dualad.__main__ import main
from dualad.scaffold import new_backend
from dualad.scaffold.skeleton import FILES

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
    # This library's dtypes warn when they are compared with NumPy's, whose hashes they have.
    calm = ["-W", "ignore:You are comparing a array_api_strict dtype"]
    result = run(source, "-m", "pytest", "-q", "-p", "alone", *calm, "-k", "not certified", cwd=project)
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
        (["class"], "--library 'class' is no module's name"),
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
