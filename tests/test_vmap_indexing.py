"""Indexing inside vmap: any key, with index arrays that differ between examples or not, is NumPy's."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dualad
from dualad.transforms.vmap import vmap

SIZE = 2


@st.composite
def _keys(draw):
    """Draw a shape, and a key for it: a list of parts, of which each array says whether it is batched."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    index_shape = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    parts, axis = [], 0
    end = draw(st.integers(1, len(shape)))
    while axis < end:
        kind = draw(st.sampled_from(["array", "array", "integer", "slice", "newaxis", "mask", "ellipsis"]))
        if kind == "newaxis":
            parts.append(None)
            continue
        if kind == "ellipsis":
            if ... not in [p for p in parts if p is ...] and axis < len(shape):
                skip = draw(st.integers(0, len(shape) - axis))
                parts.append(...)
                axis, end = axis + skip, len(shape)
            continue
        n = shape[axis]
        if kind == "integer":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            bounds = st.none() | st.integers(-n - 1, n + 1)
            parts.append(slice(draw(bounds), draw(bounds), draw(st.sampled_from([None, 1, 2, -1]))))
        elif kind == "mask" and len(index_shape) == 1 and index_shape[0] <= n:
            mask = np.arange(n) < index_shape[0]
            parts.append((draw(st.permutations(mask.tolist())), False))
        else:
            batched = draw(st.booleans())
            own = index_shape[draw(st.integers(0, len(index_shape))) :]
            own = tuple(1 if draw(st.booleans()) and draw(st.booleans()) else m for m in own)
            whole = (SIZE, *own) if batched else own
            numbers = st.lists(
                st.integers(-n, n - 1), min_size=int(np.prod(whole)), max_size=int(np.prod(whole))
            )
            parts.append((np.array(draw(numbers), dtype=int).reshape(whole), batched))
        axis += 1
    return shape, parts


def _key(parts, i=None, arrays=None):
    """Return the key of one example, or with these arrays in place of its own."""
    arrays, key = list(arrays or ()), []
    for p in parts:
        if type(p) is not tuple:
            key.append(p)
        elif arrays:
            key.append(arrays.pop(0))
        else:
            key.append(np.asarray(p[0][i] if p[1] else p[0]))
    return tuple(key) if len(key) > 1 else key[0]


def _arguments(shape, parts, x_is_batched):
    whole = (SIZE, *shape) if x_is_batched else shape
    x = np.arange(1.0, 1 + np.prod(whole)).reshape(whole)
    indices = [p for p in parts if type(p) is tuple]
    axes = (0 if x_is_batched else None, *(0 if batched else None for _, batched in indices))
    return x, [np.asarray(a) for a, _ in indices], axes


def _shape_of(shape, parts):
    return np.zeros(shape)[_key(parts, 0)].shape


def _is_repeated(shape, parts):
    """Whether one example's key names an element twice: which of two values is written is not defined."""
    for i in range(SIZE):
        counts = np.zeros(shape, int)
        np.add.at(counts, _key(parts, i), 1)
        if counts.max(initial=0) > 1:
            return True
    return False


def _of(x, i, batched):
    return x[i] if batched else x


many = settings(max_examples=300, deadline=None, derandomize=True)


@given(_keys(), st.booleans())
@many
def test_any_read_is_numpys(drawn, x_is_batched):
    shape, parts = drawn
    x, indices, axes = _arguments(shape, parts, x_is_batched)
    read = lambda x, *indices: x[_key(parts, arrays=indices)]  # noqa: E731
    if all(a is None for a in axes):
        axes = (None,) * len(axes)
    got = vmap(read, in_axes=axes, axis_size=SIZE)(dualad.asarray(x), *map(dualad.asarray, indices))
    want = np.stack([_of(x, i, x_is_batched)[_key(parts, i)] for i in range(SIZE)])
    assert np.array_equal(got.numpy(), want)

    weights = np.cos(np.arange(want.size)).reshape(want.shape)
    weighted = lambda x: dualad.sum(  # noqa: E731
        vmap(read, in_axes=axes, axis_size=SIZE)(x, *map(dualad.asarray, indices)) * weights
    )
    gradient = np.zeros_like(x)
    for i in range(SIZE):
        np.add.at(_of(gradient, i, x_is_batched), _key(parts, i), weights[i])
    np.testing.assert_allclose(dualad.grad(weighted)(x), gradient, rtol=1e-12, atol=1e-12)


