"""One walk over all ops: whatever is differentiable is differentiated in every way, and compared.

Forward mode against finite differences; reverse mode against forward mode, by the adjoint
identity; second derivatives in all four mixes against each other and against differences of the
first. On every device, in every floating dtype.
"""

import numpy as np
import pytest

import dualad
from dualad.engine import shapes
from dualad.op import REGISTRY
from dualad.testing.plugin import needs
from dualad.testing.suite.examples import EXAMPLES

REAL, COMPLEX = [dualad.float32, dualad.float64], [dualad.complex64, dualad.complex128]
CASES = [(e, d) for e in EXAMPLES for d in (REAL + COMPLEX if e.complex else REAL)]
DOUBLE = [(e, d) for e, d in CASES if d in (dualad.float64, dualad.complex128)]


def _ids(cases):
    return [f"{e.name}-{d.name}" for e, d in cases]


def _tensor(array, dtype, device):
    needs(dtype, device)
    return dualad.asarray(np.asarray(array).astype(dtype.name), device=device)


def _draw(shapes, dtype, device, seed):
    """Return random Tensors of these shapes: a direction, or a cotangent."""
    rng = np.random.default_rng(seed)
    parts = [
        rng.standard_normal(s) + (1j * rng.standard_normal(s) if dtype.is_complex else 0) for s in shapes
    ]
    return [_tensor(p, dtype, device) for p in parts]


def _arguments(example, dtype, device):
    rng = np.random.default_rng(7)
    arrays = [a + 0.3j * rng.standard_normal(np.shape(a)) if dtype.is_complex else a for a in example.arrays]
    return [_tensor(a, dtype, device) for a in arrays]


def _listed(example):
    """Return the example's function with a list of arguments in and a list of results out."""

    def f(xs):
        y = example.call(*xs)
        return list(y) if isinstance(y, tuple) else [y]

    return f


