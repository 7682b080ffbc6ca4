"""The backend: devices, dtypes, indices, random numbers, and what JAX's arrays are in dualad."""

import os
import subprocess
import sys
import textwrap

import dualad_jax.indexing
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dualad_jax import JaxBackend

import dualad

BACKEND = dualad.backends.get("jax")
DEVICE = BACKEND.devices()[0]


def test_it_is_found_by_its_entry_point():
    assert isinstance(BACKEND, JaxBackend)
    assert BACKEND.device_types == ("jax",)
    assert not BACKEND.gaps


def test_arrays_may_be_handed_over_as_they_are():
    x = jnp.asarray([1.0, 2.0])
    gradient = dualad.grad(lambda x: dualad.sum(x**3))(x)
    assert isinstance(gradient, jax.Array)
    assert gradient.tolist() == [3.0, 12.0]
    t = dualad.asarray(x, requires_grad=True)
    assert t.device == DEVICE
    (t * t).sum().backward()
    assert t.grad.tolist() == [2.0, 4.0]


def test_weak_types_of_jax_are_taken_as_they_stand():
    weak = jnp.asarray(2.0)
    assert weak.weak_type
    t = dualad.asarray(weak) * dualad.ones(2, device="jax")
    assert t.dtype is dualad.float64


def test_a_tensor_is_written_to_and_what_it_came_from_is_not():
    x = jnp.zeros(3)
    t = dualad.asarray(x)
    view = t[1:]
    view += 1
    t[[0, -1, -1]] = dualad.tensor([5.0, 6.0, 7.0], dtype="float64")
    assert t.tolist() == [5.0, 1.0, 7.0]  # of two values that are written to one element the last one stays
    assert x.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("key", [3, -4, (0, 5), np.array([0, 3]), (slice(None), np.array([-3]))], ids=str)
def test_an_index_that_is_out_of_bounds_is_refused(key):
    x = dualad.ones(3, 2, device="jax")
    with pytest.raises(IndexError, match="out of bounds"):
        x[key]
    with pytest.raises(IndexError, match="out of bounds"):
        x[key] = 0.0
    with pytest.raises(IndexError, match="out of bounds"):
        x[dualad.asarray(key, device="jax")] if isinstance(key, np.ndarray) else x[key]


def test_what_jax_says_of_shapes_is_told_as_an_error_of_shapes():
    x, y = dualad.ones(2, 3, device="jax"), dualad.ones(2, 4, device="jax")
    for call in (lambda: x + y, lambda: x @ y, lambda: dualad.concat([x, y], axis=0)):
        with pytest.raises(dualad.ShapeError):
            call()


def test_arrays_go_through_dlpack_and_nobody_can_write_to_them():
    x = dualad.arange(3.0, device="jax")
    shared = np.from_dlpack(x)
    if shared.flags.writeable:  # a copy
        shared[0] = 9.0
    assert x.tolist() == [0.0, 1.0, 2.0]
    assert dualad.from_dlpack(jnp.arange(3)).device == DEVICE


def test_transforms_along_many_axes_are_those_of_numpy():
    x = np.random.default_rng(0).standard_normal((2, 3, 2, 3, 2))
    t = dualad.asarray(x, device="jax")
    for norm in ("backward", "ortho", "forward"):
        np.testing.assert_allclose(dualad.fft.fftn(t, norm=norm).cpu().numpy(), np.fft.fftn(x, norm=norm))
        np.testing.assert_allclose(dualad.fft.rfftn(t, norm=norm).cpu().numpy(), np.fft.rfftn(x, norm=norm))
        back = dualad.fft.irfftn(dualad.fft.rfftn(t, norm=norm), norm=norm)
        np.testing.assert_allclose(back.cpu().numpy(), x, rtol=1e-12, atol=1e-12)


def test_a_state_is_saved_and_restored():
    generator = dualad.Generator("jax").manual_seed(2**63 + 5)
    dualad.rand(3, device="jax", generator=generator)
    state = generator.get_state()
    x = dualad.randn(4, device="jax", generator=generator)
    again = dualad.randn(4, device="jax", generator=generator.set_state(state))
    assert (x == again).all()
    with pytest.raises(ValueError, match="no state of a generator of keys"):
        BACKEND.restore_generator(b"{}", DEVICE)


