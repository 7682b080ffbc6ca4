"""`gradcheck`, `gradgradcheck` and `check_grads`: right derivatives pass, wrong ones are named."""

import dataclasses
import inspect
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from conftest import needs

import dualad
from dualad.autograd import GradcheckError, gradcheck, gradgradcheck
from dualad.op import REGISTRY, Op
from dualad.rules import Linear, Missing, Scale
from dualad.testing import check_grads

RNG = np.random.default_rng(0)


def _leaf(*shape, complex=False, device="cpu"):
    values = RNG.standard_normal(shape) + (1j * RNG.standard_normal(shape) if complex else 0)
    dtype = dualad.complex128 if complex else dualad.float64
    needs(dtype, device)
    return dualad.asarray(np.asarray(values), device=device, requires_grad=True)


@pytest.fixture
def op():
    """Make ops, which are gone after the test."""
    made = []

    def make(call, *maps, compute):
        made.append(Op(call, *maps, compute=compute))
        return made[-1]

    yield make
    for each in made:
        del REGISTRY[each.name]


@pytest.fixture
def half(op):
    """Return x * x, with a derivative that is half of what it should be."""
    return op("_half(x)", Scale(lambda xp, x: x), compute=lambda xp, x: x * x)


@pytest.fixture
def crooked(op):
    """Return 3 * x, with an adjoint that is none."""
    return op("_crooked(x)", Linear(lambda xp, g, like: g * 2), compute=lambda xp, x: x * 3)


def _report(check, *args, **kwargs):
    with pytest.raises(GradcheckError) as raised:
        check(*args, **kwargs)
    return str(raised.value)


# -- in PyTorch's form -----------------------------------------------------------------------------


@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("fast_mode", [False, True])
def test_right_derivatives(complex, fast_mode, device):
    x, y = _leaf(2, 3, complex=complex, device=device), _leaf(3, complex=complex, device=device)
    f = lambda x, y: (dualad.exp(x) @ y, dualad.abs(x))  # noqa: E731
    checks = {"check_grad_dtypes": True, "check_batched_grad": True, "fast_mode": fast_mode}
    assert gradcheck(f, (x, y), check_forward_ad=True, check_batched_forward_grad=True, **checks)
    assert gradgradcheck(f, (x, y), check_fwd_over_rev=True, gen_non_contig_grad_outputs=True, **checks)
    assert gradgradcheck(f, (x, y), (dualad.ones_like(y)[:2], dualad.real(dualad.zeros_like(x.detach()))))


def test_constants_are_left_alone():
    assert gradcheck(lambda x, n, c: x**n * c, (_leaf(2), 3, dualad.ones(2, dtype=dualad.float64)))
    with pytest.raises(ValueError, match="no input requires grad"):
        gradcheck(dualad.sin, dualad.ones(2))


def test_outputs_without_a_derivative_are_left_alone():
    x = _leaf(3)
    assert gradcheck(lambda x: (dualad.argmax(x), x * x, x > 0, dualad.ones(2), 2), x)
    assert gradcheck(lambda x: dualad.argmax(x), x)
    assert gradcheck(lambda x: dualad.ones(2, dtype=dualad.float64), x)
    assert gradcheck(lambda x: x, x)
    assert gradcheck(lambda x: dualad.zeros(0, dtype=dualad.float64) + x[:0], x)
    with pytest.raises(TypeError, match="must give arrays and numbers, got str"):
        gradcheck(lambda x: "3", x)


def test_a_function_may_differentiate_itself_and_write_to_its_arguments():
    def penalty(x):
        (g,) = dualad.autograd.grad((x**3).sum(), x, create_graph=True)
        return (g * g).sum()

    assert gradcheck(penalty, _leaf(3))
    assert gradgradcheck(penalty, _leaf(3))

    def written(x, y):
        y = y * 1
        y *= x
        return y

    assert gradcheck(written, (_leaf(3), _leaf(3)), check_forward_ad=True)


