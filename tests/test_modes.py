"""Grad mode: per thread, per async task, as context and as decorator of every kind of function."""

import asyncio
import re
import threading

import pytest

import dualad


def test_contexts_nest_and_come_back():
    with dualad.no_grad():
        assert not dualad.is_grad_enabled()
        with dualad.enable_grad():
            assert dualad.is_grad_enabled()
        assert not dualad.is_grad_enabled()
    assert dualad.is_grad_enabled()


def test_an_exception_restores_the_mode():
    with pytest.raises(KeyError), dualad.no_grad():
        raise KeyError
    assert dualad.is_grad_enabled()


def test_one_object_may_be_entered_twice():
    mode = dualad.no_grad()
    with mode, mode:
        pass
    assert dualad.is_grad_enabled()


def test_nothing_is_recorded():
    x = dualad.ones(2, requires_grad=True)
    with dualad.no_grad():
        y = x * 2
        z = x[0]
    assert not y.requires_grad
    assert not z.requires_grad
    assert y.is_leaf


@pytest.mark.parametrize("decorator", [dualad.no_grad, dualad.no_grad()], ids=["bare", "called"])
def test_decorated_functions(decorator):
    @decorator
    def f(a, *, b):
        """Add."""
        return a + b, dualad.is_grad_enabled()

    assert f(1, b=2) == (3, False)
    assert f.__doc__ == "Add."
    assert dualad.is_grad_enabled()


def test_decorated_generators_hold_the_mode_only_while_they_run():
    @dualad.no_grad()
    def f():
        got = yield dualad.is_grad_enabled()
        try:
            yield got, dualad.is_grad_enabled()
        except KeyError:
            yield "caught", dualad.is_grad_enabled()
        return dualad.is_grad_enabled()

    generator = f()
    assert next(generator) is False
    assert dualad.is_grad_enabled()
    assert generator.send("sent") == ("sent", False)
    assert generator.throw(KeyError) == ("caught", False)
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value is False
    assert dualad.is_grad_enabled()


def test_set_grad_enabled_as_a_function_and_as_a_context():
    dualad.set_grad_enabled(False)
    assert not dualad.is_grad_enabled()
    dualad.set_grad_enabled(True)
    with dualad.set_grad_enabled(False):
        assert not dualad.is_grad_enabled()
    assert dualad.is_grad_enabled()


def test_threads_have_modes_of_their_own():
    seen = []
    with dualad.no_grad():
        thread = threading.Thread(target=lambda: seen.append(dualad.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_tasks_have_modes_of_their_own():
    @dualad.no_grad()
    async def off():
        await asyncio.sleep(0)
        return dualad.is_grad_enabled()

    async def on():
        await asyncio.sleep(0)
        return dualad.is_grad_enabled()

    async def both():
        return await asyncio.gather(off(), on(), off())

    assert asyncio.run(both()) == [False, True, False]


NUMBERS = {"float()": float, "int()": int, "bool()": bool, "complex()": complex, "item()": lambda x: x.item()}


@pytest.mark.parametrize("asked", NUMBERS)
def test_numbers_of_tracked_tensors(asked, device):
    x = dualad.tensor(2.0, device=device, requires_grad=True)
    assert NUMBERS[asked](x) in (2, True)
    with dualad.set_concretization("raise"):
        assert NUMBERS[asked](x.detach()) in (2, True)
        with pytest.raises(dualad.GradientError, match=re.escape(asked)):
            NUMBERS[asked](x * 1)
        with dualad.set_concretization("warn"), pytest.warns(UserWarning, match="has no history"):
            NUMBERS[asked](x)
        with pytest.raises(dualad.GradientError):
            dualad.jvp(NUMBERS[asked], (x.detach(),), (x.detach(),))
    assert NUMBERS[asked](x) in (2, True)


def test_concretization_is_set_at_once_and_checked():
    dualad.set_concretization("raise")
    with pytest.raises(dualad.GradientError):
        float(dualad.ones((), requires_grad=True))
    dualad.set_concretization("allow")
    with pytest.raises(ValueError, match="must be 'allow', 'warn' or 'raise'"):
        dualad.set_concretization("never")


def test_a_transform_under_no_grad_records_no_levels_but_its_own():
    w = dualad.tensor(3.0, requires_grad=True)
    f = lambda x: x * x * w  # noqa: E731
    x, pullback = dualad.tensor(2.0), dualad.vjp(f, dualad.tensor(2.0))[1]
    with dualad.no_grad():
        inside = [
            dualad.grad(f)(x),
            dualad.jvp(f, (x,), (x,))[1],
            dualad.jvp(dualad.grad(f), (x,), (x,))[1],
            dualad.grad(dualad.grad(f))(x) * 1.0,
            pullback(dualad.tensor(1.0))[0],
        ]
    assert [g.requires_grad for g in inside] == [False] * 5
    assert [g.item() for g in inside] == [12.0, 24.0, 12.0, 6.0, 12.0]
    with dualad.no_grad():
        assert dualad.grad(f)(2.0) == 12.0
    assert dualad.grad(f)(x).requires_grad
    assert pullback(dualad.tensor(1.0))[0].requires_grad
