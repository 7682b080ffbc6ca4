"""The reverse walk and its meeting with forward mode: what is added up, kept, freed and shared."""

import gc
import math
import pickle
import threading
import weakref

import numpy as np
import pytest

import dualad
from dualad.op import REGISTRY


def leaf(values, device="cpu"):
    return dualad.tensor(values, dtype=dualad.float32, device=device, requires_grad=True)


def scalar(x):
    return pytest.approx(x, rel=1e-5)


# -- what is added up ------------------------------------------------------------------------------


def test_diamond(device):
    x = leaf(3.0, device)
    a, b = x * 2, x * x
    (a * b).backward()  # 2 x³
    assert x.grad.item() == scalar(54.0)
    assert x.grad.device == x.device
    assert x.grad.dtype == x.dtype


def test_stacked_diamonds_visit_each_node_once():
    """2**100 paths lead back: only a walk that adds up before it goes on gets there."""
    x = leaf(1.0)
    y = x
    for _ in range(100):
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad.item() == scalar(1.0)


def test_a_late_consumer_of_an_early_value_is_waited_for(device):
    x = leaf(2.0, device)
    a = x * 3
    b = a
    for _ in range(5):
        b = b * 2
    (b + a).backward()
    assert x.grad.item() == scalar(3 * (32 + 1))


def test_an_input_used_several_times(device):
    x = leaf([1.0, 2.0], device)
    dualad.concat([x, x * x, x]).sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]
    y = leaf(3.0, device)
    (y * y * y + y - y).backward()
    assert y.grad.item() == scalar(27.0)


def test_an_unused_input_has_no_gradient(device):
    x, y = leaf(1.0, device), leaf(2.0, device)
    (x * 2).backward()
    assert y.grad is None
    gx, gy = dualad.autograd.grad(x * 2, [x, y], allow_unused=True)
    assert gx.item() == 2.0
    assert gy is None
    _, gy = dualad.autograd.grad(x * 2, [x, leaf([1.0, 2.0], device)], materialize_grads=True)
    assert gy.tolist() == [0.0, 0.0]


def test_several_roots_are_walked_together(device):
    x = leaf([1.0, 2.0], device)
    shared = x * x
    roots = [shared.sum(), shared * 3, shared]
    weights = [None, dualad.ones(2, device=device), dualad.tensor([0.0, 1.0], device=device)]
    dualad.autograd.backward(roots, weights)
    assert x.grad.tolist() == [2.0 * 4, 4.0 * 5]
    (g,) = dualad.autograd.grad([x.sum(), (x * x).sum()], x)
    assert g.tolist() == [3.0, 5.0]


def test_a_root_above_another_and_a_leaf_as_root(device):
    x = leaf(3.0, device)
    a = x * x
    b = a * 2
    dualad.autograd.backward([b, a, x])
    assert x.grad.item() == scalar(12 + 6 + 1)


def test_gradients_accumulate_over_passes_in_the_same_handle(device):
    x = leaf([1.0, 2.0], device)
    (x * x).sum().backward()
    held = x.grad
    (x * 3).sum().backward()
    assert x.grad is held
    assert held.tolist() == [5.0, 7.0]


def test_accumulation_does_not_change_what_the_gradient_came_from(device):
    """The cotangent of x + y is one array: neither leaf may add into the other's, or the user's."""
    x, y, seed = leaf([1.0], device), leaf([1.0], device), dualad.ones(1, device=device)
    (x + y).backward(seed)
    (x * 5).sum().backward()
    assert [x.grad.item(), y.grad.item(), seed.item()] == [6.0, 1.0, 1.0]
    x.grad.zero_()
    assert [y.grad.item(), seed.item()] == [1.0, 1.0]


def test_a_numpy_seed_is_not_written_to():
    x, seed = leaf([1.0, 2.0]), np.ones(2, np.float32)
    y = x * 1.0
    (dualad.stack([y, y]).sum(0) + x).backward(seed)
    (x * 2).sum().backward()
    assert seed.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [5.0, 5.0]
    seed[0] = 100.0
    assert x.grad.tolist() == [5.0, 5.0]


def test_gradient_takes_the_shape_and_dtype_of_its_operand(device):
    x = leaf([[1.0], [2.0]], device)
    b = dualad.ones(3, dtype=dualad.float32, device=device, requires_grad=True)
    (x * b).sum().backward()
    assert (x.grad.shape, b.grad.shape) == ((2, 1), (3,))
    assert x.grad.tolist() == [[3.0], [3.0]]
    assert b.grad.tolist() == [3.0, 3.0, 3.0]


# -- keeping and freeing ---------------------------------------------------------------------------


def test_retain_graph(device):
    x = leaf(3.0, device)
    y = (x * x).exp()
    y.backward(retain_graph=True)
    first = x.grad.item()
    y.backward()
    assert x.grad.item() == scalar(2 * first)
    with pytest.raises(dualad.GradientError, match="second time"):
        y.backward()