def test_wrong_derivatives_are_named(half, crooked):
    x = dualad.tensor([1.0, 3.0], dtype=dualad.float64, requires_grad=True)
    y = dualad.tensor([1.0, 1.0], dtype=dualad.float64, requires_grad=True)
    assert _report(gradcheck, lambda c, y, x: (y, half(x) * y), (2, y, x)) == (
        "gradcheck: 1 of 4 checks failed (eps=1e-06, atol=1e-05, rtol=0.001)\n"
        "Jacobian mismatch for output 1 with respect to input 2, in reverse mode: 2 of 4 entries are wrong, "
        "the worst is\n"
        "    d (output 1)[1] / d (input 2)[1]\n"
        "    numerical:  6\n"
        "    analytical: 3\n"
        "    All of its entries are 0.5 times what they should be.\n"
        "Right: output 0 with respect to input 1, in reverse mode\n"
        "Right: output 0 with respect to input 2, in reverse mode\n"
        "Right: output 1 with respect to input 1, in reverse mode"
    )
    assert not gradcheck(half, x, raise_exception=False)
    report = _report(gradcheck, crooked, x, check_forward_ad=True)
    assert "in reverse mode: 2 of 4 entries are wrong" in report
    assert "Right: output 0 with respect to input 0, in forward mode" in report
    assert gradcheck(crooked, x, check_backward_ad=False, check_forward_ad=True)
    for fast in (False, True):
        assert "    numerical:  3\n    analytical: 2\n" in _report(gradcheck, crooked, x, fast_mode=fast)


def test_fast_mode_tells_the_direction_where_there_are_too_many_entries(half):
    x = dualad.linspace(1.0, 2.0, 2000, dtype=dualad.float64).requires_grad_()
    assert "in reverse mode, between random directions:\n    numerical" in _report(
        gradcheck, half, x, fast_mode=True
    )


def test_the_parts_of_complex_numbers_are_named(op):
    unconjugated = op("_times_i(x)", Linear(lambda xp, g, like: g * 1j), compute=lambda xp, x: x * 1j)
    x = dualad.tensor([[1.0 + 2j]], dtype=dualad.complex128, requires_grad=True)
    report = _report(gradcheck, unconjugated, x)
    assert "    d real((output 0)[0, 0]) / d imag((input 0)[0, 0])\n    numerical:  -1\n" in report
    assert "All of its entries are -1 times what they should be" in report


def test_a_wrong_second_derivative(op):
    """A factor that is right, but constant to the eye of the second derivative."""
    x = dualad.tensor([0.5, 2.0], dtype=dualad.float64, requires_grad=True)
    cut = op("_cut(x)", Scale(lambda xp, x: 3 * (x.detach() if hasattr(x, "detach") else x) ** 2),
             compute=lambda xp, x: x * x * x)  # fmt: skip
    assert gradcheck(cut, x)
    report = _report(gradgradcheck, cut, x, dualad.ones(2, dtype=dualad.float64))
    assert "d (the gradient in input 0)[1] / d (input 0)[1]\n    numerical:  12\n    analytical: 0" in report
    assert "Right: the gradient in input 0 with respect to grad_output 0" in report
    assert "in forward mode" in _report(
        gradgradcheck, cut, x, check_fwd_over_rev=True, check_rev_over_rev=False
    )
    assert not gradgradcheck(cut, x, raise_exception=False)
    with pytest.raises(ValueError, match="got 2 grad_outputs for 1 differentiable outputs"):
        gradgradcheck(cut, x, (x, x))


def test_a_backward_pass_that_is_not_deterministic(op):
    drawn = np.random.default_rng(0)
    noisy = op("_noisy(x)", Scale(lambda xp, x: 2 * x + 1e-7 * drawn.random()), compute=lambda xp, x: x * x)
    x = _leaf(3)
    assert "Backward is not reentrant" in _report(gradcheck, noisy, x)
    assert gradcheck(noisy, x, nondet_tol=1e-6)


