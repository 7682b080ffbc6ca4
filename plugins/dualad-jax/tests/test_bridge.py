"""Functions of dualad's in JAX programs, and functions of JAX's in dualad's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dualad_jax import from_jax, generator, to_jax

import dualad

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal(4))
A = jnp.asarray(RNG.standard_normal((3, 4)))
Z = X + 1j * X[::-1]


def close(got, want, rtol=1e-10):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12), got, want)


def ours(x):
    return dualad.sum(dualad.sin(x) ** 2 * dualad.exp(x))


def theirs(x):
    return jnp.sum(jnp.sin(x) ** 2 * jnp.exp(x))


SCALAR = jax.ShapeDtypeStruct((), jnp.float64)

# -- dualad in JAX ------------------------------------------------------------------------------------

TRANSFORMS = {
    "value": lambda f: f(X),
    "grad": lambda f: jax.grad(f)(X),
    "jvp": lambda f: jax.jvp(f, (X,), (X,)),
    "linearize": lambda f: jax.linearize(f, X)[1](X),
    "hessian": lambda f: jax.hessian(f)(X),
    "reverse over reverse": lambda f: jax.jacrev(jax.grad(f))(X),
    "forward over forward": lambda f: jax.jacfwd(jax.jacfwd(f))(X),
    "reverse over forward": lambda f: jax.jacrev(jax.jacfwd(f))(X),
    "third order": lambda f: jax.jacfwd(jax.hessian(f))(X),
    "vmap": lambda f: jax.vmap(f)(A),
    "vmap of grad": lambda f: jax.vmap(jax.grad(f))(A),
    "grad of vmap": lambda f: jax.grad(lambda a: jnp.sum(jax.vmap(f)(a) ** 2))(A),
    "hessian of vmap": lambda f: jax.hessian(lambda a: jnp.sum(jax.vmap(f)(a) ** 2))(A),
    "vmap along another axis": lambda f: jax.vmap(jax.grad(f), in_axes=1, out_axes=1)(A.T),
    "checkpoint": lambda f: jax.grad(jax.checkpoint(f))(X),
    "scan": lambda f: jax.grad(
        lambda x: jnp.sum(jax.lax.scan(lambda c, _: (c * f(c), None), x, None, length=3)[0])
    )(X * 0.1),
    "cond": lambda f: jax.grad(lambda x: jax.lax.cond(x[0] > 0, f, lambda x: x[0], x))(X),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["as it stands", "compiled"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_jax_differentiates_and_maps_functions_of_dualad(name, compiled):
    transform = TRANSFORMS[name]
    wrap = jax.jit if compiled else lambda f: f
    close(wrap(lambda: transform(to_jax(ours)))(), transform(theirs))


def test_a_compiled_program_has_no_callbacks_and_is_compiled_once():
    step = jax.jit(jax.hessian(to_jax(ours)))
    step(X)
    step(X + 1)
    assert step._cache_size() == 1
    assert "callback" not in step.lower(X).as_text()


@pytest.mark.parametrize("name", ["value", "grad", "jvp", "hessian", "vmap", "hessian of vmap"])
def test_a_function_on_the_cpu_is_called_back(name):
    def f(x):
        assert x.device == dualad.device("cpu")
        return ours(x)

    close(jax.jit(lambda: TRANSFORMS[name](to_jax(f, result=SCALAR)))(), TRANSFORMS[name](theirs))


@pytest.mark.parametrize("name", ["vmap", "vmap of grad", "grad of vmap", "hessian of vmap"])
def test_each_example_of_a_batch_may_take_its_own_branch_on_the_cpu(name):
    middle = float(jnp.median(A[:, 0]))

    def f(x):
        return ours(x) if float(x.detach()[0]) > middle else dualad.sum(x**3)

    def branches(x):
        return jnp.where(x[0] > middle, theirs(x), jnp.sum(x**3))

    transform = TRANSFORMS[name]
    close(jax.jit(lambda: transform(to_jax(f, result=SCALAR)))(), transform(branches))
    assert jax.vmap(to_jax(f, result=SCALAR))(A[:0]).shape == (0,)


def test_newtons_method_with_its_steps_counted_by_values():
    def root(a):
        x = a
        while abs(float(x.detach()) ** 2 - float(a.detach())) > 1e-12:
            x = (x + a / x) / 2
        return x

    slope = jax.jit(jax.grad(to_jax(root, result=SCALAR)))
    assert float(slope(jnp.asarray(4.0))) == pytest.approx(0.25)


def test_derivatives_are_by_dualads_rules():
    @dualad.custom_vjp
    def f(x):
        return x * x

    f.defvjp(lambda x: (x * x, x), lambda x, g: (10 * g * x,))
    assert float(jax.grad(to_jax(f))(3.0)) == 30.0
    assert float(jax.jvp(to_jax(f), (3.0,), (1.0,))[1]) == 30.0


def test_pytrees_integers_and_what_is_no_array():
    def f(p, i, name, flag=False):
        return {"y": p["w"][i] * p["b"], "n": i + 1, "name": name, "flag": flag}

    g = to_jax(f)
    p = {"w": X, "b": 2.0}
    out = g(p, jnp.asarray(1), "said", flag=True)
    assert (out["name"], out["flag"], int(out["n"])) == ("said", True, 2)
    y, gradient = jax.jit(jax.value_and_grad(lambda p, i: g(p, i, "")["y"]))(p, jnp.asarray(1))
    close((y, gradient), (X[1] * 2, {"w": jnp.zeros(4).at[1].set(2.0), "b": X[1]}))
    tangent = jax.jvp(lambda p: g(p, jnp.asarray(1), "")["n"] * 1.0, (p,), (p,))[1]
    assert float(tangent) == 0.0


@pytest.mark.parametrize("pair", [
    (lambda z: dualad.sum(dualad.abs(dualad.sin(z))), lambda z: jnp.sum(jnp.abs(jnp.sin(z)))),
    (lambda z: dualad.real(dualad.sum(z * z)), lambda z: jnp.real(jnp.sum(z * z))),
], ids=["abs", "real"])  # fmt: skip
def test_gradients_in_complex_arguments_have_the_convention_of_who_asks(pair):
    f, g = pair
    close(jax.grad(to_jax(f))(Z), jax.grad(g)(Z))
    close(dualad.grad(from_jax(g))(Z), dualad.grad(f)(Z))
    close(jax.vjp(to_jax(dualad.exp), Z)[1](Z), jax.vjp(jnp.exp, Z)[1](Z))
    close(dualad.jvp(from_jax(jnp.exp), (Z,), (Z,)), dualad.jvp(dualad.exp, (Z,), (Z,)))


def test_random_numbers_come_from_a_key():
    def noisy(x, key):
        noise = dualad.rand(4, dtype="float64", device="jax", generator=generator(key))
        return dualad.sum(x * noise)

    f = to_jax(noisy)
    value, gradient = jax.jit(jax.value_and_grad(f))(jnp.ones(4), jax.random.PRNGKey(0))
    assert float(value) == pytest.approx(float(jnp.sum(gradient)))
    assert float(f(jnp.ones(4), jax.random.key(1))) != float(value)
    close(jax.grad(f)(jnp.ones(4), jax.random.key(0)), gradient)


def test_what_is_wrong_with_a_function_of_dualad_is_said():
    w = dualad.ones((), dtype="float64", device="jax", requires_grad=True)
    with pytest.raises(TypeError, match="to_jax: expected a function, got int"):
        to_jax(3)
    with pytest.raises(dualad.GradientError, match="depends on a dualad Tensor that requires grad"):
        to_jax(lambda x: x * w)(X)
    same = to_jax(lambda x: x)
    for call in (lambda: same(w), lambda: dualad.jvp(same, (X,), (X,)), lambda: dualad.vmap(same)(X)):
        with pytest.raises(dualad.GradientError, match="is given to a function of JAX's"):
            call()
    with pytest.raises(dualad.GradientError, match="depends on an array that JAX traces"):
        jax.jit(lambda v: to_jax(lambda x: x * dualad.asarray(v))(X))(X)
    with pytest.raises(jax.errors.UnexpectedTracerError):
        jax.grad(lambda v: jnp.sum(to_jax(lambda x: x * dualad.asarray(v))(X)))(X)
    with pytest.raises(Exception, match="ShapeError"):
        to_jax(lambda x: x, result=SCALAR)(X)
    with pytest.raises(Exception, match="DTypeError"):
        to_jax(lambda x: dualad.sum(x), result=jax.ShapeDtypeStruct((), jnp.int64))(X)
    assert dualad.is_grad_enabled()
    close(jax.grad(to_jax(ours))(X), jax.grad(theirs)(X))


def test_integers_do_not_move():
    place = to_jax(lambda x, k: dualad.argmax(x) + k)
    none = np.zeros((), jax.dtypes.float0)
    y, tangent = jax.jvp(place, (X, jnp.asarray(2)), (X, none))
    assert (int(y), tangent.dtype) == (int(jnp.argmax(X)) + 2, jax.dtypes.float0)
    close(
        jax.jit(jax.grad(lambda x: to_jax(lambda x, k: x[k])(x, place(x, 0))))(X),
        jnp.zeros(4).at[jnp.argmax(X)].set(1),
    )


# -- JAX in dualad ------------------------------------------------------------------------------------

OURS = {
    "value": lambda f, x, a: f(x),
    "grad": lambda f, x, a: dualad.grad(f)(x),
    "jvp": lambda f, x, a: dualad.jvp(f, (x,), (x,)),
    "linearize": lambda f, x, a: dualad.linearize(f, x)[1](x),
    "hessian": lambda f, x, a: dualad.hessian(f)(x),
    "reverse over reverse": lambda f, x, a: dualad.grad(lambda x: dualad.sum(dualad.grad(f)(x) ** 2))(x),
    "forward over forward": lambda f, x, a: dualad.jvp(lambda y: dualad.jvp(f, (y,), (x,))[1], (x,), (x,)),
    "third order": lambda f, x, a: dualad.jacobian(dualad.hessian(f))(x),
    "vmap": lambda f, x, a: dualad.vmap(f)(a),
    "vmap of grad": lambda f, x, a: dualad.vmap(dualad.grad(f))(a),
    "grad of vmap": lambda f, x, a: dualad.grad(lambda a: dualad.sum(dualad.vmap(f)(a) ** 2))(a),
    "checkpoint": lambda f, x, a: dualad.grad(dualad.checkpoint(f))(x),
}


@pytest.mark.parametrize("kind", ["numpy", "jax"])
@pytest.mark.parametrize("name", OURS)
def test_dualad_differentiates_and_maps_functions_of_jax(name, kind):
    x, a = (np.asarray(X), np.asarray(A)) if kind == "numpy" else (X, A)
    got, want = (OURS[name](f, x, a) for f in (from_jax(jax.jit(theirs)), ours))
    close(got, want)
    kinds = [[type(leaf) for leaf in jax.tree.leaves(y)] for y in (got, want)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("device", ["cpu", "jax"])
def test_gradients_come_back_to_the_device_of_their_leaf(device):
    x = dualad.asarray(np.asarray(X), device=device, requires_grad=True)
    y = from_jax(theirs)(x)
    assert y.device == x.device
    (gradient,) = dualad.autograd.grad(y, x, create_graph=True)
    second = dualad.autograd.grad(gradient.sum(), x)[0]
    assert second.device == x.device
    close(second.cpu().numpy(), jnp.sum(jax.hessian(theirs)(X), axis=0))
    y.backward()
    close(x.grad.cpu().numpy(), jax.grad(theirs)(X))


def test_inside_a_compiled_program():
    f = from_jax(theirs)
    close(jax.jit(dualad.grad(f))(X), jax.grad(theirs)(X))
    close(jax.jit(dualad.hessian(f))(X), jax.hessian(theirs)(X))


def test_there_and_back():
    close(jax.hessian(to_jax(from_jax(theirs)))(X), jax.hessian(theirs)(X))
    close(dualad.hessian(from_jax(to_jax(ours)))(np.asarray(X)), dualad.hessian(ours)(np.asarray(X)))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["as it stands", "compiled"])
def test_functions_of_jax_may_call_functions_of_dualad(name, wrap):
    close(OURS[name](from_jax(wrap(ours)), X, A), OURS[name](ours, X, A))


CALLS_WITH_W = {
    "grad": lambda f: dualad.grad(lambda w: dualad.sum(f(w)(jnp.ones(4)) + w**2))(X),
    "grad, with a tracked argument": lambda f: dualad.grad(lambda w: dualad.sum(f(w)(w)))(X),
    "jvp": lambda f: dualad.jvp(lambda w: f(w)(w), (X,), (X,)),
    "vmap": lambda f: dualad.vmap(lambda w: f(w)(jnp.ones(4)))(A),
    "a leaf": lambda f: f(dualad.asarray(X, requires_grad=True))(jnp.ones(4)),
    "two leaves": lambda f: f(dualad.asarray(X, requires_grad=True))(dualad.asarray(X, requires_grad=True)),
}


WAYS_IN = {
    "returned": lambda w: lambda x: x * w,
    "given to JAX": lambda w: lambda x: jnp.sin(jnp.asarray(x * w)),
    "made an array": lambda w: lambda x: x * jnp.asarray(w),
    "compiled": lambda w: jax.jit(lambda x: x * w),
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize("name", CALLS_WITH_W)
def test_a_tensor_that_is_differentiated_must_be_an_argument(name, way):
    with pytest.raises((dualad.GradientError, dualad.BatchError)):
        CALLS_WITH_W[name](lambda w: from_jax(WAYS_IN[way](w)))


def test_a_tensor_that_is_not_differentiated_need_not_be_an_argument():
    w, x = dualad.asarray(X, requires_grad=True), dualad.asarray(A, requires_grad=True)
    from_jax(lambda x: jnp.sum(jnp.sin(x)) * w.detach()[0])(x).backward()
    close(x.grad.numpy(), jnp.cos(A) * X[0])
    with dualad.no_grad():
        close(from_jax(lambda x: x * w)(dualad.asarray(A)).numpy(), A * X)


def test_results_without_derivatives_and_what_is_no_array():
    f = from_jax(lambda x, k: (x[0] * x[1] * k, jnp.argmax(x), "said"))
    x = dualad.asarray(np.asarray(X), requires_grad=True)
    y, place, word = f(x, 3)
    assert (place.item(), place.requires_grad, word) == (int(jnp.argmax(X)), False, "said")
    y.backward()
    close(x.grad.numpy(), 3 * np.array([X[1], X[0], 0, 0]))
    with pytest.raises(TypeError, match="from_jax: expected a function, got str"):
        from_jax("sin")


def test_an_error_of_jax_leaves_nothing_behind():
    x = dualad.asarray(np.asarray(X), requires_grad=True)
    with pytest.raises(TypeError):
        from_jax(lambda x: x @ jnp.ones((3, 3)))(x)
    assert dualad.is_grad_enabled()
    from_jax(theirs)(x).backward()
    close(x.grad.numpy(), jax.grad(theirs)(X))


# -- realistic ones -----------------------------------------------------------------------------------


def test_a_layer_that_solves_an_equation_in_a_network_of_jax():
    """A fixed point, found in steps that values count, differentiated by its equation in dualad."""
    w, target = jnp.asarray(RNG.standard_normal((4, 4)) * 0.1), jnp.asarray([0.1, -0.2, 0.3, 0.0])

    def step(x, w, b):
        return dualad.tanh(x @ w + b)

    @dualad.custom_fixed_point(step)
    def settled(x, w, b):
        while True:
            x, before = step(x, w, b), x
            if dualad.max(dualad.abs(x - before)).item() < 1e-12:
                return x

    def unrolled(w, b):
        x = jnp.zeros_like(b)
        for _ in range(60):
            x = jnp.tanh(x @ w + b)
        return x

    vector = jax.ShapeDtypeStruct((4,), jnp.float64)
    layer = to_jax(lambda w, b: settled(dualad.zeros_like(b), w, b), result=vector)
    loss = lambda f: lambda w, b: jnp.sum((f(w, b) - target) ** 2)  # noqa: E731
    got = jax.jit(jax.value_and_grad(loss(layer), argnums=(0, 1)))(w, X)
    close(got, jax.value_and_grad(loss(unrolled), argnums=(0, 1))(w, X), rtol=1e-9)


def test_a_network_of_jax_in_an_optimizer_of_dualad():
    """Parameters are dualad's Tensors on the CPU; the loss is JAX's, compiled."""
    inputs = RNG.standard_normal((32, 3))
    targets = np.sin(inputs.sum(axis=1))

    @jax.jit
    def loss(params, x, y):
        hidden = jnp.tanh(x @ params["w"] + params["b"])
        return jnp.mean((hidden @ params["v"] - y) ** 2)

    params = {"w": RNG.standard_normal((3, 16)), "b": np.zeros(16), "v": RNG.standard_normal(16) * 0.3}
    params = {k: dualad.asarray(v, requires_grad=True) for k, v in params.items()}
    optimizer = dualad.optim.Adam(list(params.values()), lr=0.03)
    bridged, losses = from_jax(loss), []
    for _ in range(60):
        optimizer.zero_grad()
        value = bridged(params, inputs, targets)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < losses[0] / 10