def test_create_graph_differentiates_the_pass(device):
    x = leaf(2.0, device)
    (g,) = dualad.autograd.grad(x**4, x, create_graph=True)
    (h,) = dualad.autograd.grad(g, x, create_graph=True)
    (h * x).backward()  # 12 x³
    assert [g.item(), h.item(), x.grad.item()] == [scalar(32.0), scalar(48.0), scalar(144.0)]


def test_backward_with_create_graph_leaves_a_gradient_with_history():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    first = x.grad
    x.grad = None
    first.backward()
    assert x.grad.item() == scalar(12.0)


def test_without_create_graph_gradients_have_no_history():
    x = leaf(2.0)
    (x**3).backward()
    assert not x.grad.requires_grad


def test_backward_into_chosen_inputs(device):
    x, y = leaf(2.0, device), leaf(3.0, device)
    mid = x * y
    (mid * y).backward(inputs=[y])
    assert x.grad is None
    assert y.grad.item() == scalar(12.0)
    z = leaf(2.0, device)
    (z * z).backward(inputs=z)
    assert z.grad.item() == scalar(4.0)
    mid = x * y
    for _ in range(2):
        (mid * mid).backward(inputs=[mid, y], retain_graph=True)
    assert mid.grad.item() == scalar(2 * 2 * 6.0)
    assert y.grad.item() == scalar(12.0 + 2 * 2 * 6.0 * 2.0)


def test_grad_in_a_result_of_an_op(device):
    x = leaf(2.0, device)
    mid = x * x
    g_mid, g_x = dualad.autograd.grad(mid * mid + x, [mid, x])
    assert [g_mid.item(), g_x.item()] == [scalar(8.0), scalar(33.0)]
    assert x.grad is None


def test_a_million_ops():
    """Forward, back and away, with a stack that holds a thousandth of it."""
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + x
    y.backward()
    assert x.grad.item() == 1_000_001.0
    node = weakref.ref(y.grad_fn)
    del y
    assert node() is None


def test_a_deep_graph_can_be_dropped_without_backward():
    x = leaf(1.0)
    y = x
    for _ in range(200_000):
        y = y * x
    first = weakref.ref(y.grad_fn)
    del y
    assert first() is None


@pytest.mark.parametrize("how", ["dropped", "backward", "retained", "create_graph", "grad", "views"])
def test_no_cycles(how, device):
    """Reference counting alone frees a graph, whatever was done with it."""
    x = leaf([1.0, 2.0], device)
    gc.collect()
    gc.disable()
    try:
        a = x * x
        handle = a.register_hook(lambda g: g * 1)
        a.retain_grad()
        y = (a.exp() * a).sum()
        if how == "views":
            w = a * 1
            w[0] = 2.0
            w[1:].mul_(3.0)
            y = y + w.T.reshape(-1)[0]
            y.backward()
            del w
        elif how == "grad":
            dualad.autograd.grad(y, [x, a], create_graph=True)
        elif how != "dropped":
            y.backward(retain_graph=how == "retained", create_graph=how == "create_graph")
        nodes = weakref.ref(a.grad_fn), weakref.ref(y.grad_fn)
        del a, y, handle, x  # and with create_graph, x.grad, whose history leads back to x
        assert [n() for n in nodes] == [None, None]
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_transforms_leave_no_cycles():
    f = lambda x: dualad.sum(dualad.sin(x) * x)  # noqa: E731
    dualad.grad(f)(np.ones(3))  # caches are filled
    gc.collect()
    gc.disable()
    try:
        dualad.grad(f)(np.ones(3))
        dualad.vjp(f, np.ones(3))[1](1.0)
        dualad.jvp(dualad.grad(f), (np.ones(3),), (np.ones(3),))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_saved_values_are_freed_as_the_walk_goes():
    x = leaf([1.0, 2.0])
    big = np.ones(2, np.float32)
    alive = weakref.ref(big)
    y = (x * dualad.from_numpy(big)).sum()
    del big
    y.backward()
    assert alive() is None


# -- hooks -----------------------------------------------------------------------------------------


def test_hooks_run_in_order_and_replace(device):
    x = leaf(1.0, device)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2).backward()
    assert seen == [2.0, 20.0]
    assert x.grad.item() == 20.0


def test_a_hook_sees_the_whole_gradient_once_and_changes_what_goes_on(device):
    x = leaf(3.0, device)
    a = x * 2
    seen = []

    def hook(g):
        seen.append(g.item())
        return -g

    a.register_hook(hook)
    (a * a + a).backward()
    assert seen == [13.0]
    assert x.grad.item() == -26.0


def test_a_removed_hook_is_not_called_and_others_are():
    x = leaf(1.0)
    seen = []
    hook = seen.append
    first, _second = x.register_hook(hook), x.register_hook(hook)
    first.remove()
    first.remove()
    (x * 2).backward()
    assert len(seen) == 1
    with x.register_hook(lambda g: g * 100):
        pass
    (x * 1).backward()
    assert x.grad.item() == 3.0


def test_retain_grad(device):
    x = leaf(3.0, device)
    a = x * x
    a.retain_grad()
    a.retain_grad()
    b = a * 1
    (a * a + b).backward()
    assert a.grad.item() == scalar(19.0)
    assert b.grad is None


def test_what_is_retained_is_what_the_hooks_have_left(device):
    y = leaf([1.0, 2.0], device) * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert y.grad.tolist() == [10.0, 10.0]


def test_what_is_retained_follows_a_write(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y[0] = 7.0
    (y * y).sum().backward()
    assert y.grad.tolist() == [14.0, 24.0]
    assert x.grad.tolist() == [0.0, 24.0 * 6]


def test_hooks_see_gradients_with_history_under_create_graph():
    x = leaf(2.0)
    a = x * x
    kept = []
    a.register_hook(kept.append)
    (a * a).backward(create_graph=True)
    (g,) = dualad.autograd.grad(kept[0], x)  # 2 x²
    assert g.item() == scalar(8.0)


# -- levels ----------------------------------------------------------------------------------------


def test_third_derivative(device):
    f = lambda x: x**4 + dualad.sin(x)  # noqa: E731
    x = dualad.tensor(0.7, dtype=dualad.float32, device=device)
    third = dualad.grad(dualad.grad(dualad.grad(f)))(x)
    assert third.item() == pytest.approx(24 * 0.7 - math.cos(0.7), rel=1e-4)
    assert third.device == x.device


def test_forward_over_reverse_is_reverse_over_forward(device):
    rng = np.random.default_rng(0)
    x, t = (dualad.asarray(rng.normal(size=4).astype("float32"), device=device) for _ in range(2))

    def f(x):
        return dualad.sum(dualad.exp(dualad.sin(x)) * x) * x[0]

    _, a = dualad.jvp(dualad.grad(f), (x,), (t,))
    b = dualad.grad(lambda x: dualad.jvp(f, (x,), (t,))[1])(x)
    c = dualad.grad(lambda x: dualad.sum(dualad.grad(f)(x) * t))(x)
    assert np.allclose(a.tolist(), b.tolist(), atol=1e-4)
    assert np.allclose(a.tolist(), c.tolist(), atol=1e-4)
    assert np.abs(a.tolist()).max() > 0.1


D = {"reverse": dualad.grad, "forward": lambda f: lambda x: dualad.jvp(f, (x,), (1.0,))[1]}


@pytest.mark.parametrize("outer", D)
@pytest.mark.parametrize("inner", D)
def test_perturbation_confusion(inner, outer):
    """The examples of Siskind and Pearlmutter: a shared tag answers 2, and 1 the right way."""
    inner, outer = D[inner], D[outer]
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0) == 6.0
    assert inner(lambda x: outer(lambda y: x)(1.0) * x)(5.0) == 0.0


def test_the_closure_that_keeps_an_inner_level_apart():
    """d/dx of a curried function, then its result differentiated again (Manzyuk et al.)."""
    d = D["reverse"]

    def shift(u):
        return lambda f: lambda x: f(x + u)

    hat = lambda f: lambda x: d(lambda u: shift(u)(f)(x))(0.0)  # noqa: E731
    assert hat(hat(math_exp))(1.0) == pytest.approx(math.e)


def math_exp(x):
    return dualad.exp(x)


def test_a_transform_inside_a_recorded_program(device):
    x = leaf(2.0, device)
    dualad.grad(lambda y: y**3 * x)(x).backward()  # 3 x² · x, of which the last x is held
    assert x.grad.item() == scalar(36.0)


def test_an_exception_inside_a_transform_leaves_nothing_behind():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError):
        dualad.grad(lambda x: dualad.jvp(f, (x,), (1.0,))[1])(1.0)
    assert dualad.grad(dualad.grad(lambda x: x**3))(2.0) == 12.0


# -- threads ---------------------------------------------------------------------------------------


def test_threads_that_share_leaves_lose_no_accumulation():
    x = leaf(np.ones(200).tolist())
    start, failures = threading.Barrier(4), []

    def work():
        try:
            start.wait()
            for _ in range(300):
                (x * 1.0).sum().backward()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert x.grad.tolist() == [1200.0] * 200


def test_a_number_as_cotangent_keeps_its_digits():
    x = dualad.tensor(1.0, dtype=dualad.float64, requires_grad=True)
    (x * 1.0).backward(0.1)
    assert x.grad.item() == 0.1
    assert dualad.autograd.grad(x * 1.0, x, 0.1)[0].item() == 0.1


def test_every_op_is_pickled_by_its_name():
    assert all(pickle.loads(pickle.dumps(op)) is op for op in REGISTRY.values())
