"""The Tensor that PyTorch and NumPy users know: attributes, operators, conversions, copies."""

import copy
import enum
import pickle

import numpy as np
import pytest
from conftest import needs

import dualad


@pytest.fixture
def x(device):
    return dualad.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)


def test_attributes(x, device):
    assert (x.shape, x.ndim, x.dim(), x.numel(), x.size(), x.size(0)) == ((2, 2), 2, 2, 4, (2, 2), 2)
    assert x.size == 4
    assert x.dtype is dualad.float32
    assert str(x.device) == device
    assert x.is_leaf
    assert not x.requires_grad
    assert x.grad is x.grad_fn is None
    assert x.T.tolist() == x.mT.tolist() == [[1.0, 3.0], [2.0, 4.0]]


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "//", "%", "**", "@", "<", "<=", ">", ">=", "==", "!="])
def test_operators_with_everything_on_either_side(op, x):
    a = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    b = np.array([[2.0, 1.0], [0.5, 3.0]], dtype=np.float32)
    others = [(dualad.asarray(b, device=x.device), b)]
    if op != "@":
        others += [(2, 2), (1.5, 1.5)]
    if str(x.device) == "cpu":  # what is not in the standard, NumPy takes
        others += [(b, b)] if op == "@" else [(b, b), (True, True)]
    for other, plain in others:
        for left, right, want in (
            (x, other, eval(f"a {op} b", {"a": a, "b": plain})),
            (other, x, eval(f"b {op} a", {"a": a, "b": plain})),
        ):
            got = eval(f"a {op} b", {"a": left, "b": right})
            assert type(got) is dualad.Tensor
            np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-6)


def test_integer_operators(device):
    i = dualad.tensor([5, 6], dtype=dualad.int32, device=device)
    got = [i & 3, i | 3, i ^ 3, i << 1, i >> 1, 3 & i, ~i, -i, +i, abs(-i)]
    want = [[1, 2], [7, 7], [6, 5], [10, 12], [2, 3], [1, 2], [-6, -7], [-5, -6], [5, 6], [5, 6]]
    assert [g.tolist() for g in got] == want


def test_python_protocols(x):
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[1.0, 2.0], [3.0, 4.0]]
    assert 3.0 in x
    assert bool(x[0, 0])
    assert (float(x[1, 1]), int(x[1, 1]), complex(x[0, 1])) == (4.0, 4, 2 + 0j)
    assert f"{x[0, 1]:.2f}" == "2.00"
    assert {x: "a Tensor is a key"}[x] == "a Tensor is a key"
    assert [10, 20, 30][dualad.tensor(1, dtype=dualad.int32, device=x.device)] == 20
    with pytest.raises(TypeError, match="0-d"):
        len(x[0, 0])


def test_results_of_full_reductions_and_reads_are_tensors(x):
    for y in (x.sum(), x[0, 0], x.max(), x.mean(), (x > 1).all()):
        assert type(y) is dualad.Tensor
        assert y.shape == ()


def test_pickle_and_deepcopy(x):
    x.requires_grad_()
    for made in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert made.tolist() == x.tolist()
        assert (made.dtype, made.device, made.requires_grad, made.is_leaf) == (x.dtype, x.device, True, True)
        with dualad.no_grad():
            made.zero_()
    assert x.sum().item() == 10.0
    for refused in (pickle.dumps, copy.deepcopy):
        with pytest.raises(dualad.GradientError, match="detach"):
            refused(x * 2)


def test_numpy_is_a_read_only_view():
    x = dualad.tensor([1.0, 2.0])
    a = np.asarray(x)
    assert np.shares_memory(a, x.numpy())
    assert not a.flags.writeable
    assert np.array(x).flags.writeable
    assert np.asarray(x, dtype=np.float64).dtype == np.float64


def test_conversions(x):
    assert x.to(dualad.int32).dtype is x.int().dtype is dualad.int32
    assert x.type(dualad.IntTensor).device == "cpu"
    assert dualad.ones(1).type() == "dualad.FloatTensor"
    assert x.to(x) is x
    assert x.cpu().tolist() == x.tolist()
    with pytest.raises(dualad.DTypeError, match=r"dualad\.real"):
        dualad.tensor(1j, device=x.device).float()


def test_creation_takes_sizes_in_both_forms(device):
    for make in (dualad.zeros, dualad.ones, dualad.empty, dualad.rand, dualad.randn):
        assert make(2, 3, device=device).shape == make((2, 3), device=device).shape == (2, 3)
    assert dualad.full((2,), 1.5, device=device).tolist() == [1.5, 1.5]
    assert dualad.eye(2, device=device).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert dualad.linspace(0, 1, 3, device=device).tolist() == [0.0, 0.5, 1.0]
    assert dualad.arange(1, 7, 2, dtype=dualad.int32, device=device).tolist() == [1, 3, 5]
    with pytest.raises(dualad.ShapeError, match="must not be negative"):
        dualad.zeros(-1, device=device)


