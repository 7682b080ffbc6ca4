"""vmap of every op: applied to a batch it gives what a loop over the examples gives.

On the CPU each call is tried with each argument batched or not, and its derivatives too. Of the other
backends two devices take part: one whose arrays do not meet those of the default device, and one
that lacks the 64-bit types.
"""

import warnings

import numpy as np
import pytest

import dualad
from dualad.batching import BatchLoopWarning
from dualad.op import REGISTRY
from dualad.testing.plugin import devices
from dualad.testing.suite.examples import EXAMPLES
from dualad.transforms.vmap import vmap

SIZE = 2
# How many distinct values there are may differ between examples; what draws is in test_random.py.
REGULAR = [e for e in EXAMPLES if not e.name.startswith(("unique", "random.log_gamma-"))]
REAL = [(e, False) for e in REGULAR]
CASES = [c for e in REGULAR for c in ((e, False), *(((e, True),) if e.complex else ()))]


def _ids(cases):
    return [f"{e.name}-{'complex' if is_complex else 'real'}" for e, is_complex in cases]


def _has(device, dtype):
    try:
        dualad.zeros(1, dtype=dtype, device=device)
    except dualad.DTypeError:
        return False
    return True


def pytest_generate_tests(metafunc):
    """Let tests that take `place` run on chosen devices, with the width of their numbers."""
    if "place" not in metafunc.fixturenames:
        return
    wide = [d for d in devices(metafunc.config) if _has(d, dualad.complex128)]
    narrow = [d for d in devices(metafunc.config) if d not in wide]
    chosen = [d for d in wide if ":" not in d] + [d for d in wide if ":" in d][-1:] + narrow[-1:]
    metafunc.parametrize("place", [(d, "128" if d in wide else "64") for d in chosen], ids=chosen)


def _skip_counts(name, device):
    counts = ("arg", "count", "linalg.matrix_rank", "search", "sort")
    sums = name in ("prod", "sum")  # of integers
    if (sums or name.startswith(counts)) and not _has(device, dualad.int64):
        pytest.skip("array-api-strict counts in int64, also where there is none")


def _batches(name, arrays, is_complex, place):
    """Return the arguments of a call, each stacked with others like it."""
    device, bits = place
    _skip_counts(name, device)
    if is_complex and not _has(device, f"complex{bits}"):
        pytest.skip("there are no complex numbers")
    dtype = f"complex{bits}" if is_complex else f"float{int(bits) // 2}"
    rng = np.random.default_rng(7)
    out = []
    for a in arrays:
        a = a + 0.3j * rng.standard_normal(np.shape(a)) if is_complex else np.asarray(a)
        stacked = np.stack([a * (1 - 0.02 * i) for i in range(SIZE)])
        out.append(dualad.asarray(stacked.astype(dtype), device=device))
    return out


def _patterns(n, place=("cpu",)):
    """Return which arguments are batched: all; each alone, and all but each."""
    ones = [tuple(i == j for i in range(n)) for j in range(n if place[0] == "cpu" else 1)]
    return dict.fromkeys([(True,) * n, *ones, *(tuple(not b for b in p) for p in ones if n > 1)])


def _listed(call):
    def f(*xs):
        y = call(*xs)
        return list(y) if isinstance(y, tuple) else [y]

    return f


def _loop(f, xs, pattern):
    """Return the results for each example, stacked."""
    results = [f(*(x[i] if b else x[0] for x, b in zip(xs, pattern, strict=True))) for i in range(SIZE)]
    return [dualad.stack(list(parts)) for parts in zip(*results, strict=True)]


def _mapped(f, xs, pattern):
    chosen = [x if b else x[0] for x, b in zip(xs, pattern, strict=True)]
    return vmap(f, in_axes=tuple(0 if b else None for b in pattern), axis_size=SIZE)(*chosen)


def _check_close(got, want, place=("cpu", "128")):
    tolerance = 1e-9 if place[1] == "128" else 2e-4
    for a, b in zip(got, want, strict=True):
        assert (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device)
        np.testing.assert_allclose(a.cpu().numpy(), b.cpu().numpy(), rtol=tolerance, atol=tolerance)


def _weights(ys):
    rng = np.random.default_rng(2)
    weights = [rng.standard_normal(y.shape) for y in ys]
    return [dualad.asarray(w.astype(dualad.real(y).dtype.name), device=y.device) for w, y in zip(weights, ys)]  # noqa: B905


def _scalar(f, weights):
    """Return a real function of f's arguments that depends on all that f gives."""

    def total(*xs):
        return sum(dualad.sum(dualad.real(y) * w) for y, w in zip(f(*xs), weights, strict=True))

    return total


# -- what has derivatives --------------------------------------------------------------------------


@pytest.mark.parametrize(("example", "is_complex"), CASES, ids=_ids(CASES))
def test_every_op_on_a_batch_is_the_loop(example, is_complex, place):
    f, xs = _listed(example.call), _batches(example.name, example.arrays, is_complex, place)
    for pattern in _patterns(len(xs), place):
        _check_close(_mapped(f, xs, pattern), _loop(f, xs, pattern), place)


