"""Plugins that are broken, old, new or at odds: each is named with its distribution, and dualad goes on."""

import pytest
from distributions import GOOD, install, run

from dualad.backends import HOOK_VERSION, Backend, Device

#: Asks for the device, for the backend, for the failures; then works on the CPU all the same.
PROGRAM = """
import dualad
for ask in (lambda: dualad.ones(1, device="rods"), lambda: dualad.backends.get("rods")):
    try:
        ask()
    except (dualad.DeviceError, dualad.BackendError) as error:
        print(type(error).__name__, error)
for failure in dualad.backends.failures():
    print(failure.distribution, failure.version, failure)
x = dualad.tensor([3.0], requires_grad=True)
(x * x).sum().backward()
print(x.grad.tolist())
"""

SPOILED = {
    "raises on import": ("raise RuntimeError('the beads\\nare loose')", "RuntimeError: the beads are loose"),
    "leaves on import": ("raise SystemExit('bye')", "SystemExit: bye"),
    "library absent": ("import no_such_beads", "it needs the module 'no_such_beads', which is not installed"),
    "part of itself absent": ("import dualad_rods.parts", "it lacks its own module 'dualad_rods.parts'"),
    "no module": (None, "its entry point names the module 'dualad_rods', which is not there"),
    "no hook": ("x = 1", "has no hook dualad_backends: mark one with hookimpl"),
    "hook not marked": (GOOD.replace("@hookimpl", ""), "has no hook dualad_backends"),
    "hook gives no list": (GOOD + "    \n@hookimpl\ndef dualad_backends(): return 5", "dualad_backends returned 5; it must return a list"),
    "hook gives None": (GOOD.replace("return [Good()]", "[Good()]"), "the hook dualad_backends returned None: it must return a list of backends; is a return missing?"),
    "hook gives nothing": (GOOD.replace("return [Good()]", "return []"), "the hook dualad_backends returned no backend; return one that cannot be used as well"),
    "hook gives a backend": (GOOD.replace("[Good()]", "Good()"), "returned a Good, not a list: return [Good()]"),
    "hook gives the class": (GOOD.replace("[Good()]", "[Good]"), "returned the class Good, not an instance"),
    "hook gives rubbish": (GOOD.replace("[Good()]", "['rods']"), "returned 'rods' in its list, which is no dualad.backends.Backend"),
    "hook raises": (GOOD.replace("return [Good()]", "return 1 / 0"), "ZeroDivisionError: division by zero"),
    "hook of a newer dualad": (GOOD.replace("dualad_backends()", "dualad_backends(moon)"), "upgrade dualad or dualad-rods"),
    "too new": (GOOD + "Good.hook_version = 99", f"Good is written for version 99 of the hooks, and this dualad has version {HOOK_VERSION}: upgrade dualad"),
    "too old": (GOOD + "Good.hook_version = 0", f"this dualad knows versions 1 to {HOOK_VERSION}: upgrade dualad-rods"),
    "version no number": (GOOD + "Good.hook_version = '2'", "Good.hook_version is '2'; it must be an int"),
    "no method": (GOOD + "del Good.device_of", "Good does not define the method device_of, which has no default"),
    "no methods": (GOOD + "del Good.device_of, Good.devices", "Good does not define the methods devices, device_of, which have no default"),
    "method no function": (GOOD + "Good.getitem = 3", "Good.getitem is 3; it must be a method"),
    "no name": (GOOD + "del Good.name", "Good.name is None; it must be a str"),
    "device types a str": (GOOD + "Good.device_types = 'rods'", "Good.device_types is 'rods'; it must be a tuple of identifiers"),
    "device type with an index": (GOOD + "Good.device_types = ('rods:0',)", "it must be a tuple of identifiers"),
    "array types a class": (GOOD + "Good.array_types = Rods", "Good.array_types is <class"),
    "no array types": (GOOD + "Good.array_types = ()", "Good.array_types is (); it must be a tuple of classes"),
    "array type of all": (GOOD + "Good.array_types = (Rods, object)", "Good.array_types has 'object', which Python's own numbers or lists are of too"),
    "array type of Python": (GOOD + "Good.array_types = (memoryview,)", "Good.array_types has 'memoryview'"),
    "array type abstract": (GOOD + "from collections.abc import Sized\nGood.array_types = (Sized,)", "Good.array_types has 'Sized'"),
    "no namespace": (GOOD + "Good.xp = None", "Good.xp is None; it must be a namespace of the array API standard"),
    "unavailable a flag": (GOOD + "Good.unavailable = True", "Good.unavailable is True; it must be None or the reason"),
    "gaps a list": (GOOD + "Good.gaps = ['sum']", "Good.gaps is ['sum']; it must be a mapping"),
    "streams a number": (GOOD + "Good.has_streams = 1", "Good.has_streams is 1; it must be True or False"),
    "the CPU claimed": (GOOD + "Good.device_types = ('cpu',)", "the device type 'cpu' is dualad's own, of its backend 'numpy'; choose another"),
    "NumPy's arrays claimed": (GOOD + "Good.array_types = (np.ndarray,)", "the array type 'ndarray' is dualad's own"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "reason"), SPOILED.values(), ids=SPOILED)
