"""The profiler: time and bytes of ops and lines, what graphs keep, and traces."""

import contextvars
import gc
import json
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from conftest import needs

import dualad
from dualad.backends.numpy import NumpyBackend
from dualad.engine.recording import RECORDING
from dualad.op import REGISTRY, Op
from dualad.profiler import recorder
from dualad.rules import Scale

N = 1000


@pytest.fixture(autouse=True)
def _nobody_looks_on():
    yield
    assert RECORDING.get() is True, "a test left an observer"


@pytest.fixture
def slow():
    """Return an op that takes 2 ms, and whose derivative takes 4."""

    def compute(xp, x):
        time.sleep(0.002)
        return x * x

    def rule(xp, x):
        time.sleep(0.004)
        return 2 * x

    yield Op("_slow(x)", Scale(rule), compute=compute)
    del REGISTRY["_slow"]


def _leaf(n=N, device="cpu"):
    needs(dualad.float64, device)
    return dualad.asarray(np.linspace(0.1, 1.0, n), device=device, requires_grad=True)


def _rows(p, by="op", sort="total"):
    return {row.name: row for row in p.rows(by, sort)}


# -- time ----------------------------------------------------------------------------------------------


def test_times_of_values_and_derivatives(slow):
    x = _leaf()
    with dualad.profile() as p:
        (slow(x) + slow(x)).sum().backward()
        dualad.jvp(slow, (x.detach(),), (x.detach(),))
    row = _rows(p)["_slow"]
    assert (row.calls, row.pushes, row.pulls) == (3, 1, 2)
    for least, spent in ((0.006, row.forward), (0.004, row.tangent), (0.008, row.backward)):
        assert least <= spent < 10 * least
    assert row.total == pytest.approx(row.forward + row.tangent + row.backward)
    assert sum(r.total for r in p.rows()) <= p.seconds
    assert p.rows()[0].name == "_slow"


