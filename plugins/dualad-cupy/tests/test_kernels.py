"""Kernels: when they are made and launched, and that programs and optimizers compute the same with them.

NumPy evaluates the kernels' texts, so no compiler is needed, and there is no GPU: what CuPy does between a
call and its launch is not covered. On a machine with a GPU `test_suite.py` runs all of dualad's tests
through these kernels.
"""

from functools import partial
from types import SimpleNamespace

import kernel_texts
import numpy as np
import pytest
from dualad_cupy import kernels

import dualad
from dualad import optim
from dualad.backends import get
from dualad.engine.namespace import SPACES

DTYPES = {"float16": 4e-3, "float32": 1e-6, "float64": 2e-14}
NUMPY = get("numpy").namespace

# -- launches --------------------------------------------------------------------------------------


class FakeCupy:
    """What `kernels` knows of CuPy, on NumPy arrays.

    Attributes
    ----------
    made, launched : list of str
        The names of kernels, as they were made and as they were launched.
    """

    ndarray = np.ndarray
    cuda = SimpleNamespace(compiler=SimpleNamespace(CompileException=kernel_texts.CompileException))

    def __init__(self):
        self.made, self.launched = [], []
        self.ElementwiseKernel, self.ReductionKernel = kernel_texts.kernels(
            lambda function, *args: function(*args), lambda what, name: getattr(self, what).append(name)
        )


@pytest.fixture
def cupy():
    return FakeCupy()


def fused(cupy, function, name="f"):
    return kernels.Fused(cupy, function, partial(function, NUMPY), name)


X = np.asarray([-2.0, 0.0, 0.5, 3.0], "float32")


def test_a_function_is_one_kernel_for_each_dtype(cupy):
    function = fused(cupy, lambda xp, x, y: xp.sin(x) * y + 1, "sin times")
    for dtype in DTYPES:
        for _ in range(3):
            x, y = X.astype(dtype), X[:, None].astype(dtype)
            np.testing.assert_allclose(function(x, y), np.sin(x) * y + 1, rtol=DTYPES[dtype])
    assert cupy.made == ["dualad_sin_times"] * 3
    assert cupy.launched == ["dualad_sin_times"] * 9


def test_numbers_by_keyword_are_handed_over_at_each_call(cupy):
    function = fused(cupy, lambda xp, x, *, a: (x * a, x - a))
    for a in (0.1, 2, -0.0, np.inf):
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(function(X, a=a), (X * np.float32(a), X - np.float32(a)))
    assert len(cupy.made) == 2  # for integers, and for the others
    assert len(cupy.launched) == 4


def test_constants_belong_to_the_kernel_and_zeros_have_signs(cupy):
    function = fused(cupy, lambda xp, x, c: x * 1 + c if c is not None else x * 1 * 2)
    for c in (None, 1, 1.0, True, 0.0, -0.0):
        y = function(np.asarray([-0.0], "float32"), c)
        expected = np.float32(-0.0) + c if c is not None else np.float32(-0.0)
        assert np.array_equal(y, [expected])
        assert np.signbit(y[0]) == np.signbit(expected)
    assert len(cupy.made) == 6


def test_constants_without_end_do_not_make_kernels_without_end(cupy, monkeypatch):
    monkeypatch.setattr(kernels, "MOST_KERNELS", 3)
    function = fused(cupy, lambda xp, x, c: x * c + 1)
    for i in range(8):
        np.testing.assert_array_equal(function(X, i / 2), X * np.float32(i / 2) + 1)
    assert len(cupy.made) == len(cupy.launched) == 3


PLAIN = {
    "dtypes that differ": (X, X.astype("float64")),
    "integers": (np.arange(3), np.arange(3)),
    "complex numbers": (X * 1j, X * 1j),
    "a complex constant": (X, 1j),
    "a scalar of NumPy's": (X, np.float64(2.0)),
    "no array": (2.0, 3.0),
}


@pytest.mark.parametrize("args", PLAIN.values(), ids=PLAIN)
def test_what_is_not_of_one_real_dtype_is_computed_plainly(cupy, args):
    y = fused(cupy, lambda xp, x, y: x * y)(*args)
    np.testing.assert_array_equal(y, args[0] * args[1])
    assert np.asarray(y).dtype == np.asarray(args[0] * args[1]).dtype
    assert cupy.made == []