def test_gradients_that_are_left_out():
    """A function that takes a missing gradient for something else than zero."""

    class Two(dualad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return 2 * g + 3 * h if h is not None else None if g is None else 4 * g

    x = _leaf(2)
    report = _report(gradcheck, Two.apply, x)
    assert "Where only output 0 has a gradient, the one in input 0 is not what it is if" in report
    assert "Where only output 1 has a gradient the backward pass fails" in report
    assert "TypeError: unsupported operand type(s) for *: 'int' and 'NoneType'" in report
    assert gradcheck(Two.apply, x, check_undefined_grad=False)


def test_a_batch_that_is_not_what_its_examples_are(op):
    three = op("_three(x)", Linear(lambda xp, g, like: g * 3), compute=lambda xp, x: x * 3)
    three.batch = lambda op, size, values, static: op.below(values[0].value) * 2  # right but for batches
    calls = op("_calls(x)", Linear(lambda xp, g, like: three.within(xp, g)), compute=lambda xp, x: x * 3)
    x = _leaf(2)
    assert gradcheck(three, x, check_forward_ad=True, check_batched_grad=True)
    assert "By vmap, the tangents along input 0 of output 0 are not what they are one by one" in _report(
        gradcheck, three, x, check_forward_ad=True, check_batched_forward_grad=True
    )
    deep = op("_deep(x)", Linear(lambda xp, g, like: calls.within(xp, g)), compute=lambda xp, x: x * 3)
    for check, f in ((gradcheck, calls), (gradgradcheck, deep)):
        assert check(f, x)
        assert "By vmap, the gradients of" in _report(check, f, x, check_batched_grad=True)


def test_options_that_contradict_each_other():
    x = _leaf(1)
    with pytest.raises(ValueError, match="set check_forward_ad or check_backward_ad"):
        gradcheck(dualad.sin, x, check_backward_ad=False)
    with pytest.raises(ValueError, match="set check_fwd_over_rev or check_rev_over_rev"):
        gradgradcheck(dualad.sin, x, check_rev_over_rev=False)
    with pytest.raises(ValueError, match="check_batched_forward_grad=True needs"):
        gradcheck(dualad.sin, x, check_batched_forward_grad=True)
    with pytest.raises(ValueError, match="check_batched_grad=True needs"):
        gradcheck(dualad.sin, x, check_backward_ad=False, check_forward_ad=True, check_batched_grad=True)
    with pytest.raises(TypeError, match="masked"):
        gradcheck(dualad.sin, x, masked=True)


def test_single_precision_is_warned_of():
    with pytest.warns(UserWarning, match="single precision"):
        gradcheck(lambda x: x * 2, dualad.ones(1, requires_grad=True), raise_exception=False)


def test_what_may_be_the_matter():
    """Where derivatives seem wrong because of the function or the point, the report says so."""
    at_0 = dualad.tensor([0.0], dtype=dualad.float64, requires_grad=True)
    assert "a kink or a jump: the slope ahead is 1, behind 0" in _report(gradcheck, dualad.relu, at_0)
    with np.errstate(all="ignore"):
        assert "The function is -inf there, -13.8155 ahead and nan behind" in _report(
            gradcheck, dualad.log, at_0
        )
    drawn = np.random.default_rng(0)
    assert "not deterministic" in _report(gradcheck, lambda x: x * drawn.random(), at_0 + 1)
    counts = iter([2, 1])
    with pytest.raises(ValueError, match="gave 2 arrays, and 1 when"):
        gradcheck(lambda x: (x,) * next(counts), at_0)


def test_other_errors_pass_through(op):
    missing = op("_missing(x)", Missing("nobody knows"), compute=lambda xp, x: x * x)
    with pytest.raises(dualad.MissingDerivativeError):
        gradcheck(missing, _leaf(1))
    with pytest.raises(dualad.MissingDerivativeError):
        gradcheck(missing, _leaf(1), raise_exception=False)


# -- functions of arrays and pytrees -----------------------------------------------------------------


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: np.sin(x) * x, (np.linspace(0.1, 1.0, 6).reshape(2, 3),)),
        (lambda x: x**3, (2.0,)),
        (lambda z: np.exp(z) * np.conj(z), (1 + 2j,)),
        (lambda z: dualad.abs(z) ** 2, (np.array([1 + 2j, 0.5j]),)),
        (lambda x: x * x, (np.float64(2.0),)),
        (lambda p, n: Pair(p["w"] @ p["b"], p["w"] ** n), ({"w": np.eye(2) + 0.1, "b": np.ones(2)}, 2)),
        (lambda p: {"s": p.a + p.b, "n": 3, "none": None}, (Pair(1.0, np.ones(2)),)),
        (lambda x: (dualad.argsort(x), dualad.sort(x)), (dualad.tensor([3.0, 1.0, 2.0]),)),
        (lambda a: np.linalg.eigh(a + a.T), (np.random.default_rng(0).standard_normal((3, 3)),)),
        (lambda x, k: x[k], (np.arange(4.0), np.array([1, 1]))),
        (np.tanh, (np.linspace(-1.0, 1.0, 1000),)),
    ],
)  # fmt: skip
def test_right_derivatives_of_functions_of_anything(f, args):
    check_grads(f, args)
    check_grads(f, order=1)(*args)
    for mode in ("fwd", "rev"):
        check_grads(f, args, 1, (mode,))


