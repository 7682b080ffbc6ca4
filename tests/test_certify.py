"""The certification kit finds what is wrong with a backend, and says it to whoever wrote the backend."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from toy_faults import FAULTS
from toys import ToyBackend, registered

import dualad
from dualad.__main__ import main
from dualad.backends import Device
from dualad.testing import certify
from dualad.testing.plugin import run_check
from dualad.testing.suite.catalogue import FUNCTIONS, OTHERS

SHIELDS = {"schemaVersion", "label", "message", "color"}  # that site refuses keys that it does not know


def _states(certificate, row):
    return {f.column: f.state for f in certificate.findings if f.row == row}


class _WithoutSinh(ToyBackend):
    def function(self, name):
        if name == "sinh" and name not in self.gaps:
            raise AttributeError(name)
        return super().function(name)


# -- faults ------------------------------------------------------------------------------------


def test_a_right_backend_passes():
    with registered(ToyBackend()) as toy:
        certificate = certify(toy.name, quick=True, devices=[f"{toy.name}:1"])
    assert certificate.passed, str(certificate)
    assert {f.state for f in certificate.findings} <= {"right", "absent"}


def test_a_wrong_method_is_blamed_before_those_that_need_it():
    for name, blamed in (("AllIsOnTheFirstDevice", "device_of"), ("DTypeIsLostOnTheWay", "to_numpy")):
        with registered(FAULTS[name].backend()) as toy:
            faults = certify(toy.name, only="hooks").faults
        assert faults[0].column == blamed
    assert "from_numpy" not in [f.column for f in faults]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    fault = FAULTS[name]
    with registered(fault.backend()) as toy:
        certificate = certify(toy.name, only=f"{fault.row}: {fault.column}", devices=[f"{toy.name}:1"])
    assert not certificate.passed
    words = [f.words for f in certificate.faults if (f.row, f.column) == (fault.row, fault.column)]
    assert any(re.search(fault.words, w) for w in words), words
    assert f"{fault.row}: {fault.column}" in str(certificate)
    assert certificate.verdict.startswith(
        f"FAILED: {toy.name} on {toy.name}:1, looked at in part: 1 fault in"
    )


def test_a_fault_in_a_method_stands_before_those_in_functions():
    with registered(FAULTS["OverrideRaises"].backend()) as toy:
        certificate = certify(toy.name, only=["add", "multiply", "hooks"], devices=[f"{toy.name}:0"])
    rows = list(dict.fromkeys(f.row for f in certificate.faults))
    assert rows == ["hooks", "add", "multiply"]
    text = str(certificate)
    assert text.count("no kernel for it (toy_faults.py, line") == 1
    assert "The same in hooks: unbroadcast, add: VJP, add: second order, add: dtypes, multiply: VJP" in text


# -- gaps --------------------------------------------------------------------------------------


def test_an_undeclared_gap_fails():
    with registered(_WithoutSinh()) as toy:
        certificate = certify(toy.name, only=["sinh", "hooks: functions"])
    assert _states(certificate, "sinh")["value"] == "wrong"
    assert "sinh" in certificate.verdict
    assert any("has no sinh" in f.words for f in certificate.faults)


def test_a_declared_gap_passes_and_its_reason_is_told():
    toy = _WithoutSinh()
    toy.gaps = MappingProxyType({"sinh": "the library has no hyperbolic functions"})
    with registered(toy):
        certificate = certify(toy.name, only=["sinh", "cosh", "hooks: functions"])
        with pytest.raises(dualad.BackendError, match="no hyperbolic functions"):
            dualad.sinh(dualad.ones(2, device=toy.name))
    assert certificate.passed
    assert set(_states(certificate, "sinh").values()) == {"gap"}
    assert certificate.gaps[0].works is False
    assert "sinh: the library has no hyperbolic functions" in str(certificate)
    assert certificate.verdict.endswith("1 gap declared")
    assert f"sinh: the library has no hyperbolic functions ({certificate.gaps[0].hidden} checks)" in str(
        certificate
    )
    # A derivative of another function may need it.
    cosh = _states(certificate, "cosh")
    assert (cosh["value"], cosh["JVP"]) == ("right", "gap")


def test_a_gap_that_works_is_reported():
    toy = ToyBackend()
    toy.gaps = MappingProxyType({"sinh": "so I thought", "threads": "it has locks of its own"})
    with registered(toy):
        certificate = certify(toy.name, only=["sinh", "threads"], devices=[f"{toy.name}:0"])
        assert toy.gaps == {"sinh": "so I thought", "threads": "it has locks of its own"}
        with pytest.raises(dualad.BackendError, match="so I thought"):
            dualad.sinh(dualad.ones(2, device=toy.name))
    assert certificate.passed
    assert [g.works for g in certificate.gaps] == [True, True]
    assert "sinh: so I thought (works although declared: remove it from gaps)" in str(certificate)


def test_a_check_can_be_declared_a_gap():
    class Toy(FAULTS["GeneratorsAreNotCopied"].backend):
        gaps = MappingProxyType({"random numbers: copies": "its generators cannot be copied"})

    with registered(Toy()) as toy:
        certificate = certify(toy.name, only="random numbers", devices=[f"{toy.name}:0"])
    assert certificate.passed, str(certificate)
    assert _states(certificate, "random numbers") == {
        "arrays": "right", "seeds": "right", "copies": "gap", "states": "right", "moments": "right",
    }  # fmt: skip


class _Without:
    """A namespace without some of its names."""

    def __init__(self, xp, *names):
        self._xp, self._names = xp, names

    def __getattr__(self, name):
        if name in self._names:
            raise AttributeError(name)
        return getattr(self._xp, name)


def test_parts_of_the_namespace_that_are_missing_are_named():
    toy = ToyBackend()
    toy.xp = _Without(toy.xp, "fft", "linalg")
    with registered(toy):
        for f, name in ((dualad.fft.rfft, "fft.rfft"), (dualad.linalg.inv, "linalg.inv")):
            with pytest.raises(
                dualad.BackendError, match=f"^{name}: the {toy.name} backend has no such function"
            ):
                f(dualad.ones((2, 2), device=toy.name))
        (fault,) = certify(toy.name, only="hooks", devices=[f"{toy.name}:0"]).faults
    assert fault.column == "functions"
    for name in ("fft.rfft", "fft.irfft", "fft.fftn", "linalg.svd", "linalg.eig", "linalg.diagonal"):
        assert f"{name}," in fault.words or f"{name}:" in fault.words


def test_a_gap_may_be_a_pattern():
    toy = ToyBackend()
    toy.xp = _Without(toy.xp, "fft", "linalg")
    toy.gaps = MappingProxyType({"fft.*": "no transforms", "linalg.*": "no matrices"})
    with registered(toy):
        with pytest.raises(dualad.errors.GapError, match=r"^fft\.rfftn: .*no transforms"):
            dualad.fft.rfft(dualad.ones(2, device=toy.name))
        certificate = certify(toy.name, quick=True, devices=[f"{toy.name}:0"])
    assert certificate.passed, str(certificate)
    assert [g.works for g in certificate.gaps] == [False, False]
    for row in ("fft.rfftn", "spectrum", "convolution", "linalg.inv", "adjugate"):
        assert "gap" in _states(certificate, row).values(), row
        assert set(_states(certificate, row).values()) <= {"gap", "absent"}, row
    for row in ("std", "norm", "linalg.vector_norm"):  # these need nothing but sums
        assert set(_states(certificate, row).values()) <= {"right", "absent"}, row


def test_a_gap_of_a_function_that_ops_are_made_of():
    toy = ToyBackend()
    toy.gaps = MappingProxyType({"fft.rfft": "no real transforms"})
    with registered(toy):
        certificate = certify(toy.name, only=["fft.*", "hooks: gaps"], quick=True, devices=f"{toy.name}:0")
    assert certificate.passed, str(certificate)
    assert _states(certificate, "fft.rfftn")["value"] == "gap"
    assert _states(certificate, "fft.fftn")["value"] == "right"


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30, 0.0, float("inf")])
def test_a_norm_without_linalg_is_that_of_numpy(scale):
    toy = ToyBackend()
    toy.xp = _Without(toy.xp, "linalg")
    x = scale * dualad.tensor([[3.0, 4.0], [1.0, -2.0]])
    with registered(toy):
        for axis in (None, 0, (0, 1), ()):
            for keepdims in (False, True):
                # In double, for NumPy's squares overflow in single.
                want = dualad.linalg.vector_norm(x.double(), axis=axis, keepdims=keepdims).numpy()
                got = dualad.linalg.vector_norm(x.to(toy.name), axis=axis, keepdims=keepdims).cpu().numpy()
                np.testing.assert_allclose(got, want, 1e-5)
        empty = dualad.linalg.vector_norm(dualad.zeros((0, 2), device=toy.name), axis=0)
        assert empty.tolist() == [0, 0]


# -- what is told ------------------------------------------------------------------------------


def test_the_report_is_a_table_with_a_verdict_below():
    certificate = certify("numpy", only=["exp", "equal", "threads"])
    lines = str(certificate).splitlines()
    assert lines[0].startswith("Certification of the numpy backend (dualad ")
    rows = [line.split() for line in lines]
    assert ["function", "value", "JVP", "VJP", "second", "order", "dtypes"] in rows
    assert ["exp", "ok", "ok", "ok", "ok", "ok"] in rows
    assert ["equal", "ok"] in rows
    assert ["threads", "ok", "5", "ok"] in rows
    assert lines[-1] == certificate.verdict
    assert certificate.verdict.endswith("looked at in part: 2 functions and 5 other checks are right")


def test_faults_of_one_kind_are_told_once_with_their_number():
    with registered(FAULTS["OutputOnTheWrongDevice"].backend()) as toy:
        certificate = certify(toy.name, only="exp", devices=[f"{toy.name}:1"])
    assert str(certificate).count("its arguments are on") < len(certificate.faults)
    assert re.search(r"exp: value, in \d+ of \d+ cases; on toy\d+:1 \(exp real\):", str(certificate))


def test_json_and_badge(tmp_path):
    certificate = certify("numpy", only=["exp", "moves"])
    certificate.write(tmp_path / "all.json")
    certificate.write_badge(tmp_path / "badge.json")
    everything = json.loads((tmp_path / "all.json").read_text())
    assert everything["passed"] is True
    assert everything["functions"]["exp"] == dict.fromkeys(certificate.columns, "right")
    assert everything["others"]["moves"]["there and back"] == "right"
    assert json.loads((tmp_path / "badge.json").read_text()) == everything["badge"]
    assert set(everything["badge"]) == SHIELDS


@pytest.mark.parametrize("name", [None, "OutputOnTheWrongDevice"])
def test_the_badge_is_green_or_red(name):
    backend = ToyBackend if name is None else FAULTS[name].backend
    with registered(backend()) as toy:
        certificate = certify(toy.name, only="exp", devices=[f"{toy.name}:1"])
    certificate.is_whole = True
    want = ("certified", "brightgreen") if name is None else ("5 faults", "red")
    assert (certificate.badge()["message"], certificate.badge()["color"]) == want
    if name is not None:
        assert "5 faults in exp" in certificate.verdict
        certificate.is_whole = False
        assert certificate.badge()["message"] == "5 faults, looked at in part"


def test_what_could_not_be_checked_is_told():
    class Toy(ToyBackend):
        def has_dtype(self, dtype, device):
            return dtype.name not in ("float64", "complex128") and super().has_dtype(dtype, device)

    with registered(Toy()) as toy:
        certificate = certify(toy.name, only=["tanh", "linalg.qr: second order"], devices=[f"{toy.name}:0"])
    assert certificate.passed, str(certificate)
    rows = [line.split() for line in str(certificate).splitlines()]
    assert ["tanh", "ok", "ok", "ok", "ok", "ok"] in rows  # in single precision
    told = f"{toy.name}:0 has no double precision, in which what is not unique is compared"
    assert told in {f.words for f in certificate.findings if f.state == "absent"}
    assert f"  {told}: " in str(certificate).partition("What was not checked:")[2]


@pytest.mark.parametrize("lacks", ["the namespace", "the device"])
def test_a_device_without_complex_dtypes_passes(lacks):
    class Toy(ToyBackend):
        def has_dtype(self, dtype, device):
            return not dtype.is_complex and super().has_dtype(dtype, device)

    toy = Toy()
    if lacks == "the namespace":
        toy = ToyBackend()
        toy.xp = _Without(toy.xp, "complex64", "complex128")
    with registered(toy):
        x = dualad.ones((2, 2), device=toy.name)
        for f in (
            lambda: dualad.astype(x, dualad.complex128),
            lambda: dualad.linalg.eigvals(x),
            lambda: dualad.linalg.eig(x),
            lambda: dualad.fft.fft(x),
            lambda: dualad.fft.rfft(x),
        ):
            with pytest.raises(dualad.DTypeError, match=r"has no arrays of dtype dualad\.complex"):
                f()
        certificate = certify(toy.name, quick=True, devices=[f"{toy.name}:0"])
    assert certificate.passed, str(certificate)
    assert {f.state for f in certificate.findings if f.row == "linalg.eig"} == {"absent"}


def test_a_dtype_that_is_promised_and_not_there_is_refused_by_name():
    backend = FAULTS["AllDTypesArePromised"].backend()
    refused = pytest.raises(dualad.DTypeError, match=r"has no arrays of dtype dualad\.bfloat16")
    with registered(backend) as toy, refused:
        dualad.ones(2, dtype=dualad.bfloat16, device=toy.name)


def test_progress_is_told():
    told = []
    certify("numpy", only="moves", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_nothing_is_left_behind():
    class Toy(ToyBackend):
        def multiply(self, x1, x2):
            raise KeyError("broken")

    with registered(Toy()) as toy:
        certify(toy.name, only=["errors", "memory", "determinism", "multiply"])
    assert dualad.is_grad_enabled()
    assert not dualad.are_deterministic_algorithms_enabled()


# -- what is asked wrongly ---------------------------------------------------------------------


def test_what_is_not_there_is_refused():
    with pytest.raises(dualad.BackendError, match="no backend 'abacus'"):
        certify("abacus")
    with pytest.raises(ValueError, match=r"only='abacus' names nothing.*hooks, moves"):
        certify("numpy", only="abacus")
    with pytest.raises(ValueError, match="only='abacus' names nothing"):
        certify("numpy", only=["exp", "abacus"])
    with pytest.raises(TypeError, match="only takes names, such as 'sum', got 3"):
        certify("numpy", only=[3])
    with registered(ToyBackend()) as toy:
        with pytest.raises(dualad.DeviceError, match="cpu is no device of the toy"):
            certify(toy.name, devices=["cpu"])
        with pytest.raises(dualad.DeviceError, match="there is no device"):
            certify(toy.name, devices=[f"{toy.name}:7"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "has no device at hand"),
        (None, "returned None"),
        (OSError("no driver"), "OSError: no driver"),
        (["other"], "gives other, which is of none of its device types"),
        (["toy"], r"without an index, and device_of says toy\d+:0"),
    ],
)
def test_devices_that_cannot_be_looked_at_are_told_in_a_line(given, words, capsys):
    class Toy(ToyBackend):
        def devices(self):
            if isinstance(given, Exception):
                raise given
            return given and [Device(self.name if name == "toy" else name) for name in given]

    with registered(Toy()) as toy:
        with pytest.raises(dualad.DeviceError, match=words):
            certify(toy.name)
        assert main(["certify", toy.name]) in (1, 2)
    told = capsys.readouterr().err
    assert re.search(words, told)
    assert len(told.splitlines()) == 1


def test_a_device_may_be_given_alone():
    assert certify("numpy", only="moves", devices="cpu").devices == ["cpu"]


# -- the command, and pytest -------------------------------------------------------------------


def test_the_command_prints_and_writes(tmp_path, capsys):
    files = ["--json", str(tmp_path / "all.json"), "--badge", str(tmp_path / "badge.json")]
    assert main(["certify", "numpy", "--only", "exp", "--device", "cpu", "--quick", *files]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("PASSED: numpy on cpu")
    assert (tmp_path / "all.json").exists()
    assert set(json.loads((tmp_path / "badge.json").read_text())) == SHIELDS
    with registered(FAULTS["OutputOnTheWrongDevice"].backend()) as toy:
        assert main(["certify", toy.name, "--only", "exp"]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert main(["certify", "abacus"]) == 2
    assert main(["certify", "numpy", "--only", "abacus"]) == 2
    assert "names nothing" in capsys.readouterr().err
    assert main(["certify", "numpy", "--only", "exp", "--json", str(tmp_path / "nowhere" / "all.json")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "cannot write" in captured.err


def _check(row, column):
    return next(c for c in (*OTHERS, *FUNCTIONS) if (c.row, c.column) == (row, column))


def test_pytest_fails_skips_and_expects_the_same():
    check = _check("random numbers", "copies")
    with registered(FAULTS["GeneratorsAreNotCopied"].backend()) as toy:
        with pytest.raises(AssertionError, match="shares its state"):
            run_check(check, toy.name)
        toy.gaps = MappingProxyType({"random numbers": "its generators cannot be copied"})
        with pytest.raises(pytest.xfail.Exception, match="its generators cannot be copied"):
            run_check(check, toy.name)

    class Toy(ToyBackend):
        def has_dtype(self, dtype, device):
            return dtype.name != "float16" and super().has_dtype(dtype, device)

    with registered(Toy()) as toy, pytest.raises(pytest.skip.Exception, match="has no float16"):
        run_check(_check("dtypes", "half sums"), toy.name)


def _pytest(tmp_path, *arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_the_suite_runs_outside_the_repository(tmp_path):
    arguments = ["--dualad-backend=numpy", "--pyargs", "dualad.testing.suite", "-k", "exp-JVP or moves"]
    result = _pytest(tmp_path, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


def test_a_backend_that_is_not_there_stops_pytest(tmp_path):
    result = _pytest(tmp_path, "--dualad-backend=abacus", "--pyargs", "dualad.testing.suite")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--dualad-backend: there is no backend 'abacus'" in result.stderr


def test_a_backend_without_devices_stops_pytest(tmp_path):
    (tmp_path / "broken.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from toys import Plugin, ToyBackend, register\n"
        "class Broken(ToyBackend):\n"
        "    def devices(self):\n"
        "        return []\n"
        "toy = Broken()\n"
        "toy.name = 'broken'\n"
        "register(Plugin(toy), 'broken')\n"
    )
    arguments = ["-p", "broken", "--dualad-backend=broken", "--pyargs", "dualad.testing.suite"]
    result = _pytest(tmp_path, *arguments)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--dualad-backend: the broken backend has no device at hand" in result.stderr


def test_pytest_imports_nothing_of_dualad_for_others(tmp_path):
    (tmp_path / "test_of_others.py").write_text(
        "import sys\ndef test():\n    assert not {'dualad', 'numpy', 'optree'} & set(sys.modules)\n"
    )
    result = _pytest(tmp_path, "test_of_others.py")
    assert result.returncode == 0, result.stdout
