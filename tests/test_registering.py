"""Backends that a program registers itself: alone or by a plugin, edited and registered again, taken out."""

from types import MappingProxyType

import numpy as np
import pytest

import dualad
from dualad.backends import HOOK_VERSION, Backend, Device, hookimpl, register, unregister
from dualad.backends.registry import DTYPES, STREAMED
from dualad.ops.random.generators import default_generator


@pytest.fixture(autouse=True)
def _nothing_is_left():
    yield
    if "abacus" in [b.name for b in dualad.backends.all()]:
        unregister("abacus")


class Array:
    """What the backends below compute with."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, values.ndim


class Abacus(Backend):
    """A backend with one function of its own, `factor` times as large as it should be."""

    name = "abacus"
    device_types = ("abacus",)
    array_types = (Array,)
    xp = np
    factor = 1

    def devices(self):
        return [Device("abacus", 0)]

    def native_device(self, device):
        return None

    def device_of(self, array):
        return Device("abacus", 0)

    def from_numpy(self, array, device, non_blocking=False):
        return Array(array.copy())

    def to_numpy(self, array):
        return array.values

    def exp(self, array):
        return Array(self.factor * np.exp(array.values))


class Edited(Abacus):
    factor = 2


def zeros():
    return dualad.zeros(2).to("abacus")


@pytest.mark.parametrize("takes", [True, False])
def test_a_hook_gets_the_version_if_it_asks_for_it(takes):
    seen = []

    class Asks:
        @hookimpl
        def dualad_backends(self, hook_version):
            seen.append(hook_version)
            return [Abacus()]

    class Plain:
        @hookimpl
        def dualad_backends(self):
            seen.append("called")
            return [Abacus()]

    register(Asks() if takes else Plain())
    assert seen == [HOOK_VERSION if takes else "called"]


def test_a_plugin_is_registered_once():
    class Plugin:
        @hookimpl
        def dualad_backends(self):
            return [Abacus()]

    plugin = Plugin()
    register(plugin, "abacus")
    with pytest.raises(dualad.BackendError, match="plugin 'abacus' is registered already"):
        register(plugin, "abacus")
    register(plugin, "abacus", replace=True)
    unregister("abacus")
    register(plugin, "abacus")


@pytest.mark.parametrize("given", [Abacus, Abacus()], ids=["class", "instance"])
def test_a_backend_may_be_registered_without_a_plugin(given):
    register(given)
    assert isinstance(dualad.backends.get("abacus"), Abacus)
    assert dualad.backends.origin(dualad.backends.get("abacus")) == "plugin 'Abacus'"
    assert dualad.exp(zeros()).tolist() == [1.0, 1.0]


def test_a_function_is_no_plugin():
    @hookimpl
    def dualad_backends():
        return [Abacus()]

    with pytest.raises(dualad.BackendError, match="it is a function; hand in the module, or an object"):
        register(dualad_backends)


def test_an_edited_backend_takes_the_place_of_the_first():
    register(Abacus)
    taken = r"taken by backend 'abacus' of plugin 'Abacus'; .*replace=True"
    with pytest.raises(dualad.BackendError, match=taken):
        register(Edited)
    x = zeros()
    assert dualad.exp(x).tolist() == [1.0, 1.0]
    before = default_generator("abacus")
    register(Edited, replace=True)
    assert dualad.exp(x).tolist() == [2.0, 2.0], "nothing is left of the first, not even for Tensors of it"
    assert default_generator("abacus") is not before
    register(Abacus, replace=True)
    assert dualad.exp(x).tolist() == [1.0, 1.0]


def test_what_cannot_take_the_place_of_another_leaves_it_there():
    class Worse(Abacus):
        array_types = ()

    class Usurper(Abacus):
        name = "numpy"
        device_types = ("cpu",)

    register(Abacus)
    kept = dualad.backends.get("abacus")
    with pytest.raises(dualad.BackendError, match="it must be a tuple of classes"):
        register(Worse, replace=True)
    with pytest.raises(dualad.BackendError, match="is dualad's own"):
        register(Usurper, replace=True)
    assert dualad.backends.get("abacus") is kept


def test_a_backend_that_was_taken_out_is_as_if_it_had_never_been():
    array = Array(np.zeros(2))
    with pytest.raises(TypeError):
        dualad.exp(array)
    register(Abacus)
    assert dualad.exp(array).tolist() == [1.0, 1.0], "that its arrays were none before is forgotten"
    unregister("abacus")
    with pytest.raises(TypeError):
        dualad.exp(array)
    with pytest.raises(dualad.DeviceError, match="no backend has the device type 'abacus'"):
        dualad.zeros(2, device="abacus")
    with pytest.raises(dualad.BackendError, match="there is no backend 'abacus'"):
        unregister("abacus")
    assert dualad.exp(dualad.zeros(2)).tolist() == [1.0, 1.0], "NumPy has the same dtypes"


def test_dtypes_and_streams_of_a_backend_go_with_it():
    native = object()

    class Streams(Abacus):
        has_streams = True
        native_dtypes = MappingProxyType({dualad.float32: native, dualad.float64: np.dtype("float64")})

    class Fewer(Abacus):
        native_dtypes = MappingProxyType({dualad.float64: np.dtype("float64")})

    register(Streams)
    assert DTYPES[native] is dualad.float32
    assert Array in STREAMED
    register(Fewer, replace=True)
    assert native not in DTYPES
    assert Array not in STREAMED
    assert DTYPES[np.dtype("float64")] is dualad.float64


def test_numpy_cannot_be_taken_out():
    with pytest.raises(dualad.BackendError, match="dualad's own"):
        unregister("numpy")
