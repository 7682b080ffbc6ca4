"""What vmap takes and gives: axes, sizes, chunks, pytrees, numbers; and what it says of all that is wrong."""

from collections import namedtuple

import numpy as np
import pytest

import dualad
from dualad.transforms.vmap import vmap

X = np.arange(12.0).reshape(3, 4)
Pair = namedtuple("Pair", "a b")
W = np.array([1.0, 10.0, 100.0, 1000.0])


def _same(got, want):
    assert type(got) is type(want)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


# -- axes --------------------------------------------------------------------------------------------

ARGUMENTS = {
    "first": (lambda x: x.sum(), {}, (X,), X.sum(1)), "last": (lambda x: x.sum(), {"in_axes": -1}, (X,), X.sum(0)),
    "second": (lambda x: x.sum(), {"in_axes": 1}, (X,), X.sum(0)), "PyTorch's names": (lambda x: x, {"in_dims": 1, "out_dims": -1}, (X,), X),
    "a NumPy integer": (lambda x: x, {"in_axes": np.int64(1), "out_axes": np.int64(1)}, (X,), X), "out last": (lambda x: x, {"out_axes": -1}, (X,), X.T),
    "out second": (lambda x: x[:, None] * x, {"out_axes": 1}, (X,), np.moveaxis(X[:, :, None] * X[:, None], 0, 1)),
    "some for all": (lambda x, w: x @ w, {"in_axes": (0, None)}, (X, W), X @ W), "a list": (lambda x, w: x @ w, {"in_axes": [0, None]}, (X, W), X @ W),
    "a number for all": (lambda x, k: x * k, {"in_axes": (0, None)}, (X, 2), X * 2), "by keyword": (lambda x, *, k: x * k, {}, (X,), X * W),
    "dict": (lambda d: d["a"] * d["b"], {"in_axes": ({"a": 0, "b": None},)}, ({"a": X, "b": W},), X * W),
    "list": (lambda p: p[0] * p[1], {"in_axes": ([0, None],)}, ([X, W],), X * W), "tuple": (lambda p: p[0] * p[1], {"in_axes": ((0, None),)}, ((X, W),), X * W),
    "named tuple": (lambda p: p.a * p.b, {"in_axes": (Pair(0, None),)}, (Pair(X, W),), X * W), "one for a tree": (lambda p, k: p[0] * p[1]["c"] * k, {"in_axes": (0, None)}, ((X, {"c": X}), 2.0), X * X * 2),
    "None in a tree": (lambda p: p[0] * 2, {}, ([X, None],), X * 2), "a string for all": (lambda x, mode: x * len(mode), {"in_axes": (0, None)}, (X, "ab"), X * 2),
    "axes that differ": (lambda x, y: x + y, {"in_axes": (0, 1)}, (X, X.T), X * 2), "no mapped argument": (lambda x: x, {"in_axes": None, "axis_size": 3}, (X,), np.stack([X] * 3)),
    "size told twice": (lambda x: x, {"axis_size": 3}, (X,), X), "integers": (lambda x: x + 1, {}, (X.astype(int),), X.astype(int) + 1),
    "booleans out": (lambda x: x > 5, {}, (X,), X > 5), "indices out": (dualad.argmax, {}, (X,), X.argmax(1)), "complex": (lambda x: x * 1j, {}, (X,), X * 1j),
    "a constant": (lambda x: 2.5, {}, (X,), np.full(3, 2.5)), "an integer": (lambda x: 2, {}, (X,), np.full(3, 2)), "an array": (lambda x: W, {}, (X,), np.stack([W] * 3)),
    "nothing along": (lambda x: x.sum(), {}, (X[:0],), np.zeros(0)), "nothing, matrices": (lambda x: dualad.linalg.inv(x[:, None] * x + np.eye(4)), {}, (X[:0],), np.zeros((0, 4, 4))),
    "nothing, sorted": (dualad.sort, {}, (X[:0],), X[:0]), "nothing, read at each": (lambda x: x[dualad.argmax(x)], {}, (X[:0],), np.zeros(0)),
}  # fmt: skip
CHUNKS = (None, 1, 2, 3, 5)