@pytest.mark.parametrize(("example", "is_complex"), CASES, ids=_ids(CASES))
def test_derivatives_of_a_batch_are_those_of_the_loop(example, is_complex, place):
    """The gradient of the sum over a batch, and its tangent; gradients and tangents in a batch."""
    f, xs = _listed(example.call), _batches(example.name, example.arrays, is_complex, place)
    places, everywhere = tuple(range(len(xs))), (True,) * len(xs)
    scalar = _scalar(f, _weights(f(*(x[0] for x in xs))))
    each = lambda *xs: list(dualad.grad(scalar, places)(*xs))  # noqa: E731
    gradients = _loop(each, xs, everywhere)
    _check_close(_mapped(each, xs, everywhere), gradients, place)
    for pattern in _patterns(len(xs), place):
        chosen = [x if b else x[0] for x, b in zip(xs, pattern, strict=True)]
        over_all = lambda *chosen, p=pattern: dualad.sum(  # noqa: E731
            vmap(scalar, in_axes=tuple(0 if b else None for b in p))(*chosen)
        )
        want = gradients if all(pattern) else _loop(each, xs, pattern)
        want = [g if b else dualad.sum(g, axis=0) for g, b in zip(want, pattern, strict=True)]
        _check_close(dualad.grad(over_all, places)(*chosen), want, place)
    pushed = lambda *xs: list(dualad.jvp(f, xs, xs)[1])  # noqa: E731
    tangents = _loop(pushed, xs, everywhere)
    _check_close(_mapped(pushed, xs, everywhere), tangents, place)
    _check_close(dualad.jvp(vmap(f), tuple(xs), tuple(xs))[1], tangents, place)


@pytest.mark.parametrize(("example", "is_complex"), REAL, ids=_ids(REAL))
def test_vmap_of_vmap(example, is_complex):
    """Each argument is batched by the inner, the outer, or both."""
    f, xs = _listed(example.call), _batches(example.name, example.arrays, is_complex, ("cpu", "128"))
    twice = [dualad.stack([x, x * 0.99]) for x in xs]
    want = [_loop(f, [x[j] for x in twice], (True,) * len(xs)) for j in range(2)]
    _check_close(vmap(vmap(f))(*twice), [dualad.stack(list(p)) for p in zip(*want, strict=True)])
    if len(xs) == 2:  # one argument from each level
        x, y = xs
        got = vmap(lambda a: vmap(lambda b: f(a, b))(y))(x)
        want = [[f(x[i], y[j]) for j in range(SIZE)] for i in range(SIZE)]
        flat = [dualad.stack([dualad.stack([c[k] for c in row]) for row in want]) for k in range(len(got))]
        _check_close(got, flat)


# -- what has none ---------------------------------------------------------------------------------

