"""Anomaly mode names what makes the first NaN or infinity; errors in a backward pass name their op."""

import asyncio
import functools
import inspect
import linecache
import re
import threading
import weakref

import numpy as np
import pytest
from conftest import needs

import dualad
from dualad.autograd import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from dualad.engine.lines import user_line
from dualad.engine.recording import RECORDING
from dualad.errors import AnomalyError, GradientError, MissingDerivativeError
from dualad.op import REGISTRY, Op
from dualad.rules import Differential, Missing, Scale

# NumPy warns of what anomaly mode is about.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(autouse=True)
def _nobody_looks_on():
    yield
    assert RECORDING.get() is True, "a test left an observer"


def _raised(f, *args, **checks):
    """Return the error that f raises in anomaly mode."""
    with pytest.raises(AnomalyError) as raised, detect_anomaly(**checks):
        f(*args)
    return raised.value


def _at(marker):
    """Return the number of the line of this file that ends with a comment."""
    lines, _ = inspect.getsourcelines(inspect.getmodule(_at))
    (number,) = [n for n, line in enumerate(lines, 1) if line.rstrip().endswith(f"# {marker}")]
    return number


def _tensor(values, device="cpu", dtype=dualad.float64, grad=True):
    needs(dtype, device)
    return dualad.asarray(values, dtype=dtype, device=device, requires_grad=grad)


# -- in the forward pass -----------------------------------------------------------------------------


def _loss(p):
    q = p * 2
    return dualad.log(q).sum()  # the log


def test_the_op_the_shapes_and_the_line_are_named(device):
    error = _raised(_loss, _tensor([[1.0, 0.0, 2.0]], device))
    assert (error.op, error.phase) == ("log", "forward")
    assert (error.line.filename, error.line.number) == (__file__, _at("the log"))
    assert (error.line.function, error.line.source) == (
        "_loss", "return dualad.log(q).sum()  # the log",
    )  # fmt: skip
    text = str(error)
    assert text.startswith(
        "log made an infinity of finite numbers: its result is -inf at [0, 1] (1 of 3 elements).\n"
    )
    assert f'  File "{__file__}", line {_at("the log")}, in _loss\n    return dualad.log(q).sum()' in text
    assert "  x: (1, 3) float64, from 0 to 4, 0 at [0, 1]\n" in text
    assert "  result: (1, 3) float64, from 0.693147 to 1.38629 where finite" in text
    # Which of its calls it was: the callers, the outermost first, without those of libraries.
    assert text.index("f(*args)") < text.index("in _loss")
    assert "_pytest" not in text


def _minus(x):
    return x - x