def test_seeded_numbers_repeat(device):
    dualad.manual_seed(3)
    a = dualad.randn(4, device=device).tolist()
    dualad.manual_seed(3)
    assert dualad.randn(4, device=device).tolist() == a
    whole = dualad.randint(2, 5, (100,), dtype=dualad.int32, device=device)
    assert set(whole.tolist()) == {2, 3, 4}


def test_a_list_of_tensors_is_differentiable(x):
    x.requires_grad_()
    y = dualad.asarray([x[0, 0] * 2, x[1, 1]])
    y.sum().backward()
    assert x.grad.tolist() == [[2.0, 0.0], [0.0, 1.0]]


def test_maxima_with_and_without_indices(x):
    needs(dualad.int64, x.device)  # array-api-strict finds no indices without it
    values, indices = x.max(dim=1)
    assert (values.tolist(), indices.tolist()) == ([2.0, 4.0], [1, 1])
    assert x.max(axis=1).tolist() == [2.0, 4.0]
    assert x.min(x * 0 + 2).tolist() == [[1.0, 2.0], [2.0, 2.0]]


def test_documented_ops_do_what_their_examples_say():
    import doctest
    from operator import attrgetter

    from dualad.ops.descriptions import DESCRIPTIONS

    runner = doctest.DocTestRunner(verbose=False)
    for name in DESCRIPTIONS:
        doc = attrgetter(name)(dualad).__doc__
        test = doctest.DocTestParser().get_doctest(doc, {}, name, None, 0)
        assert runner.run(test) == (0, 3), name


def test_every_public_function_has_an_example():
    import inspect

    for name in dualad.__all__:
        value = getattr(dualad, name)
        if inspect.isfunction(value) or (inspect.isclass(value) and not issubclass(value, Exception)):
            assert ">>>" in (value.__doc__ or ""), name


def test_copies_and_pickles():
    w = dualad.ones(2, requires_grad=True)
    (copy.copy(w * 2) * 3).sum().backward()
    assert w.grad.tolist() == [6.0, 6.0]
    v = copy.copy(w)
    assert v.requires_grad
    assert v.is_leaf
    assert pickle.loads(pickle.dumps(w.device)) == w.device


def test_pytorch_signatures():
    x = dualad.tensor([[1.0, 4.0, 2.0], [3.0, 0.0, 5.0]])
    assert dualad.sum(x, 1).tolist() == dualad.sum(x, dim=1).tolist() == [7.0, 8.0]
    assert dualad.mean(x, dim=0, keepdim=True).shape == (1, 3)
    assert dualad.max(x, 1).indices.tolist() == x.max(dim=1).indices.tolist() == [1, 2]
    assert dualad.max(x, axis=1).tolist() == [4.0, 5.0]
    assert dualad.max(x, x * 0 + 2).tolist() == dualad.maximum(x, x * 0 + 2).tolist()
    assert dualad.argmax(x, 1).tolist() == [1, 2]
    assert dualad.sort(x, dim=0).tolist() == x.sort(0).tolist() == [[1.0, 0.0, 2.0], [3.0, 4.0, 5.0]]
    assert dualad.cat([x, x], dim=1).shape == dualad.cat([x, x], 1).shape == (2, 6)
    assert dualad.stack([x, x], dim=-1).shape == (2, 3, 2)
    assert dualad.norm(x, 1, 1).tolist() == x.norm(1, dim=1).tolist() == [7.0, 8.0]
    assert dualad.squeeze(x[:1], dim=(0, 1)).shape == dualad.squeeze(x[:1]).shape == (3,)
    assert dualad.transpose(x, 0, 1).shape == dualad.permute(x, (1, 0)).shape == (3, 2)
    assert dualad.flip(x, dims=(1,)).tolist() == [[2.0, 4.0, 1.0], [5.0, 0.0, 3.0]]
    assert dualad.roll(x, 1, 1)[0].tolist() == [2.0, 1.0, 4.0]
    assert dualad.tensordot(x, x.T, 1).shape == dualad.tensordot(x, x.T, dims=1).shape == (2, 2)
    assert dualad.linspace(0, 1, steps=3).tolist() == [0.0, 0.5, 1.0]


