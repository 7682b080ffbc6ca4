"""Whole programs inside vmap: writing, branches by where, random numbers, histories from outside, ops of one's own."""

import gc
import warnings

import numpy as np
import pytest
from conftest import needs

import dualad
from dualad.batching import BatchLoopWarning
from dualad.op import REGISTRY, Op
from dualad.rules import Differential, Joint
from dualad.transforms.vmap import vmap

X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
Y = np.array([[2.0, 1.0, -1.5], [3.0, 0.25, 5.0]])
I = np.array([[2, 0], [1, 1]])  # noqa: E741
J = np.array([1, 2])


def _check(f, *arrays):
    """Compare f inside vmap with the loop: values, gradients and tangents, outside and inside; and nested."""
    loop = lambda *xs: dualad.stack([f(*row) for row in zip(*xs, strict=True)])  # noqa: E731
    tensors = [dualad.asarray(a) for a in arrays]
    np.testing.assert_allclose(vmap(f)(*tensors).numpy(), loop(*tensors).numpy(), rtol=1e-12, atol=1e-12)
    places = tuple(i for i, a in enumerate(arrays) if a.dtype.kind == "f")
    weights = np.cos(np.arange(tensors[0].shape[0] * 7.0))
    weighted = lambda g: lambda *xs: _weighted(g(*xs), weights)  # noqa: E731
    for got, want in zip(
        dualad.grad(weighted(vmap(f)), places)(*tensors),
        dualad.grad(weighted(loop), places)(*tensors),
        strict=True,
    ):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12, atol=1e-12)
    inner = dualad.grad(lambda *xs: _weighted(f(*xs), weights), places)
    for got, want in zip(vmap(inner)(*tensors), zip(*map(inner, *tensors), strict=True), strict=True):
        np.testing.assert_allclose(got.numpy(), dualad.stack(list(want)).numpy(), rtol=1e-12, atol=1e-12)
    constants = [t for i, t in enumerate(tensors) if i not in places]
    moving = tuple(tensors[i] for i in places)
    with_constants = lambda g: lambda *xs: g(*xs, *constants)  # noqa: E731
    if all(i < len(places) for i in places):
        got, want = (dualad.jvp(with_constants(g), moving, moving)[1] for g in (vmap(f), loop))
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12, atol=1e-12)
    twice = [dualad.stack([t, t[::-1]]) for t in tensors]
    nested = vmap(vmap(f))(*twice).numpy()
    np.testing.assert_allclose(nested, [loop(*(t[i] for t in twice)).numpy() for i in range(2)], rtol=1e-12)


def _weighted(y, weights):
    return dualad.sum(dualad.reshape(y, (-1,)) * weights[: y.numel()])


# -- writing -----------------------------------------------------------------------------------------


def running(x):
    y = dualad.zeros_like(x)
    y[0] = x[0]
    for i in range(1, 3):
        y[i] = y[i - 1] * x[i] + dualad.sin(x[i - 1])
    return y


def through_views(x):
    y = x * 1
    top, both = y[1:], y.reshape(3, 1)
    top *= 2
    both[0] = x[2]
    top[1] += y[0]
    return y + top.sum()


def transposed(x):
    y = x[:, None] * x
    y.T[0] = x
    y[1].zero_()
    return y.sum(1)


def in_place(x):
    y = x * 1
    y += x
    y *= y
    y.add_(1.0, alpha=2).clamp_(0.5, 20.0)
    y[y > 4] = x[0]
    return y


def into_the_argument(x):
    x[1:] = x[:-1] * 2
    x += 1
    return x * x


def by_index(x, i):
    x = x * 1
    x[i] += 10.0
    x[i[0]] *= 2.0
    return x


def masked(x):
    y = x * 2
    y[x < 0] = 0.0
    y[..., x > 2] = -x[0]
    return y


