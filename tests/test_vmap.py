"""vmap: a function of one example applied to a batch is what a loop over the examples gives."""

import numpy as np
import pytest
from all_examples import EXAMPLES
from conftest import needs

import dualad
from dualad.transforms.vmap import vmap

SIZE = 2
# How many distinct values there are may differ between examples.
REGULAR = [e for e in EXAMPLES if not e.name.startswith("unique")]
DOUBLE = (dualad.float64, dualad.complex128)
CASES = [(e, d) for e in REGULAR for d in (DOUBLE if e.complex else DOUBLE[:1])]


def _batches(example, dtype, device):
    """Return the arguments of an example, each stacked with others like it."""
    needs(dtype, device)
    rng = np.random.default_rng(7)
    out = []
    for a in example.arrays:
        a = a + 0.3j * rng.standard_normal(np.shape(a)) if dtype.is_complex else a
        stacked = np.stack([np.asarray(a) * (1 - 0.02 * i) for i in range(SIZE)]).astype(dtype.name)
        out.append(dualad.asarray(stacked, device=device))
    return out


def _patterns(n):
    """Return which arguments are batched: all, each alone, and all but each."""
    ones = [tuple(i == j for i in range(n)) for j in range(n)]
    return dict.fromkeys([(True,) * n, *ones, *(tuple(not b for b in p) for p in ones if n > 1)])


def _listed(example):
    def f(*xs):
        y = example.call(*xs)
        return list(y) if isinstance(y, tuple) else [y]

    return f


def _loop(f, xs, pattern):
    """Return the results for each example, stacked."""
    results = [f(*(x[i] if b else x[0] for x, b in zip(xs, pattern, strict=True))) for i in range(SIZE)]
    return [dualad.stack(list(parts)) for parts in zip(*results, strict=True)]


def _mapped(f, xs, pattern):
    chosen = [x if b else x[0] for x, b in zip(xs, pattern, strict=True)]
    return vmap(f, in_axes=tuple(0 if b else None for b in pattern))(*chosen)


def _check_close(got, want, tolerance=1e-9):
    for a, b in zip(got, want, strict=True):
        assert (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device)
        np.testing.assert_allclose(a.cpu().numpy(), b.cpu().numpy(), rtol=tolerance, atol=tolerance)


def _weights(ys):
    rng = np.random.default_rng(2)
    return [dualad.asarray(rng.standard_normal(y.shape), device=y.device) for y in ys]


def _scalar(f, weights):
    """Return a real function of f's arguments that depends on all that f gives."""

    def total(*xs):
        return sum(dualad.sum(dualad.real(y) * w) for y, w in zip(f(*xs), weights, strict=True))

    return total


IDS = [f"{e.name}-{d.name}" for e, d in CASES]


@pytest.mark.parametrize(("example", "dtype"), CASES, ids=IDS)
def test_every_op_on_a_batch_is_the_loop(example, dtype, device):
    f, xs = _listed(example), _batches(example, dtype, device)
    for pattern in _patterns(len(xs)):
        _check_close(_mapped(f, xs, pattern), _loop(f, xs, pattern))


@pytest.mark.parametrize(("example", "dtype"), CASES, ids=IDS)
def test_derivatives_of_a_batch_are_those_of_the_loop(example, dtype, device):
    """The gradient of the sum over a batch; gradients and tangents in a batch."""
    f, xs = _listed(example), _batches(example, dtype, device)
    everywhere = (True,) * len(xs)
    scalar = _scalar(f, _weights(f(*(x[0] for x in xs))))
    for pattern in _patterns(len(xs)):
        chosen = [x if b else x[0] for x, b in zip(xs, pattern, strict=True)]
        places = tuple(range(len(xs)))

        def over_all(*chosen, pattern=pattern):
            return dualad.sum(vmap(scalar, in_axes=tuple(0 if b else None for b in pattern))(*chosen))

        def one_by_one(*chosen, pattern=pattern):
            rows = [[x[i] if b else x for x, b in zip(chosen, pattern, strict=True)] for i in range(SIZE)]
            return sum(scalar(*row) for row in rows)

        _check_close(dualad.grad(over_all, places)(*chosen), dualad.grad(one_by_one, places)(*chosen))
    gradient = lambda *xs: list(dualad.grad(scalar, tuple(range(len(xs))))(*xs))  # noqa: E731
    _check_close(_mapped(gradient, xs, everywhere), _loop(gradient, xs, everywhere))
    pushed = lambda *xs: list(dualad.jvp(f, xs, xs)[1])  # noqa: E731
    _check_close(_mapped(pushed, xs, everywhere), _loop(pushed, xs, everywhere))
    _check_close(dualad.jvp(vmap(f), tuple(xs), tuple(xs))[1], _loop(pushed, xs, everywhere))


@pytest.mark.parametrize(
    ("example", "dtype"),
    [c for c in CASES if c[1] is dualad.float64],
    ids=[e.name for e, d in CASES if d is dualad.float64],
)
def test_vmap_of_vmap(example, dtype, device):
    """Each argument is batched by the inner, the outer, or both."""
    f, xs = _listed(example), _batches(example, dtype, device)
    twice = [dualad.stack([x, x * 0.99]) for x in xs]
    want = [_loop(f, [x[j] for x in twice], (True,) * len(xs)) for j in range(2)]
    _check_close(vmap(vmap(f))(*twice), [dualad.stack(list(p)) for p in zip(*want, strict=True)])
    if len(xs) == 2:  # one argument from each level
        x, y = xs
        got = vmap(lambda a: vmap(lambda b: f(a, b))(y))(x)
        want = [[f(x[i], y[j]) for j in range(SIZE)] for i in range(SIZE)]
        flat = [dualad.stack([dualad.stack([c[k] for c in row]) for row in want]) for k in range(len(got))]
        _check_close(got, flat)