def _inner(a, b):
    """The real inner product of two lists of Tensors."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total = total + dualad.sum(dualad.real(dualad.conj(x) * y))
    return total


def _moved(xs, ts, h):
    return [x + t * h for x, t in zip(xs, ts, strict=True)]


def _differences(f, xs, ts, h=1e-6):
    """Return the central differences of f in a direction."""
    ahead, behind = f(_moved(xs, ts, h)), f(_moved(xs, ts, -h))
    return [(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)]


def _check_close(got, want, rtol, atol):
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(
            a.to("cpu").detach().numpy(), b.to("cpu").detach().numpy(), rtol=rtol, atol=atol
        )


def test_every_differentiable_op_has_an_example():
    without = {name for name, op in REGISTRY.items() if op.differentiable} - {e.op for e in EXAMPLES}
    assert without == {"to_device"}, "to_device is differentiated between devices in test_backends.py"


@pytest.mark.parametrize(("example", "dtype"), CASES, ids=_ids(CASES))
def test_first_derivatives(example, dtype, device):
    if example.name.startswith(("sort", "unique")):
        needs(dualad.int64, device)  # in which array-api-strict gives indices, also where there is none
    f, xs = _listed(example), _arguments(example, dtype, device)
    ts = _draw([x.shape for x in xs], dtype, device, 1)
    ys, pushed = dualad.jvp(f, (xs,), (ts,))
    assert [t.dtype for t in pushed] == [y.dtype for y in ys]
    single = dtype in (dualad.float32, dualad.complex64)
    wide = {dualad.float32: dualad.float64, dualad.complex64: dualad.complex128}.get(dtype, dtype)
    if single:  # differences of single numbers say little: compare with the derivative in double
        want = dualad.jvp(f, ([x.cpu().to(wide) for x in xs],), ([t.cpu().to(wide) for t in ts],))[1]
        _check_close(pushed, want, 1e-4, 1e-4)
    else:
        _check_close(pushed, _differences(f, xs, ts), 1e-7, 1e-7)
    gs = [_draw([y.shape], y.dtype, device, 2)[0] for y in ys]
    _, pullback = dualad.vjp(f, xs)
    (pulled,) = pullback(gs)
    for x, p in zip(xs, pulled, strict=True):
        assert (p.shape, p.dtype, p.device) == (x.shape, x.dtype, x.device)
    scale = 1 + abs(_inner(gs, gs).item()) ** 0.5
    assert _inner(gs, pushed).item() == pytest.approx(
        _inner(pulled, ts).item(), rel=1e-5 if single else 1e-12, abs=scale * (1e-5 if single else 1e-12)
    )


@pytest.mark.parametrize(("example", "dtype"), DOUBLE, ids=_ids(DOUBLE))
def test_second_derivatives(example, dtype, device):
    f, xs = _listed(example), _arguments(example, dtype, device)
    shapes = [x.shape for x in xs]
    ts, ss = _draw(shapes, dtype, device, 1), _draw(shapes, dtype, device, 3)
    ys = f(xs)
    gs = [_draw([y.shape], y.dtype, device, 2)[0] for y in ys]

    def scalar(xs):
        return _inner(gs, f(xs))

    gradient = dualad.grad(scalar)
    forward = lambda xs: dualad.jvp(scalar, (xs,), (ts,))[1]  # noqa: E731
    forward_over_reverse = dualad.jvp(gradient, (xs,), (ts,))[1]
    reverse_over_forward = dualad.grad(forward)(xs)
    reverse_over_reverse = dualad.grad(lambda xs: _inner(gradient(xs), ts))(xs)
    forward_over_forward = dualad.jvp(forward, (xs,), (ss,))[1]
    _check_close(reverse_over_forward, forward_over_reverse, 1e-9, 1e-9)
    _check_close(reverse_over_reverse, forward_over_reverse, 1e-9, 1e-9)
    assert forward_over_forward.item() == pytest.approx(
        _inner(ss, forward_over_reverse).item(), rel=1e-9, abs=1e-9
    )
    _check_close(forward_over_reverse, _differences(gradient, xs, ts), 1e-6, 1e-6)


@pytest.mark.parametrize(("example", "dtype"), DOUBLE, ids=_ids(DOUBLE))
def test_backward_agrees_with_the_transform(example, dtype, device):
    """The ground level runs the rules on the backend's arrays, or records them on Tensors."""
    f, xs = _listed(example), _arguments(example, dtype, device)
    gs = [_draw([y.shape], y.dtype, device, 2)[0] for y in f(xs)]
    ts = _draw([x.shape for x in xs], dtype, device, 1)
    want = dualad.grad(lambda xs: _inner(gs, f(xs)))(xs)
    second = dualad.grad(lambda xs: _inner(dualad.grad(lambda xs: _inner(gs, f(xs)))(xs), ts))(xs)
    leaves = [x.detach().clone().requires_grad_() for x in xs]
    first = dualad.autograd.grad(_inner(gs, f(leaves)), leaves, create_graph=True, materialize_grads=True)
    _check_close(first, want, 1e-12, 1e-12)
    total = _inner(first, ts)
    if total.requires_grad:
        again = dualad.autograd.grad(total, leaves, materialize_grads=True)
        _check_close(again, second, 1e-11, 1e-11)
    else:
        _check_close(second, [x * 0 for x in xs], 0, 0)


@pytest.mark.parametrize(
    ("example", "dtype"),
    [c for c in DOUBLE if c[1] is dualad.float64],
    ids=lambda v: getattr(v, "name", None),
)
def test_arrays_that_are_not_contiguous(example, dtype, device):
    """Every second element of an array twice as long: values and derivatives are the same."""
    f, xs = _listed(example), _arguments(example, dtype, device)
    strided = [dualad.stack([x, x * 0], axis=-1)[..., 0] for x in xs]
    _check_close(f(strided), f(xs), 1e-12, 1e-13)
    gs = [_draw([y.shape], y.dtype, device, 2)[0] for y in f(xs)]
    (want,), (got,) = (dualad.vjp(f, arguments)[1](gs) for arguments in (xs, strided))
    _check_close(got, want, 1e-12, 1e-12)
    ts = _draw([x.shape for x in xs], dtype, device, 1)
    _check_close(dualad.jvp(f, (strided,), (ts,))[1], dualad.jvp(f, (xs,), (ts,))[1], 1e-12, 1e-12)


