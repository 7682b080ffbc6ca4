"""Programs that dualad differentiates, compiled by JAX as a whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dualad_jax import TracedValueError, generator

import dualad

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal(5))
A = jnp.asarray(RNG.standard_normal((5, 5)))
COUNT = int(jnp.sum(X[0] < X))
PLACES = jnp.asarray([0, 3, 3, -1])


def close(got, want, rtol=1e-10):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12), got, want)


def ops_of(jaxpr):
    """Return the names of all primitives in a jaxpr, those inside of others too."""
    for eqn in jaxpr.eqns:
        yield eqn.primitive.name
        for value in eqn.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from ops_of(inner)


def scalar(x):
    return dualad.sum(dualad.sin(x) ** 2 * dualad.exp(x))


def by_backward(x):
    x = dualad.asarray(x, requires_grad=True)
    loss = scalar(x) * 2
    loss.backward()
    return x.grad


def by_adam(x):
    x = dualad.asarray(x, requires_grad=True)
    optimizer = dualad.optim.Adam([x], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (x * x).sum().backward()
        optimizer.step()
    return x.detach()


def by_writing(x, places):
    def f(x):
        y = dualad.zeros(5, dtype="float64", device="jax")
        y[dualad.asarray(places)] = dualad.sin(x)[:4]
        y[x > 0.5] = 2.0
        y[1:3] += x[0]
        return dualad.sum(y**2 * dualad.arange(1.0, 6.0, device="jax").to("float64"))

    return dualad.grad(f)(x)


@dualad.custom_vjp
def doubled(x):
    return dualad.sin(x)


doubled.defvjp(lambda x: (dualad.sin(x), x), lambda x, g: (2 * g * dualad.cos(x),))

PROGRAMS = {
    "grad": (dualad.grad(scalar), X),
    "value_and_grad": (dualad.value_and_grad(scalar), X),
    "hessian": (dualad.hessian(scalar), X),
    "jvp": (lambda x: dualad.jvp(dualad.grad(scalar), (x,), (x,)), X),
    "vjp": (lambda x: dualad.vjp(lambda x: x * dualad.sin(x), x)[1](x), X),
    "linearize": (lambda x: dualad.linearize(dualad.grad(scalar), x)[1](x), X),
    "vmap": (dualad.vmap(dualad.grad(scalar)), A),
    "vmap of hessians": (dualad.vmap(dualad.hessian(scalar)), A),
    "backward": (by_backward, X),
    "optimizer": (by_adam, X),
    "checkpoint": (dualad.grad(dualad.checkpoint(scalar)), X),
    "NumPy functions": (dualad.grad(lambda x: np.sum(np.tanh(x) * np.where(x > 0, x, 0))), X),
    "sort and quantile": (dualad.grad(lambda x: dualad.sort(x)[1] + np.quantile(x, 0.3)), X),
    "linalg": (
        dualad.grad(
            lambda a: (
                dualad.sum(dualad.linalg.inv(a))
                + dualad.linalg.slogdet(a)[1]
                + dualad.sum(dualad.linalg.svdvals(a))
                + dualad.sum(dualad.linalg.eigvalsh(a + a.T) ** 3)
                + dualad.sum(dualad.linalg.qr(a)[1] ** 2)
            )
        ),
        A,
    ),
    "fft": (dualad.grad(lambda a: dualad.sum(dualad.abs(dualad.fft.fftn(a)))), A),
    "special": (dualad.grad(lambda x: dualad.sum(dualad.special.erf(x) + dualad.special.gammaln(x + 3))), X),
    "log_ndtr": (dualad.grad(lambda x: dualad.sum(dualad.special.log_ndtr(x))), X),
    "a custom rule": (dualad.grad(lambda x: dualad.sum(doubled(x))), X),
    "its forward mode": (lambda x: dualad.jvp(doubled, (x,), (x,)), X),
    "reading by a traced integer": (
        lambda x, i: dualad.grad(lambda x: x[dualad.asarray(i)] ** 2)(x), X, jnp.asarray(-2),
    ),
    "reading by traced integers": (
        lambda x, i: dualad.grad(lambda x: dualad.sum(x[dualad.asarray(i)] ** 2))(x), X, PLACES,
    ),
    "writing by traced integers and masks": (by_writing, X, PLACES),
    "an index for each example": (
        lambda a, i: dualad.vmap(lambda x, i: x[i] ** 2)(dualad.asarray(a), dualad.asarray(i)),
        A, jnp.asarray([0, 1, -1, 3, 2]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_compiled_program_gives_what_it_gives_uncompiled(name):
    if name == "log_ndtr" and not hasattr(jax.scipy.special, "erfcx"):
        pytest.skip("its derivative needs erfcx, which this JAX has not")
    f, *args = PROGRAMS[name]
    compiled = jax.jit(f)
    want = f(*args)
    close(compiled(*args), want)
    names = set(ops_of(jax.make_jaxpr(f)(*args).jaxpr))
    assert not [n for n in names if "callback" in n]
    compiled(*[a + 1 if a.dtype == jnp.float64 else a for a in args])
    assert compiled._cache_size() == 1  # one compilation served both calls


def test_nothing_is_traced_again_and_no_history_is_left():
    traced = []

    @jax.jit
    def step(x):
        traced.append(x)
        return dualad.grad(scalar)(x)

    for k in range(3):
        step(X + k)
    assert len(traced) == 1
    w = dualad.asarray(X, requires_grad=True)
    assert (w * 2).requires_grad
    assert w.grad is None


@pytest.mark.parametrize("name", ["hessian", "backward", "optimizer", "vmap of hessians", "its forward mode"])
def test_no_tracer_is_kept_anywhere(name):
    f, *args = PROGRAMS[name]
    with jax.checking_leaks():
        jax.jit(f)(*args)


# -- the gradients are JAX's ------------------------------------------------------------------------


def mlp(xp, params, x):
    for w, b in params[:-1]:
        x = xp.tanh(x @ w + b)
    w, b = params[-1]
    return xp.sum((x @ w + b) ** 2)


def lstm(xp, params, xs):
    """The squared outputs of an LSTM of 4 cells over a sequence of vectors, an unrolled loop."""
    w, u, b = params
    h, c = xs[0, :4] * 0, xs[0, :4] * 0
    total = 0.0
    for t in range(xs.shape[0]):
        z = xs[t] @ w + h @ u + b
        i, f, o = (1 / (1 + xp.exp(-z[4 * k : 4 * k + 4])) for k in range(3))
        c = f * c + i * xp.tanh(z[12:])
        h = o * xp.tanh(c)
        total = total + xp.sum(h * h)
    return total


def draw(*shape):
    return jnp.asarray(RNG.standard_normal(shape))


NETWORKS = {
    "MLP": (mlp, [(draw(6, 8), draw(8)), (draw(8, 8), draw(8)), (draw(8, 2), draw(2))], draw(10, 6)),
    "LSTM": (lstm, (draw(6, 16), draw(4, 16), draw(16)), draw(7, 6)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_of_a_network_is_that_of_jax(name):
    f, params, x = NETWORKS[name]
    ours = jax.jit(lambda p, x: dualad.value_and_grad(lambda p: f(dualad, p, x))(p))
    theirs = jax.jit(jax.value_and_grad(lambda p, x: f(jnp, p, x)))
    close(ours(params, x), theirs(params, x))
    assert ours._cache_size() == 1


def test_the_compiled_gradient_of_a_network_takes_no_more_arithmetic_than_that_of_jax():
    f, params, x = mlp, [(draw(64, 64), draw(64)) for _ in range(4)], draw(32, 64)
    ours = jax.jit(lambda p, x: dualad.grad(lambda p: f(dualad, p, x))(p))
    theirs = jax.jit(jax.grad(lambda p, x: f(jnp, p, x)))
    flops = [g.lower(params, x).compile().cost_analysis()["flops"] for g in (ours, theirs)]
    assert flops[0] <= 1.02 * flops[1]


# -- JAX's other transforms ---------------------------------------------------------------------------


def test_jax_maps_and_differentiates_programs_that_use_dualad():
    gradient = dualad.grad(scalar)
    close(jax.vmap(gradient)(A), dualad.vmap(gradient)(A))
    # JAX differentiates what dualad has computed: a second derivative of both.
    close(jax.jacfwd(gradient)(X), dualad.hessian(scalar)(X))
    close(jax.jit(jax.jacrev(gradient))(X), dualad.hessian(scalar)(X))
    looped = lambda x: jax.lax.fori_loop(0, 3, lambda _, x: x - 0.1 * gradient(x), x)  # noqa: E731
    want = X
    for _ in range(3):
        want = want - 0.1 * gradient(want)
    close(jax.jit(looped)(X), want)


def test_tensors_are_arguments_and_results_of_compiled_functions():
    x = dualad.asarray(X)
    y = jax.jit(lambda x: {"y": x * 2})(x)["y"]
    assert isinstance(y, dualad.Tensor)
    assert y.device == x.device
    close(y.numpy(), 2 * np.asarray(X))

    @jax.jit
    def gradient(w):
        (w * w).sum().backward()
        return w.grad

    close(gradient(x.clone().requires_grad_()).numpy(), 2 * np.asarray(X))
    with pytest.raises(dualad.GradientError, match="a Tensor with a history"):
        jax.jit(lambda w: w * 2)(x.clone().requires_grad_())
    with pytest.raises(dualad.GradientError, match="a Tensor with a history"):
        dualad.jvp(jax.jit(lambda x: x * 2), (x,), (x,))


OPTIMIZERS = {
    "SGD": lambda p: dualad.optim.SGD(p, lr=0.1),
    "momentum": lambda p: dualad.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda p: dualad.optim.Adam(p, lr=0.05, amsgrad=True, weight_decay=0.1),
    "AdamW": lambda p: dualad.optim.AdamW(p, lr=0.05, betas=(0.0, 0.99)),
}


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_compiled_step_takes_and_gives_parameters_and_the_state_of_an_optimizer(kind, dtype):
    make = OPTIMIZERS[kind]

    def step(w, state):
        optimizer = make([w])
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        (w * w * w).sum().backward()
        optimizer.step()
        return w, optimizer.state_dict()["state"]

    compiled, (w, state) = jax.jit(step), (dualad.asarray(X.astype(dtype), requires_grad=True), {})
    v = w.detach().clone().requires_grad_()
    optimizer = make([v])
    for _ in range(5):
        optimizer.zero_grad()
        (v * v * v).sum().backward()
        optimizer.step()
        w, state = compiled(w, state)
    assert w.requires_grad
    close(
        w.detach().to("float64").numpy(),
        v.detach().to("float64").numpy(),
        1e-10 if dtype == "float64" else 0.02,
    )
    assert compiled._cache_size() == 2  # without a state, and with one
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})  # outside, too
    with pytest.raises(TypeError, match="let only 'state' be one"):
        jax.jit(lambda state: make([v]).load_state_dict(state))(optimizer.state_dict())


# -- what is outside ----------------------------------------------------------------------------------


def outer(**how):
    return dualad.asarray(X, **how)


def write_to_it(w, x):
    w[0] = x


def write_to_a_view(w, x):
    w[1:][0] = x


def add_to_it(w, x):
    w.add_(x)


def set_data(w, x):
    w.data = w.detach() * x


def set_grad(w, x):
    w.grad = w.detach() * x


def add_to_grad(w, x):
    (w * x).sum().backward()


def take_a_step(w, x):
    optimizer = dualad.optim.SGD([w], lr=0.1)
    w.grad = dualad.ones_like(w)
    optimizer.step()


WRITES = [write_to_it, write_to_a_view, add_to_it, set_data, set_grad, add_to_grad, take_a_step]
PLACES_OF_WRITES = {
    "jit": lambda f: jax.jit(f)(X[0]),
    "vmap in jit": lambda f: jax.jit(jax.vmap(f))(X),
    "scan": lambda f: jax.lax.scan(lambda c, x: (c, f(x)), 0.0, X),
    "scan in jit": lambda f: jax.jit(lambda xs: jax.lax.scan(lambda c, x: (c, f(x)), 0.0, xs))(X),
}


@pytest.mark.parametrize("place", PLACES_OF_WRITES)
@pytest.mark.parametrize("write", WRITES)
def test_what_a_compiled_program_would_write_to_a_tensor_from_outside_is_refused(write, place):
    w = outer(requires_grad=write in (set_grad, add_to_grad, take_a_step))
    with pytest.raises(TracedValueError, match="a Tensor from outside the program"):
        PLACES_OF_WRITES[place](lambda x: write(w, x))
    close(w.detach().numpy(), X)
    assert w.grad is None
    write(w, 2.0)  # outside it may be


def test_a_loop_does_not_write_to_a_tensor_of_the_program_it_is_in():
    def f(x):
        w = dualad.asarray(x)
        return jax.lax.scan(lambda c, y: (c, w.add_(y)._raw), 0.0, x)

    with pytest.raises(TracedValueError, match="a Tensor from outside the program"):
        jax.jit(f)(X)


OUTER = outer(requires_grad=True)
MADE_INSIDE = {
    "of an array": lambda: dualad.asarray(X), "a clone": lambda: OUTER.detach().clone(),
    "tensor": lambda: dualad.tensor([0.0] * 5, dtype="float64", device="jax"),
    "zeros": lambda: dualad.zeros(5, dtype="float64", device="jax"),
    "zeros_like": lambda: dualad.zeros_like(OUTER), "a result": lambda: OUTER.detach() + 1,
    "of NumPy": lambda: dualad.asarray(np.ones(5), device="jax"),
    "moved": lambda: OUTER.detach().cpu().to("jax"),
}  # fmt: skip
WRAPPERS = {
    "as it stands": lambda f: f, "jit": jax.jit, "jit in jit": lambda f: jax.jit(jax.jit(f)),
    "vmap": lambda f: lambda x: jax.vmap(f)(x[None])[0],
    "scan": lambda f: lambda x: jax.lax.scan(lambda c, x: (c, f(x)), 0.0, x[None])[1][0],
}  # fmt: skip


@pytest.mark.parametrize("place", WRAPPERS)
@pytest.mark.parametrize("made", MADE_INSIDE)
def test_tensors_made_inside_can_be_written_to(made, place):
    before = MADE_INSIDE[made]().numpy()

    def f(x):
        y = MADE_INSIDE[made]()
        y[0] = x[0]
        y[1:] += x[1]
        w = MADE_INSIDE[made]().requires_grad_()
        (w * x).sum().backward()
        (w * w).sum().backward()
        return (y + w.grad)._raw

    want = np.concatenate([X[:1], before[1:] + X[1]]) + np.asarray(X) + 2 * before
    close(WRAPPERS[place](f)(X), want)


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, lambda f: jax.grad(lambda x: jnp.sum(f(x)))])
def test_a_value_that_was_kept_says_that_its_program_has_ended(transform):
    kept, w = [], outer()
    transform(lambda x: kept.append(dualad.asarray(x)) or x)(X)
    with pytest.raises(TracedValueError, match="has ended"):
        kept[0].tolist()
    if transform is not jax.jit:  # which alone shows what is from outside
        transform(lambda x: w.mul_(jnp.sum(x)) is None or x)(X)
        with pytest.raises(TracedValueError, match="has ended"):
            w.tolist()


# -- what needs values --------------------------------------------------------------------------------


def masked(x):
    return x[x > 0]


def written_by_mask(x):
    x[x > x[0]] = x[:COUNT]
    return x


DATA_DEPENDENT = {
    "float": lambda x: float(x[0]), "bool": lambda x: bool(x[0] > 0),
    "int": lambda x: range(dualad.argmax(x)),
    "numpy": lambda x: x.numpy(), "tolist": lambda x: x.tolist(), "cpu": lambda x: x.cpu(),
    "format": lambda x: f"{x[0]:.2f}", "mask": masked, "writing by a mask": written_by_mask,
    "nonzero": dualad.nonzero, "where": lambda x: dualad.where(x > 0), "unique": dualad.unique_values,
    "a slice": lambda x: x[: dualad.argmax(x)], "repeats": lambda x: dualad.repeat(x, dualad.argsort(x)),
    "allclose": lambda x: dualad.allclose(x, x),
    "JAX's bound of a slice": lambda x: x[: jnp.argmax(x._raw)],
    "JAX's repeats": lambda x: dualad.repeat(x, jnp.argsort(x._raw)),
}  # fmt: skip


@pytest.mark.parametrize("name", DATA_DEPENDENT)
def test_what_depends_on_values_says_that_there_are_none(name):
    with pytest.raises(TracedValueError, match="there are none while JAX traces the program"):
        jax.jit(lambda x: DATA_DEPENDENT[name](dualad.asarray(x)))(X)
    assert dualad.is_grad_enabled()
    DATA_DEPENDENT[name](dualad.asarray(X))  # it works where values are there


def test_functions_that_jax_lacks_say_so():
    with pytest.raises(TracedValueError, match=r"special\.ellipk: JAX has no such function"):
        jax.jit(lambda x: dualad.special.ellipk(dualad.asarray(x)))(X)


def test_anomaly_mode_says_that_it_looks_at_values():
    def f(x):
        with dualad.autograd.detect_anomaly():
            return dualad.grad(scalar)(x)

    with pytest.raises(TracedValueError):
        jax.jit(f)(X)


def test_a_traced_tensor_can_be_printed():
    said = []
    jax.jit(lambda x: said.append(repr(dualad.asarray(x))) or x)(X)
    assert said == ["tensor(shape=(5,), dtype=dualad.float64, traced by jax)"]


def test_a_known_index_that_is_out_of_bounds_is_refused_and_a_traced_one_reads_nan():
    with pytest.raises(IndexError, match="index 5 is out of bounds"):
        jax.jit(lambda x: dualad.asarray(x)[5])(X)
    y = jax.jit(lambda x, i: dualad.asarray(x)[dualad.asarray(i)])(X, jnp.asarray([4, 5]))
    assert np.isnan(y.numpy()).tolist() == [False, True]
    written = jax.jit(lambda x, i: dualad.grad(lambda x: dualad.sum(x[dualad.asarray(i)] * 2))(x))
    assert written(X, jnp.asarray([4, 5])).tolist() == [0, 0, 0, 0, 2]


# -- random numbers -----------------------------------------------------------------------------------


def test_random_numbers_need_a_key_that_is_an_argument():
    with pytest.raises(TracedValueError, match="would be the same at each call"):
        jax.jit(lambda x: x + dualad.randn(5, device="jax")._raw)(X)

    @jax.jit
    def noisy(key, x):
        g = generator(key)
        return dualad.asarray(x) + dualad.randn(5, dtype="float64", device="jax", generator=g)

    keys = jax.random.split(jax.random.key(1))
    first, again, other = (noisy(k, X).numpy() for k in (keys[0], keys[0], keys[1]))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    g = generator(keys[0])
    alone = dualad.asarray(X) + dualad.randn(5, dtype="float64", device="jax", generator=g)
    np.testing.assert_allclose(alone.numpy(), first, rtol=1e-12)
    assert (dualad.randn(5, device="jax", generator=g) != dualad.randn(5, device="jax", generator=g)).all()
    assert generator(jax.random.PRNGKey(1)).device == dualad.device("jax:0")
    for wrong in (1, keys, X):
        with pytest.raises(dualad.DTypeError, match="generator: "):
            generator(wrong)


def test_a_checkpoint_draws_the_same_numbers_again():
    x = draw(40)

    @jax.jit
    def dropped(key, x):
        g = generator(key)

        def f(x):
            kept = dualad.rand(40, dtype="float64", device="jax", generator=g) < 0.5
            return dualad.sum(dualad.where(kept, x * x, 0.0))

        return dualad.value_and_grad(dualad.checkpoint(f))(x)

    value, gradient = dropped(jax.random.key(3), x)
    kept = np.asarray(gradient) != 0
    assert 0 < kept.sum() < 40
    close(gradient, np.where(kept, 2 * np.asarray(x), 0))
    close(value, np.sum(np.where(kept, np.asarray(x) ** 2, 0)))
