"""custom_vjp, custom_jvp, custom_gradient: in every mode, at every order, and what they refuse."""

import numpy as np
import pytest
from alike import all_close, check_alike, close
from conftest import needs

import dualad


def _points(device, *shapes, seed=0):
    needs(dualad.float64, device)
    rng = np.random.default_rng(seed)
    return [dualad.asarray(rng.uniform(0.3, 0.9, s), device=device) for s in shapes]


def plain(x, y):
    return dualad.sin(x) * y + x


def by_vjp(kept):
    """Return `plain` with a pullback whose residuals are arguments, or computed."""
    f = dualad.custom_vjp(lambda x, y: plain(x, y))
    if kept == "arguments":
        f.defvjp(lambda x, y: (plain(x, y), {"x": x, "y": y}),
                 lambda r, g: (g * (dualad.cos(r["x"]) * r["y"] + 1), g * dualad.sin(r["x"])))  # fmt: skip
    elif kept == "computed":
        f.defvjp(lambda x, y: (plain(x, y), (dualad.cos(x) * y + 1, dualad.sin(x))),
                 lambda r, g: (g * r[0], g * r[1]))  # fmt: skip
    else:  # the output, from which the sine is found again
        f.defvjp(lambda x, y: ((z := plain(x, y)), (x, y, z)),
                 lambda r, g: (g * (dualad.cos(r[0]) * r[1] + 1), g * (r[2] - r[0]) / r[1]))  # fmt: skip
    return f


def by_jvp():
    f = dualad.custom_jvp(plain)

    @f.defjvp
    def rule(primals, tangents):
        (x, y), (s, t) = primals, tangents
        return f(x, y), (dualad.cos(x) * y + 1) * s + dualad.sin(x) * t

    return f


def by_jvps():
    f = dualad.custom_jvp(plain)
    f.defjvps(lambda t, z, x, y: (dualad.cos(x) * y + 1) * t, lambda t, z, x, y: (z - x) / y * t)
    return f


def by_gradient():
    @dualad.custom_gradient
    def f(x, y):
        c, s = dualad.cos(x) * y + 1, dualad.sin(x)
        return plain(x, y), lambda g: (g * c, g * s)

    return f


WAYS = {
    "arguments": lambda: by_vjp("arguments"), "computed": lambda: by_vjp("computed"),
    "output": lambda: by_vjp("output"), "jvp": by_jvp, "jvps": by_jvps, "gradient": by_gradient,
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_mode_and_order(way, device):
    check_alike(WAYS[way](), plain, _points(device, (3,), (3,)))


@pytest.mark.parametrize("way", WAYS)
def test_arguments_that_are_constant(way, device):
    f = WAYS[way]()
    x, y = _points(device, (3,), (3,))
    check_alike(lambda x: f(x, y), lambda x: plain(x, y), [x])
    check_alike(lambda y: f(x, y), lambda y: plain(x, y), [y])


@pytest.mark.parametrize("way", ["computed", "jvp", "gradient"])
def test_third_derivatives(way):
    f = WAYS[way]()
    for outer in (dualad.grad, lambda h: lambda x: dualad.jvp(h, (x,), (1.0,))[1]):
        third = outer(dualad.grad(outer(lambda x: f(x, 2.0))))
        assert third(0.5) == pytest.approx(-2 * np.cos(0.5), rel=1e-12)


# -- whose derivative it is: rules that are not the derivative tell --------------------------------


def straight_through():
    f = dualad.custom_vjp(lambda x: dualad.round(x))
    f.defvjp(lambda x: (dualad.round(x), None), lambda r, g: (g * 3,))
    return f


def test_the_rule_is_used_at_each_level():
    f = straight_through()
    assert dualad.grad(f)(1.2) == 3.0
    assert dualad.jvp(f, (1.2,), (1.0,)) == (1.0, 3.0)
    value = lambda x: dualad.value_and_grad(lambda z: f(z) * x)(x)[0]  # noqa: E731  the outer level sees f's value
    assert dualad.grad(value)(1.2) == pytest.approx(3 * 1.2 + 1)
    assert dualad.jvp(value, (1.2,), (1.0,))[1] == pytest.approx(3 * 1.2 + 1)
    batch = np.array([0.2, 1.4])
    assert dualad.grad(lambda x: dualad.vmap(f)(x).sum())(batch).tolist() == [3.0, 3.0]
    assert dualad.vmap(dualad.grad(f))(batch).tolist() == [3.0, 3.0]
    x = dualad.tensor([0.2], requires_grad=True)
    f(x).backward()
    assert x.grad.tolist() == [3.0]


def clipped():
    f = dualad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda r, g: (dualad.clip(g, -1.0, 1.0),))
    return f