# Analytic in a complex argument, and continued by NumPy: abs(), signs and orders are not.
_ANALYTIC = (
    "positive negative square reciprocal exp expm1 sin cos tan sinh cosh tanh asinh atan sqrt log log1p log10 log2 "
    "asin acos atanh acosh add subtract multiply divide pow sum mean matmul getitem linalg.inv linalg.det linalg.solve"
)
ANALYTIC = [e for e in EXAMPLES if e.complex and e.op in _ANALYTIC.split()]


@pytest.mark.parametrize("example", ANALYTIC, ids=[e.name for e in ANALYTIC])
def test_complex_steps(example):
    """The imaginary part of f(x + i h t) / h: exact to the last digits, as nothing is subtracted."""
    f, xs = _listed(example), _arguments(example, dualad.float64, "cpu")
    ts = _draw([x.shape for x in xs], dualad.float64, "cpu", 1)
    stepped = f([x + 1e-30j * t for x, t in zip(xs, ts, strict=True)])
    for a, b in zip(dualad.jvp(f, (xs,), (ts,))[1], stepped, strict=True):
        if not a.dtype.is_complex:
            np.testing.assert_allclose(a.numpy(), b.imag.numpy() / 1e-30, rtol=1e-10, atol=1e-12)


ELEMENTWISE = [n for n, op in REGISTRY.items() if op.differentiable and op.shape is shapes.elementwise
               and len(op.arguments) < 3 and "." not in n and not op.variadic and "x" in "".join(op.arguments)
               and n not in ("adjugate", "astype", "conj", "imag", "real", "sign_of_complex")]  # fmt: skip
