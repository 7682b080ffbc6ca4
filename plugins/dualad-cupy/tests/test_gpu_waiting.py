"""No op waits for the GPU, or reads from it, unless that is what it means."""

import numpy as np
import pytest
from dualad_cupy.functions import ON_CPU
from gpu import DEVICES, needs_gpu, no_waiting

import dualad
from dualad.testing.suite.examples import EXAMPLES

pytestmark = needs_gpu

# The size of what they give depends on values.
SIZED_BY_VALUES = ("nonzero", "unique", "repeat-array")
# CuPy has these, and not the functions that their derivatives, or in dualad they themselves, are made of.
MADE_OF_OTHERS = {
    "bdtri", "boxcox", "boxcox1p", "ellipk", "ellipkm1", "exprel", "i1", "i1e", "inv_boxcox",
    "inv_boxcox1p", "j1", "k1", "k1e", "sinc",
}  # fmt: skip


def _needs_host(example):
    """Whether the meaning of an example, or a function that CuPy lacks, needs numbers on the host."""
    by_scipy = example.op.removeprefix("special.") in ON_CPU | MADE_OF_OTHERS
    return by_scipy or example.name.startswith(SIZED_BY_VALUES) or "mask" in example.name


@pytest.mark.parametrize("example", [e for e in EXAMPLES if not _needs_host(e)], ids=lambda e: e.name)
def test_an_op_and_its_derivatives_do_not_wait(example, monkeypatch):
    xs = [dualad.asarray(a, device=DEVICES[0], requires_grad=True) for a in example.arrays]
    weight = None

    def run():
        nonlocal weight
        ys = example.call(*xs)
        ys = [y for y in (ys if isinstance(ys, (tuple, list)) else [ys]) if y.requires_grad]
        if weight is None:
            weight = [dualad.ones_like(y) for y in ys]
        return dualad.autograd.grad(ys, xs, weight, allow_unused=True)

    run()  # kernels are compiled, plans and handles made
    with no_waiting(monkeypatch):
        run()


def test_what_waits_is_found_out(monkeypatch):
    x = dualad.ones(3, device=DEVICES[0])
    with no_waiting(monkeypatch), pytest.raises(Exception, match=r"(?i)synchroniz"):
        x.sum().item()


KEYS = {
    "an integer": 1,
    "slices": (slice(None, None, -2), ..., None),
    "indices": ("array", [2, 0, 2]),
    "indices beside a slice": (slice(None), ("array", [1, 0, 1])),
    "two index arrays": (("array", [0, 1]), ("array", [1, 1])),
    "indices of the host": np.array([0, 3, 3]),
}


def _on_gpu(key):
    if isinstance(key, tuple) and key[:1] == ("array",):
        return dualad.asarray(np.array(key[1]), device=DEVICES[0])
    return tuple(map(_on_gpu, key)) if isinstance(key, tuple) else key


@pytest.mark.parametrize("deterministic", [False, True], ids=["", "deterministic"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_reading_writing_and_their_gradients_do_not_wait(key, deterministic, monkeypatch):
    monkeypatch.setattr("dualad.backends.determinism._wanted", deterministic)
    key = _on_gpu(key)
    x = dualad.rand(4, 3, device=DEVICES[0], requires_grad=True)
    value = dualad.rand_like(x.detach()[key]).requires_grad_()
    weight = dualad.rand(4, 3, device=DEVICES[0])

    def run():
        y = x * 1
        y[key] = value
        (z := y * weight)[key].sum().backward()
        return z

    run()
    with no_waiting(monkeypatch):
        run()


def test_writing_a_number_at_a_mask_does_not_wait(monkeypatch):
    x = dualad.rand(4, 3, device=DEVICES[0], requires_grad=True)
    mask = x.detach() > 0.5
    rows = mask[:, 0]

    def run():
        y = x * 1
        y[mask] = 0.0
        y[rows] = 1.0
        y.sum().backward()

    run()
    with no_waiting(monkeypatch):
        run()
    kept = ~mask.cpu().numpy() & ~rows.cpu().numpy()[:, None]
    np.testing.assert_array_equal(x.grad.cpu().numpy(), 2.0 * kept)


def test_the_gradient_of_a_masked_read_waits_for_nothing_more(monkeypatch):
    x = dualad.rand(4, 3, device=DEVICES[0], requires_grad=True)
    for mask in (x.detach() > 0.5, x.detach()[:, 0] > 0.5, x.detach() > 2):
        x.grad = None
        y = (x * 3)[mask].sum()
        with no_waiting(monkeypatch):
            y.backward()
        want = np.broadcast_to(mask.cpu().numpy().T, (3, 4)).T if mask.ndim == 1 else mask.cpu().numpy()
        np.testing.assert_array_equal(x.grad.cpu().numpy(), 3.0 * want)


def test_a_training_step_does_not_wait(monkeypatch):
    device = DEVICES[0]
    w, b = (dualad.rand(*s, device=device, requires_grad=True) for s in ((3, 5), (5,)))
    x, labels = dualad.rand(8, 3, device=device), dualad.randint(0, 5, (8,), device=device)
    optimizers = [dualad.optim.SGD([w, b], lr=0.1, momentum=0.9), dualad.optim.Adam([w, b])]

    def step():
        for optimizer in optimizers:
            optimizer.zero_grad()
            logits = dualad.maximum(x @ w + b, 0)
            rows = dualad.arange(8, device=device)
            loss = (dualad.logsumexp(logits, axis=1) - logits[rows, labels]).mean()
            loss.backward()
            optimizer.step()

    step()
    with no_waiting(monkeypatch):
        step()
