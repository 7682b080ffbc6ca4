"""primitive: ops of the user's, told as the library's are; and check_rule, that tests them."""

import pickle
import warnings

import numpy as np
import pytest
from alike import check_alike
from conftest import needs

import dualad
from dualad import batching
from dualad.batching import BatchLoopWarning
from dualad.op import REGISTRY
from dualad.rules import Differential, Joint, Linear, Scale, Weighted
from dualad.testing import GradcheckError, check_rule


@dualad.primitive(Scale(lambda xp, x: 3 * x * x))
def cube(x):
    """The third power."""
    return x * x * x


@dualad.primitive(
    Scale(lambda xp, x, w, *, power: power * x ** (power - 1) * w),
    Scale(lambda xp, x, *, power: x**power),
    name="weighted",
)
def weighted_power(xp, x, w, *, power=2):
    return x**power * w


@dualad.primitive(Differential(lambda xp, t, y: -y @ t @ y), batch=batching.broadcast)
def inverse(xp, a):
    return xp.linalg.inv(a)


@dualad.primitive(
    Linear(lambda xp, g, like, b: g @ xp.matrix_transpose(xp.conj(b))),
    Linear(lambda xp, g, like, a: xp.matrix_transpose(xp.conj(a)) @ g),
    shape=lambda a, b: (a.shape[0], b.shape[1]),
)
def product(xp, a, b):
    return a @ b


@dualad.primitive(Weighted(lambda xp, x: 2 * x))
def energy(xp, x, *, axis=(1,), keepdims=False):
    return xp.sum(x * x, axis=axis, keepdims=keepdims)


@dualad.primitive(Joint(lambda xp, g, like, *, position: g))
def total(*arrays):
    return sum(arrays)


@dualad.primitive(Scale(lambda xp, x, y: (y[1], -y[0])))
def sine_and_cosine(xp, x):
    return xp.sin(x), xp.cos(x)


def _points(device, *shapes):
    needs(dualad.float64, device)
    rng = np.random.default_rng(0)
    return [dualad.asarray(rng.uniform(0.3, 0.9, s), device=device) for s in shapes]


def test_scales(device):
    check_alike(cube, lambda x: x**3, _points(device, (3,)))
    check_alike(weighted_power, lambda x, y: x**2 * y, _points(device, (3,), (2, 1)))
    check_alike(
        lambda x, y: weighted_power(x, y, power=3), lambda x, y: x**3 * y, _points(device, (3,), (3,))
    )
    both = lambda x: dualad.sum(dualad.stack(sine_and_cosine(x)), axis=0)  # noqa: E731
    check_alike(both, lambda x: dualad.sin(x) + dualad.cos(x), _points(device, (3,)))


def test_matrices(device):
    check_alike(
        inverse,
        dualad.linalg.inv,
        [_points(device, (2, 2))[0] + 3 * dualad.eye(2, dtype="float64", device=device)],
    )


@pytest.mark.filterwarnings("ignore::dualad.batching.BatchLoopWarning")
def test_linear_maps(device):
    check_alike(product, dualad.matmul, _points(device, (2, 3), (3, 2)))
    check_alike(energy, lambda x: (x * x).sum(1), _points(device, (2, 3)))
    check_alike(total, lambda x, y: x + y, _points(device, (2,), (2,)))


def test_numpy_arrays_and_numbers_go_in():
    assert cube(np.array([1.0, 2.0])).tolist() == [1.0, 8.0]
    assert cube(2.0).item() == 8.0
    assert dualad.grad(cube)(2.0) == 12.0
    assert dualad.grad(dualad.grad(dualad.grad(cube)))(2.0) == 6.0
    assert cube(dualad.tensor(2.0, requires_grad=True)).grad_fn.name() == "CubeBackward0"


def test_what_the_function_gives_becomes_an_array():
    @dualad.primitive(Differential(lambda xp, t, x: xp.sum(2 * x * t)))
    def squares(x):
        return float(x @ x)

    @dualad.primitive(Scale(lambda xp, x: xp.cos(x)))
    def by_dualad(x):
        return dualad.sin(x)

    x = np.array([1.0, 2.0])
    assert squares(x).dtype is dualad.float64
    assert dualad.grad(squares)(x).tolist() == [2.0, 4.0]
    check_alike(by_dualad, dualad.sin, [dualad.asarray(x)])

    @dualad.primitive(Scale(1))
    def nothing(x):
        return "x"

    with pytest.raises(TypeError, match="nothing: the function must return an array, got str"):
        nothing(x)


