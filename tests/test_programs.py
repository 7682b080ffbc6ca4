"""Random programs: all modes agree, with each other and with differences; graphs go; nothing is left.

`python tests/programs.py 20000` runs more of them; what they have found is kept at the end.
"""

import gc
from random import Random

import pytest
from conftest import needs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import Writer, failure

import dualad
from dualad.op import REGISTRY

pytest.importorskip("scipy")  # for the steps that are special functions

SLICE = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,  # the same programs each time; new ones are the command's business
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.fixture(scope="module", autouse=True)
def _only_new_objects_are_searched():
    """Keep what there was before out of the search for cycles, which each program makes several times."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def hold(writer):
    """Raise with the source, reduced, of a program that breaks a law."""
    reason = failure(writer)
    if reason:
        small = writer.reduced(failure)
        pytest.fail(f"{reason}\nreduced: {failure(small)}\n{small.listing()}")


@SLICE
@given(random=st.randoms(use_true_random=False), analytic=st.booleans())
def test_programs(random, analytic):
    hold(Writer(random, analytic))


@pytest.mark.parametrize("seed", range(4))
def test_programs_on_each_device(seed, device):
    needs(dualad.complex128, device)
    hold(Writer(Random(seed), device=device))


@pytest.mark.parametrize("name", ["sin", "multiply", "getitem", "sum"])
def test_a_wrong_rule_is_found(name, monkeypatch):
    """The laws can be broken: a derivative off by a thousandth shows within a few hundred programs."""
    for m in REGISTRY[name].maps:
        for attribute in ("pull", "push"):
            right = getattr(m, attribute)
            wrong = lambda *args, right=right: right(*args) * 1.001  # noqa: E731
            monkeypatch.setattr(m, attribute, wrong)
        monkeypatch.setattr(m, "factor_rule", None)
        monkeypatch.setattr(m, "in_place", None)
    assert any(failure(Writer(Random(seed))) for seed in range(300))


# -- what programs have found ------------------------------------------------------------------


def test_a_reshape_of_one_number_is_a_view(device):
    """Also where the value of the result of an op is a NumPy scalar."""
    x = dualad.asarray(2.0, device=device)
    v = x * 1.0
    v.reshape(1)[0] = 5.0
    assert v.item() == 5.0
    f = lambda x: ((v := x * 1.0), v.reshape(-1).mul_(3.0), v * v)[2]  # noqa: E731
    assert dualad.grad(f)(x).item() == 36.0


def test_a_reshape_in_a_batch_is_a_view_as_for_one_example(device):
    """However the elements of the batch lie: here an example's are not contiguous."""

    def f(x):
        y = x + 1
        y.reshape(-1)[0] = 7.0
        return y

    x = dualad.permute_dims(dualad.zeros((3, 2, 4), device=device), (2, 1, 0))
    assert dualad.vmap(f)(x)[:, 0, 0].tolist() == [7.0] * 4


@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_product_of_one_element_is_no_view(requires_grad, device):
    x = dualad.asarray([[2.0], [3.0]], device=device, requires_grad=requires_grad) * 1
    for y in (dualad.prod(x, axis=1), dualad.prod(x[0, 0]), dualad.prod(x, axis=())):
        y += 1
    assert x.tolist() == [[2.0], [3.0]]


def test_what_is_written_through_flat_and_view_arrives_however_the_elements_lie(device):
    """As with NumPy's `flat`: the elements of a transpose are in no order that a reshape could share."""
    x = dualad.zeros((2, 3), device=device)
    x.T.flat[::2] = 1.0
    assert x.tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    x.T.view(2, 3)[0, 1:] = 5.0
    x.T.view_as(dualad.zeros(6, device=device))[-1] = 7.0
    assert x.tolist() == [[1.0, 5.0, 1.0], [5.0, 0.0, 7.0]]


def test_hooks_for_saved_values_meet_an_op_with_an_argument_that_has_no_derivative(device):
    """Such as a condition, or a number: of it nothing is saved."""
    x = dualad.asarray([2.0, 3.0], device=device, requires_grad=True)
    seen = []
    with dualad.autograd.graph.saved_tensors_hooks(lambda x: seen.append(1) or x, lambda x: x):
        y = dualad.where(x > 2, x * x, 0.0)
        y[0] = 1.0
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 6.0]
    assert seen
