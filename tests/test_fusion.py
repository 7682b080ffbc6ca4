"""Backends that compute a rule, or an optimizer's step, as one kernel: what they are given, and when."""

import contextlib
from functools import partial

import numpy as np
import pytest

import dualad
from dualad import optim
from dualad.backends import Backend, for_device, get
from dualad.engine.namespace import SPACES

NUMPY = get("numpy").namespace
X, W = np.asarray([[0.5, 2.0, -1.0], [1.5, -0.5, 3.0]]), np.asarray([2.0, -1.0, 0.5])


class Fusing:
    """NumPy's namespace as that of a library with kernels; it notes which are run."""

    fuses = True

    def __init__(self):
        self.run = []

    def __getattr__(self, name):
        return getattr(NUMPY, name)

    def fuse(self, function, name):
        def fused(*args, **numbers):
            self.run.append(name)
            return function(NUMPY, *args, **numbers)

        return fused

    def fuse_sum(self, function, name):
        def fused(shape, *args):
            self.run.append(f"{name}, summed")
            return NUMPY.unbroadcast(function(NUMPY, *args), shape)

        return fused


@pytest.fixture
def fusing(monkeypatch):
    space = Fusing()
    monkeypatch.setitem(SPACES, np.ndarray, space)
    return space


@contextlib.contextmanager
def plainly():
    """Compute without kernels within."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPACES, np.ndarray, NUMPY)
        yield


# -- the hooks ---------------------------------------------------------------------------------------


def test_by_default_a_function_is_called_on_the_backends_own_functions(device):
    backend = for_device(dualad.device(device))
    x = dualad.asarray(X, dtype=dualad.float32, device=device)._raw
    w = dualad.asarray(W, dtype=dualad.float32, device=device)._raw
    y = backend.fuse(lambda xp, x, w, c, *, a: xp.exp(x * w) * a if c else x, "f")(x, w, True, a=0.5)
    np.testing.assert_allclose(backend.to_numpy(y), np.exp(X * W) * 0.5, rtol=1e-6)
    y = backend.fuse_sum(lambda xp, x, w: x * w, "f")(W.shape, x, w)
    np.testing.assert_allclose(backend.to_numpy(y), (X * W).sum(axis=0), rtol=1e-6)


def test_overriding_the_hook_is_all_there_is_to_say():
    class Own(Backend):
        def fuse(self, function, name):
            return partial(function, self.namespace)

    assert Own().fuses
    assert Own().namespace.fuses
    assert not Backend().fuses


# -- derivatives -------------------------------------------------------------------------------------


def program(x, w):
    y = dualad.tanh(x * w) / (1 + x * x)
    return (dualad.maximum(y, 0.1) + dualad.sqrt(dualad.abs(x)) ** 3).sum()


def test_both_modes_run_kernels_and_give_what_they_give_without(fusing):
    grads = dualad.grad(program, argnums=(0, 1))(X, W)
    assert sorted(fusing.run) == [
        "abs_0", "divide_0", "divide_1", "maximum_0", "multiply_1, summed", "pow_0", "sqrt_0", "tanh_0",
    ]  # fmt: skip
    fusing.run.clear()
    tangent = dualad.jvp(program, (X, W), (np.ones_like(X), np.ones_like(W)))[1]
    assert {"tanh_0", "divide_1", "sqrt_0", "pow_0"} <= set(fusing.run)
    with plainly():
        expected = dualad.grad(program, argnums=(0, 1))(X, W)
        assert tangent == dualad.jvp(program, (X, W), (np.ones_like(X), np.ones_like(W)))[1]
    for g, want in zip(grads, expected, strict=True):
        np.testing.assert_array_equal(g, want)


@pytest.mark.parametrize("keepdims", [False, True])
def test_the_weights_of_a_reduction_and_their_product_are_one_kernel(fusing, keepdims):
    norm = partial(dualad.linalg.vector_norm, axis=1, keepdims=keepdims)
    (y, pull), unit = dualad.vjp(norm, X), X / np.sqrt((X * X).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(pull(np.ones_like(y))[0], unit)
    tangent = dualad.jvp(norm, (X,), (np.ones_like(X),))[1]
    np.testing.assert_allclose(tangent, unit.sum(axis=1, keepdims=keepdims))
    assert tangent.shape == y.shape
    assert fusing.run == ["norm_0", "norm_0, summed"]


def test_an_op_made_of_several_functions_is_one_kernel(monkeypatch):
    space = Fusing()
    op = dualad.batching.REGISTRY["sigmoid"]
    monkeypatch.setitem(SPACES, np.ndarray, space)
    monkeypatch.delitem(op.functions, np.ndarray, raising=False)
    np.testing.assert_allclose(dualad.sigmoid(X), 1 / (1 + np.exp(-X)))
    assert space.run == ["sigmoid"]
    monkeypatch.delitem(op.functions, np.ndarray)


def test_a_cotangent_of_zero_wins_over_an_infinite_slope(fusing):
    g = dualad.grad(lambda x: dualad.where(x > 0, dualad.sqrt(x), 0).sum())(np.asarray([0.0, 4.0]))
    np.testing.assert_array_equal(g, [0.0, 0.25])
    assert fusing.run == ["sqrt_0"]


def test_complex_numbers_keep_their_convention(fusing):
    z = np.asarray([1 + 2j, -0.5j])
    g = dualad.grad(lambda z: dualad.real(dualad.sin(z) * z / (2 + z)).sum())(z)
    with plainly():
        np.testing.assert_array_equal(
            g, dualad.grad(lambda z: dualad.real(dualad.sin(z) * z / (2 + z)).sum())(z)
        )


def test_higher_orders_take_kernels_below_the_level_that_is_differentiated(fusing):
    second = dualad.grad(lambda x: dualad.grad(lambda x: dualad.exp(dualad.sin(x)).sum())(x).sum())(X)
    with plainly():
        expected = (np.cos(X) ** 2 - np.sin(X)) * np.exp(np.sin(X))
    np.testing.assert_allclose(second, expected, rtol=1e-12)


def test_a_rule_of_a_users_is_called_each_time_as_it_may_read_what_changes(fusing):
    slope = [2.0]

    @dualad.primitive(dualad.rules.Scale(lambda xp, x: slope[0] * xp.exp(x)))
    def op(xp, x):
        return xp.exp(x)

    for slope[0] in (2.0, 3.0):
        np.testing.assert_array_equal(dualad.grad(lambda x: op(x).sum())(np.zeros(2)), np.full(2, slope[0]))
    assert fusing.run == []


# -- optimizers --------------------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD, momentum": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "Adam": {"lr": 0.1, "amsgrad": True, "maximize": True, "weight_decay": 0.1},
    "AdamW": {"lr": 0.1},
}


def trained(name, settings, dtype=dualad.float64):
    x = dualad.asarray(X, dtype=dtype).requires_grad_()
    optimizer = getattr(optim, name.partition(",")[0])([x], **settings)
    for _ in range(3):
        x.grad = x.detach() * 0.3 - 1
        optimizer.step()
    return x.detach().numpy()


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS.items(), ids=OPTIMIZERS)
@pytest.mark.parametrize("dtype", [dualad.float64, dualad.float16, dualad.complex64], ids=str)
def test_a_step_is_one_kernel_of_a_parameter(fusing, name, settings, dtype):
    x = trained(name, settings, dtype)
    assert len(fusing.run) == 3
    with plainly():
        np.testing.assert_array_equal(x, trained(name, settings, dtype))


def test_a_learning_rate_that_is_a_tensor_is_computed_with_as_ever(fusing):
    x = trained("SGD", {"lr": dualad.tensor(0.1, dtype=dualad.float64)})
    np.testing.assert_allclose(x, trained("SGD", {"lr": 0.1}), rtol=1e-6)
    assert len(fusing.run) == 3


def test_who_looks_on_sees_a_steps_ops(fusing):
    with dualad.profile() as profile:
        x = trained("SGD", {"lr": 0.1})
    assert fusing.run == []
    assert "subtract" in str(profile)
    np.testing.assert_array_equal(x, trained("SGD", {"lr": 0.1}))
