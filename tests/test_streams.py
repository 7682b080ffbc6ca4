"""A pass runs each op's derivative on the stream its op ran on, and waits for what was made on others.

No GPU is needed: the referee's arrays are given streams that note what is queued on them. An array
counts as ready on the stream it was made on, and on another once that one waits for it.
"""

from contextlib import contextmanager

import pytest
from dualad_strict import StrictBackend

import dualad
from dualad.backends.registry import STREAMED


class Queue:
    """The streams of a pretended GPU: which is current, and which work each of them waits for."""

    def __init__(self):
        self.current = None
        self.clock = 0
        self.seen = {}  # stream -> stream -> up to when it waits for its work
        self.made = {}  # id of an array -> (stream, when), and the array, lest its id be used again
        self.log = []

    @contextmanager
    def on(self, stream):
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def join(self, source, target):
        self.seen.setdefault(target, {})[source] = self.clock
        for other, when in self.seen.get(source, {}).items():  # what the source waits for is waited for too
            known = self.seen[target].get(other, 0)
            self.seen[target][other] = max(known, when)

    def compute(self, name, inputs, output):
        for a in inputs:
            stream, when, _ = self.made.get(id(a), (self.current, 0, a))
            waited = self.seen.get(self.current, {}).get(stream, -1)
            assert stream == self.current or waited >= when, f"{name} on {self.current} reads from {stream}"
        self.clock += 1
        self.made[id(output)] = self.current, self.clock, output
        self.log.append((name, self.current))


@pytest.fixture
def queue(monkeypatch):
    """Streams for the referee's arrays, and a fresh cache of its functions so that all are noted."""
    queue = Queue()
    array_type = dualad.backends.get("strict").array_types[0]
    monkeypatch.setattr(StrictBackend, "has_streams", True)
    monkeypatch.setattr(StrictBackend, "current_stream", lambda self, array: queue.current)
    monkeypatch.setattr(StrictBackend, "on_stream", lambda self, stream: queue.on(stream))
    monkeypatch.setattr(StrictBackend, "join", lambda self, source, target: queue.join(source, target))
    STREAMED.add(array_type)
    yield queue
    STREAMED.discard(array_type)


def watched(queue, monkeypatch, *operators):
    """Have arithmetic on the referee's arrays noted: cotangents are multiplied and added by it."""
    array_type = dualad.backends.get("strict").array_types[0]
    for name in operators:
        plain = getattr(array_type, name)

        def noting(self, other, plain=plain, name=name):
            result = plain(self, other)
            inputs = [a for a in (self, other) if isinstance(a, array_type)]
            queue.compute(name, inputs, result)
            return result

        monkeypatch.setattr(array_type, name, noting)


def leaf(*values):
    return dualad.tensor(values, dtype=dualad.float32, device="strict", requires_grad=True)


def test_derivatives_run_on_the_streams_of_their_ops(queue, monkeypatch):
    x = leaf(0.5, 1.0, 2.0)
    with queue.on("a"):
        y = dualad.sin(x)
    with queue.on("b"):
        queue.join("a", "b")
        z = y * y
    queue.join("b", None)
    total = z.sum()
    watched(queue, monkeypatch, "__mul__", "__add__", "__iadd__")
    total.backward()
    streams = [stream for name, stream in queue.log if name == "__mul__"]
    assert streams == ["b", "b", "a"]  # the two factors of y * y, then the cosine
    expected = 2 * dualad.sin(x) * dualad.cos(x)
    assert dualad.allclose(x.grad, expected.detach())


def test_a_sum_of_cotangents_from_two_streams_waits_for_both(queue, monkeypatch):
    x = leaf(0.5, 1.0)
    with queue.on("a"):
        y = x * 3.0
    for name in ("b", "c"):
        queue.join("a", name)
    with queue.on("b"):
        u = dualad.exp(y)
    with queue.on("c"):
        v = dualad.sin(y)
    queue.join("b", None)
    queue.join("c", None)
    total = (u * v).sum()
    watched(queue, monkeypatch, "__mul__", "__add__", "__iadd__")
    (g,) = dualad.autograd.grad(total, x)
    expected = 3 * dualad.exp(3 * x) * (dualad.sin(3 * x) + dualad.cos(3 * x))
    assert dualad.allclose(g, expected.detach())
    assert {stream for _, stream in queue.log[:8]} >= {"a", "b", "c"}


def test_the_gradient_is_ready_on_the_stream_of_backward(queue, monkeypatch):
    x = leaf(1.0, 2.0)
    with queue.on("a"):
        y = (x * x).sum()
    watched(queue, monkeypatch, "__mul__", "__add__")
    with queue.on("d"):
        queue.join("a", "d")
        y.backward()
        again = x.grad * 1.0  # the queue asserts that it waits for what it reads
    assert again.tolist() == [2.0, 4.0]


def test_the_gradient_of_an_intermediate_is_ready_too(queue, monkeypatch):
    x = leaf(1.0, 2.0)
    y = x * 1.0
    with queue.on("a"):
        queue.join(None, "a")
        total = (y * y).sum()
    watched(queue, monkeypatch, "__mul__", "__add__")
    (g,) = dualad.autograd.grad(total, y)
    assert (g * 1.0).tolist() == [2.0, 4.0]


def test_hooks_are_called_on_the_stream_of_the_op(queue):
    seen = []
    x = leaf(1.0, 2.0)
    with queue.on("a"):
        y = x * x
        y.register_hook(lambda g: seen.append(queue.current))
    y.sum().backward()
    assert seen == ["a"]
    assert queue.current is None


def test_a_function_with_a_backward_of_its_own_runs_on_its_stream(queue):
    seen = []

    class Double(dualad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2.0

        @staticmethod
        def backward(ctx, g):
            seen.append(queue.current)
            return g * 2.0

    x = leaf(1.0, 2.0)
    with queue.on("a"):
        y = Double.apply(x)
    y.sum().backward()
    assert seen == ["a"]
    assert x.grad.tolist() == [2.0, 2.0]


def test_an_error_in_the_pass_leaves_the_stream_as_it_was(queue):
    def fail(g):
        raise KeyError("mine")

    x = leaf(1.0)
    with queue.on("a"):
        y = x * x
        y.register_hook(fail)
    with pytest.raises(KeyError, match="mine"):
        y.sum().backward()
    assert queue.current is None
    assert x.grad is None


def test_second_derivatives_go_the_same_ways(queue, monkeypatch):
    x = leaf(0.5, 1.0)
    with queue.on("a"):
        y = (x**3).sum()
    queue.join("a", None)
    (g,) = dualad.autograd.grad(y, x, create_graph=True)
    watched(queue, monkeypatch, "__mul__", "__add__", "__iadd__")
    (h,) = dualad.autograd.grad(g.sum(), x)
    assert dualad.allclose(h, 6 * x.detach())
    assert ("__mul__", "a") in queue.log
