"""The reverse walk and the levels: graphs of every form, their memory, hooks, and nesting."""

import gc
import threading
import weakref

import numpy as np
import pytest

import dualad
from dualad import autograd


@pytest.fixture
def x(device):
    return dualad.tensor([0.5, 1.5], device=device, requires_grad=True)


def test_diamond_and_reused_input(x):
    y = x * x
    (y * x + y.sin() + y).sum().backward()
    a = np.array([0.5, 1.5])
    np.testing.assert_allclose(x.grad.tolist(), 3 * a**2 + 2 * a * np.cos(a**2) + 2 * a, rtol=1e-6)


def test_unused_input_and_several_roots(x, device):
    unused = dualad.ones(2, device=device, requires_grad=True)
    autograd.backward([(x * 2).sum(), (x * 3).sum()])
    assert x.grad.tolist() == [5.0, 5.0]
    assert unused.grad is None


def test_backward_accumulates_in_the_same_tensor(x):
    (x * 2).sum().backward()
    kept = x.grad
    (x * 2).sum().backward()
    assert x.grad is kept
    assert kept.tolist() == [4.0, 4.0]


def test_backward_to_chosen_inputs(x, device):
    z = dualad.ones(2, device=device, requires_grad=True)
    (x * z).sum().backward(inputs=[z])
    assert x.grad is None
    assert z.grad.tolist() == [0.5, 1.5]


def test_retain_graph(x):
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [2.0, 6.0]


def test_gradient_of_an_intermediate_result(x):
    y = x * 3
    assert autograd.grad((y * y).sum(), y)[0].tolist() == [3.0, 9.0]


def test_create_graph_reaches_any_order():
    x = dualad.tensor(2.0, dtype=dualad.float64, requires_grad=True)
    y, want = x**5, [80.0, 160.0, 240.0, 240.0, 120.0]
    for derivative in want:
        (y,) = autograd.grad(y, x, create_graph=True)
        assert y.item() == derivative


def test_unused_is_an_error_or_none_or_zeros(x, device):
    z = dualad.ones(2, device=device, requires_grad=True)
    with pytest.raises(dualad.GradientError, match="not have been used in the graph"):
        autograd.grad((x * 2).sum(), [x, z])
    assert autograd.grad((x * 2).sum(), [x, z], allow_unused=True)[1] is None
    assert autograd.grad((x * 2).sum(), [x, z], materialize_grads=True)[1].tolist() == [0.0, 0.0]


# -- depth, memory, threads --------------------------------------------------------------------


def test_a_million_ops_deep():
    x = dualad.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1.0
    del y  # freed without recursion too


def test_a_dropped_graph_is_freed_at_once(x):
    gc.collect()
    gc.disable()
    try:
        y = (x * x).sin()
        y.register_hook(lambda g: None)
        y.retain_grad()
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del y
        assert node() is None
        (x * x)[0].reshape(1).sum()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_saved_values_are_freed_as_the_walk_goes():
    x = dualad.tensor(np.ones(3), requires_grad=True)
    y = x.exp()
    saved = weakref.ref(y._value)
    z = (y * 2).sum()
    del y
    z.backward()
    assert saved() is None


def test_threads_that_share_a_leaf_lose_nothing():
    x = dualad.zeros(8, requires_grad=True)
    work = lambda: [(x * 1.0).sum().backward() for _ in range(200)]  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.tolist() == [800.0] * 8


# -- hooks -------------------------------------------------------------------------------------


def test_hooks_run_in_order_and_may_replace_the_gradient(x):
    seen = []
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward()
    assert seen == [[10.0, 10.0]]
    assert x.grad.tolist() == [20.0, 20.0]


def test_a_removed_hook_is_not_called(x):
    handle = x.register_hook(lambda g: g * 0)
    handle.remove()
    handle.remove()
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_retain_grad(x):
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [2.0, 6.0]


# -- nesting -----------------------------------------------------------------------------------


def test_third_derivative():
    assert dualad.grad(dualad.grad(dualad.grad(lambda x: x**4)))(2.0) == 48.0


def _push(f):
    return lambda x: dualad.jvp(f, (x,), (1.0,))[1]


@pytest.mark.parametrize("outer", [dualad.grad, _push], ids=["grad", "jvp"])
@pytest.mark.parametrize("inner", [dualad.grad, _push], ids=["grad", "jvp"])
def test_perturbations_are_not_confused(outer, inner):
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0) == 6.0


@pytest.mark.parametrize("derive", [dualad.grad, _push], ids=["grad", "jvp"])
def test_a_shift_differentiated_twice(derive):
    """The classic case of two derivatives of one function with a free variable between them."""
    shift = lambda x: lambda f: lambda y: f(x + y)  # noqa: E731
    twice = derive(lambda x: derive(lambda y: shift(x)(lambda z: z**3)(y))(0.0))(2.0)
    assert twice == 12.0


def test_a_transform_leaves_the_outer_tape_whole(x):
    inner = dualad.grad(lambda y: (y**3).sum())(x)  # 3 x**2, and still a function of x
    inner.sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), [3.0, 9.0], rtol=1e-6)


def test_an_exception_leaves_no_state():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError):
        dualad.grad(f)(1.0)
    assert dualad.grad(lambda x: x * x)(3.0) == 6.0
