"""Where memory runs out: an error that says what held it, and nothing is left behind."""

import numpy as np
import pytest

import dualad
from dualad.backends.numpy import NumpyBackend
from dualad.op import REGISTRY


@pytest.fixture
def budget(monkeypatch):
    """Let one op, by name, run out of memory when its result has more elements than this."""
    limits = {}

    def multiply(self, x1, x2):
        y = np.multiply(x1, x2)
        if y.size > limits.get("elements", np.inf):
            raise np._core._exceptions._ArrayMemoryError(y.shape, y.dtype)
        return y

    monkeypatch.setattr(NumpyBackend, "multiply", multiply, raising=False)
    monkeypatch.setattr(NumpyBackend, "memory", lambda self, device: {"free": 1 << 20, "total": 1 << 30})
    functions = REGISTRY["multiply"].functions
    before = dict(functions)
    functions.pop(np.ndarray, None)
    yield limits
    functions.clear()
    functions.update(before)


def test_a_real_allocation_that_fails_is_told_by_name():
    a, b = np.ones((1 << 22, 1)), np.ones((1, 1 << 22))  # 128 TiB as a product
    with pytest.raises(dualad.OutOfMemoryError, match=r"^multiply: out of memory on cpu, with 64 MiB in the"):
        dualad.asarray(a) * dualad.asarray(b)
    with pytest.raises(MemoryError):
        dualad.asarray(a) * dualad.asarray(b)


def test_a_number_among_the_arguments_takes_no_memory():
    x = dualad.broadcast_to(dualad.ones(1), (1 << 50,))
    with pytest.raises(dualad.OutOfMemoryError, match=r"^add: out of memory on cpu"):
        x + 1.0


def test_the_error_says_what_the_graph_held(budget):
    x = dualad.ones(10_000, dtype=dualad.float64, requires_grad=True)
    y = dualad.exp(dualad.sin(x))
    budget["elements"] = 100
    with pytest.raises(dualad.OutOfMemoryError) as caught:
        y * y
    message = str(caught.value)
    assert "multiply: out of memory on cpu" in message
    assert "1 MiB free, 1 GiB total" in message
    assert "The graph holds 156 KiB in 2 arrays for the backward pass (" in message
    assert "exp 78.1 KiB" in message
    assert "sin 78.1 KiB" in message
    assert "dualad.checkpoint" in message


def test_the_next_smaller_run_works_and_gradients_are_whole(budget):
    x = dualad.ones(1000, requires_grad=True)
    weight = dualad.ones(1000, requires_grad=True)
    budget["elements"] = 500
    with pytest.raises(dualad.OutOfMemoryError):
        (x * weight).sum().backward()
    assert x.grad is None
    assert weight.grad is None
    (x[:500] * weight[:500]).sum().backward()
    assert x.grad.sum().item() == 500
    assert weight.grad.sum().item() == 500


def test_a_pass_that_runs_out_leaves_no_gradient_half_added(budget):
    x = dualad.ones(8, requires_grad=True)
    y = dualad.cumulative_sum(x, axis=0)
    z = dualad.cos(dualad.sin(y)).sum()

    def exhaust(g):
        raise MemoryError("no more")

    handle = y.register_hook(exhaust)
    with pytest.raises(dualad.OutOfMemoryError, match="backward pass"):
        z.backward(retain_graph=True)
    assert x.grad is None
    handle.remove()
    z.backward()
    expected = dualad.grad(lambda x: dualad.cos(dualad.sin(dualad.cumulative_sum(x, axis=0))).sum())(x)
    assert dualad.allclose(x.grad, expected)


def test_forward_mode_tells_it_too():
    a = np.ones((1 << 22, 1))
    f = lambda x: x * np.ones((1, 1 << 22))  # noqa: E731
    with pytest.raises(dualad.OutOfMemoryError, match="multiply: out of memory"):
        dualad.jvp(f, (a,), (a,))


def test_a_tensor_that_cannot_be_made_is_told_likewise():
    with pytest.raises(dualad.OutOfMemoryError, match=r"^zeros: out of memory on cpu"):
        dualad.zeros(1 << 50)
    with pytest.raises(dualad.OutOfMemoryError, match=r"^arange: out of memory on cpu"):
        dualad.arange(1 << 50)