def test_functions_of_pytorch(device):
    needs(dualad.int64, device)
    x = dualad.tensor([[1.0, 4.0, 2.0], [3.0, 0.0, 5.0]], device=device, requires_grad=True)
    at = dualad.tensor([[2, 0]], device=device)
    assert dualad.gather(x, 1, at).tolist() == x.gather(1, at).tolist() == [[2.0, 1.0]]
    assert [p.shape for p in x.split(2, dim=1)] == [(2, 2), (2, 1)]
    assert [p.shape for p in dualad.split(x, [1, 2], 1)] == [(2, 1), (2, 2)]
    assert [p.shape for p in x.chunk(2, dim=1)] == [(2, 2), (2, 1)]
    assert x.topk(2).indices.tolist() == [[1, 2], [2, 0]]
    assert x.topk(1, 0, largest=False).values.tolist() == [[1.0, 0.0, 2.0]]
    assert x.diag(1).tolist() == [4.0, 5.0]
    assert dualad.diag(x[0], -1)[1:, :3].tolist() == [[1.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 2.0]]
    assert x.masked_fill(x > 3, 0.0).tolist() == [[1.0, 0.0, 2.0], [3.0, 0.0, 0.0]]
    assert x.masked_select(x > 3).tolist() == [4.0, 5.0]
    assert x.index_select(0, dualad.tensor([1], device=device)).tolist() == [[3.0, 0.0, 5.0]]
    assert dualad.allclose(x.softmax(dim=1).sum(dim=1), dualad.ones(2, device=device))
    assert dualad.allclose(x.log_softmax(dim=1).exp(), x.softmax(dim=1))
    assert dualad.isclose(x, x + 1).any().item() is False
    (x.gather(1, at) ** 2).sum().backward()
    assert x.grad.tolist() == [[2.0, 0.0, 4.0], [0.0, 0.0, 0.0]]
    with pytest.raises(dualad.ShapeError, match="split: lengths"):
        x.split([1, 1], dim=1)
    with pytest.raises(dualad.ShapeError, match="topk: there are 3 elements"):
        x.topk(4)


def test_dtypes_are_numpys_too():
    assert np.dtype(dualad.float32) == np.float32
    assert np.zeros(2, dtype=dualad.int16).dtype == np.int16
    assert dualad.ones(3).nbytes == 12


def test_numbers_of_subclasses_are_numbers(x):
    class Two(enum.IntEnum):
        TWO = 2

    assert (x - x.size).tolist() == (x - 4).tolist()
    assert (Two.TWO * x).dtype == x.dtype
    assert dualad.maximum(x, Two.TWO).tolist() == [[2.0, 2.0], [3.0, 4.0]]


def test_flat_writes_through(x):
    x.flat[::3] += 10.0
    assert x.tolist() == [[11.0, 2.0], [3.0, 14.0]]


def test_a_numpy_scalar_meets_a_tensor_on_any_device(device):
    x = dualad.tensor([1.0, 2.0], device=device)
    for y in (
        x * np.float32(2),
        np.float32(2) * x,
        dualad.multiply(np.float32(2), x),
        np.multiply(x, np.float32(2)),
    ):
        assert (y.device, y.tolist()) == (x.device, [2.0, 4.0])
    assert dualad.grad(lambda x: (x * np.float32(3)).sum())(x).tolist() == [3.0, 3.0]
    assert dualad.vmap(lambda x: x * np.float32(3))(x).tolist() == [3.0, 6.0]


def test_python_s_types_are_in_double_precision_and_the_default_is_not():
    assert dualad.tensor([1], dtype=float).dtype is dualad.float64
    assert dualad.zeros(2, dtype=complex).dtype is dualad.complex128
    assert dualad.ones(2).to(float).dtype is dualad.float64
    assert dualad.Tensor([1]).dtype is dualad.float32
    assert dualad.tensor([1.0]).dtype is dualad.float32


def test_dtypes_are_compared_with_numpys():
    d = dualad.float64
    for same in (np.float64, np.dtype("f8"), float, "float64", "d"):
        assert d == same
        assert same == d
    for other in (
        np.float32,
        np.dtype("f4"),
        int,
        "float32",
        "no such",
        dualad.float32,
        None,
        1,
        object,
        np.dtype("O"),
    ):
        assert d != other
    assert {d: 1}[dualad.float64] == 1
    with pytest.raises(dualad.DTypeError, match="not a data type: 'no such'"):
        dualad.zeros(2, dtype="no such")


def test_numbers_and_lists_go_to_the_device_of_what_they_stand_beside(device):
    needs(dualad.float64, device)  # what a Python float is to NumPy's functions
    x = dualad.tensor([1.0, 2.0], device=device)
    for y in (
        dualad.stack([x[0], 1.0]),
        dualad.concat([x, [1.0]]),
        dualad.asarray([[x[0], 0.0], [2.0, 3.0]]),
        np.stack([x[0], 1.0]),
        np.concatenate([x, [1.0]]),
        np.append(x, 1.0),
        np.dot(x, [1.0, 2.0]),
        np.dot([1.0, 2.0], x),
    ):
        assert str(y.device) == device


def test_copy_false_shares_or_raises():
    a = np.ones(3)
    assert dualad.asarray(a, copy=False)._raw is a
    with pytest.raises(ValueError, match="copy=False, but another dtype or device needs a copy"):
        dualad.asarray(a, dtype=dualad.float32, copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        dualad.from_dlpack(a, device="strict", copy=False)


def test_nobody_writes_to_a_tensor_by_dlpack():
    z = dualad.ones(3)
    taken = np.from_dlpack(z)
    assert not np.shares_memory(taken, z._raw)
    shared = z.__dlpack__(copy=False, max_version=(1, 0))
    assert "versioned" in repr(shared)
    with pytest.raises(BufferError, match="before DLPack"):
        z.__dlpack__(copy=False)
    with pytest.raises(BufferError, match="go backwards in memory"):
        z[::-1].__dlpack__(copy=False, max_version=(1, 0))