def test_a_plugin_that_cannot_be_loaded_is_named_with_its_distribution(tmp_path, source, reason):
    install(tmp_path, "dualad-rods", source)
    result = run(tmp_path, "-c", PROGRAM)
    assert result.returncode == 0, result.stderr
    device, name, listed, gradient = result.stdout.splitlines()
    told = "plugin 'rods' of dualad-rods 0.3.1 failed to load: "
    assert device.startswith("DeviceError unknown device rods")
    assert name.startswith("BackendError there is no backend 'rods'")
    assert listed.startswith("dualad-rods 0.3.1 " + told)
    for line in (device, name, listed, result.stderr):
        assert told in line
        assert reason in line
    assert gradient == "[6.0]"
    assert len(result.stderr.splitlines()) == 1, "it is told once"


def test_python_m_dualad_lists_what_failed(tmp_path):
    install(tmp_path, "dualad-bad", "import no_such_beads", entry="bad = dualad_bad")
    install(tmp_path, "dualad-rods", GOOD, requires=["numpy>=2", "no-such-beads"])
    result = run(tmp_path, "-m", "dualad")
    assert result.returncode == 0, result.stderr
    assert "dualad-rods 0.3.1\n" in result.stdout
    assert "  rods: rods:0\n" in result.stdout
    assert (
        "plugin 'bad' of dualad-bad 0.3.1 failed to load: it needs the module 'no_such_beads'"
        in result.stdout
    )


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("raise OSError('no rods at hand')", "cannot be listed: OSError: no rods at hand"),
        ("pass", "cannot be listed: its method devices returned None, and must return a list of Devices"),
        ("return ['rods:0']", "cannot be listed: its method devices returned ['rods:0']"),
        ("return []", "has no device at hand: its method devices returned an empty list"),
    ],
    ids=["raises", "None", "names", "empty"],
)
def test_a_backend_whose_devices_are_broken_is_listed_with_what_is_wrong(tmp_path, body, wrong):
    install(tmp_path, "dualad-rods", GOOD.replace('return [Device("rods", 0)]', body))
    result = run(tmp_path, "-m", "dualad")
    assert result.returncode == 0, result.stderr
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("  rods: broken: ")]
    assert wrong in line
    assert line.endswith("(dualad-rods 0.3.1)")
    device = run(tmp_path, "-c", PROGRAM).stdout.splitlines()[0]
    assert device.startswith("DeviceError ")
    assert wrong in device


