"""Streams: work goes to the current one, a derivative to that of its op, and nothing is read too early."""

import numpy as np
import pytest
from gpu import BACKEND, DEVICES, needs_gpu, needs_two

import dualad

pytestmark = needs_gpu


@pytest.fixture(autouse=True)
def races():
    """What the double of CuPy notes as read too early; a GPU cannot tell."""
    counts = getattr(BACKEND.cuda, "counts", None)
    if counts is None:
        yield []
        return
    counts.reset()
    yield counts.races
    assert not counts.races


def _stream(device=None):
    """Return a new stream that waits for what has been queued so far."""
    s = dualad.cuda.Stream(device)
    s.wait_stream(dualad.cuda.current_stream(device))
    return s


def _current(g):
    return dualad.cuda.current_stream(g.device)


def test_backward_runs_on_the_streams_of_forward():
    x = dualad.asarray(np.linspace(0.0, 1.0, 5), device="cuda").requires_grad_()
    first, second, seen = _stream(), _stream(), {}
    with dualad.cuda.stream(first):
        y = x.sin() * 2
        y.register_hook(lambda g: seen.update(y=_current(g)))
    second.wait_stream(first)
    with second:
        z = y.exp()
        z.register_hook(lambda g: seen.update(z=_current(g)))
    dualad.cuda.current_stream().wait_stream(second)
    z.sum().backward()
    assert seen == {"y": first, "z": second}
    assert dualad.cuda.current_stream() == dualad.cuda.default_stream()
    v = np.linspace(0.0, 1.0, 5)
    want = np.exp(2 * np.sin(v)) * 2 * np.cos(v)
    np.testing.assert_allclose(x.grad.cpu().numpy(), want, rtol=1e-12)


def test_streams_of_cupys_own_are_respected():
    x = dualad.ones(4, device="cuda", requires_grad=True)
    s, seen = _stream(), []
    with s.native:
        y = x * 3
        y.register_hook(lambda g: seen.append(_current(g).cuda_stream))
        assert dualad.cuda.current_stream() == s
    dualad.cuda.current_stream().wait_stream(s)
    y.sum().backward()
    assert seen == [s.native.ptr]


def test_branches_on_streams_of_their_own_meet():
    x = dualad.rand(100, device="cuda", dtype="float64", requires_grad=True)
    streams, parts = [_stream() for _ in range(3)], []
    for k, s in enumerate(streams, 1):
        with s:
            parts.append((k * x).sin())
    for s in streams:
        dualad.cuda.current_stream().wait_stream(s)
    sum(parts).sum().backward()
    v = x.detach().cpu().numpy()
    np.testing.assert_allclose(x.grad.cpu().numpy(), sum(k * np.cos(k * v) for k in (1, 2, 3)), rtol=1e-12)


def test_derivatives_of_derivatives_too():
    x = dualad.rand(10, device="cuda", dtype="float64", requires_grad=True)
    s = _stream()
    with s:
        y = (x**3).sum()
    dualad.cuda.current_stream().wait_stream(s)
    (g,) = dualad.autograd.grad(y, [x], create_graph=True)
    (h,) = dualad.autograd.grad(g.sum(), [x])
    np.testing.assert_allclose(h.cpu().numpy(), 6 * x.detach().cpu().numpy())


def test_backward_within_a_stream_is_complete_on_it():
    x = dualad.rand(10, device="cuda", dtype="float64", requires_grad=True)
    y = (x * x).sum()
    s = _stream()
    with s:
        y.backward()
        doubled = x.grad * 2
    dualad.cuda.current_stream().wait_stream(s)
    np.testing.assert_allclose(doubled.cpu().numpy(), 4 * x.detach().cpu().numpy())


def test_what_is_read_too_early_is_found_out_by_the_double(races):
    if not hasattr(BACKEND.cuda, "counts"):
        pytest.skip("CUDA does not tell of races; the double of CuPy does")
    with dualad.cuda.Stream():
        x = dualad.ones(3, device="cuda")
    x.sum()
    assert races
    races.clear()


def test_events_and_waiting():
    s = dualad.cuda.Stream()
    with s:
        x = dualad.ones(3, device="cuda")
        event = s.record_event()
    event.wait()
    y = x * 2
    s.synchronize()
    event.synchronize()
    dualad.cuda.synchronize()
    assert s.query()
    assert event.query()
    begin, end = (dualad.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record(s)
    end.record(s)
    end.synchronize()
    assert begin.elapsed_time(end) >= 0
    assert y.tolist() == [2.0, 2.0, 2.0]


def test_a_stream_is_left_by_an_error():
    s = dualad.cuda.Stream()
    with pytest.raises(dualad.ShapeError), s:
        dualad.ones(2, device="cuda") + dualad.ones(3, device="cuda")
    assert dualad.cuda.current_stream() == dualad.cuda.default_stream()
    dualad.cuda.set_stream(s)
    assert dualad.cuda.current_stream() == s
    dualad.cuda.set_stream(dualad.cuda.default_stream())


@needs_two
def test_streams_on_several_gpus():
    x, y = (dualad.rand(10, device=d, dtype="float64", requires_grad=True) for d in DEVICES[:2])
    one, other = _stream(DEVICES[0]), _stream(DEVICES[1])
    with one:
        u = x.sin()
        v = u.to(DEVICES[1])
    other.wait_stream(one)
    other.wait_stream(dualad.cuda.current_stream(DEVICES[1]))
    with other:
        w = v * y
        back = w.to(DEVICES[0])
    dualad.cuda.current_stream(DEVICES[0]).wait_stream(other)
    dualad.cuda.current_stream(DEVICES[0]).wait_stream(one)
    with dualad.cuda.device(0):
        back.sum().backward()
    a, b = x.detach().cpu().numpy(), y.detach().cpu().numpy()
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.cos(a) * b, rtol=1e-12)
    np.testing.assert_allclose(y.grad.cpu().numpy(), np.sin(a), rtol=1e-12)