def test_the_library_does_not_see_them():
    assert "cube" not in REGISTRY
    assert "weighted" not in REGISTRY

    def sin(x):
        return x

    with pytest.raises(ValueError, match="dualad has an op named 'sin'; give this one another name"):
        dualad.primitive(Scale(1))(sin)
    assert REGISTRY["sin"] is dualad.sin
    assert dualad.primitive(Scale(1), name="my_sin")(sin).name == "my_sin"


def test_names_documentation_and_pickles():
    assert repr(cube) == "<dualad op cube>"
    assert cube.__doc__ == "The third power."
    assert weighted_power.name == weighted_power.__name__ == "weighted"
    assert pickle.loads(pickle.dumps(cube)) is cube
    assert str(weighted_power.__signature__) == "(x, w, *, power=2)"


def test_maps_may_be_shared():
    double = Scale(2)

    @dualad.primitive(double, double)
    def twice_the_sum(a, b):
        return 2 * (a + b)

    check_alike(twice_the_sum, lambda x, y: 2 * (x + y), _points("cpu", (2,), (2,)))


def test_an_op_in_the_rule_of_another():
    """The shape of what it gives, where only that of an argument is known, is found by calling it."""

    @dualad.primitive(Linear(lambda xp, g, like: xp.flip(g, axis=(0,)).T))
    def flipped(x):
        return x.T[::-1]

    @dualad.primitive(Differential(lambda xp, t, x: flipped(t * x) + flipped(x * t)), batch=batching.loop)
    def flipped_square(x):
        return (x * x).T[::-1]

    x = np.arange(1.0, 7.0).reshape(2, 3)
    g = np.arange(1.0, 7.0).reshape(3, 2)
    assert dualad.vjp(flipped_square, x)[1](g)[0].tolist() == (2 * x * g[::-1].T).tolist()

    @dualad.primitive(Linear(lambda xp, g, like: g))
    def picky(x):
        if not np.any(x):
            raise ValueError("zeros")
        return x * 1

    @dualad.primitive(Differential(lambda xp, t: picky(t)), name="calls_picky")
    def outer(x):
        return x * 1

    with pytest.raises(
        dualad.ShapeError, match=r"picky: a rule calls it where only the shape .* Tell .* shape=lambda"
    ):
        dualad.grad(lambda x: outer(x).sum())(x)


def test_batches_by_a_loop_say_so_once():
    @dualad.primitive(Linear(lambda xp, g, like: g[::-1]))
    def turned(x):
        return x[::-1]

    x = np.arange(6.0).reshape(2, 3)
    with pytest.warns(BatchLoopWarning, match="turned has no rule for batches"):
        y = dualad.vmap(turned)(x)
    assert y.tolist() == x[:, ::-1].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dualad.vmap(turned)(x)


# -- what is refused -------------------------------------------------------------------------------


def test_wrong_calls():
    with pytest.raises(TypeError, match=r"cube: expected 1 arrays by position, \(x\), got 2"):
        cube(1.0, 2.0)
    with pytest.raises(TypeError, match="weighted: unexpected keyword argument 'n'"):
        weighted_power(1.0, 2.0, n=3)
    needy = dualad.primitive(Scale(1))(lambda x, *, n: x)
    with pytest.raises(TypeError, match="missing keyword argument 'n'"):
        needy(1.0)


DEFINITIONS = {
    "too few maps": ((Scale(1),), lambda x, w: x, "1 maps for 2 arguments, x, w; give None"),
    "y": ((Scale(1),), lambda y: y, "an argument cannot be called 'y': in rules that is the result"),
    "no map": ((lambda xp, x: x,), lambda x: x, r"expected maps, such as Scale\(rule\), got function"),
    "a default": (
        (Scale(1),),
        lambda x=1: x,
        "array argument 'x' has a default; put what is no array behind",
    ),
    "keywords": ((Scale(1),), lambda x, **more: x, r"name the keywords, instead of \*\*more"),
    "none": ((), lambda xp: 1, "expected array arguments by position"),
    "a value": ((Scale(lambda xp, z: z),), lambda x: x, "a rule reads 'z', which is none of"),
    "a keyword": (
        (Scale(lambda xp, *, n: n),),
        lambda x: x,
        "a rule reads 'n', which is none of its keywords",
    ),
}


@pytest.mark.parametrize("case", DEFINITIONS)
def test_wrong_definitions(case):
    maps, f, message = DEFINITIONS[case]
    with pytest.raises(TypeError, match=message):
        dualad.primitive(*maps)(f)