@pytest.mark.parametrize("dtype", [dualad.float16, dualad.float32, dualad.float64, dualad.complex64])
def test_each_precision_has_its_tolerances(dtype, device):
    needs(dtype, device)
    x = dualad.asarray([0.5, 1.0], dtype=dtype, device=device)
    check_grads(lambda x: x * dualad.sin(x) if dtype is not dualad.float16 else x * x, (x,))


def test_right_on_a_devices_own_arrays(device):
    needs(dualad.float64, device)
    check_grads(lambda x: dualad.exp(x) * 2, (dualad.ones(2, dtype=dualad.float64, device=device)._raw,))


def test_reports_name_parts_of_pytrees(half):
    args = ({"w": [np.array([1.0, 4.0])], "b": 2.0},)
    report = _report(check_grads, lambda p: {"loss": half(p["w"][0]) * p["b"]}, args, order=1, modes=["rev"])
    assert report == (
        "check_grads: 1 of 2 checks failed (eps=6e-06, atol=1e-05, rtol=1e-05)\n"
        "Jacobian mismatch for result['loss'] with respect to args[0]['w'][0], in reverse mode: "
        "2 of 4 entries are wrong, the worst is\n"
        "    d result['loss'][1] / d args[0]['w'][0][1]\n"
        "    numerical:  16\n"
        "    analytical: 8\n"
        "    All of its entries are 0.5 times what they should be.\n"
        "Right: result['loss'] with respect to args[0]['b'], in reverse mode"
    )


@pytest.mark.parametrize(
    ("modes", "worst"), [(("rev",), "the gradient in args[0]"), (("fwd",), "the tangent of result")]
)
def test_higher_orders_in_each_sequence_of_modes(op, modes, worst):
    cut = op("_cut(x)", Scale(lambda xp, x: 3 * (x.detach() if hasattr(x, "detach") else x) ** 2),
             compute=lambda xp, x: x * x * x)  # fmt: skip
    check_grads(cut, (2.0,), 1)
    report = _report(check_grads, cut, (2.0,), 2, modes)
    assert f"Jacobian mismatch for {worst} with respect to args[0]" in report
    check_grads(lambda x: x**4, (2.0,), 3, modes)


def test_large_functions_are_compared_along_directions(half):
    x = np.linspace(1.0, 2.0, 500)
    check_grads(lambda x: (x * x).sum(), (x,))
    calls = []
    check_grads(lambda x: (calls.append(0), np.sin(x))[1], (x,), 1)
    assert len(calls) < 10
    assert "d result[499] / d args[0][499]" in _report(check_grads, half, (x,), 1)


@pytest.mark.parametrize(
    ("f", "args", "error", "says"),
    [
        (lambda x: None, (1.0,), dualad.GradientError, "f gives no floating-point array or number"),
        (lambda x: 3, (1.0,), dualad.GradientError, "f gives no floating-point array or number"),
        (lambda x: dualad.argmax(x), (np.ones(3),), dualad.GradientError, "nothing to check"),
        (lambda x: x.sum(), (np.ones((0, 2)),), dualad.ShapeError, "the arguments have no elements"),
        (lambda x: [x[:0], x[:0]], (np.ones(2),), dualad.ShapeError, "the results have no elements"),
    ],
)
def test_nothing_to_check_is_no_success(f, args, error, says):
    with pytest.raises(error, match=f"^check_grads: .*{says}"):
        check_grads(f, args)


def test_dataclasses_are_checked(half):
    @dataclasses.dataclass
    class Line:
        a: object
        b: object

    check_grads(lambda line, x: Line(line.a * x, line.b**2), (Line(2.0, np.ones(2)), 3.0))
    text = _report(check_grads, lambda line: Line(half(line.a), line.b), (Line(2.0, 1.0),), 1, ["rev"])
    assert "Jacobian mismatch for result.a with respect to args[0].a, in reverse mode" in text