def rows_of_a_matrix(x, i):
    y = dualad.zeros(3, 3, dtype=x.dtype, device=x.device)
    y[i[0]] = x
    y[:, i[1]] += x * x
    return y[i].sum(0) + y[0]


def scattered(x, y, i):
    z = dualad.zeros(2, 3, dtype=x.dtype, device=x.device)
    z[np.array([1, 0]), i] = x[i] * y[:2]
    return z.sum(0)


def sorted_by_another(x, y):
    return x[dualad.argsort(y)] * dualad.sort(y)


def sliding(x, j):
    return x[(j + dualad.arange(2, dtype=j.dtype, device=j.device)) % 3] * x[:2]


def gathered(x, i):
    return dualad.gather(x, 0, i) * dualad.index_select(x, 0, i) + dualad.take(x, i)


def rolled(x, j):
    return dualad.roll(x, j) * dualad.roll(x, (j,), axis=(0,))


PROGRAMS = {
    f.__name__: (f, arrays)
    for f, arrays in (
        (running, (X,)), (through_views, (X,)), (transposed, (X,)), (in_place, (X,)), (into_the_argument, (X,)),
        (by_index, (X, I)), (masked, (X,)), (rows_of_a_matrix, (X, I)), (scattered, (X, Y, I)), (gathered, (X, I)),
        (sorted_by_another, (X, Y)), (sliding, (X, J)), (rolled, (X, J)),
    )
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_write_and_index(name):
    f, arrays = PROGRAMS[name]
    _check(lambda *xs: f(*(x * 1 for x in xs)), *arrays)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_on_every_device(name, device):
    """In single precision and with 32-bit indices, which all devices have."""
    f, arrays = PROGRAMS[name]
    if f in (sorted_by_another,):
        needs(dualad.int64, device)  # in which array-api-strict sorts
    narrow = [a.astype(np.float32 if a.dtype.kind == "f" else np.int32) for a in arrays]
    xs = [dualad.asarray(a, device=device) for a in narrow]
    y = vmap(lambda *xs: f(*(x * 1 for x in xs)))(*xs)
    assert str(y.device) == device
    want = np.stack([f(*(dualad.asarray(a) for a in row)).numpy() for row in zip(*arrays, strict=True)])
    np.testing.assert_allclose(y.cpu().numpy(), want, rtol=1e-5, atol=1e-5)
    weighted = lambda x, *rest: dualad.sum(vmap(lambda *xs: f(*(x * 1 for x in xs)))(x, *rest))  # noqa: E731
    assert str(dualad.grad(weighted)(*xs).device) == device


def test_the_last_of_several_values_is_what_is_written_and_moves():
    def f(x, v):
        x = dualad.asarray(x) * 1
        x[dualad.asarray([0, 0])] = v[:2]
        return x

    def g(x, v, i):
        x = x * 1
        x[i] = v[:2]
        return x

    twice = np.zeros((2, 2), int)
    want = dualad.grad(lambda v: vmap(f)(X, v).sum())(Y)
    assert want.tolist() == [[0.0, 1.0, 0.0]] * 2
    assert dualad.grad(lambda v: vmap(g)(X, v, twice).sum())(Y).tolist() == want.tolist()
    assert dualad.grad(lambda v: f(X[0], v).sum())(Y[0]).tolist() == want[0].tolist()
    assert vmap(g)(X, Y, twice).tolist() == vmap(f)(X, Y).tolist() == [[1.0, -2.0, 3.0], [0.25, 4.0, -1.0]]


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda x, i: x[i + 5], "an index is out of bounds for axis 0 with size 3"),
        (lambda x, i: x[i - 9], "an index is out of bounds for axis 0 with size 3"),
        (lambda x, i: x.__setitem__(i + 5, 1.0), "an index is out of bounds for axis 0 with size 3"),
        (lambda x, i: dualad.take(x, i * 7), "an index is out of bounds"),
        (lambda x, i: x[i, i], "too many indices: the array is 1-dimensional, 2 were given"),
        (lambda x, i: x[x], "indices must be integers or booleans, got dualad.float64"),
        (
            lambda x, i: x.__setitem__(i, x),
            r"a value of shape \(3,\) does not fit the shape written to, \(2,\)",
        ),
        (lambda x, i: x.__setitem__(x > 1, x), "the value fit each row, of shape .*use dualad.where"),
        (lambda x, i: x.__setitem__((x > 1, 0), 1.0), "the mask must be the only index"),
        (lambda x, i: x[i == 1], r"reading x\[mask\] gives a number of elements that may differ"),
    ],
)
def test_what_cannot_be_indexed_is_named(write, says):
    with pytest.raises((IndexError, dualad.ShapeError, dualad.BatchError), match=says):
        vmap(lambda x, i: write(x * 1, i))(X, I)