# -- check_rule ------------------------------------------------------------------------------------


def test_right_rules_pass():
    x, y = np.array([[0.5, 1.5, 0.7]]), np.array([2.0, 3.0, 4.0])
    check_rule(cube, (x,), (x + 1j * y,), (np.array(0.5),))
    check_rule(weighted_power, (x, y), (x, y, {"power": 3}))
    check_rule(inverse, (np.array([[2.0, 1.0], [0.5, 3.0]]),), (np.array([[2.0, 1j], [0.5, 3.0]]),))
    check_rule(product, (np.ones((2, 3)), np.arange(6.0).reshape(3, 2)))
    check_rule(energy, (x,), (x, {"axis": (0,), "keepdims": True}))
    check_rule(total, (x, y))
    check_rule(sine_and_cosine, (x,))


def test_other_functions_with_rules_can_be_checked():
    f = dualad.custom_vjp(lambda x, n: x**n)
    f.defvjp(lambda x, n: (x**n, (x, n)), lambda r, g: (g * r[1] * r[0] ** (r[1] - 1), None))
    check_rule(f, (np.array([0.5, 2.0]), 3))
    check_rule(dualad.sin, (np.array([0.5, 2.0]),))


def _wrong_factor():
    return dualad.primitive(Scale(lambda xp, x: 2 * x), name="wrong")(lambda x: x * x * x)


def _wrong_adjoint():
    rule = Linear(lambda xp, g, like: 2 * g)
    return dualad.primitive(rule, name="wrong", shape=lambda x: x.shape, batch=batching.broadcast)(
        lambda x: 3 * x
    )


def _wrong_argument():
    maps = Scale(lambda xp, x, w: w), Scale(lambda xp, x, w: w)
    return dualad.primitive(*maps, name="wrong")(lambda x, w: x * w)


def _wrong_precision():
    return dualad.primitive(Scale(1), name="wrong")(lambda x: x + np.zeros(1))


def _wrong_shape():
    rule = Linear(lambda xp, g, like: xp.broadcast_to(g, like.shape))
    return dualad.primitive(rule, name="wrong", shape=lambda x: x.shape, batch=batching.loop)(
        lambda x: x.sum()
    )


def _wrong_batch():
    rule = Linear(lambda xp, g, like: xp.flip(g, axis=(0,)))
    return dualad.primitive(rule, name="wrong", batch=batching.broadcast)(lambda x: x[::-1])


def _wrong_second():
    """Its factor is a constant for the derivatives of the derivative."""
    rule = Scale(
        lambda xp, x: 3 * dualad.stop_gradient(x) ** 2 if isinstance(x, dualad.Tensor) else 3 * x * x
    )
    return dualad.primitive(rule, name="wrong")(lambda x: x * x * x)