@pytest.mark.filterwarnings("ignore:gradcheck. an input is of single precision")
def test_single_precision_is_the_first_that_may_be_the_matter():
    x = dualad.tensor([0.3, 0.7], requires_grad=True)
    text = _report(dualad.autograd.gradcheck, lambda x: dualad.exp(x), x)
    assert "input 0 is of single precision, in which differences with eps=1e-06 are mostly rounding" in text
    assert "kink" not in text


def test_arguments_of_check_grads_are_checked():
    with pytest.raises(TypeError, match=r"args must be a tuple of f's arguments: \(x,\), got"):
        check_grads(np.sin, np.ones(2))
    with pytest.raises(TypeError, match="no floating-point array or number"):
        check_grads(np.sin, (1, "a"))
    with pytest.raises(ValueError, match="modes must be"):
        check_grads(np.sin, (1.0,), modes=["forward"])
    with pytest.raises(ValueError, match="order must be 1 or more"):
        check_grads(np.sin, (1.0,), 0)


def test_random_functions_of_two_outputs_and_a_plain_cotangent():
    """The pullback of an op of several outputs keeps its history, whatever the cotangents are."""
    a = np.random.default_rng(0).standard_normal((3, 3))
    u, v = np.ones(3), np.arange(9.0).reshape(3, 3)
    _, pull = dualad.vjp(lambda a: tuple(np.linalg.eigh(a + a.T)), a)
    mixed = dualad.jvp(lambda v: pull((u, v))[0], (v,), (v,))[1]
    np.testing.assert_allclose(mixed, pull((0 * u, v))[0], rtol=1e-12)


# -- how a test shows it -------------------------------------------------------------------------------

FAILING = """
import numpy as np
import dualad
from dualad.op import Op
from dualad.rules import Scale
from dualad.testing import check_grads, gradcheck

half = Op("_half(x)", Scale(lambda xp, x: x), compute=lambda xp, x: x * x)

def test_pytorch():
    gradcheck(half, dualad.tensor([1.0, 3.0], dtype=dualad.float64, requires_grad=True))

def test_functional():
    check_grads(half, order=1)(np.array([1.0, 3.0]))
"""


def test_pytest_shows_the_line_and_the_whole_report(tmp_path):
    path = tmp_path / "test_mine.py"
    path.write_text(FAILING)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(path)]
    shown = subprocess.run([sys.executable, "-m", "pytest", *options], capture_output=True, text=True)
    assert shown.returncode == 1, shown.stderr
    lines = shown.stdout.splitlines()
    assert ">       check_grads(half, order=1)(np.array([1.0, 3.0]))".replace("       ", "   ", 1) in (
        line.replace("       ", "   ", 1) for line in lines
    )
    assert "E           d (output 0)[1] / d (input 0)[1]" in lines
    assert "E           numerical:  6" in lines
    assert not [line for line in lines if "dualad/testing/" in line and not line.startswith("E")], (
        shown.stdout
    )


def test_an_error_of_gradcheck_is_a_failed_assertion():
    assert issubclass(GradcheckError, AssertionError)
    assert issubclass(GradcheckError, RuntimeError)  # as PyTorch's


def test_options_have_pytorchs_names_and_defaults():
    """As in PyTorch's documentation, but for `masked`, which is about sparse Tensors."""
    shared = {
        "eps": 1e-6, "atol": 1e-5, "rtol": 1e-3, "raise_exception": True, "nondet_tol": 0.0,
        "check_undefined_grad": True, "check_grad_dtypes": False, "check_batched_grad": False,
        "fast_mode": False,
    }  # fmt: skip
    one = {"check_batched_forward_grad": False, "check_forward_ad": False, "check_backward_ad": True}
    two = {"gen_non_contig_grad_outputs": False, "check_fwd_over_rev": False, "check_rev_over_rev": True}
    for check, own in ((gradcheck, one), (gradgradcheck, two)):
        parameters = inspect.signature(check).parameters.values()
        keywords = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        assert keywords == shared | own


def test_spread_cotangents_are_spread():
    strides = set()

    def watching(x):
        y = x * 2
        y.register_hook(lambda g: strides.add(g._raw.strides))
        return y

    for spread in (False, True):
        strides.clear()
        assert gradgradcheck(watching, _leaf(3), gen_non_contig_grad_outputs=spread)
        assert (16,) in strides if spread else strides == {(8,)}
