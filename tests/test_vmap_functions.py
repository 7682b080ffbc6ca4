"""NumPy's functions, and methods and functions of PyTorch's, inside vmap: they are the loop over the examples."""

import numpy as np
import optree
import pytest
import test_numpy_functions as numpy_calls

import dualad
from dualad.transforms.vmap import vmap

SIZE = 3


def _batch(array):
    a = np.asarray(array)
    changed = a * np.float64(0.97) if a.dtype.kind in "fc" else a[..., ::-1] if a.ndim else a
    return np.stack([a, changed.astype(a.dtype), a])


def _patterns(n):
    return dict.fromkeys([(True,) * n, *(tuple(i == j for i in range(n)) for j in range(n))])


def _check(call, *arrays):
    """Compare a call inside vmap with the loop; values, and gradients where there are any."""
    stacks = [_batch(a) for a in arrays]
    for pattern in _patterns(len(arrays)):
        axes = tuple(0 if b else None for b in pattern)
        chosen = [dualad.asarray(s if b else s[0]) for s, b in zip(stacks, pattern, strict=True)]

        def loop(*xs, pattern=pattern):
            examples = [
                call(*(x[i] if b else x for x, b in zip(xs, pattern, strict=True))) for i in range(SIZE)
            ]
            return [
                dualad.stack(list(parts)) for parts in zip(*map(optree.tree_leaves, examples), strict=True)
            ]

        mapped = lambda *xs, axes=axes: optree.tree_leaves(vmap(call, axes)(*xs))  # noqa: E731
        for got, want in zip(mapped(*chosen), loop(*chosen), strict=True):
            assert (got.shape, got.dtype) == (want.shape, want.dtype)
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-9)
        if all(x.dtype.is_differentiable for x in chosen):
            places = tuple(range(len(chosen)))
            got, want = (dualad.grad(_total(f), places)(*chosen) for f in (mapped, loop))
            for a, b in zip(got, want, strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-9)


def _total(f):
    """Return the sum of all that f gives and that has a derivative, no two elements alike."""

    def total(*xs):
        ys = [dualad.real(y) for y in f(*xs) if y.dtype.is_differentiable]
        weighted = [dualad.sum(y * np.cos(np.arange(y.numel())).reshape(y.shape)) for y in ys]
        return sum(weighted, 0.0 * dualad.sum(xs[0]))

    return total


# -- NumPy -----------------------------------------------------------------------------------------

# How many elements these give may differ between examples.
DEPEND = {"unique", "extract", "unique with NaN"}
CALLS = [c for c in numpy_calls.CALLS if c[0] not in DEPEND]
VALUES = {n: c for n, c in numpy_calls.VALUES.items() if n not in DEPEND}


@pytest.mark.parametrize(("f", "arrays"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_numpys_functions(f, arrays):
    _check(f, *arrays)


@pytest.mark.filterwarnings("ignore:invalid value|divide by zero")
@pytest.mark.parametrize("name", VALUES)
def test_values_of_numpys_functions(name):
    f, a = VALUES[name]
    stack = dualad.asarray(_batch(a))
    got, want = vmap(f)(stack), dualad.stack([f(x) for x in stack])
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (np.unique, "how many values unique_all gives"),
        (lambda x: np.extract(x > 0, x), "the shape of what nonzero gives"),
        (lambda x: np.compress(x > 0, x), "the shape of what nonzero gives"),
        (np.argwhere, "the shape of what nonzero gives"),
        (np.flatnonzero, "the shape of what nonzero gives"),
        (lambda x: np.delete(x, np.argmax(x)), r"np\.asarray\(\) of a Tensor inside vmap"),
        (lambda x: np.repeat(x, np.argsort(x)), "repeats must be the same for all examples"),
        (lambda x: np.allclose(x, 1.0), r"bool\(\) of a Tensor inside vmap"),
        (lambda x: np.array_equal(x, x), r"bool\(\) of a Tensor inside vmap"),
        (lambda x: np.array([x[0], 1.0]), r"np\.asarray\(\) of a Tensor inside vmap"),
        (lambda x: np.linalg.pinv(x[:, None] * x, x[0]), "a tolerance must be the same for all examples"),
    ],
)
def test_what_numpys_functions_cannot_do_for_each_example(call, says):
    with pytest.raises(dualad.BatchError, match=says):
        vmap(call)(np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]]))


# -- methods, and functions of PyTorch's -------------------------------------------------------------

