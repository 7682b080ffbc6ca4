"""Threads, tasks and generators: each has modes of its own, and shared graphs and leaves lose nothing."""

import asyncio
import contextvars
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from program_laws import WRAPPERS

import dualad
from dualad.op import REGISTRY

THREADS = 8


@pytest.fixture(autouse=True)
def _switch_often():
    """Let threads take turns after every few instructions, so that what can go wrong does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(work, count=THREADS):
    """Run ``work(k)`` in so many threads, which start at once; return the results, or raise what one did."""
    start = threading.Barrier(count)

    def run(k):
        start.wait()
        return work(k)

    with ThreadPoolExecutor(count) as pool:
        return [f.result() for f in [pool.submit(run, k) for k in range(count)]]


# -- threads ---------------------------------------------------------------------------------------


def test_eight_threads_that_share_leaves(device):
    """Each builds graphs of its own on the same leaves; integers make the sums exact."""
    w = dualad.ones((3, 2), device=device, requires_grad=True)
    b = dualad.ones(2, device=device, requires_grad=True)
    rounds = 20

    def work(k):
        for i in range(rounds):
            x = dualad.full((4, 3), float(k + i), device=device)
            y = dualad.concat([x @ w + b, (x @ w) * 2])
            y.sum().backward()

    together(work)
    total = sum(k + i for k in range(THREADS) for i in range(rounds))
    assert w.grad.tolist() == [[12.0 * total] * 2] * 3
    assert b.grad.tolist() == [4.0 * THREADS * rounds] * 2


@pytest.mark.parametrize("wrapper", [None, "checkpoint", "custom_vjp", "custom_jvp", "saved_tensors_hooks"])
def test_eight_threads_that_walk_the_same_graph(wrapper, device):
    f = lambda xs: [(xs[0][1:] * xs[0][:-1] + xs[0][0]).sum() * xs[0][2]]  # noqa: E731
    if wrapper is not None:
        f = WRAPPERS[wrapper](f)
    x = dualad.asarray([1.0, 2.0, 3.0], device=device, requires_grad=True)
    (z,) = f([x * x])  # in which are indices, whose adjoints write into buffers
    z.backward(retain_graph=True)
    once = x.grad.tolist()
    x.grad = None

    def work(k):
        for _ in range(5):
            z.backward(retain_graph=True)
            assert dualad.autograd.grad(z, x, retain_graph=True)[0].tolist() == once
            (g,) = dualad.autograd.grad(z, x, create_graph=True)
            assert g.tolist() == once

    together(work)
    assert x.grad.tolist() == [g * 5 * THREADS for g in once]


def test_threads_that_free_the_same_graph():
    """Of eight passes one gets through at least, and those that come late are told so."""
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(20):
        y = (x.exp() * x).sin()

        def work(k, y=y):
            try:
                dualad.autograd.grad(y, x, dualad.ones(2))
            except dualad.GradientError as error:
                return str(error)
            return "through"

        told = together(work)
        assert "through" in told
        assert all(t == "through" or "a second time" in t for t in told)


def test_transforms_in_threads(device):
    f = lambda x: dualad.sum(dualad.sin(x) * x[0])  # noqa: E731
    x = dualad.asarray([0.5, 1.0, 2.0], device=device)
    runs = {
        "grad": lambda: dualad.grad(f)(x), "jvp": lambda: dualad.jvp(f, (x,), (x,))[1],
        "hessian": lambda: dualad.hessian(f)(x), "vjp": lambda: dualad.vjp(dualad.exp, x)[1](x)[0],
        "hvp": lambda: dualad.hvp(f, (x,), (x,)), "jacfwd": lambda: dualad.jacfwd(dualad.sin)(x),
        "vmap": lambda: dualad.vmap(dualad.grad(f))(dualad.stack([x, x])),
        "linearize": lambda: dualad.linearize(f, x)[1](x),
    }  # fmt: skip
    want = {name: run().tolist() for name, run in runs.items()}
    names = list(runs)

    def work(k):
        for i in range(16):
            name = names[(k + i) % len(names)]
            assert runs[name]().tolist() == want[name], name

    together(work)


def test_a_pullback_is_called_by_eight_threads():
    _, pullback = dualad.vjp(lambda x: dualad.cumulative_prod(x) * x[0], np.arange(1.0, 5.0))
    want = pullback(np.ones(4))[0].tolist()
    assert (
        together(lambda k: [pullback(np.ones(4))[0].tolist() for _ in range(20)]) == [[want] * 20] * THREADS
    )


def test_the_maps_of_a_variadic_op_are_bound_by_one_thread_at_a_time():
    """They are made when it is first given so many arguments: by all threads at once, here."""
    op = REGISTRY["concat"]
    for _ in range(20):
        op.maps.clear()

        def work(k):
            xs = [dualad.tensor([1.0], requires_grad=True) for _ in range(20 + k)]
            (dualad.concat(xs) * dualad.arange(20.0 + k)).sum().backward()
            return [x.grad.item() for x in xs]

        assert together(work) == [list(map(float, range(20 + k))) for k in range(THREADS)]
        assert [m.position for m in op.maps] == list(range(20 + THREADS - 1))


def test_views_seen_by_several_threads_after_a_write():
    for _ in range(50):
        x = dualad.zeros(4)
        views = [x[1:], x.reshape(2, 2), x[::2], x.detach()]
        x += 1
        assert together(lambda k, views=views: views[k].sum().item(), 4) == [3.0, 4.0, 2.0, 4.0]


def test_threads_have_modes_of_their_own_whatever_they_share():
    """One object, entered by eight threads at once, and left by each in its own time."""
    shared = dualad.no_grad()
    x = dualad.ones(2, requires_grad=True)

    def work(k):
        for _ in range(100):
            assert (x * 2).requires_grad
            with shared:
                assert not (x * 2).requires_grad
            with dualad.no_grad():
                assert dualad.grad(lambda y: (y * x).sum())(x).tolist() == [1.0, 1.0]
        return dualad.is_grad_enabled()

    assert together(work) == [True] * THREADS


def test_a_thread_inherits_a_mode_with_its_context_only():
    def asked():
        return dualad.is_grad_enabled()

    with ThreadPoolExecutor(1) as pool, dualad.no_grad():
        assert pool.submit(asked).result()
        assert not pool.submit(contextvars.copy_context().run, asked).result()


# -- tasks -----------------------------------------------------------------------------------------


def test_tasks_take_turns_in_modes_of_their_own():
    x = dualad.ones(2, requires_grad=True)

    async def work(k):
        results = []
        with dualad.set_grad_enabled(k % 2 == 0):
            for _ in range(5):
                await asyncio.sleep(0)
                results.append((x * k).requires_grad)
                with dualad.enable_grad():
                    await asyncio.sleep(0)
                    (x * k).sum().backward()
        return results

    async def everything():
        return await asyncio.gather(*map(work, range(20)))

    assert asyncio.run(everything()) == [[k % 2 == 0] * 5 for k in range(20)]
    assert x.grad.tolist() == [5.0 * sum(range(20))] * 2


def test_a_function_that_awaits_inside_a_transform():
    """Levels are tags: tasks that take turns inside transforms do not disturb each other."""

    async def slow(x):
        for _ in range(3):
            await asyncio.sleep(0)
            x = x * x
        return x

    async def derivative(at):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, lambda: dualad.grad(lambda x: asyncio.run(slow(x)))(at))

    async def everything():
        return await asyncio.gather(*(derivative(float(k)) for k in range(1, 6)))

    assert asyncio.run(everything()) == [8.0 * k**7 for k in range(1, 6)]


def test_to_thread_takes_the_mode_along():
    async def asked():
        with dualad.no_grad():
            return await asyncio.to_thread(dualad.is_grad_enabled)

    assert asyncio.run(asked()) is False


# -- generators ------------------------------------------------------------------------------------


def quiet():
    with dualad.no_grad():
        yield dualad.is_grad_enabled()
        yield dualad.is_grad_enabled()


def test_generators_whose_modes_overlap():
    """Left in the order they were entered in, as a stack is not."""
    a, b = quiet(), quiet()
    assert [next(a), next(b), next(a)] == [False, False, False]
    a.close()
    assert not dualad.is_grad_enabled()  # b is inside
    assert next(b) is False
    b.close()
    assert dualad.is_grad_enabled()


def test_a_generator_that_is_left_half_way():
    for _ in quiet():
        break
    gc.collect()
    assert dualad.is_grad_enabled()


def test_a_generator_that_another_thread_closes():
    """There the mode was never set; here it stays set, as nobody has left it."""
    generator = quiet()
    next(generator)
    together(lambda k: generator.close(), 1)
    dualad.set_grad_enabled(True)
    assert dualad.is_grad_enabled()


def test_an_async_generator_that_the_loop_closes():
    async def numbers():
        with dualad.no_grad():
            yield 1
            yield 2

    async def work():
        async for _ in numbers():
            break
        gc.collect()
        await asyncio.sleep(0)
        return True

    failures = []

    async def watched():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        return await asyncio.create_task(work())

    assert asyncio.run(watched())
    assert not failures


def test_decorated_async_generators_hold_the_mode_only_while_they_run():
    @dualad.no_grad()
    async def f():
        got = yield dualad.is_grad_enabled()
        try:
            yield got, dualad.is_grad_enabled()
        except KeyError:
            yield "caught", dualad.is_grad_enabled()

    async def work():
        generator = f()
        seen = [await anext(generator), dualad.is_grad_enabled(), await generator.asend("sent")]
        seen += [await generator.athrow(KeyError()), dualad.is_grad_enabled()]
        await generator.aclose()
        return [*seen, dualad.is_grad_enabled()]

    assert asyncio.run(work()) == [False, True, ("sent", False), ("caught", False), True, True]