# -- what would be left behind -------------------------------------------------------------------------


def _write(x, value):
    x[0] = value


ESCAPES = {
    "an element": lambda outer, x: _write(outer, x[0]), "in place": lambda outer, x: outer.add_(x),
    "a view": lambda outer, x: outer[1:].add_(x[0]), "a row of a reshape": lambda outer, x: _write(outer.reshape(3, 1), x[:1]),
    "by an index": lambda outer, x: _write(outer, x[dualad.argmax(x)]), "by a mask": lambda outer, x: outer.__setitem__(x > 0, 1.0),
    "detached": lambda outer, x: outer.detach().copy_(x), "in a grad": lambda outer, x: dualad.grad(lambda z: (_write(outer, z[0]), z.sum())[1])(x),
    "of an inner vmap": lambda outer, x: vmap(lambda e: _write(outer, e))(x),
}  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
def test_values_for_each_example_are_not_left_in_a_tensor_from_outside(name):
    outer = dualad.asarray([1.0, 2.0, 3.0], dtype=dualad.float64)
    view, detached = outer[:], outer.detach()
    with pytest.raises(dualad.BatchError, match=r"written into a Tensor.* that outlives the call"):
        vmap(lambda x: (ESCAPES[name](outer, x), x)[1])(X)
    assert outer.tolist() == view.tolist() == detached.tolist() == [1.0, 2.0, 3.0]
    outer += 1
    assert view.tolist() == [2.0, 3.0, 4.0]


def test_a_parameter_written_to_stays_the_leaf_it_was():
    w = dualad.ones(3, dtype=dualad.float64, requires_grad=True)
    inner = w * 1
    inner.retain_grad()
    for target in (w, inner):
        with dualad.no_grad(), pytest.raises(dualad.BatchError, match="outlives"):
            vmap(lambda x, t=target: t.add_(x))(X)
    inner.sum().backward()
    assert w.is_leaf
    assert w.grad.tolist() == inner.grad.tolist() == [1.0, 1.0, 1.0]


def test_an_error_inside_leaves_nothing_behind():
    outer = dualad.zeros(3)

    def f(x):
        outer[0] = x[0]
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        vmap(f, randomness="same")(X)
    assert outer.tolist() == [0.0, 0.0, 0.0]
    assert dualad.rand(2).shape == (2,)


def test_what_is_made_inside_may_be_in_a_cycle():
    def f(x):
        y = dualad.zeros(3, dtype=x.dtype)

        def fill(i):
            y[i] = x[i] * 2
            return fill(i - 1) if i else y

        return fill(2)

    assert vmap(f)(X).tolist() == (2 * X).tolist()


def test_a_tensor_kept_from_inside_says_what_it_is():
    kept = []
    vmap(lambda x: (kept.append(x), x)[1])(X)
    (x,) = kept
    for use in (
        lambda: x + 1,
        lambda: -x,
        lambda: x[0],
        lambda: x.sum(),
        lambda: float(x[0]),
        x.numpy,
        lambda: vmap(np.sin)(x),
    ):
        with pytest.raises(dualad.BatchError, match="from inside a vmap that has ended"):
            use()
    assert "in a vmap" in repr(x)
    z = []
    with pytest.raises(dualad.BatchError, match="a result is from inside another transform, which has ended"):
        vmap(lambda x: (dualad.grad(lambda t: (z.append(t), t.sum())[1])(x), z[-1])[1])(X)