F = np.array([[[1.0, -2.0, np.nan], [np.inf, 0.0, 1.0]], [[-1.0, 0.0, 2.0], [3.0, 1.0, -np.inf]]])
G = np.array([[1.0, 0.0, 2.0], [3.0, 0.0, np.nan]])  # a row less than F
I = np.array([[[5, 2, 1], [0, 3, 1]], [[1, 4, 6], [7, 0, 2]]], dtype=np.int32)  # noqa: E741
J = np.array([[1, 2, 3], [2, 0, 1]], dtype=np.int32)
B, C = I > 2, J > 1
M = np.array([[[2.0, 1.0], [1.0, 3.0]], [[1.0, -1.0], [-1.0, 1.0]]])
S = np.array([[-1.0, 0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 2.0, 3.0, np.nan]])
AXES = [{"axis": None}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": None, "keepdims": True}]


def _same(names, *stacked, **keywords):
    """Return a case for each of several ops with the same arguments, of which each is a stack of two."""
    return [(n, lambda *xs, n=n: _found(n)(*xs, **keywords), stacked) for n in names.split()]


def _found(name):
    function = dualad
    for part in name.split("."):
        function = getattr(function, part)
    return function


#: The op of the registry, a call of it, and two examples of each argument.
CONSTANTS = [
    *_same("equal not_equal less less_equal greater greater_equal", F, G),
    *_same("equal not_equal less less_equal greater greater_equal", I, J),
    *_same("isfinite isinf isnan signbit", F), *_same("logical_and logical_or logical_xor", B, C),
    *_same("logical_not bitwise_invert", B), *_same("bitwise_and bitwise_or bitwise_xor", I, J),
    *_same("bitwise_left_shift bitwise_right_shift", I, J), *_same("bitwise_invert", I),
    *(c for kw in AXES for c in _same("argmax argmin", I, **kw)), *_same("argmax argmin", M[:, 0]),
    *(c for kw in [*AXES, {"axis": (0, -1)}] for c in _same("count_nonzero all any prod", I, **kw)),
    *(c for kw in AXES for c in _same("sum max min", I, **kw)), *_same("prod", M, axis=1), *_same("all any", B),
    *_same("argsort sort", I), *_same("argsort sort", M, axis=0, descending=True), *_same("sort", J),
    *_same("searchsorted", S, F), *_same("searchsorted", S, G, side="right"), *_same("searchsorted", S, G[:, 0]),
    *_same("isin", I, J), *_same("isin", J, I, invert=True), *_same("isin", J[:, 0], I), *_same("isin", J, J[:, 0]),
    *_same("linalg.eigvalsh linalg.svdvals linalg.matrix_rank", M), *_same("linalg.eigvals", M * [1.0, 2.0]),
    *_same("linalg.matrix_rank", M, rtol=0.5),
    ("to_device", lambda x: x.to("cpu"), (M,)), ("isin", lambda x: dualad.isin(x, 2), (I,)),
    ("equal", lambda x: x == 1, (I,)), ("where", dualad.where, (B, I, J)),
    ("searchsorted", lambda x, y: dualad.searchsorted(x, y, sorter=dualad.argsort(x)), (S[:, ::-1][:, :4], G)),
]  # fmt: skip
#: How many results there are differs between examples.
REFUSED = {"nonzero": dualad.nonzero}
#: What draws random numbers asks whether examples differ: see test_random.py.
DRAWING = {"random.log_gamma", "random.poisson", "random.binomial"}


def test_every_op_has_a_case():
    """Those that functions other than the library's have made begin with an underscore."""
    ours = {n for n in REGISTRY if not n.startswith("_")}
    assert ours - {e.op for e in REGULAR} - {n for n, _, _ in CONSTANTS} == set(REFUSED) | DRAWING


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(
    ("name", "call", "stacked"), CONSTANTS, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(CONSTANTS)]
)
def test_constants_on_a_batch_are_the_loop(name, call, stacked, place):
    device, bits = place
    _skip_counts(name, device)
    if bits == "64":
        stacked = [a.astype(np.float32) if a.dtype == np.float64 else a for a in stacked]
    xs, f = [dualad.asarray(a, device=device) for a in stacked], _listed(call)
    for pattern in _patterns(len(xs), place):
        _check_close(_mapped(f, xs, pattern), _loop(f, xs, pattern), place)
    twice = [dualad.stack([x, dualad.flip(x, axis=0)]) for x in xs]
    want = [_loop(f, [x[j] for x in twice], (True,) * len(xs)) for j in range(2)]
    _check_close(vmap(vmap(f))(*twice), [dualad.stack(list(p)) for p in zip(*want, strict=True)], place)


# -- special functions of several arguments: orders, counts and other parameters may differ, too ------

PARAMETERS = {
    "k": np.array([[0, 2], [1, 1]]), "n": np.array([[3, 4], [5, 3]]), "v": np.array([[1.5, 2.0], [0.5, 3.0]]),
    "p": np.array([[0.2, 0.7], [0.5, 0.35]]), "m": np.array([[1.0, 2.0], [0.0, 1.0]]), "df": np.array([[2.0, 5.0], [3.5, 4.0]]),
    "c": np.array([[2.5, 3.0], [4.0, 2.25]]), "x": np.array([[0.3, 0.6], [0.45, 0.8]]),
}  # fmt: skip
SEVERAL = [n for n, op in REGISTRY.items() if n.startswith("special.") and len(op.arguments) > 1]


@pytest.mark.parametrize("name", SEVERAL)
def test_special_functions_of_batched_parameters(name):
    op = REGISTRY[name]
    arrays = [
        PARAMETERS.get(a, PARAMETERS.get(a[:2], PARAMETERS["x"] + i)) for i, a in enumerate(op.arguments)
    ]
    xs, f = [dualad.asarray(a) for a in arrays], _listed(op)
    for pattern in _patterns(len(xs)):
        _check_close(_mapped(f, xs, pattern), _loop(f, xs, pattern))
    for i, argument in enumerate(op.arguments[:-1]):  # a number in the place of a parameter
        number = int(arrays[i][0, 0]) if argument in ("k", "n") else float(arrays[i][0, 0])
        others = [*xs[:i], *xs[i + 1 :]]
        g = lambda *rest, i=i, number=number: [op(*rest[:i], number, *rest[i:])]  # noqa: E731
        _check_close(_mapped(g, others, (True,) * len(others)), _loop(g, others, (True,) * len(others)))


@pytest.mark.parametrize("name", REFUSED)
def test_what_gives_no_shape_is_refused(name):
    with pytest.raises(dualad.BatchError, match=rf"vmap: .*{name}.*use dualad\.where"):
        vmap(REFUSED[name])(M)


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse", "unique_values"])
def test_distinct_values_are_refused(name):
    with pytest.raises(dualad.BatchError, match=rf"vmap: how many values {name} gives .*use dualad\.sort"):
        vmap(lambda x: getattr(dualad, name)(x)[0])(M)


def test_no_op_is_looped():
    """The walk above raises where one is, as every warning is an error."""
    assert [n for n, op in REGISTRY.items() if op.batch.__name__ == "loop" and not n.startswith("_")] == []
    with pytest.raises(BatchLoopWarning):
        warnings.warn("as the walk would", BatchLoopWarning, stacklevel=1)