@given(_keys(), st.booleans(), st.booleans(), st.booleans())
@many
def test_any_write_is_numpys(drawn, x_is_batched, value_is_batched, one_axis_more):
    shape, parts = drawn
    x, indices, axes = _arguments(shape, parts, x_is_batched)
    own = () if _is_repeated(shape, parts) else _shape_of(shape, parts)
    own = (1, *own) if one_axis_more and own else own  # NumPy leaves it out
    whole = (SIZE, *own) if value_is_batched else own
    value = -np.arange(1.0, 1 + np.prod(whole)).reshape(whole)

    def write(x, value, *indices):
        x = x * 1.0
        x[_key(parts, arrays=indices)] = value
        return x

    mapped = vmap(write, in_axes=(axes[0], 0 if value_is_batched else None, *axes[1:]), axis_size=SIZE)
    tensors = [dualad.asarray(i) for i in indices]
    want = np.stack([_of(x, i, x_is_batched) * 1.0 for i in range(SIZE)])
    for i in range(SIZE):
        want[i][_key(parts, i)] = _of(value, i, value_is_batched)
    assert np.array_equal(mapped(dualad.asarray(x), dualad.asarray(value), *tensors).numpy(), want)

    weights = np.cos(np.arange(want.size)).reshape(want.shape)
    got = dualad.grad(lambda x, v: dualad.sum(mapped(x, v, *tensors) * weights), (0, 1))(x, value)
    by_x, by_value = np.zeros_like(x), np.zeros_like(value)
    for i in range(SIZE):
        key = _key(parts, i)
        kept = weights[i].copy()
        kept[key] = 0.0
        by_x[i if x_is_batched else ...] += kept
        read = weights[i][key][None] if one_axis_more and own else weights[i][key]
        if own == () and read.shape:
            written = np.zeros(shape, bool)
            written[key] = True
            read = weights[i][written].sum()
        by_value[i if value_is_batched else ...] += read
    np.testing.assert_allclose(got[0], by_x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(got[1], by_value, rtol=1e-12, atol=1e-12)


@given(_keys())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_reads_and_writes_in_nested_vmaps(drawn):
    """The array differs between the inner examples, batched index arrays between the outer ones."""
    shape, parts = drawn
    x, indices, axes = _arguments(shape, parts, True)
    batched = any(a == 0 for a in axes[1:])

    def both(x, *indices):
        key = _key(parts, arrays=indices)
        y = x * 1.0
        y[key] = -1.0
        return x[key], y

    def outer(*indices):
        return vmap(lambda x: both(x, *indices))(x)

    mapped = vmap(outer, in_axes=axes[1:], axis_size=SIZE) if indices else vmap(outer, axis_size=SIZE)
    read, written = mapped(*map(dualad.asarray, indices))
    assert batched or np.array_equal(read[0].numpy(), read[1].numpy())
    for i in range(SIZE):
        key = _key(parts, i)
        for j in range(SIZE):
            want = x[j].copy()
            want[key] = -1.0
            assert np.array_equal(read[i, j].numpy(), x[j][key])
            assert np.array_equal(written[i, j].numpy(), want)


ROWS = {
    "row": lambda x, i, v: _write(x[i], v),
    "part of a row": lambda x, i, v: _write(x[i][1:, 0], v[1:, 0]),
    "row of a row": lambda x, i, v: _write(x[0][i], v[0]),
    "column": lambda x, i, v: _write(x[:, i], v),
    "integers": lambda x, i, v: _write(x[i, i, ...], v[0]),
    "among others": lambda x, i, v: _write(x[None, 1:, i, 0], v[None, 1:, 0]),
    "from the end": lambda x, i, v: _write(x[-1 - i].T, v),
    "in place": lambda x, i, v: x[i].__imul__(2.0),
    "all by a view": lambda x, i, v: _write(x[i], _write(x[...], 5.0)[0]),
}


def _write(view, value):
    view[...] = value
    return view


@pytest.mark.parametrize("batched", ["index", "index and array", "index, array and value"])
@pytest.mark.parametrize("how", ROWS)
def test_a_row_at_an_index_that_differs_is_a_view(how, batched):
    def change(x, i, v):
        x = x * 1.0
        before = x[i]
        ROWS[how](x, i, v)
        x[i] += 1.0
        row = x[i]
        x[1] *= 3.0
        return x, before, row

    x, v = np.arange(54.0).reshape(2, 3, 3, 3), -np.arange(1.0, 19).reshape(2, 3, 3)
    i = np.array([2, 1])
    axes = ("array" in batched or None) and 0, 0, ("value" in batched or None) and 0
    x, v = x if axes[0] == 0 else x[0], v if axes[2] == 0 else v[0]
    each = [change(_of(x, k, axes[0] == 0), i[k], _of(v, k, axes[2] == 0)) for k in range(SIZE)]
    got = vmap(change, in_axes=axes)(x, i, v)
    for a, b in zip(got, zip(*each, strict=True), strict=True):
        np.testing.assert_array_equal(a, np.stack(b))

    def weighted(f, x, v):
        return sum(np.sum(r * np.cos(k + np.arange(r.size)).reshape(r.shape)) for k, r in enumerate(f(x, v)))

    def looped(x, v):
        examples = [change(_of(x, k, axes[0] == 0), int(i[k]), _of(v, k, axes[2] == 0)) for k in range(SIZE)]
        return map(np.stack, zip(*examples, strict=True))

    def mapped(x, v):
        return vmap(change, in_axes=axes)(x, dualad.asarray(i), v)

    got, want = (dualad.grad(partial(weighted, f), (0, 1))(x, v) for f in (mapped, looped))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_view_at_an_index_that_was_written_to_since_stays_where_it_is():
    def f(x, i):
        x = x * 1.0
        row = x[i]
        i -= 1
        x[i] = row  # another place than the row's
        row += 10.0
        return x

    x = np.arange(3.0)
    np.testing.assert_array_equal(
        vmap(f, in_axes=(None, 0))(x, np.array([1, 2])), [[1.0, 11.0, 2.0], [0.0, 2.0, 12.0]]
    )


def test_what_differs_cannot_be_written_through_a_view_of_what_outlives_the_call():
    x = dualad.arange(3.0)

    def f(i):
        row = x[i]
        row += 1.0
        return row

    with pytest.raises(dualad.BatchError, match="written into a Tensor"):
        vmap(f)(np.array([0, 2]))
    np.testing.assert_array_equal(x.numpy(), [0.0, 1.0, 2.0])