def test_a_gradient_is_clipped_on_its_way_back():
    f = clipped()
    assert dualad.grad(lambda x: 5 * f(x))(1.0) == 1.0
    assert dualad.jacrev(lambda x: np.stack([5 * f(x), f(x) / 2]))(1.0).tolist() == [1.0, 0.5]
    assert dualad.vmap(dualad.grad(lambda x: 5 * f(x)))(np.ones(2)).tolist() == [1.0, 1.0]
    # The program's own derivative: of the clipped gradient clip(x**2 * x, -1, 1), not of a Hessian.
    assert dualad.grad(dualad.grad(lambda x: f(x) ** 3 / 6))(0.5) == pytest.approx(0.5)
    assert dualad.grad(dualad.grad(lambda x: f(x) ** 3))(2.0) == 0.0


NOT_LINEAR = {
    "clips": lambda x, v: dualad.clip(v, -1.0, 1.0),
    "is affine": lambda x, v: v + 1,
    "is constant": lambda x, v: x,
    "is a square": lambda x, v: v**2,
    "is even": lambda x, v: v * dualad.where(v > 0, 1.0, -1.0),
    "normalizes": lambda x, v: v / dualad.sqrt(v * v),
    "leaves the tape": lambda x, v: v.detach() * x,
}


@pytest.mark.parametrize("rule", NOT_LINEAR.values(), ids=list(NOT_LINEAR))
def test_a_rule_that_is_not_linear_is_not_transposed(rule):
    f = dualad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, x), lambda x, g: (rule(x, g),))
    in_columns = lambda x: np.stack([f(x), f(x)])  # noqa: E731
    transposes = [
        lambda: dualad.jvp(f, (2.0,), (1.0,)),
        lambda: dualad.linearize(f, 2.0),
        lambda: dualad.jacobian(in_columns)(2.0),
        lambda: dualad.linearize(lambda x: dualad.vmap(f)(x), np.ones(2)),
    ]
    for transpose in transposes:
        for _ in range(2):
            with pytest.raises(dualad.GradientError, match="bwd is not linear in the cotangent"):
                transpose()
    dualad.grad(f)(2.0)

    g = dualad.custom_jvp(lambda x: x)
    g.defjvp(lambda primals, tangents: (primals[0], rule(primals[0], tangents[0])))
    dualad.jvp(g, (2.0,), (1.0,))
    for _ in range(2):
        with pytest.raises(dualad.GradientError, match="rule is not linear in the tangents"):
            dualad.grad(g)(2.0)


def test_a_rule_of_a_rule():
    inner = dualad.custom_jvp(lambda x: x**2)
    inner.defjvps(lambda t, y, x: 2 * x * t)
    outer = dualad.custom_vjp(lambda x: inner(x) * x)
    outer.defvjp(lambda x: (inner(x) * x, x), lambda x, g: (g * 3 * inner(x),))
    check_alike(outer, lambda x: x**3, _points("cpu", (2,)))


def test_the_forward_pass_runs_once():
    calls = []
    f = dualad.custom_vjp(lambda x: calls.append("f") or x * 2)
    f.defvjp(lambda x: calls.append("fwd") or (x * 2, x * 1), lambda r, g: calls.append("bwd") or (2 * g,))
    x = np.array([1.0, 2.0])
    f(x)
    assert calls == ["f"]
    calls.clear()
    dualad.grad(lambda x: f(x).sum())(x)
    assert calls == ["fwd", "bwd"]
    calls.clear()
    dualad.vmap(dualad.grad(f))(x)
    assert calls == ["fwd", "bwd"]
    calls.clear()
    with dualad.no_grad():
        f(dualad.tensor(x, requires_grad=True))
    assert calls == ["f"]


# -- pytrees, keywords, what is no array -----------------------------------------------------------