def test_a_failure_tells_the_place_in_the_plugin_and_has_the_error(tmp_path):
    source = "import json\n\ndef read():\n    return json.loads('[')\n\nread()"
    install(tmp_path, "dualad-rods", source)
    program = (
        "import dualad\n(failure,) = dualad.backends.failures()\n"
        "print(failure.reason)\nprint(type(failure.error).__name__, failure.error.__traceback__)\n"
        "print(failure.traceback)"
    )
    reason, error, *trace = run(tmp_path, "-c", program).stdout.splitlines()
    assert reason.startswith("JSONDecodeError: ")
    assert reason.endswith(f"(file {tmp_path / 'dualad_rods.py'}, line 4)"), "of the plugin's, the innermost"
    assert error == "JSONDecodeError None"
    assert trace[0].startswith("Traceback")
    assert any("in loads" in line for line in trace)


@pytest.mark.parametrize(
    ("name", "kind"), [("Good", "class"), ("dualad_backends", "function"), ("good", "backend")]
)
def test_an_entry_point_that_names_no_module_is_told_to(tmp_path, name, kind):
    install(tmp_path, "dualad-rods", GOOD + "good = Good()", entry=f"rods = dualad_rods:{name}")
    result = run(tmp_path, "-c", PROGRAM)
    wrong = (
        f"its entry point names the {kind} 'dualad_rods:{name}', and must name the module that has the hook"
    )
    assert f"{wrong}: rods = 'dualad_rods'" in result.stdout


def test_an_entry_point_to_a_name_that_the_module_lacks(tmp_path):
    install(tmp_path, "dualad-rods", GOOD, entry="rods = dualad_rods:plugin")
    result = run(tmp_path, "-c", PROGRAM)
    assert "names 'dualad_rods:plugin', and the module has no 'plugin'" in result.stdout


@pytest.mark.parametrize(
    ("second", "claim"),
    [
        (GOOD.replace('name = "rods"', 'name = "other"'), "the device type 'rods' is taken"),
        (GOOD.replace('("rods",)', '("other",)'), "the name 'rods' is taken"),
    ],
    ids=["device type", "name"],
)
def test_of_two_that_claim_the_same_the_first_stays(tmp_path, second, claim):
    install(tmp_path, "dualad-b", second, entry="second = dualad_b", version="2.0")
    install(tmp_path, "dualad-a", GOOD, entry="first = dualad_a", version="1.0")
    program = (
        "import dualad; print(dualad.backends.origin(dualad.backends.get('rods')));"
        "print(*dualad.backends.failures(), sep='\\n')"
    )
    result = run(tmp_path, "-c", program)
    kept, failed = result.stdout.splitlines()
    assert kept == "dualad-a 1.0"
    assert failed.startswith("plugin 'second' of dualad-b 2.0 failed to load: ")
    assert f"{claim} by backend 'rods' of dualad-a 1.0; uninstall one of the two" in failed


def test_two_distributions_that_name_one_module(tmp_path):
    install(tmp_path, "dualad-a", GOOD, version="1.0")
    install(tmp_path, "dualad-fork", None, entry="rods = dualad_a", version="2.0")
    result = run(tmp_path, "-c", "import dualad; print(*dualad.backends.failures())")
    assert (
        "of dualad-fork 2.0 failed to load: dualad-fork 2.0 is registered already, as dualad-a 1.0"
        in result.stdout
    )


def test_a_plugin_comes_in_whole_or_not_at_all(tmp_path):
    two = GOOD + "class Worse(Good):\n    name = 'worse'\n    device_types = ('cpu',)\n"
    install(tmp_path, "dualad-rods", two.replace("[Good()]", "[Good(), Worse()]"))
    result = run(tmp_path, "-c", "import dualad; print([b.name for b in dualad.backends.all()])")
    assert "'rods'" not in result.stdout
    assert "'numpy'" in result.stdout