EMPTY = {
    **{n: (lambda *xs, n=n: REGISTRY[n](*xs), [(0, 3)] * len(REGISTRY[n].arguments)) for n in ELEMENTWISE},
    "sum": (lambda x: dualad.sum(x, axis=0), [(0, 3)]), "sum of all": (dualad.sum, [(2, 0)]),
    "prod": (lambda x: dualad.prod(x, axis=0), [(0, 3)]), "norm": (lambda x: x.norm(dim=0), [(0, 3)]),
    "cumulative_sum": (lambda x: dualad.cumulative_sum(x, axis=0), [(0, 3)]),
    "cumulative_prod": (lambda x: dualad.cumulative_prod(x, axis=0), [(0, 3)]),
    "matmul": (dualad.matmul, [(2, 0), (0, 3)]), "matmul of none": (dualad.matmul, [(0, 2), (2, 3)]),
    "getitem": (lambda x: x[1:1], [(3, 2)]), "concat": (lambda x, y: dualad.concat([x, y]), [(0, 2), (3, 2)]),
    "reshape": (lambda x: x.reshape(3, 0), [(0, 2)]), "sort": (dualad.sort, [(0,)]),
    "where": (lambda x, y: dualad.where(x > y, x, y), [(0, 2), (2,)]), "inv": (dualad.linalg.inv, [(0, 2, 2)]),
    "det": (dualad.linalg.det, [(0, 2, 2)]), "eigvalsh": (dualad.linalg.eigvalsh, [(0, 2, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
def test_arrays_without_elements(name, device):
    call, shapes_ = EMPTY[name]
    if name == "sort":
        needs(dualad.int64, device)
    xs = [dualad.ones(s, device=device) for s in shapes_]
    y, pullback = dualad.vjp(call, *xs)
    assert [g.shape for g in pullback(dualad.ones_like(y))] == [tuple(s) for s in shapes_]
    assert dualad.jvp(call, tuple(xs), tuple(xs))[1].shape == y.shape
    leaves = [x.clone().requires_grad_() for x in xs]
    call(*leaves).sum().backward()
    assert [x.grad.shape for x in leaves] == [tuple(s) for s in shapes_]


# -- conventions -------------------------------------------------------------------------------

AT_ZERO = {
    "abs": (abs, 0.0), "sign": (dualad.sign, 0.0), "norm": (lambda x: x.norm(), 0.0),
    "hypot": (lambda x: dualad.hypot(x, x), 0.0), "pow 0": (lambda x: x**0, 0.0), "pow 1": (lambda x: x**1, 1.0),
    "pow 2": (lambda x: x**2, 0.0), "pow 0.": (lambda x: x**0.0, 0.0), "sqrt": (dualad.sqrt, np.inf),
    "norm 1": (lambda x: x.norm(1), 0.0), "norm 3": (lambda x: x.norm(3), 0.0),
    "pow tensor": (lambda x: x ** dualad.asarray(2.0, device=x.device), 0.0),
    "pow tensor 0": (lambda x: x ** dualad.asarray(0.0, device=x.device), 0.0),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:divide by zero")  # the slope of sqrt is infinite
@pytest.mark.parametrize("name", AT_ZERO)
def test_first_derivative_at_zero(name, device):
    f, want = AT_ZERO[name]
    x = dualad.zeros((), device=device)
    assert dualad.grad(f)(x).item() == want
    assert dualad.jvp(f, (x,), (dualad.ones_like(x),))[1].item() == want


@pytest.mark.parametrize(("p", "want"), [(0, 0.0), (1, 0.0), (2, 2.0), (3, 0.0)])
def test_second_derivative_of_a_power_at_zero(p, want, device):
    x = dualad.zeros((), device=device)
    assert dualad.grad(dualad.grad(lambda x: x**p))(x).item() == want


def test_the_standard_deviation_of_equal_elements_does_not_move(device):
    x = dualad.ones(3, device=device)
    assert dualad.grad(dualad.std)(x).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("f", [dualad.max, dualad.min], ids=["max", "min"])
def test_ties_share_the_gradient_evenly(f, device):
    x = dualad.ones(4, device=device)
    assert dualad.grad(f)(x).tolist() == [0.25] * 4


@pytest.mark.parametrize("f", [dualad.maximum, dualad.minimum], ids=["maximum", "minimum"])
def test_tied_arguments_share_the_gradient_evenly(f, device):
    x = dualad.ones((), device=device)
    assert [g.item() for g in dualad.grad(f, argnums=(0, 1))(x, x)] == [0.5, 0.5]


def test_the_product_of_several_zeros(device):
    x = dualad.tensor([2.0, 0.0, 0.0], device=device)
    assert dualad.grad(dualad.prod)(x).tolist() == [0.0, 0.0, 0.0]
    hessian = [dualad.grad(lambda x, i=i: dualad.grad(dualad.prod)(x)[i])(x).tolist() for i in range(3)]
    assert hessian == [[0, 0, 0], [0, 0, 2], [0, 2, 0]]


# Those of linear algebra, whose arguments are matrices, are compared in test_linalg.py.
CONSTANT = [
    n
    for n, op in REGISTRY.items()
    if not op.differentiable and n not in ("nonzero", "sort", "prod") and "." not in n
]


@pytest.mark.parametrize("name", CONSTANT)
def test_constant_ops_agree_with_numpy_and_do_not_require_grad(name, device):
    op = REGISTRY[name]
    if name.startswith(("arg", "count", "search")):
        needs(dualad.int64, device)  # see above
    dtype = {"bitwise": np.int32, "isin": np.int32, "logical": np.bool_}.get(
        name.partition("_")[0], np.float32
    )
    arrays = [np.array([1.0, 0.0, 3.0]).astype(dtype), np.array([1.0, 2.0, 1.0]).astype(dtype)]
    arrays = arrays[: len(op.arguments)]
    static = {"argmax": {"axis": 0, "keepdims": False}, "argmin": {"axis": 0, "keepdims": False}}.get(
        name, {}
    )
    static = {"argsort": {"axis": 0, "descending": False, "stable": True},
              "all": {"axis": (0,), "keepdims": False}, "any": {"axis": (0,), "keepdims": False}}.get(name, static)  # fmt: skip
    tensors = [dualad.asarray(a, device=device) for a in arrays]
    if dtype is np.float32:
        tensors = [t.requires_grad_() for t in tensors]
    y = op(*tensors, **static)
    static.pop("descending", None)
    np.testing.assert_array_equal(y.tolist(), getattr(np, name)(*arrays, **static))
    assert not y.requires_grad


def test_a_power_of_a_negative_number_does_not_move_with_a_real_exponent(device):
    x = dualad.tensor([1.0, 2.0], device=device)
    base = dualad.full_like(x, -2.0)
    for f in (lambda x: ((-2.0) ** x).sum(), lambda x: (base**x).sum()):
        assert np.isnan(dualad.grad(f)(x).cpu().numpy()).all()
