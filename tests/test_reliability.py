"""What goes wrong in the middle of things leaves nothing behind; depth and nesting are ordinary."""

import contextlib
import gc
import itertools
import math
import signal
import sys
import threading
import weakref
from contextvars import copy_context
from random import Random

import numpy as np
import pytest
from program_laws import check_state

import dualad

X = np.array([1.0, 2.0])


class Mine(Exception):
    """An error of the user's."""


# -- errors in the middle --------------------------------------------------------------------------


def fail(*_):
    raise Mine


TRANSFORMS = {
    "grad": lambda f, x: dualad.grad(f)(x), "value_and_grad": lambda f, x: dualad.value_and_grad(f)(x)[1],
    "vjp": lambda f, x: dualad.vjp(f, x)[1](1.0)[0], "jvp": lambda f, x: dualad.jvp(f, (x,), (x,))[1],
    "linearize": lambda f, x: dualad.linearize(f, x)[1](x), "jacrev": lambda f, x: dualad.jacrev(f)(x),
    "jacfwd": lambda f, x: dualad.jacfwd(f)(x), "hessian": lambda f, x: dualad.hessian(f)(x),
    "hvp": lambda f, x: dualad.hvp(f, (x,), (x,)),
    "elementwise_grad": lambda f, x: dualad.elementwise_grad(f)(x),
    "vmap": lambda f, x: dualad.vmap(f)(np.stack([x, 2 * x])),
    "grad of grad": lambda f, x: dualad.grad(lambda x: dualad.grad(f)(x).sum())(x),
    "jvp of vmap": lambda f, x: dualad.jvp(dualad.vmap(f), (np.stack([x, x]),), (np.stack([x, x]),))[1],
    "checkpoint": lambda f, x: dualad.grad(dualad.checkpoint(f))(x),
    "under no_grad": lambda f, x: dualad.no_grad()(dualad.grad(f))(x),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_error_in_the_function(name):
    run = TRANSFORMS[name]
    right = lambda x: (x * x * x).sum()  # noqa: E731
    want = run(right, X)
    for wrong in (lambda x: (x * x).sum() + fail(), lambda x: right(x) @ np.ones(3), lambda x: x.nothing):
        with pytest.raises((Mine, dualad.DualadError, AttributeError, ValueError)):
            run(wrong, X)
        check_state()
        np.testing.assert_array_equal(run(right, X), want)


def test_an_error_caught_inside_the_function():
    """What is recorded before and after counts; what failed does not."""

    def f(x):
        y = x * 2
        try:
            dualad.grad(lambda z: dualad.jvp(lambda u: (u * y).sum() + fail(), (z,), (z,))[1])(y)
        except Mine:
            y = y + x
        with pytest.raises(dualad.ShapeError):
            y += np.ones((3, 2))
        with pytest.raises(dualad.ShapeError):
            y[0] = np.ones(3)
        return (y * y).sum()

    assert dualad.grad(f)(X).tolist() == [18.0, 36.0]
    assert dualad.jvp(f, (X,), (X,))[1] == 90.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_error_in_a_hook(create_graph, device):
    """A graph that is retained can be walked again; one that is not is gone as far as it was walked."""
    x = dualad.asarray([1.0, 2.0], device=device, requires_grad=True)
    a = x * x
    y = (a * a).sum()
    handle = a.register_hook(fail)
    for _ in range(2):
        with pytest.raises(Mine):
            y.backward(retain_graph=True, create_graph=create_graph)
        check_state()
        assert x.grad is None
    handle.remove()
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [4.0, 32.0]
    handle = a.register_hook(fail)
    with pytest.raises(Mine):
        y.backward()
    handle.remove()
    with pytest.raises(dualad.GradientError, match="second time"):
        y.backward()
    assert x.grad.tolist() == [4.0, 32.0]


def test_an_error_in_a_hook_does_not_change_what_others_hold(device):
    """Buffers that a walk adds into are its own: those of the pass that failed are not seen by the next."""
    x = dualad.asarray([1.0, 2.0, 3.0], device=device, requires_grad=True)
    seed = dualad.ones(3, device=device)
    y = x * 1
    z = dualad.stack([y[0] * 2, y[1:].sum(), y[0]])
    y.register_hook(fail)
    for _ in range(2):
        with pytest.raises(Mine):
            z.backward(seed, retain_graph=True)
    assert seed.tolist() == [1.0, 1.0, 1.0]
    y = x * 1
    dualad.stack([y[0] * 2, y[1:].sum(), y[0]]).backward(seed)
    assert x.grad.tolist() == [3.0, 1.0, 1.0]


def test_an_error_when_a_gradient_has_come_lets_others_in():
    """The lock on the leaf is given back: another thread can go on."""
    x = dualad.ones(2, requires_grad=True)
    handle = x.register_post_accumulate_grad_hook(fail)
    with pytest.raises(Mine):
        (x * 2).sum().backward()
    handle.remove()
    thread = threading.Thread(target=lambda: (x * 3).sum().backward(), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert x.grad.tolist() == [5.0, 5.0]


def test_an_error_in_a_rule():
    """Of the user's own, in both modes, and inside a derivative of it."""

    @dualad.custom_vjp
    def f(x):
        return x * x

    f.defvjp(lambda x: (f(x), x), lambda x, g: fail())
    for run in (TRANSFORMS["grad"], TRANSFORMS["grad of grad"], TRANSFORMS["jvp"], TRANSFORMS["hessian"]):
        with pytest.raises(Mine):
            run(lambda x: f(x).sum(), X)
        check_state()
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(Mine):
        f(x).sum().backward()
    check_state()
    assert x.grad is None


def test_an_error_frees_the_graph():
    """Nothing holds on to what was recorded once the error has been dealt with."""
    gc.collect()
    gc.disable()
    try:
        nodes = []

        def f(x):
            y = x * x
            nodes.append(weakref.ref(y.grad_fn))
            if len(nodes) > 1:
                raise Mine
            return y.sum()

        for _ in range(2):
            with contextlib.suppress(Mine):
                dualad.grad(lambda x: dualad.grad(f)(x).sum())(X)
        leaf = dualad.ones(2, requires_grad=True)
        y = leaf * leaf
        nodes.append(weakref.ref(y.grad_fn))
        y.register_hook(fail)
        with contextlib.suppress(Mine):
            y.sum().backward()
        del y
        assert [n() for n in nodes] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_nothing_grows(name):
    """The hundredth run leaves as many objects as the fifth, be they ended by results or by errors."""
    run = TRANSFORMS[name]

    def runs(count):
        for _ in range(count):
            run(lambda x: (x * x * x).sum(), X)
            with contextlib.suppress(Mine):
                run(lambda x: (x * x).sum() + fail(), X)
        assert gc.collect() == 0
        return len(gc.get_objects())

    gc.collect()
    runs(5)
    assert runs(10) >= runs(40)


# -- Ctrl-C ----------------------------------------------------------------------------------------


def test_ctrl_c_in_a_hook(device):
    x = dualad.asarray([1.0, 2.0], device=device, requires_grad=True)
    a = x * x
    y = (a * a).sum()
    interrupts = [KeyboardInterrupt]

    def hook(g):
        if interrupts:
            raise interrupts.pop()

    a.register_hook(hook)
    with pytest.raises(KeyboardInterrupt):
        y.backward(retain_graph=True)
    check_state()
    y.backward()
    assert x.grad.tolist() == [4.0, 32.0]


@pytest.fixture
def interrupted(monkeypatch):
    """Run a function that goes on for ever until Ctrl-C comes, after so many seconds.

    Python lets nothing out of the callbacks of weak references, Ctrl-C neither: it comes again.
    """
    if not hasattr(signal, "setitimer"):
        pytest.skip("there are no timers that interrupt on this system")
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)

    def interrupt(*_):
        raise KeyboardInterrupt

    def run(function, seconds):
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
            while True:
                function()
        except KeyboardInterrupt:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return run


@pytest.mark.parametrize("create_graph", [False, True])
def test_ctrl_c_at_any_time_in_a_backward_pass(interrupted, create_graph):
    """Five hundred times, at moments drawn at random: between any two instructions."""
    random, warnings_of = Random(0), np.geterr()
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    a = x * x
    y = (a[0] * a).sum().exp()
    want = dualad.autograd.grad(y, x, retain_graph=True)[0].tolist()
    for _ in range(500):
        passes = []

        def one(passes=passes):
            dualad.autograd.grad(y, x, retain_graph=True, create_graph=create_graph)
            passes.append(1)

        interrupted(one, random.uniform(1e-5, 4e-4))
        assert dualad.is_grad_enabled()
    assert np.geterr() == warnings_of
    check_state()
    assert dualad.autograd.grad(y, x)[0].tolist() == want


@pytest.mark.parametrize("name", ["grad", "jvp", "hessian", "grad of grad", "jvp of vmap", "checkpoint"])
def test_ctrl_c_at_any_time_in_a_transform(interrupted, name):
    random, run = Random(0), TRANSFORMS[name]
    f = lambda x: dualad.sum(dualad.sin(x) * x)  # noqa: E731
    want = run(f, X)
    for _ in range(200):
        interrupted(lambda: run(f, X), random.uniform(1e-5, 6e-4))
        assert dualad.is_grad_enabled()
    check_state()
    np.testing.assert_array_equal(run(f, X), want)


class Doubling(dualad.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


def _hooked(x):
    with dualad.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        return x * x


@pytest.mark.parametrize(
    "call",
    [Doubling.apply, _hooked, lambda x: dualad.checkpoint(lambda x: x * x)(x)],
    ids=["Function", "saved_tensors_hooks", "checkpoint"],
)
def test_ctrl_c_between_any_two_instructions_leaves_grad_mode_on(call):
    """One at each instruction in turn of what calls the user's functions, by a tracer."""
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    files = ("modes.py", "function_call.py", "graph.py", "checkpointing.py", "draws.py")
    before, rounds, count = sys.gettrace(), 0, -1

    def tracer(frame, event, arg):
        nonlocal count
        if frame.f_code.co_filename.endswith(files):
            frame.f_trace_opcodes = True
            if event == "opcode":
                count -= 1
                if count < 0:
                    raise KeyboardInterrupt
        return tracer

    def interrupted():
        sys.settrace(tracer)
        try:
            call(x)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        return dualad.is_grad_enabled()

    while count < 0:
        count = rounds = rounds + 1
        # In a context of its own: at the ends of a `with`, hooks may stay, which nothing can prevent.
        assert copy_context().run(interrupted)
    assert rounds > 20
    assert call(x).requires_grad


# -- depth -----------------------------------------------------------------------------------------

DEPTH = 30_000  # thirty times the stack; benchmarks/depth.py has a million, and what it takes


def chain(x):
    y = x
    for _ in range(DEPTH):
        y = y + x
    return y


def half_chain(x):
    return chain(x * x) / 2


DEEP = {
    "grad": lambda: dualad.grad(chain)(1.0), "vjp": lambda: dualad.vjp(chain, 1.0)[1](1.0)[0],
    "jvp": lambda: dualad.jvp(chain, (1.0,), (1.0,))[1], "jacrev": lambda: dualad.jacrev(chain)(1.0),
    "linearize": lambda: dualad.linearize(chain, 1.0)[1](1.0), "jacfwd": lambda: dualad.jacfwd(chain)(1.0),
    "vmap": lambda: dualad.vmap(dualad.grad(chain))(np.ones(2))[1],
    "grad of grad": lambda: dualad.grad(dualad.grad(half_chain))(1.0),
    "jvp of jvp": lambda: dualad.jvp(lambda x: dualad.jvp(half_chain, (x,), (1.0,))[1], (1.0,), (1.0,))[1],
    "grad of jvp": lambda: dualad.grad(lambda x: dualad.jvp(half_chain, (x,), (1.0,))[1])(1.0),
    "hvp": lambda: dualad.hvp(half_chain, (1.0,), (1.0,)),
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
def test_no_transform_recurses(name):
    assert DEEP[name]() == DEPTH + 1


def test_gradients_with_history_of_a_deep_graph():
    """The pass is recorded, differentiated, and dropped; so is a graph of which nobody asks the gradient."""
    x = dualad.ones((), requires_grad=True)
    y = chain(x * x)
    y.backward(create_graph=True)
    g = x.grad
    assert dualad.autograd.grad(g, x, retain_graph=True)[0].item() == 2 * (DEPTH + 1)
    nodes = [weakref.ref(y.grad_fn), weakref.ref(g.grad_fn)]
    x.grad = None
    del y, g
    assert [n() for n in nodes] == [None, None]


def test_writes_in_a_row():
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    for _ in range(DEPTH):
        y += x
        y[0] = y[1]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 2 * (DEPTH + 1)]


def test_many_arguments():
    x = dualad.ones(1, requires_grad=True)
    dualad.concat([x] * 5000).sum().backward()
    assert x.grad.tolist() == [5000.0]


# -- nesting ---------------------------------------------------------------------------------------

LEVELS = {
    "r": dualad.grad,
    "f": lambda f: lambda x: dualad.jvp(f, (x,), (1.0,))[1],
    "v": lambda f: lambda x: dualad.vjp(f, x)[1](1.0)[0],
    "l": lambda f: lambda x: dualad.linearize(f, x)[1](1.0),
    "b": lambda f: lambda x: dualad.vmap(dualad.grad(f))(dualad.stack([_double(x), _double(x)]))[1],
}  # fmt: skip


def _double(x):
    return dualad.asarray(x, dtype=dualad.float64)


# Each with its n-th derivative at 0.3.
FUNCTIONS = {
    "sin": (lambda x: dualad.sin(2 * x), lambda n: 2**n * math.sin(0.6 + n * math.pi / 2)),
    "power": (lambda x: x**12, lambda n: math.perm(12, n) * 0.3 ** (12 - n)),
    "quotient": (lambda x: 1 / (1 + x), lambda n: (-1) ** n * math.factorial(n) * 1.3 ** (-n - 1)),
    "product": (lambda x: x * dualad.exp(x), lambda n: (0.3 + n) * math.exp(0.3)),
}  # fmt: skip
MIXES = ["r" * 10, "f" * 10, "rf" * 5, "fr" * 5, "vfrvfrvfrv", "llrlf", "rb", "bfr", "frbrf"]
MIXES += ["".join(Random(seed).choices("rfv", k=10)) for seed in range(8)]
# A quotient's derivatives grow with the order as no other's do: ten levels take a second.
NESTS = [(name, mix) for name in FUNCTIONS for mix in (MIXES[1:5] if name == "quotient" else MIXES)]


@pytest.mark.parametrize(("name", "mix"), NESTS)
def test_ten_levels(name, mix):
    f, derivative = FUNCTIONS[name]
    for level in mix:
        f = LEVELS[level](f)
    assert float(f(0.3)) == pytest.approx(derivative(len(mix)), rel=1e-10)


@pytest.mark.parametrize("orders", list(itertools.product("rf", repeat=4)), ids="".join)
def test_each_level_sees_the_variables_of_those_around_it(orders):
    """d⁴/da db dc dd of a sin(b) + a b c² exp(a d), by a variable a level."""

    def derivative(levels, *bound):
        if not levels:
            a, b, c, d = bound
            return a * dualad.sin(b) + a * b * c * c * dualad.exp(a * d)
        return LEVELS[levels[0]](lambda x: derivative(levels[1:], *bound, x))(0.5)

    want = 2 * 0.5 * math.exp(0.25) * (2 * 0.5 + 0.5**2 * 0.5)
    assert float(derivative(orders)) == pytest.approx(want, rel=1e-12)


# -- the same again --------------------------------------------------------------------------------


def test_the_same_bits_twice():
    """Of a program with every kind of op, random numbers among them."""

    def run():
        dualad.manual_seed(1)
        x = dualad.randn(4, 6, 6, dtype=dualad.float64, requires_grad=True)
        y = dualad.softmax(x @ x.mT, -1)[:, ::2] + dualad.randn(6, dtype=dualad.float64)
        z = dualad.linalg.inv(y @ y.mT + dualad.eye(3, dtype=dualad.float64))
        loss = (dualad.cumulative_prod(dualad.sort(z), axis=-1) * dualad.fft.rfft(z).abs()[..., :1]).sum()
        (g,) = dualad.autograd.grad(loss, x, create_graph=True)
        (g * g).sum().backward()
        h = dualad.hvp(lambda x: (x @ x.mT).exp().mean(), (x.detach(),), (x.grad,))
        return [np.asarray(a.detach()).tobytes() for a in (loss, g, x.grad, h)]

    first = run()
    assert all(run() == first for _ in range(5))


def test_the_same_bits_whatever_ran_before():
    """Neither levels, nor node numbers, nor caches enter a result."""
    f = lambda x: dualad.sum(dualad.sin(x) / (1 + x * x)) * dualad.prod(x)  # noqa: E731
    x = np.linspace(0.1, 2.0, 7)
    first = dualad.hessian(f)(x).tobytes()
    for _ in range(50):
        dualad.jvp(dualad.grad(lambda x: (x**3).sum()), (x,), (x,))
    dualad.vmap(dualad.grad(f))(np.stack([x, x]))
    assert dualad.hessian(f)(x).tobytes() == first