def test_a_single_operation_is_left_to_cupys_own_kernel(cupy):
    np.testing.assert_array_equal(fused(cupy, lambda xp, x, y: x * y)(X, X), X * X)
    assert cupy.made == []


def test_what_fails_fails_as_plain_calls_do(cupy):
    with pytest.raises(dualad.BackendError, match="no_such_function: the numpy backend has no such function"):
        fused(cupy, lambda xp, x: xp.no_such_function(x))(X)
    assert cupy.made == []


def test_several_results_that_broadcast_apart_are_computed_plainly(cupy):
    function = fused(cupy, lambda xp, x, y: (x + y, x * 2))
    for y in (X[:, None], X):
        total, twice = function(X, y)
        assert total.shape == (X + y).shape
        assert twice.shape == X.shape
    assert len(cupy.launched) == 1  # where both have one shape


def test_a_kernel_that_cannot_be_compiled_is_computed_plainly_and_reported_once(cupy):
    def refuse(*args, **keywords):
        def launch(*arrays):
            raise kernel_texts.CompileException("nvrtc: error: no such thing\nmore")

        return launch

    cupy.ElementwiseKernel = refuse
    function = fused(cupy, lambda xp, x: x * 2 + 1)
    with pytest.warns(RuntimeWarning, match="dualad_f: this could not be compiled.*no such thing$"):
        np.testing.assert_array_equal(function(X), X * 2 + 1)
    np.testing.assert_array_equal(function(X), X * 2 + 1)  # where a warning would be an error


# -- sums ------------------------------------------------------------------------------------------


def summing(cupy, function):
    plain = lambda shape, *args: get("numpy").unbroadcast(function(NUMPY, *args), shape)  # noqa: E731
    return kernels.FusedSum(cupy, function, plain, "sum")


SUMS = [
    ((3, 1100), (1100,)),
    ((1100, 3), (1100, 1)),
    ((2, 3, 1100), (3, 1)),
    ((3, 1100), (1, 1100)),
]


@pytest.mark.parametrize(("whole", "shape"), SUMS)
def test_many_products_are_summed_in_the_kernel_that_makes_them(cupy, whole, shape):
    rng = np.random.default_rng(0)
    g, x = rng.standard_normal(whole), rng.standard_normal(whole[-1:])
    y = summing(cupy, lambda xp, g, x: g * xp.cos(x))(shape, g, x)
    np.testing.assert_allclose(y, get("numpy").unbroadcast(g * np.cos(x), shape))
    assert y.shape == shape
    assert cupy.launched == (["dualad_sum"] if np.prod(shape) >= kernels.MANY_SUMS else [])


def test_half_precision_is_summed_in_single(cupy):
    ones = np.ones((5000, 1100), "float16")  # added one by one they would stop at 2048
    y = summing(cupy, lambda xp, g, x: g * x)((1100,), ones, ones[0])
    assert y.dtype == "float16"
    np.testing.assert_array_equal(y, np.full(1100, 5000, "float16"))
    assert cupy.launched == ["dualad_sum"]


# -- programs --------------------------------------------------------------------------------------


class FusingNamespace:
    """NumPy's functions, and kernels where the library would be CuPy."""

    fuses = True

    def __init__(self, cupy):
        self.cupy = cupy

    def __getattr__(self, name):
        return getattr(NUMPY, name)

    def fuse(self, function, name):
        return kernels.Fused(self.cupy, function, partial(function, NUMPY), name)

    def fuse_sum(self, function, name):
        whole = self.fuse(function, name)
        plain = lambda shape, *args: NUMPY.unbroadcast(whole(*args), shape)  # noqa: E731
        return kernels.FusedSum(self.cupy, function, plain, name)


@pytest.fixture
def fusing(cupy, monkeypatch):
    """Let arrays on the CPU go through kernels."""
    monkeypatch.setitem(SPACES, np.ndarray, FusingNamespace(cupy))
    return cupy


ARGUMENTS = [np.random.default_rng(0).standard_normal(s).astype("float32") for s in ((5, 3), (3,), (5, 1))]


def program(x, w, b):
    h = dualad.tanh(x * w + b)
    return (dualad.maximum(h, 0.1) / (1 + x * x) * dualad.sqrt(dualad.abs(w))).sum()


