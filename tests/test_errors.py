"""What goes wrong is said in words, by our own exceptions, and nothing is left behind."""

import numpy as np
import pytest

import dualad
from dualad.op import REGISTRY, Op
from dualad.rules import Missing, Scale


@pytest.fixture
def x(device):
    return dualad.tensor([1.0, 2.0], device=device, requires_grad=True)


def test_backward_of_several_elements_without_gradient(x):
    with pytest.raises(dualad.GradientError, match="implicitly created only for scalar outputs"):
        (x * 2).backward()


def test_backward_of_a_complex_number_without_gradient(device):
    z = dualad.tensor(1j, device=device, requires_grad=True)
    with pytest.raises(dualad.GradientError, match="real scalar outputs"):
        (z * 2).backward()


def test_second_backward_without_retain_graph(x):
    y = (x * x).sum()
    y.backward()
    with pytest.raises(dualad.GradientError, match=r"second time.*retain_graph=True"):
        y.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_gradient_of_wrong_shape_or_dtype(x, device):
    y = x * 2
    with pytest.raises(dualad.ShapeError, match=r"Mismatch in shape.*\(3,\).*\(2,\)"):
        y.backward(dualad.ones(3, device=device))
    with pytest.raises(dualad.DTypeError, match="complex64"):
        y.backward(dualad.ones(2, dtype=dualad.complex64, device=device))
    assert x.grad is None


@pytest.mark.parametrize("dtype", [dualad.int32, dualad.bool])
def test_requires_grad_of_integers_and_booleans(dtype, device):
    with pytest.raises(dualad.DTypeError, match="floating point and complex dtype can require gradients"):
        dualad.ones(2, dtype=dtype, device=device, requires_grad=True)


def test_no_path(x, device):
    with pytest.raises(dualad.GradientError, match="does not require grad and does not have a grad_fn"):
        dualad.ones((), device=device).backward()
    with pytest.raises(dualad.GradientError, match="does not require grad"):
        dualad.autograd.grad(x.sum(), dualad.ones(2, device=device))


def test_mixed_devices_say_how_to_move():
    devices = [str(d) for b in dualad.backends.all() if b.unavailable is None for d in b.devices()]
    if len(devices) < 2:
        pytest.skip("there is one device only")
    with pytest.raises(dualad.DeviceError, match=rf"add: .*cpu and {devices[1]}.*\.to\("):
        dualad.ones(2) + dualad.ones(2, device=devices[1])


def test_unknown_device():
    with pytest.raises(dualad.DeviceError, match="unknown device tpu"):
        dualad.ones(2, device="tpu")
    with pytest.raises(dualad.DeviceError, match="not a device"):
        dualad.device("cuda:one")


def test_shapes_that_do_not_broadcast(x, device):
    with pytest.raises(dualad.ShapeError, match=r"multiply: shapes \(2,\) and \(3,\)"):
        x * dualad.ones(3, device=device)
    with pytest.raises(dualad.ShapeError, match=r"matmul: shapes \(2,\) and \(3,\)"):
        x @ dualad.ones(3, device=device)


def test_a_missing_derivative_raises_only_where_it_is_needed():
    op = Op(
        "_half_known(x1, x2)",
        Scale(2),
        Missing("nobody has found one"),
        compute=lambda xp, a, b: a + a + b * 0,
    )
    try:
        x, p = dualad.ones(2, requires_grad=True), dualad.ones(2, requires_grad=True)
        op(x, p.detach()).sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
        y = op(x, p).sum()  # not in the forward pass
        assert dualad.autograd.grad(y, x, retain_graph=True)[0].tolist() == [2.0, 2.0]
        with pytest.raises(dualad.MissingDerivativeError, match=r"_half_known.*'x2'.*nobody has found one"):
            y.backward()
    finally:
        del REGISTRY["_half_known"]


def test_hooks_that_return_nonsense(x, device):
    for wrong, message in (
        (lambda g: dualad.ones(3, device=device), "changed the size"),
        (lambda g: g.to(dualad.complex64), "changed the type"),
        (lambda g: 1.0, "returned float"),
    ):
        y = x * 2
        y.register_hook(wrong)
        with pytest.raises(dualad.GradientError, match=message):
            y.sum().backward()
        assert x.grad is None


def test_conversions_of_tracked_tensors(x):
    with pytest.raises(dualad.GradientError, match=r"detach\(\)"):
        x.numpy()
    with pytest.raises(dualad.GradientError, match=r"detach\(\)"):
        np.asarray(x)
    assert float(x[0]) == x[0].item() == 1.0


def test_data_that_is_no_array():
    with pytest.raises(dualad.ShapeError, match="equal lengths"):
        dualad.tensor([[1.0], [2.0, 3.0]])
    for data in ("text", {"a": 1}, None, [None]):
        with pytest.raises(dualad.DTypeError):
            dualad.tensor(data)


def test_operands_that_are_no_arrays(x):
    with pytest.raises(TypeError):
        x + "1"
    with pytest.raises(dualad.UnknownOperandError, match=r"sin: argument 1 .* str"):
        dualad.sin("1")