@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_axes_and_kinds(name, chunk_size):
    """In chunks of any size, whether or not they divide the batch; arrays for arrays, Tensors for Tensors."""
    f, options, args, want = ARGUMENTS[name]
    mapped = vmap(f, **options, chunk_size=chunk_size)
    keywords = {"k": W} if name == "by keyword" else {}
    _same(mapped(*args, **keywords), want)
    y = mapped(*_tensors(args), **keywords)
    assert type(y) is dualad.Tensor
    np.testing.assert_array_equal(y.numpy(), want)


def _tensors(args):
    import optree

    return optree.tree_map(lambda a: dualad.asarray(a) if isinstance(a, np.ndarray) else a, args)


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_results_in_trees(chunk_size):
    def f(x):
        return {"a": x * 2, "b": (x.sum(), [1.0, None])}, Pair(x[:, None] * x, "as it is")

    mapped = vmap(f, out_axes=({"a": 1, "b": (0, [None, 0])}, Pair(-1, None)), chunk_size=chunk_size)
    got, pair = mapped(X)
    np.testing.assert_array_equal(got["a"], 2 * X.T)
    np.testing.assert_array_equal(got["b"][0], X.sum(1))
    assert got["b"][1] == [1.0, None]
    np.testing.assert_array_equal(pair.a, np.moveaxis(X[:, :, None] * X[:, None], 0, -1))
    assert pair.b == "as it is"


def test_a_result_that_is_an_argument_is_a_copy():
    x = X.copy()  # which owns its memory
    for y in (vmap(lambda x: x)(x), vmap(lambda x: x.T)(x), vmap(lambda x: x[1:])(x), vmap(lambda x: W)(x)):
        assert not np.shares_memory(y, x)
        assert not np.shares_memory(y, W)
        y[...] = -1.0
    assert x.tolist() == X.tolist()


def test_an_argument_is_the_functions_own_to_write_to():
    def f(x, w):
        x[0] = w[0] = 7.0
        w += x
        return x, w

    x, w = dualad.asarray(X), dualad.asarray(W)
    got, sums = vmap(f, in_axes=(0, None))(x, w)
    assert x.tolist() == X.tolist()
    assert w.tolist() == W.tolist()
    want = np.where(np.arange(4) == 0, 7.0, X)
    assert got.tolist() == want.tolist()
    assert sums.tolist() == (np.where(np.arange(4) == 0, 7.0, W) + want).tolist()


def test_name_and_docstring_are_those_of_the_function():
    def f(x):
        """Double x."""
        return 2 * x

    assert (vmap(f).__name__, vmap(f).__doc__) == ("f", "Double x.")


# -- what is wrong -----------------------------------------------------------------------------------