def test_a_backward_pass_launches_one_kernel_for_each_factor_and_product(fusing):
    grads = dualad.grad(program, argnums=(0, 1, 2))(*ARGUMENTS)
    launched = sorted(fusing.launched)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPACES, np.ndarray, NUMPY)
        expected = dualad.grad(program, argnums=(0, 1, 2))(*ARGUMENTS)
    for g, want in zip(grads, expected, strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-5)
    names = ("abs_0", "divide_0", "divide_1", "maximum_0", "sqrt_0", "tanh_0")
    assert launched == [f"dualad_{name}" for name in names]


def test_a_push_launches_one_kernel_for_each_factor_and_product(fusing):
    x = ARGUMENTS[0]
    y, t = dualad.jvp(lambda x: dualad.tanh(dualad.sin(x)), (x,), (np.ones_like(x),))
    np.testing.assert_allclose(t, np.cos(x) / np.cosh(np.sin(x)) ** 2, rtol=1e-5)
    assert fusing.launched == ["dualad_sin_0", "dualad_tanh_0"]
    assert y.dtype == t.dtype == "float32"


def test_a_zero_cotangent_wins_over_an_infinite_slope(fusing):
    x = np.asarray([0.0, 4.0], "float32")
    g = dualad.grad(lambda x: dualad.where(x > 0, dualad.sqrt(x), 0.0).sum())(x)
    np.testing.assert_array_equal(g, np.asarray([0.0, 0.25], "float32"))
    assert "dualad_sqrt_0" in fusing.launched


def test_gradients_of_what_was_broadcast_are_summed_in_their_kernel(fusing):
    x, w = np.ones((7, 1200), "float32"), np.full(1200, 0.5, "float32")
    dx, dw = dualad.grad(lambda x, w: (x * w).sum(), argnums=(0, 1))(x, w)
    np.testing.assert_array_equal(dw, np.full(1200, 7, "float32"))
    np.testing.assert_array_equal(dx, np.broadcast_to(w, x.shape))
    assert fusing.made == fusing.launched == ["dualad_multiply_1"]  # dx is a single operation


def test_a_users_rule_is_not_traced_as_it_may_read_what_changes(fusing):
    slope = [2.0]

    @dualad.primitive(dualad.rules.Scale(lambda xp, x: slope[0] * xp.exp(x)))
    def op(xp, x):
        return xp.exp(x)

    x = np.zeros(2)
    for slope[0] in (2.0, 3.0):
        np.testing.assert_array_equal(dualad.grad(lambda x: op(x).sum())(x), np.full(2, slope[0]))
    assert fusing.launched == []


OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD with momentum": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "Adam": {"lr": 0.1, "amsgrad": True, "maximize": True},
    "AdamW": {"lr": 0.1},
}


def trained(name, settings):
    """Return two parameters after four steps, with a learning rate that changes."""
    params = [dualad.tensor(a.tolist(), requires_grad=True) for a in ARGUMENTS[:2]]
    optimizer = getattr(optim, name.split()[0])(params, **settings)
    for i in range(4):
        optimizer.param_groups[0]["lr"] = settings["lr"] / (i + 1)
        for p in params:
            p.grad = p.detach() * 0.3 - i
        optimizer.step()
    return [p.detach().numpy() for p in params]


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS.items(), ids=OPTIMIZERS)
def test_a_step_is_one_kernel_a_parameter_and_none_is_made_anew(fusing, name, settings):
    params = trained(name, settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPACES, np.ndarray, NUMPY)
        expected = trained(name, settings)
    for p, want in zip(params, expected, strict=True):
        np.testing.assert_array_equal(p, want)
    assert len(fusing.launched) == 4 * 2
    assert len(fusing.made) <= 2  # the first step of a velocity is another


def test_steps_of_other_parameters_are_computed_plainly(fusing):
    z = dualad.tensor([1 + 2j, -0.5 + 0.25j], requires_grad=True)
    z.grad = z.detach() * 0.5
    optim.Adam([z], lr=0.1).step()
    np.testing.assert_allclose(z.detach().numpy(), [0.9 + 1.9j, -0.4 + 0.15j], rtol=1e-6)
    assert fusing.launched == []