X = np.array([[1.5, -0.5, 2.0], [0.25, 1.0, -1.75]])
Y = np.array([[0.5, 2.0, -1.0], [1.25, 0.75, 3.0]])
I = np.array([[2, 0, 1], [1, 1, 0]])  # noqa: E741
K = np.array([2, 0, 1])
ELEMENTWISE = (
    "abs absolute square exp expm1 sin cos tan asinh atan sinh cosh tanh floor ceil trunc neg negative reciprocal sign "
    "signbit conj conjugate sigmoid relu isnan isinf isfinite round float double int long bool clone copy contiguous "
    "detach ravel flatten t unbind sum prod mean var std max min all any norm argsort sort logsumexp cpu numel dim "
    "log1p log log2 log10 sqrt rsqrt acosh asin acos atanh cumsum cumprod argmax argmin T mT mH real imag"
)
PAIRED = (
    "eq ne lt le gt ge mul div pow multiply divide remainder floor_divide maximum minimum atan2 hypot add sub"
)
IN_PLACE = "abs_ neg_ square_ exp_ sin_ cos_ tanh_ floor_ ceil_ round_ reciprocal_ sign_ trunc_ zero_ detach_"
PAIRED_IN_PLACE = "mul_ div_ remainder_ floor_divide_ add_ sub_ copy_"


def _method(name, *args, **kwargs):
    def call(x, *others):
        x = x * 1.0
        found = getattr(x, name)
        y = found(*others, *args, **kwargs) if callable(found) else found
        return (y, x) if name.endswith("_") else y

    return call


def _inside(name):
    """Return a method on numbers of which all of its functions have one."""
    narrow = name in ("asin", "acos", "atanh")
    positive = name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "pow", "acosh")
    return np.abs(X) / 3 if narrow else np.abs(X) + 1 if positive else X