def test_pytrees_in_and_out(device):
    @dualad.custom_vjp
    def f(p, x):
        return {"y": p["w"] * x + p["b"][0], "n": None, "k": 3}

    def bwd(r, g):
        w, x = r
        assert set(g) == {"y", "n", "k"}
        return {"w": g["y"] * x, "b": (g["y"], None), "none": None}, g["y"] * w

    f.defvjp(lambda p, x: (f(p, x), (p["w"], x)), bwd)
    w, b, c, x = _points(device, (2,), (2,), (2,), (2,))
    p = {"w": w, "b": (b, c), "none": None}
    out = f(p, x)
    assert out["k"] == 3
    assert out["n"] is None
    assert type(f(p, x)["y"]) is dualad.Tensor
    gp, gx = dualad.grad(lambda p, x: f(p, x)["y"].sum(), (0, 1))(p, x)
    all_close([gp["w"], *gp["b"], gx], [x, x * 0 + 1, x * 0, w])
    y, t = dualad.jvp(lambda w: f({**p, "w": w}, x)["y"], (w,), (w * 0 + 1,))
    all_close([y, t], [w * x + b, x])


def test_several_outputs_of_which_one_is_used(device):
    f = dualad.custom_jvp(lambda x: (x**2, x**3))
    f.defjvps(lambda t, y, x: (2 * x * t, 3 * x**2 * t))
    (x,) = _points(device, (3,))
    check_alike(lambda x: f(x)[1], lambda x: x**3, [x])
    check_alike(lambda x: f(x)[0] * f(x)[1], lambda x: x**5, [x])
    leaf = x.clone().requires_grad_()
    assert [y.grad_fn.name() for y in f(leaf)] == ["<lambda>Backward0"] * 2


def test_keywords_and_defaults():
    @dualad.custom_vjp
    def f(x, scale=2.0):
        return x * scale

    f.defvjp(lambda x, scale: (x * scale, scale), lambda scale, g: (g * scale, None))
    assert dualad.grad(f)(1.0) == 2.0
    assert dualad.grad(lambda x: f(x, scale=5.0))(1.0) == 5.0
    assert dualad.grad(lambda x: f(scale=5.0, x=x))(1.0) == 5.0
    assert f.__name__ == "f"
    with pytest.raises(TypeError, match="custom_vjp of f: got an unexpected keyword argument 'size'"):
        f(1.0, size=3)
    g = dualad.custom_jvp(lambda x, *, n: x**n)
    g.defjvps(lambda t, y, x: t)
    with pytest.raises(TypeError, match="n can only be given by keyword"):
        g(1.0, n=2)


@pytest.mark.parametrize("n", [2, 3])
def test_arguments_not_to_differentiate_in(n):
    power = dualad.custom_vjp(lambda n, x, name: x**n, nondiff_argnums=(0, 2))
    power.defvjp(lambda n, x, name: (x**n, x), lambda n, name, x, g: (g * n * x ** (n - 1),))
    pushed = dualad.custom_jvp(lambda x, n: x**n, nondiff_argnums=1)
    pushed.defjvp(lambda n, p, t: (p[0] ** n, n * p[0] ** (n - 1) * t[0]))
    (x,) = _points("cpu", (2,))
    check_alike(lambda x: power(n, x, "cube"), lambda x: x**n, [x])
    check_alike(lambda x: pushed(x, n), lambda x: x**n, [x])
    with pytest.raises(dualad.GradientError, match="nondiff_argnums is being differentiated"):
        dualad.grad(lambda n: power(n, 2.0, ""))(2.0)


def test_integers_and_numpy_arrays_among_the_arguments():
    f = dualad.custom_vjp(lambda x, k, a: x[k] * a)
    f.defvjp(
        lambda x, k, a: (x[k] * a, (x, k, a)),
        lambda r, g: (dualad.zeros_like(r[0]) + g * r[2] * (dualad.arange(3) == r[1]), None, None),
    )
    x, a = np.array([1.0, 2.0, 3.0]), np.array(4.0)
    assert dualad.grad(f)(x, 1, a).tolist() == [0.0, 4.0, 0.0]
    assert dualad.jvp(lambda x: f(x, 1, a), (x,), (x,))[1] == 8.0
    _, pullback = dualad.vjp(lambda x: f(x, 1, a), x)
    a[...] = 100.0  # what is written to an argument later does not matter
    assert pullback(np.array(1.0))[0].tolist() == [0.0, 4.0, 0.0]