def test_what_is_part_of_something_else_counts_once(slow):
    """In second derivatives a rule is made of ops, which are part of its time."""

    class Wrapped(dualad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return slow(g)

    x = _leaf()
    with dualad.profile() as p:
        (g,) = dualad.autograd.grad(dualad.sin(x).sum(), x, create_graph=True)
        g.sum().backward()
        Wrapped.apply(x).sum().backward()
    rows = _rows(p)
    assert "_slow" not in rows  # it is part of the backward pass of Wrapped
    assert rows["Wrapped"].backward >= 0.002
    assert any(e.name == "_slow" and e.inside for e in p.events)
    assert rows["sin"].pulls == 1
    assert (rows["cos"].calls, rows["cos"].pulls) == (0, 1)  # it is of sin's rule, and recorded
    assert sum(r.total for r in p.rows()) <= p.seconds


def test_a_device_that_works_on_its_own_is_waited_for(monkeypatch):
    waited = []

    def synchronize(self, device):
        waited.append(str(device))
        time.sleep(0.002)

    monkeypatch.setattr(NumpyBackend, "synchronize", synchronize)
    monkeypatch.setattr(recorder, "_WAITS", {})
    x = _leaf()
    with dualad.profile() as p:
        x.exp().sum().backward()
    rows = _rows(p)
    for name in ("exp", "sum"):
        assert rows[name].forward >= 0.002
        assert rows[name].backward >= 0.002
    assert waited == ["cpu"] * 4


# -- bytes ---------------------------------------------------------------------------------------------


def test_bytes_that_ops_make(device):
    x = _leaf(device=device)
    with dualad.profile() as p:
        y = (x.exp() * 2).reshape(10, 100)
        y.sum().backward()
    rows = _rows(p)
    assert rows["exp"].forward_bytes == rows["exp"].backward_bytes == 8 * N
    assert rows["multiply"].forward_bytes == 8 * N
    assert rows["sum"].forward_bytes == 8
    assert rows["sum"].backward_bytes in ((8 * N,) if device == "cpu" else (8 * N, 0))  # or a view
    if device == "cpu":  # a view makes nothing
        assert (rows["reshape"].forward_bytes, rows["reshape"].backward_bytes) == (0, 0)


def test_what_graphs_keep_at_their_peak(device):
    x = _leaf(device=device)
    with dualad.profile() as p:
        y = x
        for _ in range(3):
            y = y.exp() * 1e-3  # it saves its result
        y.sum().backward()
        assert p.saved.total in (0, 8 * N)  # the last one is seen to a moment later
        z = x * x  # it saves x twice, which counts once
        z.sum().backward()
    assert p.peak == 3 * 8 * N
    assert p.saved.total == 0
    rows = _rows(p)
    assert (rows["exp"].saved, rows["multiply"].saved) == (3 * 8 * N, 0)
    (line,) = [row for row in p.rows("line") if row.saved]
    assert line.saved == p.peak
    assert line.name.endswith(": y = y.exp() * 1e-3  # it saves its result")
    assert "in test_what_graphs_keep_at_their_peak" in line.name
    times = [t for t, _ in p.saved.history]
    assert times == sorted(times)
    assert max(total for _, total in p.saved.history) == p.peak


def test_views_of_one_buffer_count_once_and_as_a_whole():
    x = _leaf()
    with dualad.profile() as p:
        y = x * 1.0
        kept = [y[:10].exp(), y[10:20].sin(), y[20:30] ** 3]
    # sin and the power keep views of y; exp its own result.
    assert p.peak == 8 * N + 8 * 10
    del kept, y


def test_graphs_that_are_dropped_or_kept():
    x = _leaf()
    with dualad.profile() as p:
        y = x.exp()
        del y
        gc.collect()
        z = x.sin()  # saves x
        assert p.saved.total == 8 * N
        w = z.exp()
        w.sum().backward(retain_graph=True)
        x.cos()
        assert p.saved.total == 2 * 8 * N
        w.sum().backward()
        p.saved.settle()
        assert p.saved.total == 0
    assert p.peak == 2 * 8 * N


def test_nothing_is_kept_alive(slow):
    x = _leaf()
    with dualad.profile() as p:
        y = (x * x).exp()
        (g,) = dualad.autograd.grad(y.sum(), x, create_graph=True)
        g.sum().backward()
    gone = weakref.ref(y.grad_fn)
    del y, g
    gc.collect()
    assert gone() is None
    p.saved.settle()
    assert p.saved.total == 0


def test_checkpoints_lower_the_peak():
    def layer(x):
        for _ in range(10):
            x = dualad.sin(x)
        return x

    peaks = []
    for wrapped in (layer, dualad.checkpoint(layer)):
        x = _leaf()
        with dualad.profile() as p:
            y = x
            for _ in range(10):
                y = wrapped(y)
            y.sum().backward()
        peaks.append(p.peak)
        assert p.saved.total == 0
    assert peaks[0] == 100 * 8 * N
    assert peaks[1] <= 25 * 8 * N  # one layer's ten, and what each begins with


# -- what it says ----------------------------------------------------------------------------------------


def _program(x):
    y = x.exp()
    z = (y * y).sum()
    z.backward()


def test_tables():
    with dualad.profile() as p:
        _program(_leaf())
        _program(_leaf())
    lines = p.table().splitlines()
    assert lines[0].split() == ["op", "calls", "forward", "made", "pulls", "backward", "made", "saved", "at",
                                "peak", "total", "share"]  # fmt: skip
    assert {line.split()[0] for line in lines[1:]} == {"exp", "multiply", "sum"}
    assert len({len(line) for line in lines}) == 1  # columns
    totals = [row.total for row in p.rows()]
    assert totals == sorted(totals, reverse=True)
    assert [row.name for row in p.rows(sort="name")] == ["exp", "multiply", "sum"]
    assert p.rows(sort="saved")[0].name == "exp"
    short = p.table(limit=1).splitlines()
    assert len(short) == 3
    assert short[-1].startswith("… and 2 ops more")
    assert [row.name.partition(", in ")[2] for row in p.rows("line", "name")] == [
        "_program: y = x.exp()", "_program: z = (y * y).sum()",
    ]  # fmt: skip
    shown = str(p)
    assert shown.startswith("6 ops and their derivatives took ")
    assert p.table() in shown
    assert repr(p).startswith("<profile: 6 ops")
    with pytest.raises(ValueError, match="sort must be 'name' or one of calls, forward"):
        p.table(sort="size")
    with pytest.raises(ValueError, match="by must be 'op' or 'line', got 'file'"):
        p.rows(by="file")


def test_an_empty_profile():
    with dualad.profile() as p:
        pass
    assert p.rows() == []
    assert p.table().split()[0] == "op"
    assert str(p).startswith("0 ops took 0 µs of ")


def test_tangents_have_columns_where_there_are_any():
    x = np.ones(3)
    with dualad.profile() as p:
        dualad.jvp(lambda x: dualad.vmap(dualad.grad(lambda t: t**3))(x), (x,), (x,))
    assert p.table().splitlines()[0].split()[4:7] == ["pushes", "tangents", "made"]
    row = _rows(p)["pow"]
    assert (row.calls, row.pulls) == (1, 1)
    assert row.pushes >= 1


def test_a_trace_is_in_chromes_format(tmp_path):
    x = _leaf()
    with dualad.profile() as p:
        dualad.autograd.grad(dualad.sin(x).sum(), x, create_graph=True)
        dualad.jvp(dualad.exp, (x.detach(),), (x.detach(),))
    path = tmp_path / "trace.json"
    p.save_trace(path)
    trace = json.loads(path.read_text())
    entries = trace["traceEvents"]
    complete = [e for e in entries if e["ph"] == "X"]
    assert len(complete) == len(p.events)
    for e in complete:
        assert set(e) == {"ph", "name", "cat", "ts", "dur", "pid", "tid", "args"}
        assert e["ts"] >= 0
        assert e["dur"] >= 0
    assert {e["cat"] for e in complete} == {"forward", "backward", "tangent"}
    first = complete[0]
    assert (first["name"], first["cat"], first["ts"]) == ("sin", "forward", 0)
    assert first["args"]["arguments"] == first["args"]["results"] == ["(1000,) float64"]
    assert first["args"]["bytes made"] == 8 * N
    assert first["args"]["line"].endswith("dualad.autograd.grad(dualad.sin(x).sum(), x, create_graph=True)")
    # Events lie inside of one another, or apart.
    open_until = []
    for e in complete:
        while open_until and open_until[-1] <= e["ts"]:
            open_until.pop()
        assert not open_until or e["ts"] + e["dur"] <= open_until[-1] + 0.002  # the rounding of both
        open_until.append(e["ts"] + e["dur"])
    counters = [e["args"]["bytes"] for e in entries if e["ph"] == "C"]
    assert max(counters) == p.peak
    assert {e["name"] for e in entries if e["ph"] == "M"} == {"process_name", "thread_name"}


# -- modes -----------------------------------------------------------------------------------------------


def test_a_profile_that_is_not_running_cannot_be_left():
    p = dualad.profile()
    with pytest.raises(dualad.GradientError, match="profile: it is not running"):
        p.__exit__(None, None, None)
    with p:
        _leaf().exp()
    assert _rows(p)["exp"].calls == 1


def test_a_profile_goes_on_counting_and_is_not_entered_twice():
    p = dualad.profile()
    x = _leaf()
    for n in (1, 2):
        with p:
            x.exp()
            with pytest.raises(dualad.GradientError, match="running already"), p:
                pass
        assert _rows(p)["exp"].calls == n
    x.exp()
    assert _rows(p)["exp"].calls == 2
    with pytest.raises(KeyError), p:
        raise KeyError
    with dualad.profile() as outer, dualad.profile() as inner:
        x.exp()
    assert len(outer.events) == len(inner.events) == 1


def test_it_is_of_one_thread_unless_its_context_is_taken_along():
    x = _leaf()
    with dualad.profile() as p:
        contexts = [contextvars.copy_context() for _ in range(4)]
        all_there = threading.Barrier(4)

        def work(context):
            all_there.wait()
            context.run(lambda: [_program(x) for _ in range(20)])
            all_there.wait()

        threads = [threading.Thread(target=work, args=(c,)) for c in contexts]
        threads.append(threading.Thread(target=_program, args=(x,)))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    row = _rows(p)["exp"]
    assert (row.calls, row.pulls) == (80, 80)
    assert len({e.thread for e in p.events}) == 4
    assert p.saved.total == 0


def test_with_anomaly_mode_and_in_a_program_that_raises():
    x = _leaf()
    with dualad.profile() as p, dualad.autograd.detect_anomaly():
        y = x.exp()
        assert y.grad_fn.metadata["line"].source == "y = x.exp()"
        with pytest.raises(dualad.AnomalyError), np.errstate(all="ignore"):
            dualad.log(x * 0).sum().backward()
        y.sum().backward()
    assert _rows(p)["exp"].pulls == 1


def test_ops_know_their_lines_afterwards():
    with dualad.profile():
        y = _leaf().exp()
    assert "in test_ops_know_their_lines_afterwards: y = _leaf().exp()" in y.grad_fn.line
    assert str(y.grad_fn.metadata["line"]) in str(dualad.graph.memory(y).by_line)


def test_importing_dualad_does_not_import_it():
    code = "import sys, dualad; assert 'dualad.profiler' not in sys.modules; dualad.profile()"
    subprocess.run([sys.executable, "-c", code], check=True)
