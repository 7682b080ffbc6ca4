"""Backends by plugin: found, listed, reported when broken; devices and moves between them."""

import subprocess
import sys

import numpy as np
import pytest
from toys import ToyBackend, registered

import dualad
from dualad.backends import Backend, Device, hookimpl, register


def _run(program):
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result


def test_numpy_comes_first_and_owns_the_cpu():
    assert dualad.backends.all()[0] is dualad.backends.get("numpy")
    assert str(dualad.ones(1).device) == "cpu"


def test_an_unknown_backend_names_those_there_are():
    with pytest.raises(dualad.BackendError, match=r"no backend 'abacus'.*numpy"):
        dualad.backends.get("abacus")


def test_an_unavailable_backend_is_listed_with_its_reason():
    program = (
        "import dualad\n"
        "from dualad.backends import Backend, hookimpl, register\n"
        "class Abacus(Backend):\n    name = 'abacus'; device_types = ('abacus',); unavailable = 'the beads are missing'\n"
        "class Plugin:\n    @hookimpl\n    def dualad_backends(self):\n        return [Abacus()]\n"
        "register(Plugin(), 'abacus')\n"
        "try:\n    dualad.ones(1, device='abacus')\nexcept dualad.DeviceError as error:\n    print(error)\n"
        "from dualad.__main__ import report\nprint(report())"
    )
    out = _run(program).stdout
    assert "the abacus backend is unavailable: the beads are missing" in out
    assert "  abacus: unavailable: the beads are missing" in out


def test_a_device_type_is_owned_by_one_backend():
    class Usurper(Backend):
        name = "usurper"
        device_types = ("cpu",)
        unavailable = "it is for the test"

    class Plugin:
        @hookimpl
        def dualad_backends(self):
            return [Usurper()]

    with pytest.raises(dualad.BackendError, match="'cpu' is dualad's own, of its backend 'numpy'"):
        register(Plugin())
    assert "usurper" not in [b.name for b in dualad.backends.all()]


def test_cuda_without_a_gpu_says_what_is_missing():
    if dualad.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(dualad.DeviceError, match=r"cupy|cuda"):
        dualad.ones(1, device="cuda")
    with pytest.raises(dualad.DeviceError):
        dualad.ones(1).cuda()
    assert dualad.cuda.device_count() == 0


def test_the_report_of_python_m_dualad():
    out = subprocess.run([sys.executable, "-m", "dualad"], capture_output=True, text=True, check=True).stdout
    assert f"dualad {dualad.__version__}" in out
    assert f"numpy {np.__version__}" in out
    assert "  numpy: cpu" in out


def test_moves_are_differentiable(device):
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    y = x.to(device)
    assert str(y.device) == device
    (y * y).sum().cpu().backward()
    assert x.grad.device == "cpu"
    assert x.grad.tolist() == [2.0, 4.0]
    gradient = dualad.grad(lambda x: (x.to(device) ** 3).sum().cpu())
    assert dualad.jvp(gradient, (x.detach(),), (dualad.ones(2),))[1].tolist() == [6.0, 12.0]


def test_results_stay_on_the_device(device):
    x = dualad.tensor([1.0, 2.0], device=device, requires_grad=True)
    for y in (
        x + 1,
        x.sum(),
        x[0],
        dualad.zeros_like(x),
        x > 1,
        x.reshape(2, 1),
        dualad.stack([x, x]),
        x.max(),
    ):
        assert str(y.device) == device
        assert type(y) is dualad.Tensor
    x.sum().backward()
    assert str(x.grad.device) == device


def test_an_index_beyond_the_devices():
    with pytest.raises(dualad.DeviceError, match="no device cpu:7"):
        dualad.ones(1, device="cpu:7")


def test_importing_dualad_imports_nothing_heavy():
    heavy = ("scipy", "torch", "jax", "cupy", "array_api_strict", "sklearn", "matplotlib")
    program = f"import sys, dualad; print([m for m in {heavy} if m in sys.modules])"
    assert _run(program).stdout.strip() == "[]"


def test_devices_are_compared_by_name():
    assert Device("cuda:1") == Device("cuda", 1) == "cuda:1"
    assert Device("cuda") != Device("cuda:1")


class _Nothing(ToyBackend):
    """It takes infinity for a value that is not there yet, which goes where there is none already."""

    def is_tracing(self, array):
        return bool(np.isinf(array.data).any())

    def check_write(self, old, new):
        if not self.is_tracing(old):
            raise dualad.BackendError("nothing would be written")


WRITES = {
    "an element": lambda x, endless: x.detach().__setitem__(0, endless),
    "a view": lambda x, endless: x.detach()[1:].fill_(endless),
    "all": lambda x, endless: x.detach().add_(endless),
    "data": lambda x, endless: setattr(x, "data", x.detach() * endless),
    "grad": lambda x, endless: setattr(x, "grad", x.detach() * endless),
    "backward": lambda x, endless: (x * endless).sum().backward(),
    "an optimizer": lambda x, endless: dualad.optim.SGD([x], lr=endless).step(),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_backend_may_refuse_what_is_written(name):
    with registered(_Nothing()) as toy:
        x = dualad.ones(3, device=toy.name, requires_grad=True)
        if name == "an optimizer":
            x.grad = dualad.ones(3, device=toy.name)
        before = x.grad
        with pytest.raises(dualad.BackendError, match="nothing would be written"):
            WRITES[name](x, float("inf"))
        assert x.detach().tolist() == [1.0, 1.0, 1.0]
        assert x.grad is before
        WRITES[name](x, 2.0)
        WRITES[name](dualad.full_like(x, float("inf")).requires_grad_(), float("inf"))