def test_complex_numbers_follow_the_convention():
    def plain(z):
        return z * z * dualad.conj(z)

    pulled = dualad.custom_vjp(plain)
    pulled.defvjp(
        lambda z: (plain(z), z),
        lambda z, g: (g * dualad.conj(2 * z * dualad.conj(z)) + dualad.conj(g) * z * z,),
    )
    pushed = dualad.custom_jvp(plain)
    pushed.defjvps(lambda t, y, z: 2 * z * dualad.conj(z) * t + z * z * dualad.conj(t))
    z, t, g = np.array([1 + 2j, 0.5 - 1j]), np.array([0.3 - 1j, 2j]), np.array([1 - 1j, 3.0 + 0.5j])
    for f in (pulled, pushed):
        close(dualad.jvp(f, (z,), (t,))[1], dualad.jvp(plain, (z,), (t,))[1])
        close(dualad.vjp(f, z)[1](g)[0], dualad.vjp(plain, z)[1](g)[0])


def test_single_precision_stays(device):
    (x,) = _points(device, (3,))
    x = x.to(dualad.float32)
    for way in WAYS.values():
        f = way()
        assert dualad.grad(lambda x, f=f: f(x, x).sum())(x).dtype is dualad.float32
        assert dualad.jvp(lambda x, f=f: f(x, x), (x,), (x,))[1].dtype is dualad.float32


def test_what_the_function_writes_to_its_arguments_is_its_own_affair():
    def body(x):
        x *= 2
        return x * x

    f = dualad.custom_vjp(body)
    f.defvjp(lambda x: (body(x), x), lambda r, g: (4 * r * g,))  # r is 2 x: it has been written to
    x = dualad.tensor([1.0, 2.0], dtype=dualad.float64, requires_grad=True)
    f(x).sum().backward()
    assert x.tolist() == [1.0, 2.0]
    assert x.grad.tolist() == [8.0, 16.0]
    check_alike(lambda x: f(x.clone()), lambda x: 4 * x * x, [x.detach()])


# -- a function of NumPy's: what is kept is known, so that nothing is run on Tensors with history ---


def test_numpy_inside(device):
    def body(x):
        return dualad.asarray(np.sin(x.cpu().numpy()), device=x.device)

    f = dualad.custom_vjp(body)
    f.defvjp(lambda x: (body(x), x), lambda x, g: (g * dualad.cos(x),))
    check_alike(f, dualad.sin, _points(device, (3,)), vmap=False)


def test_numpy_inside_that_keeps_more_is_refused_at_second_order():
    f = dualad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (dualad.asarray(np.sin(x.numpy())), np.cos(x.numpy())), lambda c, g: (g * c,))
    assert dualad.grad(f)(0.0) == 1.0
    with pytest.raises(dualad.GradientError, match="numpy") as caught:
        dualad.grad(dualad.grad(f))(0.0)
    assert any("its forward pass is run again" in note for note in caught.value.__notes__)


# -- what is refused -------------------------------------------------------------------------------


def test_a_tensor_from_outside():
    w = dualad.tensor(3.0, requires_grad=True)
    f = dualad.custom_vjp(lambda x: x * w)
    f.defvjp(lambda x: (x * w, None), lambda r, g: (g * w,))
    x = dualad.tensor(2.0, requires_grad=True)
    with pytest.raises(dualad.GradientError, match="depends on 'w' from outside its arguments"):
        f(x)
    assert dualad.grad(f)(2.0).tolist() == 3.0  # w is of a level below, and is differentiated as usual
    g = dualad.custom_jvp(lambda x: x * w)
    g.defjvps(lambda t, y, x: w * t)
    with pytest.raises(dualad.GradientError, match="from outside its arguments"):
        g(x)

    def inner(w):
        f = dualad.custom_vjp(lambda x: x * w)
        f.defvjp(lambda x: (x * w, None), lambda r, g: (g * w,))
        return f(w)

    for transform in (dualad.grad(inner), lambda x: dualad.jvp(inner, (x,), (1.0,))):
        with pytest.raises(dualad.GradientError, match="depends on 'w' from outside its arguments"):
            transform(2.0)


