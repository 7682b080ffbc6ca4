"""What docs/backends.md shows is done: its files are written, its backend installed, certified and used."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest
from distributions import GOOD, install, run

from dualad.backends import HOOK_VERSION, Backend
from dualad.backends.checks import REQUIRED
from dualad.backends.versions import GAINED

TEXT = (Path(__file__).parents[1] / "docs" / "backends.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([\w/.-]+)`:\n\n```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the files of the page, the distribution installed as its pyproject.toml says."""
    folder = tmp_path_factory.mktemp("beads")
    for name, text in FILES.items():
        path = folder / name.removeprefix("dualad-beads/src/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    project = tomllib.loads(FILES["dualad-beads/pyproject.toml"])["project"]
    (entry,) = project["entry-points"]["dualad"].items()
    install(folder, project["name"], None, version=project["version"], entry=" = ".join(entry))
    return folder


def test_the_page_has_the_files_that_it_speaks_of():
    assert list(FILES) == [
        "dualad-beads/src/beads.py",
        "dualad-beads/src/dualad_beads/__init__.py",
        "dualad-beads/pyproject.toml",
        "dualad-beads/tests/test_certified.py",
    ]


def test_the_example_is_certified(installed):
    result = run(installed, "-m", "pytest", "-q", "dualad-beads/tests", cwd=installed)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


def test_the_example_is_listed(installed):
    result = run(installed, "-m", "dualad")
    listed = re.search(r"^  beads: beads:0\n  beads: beads:1\n", TEXT, re.MULTILINE)
    assert listed is not None
    assert listed[0] in result.stdout
    assert "dualad-beads 0.1.0\n" in result.stdout


def test_the_programs_of_the_page_do_what_they_say(installed):
    (program,) = re.findall(r"^```python\n(import dualad\n\nx = .*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    program = re.sub(
        r"^(\S.*?)  # (device.*|a beads.Array)$", r"print(repr(\1))", program, flags=re.MULTILINE
    )
    result = run(installed, "-c", "import beads\n" + program)
    device, array = result.stdout.splitlines()
    assert device == "device(type='beads', index=1)"
    assert "beads.Array object" in array


def test_its_gap_is_a_gap(installed):
    result = run(installed, "-m", "dualad", "certify", "beads", "--only", "hooks", "--device", "beads:0")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Declared gaps:\n  hooks: dlpack: beads does not know DLPack" in result.stdout
    assert "1 gap" in result.stdout


# The table of hooks.

ROWS = {
    row[0].strip("`").partition("(")[0]: row
    for line in TEXT.partition("## The hooks, one by one")[2].partition("## Versions")[0].splitlines()
    if line.startswith("| `")
    for row in [[cell.strip() for cell in line.strip("|").split("|")]]
}


def test_the_table_has_every_hook_and_nothing_else():
    hooks = {*vars(Backend), *Backend.__annotations__}
    assert set(ROWS) == {name for name in hooks if not name.startswith("_")}


def _signature(name):
    """A method's signature as a caller sees it, without types."""
    whole = inspect.signature(getattr(Backend, name))
    own = [p.replace(annotation=p.empty) for p in list(whole.parameters.values())[1:]]
    return str(whole.replace(parameters=own, return_annotation=whole.empty))


def test_the_table_has_the_signature_of_every_method():
    methods = {n for n in ROWS if inspect.isfunction(vars(Backend).get(n))}
    assert {n: row[0] for n, row in ROWS.items()} == {
        n: f"`{n}{_signature(n)}`" if n in methods else f"`{n}`" for n in ROWS
    }


def test_each_hook_is_listed_once():
    table = TEXT.partition("## The hooks, one by one")[2].partition("## Versions")[0]
    assert table.count("\n| `") == len(ROWS)


def test_what_is_told_when_it_does_not_work_is_what_is_said(tmp_path):
    """The reasons of the table are those that dualad gives of a plugin spoiled in that way."""
    spoiled = {
        "the hook dualad_backends returned None: ": GOOD.replace("return [Good()]", "[Good()]"),
        "does not define the methods devices, ": GOOD + "del Good.devices, Good.to_numpy",
        ".array_types has 'object', ": GOOD + "Good.array_types = (object,)",
        "the device type 'cpu' is dualad's own, ": GOOD + "Good.device_types = ('cpu',)",
    }
    for number, (words, source) in enumerate(spoiled.items()):
        assert words in TEXT
        folder = tmp_path / str(number)
        folder.mkdir()
        install(folder, "dualad-rods", source)
        assert words in run(folder, "-m", "dualad").stdout


def test_the_table_says_what_is_required():
    attributes = {"name", "device_types", "array_types", "xp"}
    assert {name for name, row in ROWS.items() if row[2] == "required"} == {*REQUIRED, *attributes}


def test_the_table_says_which_arguments_came_when():
    told = {
        (name, argument): int(version)
        for name, row in ROWS.items()
        for argument, version in re.findall(r"`(\w+)` (\d+)", row[1])
    }
    assert told == GAINED


def test_the_table_and_the_example_know_the_current_version():
    assert max(int(v) for row in ROWS.values() for v in re.findall(r"\d+", row[1])) == HOOK_VERSION
    assert f"hook_version = {HOOK_VERSION}\n" in FILES["dualad-beads/src/dualad_beads/__init__.py"]