def test_a_distribution_may_bring_several_plugins(tmp_path):
    install(tmp_path, "dualad-rods", GOOD, entry="a = dualad_rods\nb = dualad_more")
    more = GOOD.replace('"rods"', '"more"').replace("'rods'", "'more'")
    (tmp_path / "dualad_more.py").write_text(more, "utf-8")
    program = "import dualad as d; print(*[d.backends.origin(d.backends.get(n)) for n in ('rods', 'more')])"
    assert run(tmp_path, "-c", program).stdout == "dualad-rods 0.3.1 dualad-rods 0.3.1\n"


def test_a_plugin_that_says_its_library_is_absent_is_listed(tmp_path):
    install(tmp_path, "dualad-rods", GOOD + "Good.unavailable = 'the rods are not installed'")
    result = run(tmp_path, "-c", PROGRAM)
    assert "DeviceError the rods backend is unavailable: the rods are not installed" in result.stdout
    assert result.stderr == ""
    report = run(tmp_path, "-m", "dualad").stdout
    assert "  rods: unavailable: the rods are not installed (dualad-rods 0.3.1)" in report


@pytest.mark.parametrize(
    ("wanted", "plugin"),
    [
        ("cuda:1", "dualad-cupy"),
        ("jax", "dualad-jax"),
        ("torch_cuda:0", "dualad-torch"),
        ("dask", "dualad-dask"),
    ],
)
def test_a_device_of_dualads_own_plugins_is_said_to_need_the_plugin(tmp_path, wanted, plugin):
    program = (
        "import importlib.metadata; importlib.metadata.entry_points = lambda **keywords: []\n"
        f"import dualad\ntry:\n    dualad.ones(1, device={wanted!r})\nexcept dualad.DeviceError as error:\n    print(error)"
    )
    assert f"(install the plugin {plugin})" in run(tmp_path, "-c", program).stdout


def test_a_good_plugin_says_nothing(tmp_path):
    install(tmp_path, "dualad-rods", GOOD)
    result = run(tmp_path, "-c", "import dualad; print(dualad.backends.get('rods').devices())")
    assert result.stdout == "[device(type='rods', index=0)]\n"
    assert result.stderr == ""


# Versions.


class Old(Backend):
    """A backend as it was written for version 1 of the hooks."""

    name = "old"
    device_types = ("old",)

    def __init__(self):
        self.calls = []

    def to_device(self, array, device):
        self.calls.append((array, device))
        return array


def test_an_old_method_is_called_without_the_arguments_that_it_lacks():
    old, device = Old(), Device("old")
    assert old.to_device(1, device, non_blocking=True) == 1
    old.to_device(2, device, True)
    old.to_device(array=3, device=device)
    assert old.calls == [(1, device), (2, device), (3, device)]


def test_an_old_method_may_be_overridden_again_and_inherited_from_elsewhere():
    class Newer(Old):
        hook_version = 2

        def to_device(self, array, device, non_blocking=False):
            return super().to_device(array, device, non_blocking=non_blocking), non_blocking

    class Mixin:
        def to_device(self, array, device):
            return "mixed"

    class Mixed(Mixin, Old):
        pass

    assert Newer().to_device(1, Device("old"), True) == (1, True)
    assert Mixed().to_device(1, Device("old"), non_blocking=True) == "mixed"


def test_a_method_that_takes_any_keyword_gets_them():
    class Any(Old):
        def to_device(self, array, device, **keywords):
            return keywords

    assert Any().to_device(1, Device("old"), non_blocking=True) == {"non_blocking": True}


def test_every_argument_that_was_gained_is_at_the_end_and_has_a_default():
    from inspect import signature

    from dualad.backends.versions import GAINED

    for (method, argument), version in GAINED.items():
        parameters = list(signature(getattr(Backend, method)).parameters.values())
        names = [p.name for p in parameters]
        gained = {a for m, a in GAINED if m == method}
        assert set(names[names.index(argument) :]) <= gained
        assert parameters[names.index(argument)].default is not parameters[0].empty
        assert 1 < version <= HOOK_VERSION