def test_axes_that_are_not_there(x):
    for call in (lambda: x.sum(2), lambda: x.max(axis=1), lambda: dualad.stack([x, x], axis=5)):
        with pytest.raises(dualad.AxisError, match="out of bounds"):
            call()


def test_places_that_are_not_there(x):
    keys = [5, (0, 0), np.array([0, 2])]
    if x.device.type != "cuda":  # there indices wrap around: to look at them would be to wait for them
        keys.append(dualad.tensor([0, 2], dtype=dualad.int32, device=x.device))
    for key in keys:
        with pytest.raises(dualad.AxisError, match="getitem"):
            x.detach()[key]
        with pytest.raises(dualad.AxisError, match="setitem"):
            x.clone()[key] = 1.0
    with pytest.raises(IndexError, match="got float"):
        x[1.5]


def test_a_number_is_no_matrix(x):
    with pytest.raises(dualad.ShapeError, match="at least one axis"):
        2.0 @ x


def test_more_than_one_element_is_no_number(x):
    for convert in (float, bool, lambda x: x.item()):
        with pytest.raises(dualad.ShapeError):
            convert(x)


def _list_of_tracked():
    with dualad.set_concretization("raise"):
        return dualad.ones(1, requires_grad=True).tolist()


WRONG = {
    "a complex number in a real dtype": (
        lambda: dualad.tensor([1j], dtype=dualad.float64), dualad.DTypeError, "complex numbers cannot become"
    ),
    "a number that does not fit": (
        lambda: dualad.tensor([300], dtype=dualad.uint8), dualad.DTypeError, "do not fit into dualad.uint8"
    ),
    "not a number, as an integer": (
        lambda: dualad.tensor([float("nan")], dtype=dualad.int64), dualad.DTypeError, "nan"
    ),
    "more bits than there are": (lambda: dualad.tensor(2**70), dualad.DTypeError, "64 bits"),
    "random integers": (lambda: dualad.rand(2, dtype=dualad.int64), dualad.DTypeError, "rand: the numbers"),
    "a size that is missing": (lambda: dualad.randint(0, 10), ValueError, "the size comes last"),
    "a slice between": (lambda: dualad.ones(3)[0:1.5], TypeError, "slice indices must be integers"),
    "a word as a matrix": (lambda: dualad.matmul(dualad.ones(2), "a"), dualad.UnknownOperandError, "matmul"),
    "in place, another dtype": (
        lambda: dualad.arange(3).div_(2), dualad.DTypeError, "divide, in place: result type"
    ),
    "in place, another shape": (
        lambda: dualad.ones(1).add_(dualad.ones(4)), dualad.ShapeError, "add, in place: output with shape"
    ),
    "a word as an axis": (lambda: dualad.sum(dualad.ones(3), axis="a"), TypeError, "axis must be an int"),
    "half a length": (lambda: dualad.zeros(2.5), TypeError, "a length must be an integer, got 2.5"),
    "negative lengths": (lambda: dualad.eye(-1), dualad.ShapeError, "eye: lengths must not be negative"),
    "a negative number of numbers": (lambda: dualad.linspace(0, 1, -1), ValueError, "linspace: num"),
    "a word as a number": (lambda: dualad.arange("a"), TypeError, "arange: expected numbers"),
    "negative repetition": (lambda: dualad.repeat(dualad.ones(2), -1), dualad.ShapeError, "repeat: repeats"),
    "negative tiles": (lambda: dualad.tile(dualad.ones(2), -1), dualad.ShapeError, "tile: repetitions"),
    "a word as an order": (
        lambda: dualad.linalg.vector_norm(dualad.ones(2), ord="nuc"), TypeError, "vector_norm: ord"
    ),
    "axes that end before they begin": (
        lambda: dualad.flatten(dualad.ones(2, 2), 1, 0), dualad.ShapeError, "flatten: start_dim"
    ),
    "t of a batch": (lambda: dualad.ones(1, 2, 3).t(), dualad.ShapeError, "t: expected at most two axes"),
    "an index of two axes": (
        lambda: dualad.index_select(dualad.eye(2), 0, dualad.tensor([[0]])), dualad.ShapeError, "index_select"
    ),
    "too few axes": (
        lambda: dualad.tensordot(dualad.ones(3), dualad.ones(3, 3)), dualad.ShapeError, "fewer than axes=2"
    ),
    "a negative permutation": (lambda: dualad.randperm(-1), ValueError, "randperm: n must not be negative"),
    "a negative power of an integer": (lambda: dualad.tensor([2]) ** -1, ValueError, "pow: Integers to negative"),
    "subscripts that are none": (lambda: dualad.einsum(dualad.ones(2), [0]), TypeError, "einsum: expected the sub"),
    "a digit among subscripts": (lambda: dualad.einsum("i1", dualad.eye(2)), dualad.ShapeError, "subscripts are"),
    "a list of a tracked Tensor": (_list_of_tracked, dualad.GradientError, r"tolist\(\) of a tracked Tensor"),
    "nothing to differentiate": (
        lambda: dualad.autograd.grad(None, dualad.ones(1, requires_grad=True)),
        TypeError,
        "expected Tensors, got NoneType",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case):
    call, error, says = WRONG[case]
    with pytest.raises(error, match=says):
        call()
