"""Writing in place: handles change, values do not, and gradients are those of the program as run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import dualad


@pytest.fixture
def w(device):
    return dualad.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)


def test_what_was_saved_stays(w):
    x = w * 1.0
    y = x.exp()
    z = y * x
    x.zero_()
    y += 100.0
    z.sum().backward()
    a = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(w.grad.tolist(), np.exp(a) * (1 + a), rtol=1e-5)


def test_written_elements_are_differentiated(w, device):
    x = dualad.zeros(4, device=device)
    x[1:] = w * 2
    x[0] = w[2] * w[1]
    x[1] = 7.0
    (x * x).sum().backward()
    # 2 x0 (w1, w2), 0, 8 w1, 8 w2
    assert w.grad.tolist() == [0.0, 2 * 6 * 3 + 16.0, 2 * 6 * 2 + 24.0]


@pytest.mark.parametrize(
    ("change", "want"),
    [
        (lambda x: x.__iadd__(1), [3.0, 5.0]),
        (lambda x: x.__isub__(1), [1.0, 3.0]),
        (lambda x: x.__imul__(3), [6.0, 12.0]),
        (lambda x: x.__itruediv__(2), [1.0, 2.0]),
        (lambda x: x.__ipow__(2), [4.0, 16.0]),
        (lambda x: x.__ifloordiv__(3), [0.0, 1.0]),
        (lambda x: x.__imod__(3), [2.0, 1.0]),
        (lambda x: x.add_(2, alpha=3), [8.0, 10.0]),
        (lambda x: x.sub_(1), [1.0, 3.0]),
        (lambda x: x.mul_(2), [4.0, 8.0]),
        (lambda x: x.div_(2), [1.0, 2.0]),
        (lambda x: x.zero_(), [0.0, 0.0]),
        (lambda x: x.fill_(5), [5.0, 5.0]),
        (lambda x: x.copy_(dualad.tensor([8.0, 9.0])), [8.0, 9.0]),
        (lambda x: x.clamp_(3, 3.5), [3.0, 3.5]),
    ],
)
def test_the_handle_and_its_views_get_the_new_value(change, want, device):
    x = dualad.tensor([2.0, 4.0], device=device)
    view, detached = x[:], x.detach()
    assert change(x) is x
    assert x.tolist() == view.tolist() == detached.tolist() == want


VIEWS = {
    "slice": (lambda x: x[1:, ::2], lambda a: a[1:, ::2]),
    "integer": (lambda x: x[1], lambda a: a[1]),
    "reshape": (lambda x: x.reshape(4, 3), lambda a: a.reshape(4, 3)),
    "transpose": (lambda x: x.T, lambda a: a.T),
    "newaxis": (lambda x: x[:, None], lambda a: a[:, None]),
    "view of a view": (lambda x: x.T[1:][:, 0], lambda a: a.T[1:][:, 0]),
    "reversed": (lambda x: x[::-1], lambda a: a[::-1]),
    "data": (lambda x: x.data, lambda a: a),
    "detach": (lambda x: x.detach(), lambda a: a),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_write_through_in_both_directions(name, device):
    see, see_numpy = VIEWS[name]
    a = np.arange(12.0).reshape(3, 4)
    x = dualad.asarray(a.astype(np.float32), device=device)
    view, other = see(x), x[0]
    view += 10.0
    see_numpy(a)[...] += 10.0
    assert x.tolist() == a.tolist()
    assert other.tolist() == a[0].tolist()
    x[1] = -1.0
    a[1] = -1.0
    assert view.tolist() == see_numpy(a).tolist()


def test_gradients_flow_through_a_written_view(w, device):
    x = dualad.zeros(2, 3, device=device)
    row = x[1]
    row.copy_(w * w)
    x *= 2.0
    (row * row).sum().backward()  # 4 w**4
    assert w.grad.tolist() == [16.0, 128.0, 432.0]


def test_overlapping_parts(w):
    x = w * 1.0
    x[1:] = x[:-1]
    (x * dualad.tensor([1.0, 10.0, 100.0], device=x.device)).sum().backward()
    assert x.tolist() == [1.0, 1.0, 2.0]
    assert w.grad.tolist() == [11.0, 100.0, 0.0]


@pytest.mark.parametrize(
    "change",
    [lambda w: w.add_(1), lambda w: w.__setitem__(0, 1.0), lambda w: w[1:].zero_(), lambda w: w.T.mul_(2)],
)
def test_a_leaf_is_refused_and_stays_whole(change, w):
    with pytest.raises(
        dualad.InplaceError, match="a leaf Variable that requires grad is being used in an in-place operation"
    ):
        change(w)
    assert w.tolist() == [1.0, 2.0, 3.0]
    assert w.is_leaf


def test_a_parameter_updated_without_recording_stays_the_leaf(w):
    with dualad.no_grad():
        w -= 0.5
        w[0] = 9.0
    assert w.is_leaf
    assert w.requires_grad
    (w * w).sum().backward()
    assert w.grad.tolist() == [18.0, 3.0, 5.0]


def test_numpy_arrays_are_not_shared():
    a = np.ones(3)
    x = dualad.from_numpy(a).requires_grad_()
    b = np.array([1.0, 2.0, 3.0])
    y = (x * b).sum()
    a[:] = b[:] = -1.0
    y.backward()
    assert x.tolist() == [1.0, 1.0, 1.0]
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


def test_numpy_keeps_what_it_was_given():
    x = dualad.zeros(3)
    seen = x.numpy()
    x[0] = 1.0
    assert seen.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = 1.0


def test_a_complex_value_does_not_fit_a_real_tensor(device):
    with pytest.raises(dualad.DTypeError, match="real part"):
        dualad.zeros(2, device=device)[0] = dualad.tensor(1j, device=device)


def test_a_wider_shape_does_not_fit(device):
    x = dualad.zeros(2, device=device)
    with pytest.raises(dualad.ShapeError, match="doesn't match the broadcast shape"):
        x += dualad.zeros(3, 2, device=device)
    with pytest.raises(ValueError, match="setitem"):
        x[:] = dualad.zeros(3, device=device)
    assert x.tolist() == [0.0, 0.0]


NO_AXES = {
    "newaxis": lambda s: s[None].sum() + s**2,
    "mask": lambda s: s[s > 0].sum() + s**2,
    "true": lambda s: s[True].sum() + s**2,
    "write": lambda s: _written(s, lambda y: y.__setitem__(..., s * s)) + s,
    "masked write": lambda s: _written(s, lambda y: y.__setitem__(y > 0, s * s)) + s,
    "view": lambda s: _written(s, lambda y: y[None].copy_(s * s)) + s,
}


def _written(s, write):
    y = s * 1
    write(y)
    return y


@pytest.mark.parametrize("case", NO_AXES)
def test_zero_dimensions(case, device):
    """The gradients of 0-d arrays, NumPy's scalars among them, are written to as any."""
    x = dualad.tensor(2.0, device=device, requires_grad=True)
    (NO_AXES[case](x * 1) * 1).backward()
    assert x.grad.item() == 5.0
    assert dualad.grad(NO_AXES[case])(2.0) == 5.0