def test_sums_at_indices_are_in_order_where_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(dualad_jax.indexing, "_adds_in_order", lambda array: False)  # as on a GPU
    x = dualad.asarray(np.arange(4.0), device="jax", requires_grad=True)
    places = np.array([0, 3, 3, 3])
    dualad.use_deterministic_algorithms(True)
    try:
        (x[places] * x[places]).sum().backward()
        with pytest.raises(dualad.BackendError, match="has no deterministic algorithm"):
            jax.jit(lambda i: dualad.grad(lambda x: dualad.sum(x[dualad.asarray(i)]))(x.detach()))(places)
    finally:
        dualad.use_deterministic_algorithms(False)
    assert x.grad.tolist() == [0.0, 0.0, 0.0, 18.0]


def test_running_out_of_memory_is_told_by_name():
    with pytest.raises(RuntimeError) as caught:
        jnp.zeros((2**24, 2**24))
    assert BACKEND.is_out_of_memory(caught.value)
    assert not BACKEND.is_out_of_memory(RuntimeError("something else"))
    assert (dualad.zeros(2, device="jax") + 1).tolist() == [1.0, 1.0]


def run(program, **environment):
    """Run a program in a Python of its own: how many devices JAX has is settled when it starts."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    environment.pop("JAX_ENABLE_X64", None)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_without_64_bit_types_what_asks_for_them_is_told_how_to_have_them():
    run("""
        import dualad, jax, jax.numpy as jnp, numpy as np
        def refused(call):
            try:
                call()
            except dualad.DTypeError as error:
                assert "jax_enable_x64" in str(error), error
            else:
                raise AssertionError("it was not refused")
        refused(lambda: dualad.tensor([1, 2], device="jax"))
        refused(lambda: dualad.zeros(2, dtype=dualad.float64, device="jax"))
        refused(lambda: dualad.asarray(np.zeros(2)).to("jax"))
        refused(lambda: dualad.ones(2, device="jax").to(dualad.float64))
        x = dualad.tensor([1.0, 2.0, 3.0], device="jax", requires_grad=True)
        (x[[0, 2, 2]] * dualad.sum(x, axis=0)).sum().backward()
        assert x.grad.tolist() == [13.0, 7.0, 19.0], x.grad
        assert dualad.argsort(x).dtype is dualad.int32
        assert dualad.randint(0, 9, (3,), dtype="int32", device="jax").dtype is dualad.int32
        slope, _ = dualad.grad(lambda s, x: dualad.sum(x * s), argnums=(0, 1))(2.0, x.detach())
        assert slope == 6.0
        f = jax.jit(dualad.grad(lambda x: dualad.sum(dualad.sin(x) ** 2)))
        assert f(jnp.ones(3)).dtype == jnp.float32
        jax.config.update("jax_enable_x64", True)  # the answer is that of the moment
        assert dualad.tensor([1, 2], device="jax").dtype is dualad.int64
    """)


def test_several_devices():
    run(
        """
        import dualad, jax, jax.numpy as jnp, numpy as np
        from jax.sharding import Mesh, NamedSharding, PartitionSpec
        x = dualad.ones(4, device="jax:0", requires_grad=True)
        y = dualad.ones(4, device="jax:1", requires_grad=True)
        assert [str(d) for d in dualad.backends.get("jax").devices()] == ["jax:0", "jax:1"]
        assert str((y * 2).device) == "jax:1"
        try:
            x + y
        except dualad.DeviceError as error:
            assert "jax:0 and jax:1" in str(error)
        else:
            raise AssertionError("arrays on two devices met")
        (x.to("jax:1") * y).sum().backward()
        assert str(x.grad.device) == "jax:0" and str(y.grad.device) == "jax:1"
        assert str(dualad.rand(3, device="jax:1").device) == "jax:1"
        # A compiled program runs where its arguments are.
        step = jax.jit(dualad.grad(lambda x: dualad.sum(dualad.where(x > 0, x * x, dualad.zeros_like(x)))))
        assert step(jax.device_put(jnp.ones(3), jax.devices()[1])).devices() == {jax.devices()[1]}
        spread = NamedSharding(Mesh(np.array(jax.devices()), "i"), PartitionSpec("i"))
        z = jax.device_put(jnp.arange(4.0), spread)
        for f in (step, dualad.grad(lambda z: dualad.sum(z[1:3] * z[2]))):
            assert f(z).shape == (4,)
        assert step(z).devices() == set(jax.devices())
        assert str(dualad.asarray(z).device) == "jax"
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )
