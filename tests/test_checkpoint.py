"""Checkpoints: the same derivatives of every order and mode, with less memory, and errors where f differs."""

import gc
import threading
import weakref
from contextlib import contextmanager

import numpy as np
import pytest

import dualad
import dualad as torch
from dualad.engine.recording import Observer, observing
from dualad.engine.saving import saved_places
from dualad.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    noop_context_fn,
    set_checkpoint_early_stop,
)


def leaf(data, device="cpu", dtype=None):
    return dualad.tensor(data, device=device, dtype=dtype, requires_grad=True)


class Counted:
    """A function that counts its runs."""

    def __init__(self, f):
        self.f, self.runs = f, 0

    def __call__(self, *args, **kwargs):
        self.runs += 1
        return self.f(*args, **kwargs)


def smooth(x):
    h = dualad.sin(x) * x + dualad.exp(-x * x)
    return dualad.tanh(h @ h.mT + h).sum() + (h**3).mean()


MATRIX = [[0.1, -0.4], [0.7, 0.3]]


# -- derivatives -----------------------------------------------------------------------------------


def test_a_gradient_is_the_same_and_nothing_is_kept(device):
    f = Counted(smooth)
    x, r = leaf(MATRIX, device), leaf(MATRIX, device)
    y = checkpoint(f, x, use_reentrant=False)
    assert f.runs == 1
    y.backward()
    assert f.runs == 2
    smooth(r).backward()
    assert x.grad.tolist() == r.grad.tolist()


def test_nodes_keep_no_values_between_the_runs():
    x = leaf(np.ones(1000))
    kept = []

    def f(x):
        h = x.sin()
        kept.append(weakref.ref(h._value))
        return h.exp().tanh()

    y = checkpoint(f, x)
    assert kept[0]() is None
    y.sum().backward()
    gc.collect()
    assert [r() for r in kept] == [None, None]


def test_a_graph_that_is_kept_is_run_again_for_each_pass_and_one_that_is_not_is_freed():
    f = Counted(smooth)
    x = leaf(MATRIX)
    y = checkpoint(f, x)
    for runs in (2, 3):
        y.backward(retain_graph=True)
        assert f.runs == runs
    y.backward()
    with pytest.raises(dualad.GradientError, match="second time"):
        y.backward()
    r = leaf(MATRIX)
    for _ in range(3):
        smooth(r).backward()
    assert x.grad.tolist() == r.grad.tolist()


def test_derivatives_of_three_orders(device):
    def orders(f):
        x = leaf(MATRIX, device)
        out = []
        y = f(x)
        for _ in range(3):
            (g,) = dualad.autograd.grad(y, x, create_graph=True)
            out.append(g.tolist())
            y = (g * g).sum()
        return out

    assert orders(lambda x: checkpoint(smooth, x)) == orders(smooth)


X, T = np.array(MATRIX), np.array([[1.0, -2.0], [0.5, 0.0]])


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: dualad.grad(f)(X),
        lambda f: dualad.value_and_grad(f)(X)[1],
        lambda f: dualad.jvp(f, (X,), (T,))[1],
        lambda f: dualad.vjp(f, X)[1](1.0)[0],
        lambda f: dualad.linearize(f, X)[1](T),
        lambda f: dualad.hvp(f, (X,), (T,)),
        lambda f: dualad.jvp(dualad.grad(f), (X,), (T,))[1],
        lambda f: dualad.grad(lambda x: dualad.jvp(f, (x,), (T,))[1])(X),
        lambda f: dualad.grad(lambda x: (dualad.grad(f)(x) * T).sum())(X),
        lambda f: dualad.hessian(f)(X),
        lambda f: dualad.jacfwd(dualad.jacrev(f))(X),
        lambda f: dualad.vmap(dualad.grad(f))(np.stack([X, 2 * X, T])),
        lambda f: dualad.grad(lambda x: dualad.vmap(f)(dualad.stack([x, 2 * x])).sum())(X),
        lambda f: dualad.vmap(dualad.hessian(f))(np.stack([X, T])),
        lambda f: dualad.jvp(lambda x: dualad.vmap(dualad.grad(f))(dualad.stack([x, x * x])), (X,), (T,))[1],
    ],
)
def test_every_transform_outside(transform):
    assert np.allclose(transform(dualad.checkpoint(smooth)), transform(smooth), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "inside",
    [
        lambda x: (dualad.grad(smooth)(x) ** 2).sum(),
        lambda x: dualad.jvp(smooth, (x,), (T,))[1],
        lambda x: dualad.vmap(lambda row: (row.sin() * x).sum())(x).sum(),
        lambda x: smooth(dualad.hvp(smooth, (x,), (T,))),
    ],
)
def test_every_transform_inside(inside):
    for transform in (lambda f: dualad.grad(f)(X), lambda f: dualad.hvp(f, (X,), (T,))):
        got, expected = transform(dualad.checkpoint(inside)), transform(inside)
        assert np.allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_a_backward_pass_inside():
    def f(x):
        y = (x**3).sum()
        (g,) = dualad.autograd.grad(y, x, create_graph=True)
        return (g * g).sum() + y

    def gradient(f):
        x = leaf([1.0, 2.0])
        f(x).backward()
        return x.grad.tolist()

    counted = Counted(f)
    assert gradient(lambda x: checkpoint(counted, x)) == gradient(f)
    assert counted.runs == 2


def test_ops_of_several_outputs_and_writes_inside(device):
    def f(x):
        a = x @ x.mT + dualad.eye(2, device=device)
        values, vectors = dualad.linalg.eigh(a)
        b = dualad.zeros(2, 2, device=device)
        b[0] = values
        b[1, :] = vectors[0] ** 2
        b *= x
        x[0, 0] = 7.0  # the function's own affair, the second time
        return b.sum() + b[0, 1].exp() + x.sum()

    def gradient(f):
        x = leaf(MATRIX, device)
        f(x * 1).backward()
        return x.grad.tolist()

    assert gradient(lambda x: checkpoint(f, x)) == gradient(f)


def test_arguments_written_to_after_the_first_run_are_as_they_were():
    x = leaf([1.0, 2.0])
    a, n = x * 1, np.array([3.0, 4.0], dtype=np.float32)
    y = checkpoint(lambda a, n: (a * a * n).sum(), a, n)
    a.mul_(100)
    n[:] = 0
    y.backward()
    assert x.grad.tolist() == [6.0, 16.0]


def test_trees_keywords_and_what_is_no_tensor():
    def f(parameters, *, flag, name="b"):
        return {"out": (parameters["a"] * parameters[name][0] if flag else None, 3, "text")}

    a, b = leaf(2.0), leaf(3.0)
    out = checkpoint(f, {"a": a, "b": [b]}, flag=True)
    product, number, text = out["out"]
    assert (number, text) == (3, "text")
    product.backward()
    assert (a.grad.item(), b.grad.item()) == (3.0, 2.0)


def test_tensors_that_are_closed_over_get_their_gradients(device):
    w, x = leaf(MATRIX, device), leaf([1.0, 2.0], device)
    scaled = w * 3
    checkpoint(lambda x: (scaled @ x).tanh().sum() + w.exp().sum(), x).backward()
    v, r = leaf(MATRIX, device), leaf([1.0, 2.0], device)
    ((v * 3 @ r).tanh().sum() + v.exp().sum()).backward()
    assert w.grad.tolist() == v.grad.tolist()
    assert x.grad.tolist() == r.grad.tolist()


def test_only_what_is_needed_is_run_again():
    f = Counted(smooth)
    x, z = leaf(MATRIX), leaf(1.0)
    y = checkpoint(f, x) * z
    assert dualad.autograd.grad(y, z)[0].item() == smooth(x).item()
    assert f.runs == 1
    with dualad.no_grad():
        checkpoint(f, x)
    checkpoint(f, dualad.tensor(MATRIX))
    assert f.runs == 3


def test_a_look_at_what_is_saved_runs_it_again_and_keeps_nothing():
    f = Counted(lambda x: x.sin().exp())
    x = leaf([1.0, 2.0])
    y = checkpoint(f, x)
    assert y.grad_fn._saved_result.tolist() == y.tolist()
    assert saved_places(y.grad_fn)[-1].tolist() == y.tolist()
    assert f.runs == 3


# -- nested ----------------------------------------------------------------------------------------


def nested(depth, f):
    return f if not depth else lambda x: dualad.checkpoint(nested(depth - 1, f))(x * 1).sin() * 2


@pytest.mark.parametrize("depth", [2, 5])
def test_checkpoints_in_checkpoints(depth):
    def plain(depth, f):
        return f if not depth else lambda x: plain(depth - 1, f)(x * 1).sin() * 2

    for transform in (lambda f: dualad.grad(f)(X), lambda f: dualad.hvp(f, (X,), (T,))):
        got, expected = transform(nested(depth, smooth)), transform(plain(depth, smooth))
        assert np.allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_an_inner_checkpoint_keeps_its_inputs_no_longer_than_the_outer_one():
    kept = []

    def outer(x):
        middle = x.sin()
        kept.append(weakref.ref(middle._value))
        return checkpoint(lambda m: m.exp().tanh(), middle)

    x = leaf(np.ones(1000))
    y = checkpoint(outer, x)
    assert kept[0]() is None
    y.sum().backward()
    r = leaf(np.ones(1000))
    r.sin().exp().tanh().sum().backward()
    assert x.grad.tolist() == r.grad.tolist()


def test_hooks_on_saved_tensors_inside_and_outside():
    packs = []

    def pack(t):
        packs.append(t.shape)
        return t.detach()

    hooks = dualad.autograd.graph.saved_tensors_hooks(pack, lambda t: t)
    x = leaf([1.0, 2.0])
    with hooks:
        y = checkpoint(lambda x: x.sin().exp(), x)
    assert packs == [(2,)]  # the input of the function, and nothing else
    y.sum().backward()

    def f(x):
        with hooks:
            return x.sin().exp()

    z = leaf([1.0, 2.0])
    checkpoint(f, z).sum().backward()
    assert x.grad.tolist() == z.grad.tolist()


# -- random numbers and modes ----------------------------------------------------------------------


def dropout(x, p=0.5):
    return dualad.where(dualad.rand(*x.shape, device=x.device) > p, x, 0.0)


def test_random_numbers_are_drawn_again(device):
    def gradient(f):
        dualad.manual_seed(3)
        x = leaf(np.ones(50, dtype=np.float32), device)
        y = f(dropout(x))
        after = dualad.rand(3, device=device).tolist()
        dropout(y).sum().backward()
        return x.grad.tolist(), after, dualad.rand(3, device=device).tolist()

    def f(x):
        for _ in range(3):
            x = dropout(x * dualad.randn(50, device=device)).sin()
        return x

    assert gradient(lambda x: checkpoint(f, x)) == gradient(f)
    assert gradient(lambda x: checkpoint(lambda x: dropout(checkpoint(f, x)), x)) == gradient(
        lambda x: dropout(f(x))
    )


def test_random_numbers_of_a_seed_that_is_set_inside():
    def f(x):
        x = dropout(x)
        dualad.manual_seed(7)
        return dropout(x).exp()

    def gradient(f):
        dualad.manual_seed(3)
        x = leaf(np.ones(50))
        y = f(x)
        after = dualad.rand(3).tolist()
        y.sum().backward()
        return x.grad.tolist(), after, dualad.rand(3).tolist()

    assert gradient(lambda x: checkpoint(f, x)) == gradient(f)


def test_random_numbers_that_others_draw_in_between():
    def gradient(disturb):
        dualad.manual_seed(3)
        x = leaf(np.ones(20))
        masks = []

        def f(x):
            for _ in range(3):
                mask = dualad.rand(20) > 0.5
                masks.append(mask.tolist())
                disturb()
                x = (x * mask).exp()
            return x

        checkpoint(f, x).sum().backward()
        assert masks[:3] == masks[3:]
        return x.grad.tolist()

    def other_thread():
        thread = threading.Thread(target=dualad.rand, args=(5,))
        thread.start()
        thread.join()

    gradient(lambda: None)
    gradient(other_thread)


def test_random_numbers_need_not_be_preserved():
    masks = []

    def f(x):
        mask = dualad.rand(50) > 0.5
        masks.append(mask.tolist())
        return (x * mask).sin()

    checkpoint(f, leaf(np.ones(50)), preserve_rng_state=False).sum().backward()
    assert masks[0] != masks[1]


def test_modes_are_those_of_the_first_run():
    told = []

    def f(x):
        told.append((dualad.is_grad_enabled(), dualad.get_default_dtype()))
        y = x.sin() * dualad.tensor([2.0, 3.0])
        with dualad.no_grad():
            constant = y.exp()
        return y * constant

    x = leaf([1.0, 2.0], dtype="float64")
    dualad.set_default_dtype(dualad.float64)
    y = checkpoint(f, x)
    dualad.set_default_dtype(dualad.float32)
    with dualad.no_grad():
        y.backward(dualad.ones(2))
    assert told == [(True, dualad.float64)] * 2
    assert dualad.get_default_dtype() is dualad.float32
    assert dualad.is_grad_enabled()


def test_the_users_contexts_are_entered_for_each_run():
    entered = []

    @contextmanager
    def context(name):
        entered.append(name)
        yield
        entered.append(f"end of {name}")

    x = leaf([1.0, 2.0])
    y = checkpoint(lambda x: x.sin().exp(), x, context_fn=lambda: (context("first"), context("second")))
    y.sum().backward()
    assert entered[:3] == ["first", "end of first", "second"]
    assert len(noop_context_fn()) == 2


# -- hooks -----------------------------------------------------------------------------------------


def test_hooks_see_the_gradients_once():
    seen = []

    def f(x):
        h = x.sin()
        h.register_hook(lambda g: seen.append("inside"))
        return h.exp()

    x = leaf([1.0, 2.0])
    y = checkpoint(f, x)
    y.register_hook(lambda g: seen.append("outside"))
    x.register_hook(lambda g: g * 2)
    y.sum().backward()
    assert seen == ["outside", "inside"]
    r = leaf([1.0, 2.0])
    r.sin().exp().sum().backward()
    assert x.grad.tolist() == (2 * r.grad).tolist()


def test_who_looks_on_at_the_backward_pass_sees_the_second_run():
    class Names(Observer):
        def __init__(self):
            self.names = []

        def computed(self, op, values, y, start):
            self.names.append(op.name)

    x, names = leaf([1.0]), Names()
    y = checkpoint(lambda x: x.sin().exp(), x)
    with observing(names):
        y.backward(dualad.ones(1))
    assert names.names[:2] == ["sin", "exp"]


# -- stopping early --------------------------------------------------------------------------------


def ending(log):
    def f(x):
        y = x.sin().exp()
        log.append("middle")
        z = y + 1
        log.append("end")
        return z

    return f


def test_a_run_stops_when_all_is_there():
    log = []
    checkpoint(ending(log), leaf([1.0])).sum().backward()
    assert log == ["middle", "end"]
    log.clear()
    checkpoint(ending(log), leaf([1.0]), early_stop=False).sum().backward()
    assert log == ["middle", "end"] * 2
    log.clear()
    with set_checkpoint_early_stop(False):
        y = checkpoint(ending(log), leaf([1.0]))
    y.sum().backward()
    assert log == ["middle", "end"] * 2


def test_functions_do_not_catch_the_stop_and_clean_up():
    log = []

    def f(x):
        try:
            return x.sin().exp() + 1
        except Exception:
            log.append("caught")
            raise
        finally:
            log.append("cleaned up")

    checkpoint(f, leaf([1.0])).sum().backward()
    assert log == ["cleaned up"] * 2


# -- functions that differ when run again ----------------------------------------------------------


def switching(first, second):
    runs = iter([first, second])
    return lambda x: next(runs)(x)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (lambda x: x.sin().exp(), lambda x: x.cos().exp(), r"op 1 of .* was SinBackward0.* is CosBackward0"),
        (lambda x: x.sin().exp(), lambda x: x[:1].sin().exp(), r"op 1 of .* was SinBackward0 giving \(2,\)"),
        (lambda x: x.sin().exp(), lambda x: x.sin(), "different number of tensors.*missing is ExpBackward0"),
        (lambda x: x.sin().exp(), lambda x: x, "different number of tensors.*2 ops, and run again 0"),
    ],
)
def test_a_function_that_does_other_things_is_told_so(first, second, message):
    x = leaf([1.0, 2.0])
    y = checkpoint(switching(first, second), x)
    with pytest.raises(CheckpointError, match=message):
        y.sum().backward()
    assert x.grad is None
    checkpoint(first, x).sum().backward()
    assert x.grad is not None


def test_more_ops_than_before_are_told_where_the_run_does_not_stop():
    x = leaf([1.0, 2.0])
    longer = switching(lambda x: x.sin(), lambda x: x.sin().exp())
    y = checkpoint(longer, x, early_stop=False)
    with pytest.raises(CheckpointError, match=r"1 ops, and run again more.*ExpBackward0"):
        y.sum().backward()


def test_the_check_can_be_left_out():
    x = leaf([1.0, 2.0])
    y = checkpoint(switching(lambda x: x.sin(), lambda x: x.cos()), x, determinism_check="none")
    y.sum().backward()
    assert x.grad.tolist() == x.cos().tolist()
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(smooth, x, determinism_check="some")


def test_a_leaf_that_was_written_to_in_the_meantime_is_told():
    w, x = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = checkpoint(lambda x: (x * w).exp(), x)
    with dualad.no_grad():
        w.mul_(2)
    with pytest.raises(CheckpointError, match=r"leaf Tensor, of shape .*has been written to"):
        y.sum().backward()
    y = checkpoint(lambda x, w: (x * w).exp(), x, w)
    with dualad.no_grad():
        w.mul_(2)
    y.sum().backward()
    r, v = leaf([3.0, 4.0]), leaf([2.0, 4.0])
    (r * v).exp().sum().backward()
    assert (x.grad.tolist(), w.grad.tolist()) == (r.grad.tolist(), v.grad.tolist())


def test_a_tensor_from_outside_that_is_another_one_now_is_told():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    scaled = w * 2
    y = checkpoint(lambda x: (x * scaled).exp(), x)
    scaled.mul_(5)
    with pytest.raises(CheckpointError, match="reads from outside its arguments, in MulBackward0"):
        y.sum().backward()
    assert x.grad is None


# -- exceptions, threads ---------------------------------------------------------------------------


def test_an_exception_in_either_run_leaves_nothing_behind():
    def fails(x):
        x.sin()
        raise KeyError("mine")

    x = leaf([1.0, 2.0])
    with pytest.raises(KeyError, match="mine"):
        checkpoint(fails, x)
    y = checkpoint(switching(lambda x: x.sin().exp(), fails), x)
    with pytest.raises(KeyError, match="mine") as caught:
        y.sum().backward()
    assert any("running" in note and "again" in note for note in caught.value.__notes__)
    assert dualad.is_grad_enabled()
    assert dualad.get_default_dtype() is dualad.float32
    f = Counted(smooth)
    z = leaf(MATRIX)
    checkpoint(f, z).backward()
    assert f.runs == 2


def test_a_graph_under_a_checkpoint_is_freed_without_the_collector():
    gc.disable()
    try:
        x = leaf([1.0, 2.0])
        y = checkpoint(lambda x: checkpoint(lambda x: x.sin().exp(), x).tanh(), x)
        node = weakref.ref(y.grad_fn)
        y.sum().backward(retain_graph=True)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_threads_that_walk_one_graph():
    x = leaf(MATRIX)
    y = checkpoint(smooth, x)
    (expected,) = dualad.autograd.grad(smooth(x), x)
    got = []

    def work():
        for _ in range(10):
            got.append(dualad.autograd.grad(y, x, retain_graph=True)[0].tolist())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == [expected.tolist()] * 80


# -- sequences -------------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", [1, 2, 3, 7])
def test_segments_of_a_sequence(segments):
    functions = [Counted(f) for f in (dualad.sin, dualad.exp, dualad.tanh, lambda x: dropout(x, 0.1)) * 2][:7]
    x = leaf([0.5, 1.0])
    dualad.manual_seed(1)
    y = checkpoint_sequential(functions, segments, x, use_reentrant=False)
    y.sum().backward()
    r = leaf([0.5, 1.0])
    dualad.manual_seed(1)
    out = r
    for f in functions:
        out = f.f(out)
    out.sum().backward()
    assert x.grad.tolist() == r.grad.tolist()
    runs = [f.runs for f in functions]
    assert runs[-1] == 1
    assert all(n in (1, 2) for n in runs)
    assert (max(runs) == 2) == (segments > 1)


@pytest.mark.parametrize("segments", [0, 4])
def test_segments_that_cannot_be(segments):
    with pytest.raises(ValueError, match="segments must be from 1 to the number of functions, 3"):
        checkpoint_sequential([dualad.sin] * 3, segments, leaf([1.0]))


def test_what_is_no_function_and_no_number_of_segments():
    x = leaf([1.0])
    with pytest.raises(TypeError, match="checkpoint: expected a function, got int"):
        torch.utils.checkpoint.checkpoint(3, x, use_reentrant=False)
    with pytest.raises(TypeError, match="checkpoint_sequential: expected a function at 1, got int"):
        checkpoint_sequential([dualad.sin, 3], 1, x)
    with pytest.raises(TypeError, match="checkpoint_sequential: segments must be an integer, got str"):
        checkpoint_sequential([dualad.sin], "1", x)


def test_a_model_in_the_form_of_pytorch():
    weights = [torch.tensor(MATRIX, requires_grad=True) for _ in range(4)]
    layers = [lambda x, w=w: torch.tanh(x @ w) for w in weights]
    x = torch.randn(5, 2)
    out = torch.utils.checkpoint.checkpoint_sequential(layers, 2, x, use_reentrant=False)
    out.sum().backward()
    got = [w.grad.tolist() for w in weights]
    for w in weights:
        w.grad = None
    for layer in layers:
        x = layer(x)
    x.sum().backward()
    assert got == [w.grad.tolist() for w in weights]


def test_arguments_of_a_subclass_are_of_it_again():
    class Named(dualad.Tensor):
        def powered(self):
            kinds.append((type(self), self.power))
            return self.sin() ** self.power

    kinds = []
    base = leaf([1.0, 2.0])
    x = base.as_subclass(Named)
    x.power = 3
    checkpoint(lambda x: x.powered(), x).sum().backward()
    assert kinds == [(Named, 3)] * 2
    r = leaf([1.0, 2.0])
    (r.sin() ** 3).sum().backward()
    assert base.grad.tolist() == r.grad.tolist()


def test_a_transform_under_no_grad_is_what_it_is_elsewhere():
    with dualad.no_grad():
        got = dualad.grad(dualad.checkpoint(smooth))(X), dualad.hvp(dualad.checkpoint(smooth), (X,), (T,))
    assert np.allclose(got[0], dualad.grad(smooth)(X), rtol=1e-13)
    assert np.allclose(got[1], dualad.hvp(smooth, (X,), (T,)), rtol=1e-13)


def test_random_numbers_inside_vmap_are_drawn_again():
    def f(x):
        return (dropout(x.sin() * dualad.randn(3)) ** 2).sum()

    x = dualad.ones(4, 3)
    for options in (
        {"randomness": "different"},
        {"randomness": "same"},
        {"randomness": "same", "chunk_size": 2},
    ):
        found = []
        for g in (f, dualad.checkpoint(f)):
            dualad.manual_seed(5)
            found.append(dualad.grad(lambda x, g=g, o=options: dualad.vmap(g, **o)(x).sum())(x).tolist())
        assert found[0] == found[1], options


def test_a_function_that_is_not_linear_is_found_under_a_checkpoint():
    x = np.array([1.0, 2.0])
    (transposed,) = dualad.linear_transpose(dualad.checkpoint(lambda x: 2 * x.sum()), x)(1.0)
    assert transposed.tolist() == [2.0, 2.0]
    with pytest.raises(dualad.GradientError, match="not linear"):
        dualad.linear_transpose(dualad.checkpoint(lambda x: x * x), x)(x)