MADE = {
    "a NaN of infinities": (lambda: _minus(_tensor([np.inf])), "subtract", "NaN"),
    "0 / 0": (lambda: _tensor([0.0]) / 0, "divide", "NaN"),
    "1 / 0": (lambda: 1 / _tensor([0.0]), "divide", "infinity"),
    "of integers": (lambda: dualad.asarray([1]) / dualad.asarray([0]), "divide", "infinity"),
    "of a number": (lambda: dualad.log(-1.0), "log", "NaN"),
    "overflow": (lambda: dualad.exp(_tensor([1e3])), "exp", "infinity"),
    "in a conversion": (lambda: _tensor([1e300]).to(dualad.float32), "astype", "infinity"),
    "of nothing": (lambda: dualad.mean(dualad.zeros(0)), "mean", "NaN"),
    "complex": (lambda: dualad.reciprocal(_tensor([0.0], dtype=dualad.complex128)), "reciprocal", "NaN"),
    "half": (lambda: _tensor([6e4], dtype=dualad.float16) * 2, "multiply", "infinity"),
    "by NumPy's function": (lambda: np.log(_tensor([0.0])), "log", "infinity"),
    "by a method": (lambda: _tensor([0.0]).log(), "log", "infinity"),
    "in place": (lambda: _tensor([1.0], grad=False).div_(0.0), "divide", "infinity"),
    "of constants": (lambda: dualad.log(dualad.zeros(1)), "log", "infinity"),
    "where all is masked": (lambda: _minus(dualad.full((2,), -dualad.inf)), "subtract", "NaN"),
    "beside a NaN that came in": (lambda: dualad.log(_tensor([np.nan, 0.0])), "log", "infinity"),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_what_makes_a_nan_or_an_infinity_raises(name):
    f, op, kind = MADE[name]
    error = _raised(f)
    assert error.op == op
    assert f"made a{'n infinity' if kind == 'infinity' else ' NaN'} of" in str(error)


X = np.array([0.0, 1.0, -1.0, 2.0])
PASS = {
    "a mask of -inf": lambda x: dualad.softmax(x + dualad.where(x > 0, 0.0, -dualad.inf), 0),
    "masked_fill": lambda x: dualad.softmax(dualad.masked_fill(x, x < 0, -dualad.inf), 0),
    "log_softmax": lambda x: dualad.log_softmax(dualad.where(x > 0, x, -dualad.inf), 0)[1],
    "logsumexp": lambda x: dualad.logsumexp(dualad.where(x > 0, x, -dualad.inf), 0),
    "the largest of what counts": lambda x: dualad.max(dualad.where(x > 0, x, -dualad.inf)),
    "a NaN for what is missing": lambda x: np.nansum(dualad.where(x > 0, x, dualad.nan)),
    "a NaN filled in": lambda x: dualad.where(x > 0, x, np.nan),
    "an infinity made on purpose": lambda x: dualad.minimum(x, dualad.full_like(x.detach(), dualad.inf)),
    "a bound of inf": lambda x: dualad.clip(x, -dualad.inf, 1.0),
    "comparisons": lambda x: dualad.where(dualad.isnan(x / dualad.inf), 0.0, x),
    "integers": lambda x: x * dualad.argsort(x.detach()).to(x.dtype),
    "x log x": lambda x: dualad.special.xlogy(dualad.abs(x), dualad.abs(x)),
    "a norm at 0": lambda x: dualad.linalg.vector_norm(x * 0),
    "a double where": lambda x: dualad.where(x > 0, dualad.log(dualad.where(x > 0, x, 1.0)), 0.0),
    "a root whose slope is masked": lambda x: dualad.where(x > 0, dualad.sqrt(dualad.abs(x)), 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", PASS)
def test_what_is_meant_passes_at_both_orders_and_in_forward_mode(name, device):
    f = PASS[name]
    x = _tensor(X, device)
    with detect_anomaly():
        y = dualad.sum(dualad.where(x > 0, f(x), 0.0) ** 2)
        (g,) = dualad.autograd.grad(y, x, create_graph=True)
        if g.requires_grad:
            dualad.autograd.grad((g * g).sum(), x)
        dualad.jvp(f, (x.detach(),), (dualad.ones_like(x.detach()),))


def test_what_came_in_passes_unless_inputs_are_checked():
    x = _tensor([1.0, np.nan], grad=False)
    with detect_anomaly():
        dualad.sin(x)
    error = _raised(dualad.sin, x, check_inputs=True)
    assert str(error).startswith("sin was given a NaN by its argument x: its result is nan at [1] (1 of 2")
    with detect_anomaly(check_inputs=True):
        dualad.isnan(x)
        dualad.where(dualad.isnan(x), 0.0, x)


def test_what_is_looked_for():
    with detect_anomaly(check_infinity=False):
        dualad.log(dualad.zeros(1))
    assert _raised(lambda: dualad.log(dualad.zeros(1) - 1), check_infinity=False).op == "log"
    x = _tensor([0.0])
    with detect_anomaly(check_forward=False):
        y = dualad.log(x)
        dualad.jvp(dualad.log, (x.detach(),), (x.detach() + 1,))
    assert _raised(y.backward, check_forward=False).phase == "backward"
    with detect_anomaly(check_nan=False):
        y = dualad.log(x)
        y.backward()
    assert x.grad.item() == np.inf
    assert "_looked_for: y = dualad.log(x)" in y.grad_fn.line


# -- which line it is --------------------------------------------------------------------------------


class _Model:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return [self.part(x, k) for k in range(2)][1]

    def part(self, x, k):
        scaled = (
            x * k + dualad.log(x)  # a part
        )
        return scaled


def test_the_line_is_the_innermost_of_the_users():
    error = _raised(_Model(1.0), _tensor([0.0]))
    assert (error.line.function, error.line.number) == ("_Model.part", _at("a part"))
    assert error.line.caller.function.startswith("_Model.__call__")
    text = str(error)
    assert "    x * k + dualad.log(x)  # a part\n            ^^^^^^^^^^^^^\n" in text  # the very expression


def test_lines_through_numpy_scipy_and_transforms():
    optimize = pytest.importorskip("scipy.optimize")

    def f(x):
        return np.log(np.sum(x))  # inside

    zero = np.zeros(2)
    for call in (
        lambda: f(_tensor(zero)),
        lambda: dualad.grad(f)(zero),
        lambda: dualad.jvp(f, (zero,), (zero,)),
        lambda: dualad.vmap(f)(np.zeros((3, 2))),
        lambda: dualad.grad(lambda x: dualad.grad(f)(x).sum())(zero),
        lambda: optimize.root_scalar(lambda t: dualad.grad(f)(zero * t)[0], bracket=(0.0, 1.0)),
        lambda: np.apply_along_axis(dualad.grad(f), 0, zero),
        lambda: functools.reduce(lambda a, b: f(_tensor(zero)), [1, 2, 3]),
    ):
        error = _raised(call)
        assert (error.op, error.line.number) == ("log", _at("inside"))


def test_lines_of_programs_that_are_in_no_file():
    source = "def h(x):\n    return dualad.log(x)\n"
    space = {"dualad": dualad}
    exec(source, space)
    error = _raised(space["h"], _tensor([0.0]))
    assert (error.line.filename, error.line.number, error.line.source) == ("<string>", 2, "")
    assert '  File "<string>", line 2, in h\n' in str(error)
    # A notebook's cells are known to linecache.
    name = "<ipython-input-7-abc>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), space)
    error = _raised(space["h"], _tensor([0.0]))
    assert str(error.line) == f"{name}:2, in h: return dualad.log(x)"
    assert f'  File "{name}", line 2, in h\n    return dualad.log(x)\n' in str(error)
    del linecache.cache[name]


def test_lines_keep_nothing_alive():
    """A frame would keep all of its variables."""

    class Large:
        pass

    large = Large()
    gone = []
    weakref.finalize(large, gone.append, 1)
    line = user_line(3)
    del large
    assert gone == [1]
    assert line.function == "test_lines_keep_nothing_alive"


# -- in the backward pass ------------------------------------------------------------------------------


def test_a_backward_anomaly_has_the_line_of_the_forward_call(device):
    x = _tensor([[4.0, 0.0]], device)

    def program():
        y = dualad.sqrt(x)  # the root
        z = (3 * y).sum()
        z.backward()

    error = _raised(program)
    assert (error.op, error.phase, error.line.number) == ("sqrt", "backward", _at("the root"))
    lines = str(error).splitlines()
    assert lines[0] == (
        "the backward pass of sqrt made an infinity: the gradient in x is inf at [0, 1] (1 of 2 elements)."
    )
    assert "  cotangent: (1, 2) float64, all 3" in lines
    assert "  result: (1, 2) float64, from 0 to 2, 0 at [0, 1]" in lines
    assert not getattr(error, "__notes__", [])  # all is said


def test_a_backward_anomaly_whose_forward_call_was_not_seen():
    y = dualad.sqrt(_tensor([0.0]))
    error = _raised(y.backward)
    assert error.line is None
    assert "the line of the forward call is not known: it was not inside detect_anomaly()" in str(error)
    assert error.__notes__ == ["This is from the backward pass, at SqrtBackward0."]


def test_a_nan_that_is_given_to_a_backward_pass():
    x = _tensor([1.0, 2.0])

    def program():
        y = x * 3
        y.backward(_tensor([0.0, np.nan], grad=False))

    assert "the backward pass of multiply was given a NaN: the gradient in x1 is nan at [1]" in str(
        _raised(program)
    )


def test_arguments_are_named_in_every_kind_of_op():
    x, y = _tensor([0.0, 1.0]), _tensor([2.0, 0.5])

    def power():
        dualad.pow(y - y.detach(), x * 0.5).sum().backward()

    assert "the gradient in x1 is" in str(_raised(power))

    class Bad(dualad.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * b

        @staticmethod
        def backward(ctx, g):
            return g, g * dualad.nan

    error = _raised(lambda: Bad.apply(x, y).sum().backward())
    assert "of multiply made a NaN" not in str(error)  # NaN came in there
    assert "the gradient in argument 1 is nan at [0] (2 of 2 elements)" in str(error)
    assert error.op == "Bad"


def test_what_a_functions_own_backward_computes_is_looked_at():
    class Mine(dualad.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * 2

        @staticmethod
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            return dualad.where(a > 0, g / a, 0.0)  # my own

    error = _raised(lambda: Mine.apply(_tensor([0.0])).sum().backward())
    assert (error.op, error.phase, error.line.number) == ("divide", "forward", _at("my own"))
    assert any("at MineBackward" in note for note in error.__notes__)


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda f, x: dualad.grad(dualad.grad(f))(x),
        lambda f, x: dualad.jvp(dualad.grad(f), (x,), (1.0,)),
        lambda f, x: dualad.grad(lambda x: dualad.jvp(f, (x,), (1.0,))[1])(x),
        lambda f, x: dualad.jvp(lambda x: dualad.jvp(f, (x,), (1.0,))[1], (x,), (1.0,)),
        lambda f, x: dualad.vmap(dualad.grad(dualad.grad(f)))(np.array([x, 1.0])),
        lambda f, x: dualad.hessian(lambda v: f(v[0]))(np.array([x])),
    ],
)
def test_second_derivatives_in_all_modes(differentiate):
    """The function has a slope at 0, and no second derivative."""

    def f(x):
        return x**1.5  # the power

    error = _raised(differentiate, f, 0.0)
    assert (error.line.number, error.line.function.rpartition(".")[2]) == (_at("the power"), "f")
    assert error.phase in ("backward", "tangent")
    with detect_anomaly():
        dualad.grad(f)(0.0)
        dualad.jvp(f, (0.0,), (1.0,))
        differentiate(f, 1.0)


def test_a_recorded_pass_has_the_lines_of_the_ops():
    x = _tensor([0.0])

    def program():
        y = (x**1.5).sum()  # first
        (g,) = dualad.autograd.grad(y, x, create_graph=True)
        g.sum().backward()

    assert _raised(program).line.number == _at("first")


def test_forward_mode(device):
    x, t = _tensor([0.0, 4.0], device, grad=False), _tensor([1.0, 1.0], device, grad=False)
    error = _raised(dualad.jvp, dualad.sqrt, (x,), (t,))
    assert (error.op, error.phase) == ("sqrt", "tangent")
    lines = str(error).splitlines()
    assert lines[0] == (
        "the derivative of sqrt made an infinity in forward mode: the tangent of its result is inf at [0] "
        "(1 of 2 elements)."
    )
    assert "  tangent: (2,) float64, all 1" in lines
    with detect_anomaly():
        dualad.jvp(lambda x: x * 2, (x,), (t * np.nan,))  # it came in


# -- modes ---------------------------------------------------------------------------------------------


def test_it_is_on_where_it_was_switched_on():
    assert not is_anomaly_enabled()
    with detect_anomaly():
        assert is_anomaly_enabled()
        with detect_anomaly(check_nan=False):
            assert dualad.is_anomaly_enabled()
            assert not dualad.is_anomaly_check_nan_enabled()
            dualad.log(dualad.zeros(1))
        with set_detect_anomaly(False):
            assert not is_anomaly_enabled()
            dualad.log(dualad.zeros(1))
        assert dualad.is_anomaly_check_nan_enabled()
        with dualad.no_grad(), pytest.raises(AnomalyError):
            dualad.log(dualad.zeros(1))
    set_detect_anomaly(True)
    assert is_anomaly_enabled()
    set_detect_anomaly(False)
    assert not is_anomaly_enabled()
    mode = detect_anomaly()
    with mode, mode:
        assert is_anomaly_enabled()
    assert not is_anomaly_enabled()
    with pytest.raises(TypeError):
        set_detect_anomaly(True, check_everything=True)
    assert not is_anomaly_enabled()


def test_errors_leave_it_as_it_was():
    with pytest.raises(KeyError), detect_anomaly():
        raise KeyError
    with detect_anomaly():
        with pytest.raises(AnomalyError):
            dualad.jvp(dualad.sqrt, (0.0,), (1.0,))
        with pytest.raises(AnomalyError):
            dualad.grad(dualad.sqrt)(0.0)
        assert RECORDING.get().within is None
        with pytest.raises(AnomalyError):  # and goes on looking
            dualad.log(dualad.zeros(1))
    assert dualad.grad(dualad.sqrt)(4.0) == 0.25


def test_each_thread_and_task_has_its_own():
    seen = []
    with detect_anomaly():
        thread = threading.Thread(target=lambda: seen.append(is_anomaly_enabled()))
        thread.start()
        thread.join()

    async def watch():
        with detect_anomaly():
            await asyncio.sleep(0)
            seen.append(is_anomaly_enabled())

    async def rest():
        await asyncio.sleep(0)
        seen.append(is_anomaly_enabled())

    async def both():
        await asyncio.gather(watch(), rest())

    asyncio.run(both())
    assert seen == [False, True, False]


def test_off_it_costs_nothing():
    y = _tensor([1.0]).exp()
    assert RECORDING.get() is True  # what ops ask first
    assert not hasattr(y.grad_fn, "_metadata")
    assert y.grad_fn.line is None


# -- every error in a backward pass ----------------------------------------------------------------------


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


class _Mine(Exception):
    pass


def _raise(*args):
    raise _Mine("my words")


def _freed():
    y = (_tensor([1.0]) ** 2).sum()
    y.backward()
    y.backward()


def _hooked(hook):
    y = _tensor([1.0]).exp()
    y.register_hook(hook)
    y.sum().backward()


class _Failing(dualad.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    backward = staticmethod(_raise)


def _failing():
    _Failing.apply(_tensor([1.0])).sum().backward()


def _singular_rule():
    def stuck(xp, t, x):
        raise np.linalg.LinAlgError("Singular matrix")

    op = Op("_stuck(x)", Differential(stuck), compute=lambda xp, x: x * 1)
    del REGISTRY["_stuck"]
    op(_tensor([1.0])).sum().backward()


def _interrupted(*args):
    raise KeyboardInterrupt


def _missing():
    dualad.special.jv(_tensor([0.5]), _tensor([1.0], grad=False)).sum().backward()


ERRORS = {
    "a hook's own error": (lambda: _hooked(_raise), _Mine, "my words", "ExpBackward0"),
    "a hook's result": (lambda: _hooked(lambda g: g[:0]), GradientError, "changed the size", "ExpBackward0"),
    "a freed graph": (_freed, GradientError, "a second time", "PowBackward0"),
    "no derivative": (_missing, MissingDerivativeError, "jv", "JvBackward0"),
    "a rule of linear algebra": (_singular_rule, GradientError, "no derivative here", "StuckBackward0"),
    "a Function's own error": (_failing, _Mine, "my words", "_FailingBackward"),
    "KeyboardInterrupt": (lambda: _hooked(_interrupted), KeyboardInterrupt, None, "ExpBackward0"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_in_a_backward_pass_names_the_op(name):
    f, kind, words, node = ERRORS[name]
    with pytest.raises(kind, match=words) as raised:
        f()
    assert type(raised.value) is kind
    assert raised.value.__notes__ == [f"This is from the backward pass, at {node}."]
    with pytest.raises(kind) as raised, detect_anomaly():
        f()
    (note,) = raised.value.__notes__
    assert note.startswith(f"This is from the backward pass, at {node}, whose op was called here:\n  File ")
    assert __file__ in note


def test_notes_do_not_pile_up(op):
    # A Differential's adjoint is walked on a tape of its own, whose nodes are none of the user's.
    missing = op("_inner(x)", Missing("nobody knows"), compute=lambda xp, x: x * 1)
    outer = op("_outer(x)", Differential(lambda xp, t, x: missing.within(xp, t)), compute=lambda xp, x: x * 1)
    with pytest.raises(MissingDerivativeError) as raised:
        outer(_tensor([1.0])).sum().backward()
    assert raised.value.__notes__ == ["This is from the backward pass, at OuterBackward0."]

    # One error raised twice.
    mine = _Mine()
    for _ in range(2):
        with pytest.raises(_Mine):
            _hooked(functools.partial(_throw, mine))
    assert mine.__notes__ == ["This is from the backward pass, at ExpBackward0."]

    # A pass inside of a pass: both ops are the user's, and each is named once.
    def inside(g):
        with dualad.enable_grad():
            _hooked(_raise)

    y = dualad.sin(_tensor([1.0]))
    y.register_hook(inside)
    with pytest.raises(_Mine) as raised:
        y.backward()
    assert [re.search(r"at (\w+)", note)[1] for note in raised.value.__notes__] == [
        "ExpBackward0", "SinBackward0",
    ]  # fmt: skip


def _throw(error, _):
    raise error


def test_rules_of_ones_own_are_looked_at_by_their_results(op):
    """What is infinite inside of a rule, and masked there, is none of the user's business."""
    masked = op("_masked(x)", Scale(lambda xp, x: xp.where(x > 0, 1 / x, 0.0)), compute=lambda xp, x: x * 1)
    crude = op("_crude(x)", Scale(lambda xp, x: 1 / x), compute=lambda xp, x: x * 1)
    x = _tensor([0.0, 1.0])
    with detect_anomaly():
        (g,) = dualad.autograd.grad(masked(x).sum(), x, create_graph=True)
        dualad.jvp(lambda x: dualad.jvp(masked, (x,), (x * 0 + 1,)), (x.detach(),), (x.detach() * 0,))
    assert g[0] == 0
    for create_graph in (False, True):
        error = _raised(lambda c=create_graph: crude(x).sum().backward(create_graph=c))
        assert (error.op, error.phase) == ("_crude", "backward")