Axis, Shape, Batch = dualad.errors.AxisError, dualad.ShapeError, dualad.BatchError
WRONG = {
    "no function": (lambda: vmap(3), TypeError, "expected a function, got int"),
    "randomness": (lambda: vmap(np.sin, randomness="maybe"), ValueError, "randomness must be 'error', 'different' or 'same', got 'maybe'"),
    "chunk of none": (lambda: vmap(np.sin, chunk_size=0), ValueError, "chunk_size must be at least 1, got 0"),
    "half a chunk": (lambda: vmap(np.sin, chunk_size=1.5), TypeError, "chunk_size must be an integer or None, got 1.5"),
    "size below 0": (lambda: vmap(np.sin, axis_size=-1), ValueError, "axis_size must be at least 0, got -1"),
    "size of a word": (lambda: vmap(np.sin, axis_size="a"), TypeError, "axis_size must be an integer or None, got 'a'"),
    "another size": (lambda: vmap(np.sin, axis_size=7)(X), Shape, "the same number of examples, got 3 and 7"),
    "two sizes": (lambda: vmap(np.add)(X, X.T), Shape, "the same number of examples, got 3 and 4"),
    "no size": (lambda: vmap(np.sin, in_axes=None)(X), Shape, "in_axes is None for every argument; give axis_size"),
    "no argument": (lambda: vmap(lambda: 1.0)(), Shape, "give axis_size"),
    "axis of a word": (lambda: vmap(np.sin, in_axes="a")(X), TypeError, "in_axes must be an integer or None, or a pytree of them, got 'a'"),
    "half an axis": (lambda: vmap(np.sin, in_axes=0.5)(X), TypeError, "in_axes must be an integer or None, or a pytree of them, got 0.5"),
    "a true axis": (lambda: vmap(np.sin, in_axes=True)(X), TypeError, "got True"),
    "no such axis": (lambda: vmap(np.sin, in_axes=2)(X), Axis, r"in_axes names axis 2 of an argument of shape \(3, 4\)"),
    "no such axis from behind": (lambda: vmap(np.sin, in_axes=-3)(X), Axis, r"in_axes names axis -3 of an argument of shape \(3, 4\)"),
    "a number": (lambda: vmap(np.sin)(2.0), Axis, "argument that is float, which has no axes; give None for it"),
    "an array of none": (lambda: vmap(np.sin)(np.array(2.0)), Axis, r"axis 0 of an argument of shape \(\)"),
    "a list of numbers": (lambda: vmap(lambda x: x)([1.0, 2.0]), Axis, "that is float"), "a word": (lambda: vmap(lambda x, k: x)(X, "a"), Axis, "that is str"),
    "too many axes": (lambda: vmap(np.sin, in_axes=(0, 0))(X), Shape, r"in_axes has \(0, 0\) for tuple of one part"),
    "too few axes": (lambda: vmap(np.add, in_axes=(0,))(X, X), Shape, r"in_axes has \(0,\) for tuple of 2 parts"),
    "another tree": (lambda: vmap(lambda d: d["a"], in_axes=({"b": 0},))({"a": X}), Shape, "in_axes has .'b': 0. for dict of one part"),
    "a tree for an array": (lambda: vmap(np.sin, in_axes=((0, 0),))(X), Shape, r"in_axes has \(0, 0\) for numpy.ndarray, which has no parts"),
    "out: a tree": (lambda: vmap(np.sin, out_axes=(0,))(X), Shape, r"out_axes has \(0,\) for dualad.Tensor, which has no parts"),
    "out: no such axis": (lambda: vmap(np.sin, out_axes=2)(X), Axis, "out_axes names axis 2 of a result of 2 axes, the examples' among them"),
    "out: of a constant": (lambda: vmap(lambda x: 1.0, out_axes=1)(X), Axis, "out_axes names axis 1 of a result of 1 axes"),
    "out: None": (lambda: vmap(np.sin, out_axes=None)(X), Batch, r"out_axes is None for a result, of shape \(4,\), that differs"),
    "out: of a word": (lambda: vmap(np.sin, out_axes="a")(X), TypeError, "out_axes must be an integer or None"),
    "out: a word": (lambda: vmap(lambda x: "a")(X), Batch, "a result is str, which cannot be put together .* give out_axes=None"),
    "out: an object": (lambda: vmap(lambda x: (x, object()))(X), Batch, "a result is object, which cannot"),
    "objects": (lambda: vmap(np.sin)(X.astype(object)), dualad.DTypeError, "dtype object"),
    "a masked array": (lambda: vmap(np.sin)(np.ma.array(X)), dualad.DTypeError, "masked arrays"),
    "of the function": (lambda: vmap(lambda x, y: x)(X), TypeError, "missing 1 required positional argument"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    call, kind, says = WRONG[name]
    with pytest.raises(kind, match=says):
        call()
    assert vmap(np.sum)(X).tolist() == X.sum(1).tolist()  # and nothing is left behind


LOOKS = {
    "item": lambda x: x.sum().item(), "float": lambda x: float(x[0]), "int": lambda x: int(x[0]), "complex": lambda x: complex(x[0]),
    "bool": lambda x: x if x[0] > 0 else -x, "numpy": lambda x: x.numpy(), "np.asarray": np.asarray, "tolist": lambda x: x.tolist(),
    "__dlpack__": np.from_dlpack, "requires_grad_": lambda x: x.requires_grad_(), "a format": lambda x: f"{x[0]:.2f}",
    "setting .grad": lambda x: setattr(dualad.ones(4, dtype=x.dtype), "grad", x), "setting .data": lambda x: setattr(x, "data", x * 2),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKS)
def test_looking_at_a_value_is_refused(name):
    with pytest.raises(dualad.BatchError, match="inside vmap: it has a value for each example"):
        vmap(LOOKS[name])(X)


SHAPES = {
    "slice": (lambda x, i: x[i:], "the bounds of a slice must be the same"), "arange": (lambda x, i: dualad.arange(i), "arange: the numbers must be the same"),
    "zeros": (lambda x, i: dualad.zeros(i), "shape: a length must be the same"), "reshape": (lambda x, i: x.reshape(i, -1), "shape: a length must be the same"),
    "axis": (lambda x, i: x.sum(axis=i), "sum: axis must be the same"), "repeat": (lambda x, i: dualad.repeat(x, i), "repeat: repeats must be the same"),
    "mask": (lambda x, i: x[x > 1], r"reading x\[mask\]"), "masked_select": (lambda x, i: x.masked_select(x > 1), r"reading x\[mask\]"),
    "diagonal": (lambda x, i: dualad.tril(x[:, None] * x, i), "tril: k must be the same"), "tolerance": (lambda x, i: dualad.linalg.matrix_rank(x[:, None] * x, rtol=x[0]), "a tolerance must be the same"),
    "topk": (lambda x, i: x.topk(i), "topk: k must be the same"), "split": (lambda x, i: x.split(i), "split: the length must be the same"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_do_not_differ_between_examples(name):
    call, says = SHAPES[name]
    with pytest.raises(dualad.BatchError, match=says):
        vmap(call)(X, np.array([1, 2, 3]))


def test_what_can_be_asked_of_a_tensor_inside():
    seen = []

    def f(x):
        seen.append(
            (x.shape, x.ndim, x.size, len(x), x.dtype, str(x.device), x.nbytes, x.requires_grad, x.is_leaf)
        )
        seen.append((repr(x), f"{x[0]}", x.grad_fn, x.grad))
        return x.T + x.mean()

    vmap(f)(X)
    assert seen[0] == ((4,), 1, 4, 4, dualad.float64, "cpu", 32, False, True)
    text = "tensor(shape=({}), dtype=dualad.float64, one of 3 in a vmap)"
    assert seen[1] == (text.format("4,"), text.format(""), None, None)


# -- arrays that are the same for all ----------------------------------------------------------------


def _adds(x, a):
    a += 1.0
    return x + a


@pytest.mark.parametrize("by_keyword", [False, True])
@pytest.mark.parametrize("chunk_size", [None, 1, 2])
def test_writing_to_an_array_that_is_the_same_for_all_is_not_seen_by_the_caller(by_keyword, chunk_size):
    a = np.zeros(4)
    for given in (a, dualad.asarray(a), [a]):
        f = (lambda x, a: _adds(x, a[0])) if isinstance(given, list) else _adds
        mapped = vmap(f, in_axes=0 if by_keyword else (0, None), chunk_size=chunk_size)
        got = mapped(X, a=given) if by_keyword else mapped(X, given)
        np.testing.assert_array_equal(got, X + 1)
    np.testing.assert_array_equal(a, 0.0)


def test_an_array_that_is_the_same_for_all_is_read_at_indices_that_differ():
    i = np.array([2, 0])
    _same(vmap(lambda t, i: t[i], in_axes=(None, 0))(X, i), X[i])
    _same(vmap(lambda i, t: t[i])(i, t=X), X[i])
    _same(vmap(lambda i, p: p["t"][i, 0])(i, p={"t": X}), X[i, 0])
    for closure in (lambda i: X[i], lambda i: np.take(X, i), lambda i: np.eye(4)[i]):
        with pytest.raises(dualad.BatchError, match=r"dualad\.asarray\(table\)\[i\] or dualad\.take"):
            vmap(closure)(i)
    _same(vmap(lambda i: dualad.asarray(X)[i])(i), X[i])
    _same(vmap(lambda i: dualad.take(X, i, axis=0))(i), X[i])


def test_what_is_no_array_of_numbers_is_handed_on_as_it_is():
    seen = []
    for given in ("ab", np.array(["a"]), np.array([None]), np.float64(2.0), [], {}, None, 3, object()):
        vmap(lambda x, k: (seen.append(k), x)[1], in_axes=(0, None))(X, given)
        assert type(seen.pop()) is type(given)
        vmap(lambda x, *, k: (seen.append(k), x)[1])(X, k=given)
        assert seen.pop() is given
    log = []
    vmap(lambda x, log: (log.append(1), x)[1])(X, log=log)
    assert log == [1]


def test_an_array_that_is_the_same_for_all_comes_out_as_it_went_in():
    _same(vmap(lambda x, w: w, in_axes=(0, None), out_axes=None)(X, W), W)
    _same(vmap(lambda x, w: w, in_axes=(0, None))(X, W), np.stack([W] * 3))