def test_nothing_is_kept_alive():
    gc.collect()
    before = sum(type(o) is dualad.Tensor for o in gc.get_objects())
    vmap(running)(X)
    assert sum(type(o) is dualad.Tensor for o in gc.get_objects()) == before


# -- histories from outside ------------------------------------------------------------------------------


def test_backward_through_vmap_reaches_leaves_that_are_arguments_or_not():
    w = dualad.tensor([1.0, 2.0, 3.0], dtype=dualad.float64, requires_grad=True)
    v = dualad.tensor([2.0, 0.5, 1.0], dtype=dualad.float64, requires_grad=True)
    x = dualad.asarray(X, requires_grad=True)
    y = vmap(lambda x, v: (w * x * x * v).sum(), in_axes=(0, None))(x, v)
    assert y.requires_grad
    y.sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), (X**2 * v.detach().numpy()).sum(0))
    np.testing.assert_allclose(v.grad.numpy(), (X**2 * w.detach().numpy()).sum(0))
    np.testing.assert_allclose(x.grad.numpy(), 2 * X * w.detach().numpy() * v.detach().numpy())


def test_requires_grad_inside_is_that_of_what_is_below():
    w = dualad.ones(3, requires_grad=True)
    seen = []
    vmap(lambda x: (seen.append((x.requires_grad, (x * w).requires_grad, (x * w).is_leaf)), x)[1])(X)
    with dualad.no_grad():
        vmap(lambda x: (seen.append((x * w).requires_grad), x)[1])(X)
    assert seen == [(False, True, False), False]
    assert vmap(lambda x: x.detach() * w)(X).requires_grad
    assert not vmap(lambda x: (x * w).detach())(dualad.asarray(X)).requires_grad


def test_backward_inside_is_for_what_is_the_same_for_all():
    w = dualad.ones(3, dtype=dualad.float64, requires_grad=True)

    def f(x):
        (w * w).sum().backward()
        return x * w.grad

    assert vmap(f)(X).tolist() == (2 * X).tolist()
    for call in (lambda x: (x * w).sum().backward(), lambda x: dualad.autograd.grad((x * w).sum(), w)):
        with pytest.raises(dualad.GradientError, match=r"inside vmap.*use dualad\.grad"):
            vmap(call)(X)
    for method in ("register_hook", "retain_grad"):
        with pytest.raises(dualad.GradientError, match="inside vmap"):
            vmap(lambda x, m=method: getattr(x, m)(*[print] * (m == "register_hook")))(X)


@pytest.mark.filterwarnings("ignore:invalid value|divide by zero")
@pytest.mark.parametrize(
    "f",
    [
        lambda x: dualad.where(x > 0, dualad.sqrt(x), 0.0).sum(),
        lambda x: dualad.where(x > 1, dualad.log(x - 1), -1.0).sum(),
        lambda x: (
            dualad.linalg.vector_norm(x * 0) + dualad.where(x > 0, 1 / (x * 0), 1.0).sum() * 0 + x.sum()
        ),
        lambda x: dualad.prod(dualad.maximum(x, 0.0)),
        lambda x: dualad.where(x > x.sum(), dualad.inf, x)[dualad.argmin(x)],
    ],
)
def test_what_is_masked_does_not_count(f):
    """A gradient is NaN in no example because of what another, or an element that was not chosen, is."""
    got = vmap(dualad.grad(f))(X)
    np.testing.assert_array_equal(got, [dualad.grad(f)(x) for x in X])
    np.testing.assert_array_equal(dualad.grad(lambda x: vmap(f)(x).sum())(X), got)