def test_a_tensor_of_an_outer_level_from_outside_is_differentiated():
    def outer(w):
        f = dualad.custom_vjp(lambda x: x * w)
        f.defvjp(lambda x: (x * w, None), lambda r, g: (g * w,))
        return f(2.0) + dualad.grad(lambda x: f(x) * x)(3.0)

    assert dualad.grad(outer)(5.0) == 2.0 + 6.0
    assert dualad.jvp(outer, (5.0,), (1.0,))[1] == 2.0 + 6.0


def test_a_batch_from_outside_is_batched():
    def inner(x, w):
        f = dualad.custom_vjp(lambda x: x * w)
        f.defvjp(lambda x: (x * w, None), lambda r, g: (g * w,))
        return f(x)

    x, w = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    assert dualad.vmap(inner)(x, w).tolist() == [3.0, 10.0]
    assert dualad.vmap(dualad.grad(inner))(x, w).tolist() == [3.0, 5.0]
    assert dualad.grad(lambda x: dualad.vmap(inner)(x, w).sum())(x).tolist() == [3.0, 5.0]


def test_no_rule():
    f = dualad.custom_vjp(lambda x: x)
    with pytest.raises(dualad.GradientError, match=r"has no rule yet: call its defvjp\(fwd, bwd\)"):
        f(1.0)
    with pytest.raises(dualad.GradientError, match=r"has no rule yet: call its defjvp"):
        dualad.custom_jvp(abs)(1.0)
    with pytest.raises(TypeError, match="custom_vjp: expected a function, got float"):
        dualad.custom_vjp(1.0)
    with pytest.raises(TypeError, match="nondiff_argnums must be places"):
        dualad.custom_jvp(abs, nondiff_argnums=("x",))


def _vjp(fwd=lambda x, y: (x * y, None), bwd=lambda r, g: (g, g)):
    def product(x, y):
        return x * y

    f = dualad.custom_vjp(product)
    f.defvjp(fwd, bwd)
    return f