METHODS = {
    **{n: (_method(n), (_inside(n),)) for n in f"{ELEMENTWISE} {IN_PLACE}".split()},
    **{n: (_method(n), (_inside(n), Y)) for n in f"{PAIRED} {PAIRED_IN_PLACE}".split()},
    "pow_": (_method("pow_", 2), (X,)), "sqrt_": (_method("sqrt_"), (Y + 2,)), "log_": (_method("log_"), (Y + 2,)),
    "clamp_": (_method("clamp_", -0.5, 1.0), (X,)), "clip": (lambda x, y: x.clip(0.2, y[0]), (X, Y + 2)),
    "fill_": (_method("fill_", 3.0), (X,)), "fill_ of one": (lambda x, v: (x * 1.0).fill_(v[0, 0]), (X, Y)),
    "masked_fill": (lambda x, y: x.masked_fill(y > 0, 7.0), (X, Y)), "masked_fill_": (lambda x, y: (x * 1.0).masked_fill_(y > 0, 7.0), (X, Y)),
    "matmul": (lambda x, y: x.matmul(y.T), (X, Y)), "mv": (lambda x, y: x.mv(y[0]), (X, Y)), "dot": (lambda x, y: x[0].dot(y[1]), (X, Y)),
    "reshape": (lambda x: x.reshape(3, -1), (X,)), "view": (lambda x: x.view(6), (X,)), "view_as": (lambda x, y: x.view_as(y.T), (X, Y)),
    "flatten of some": (lambda x: x.flatten(0, 1), (X,)), "squeeze": (lambda x: x[:1].squeeze(0), (X,)), "unsqueeze": (lambda x: x.unsqueeze(1), (X,)),
    "roll": (lambda x: x.roll(1, 0), (X,)), "roll by each": (lambda x, k: x.roll(k[0], 1), (X, K)), "tril": (lambda x: x.tril(), (X,)),
    "diagonal": (lambda x: x.diagonal(1), (X,)), "trace": (lambda x: x.trace(), (X,)),
    "searchsorted": (lambda x, y: dualad.sort(x[0]).searchsorted(y[1]) * x[0], (X, Y)),
    "triu": (lambda x: x.triu(1), (X,)), "movedim": (lambda x: x.movedim(0, 1), (X,)), "split": (lambda x: x.split(2, dim=1), (X,)),
    "chunk": (lambda x: x.chunk(2, dim=1), (X,)), "gather": (lambda x, i: x.gather(1, i), (X, I)), "diag": (lambda x: x[0].diag(), (X,)),
    "diag of a matrix": (lambda x: x.diag(1), (X,)), "index_select": (lambda x, k: x.index_select(1, k), (X, K)), "topk": (lambda x: x.topk(2), (X,)),
    "topk of the smallest": (lambda x: x.topk(1, dim=0, largest=False), (X,)), "permute": (lambda x: x.permute(1, 0), (X,)), "transpose": (lambda x: x.transpose(0, 1), (X,)),
    "expand": (lambda x: x[:, None].expand(-1, 2, -1), (X,)), "expand_as": (lambda x, y: x[0].expand_as(y), (X, Y)), "tile": (lambda x: x.tile(2, 1), (X,)),
    "repeat": (lambda x: x.repeat(2, 2), (X,)), "flip": (lambda x: x.flip(1), (X,)), "take": (lambda x, k: x.take(k), (X, K)), "take along": (lambda x, k: x.take(k, axis=1), (X, K)),
    "take_along_axis": (lambda x, i: dualad.take_along_axis(x, i, axis=1), (X, I)), "round to decimals": (lambda x: x.round(1), (X,)),
    "max along": (lambda x: x.max(1), (X,)), "min along": (lambda x: x.min(dim=0, keepdim=True), (X,)), "max of two": (lambda x, y: x.max(y), (X, Y)),
    "sum along": (lambda x: x.sum(-1, keepdim=True), (X,)), "argmax along": (lambda x: x.argmax(dim=-1), (X,)), "norm along": (lambda x: x.norm(1, dim=1), (X,)),
    "softmax": (lambda x: x.softmax(dim=0), (X,)), "log_softmax": (lambda x: x.log_softmax(dim=-1), (X,)), "diff": (lambda x: x.diff(), (X,)),
    "logsumexp along": (lambda x: x.logsumexp(dim=1), (X,)), "var of a sample": (lambda x: x.var(dim=1, unbiased=True), (X,)), "quantile": (lambda x: np.quantile(x, 0.3), (X,)),
    "astype": (lambda x: x.astype("float32"), (X,)), "to": (lambda x, y: x.to(y.dtype), (X, Y)), "complex": (lambda x: (x * 1j).imag, (X,)),
    "len and iteration": (lambda x: [len(x) * row.sum() for row in x], (X,)), "flat": (lambda x: x.flat[::2], (X,)), "size": (lambda x: x * x.size(1) + x.size, (X,)),
    "where": (lambda x, y: dualad.where(y > 0, x, y), (X, Y)), "where of numbers": (lambda x: dualad.where(x > 0, x, 0.0), (X,)),
    "isclose": (lambda x, y: dualad.isclose(x, y, atol=1.0), (X, Y)), "einsum": (lambda x, y: dualad.einsum("ij,kj->ik", x, y), (X, Y)),
    "full": (lambda x: dualad.full((2, 2), x[0, 0]), (X,)), "full_like": (lambda x: dualad.full_like(x, x[0, 0]), (X,)), "linspace": (lambda x: dualad.linspace(0.0, x[0, 0], 4), (X,)),
    "asarray of a list": (lambda x: dualad.asarray([[x[0, 0], 1.0], [2.0, x[1, 1]]]), (X,)), "as a constant": (lambda x: dualad.tensor(x.detach()) * x, (X,)),
    "cdist-like": (lambda x, y: ((x[:, None] - y[None]) ** 2).sum(-1), (X, Y)), "matrix_power": (lambda x: dualad.linalg.matrix_power(x @ x.T, 3), (X,)),
    "solve": (lambda x, y: dualad.linalg.solve(x @ x.T, y), (X, Y)), "solve a vector": (lambda x, y: dualad.linalg.solve(x @ x.T, y[:, 0]), (X, Y)),
    "cross": (lambda x, y: dualad.linalg.cross(x, y), (X, Y)), "outer": (lambda x, y: dualad.linalg.outer(x[0], y[1]), (X, Y)), "kron": (np.kron, (X, Y)),
    "tensordot": (lambda x, y: dualad.tensordot(x, y, axes=((0, 1), (0, 1))), (X, Y)), "vecdot": (lambda x, y: dualad.vecdot(x, y), (X, Y)),
    "meshgrid": (lambda x, y: dualad.meshgrid(x[0], y[1]), (X, Y)), "broadcast_arrays": (lambda x, y: dualad.broadcast_arrays(x[0], y), (X, Y)),
    "stop_gradient": (lambda x: dualad.stop_gradient(x) * x, (X,)), "a branch": (lambda x: dualad.where(x.sum() > 2.5, x, -x), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_and_functions(name):
    call, arrays = METHODS[name]
    _check(call, *arrays)


def test_every_method_is_tried():
    """But for other names, and for what is no function of values."""
    others = (
        "clamp clip_ fill mm moveaxis ndimension nelement reshape_as swapaxes "  # other names of what is tried
        "half logical_and logical_not logical_or cuda pin_memory is_pinned to_device type is_inference "
        "masked_select nonzero backward register_hook register_post_accumulate_grad_hook requires_grad_ retain_grad "
        "retains_grad bfloat16 "
        # random numbers, in test_random.py
        "bernoulli bernoulli_ cauchy_ exponential_ geometric_ log_normal_ multinomial normal_ random_ uniform_"
    )
    names = {n for n in vars(dualad.engine.methods.Methods) if not n.startswith("_")}
    names |= {n for n in vars(dualad.engine.methods.Conversions) if not n.startswith("_")}
    tried = {n for key in METHODS for n in key.split()}
    assert names - tried == set(others.split())
