"""Grad mode: per thread, per async task, as context and as decorator of every kind of function."""

import asyncio
import re
import threading

import numpy as np
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
        with (
            dualad.set_concretization("warn"),
            pytest.warns(dualad.ConcretizationWarning, match="has no history"),
        ):
            NUMBERS[asked](x)
        with pytest.raises(dualad.GradientError):
            dualad.jvp(NUMBERS[asked], (x.detach(),), (x.detach(),))
    assert NUMBERS[asked](x) in (2, True)


def test_concretization_is_set_at_once_and_checked():
    dualad.set_concretization("raise")
    with pytest.raises(dualad.GradientError):
        float(dualad.ones((), requires_grad=True))
    dualad.set_concretization("default")
    float(dualad.ones((), requires_grad=True))
    with pytest.raises(ValueError, match="must be 'default', 'allow', 'warn' or 'raise'"):
        dualad.set_concretization("never")


def _filled(x):
    out = np.zeros(3)
    for i in range(3):
        out[i] = x[i] ** 2
    return np.sum(out) + 0 * np.sum(x)


def _filled_as_it_should_be(x):
    out = np.zeros_like(x)
    for i in range(3):
        out[i] = x[i] ** 2
    return np.sum(out)


LOSING = {
    "a NumPy array filled": _filled,
    "float()": lambda x: float(x[0]) * x[0],
    "complex()": lambda x: complex(x[0]).real * x[0],
    "item()": lambda x: x[0].item() * x[0],
    "tolist()": lambda x: sum(x.tolist()) * x[0],
    "tensor()": lambda x: np.sum(dualad.tensor([x[0], x[1]])) * x[0],
    "tensor(), of one": lambda x: dualad.tensor(x[0]) * x[0],
}
KEEPING = {
    "a Tensor filled": _filled_as_it_should_be,
    "bool()": lambda x: x[0] if x[0] > 1 else bool(x[1]) * x[0],
    "int()": lambda x: int(x[1]) * x[0],
    "an index": lambda x: x[int(np.argmax(x))],
    "detached": lambda x: float(x[0].detach()) * x[0],
    "printed": lambda x: (f"{x[0]:.3f}", x[0])[1],
    "under no_grad": lambda x: (dualad.no_grad()(float)(x[0]), x[0])[1],
    "asarray()": lambda x: np.sum(dualad.asarray([x[0], 2 * x[1]])),
}
X = np.array([1.5, 2.5, 3.5])
TRANSFORMS = {
    "grad": lambda f: dualad.grad(f)(X),
    "jvp": lambda f: dualad.jvp(f, (X,), (X,)),
    "hessian": lambda f: dualad.hessian(f)(X),
    "for_scipy": lambda f: dualad.optimize.for_scipy(f, X).value_and_grad(X),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("how", LOSING)
def test_a_derivative_that_is_lost_in_a_transform_is_warned_of_where_it_is(how, transform):
    with pytest.warns(dualad.ConcretizationWarning, match=r"np\.stack.*zeros_like") as seen:
        TRANSFORMS[transform](LOSING[how])
    assert {w.filename for w in seen} == {__file__}
    with dualad.set_concretization("allow"):
        TRANSFORMS[transform](LOSING[how])
    with dualad.set_concretization("raise"), pytest.raises((dualad.GradientError, ValueError)) as raised:
        TRANSFORMS[transform](LOSING[how])
    told = raised.value.__cause__ or raised.value  # NumPy gives an error of its own, raised from ours
    assert type(told) is dualad.GradientError
    assert "has no history" in str(told)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("how", KEEPING)
def test_what_loses_no_derivative_is_not_warned_of(how, transform):
    TRANSFORMS[transform](KEEPING[how])


def test_numbers_of_tensors_that_require_grad_are_not_warned_of_by_default():
    x = dualad.tensor(X, requires_grad=True)
    dualad.set_concretization("default")
    for how in (*LOSING.values(), *KEEPING.values()):
        how(x)


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
