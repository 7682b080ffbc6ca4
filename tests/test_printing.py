"""Tensors are printed as PyTorch prints its own.

``printing_cases.txt`` was written by PyTorch 2.13, its dtypes renamed: after ``>>>`` the array, after
``+`` each suffix, then the text.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import dualad
from dualad.engine.printing import tensor_repr


def _cases():
    text = (Path(__file__).parent / "printing_cases.txt").read_text()
    for case in re.split(r"^>>> ", text, flags=re.MULTILINE)[1:]:
        expression, *lines = case.rstrip("\n").split("\n")
        suffixes = [line[2:] for line in lines if line.startswith("+ ")]
        yield pytest.param(expression, suffixes, "\n".join(lines[len(suffixes) :]), id=expression)


@pytest.fixture(autouse=True)
def _default_options():
    yield
    dualad.set_printoptions(profile="default")


@pytest.mark.parametrize(("expression", "suffixes", "expected"), list(_cases()))
def test_layout(expression, suffixes, expected):
    array = np.asarray(eval(expression, {"np": np, "complex": complex}))
    assert tensor_repr(array, suffixes) == expected


def test_size_stands_between_device_and_dtype():
    empty = np.zeros((0, 3))
    assert tensor_repr(empty, ["device='cuda:0'", "dtype=dualad.float64"]) == (
        "tensor([], device='cuda:0', size=(0, 3), dtype=dualad.float64)"
    )


def test_printing_warns_of_nothing_and_leaves_the_array_alone():
    array = np.array([1e-320, 1e308, np.nan, np.inf])
    array.flags.writeable = False
    with np.errstate(all="raise"):
        assert tensor_repr(array, []) == "tensor([9.9999e-321, 1.0000e+308,         nan,         inf])"


# -- options ---------------------------------------------------------------------------------------

NUMBERS = np.array([3.14159, 1234.5])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"precision": 2}, "tensor([   3.14, 1234.50])"),
        ({"precision": 0}, "tensor([   3, 1234])"),
        ({"sci_mode": True}, "tensor([3.1416e+00, 1.2345e+03])"),
        ({"sci_mode": True, "precision": 1}, "tensor([3.1e+00, 1.2e+03])"),
        ({"profile": "short"}, "tensor([   3.14, 1234.50])"),
        ({"linewidth": 20}, "tensor([   3.1416,\n        1234.5000])"),
        ({"threshold": 1, "edgeitems": 0}, "tensor([...], size=(2,))"),
    ],
)
def test_options(options, expected):
    dualad.set_printoptions(**options)
    assert tensor_repr(NUMBERS, []) == expected
    dualad.set_printoptions(profile="default")
    assert tensor_repr(NUMBERS, []) == "tensor([   3.1416, 1234.5000])"


def test_threshold_and_edgeitems():
    dualad.set_printoptions(threshold=11, edgeitems=2)
    assert tensor_repr(np.arange(12), []) == "tensor([ 0,  1,  ..., 10, 11])"
    assert tensor_repr(np.arange(11), []) == "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10])"
    assert tensor_repr(np.arange(24).reshape(6, 4), []) == (
        "tensor([[ 0,  1,  2,  3],\n"
        "        [ 4,  5,  6,  7],\n"
        "        ...,\n"
        "        [16, 17, 18, 19],\n"
        "        [20, 21, 22, 23]])"
    )


def test_full_profile_shows_all():
    dualad.set_printoptions(profile="full")
    assert tensor_repr(np.arange(3000), []).count(",") == 2999


def _fail_with_one_digit():
    with dualad.printoptions(precision=1, sci_mode=False):
        raise ValueError(tensor_repr(NUMBERS, []))


def test_options_come_back_after_an_error():
    before = dualad.get_printoptions()
    with pytest.raises(ValueError, match=r"tensor\(\[   3\.1, 1234\.5\]\)"):
        _fail_with_one_digit()
    assert dualad.get_printoptions() == before


def test_what_is_not_given_stays_except_sci_mode():
    dualad.set_printoptions(precision=7, sci_mode=True)
    dualad.set_printoptions(linewidth=100)
    assert dualad.get_printoptions() == {
        "precision": 7, "threshold": 1000, "edgeitems": 3, "linewidth": 100, "sci_mode": None,
    }  # fmt: skip


def test_bad_options():
    with pytest.raises(ValueError, match="profile must be one of default, short, full, got 'long'"):
        dualad.set_printoptions(profile="long")
    with pytest.raises(ValueError, match="precision must not be negative, got -1"):
        dualad.set_printoptions(precision=-1)


# -- through Tensors -------------------------------------------------------------------------------


def test_tensors(device):
    x = dualad.tensor([[1.0, 2.0], [3.0, 4.5]], device=device, requires_grad=True)
    where = "" if device == "cpu" else f", device='{x.device}'"
    assert repr(x) == str(x)
    assert repr(x.detach()).replace("\n       ", "") == f"tensor([[1.0000, 2.0000], [3.0000, 4.5000]]{where})"
    flat = dualad.tensor([1.0, 2.0], device=device, requires_grad=True)
    assert repr(flat) == f"tensor([1., 2.]{where}, requires_grad=True)"
    assert repr(flat * 2) == f"tensor([2., 4.]{where}, grad_fn=<MulBackward0>)"


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float32", "tensor([1., 2.])"),
        ("float64", "tensor([1., 2.], dtype=dualad.float64)"),
        ("complex64", "tensor([1.+0.j, 2.+0.j])"),
        ("complex128", "tensor([1.+0.j, 2.+0.j], dtype=dualad.complex128)"),
        ("int64", "tensor([1, 2])"),
        ("int32", "tensor([1, 2], dtype=dualad.int32)"),
        ("bool", "tensor([True, True])"),
    ],
)
def test_dtype_is_shown_where_it_cannot_be_seen(dtype, expected):
    assert repr(dualad.tensor([1, 2], dtype=getattr(dualad, dtype))) == expected


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float32", "tensor([])"),
        ("int64", "tensor([], dtype=dualad.int64)"),
        ("bool", "tensor([], dtype=dualad.bool)"),
        ("complex64", "tensor([], dtype=dualad.complex64)"),
    ],
)
def test_dtype_of_an_empty_tensor_is_shown(dtype, expected):
    assert repr(dualad.tensor([], dtype=getattr(dualad, dtype))) == expected