def test_a_transformed_function_may_write_to_its_argument():
    def f(x):
        x += 1
        x[0] = 5.0
        return (x * x).sum()

    given = np.ones(3)
    assert dualad.grad(f)(given).tolist() == [0.0, 4.0, 4.0]
    assert given.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "look", [lambda x: x.detach(), lambda x: x.data, lambda x: x.detach().clone(), dualad.tensor]
)
def test_what_was_written_through_a_view_is_seen_without_history(look, w):
    x = w * 1
    view = x[1]
    view += 10.0
    assert look(x).tolist() == [1.0, 12.0, 3.0]
    x = dualad.zeros(3, device=w.device)
    x[1:].fill_(2.0)
    assert look(x).tolist() == [0.0, 2.0, 2.0]


# -- any key ---------------------------------------------------------------------------------------


@st.composite
def _keys(draw):
    """Draw a shape, and a key that NumPy takes for it."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    kind = draw(st.sampled_from(["basic", "basic", "integers", "mask", "mixed"]))
    if kind == "basic":
        key = draw(npst.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    elif kind == "integers":
        key = draw(npst.integer_array_indices(shape, result_shape=npst.array_shapes(max_dims=2, max_side=3)))
    elif kind == "mask":
        key = draw(npst.arrays(bool, shape))
    else:
        key = (draw(st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=3)), Ellipsis)
    return shape, key


@given(_keys())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_reading_and_writing_by_any_key_is_numpys(drawn):
    """Values are NumPy's; the gradient of a read scatters, that of a write is cleared where it wrote."""
    shape, key = drawn
    a = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    x = dualad.tensor(a, requires_grad=True)
    y = x[key]
    assert np.array_equal(y.detach().numpy(), a[key])
    weights = np.arange(1.0, y.numel() + 1).reshape(y.shape)
    (y * dualad.asarray(weights)).sum().backward()
    want = np.zeros_like(a)
    np.add.at(want, key, weights)
    assert np.array_equal(x.grad.numpy(), want)

    z = x * 1.0
    z[key] = 7.0
    written = a.copy()
    written[key] = 7.0
    assert np.array_equal(z.detach().numpy(), written)
    x.grad = None
    z.sum().backward()
    cleared = np.ones_like(a)
    cleared[key] = 0.0
    assert np.array_equal(x.grad.numpy(), cleared)


def test_a_tensor_of_one_integer_indexes_as_that_integer(device):
    i = dualad.asarray(1, dtype=dualad.int32, device=device)
    x = dualad.zeros(3, 2, device=device)
    x[i].add_(5.0)
    row = x[:, i - 1]
    row[0] = 7.0
    assert x.tolist() == [[7.0, 0.0], [5.0, 5.0], [0.0, 0.0]]
    a = dualad.ones(2, device=device, requires_grad=True)
    y = a * 1.0
    y[i].mul_(3.0)
    y.sum().backward()
    assert a.grad.tolist() == [1.0, 3.0]


def test_contiguous_is_a_copy_of_a_transpose(device):
    x = dualad.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    x.mT.contiguous().fill_(5.0)
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert x.contiguous() is x