WRONG = {
    "fwd gives one": (
        {"fwd": lambda x, y: x * y}, dualad.GradientError,
        r"custom_vjp of product: fwd must return a pair, \(output, residuals\), got",
    ),
    "too few": (
        {"bwd": lambda r, g: (g,)}, dualad.GradientError,
        "product: bwd must return a tuple .* for each of the 2 arguments, got 1 of them",
    ),
    "no tuple": (
        {"bwd": lambda r, g: g}, dualad.GradientError, "for each of the 2 arguments, got .*Tensor",
    ),
    "structure": (
        {"bwd": lambda r, g: ((g, g), g)}, dualad.GradientError,
        r"product: the cotangent that bwd gave for argument 0 has the structure PyTreeSpec\(\(\*, \*\).*\), "
        r"expected PyTreeSpec\(\*",
    ),
    "shape": (
        {"bwd": lambda r, g: (g, g.sum())}, dualad.ShapeError, r"argument 1 has shape \(\), expected \(2,\)",
    ),
    "complex": (
        {"bwd": lambda r, g: (g * 1j, g)}, dualad.DTypeError,
        "argument 0 is .*complex128, expected .*float64; take its real part",
    ),
    "a string": (
        {"bwd": lambda r, g: ("g", g)}, dualad.GradientError,
        r"argument 0 is str, expected an array of shape \(2,\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_pullbacks(case):
    wrong, kind, message = WRONG[case]
    x = np.array([1.0, 2.0])
    with pytest.raises(kind, match=message):
        dualad.grad(lambda x, y: _vjp(**wrong)(x, y).sum(), (0, 1))(x, x)


def _jvp(rule):
    def double(x):
        return x * 2

    f = dualad.custom_jvp(double)
    f.defjvp(rule)
    return f


WRONG_TANGENTS = {
    "one": (
        lambda p, t: p[0] * 2, dualad.GradientError,
        r"custom_jvp of double: the rule must return a pair, \(output, tangent\), got",
    ),
    "structure": (
        lambda p, t: (p[0] * 2, (t[0],)), dualad.GradientError,
        r"double: the tangent that the rule gave has the structure .*, expected PyTreeSpec\(\*",
    ),
    "shape": (
        lambda p, t: (p[0] * 2, t[0].sum()), dualad.ShapeError, r"has shape \(\), expected \(2,\)",
    ),
    "complex": (
        lambda p, t: (p[0] * 2, t[0] * 1j), dualad.DTypeError, "complex128, expected .*float64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_TANGENTS)
def test_wrong_rules_for_tangents(case):
    rule, kind, message = WRONG_TANGENTS[case]
    x = np.array([1.0, 2.0])
    with pytest.raises(kind, match=message):
        dualad.jvp(_jvp(rule), (x,), (x,))
    with pytest.raises(kind, match=message):
        dualad.grad(lambda x: _jvp(rule)(x).sum())(x)


def test_wrong_numbers_of_rules():
    f = dualad.custom_jvp(lambda x, y: x * y)
    f.defjvps(lambda t, z, x, y: t * y)
    with pytest.raises(dualad.GradientError, match="given 1 rules for 2 arguments"):
        dualad.jvp(f, (1.0, 2.0), (1.0, 1.0))
    with pytest.raises(TypeError, match="cannot be used with nondiff_argnums"):
        dualad.custom_jvp(lambda x, n: x**n, nondiff_argnums=1).defjvps(None)


def test_a_failing_rule_leaves_nothing_behind():
    f = _vjp(bwd=lambda r, g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dualad.grad(lambda x: f(x, x).sum())(np.ones(2))
    assert dualad.is_grad_enabled()
    check_alike(by_jvp(), plain, _points("cpu", (2,), (2,)), vmap=False)


def test_the_graph_is_freed_unless_it_is_retained():
    f = by_vjp("computed")
    x = dualad.ones(2, requires_grad=True)
    y = f(x, x).sum()
    y.backward()
    with pytest.raises(dualad.GradientError, match="second time"):
        y.backward()
    y = f(x, x).sum()
    y.backward(retain_graph=True)
    y.backward()


def test_none_for_a_rule_means_that_the_output_does_not_move():
    f = dualad.custom_jvp(lambda x, y: x * y)
    f.defjvps(None, lambda t, z, x, y: x * t)
    assert dualad.grad(f, (0, 1))(2.0, 3.0) == (0.0, 2.0)
    f.defjvps(None, None)
    assert dualad.grad(f, (0, 1))(2.0, 3.0) == (0.0, 0.0)


def test_deep_graphs_need_no_recursion():
    f = by_vjp("arguments")
    x = dualad.tensor(0.5, requires_grad=True)
    y = x
    for _ in range(3000):
        y = f(y, 0.0) - y + y
    y.backward()
    assert x.grad.item() == 1.0


def test_what_is_no_function_is_refused_at_once():
    f = dualad.custom_vjp(lambda x: x)
    g = dualad.custom_jvp(lambda x: x)
    for make, message in [
        (lambda: f.defvjp(3, lambda r, g: (g,)), "custom_vjp of <lambda>: defvjp: .*, fwd, got int"),
        (lambda: f.defvjp(lambda x: (x, x), 4), "custom_vjp of <lambda>: defvjp: .*, bwd, got int"),
        (lambda: g.defjvp(3), "custom_jvp of <lambda>: defjvp: .*, the rule, got int"),
        (
            lambda: g.defjvps(None, 3),
            "custom_jvp of <lambda>: defjvps: .* or None for each argument, got int",
        ),
        (lambda: dualad.custom_gradient(3), "custom_gradient: expected a function, got int"),
    ]:
        with pytest.raises(TypeError, match=message):
            make()


def test_errors_of_a_custom_gradient_speak_its_language():
    @dualad.custom_gradient
    def alone(x):
        return x

    @dualad.custom_gradient
    def number(x):
        return x, 3

    @dualad.custom_gradient
    def two(x):
        return x, lambda g: (g, g)

    with pytest.raises(dualad.GradientError, match=r"the function must return a pair, \(output, pullback\)"):
        dualad.grad(alone)(1.0)
    with pytest.raises(TypeError, match=r"custom_gradient of number: .* the pullback, got int"):
        dualad.grad(number)(1.0)
    with pytest.raises(dualad.GradientError, match="custom_gradient of two: pullback must return"):
        dualad.grad(two)(1.0)