def test_the_fast_op_is_taken_where_nothing_is_tracked():
    computed = []

    class Look(dualad.engine.recording.Observer):
        def computed(self, op, values, y, start):
            computed.append(op.name)

    functions = {
        "sort": dualad.sort, "prod": dualad.prod, "linalg.eigvalsh": lambda x: dualad.linalg.eigvalsh(x[:, None] * x),
        "linalg.svdvals": lambda x: dualad.linalg.svdvals(x[:, None] * x),
        "linalg.eigvals": lambda x: dualad.linalg.eigvals(dualad.linalg.inv(x[:, None] * x + np.eye(3))),
    }  # fmt: skip
    for name, f in functions.items():
        computed.clear()
        with dualad.engine.recording.observing(Look()):
            vmap(f)(X)
        assert name in computed
        assert not {"argsort", "linalg.eigh", "linalg.svd", "linalg.eig"} & set(computed)


# -- random numbers --------------------------------------------------------------------------------------


def _dropout(x):
    return x * (dualad.rand_like(x) > 0.5)


DRAWS = {
    "rand": lambda x: dualad.rand(5), "randn": lambda x: dualad.randn(2, 3, dtype=x.dtype), "randint": lambda x: dualad.randint(0, 10**6, (5,)),
    "randperm": lambda x: dualad.randperm(9), "like": dualad.rand_like, "normal like": dualad.randn_like, "two": lambda x: dualad.rand(3) + dualad.randn(3),
    "inside grad": dualad.grad(lambda x: (x * dualad.rand_like(x)).sum()),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_differ_or_not_or_are_refused(name):
    draw, many = DRAWS[name], np.ones((4, 3))
    with pytest.raises(dualad.BatchError, match="randomness='different' or 'same'"):
        vmap(draw)(many)
    for chunk_size in (None, 1, 3):
        dualad.manual_seed(5)
        same = vmap(draw, randomness="same", chunk_size=chunk_size)(many)
        dualad.manual_seed(5)
        assert np.array_equal(same, np.stack([draw(dualad.asarray(many[0])).numpy()] * 4))
        different = vmap(draw, randomness="different", chunk_size=chunk_size)(many)
        assert len({row.tobytes() for row in np.asarray(different)}) == 4


def test_random_numbers_in_nested_vmaps():
    def rows(inner, outer):
        f = lambda x: vmap(lambda e: dualad.rand(4), randomness=inner)(x)  # noqa: E731
        return np.asarray(vmap(f, randomness=outer)(np.ones((2, 3))))

    drawn = rows("different", "different")
    assert len({r.tobytes() for r in drawn.reshape(6, 4)}) == 6
    drawn = rows("same", "different")
    assert len({r.tobytes() for r in drawn.reshape(6, 4)}) == 2
    assert np.ptp(drawn, axis=1).max() == 0
    drawn = rows("different", "same")
    assert len({r.tobytes() for r in drawn.reshape(6, 4)}) == 3
    assert np.ptp(drawn, axis=0).max() == 0
    assert np.ptp(rows("same", "same").reshape(6, 4), axis=0).max() == 0
    for inner, outer in (("error", "different"), ("different", "error")):
        with pytest.raises(dualad.BatchError, match="random numbers are drawn inside"):
            rows(inner, outer)


def test_dropout():
    y = vmap(_dropout, randomness="different")(np.ones((50, 40)))
    assert 0.4 < y.mean() < 0.6
    assert len({row.tobytes() for row in y}) == 50
    y = vmap(_dropout, randomness="same")(np.ones((50, 40)))
    assert np.ptp(y, axis=0).max() == 0
    gradients = vmap(dualad.grad(lambda x: _dropout(x).sum()), randomness="different")(np.ones((5, 40)))
    assert set(np.unique(gradients)) == {0.0, 1.0}


# -- ops of one's own ------------------------------------------------------------------------------------


@pytest.fixture
def own():
    """Give a function that makes ops, which are taken out of the registry after the test."""
    made = []

    def make(*args, **kwargs):
        made.append(Op(*args, **kwargs))
        return made[-1]

    yield make
    for op in made:
        del REGISTRY[op.name]


def test_an_op_without_a_rule_is_looped_and_says_so_once(own):
    norm = own(
        "_square_sum(x)",
        Differential(lambda xp, t, x: 2 * xp.sum(x * t)),
        shape=lambda x: (),
        compute=lambda xp, x: xp.sum(x * x),
    )
    with pytest.warns(BatchLoopWarning, match="vmap: _square_sum has no rule for batches") as told:
        got = vmap(norm)(X)
    assert told[0].filename == __file__
    np.testing.assert_allclose(got, (X**2).sum(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(dualad.grad(lambda x: vmap(norm)(x).sum())(X), 2 * X)
        np.testing.assert_allclose(vmap(dualad.grad(norm))(X), 2 * X)
        np.testing.assert_allclose(dualad.jvp(vmap(norm), (X,), (X,))[1], 2 * (X**2).sum(1))
        np.testing.assert_allclose(vmap(vmap(norm))(X[:, :, None]), X**2)
        with pytest.raises(
            dualad.BatchError, match="_square_sum is computed example by example, and there is none"
        ):
            vmap(norm)(X[:0])


def test_an_op_of_several_outputs_is_looped(own):
    both = own(
        "_sums(x, w)",
        Differential(lambda xp, t, w: (xp.sum(t * w), xp.sum(t) * 2)),
        None,
        shape=lambda x, w: ((), ()),
        compute=lambda xp, x, w: (xp.sum(x * w), xp.sum(x) * 2),
    )
    f = lambda x, w: both(x, w)[0] * both(x, w)[1]  # noqa: E731
    with pytest.warns(BatchLoopWarning, match="_sums"):
        got = vmap(f)(X, Y)
    np.testing.assert_allclose(got, [f(x, y).item() for x, y in zip(X, Y, strict=True)])
    got = vmap(f, in_axes=(0, None))(X, Y[0])
    np.testing.assert_allclose(got, [f(x, Y[0]).item() for x in X])
    got = vmap(dualad.grad(f))(X, Y)
    np.testing.assert_allclose(got, [dualad.grad(f)(x, y) for x, y in zip(X, Y, strict=True)])


def test_an_op_of_any_number_of_arguments_is_looped(own):
    total = own(
        "_total(*arrays)",
        Joint(lambda xp, g, like: g),
        shape=lambda *arrays: arrays[0].shape,
        compute=lambda xp, *arrays: sum(arrays[1:], arrays[0]),
    )
    with pytest.warns(BatchLoopWarning, match="_total"):
        got = vmap(lambda x, y: total(x, y, x))(X, Y)
    np.testing.assert_allclose(got, 2 * X + Y)


def test_a_rule_is_not_guessed_where_no_factor_says_that_elements_move_alone(own):
    """A constant may be of anything; broadcast, this one would sum over the examples."""
    constant = own("_sum_of_all(x)", compute=lambda xp, x: xp.sum(x))
    with pytest.warns(BatchLoopWarning):
        assert vmap(constant)(X).tolist() == X.sum(1).tolist()


def test_an_op_with_a_rule_is_not_looped(own):
    shift = own(
        "_without_mean(x)",
        Differential(lambda xp, t: t - xp.mean(t, axis=-1, keepdims=True)),
        compute=lambda xp, x: x - xp.mean(x, axis=-1, keepdims=True),
        batch=dualad.batching.broadcast,
    )
    np.testing.assert_allclose(vmap(shift)(X), X - X.mean(1, keepdims=True))
    np.testing.assert_allclose(vmap(vmap(shift))(np.stack([X, Y]))[1], Y - Y.mean(1, keepdims=True))
    np.testing.assert_allclose(
        vmap(dualad.grad(lambda x: (shift(x) ** 2).sum()))(X), 2 * (X - X.mean(1, keepdims=True))
    )