FAULTS = {
    "factor": (
        _wrong_factor, r"check_rule: wrong: (?s:.*)wrong with respect to x, in reverse mode(?s:.*)worst is"
        r"(?s:.*)numerical:  12(?s:.*)analytical: 4",
    ),
    "adjoint": (
        _wrong_adjoint, r"with respect to x, in reverse mode(?s:.*)numerical:  3(?s:.*)analytical: 2(?s:.*)"
        r"Right: wrong with respect to x, in forward mode",
    ),
    "argument": (
        _wrong_argument, r"wrong with respect to w, in reverse mode(?s:.*)Right: wrong with respect to x",
    ),
    "precision": (_wrong_precision, r"wrong: in single precision the value is .*float64, expected .*float32"),
    "shape": (
        _wrong_shape, r"of a result for a x that has but a shape, the op tells shape \(2,\) and dtype .*; "
        r"computed it is of \(\)",
    ),
    "batch": (_wrong_batch, r"wrong: the value by vmap over x and by the loop differ: worst at"),
    "second": (_wrong_second, r"Jacobian mismatch for the (tangent of|gradient in)"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_rules_are_found(fault):
    make, message = FAULTS[fault]
    x = np.array([1.0, 2.0])
    example = (x, x + 3) if fault == "argument" else (x,)
    with pytest.raises(GradcheckError, match=message) as caught:
        check_rule(make(), example)
    assert isinstance(caught.value, AssertionError)


def test_wrong_examples():
    with pytest.raises(TypeError, match="give an example"):
        check_rule(cube)
    with pytest.raises(
        TypeError, match=r"an example must be a tuple of the arrays of a call, .* got ndarray"
    ):
        check_rule(cube, np.ones(2))
    with pytest.raises(TypeError, match="cube: no argument of an example is of a floating dtype"):
        check_rule(cube, (np.arange(3),))


def test_a_tensor_with_a_history_is_no_keyword():
    @dualad.primitive(Scale(lambda xp, x, *, n: n * x ** (n - 1)))
    def power(x, *, n):
        return x**n

    x = np.array([0.5, 2.0])
    with pytest.raises(TypeError, match="power: the keyword argument 'n' is a Tensor"):
        dualad.grad(lambda n: power(x, n=n).sum())(2.0)
    with pytest.raises(TypeError, match="'n' is a Tensor that is differentiated, or batched"):
        dualad.vmap(lambda n: power(x, n=n))(np.array([2.0, 3.0]))
    with pytest.raises(TypeError, match="arrays go by position"):
        dualad.jvp(lambda n: power(x, n=[n, n]), (2.0,), (1.0,))
    assert dualad.grad(lambda x: power(x, n=2.0))(3.0) == 6.0


def test_the_decorator_is_called():
    def f(x):
        return x

    with pytest.raises(TypeError, match=r"f: primitive expected maps, .* write @primitive\(map"):
        dualad.primitive(f)


WRONG = {
    "a power": (Differential(lambda xp, t, x: t**2), "is not linear in t"),
    "an absolute value": (Differential(lambda xp, t: xp.abs(t)), "is not linear in t"),
    "a square": (Differential(lambda xp, t: t * t), "is not linear in t"),
    "no differential": (Differential(lambda xp, t: None), "gave NoneType, expected the tangent"),
    "no factor": (Scale(lambda xp, x: None), "gave NoneType, expected the factor"),
    "text for a factor": (Scale(lambda xp, x: "x"), "gave str, expected the factor"),
    "a short factor": (
        Scale(lambda xp, x: x[:2]),
        r"gave a factor of shape \(2,\), .* the result's shape, \(3,\)",
    ),
    "a broad factor": (Scale(lambda xp, x: xp.stack([x, x])), r"gave a factor of shape \(2, 3\), .* \(3,\)"),
    "no adjoint": (Linear(lambda xp, g, like: None), "gave NoneType, expected the cotangent"),
    "a short adjoint": (
        Linear(lambda xp, g, like: g[:2]),
        r"gave a cotangent of shape \(2,\), expected \(3,\)",
    ),
    "a broad adjoint": (
        Linear(lambda xp, g, like: xp.stack([g, g])),
        r"gave a cotangent of shape \(2, 3\), expected \(3,\)",
    ),
}


@pytest.mark.parametrize(("rule", "message"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_rule_is_named(rule, message):
    doubled = dualad.primitive(rule, name="doubled_wrongly")(lambda x: 2 * x)
    x = np.array([1.0, 2.0, 3.0])
    first = dualad.grad(lambda x: np.sum(doubled(x)))
    message = f"doubled_wrongly: the rule .* for argument 'x' {message}"
    for run in (
        lambda: first(x),
        lambda: dualad.grad(lambda x: np.sum(first(x)))(x),
        lambda: check_rule(doubled, (x,)),
    ):
        with pytest.raises((dualad.GradientError, dualad.ShapeError), match=message):
            run()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Scale(lambda xp, x: None), "for argument 'x' gave NoneType"),
        (Scale(lambda xp, x: x[:2]), r"for argument 'x' gave a factor of shape \(2,\)"),
        (
            Scale(lambda xp, x: xp.stack([x, x])),
            r"gave a tangent of shape \(2, 3\) for a result of shape \(3,\)",
        ),
        (Differential(lambda xp, t: None), "for argument 'x' gave NoneType, expected the tangent"),
    ],
)
def test_a_wrong_rule_is_named_in_forward_mode(rule, message):
    doubled = dualad.primitive(rule, name="doubled_wrongly")(lambda x: 2 * x)
    x = np.array([1.0, 2.0, 3.0])
    with pytest.raises((dualad.GradientError, dualad.ShapeError), match=f"doubled_wrongly: .*{message}"):
        dualad.jvp(doubled, (x,), (x,))


def test_rules_of_arguments_that_are_broadcast():
    @dualad.primitive(Scale(lambda xp, x, w: w), Scale(lambda xp, x, w: x))
    def times(x, w):
        return x * w

    check_rule(times, (np.array([1.0, 2.0, 3.0]), np.array([[0.5], [1.5]])))
    check_rule(times, (np.array(2.0), np.array([[0.5], [1.5]])))
