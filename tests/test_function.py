"""dualad.autograd.Function: PyTorch's form of custom derivatives, in every mode and at every order."""

import weakref

import numpy as np
import pytest
from alike import check_alike, close
from conftest import needs

import dualad
from dualad.autograd import Function
from dualad.autograd.function import once_differentiable
from dualad.batching import BatchLoopWarning


def _points(device, *shapes, seed=0):
    needs(dualad.float64, device)
    rng = np.random.default_rng(seed)
    return [dualad.asarray(rng.uniform(0.3, 0.9, s), device=device) for s in shapes]


def plain(x, y):
    return dualad.sin(x) * y + x


class SavesArguments(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return plain(x, y)

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * (dualad.cos(x) * y + 1), g * dualad.sin(x)


class SavesOutput(Function):
    @staticmethod
    def forward(ctx, x, y):
        z = plain(x, y)
        ctx.save_for_backward(x, y, z)
        return z

    @staticmethod
    def backward(ctx, g):
        x, y, z = ctx.saved_tensors
        return g * (dualad.cos(x) * y + 1), g * (z - x) / y


class SavesIntermediates(Function):
    """Wrong at second order in PyTorch, which has no history of what forward computes."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(dualad.cos(x) * y + 1, dualad.sin(x))
        return plain(x, y)

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * a, g * b


class AsAttributes(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.x, ctx.rest = x, {"y": [y, 3]}
        return plain(x, y)

    @staticmethod
    def backward(ctx, g):
        y, three = ctx.rest["y"]
        assert three == 3
        return g * (dualad.cos(ctx.x) * y + 1), g * dualad.sin(ctx.x)


class WithSetup(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, y):
        return plain(x, y)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y = inputs
        ctx.save_for_backward(x, y, output, dualad.cos(x))

    @staticmethod
    def backward(ctx, g):
        x, y, z, c = ctx.saved_tensors
        return g * (c * y + 1), g * (z - x) / y


class WithTangents(SavesArguments):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)
        return plain(x, y)

    @staticmethod
    def jvp(ctx, s, t):
        x, y = ctx.saved_tensors
        return (dualad.cos(x) * y + 1) * s + dualad.sin(x) * t


class TangentsAlone(Function):
    forward = WithTangents.forward
    jvp = WithTangents.jvp


class WithVmap(WithSetup):
    generate_vmap_rule = False
    calls = 0

    @staticmethod
    def vmap(info, in_dims, x, y):
        WithVmap.calls += 1
        assert info.randomness == "error"
        assert all(d in (0, None) for d in in_dims)
        x, y = (a if d is not None else a[None] for a, d in zip((x, y), in_dims, strict=True))
        return dualad.moveaxis(WithVmap.apply(x, y), 0, -1), -1


FUNCTIONS = [
    SavesArguments, SavesOutput, SavesIntermediates, AsAttributes, WithSetup, WithTangents, TangentsAlone,
    WithVmap,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_mode_and_order(function, device):
    check_alike(function.apply, plain, _points(device, (3,), (3,)))
    if function is WithVmap:
        assert function.calls


@pytest.mark.parametrize("function", FUNCTIONS)
def test_arguments_that_are_constant(function, device):
    x, y = _points(device, (3,), (3,))
    check_alike(lambda x: function.apply(x, y), lambda x: plain(x, y), [x])
    check_alike(lambda y: function.apply(x, y), lambda y: plain(x, y), [y])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_third_derivatives(function):
    y = dualad.asarray(2.0, dtype="float64")
    for outer in (dualad.grad, lambda h: lambda x: dualad.jvp(h, (x,), (1.0,))[1]):
        third = outer(dualad.grad(outer(lambda x: function.apply(x, y))))
        assert third(0.5) == pytest.approx(-2 * np.cos(0.5), rel=1e-12)
    x = dualad.asarray(0.5, dtype="float64", requires_grad=True)
    g = function.apply(x, y)
    for _ in range(3):
        (g,) = dualad.autograd.grad(g, x, create_graph=True)
    assert g.item() == pytest.approx(-2 * np.cos(0.5), rel=1e-12)


def test_the_node_is_called_as_in_pytorch():
    x = dualad.ones(2, requires_grad=True)
    y = SavesArguments.apply(x, x)
    assert y.grad_fn.name() == "SavesArgumentsBackward"
    assert "grad_fn=<SavesArgumentsBackward>" in repr(y)
    assert SavesArguments.apply(x.detach(), x.detach()).grad_fn is None
    with dualad.no_grad():
        assert not SavesArguments.apply(x, x).requires_grad


# -- arguments and outputs that are not just one Tensor --------------------------------------------


class Several(Function):
    @staticmethod
    def forward(ctx, x, n, name, y=None):
        ctx.needs = ctx.needs_input_grad
        ctx.n, ctx.has_y = n, y is not None
        ctx.save_for_backward(x, y)
        assert not x.requires_grad
        assert not dualad.is_grad_enabled()
        z = x**n
        return z, name, z if y is None else z * y, dualad.ones(2) > 0

    @staticmethod
    def backward(ctx, g, name, h, flags):
        assert name is None
        assert flags is not None
        x, y = ctx.saved_tensors
        assert (y is not None) == ctx.has_y
        total = g + (h if y is None else h * y)
        gx = total * ctx.n * x ** (ctx.n - 1)
        gy = h * x**ctx.n if ctx.has_y else None
        return gx, None, None, gy


def test_numbers_strings_and_none_among_arguments_and_outputs(device):
    x, y = _points(device, (2,), (2,))
    z, name, w, flags = Several.apply(x.clone().requires_grad_(), 3, "cube", None)
    assert (name, z.requires_grad, w.requires_grad, flags.requires_grad) == ("cube", True, True, False)
    check_alike(lambda x: Several.apply(x, 3, "cube", None)[0], lambda x: x**3, [x])
    check_alike(lambda x, y: Several.apply(x, 3, "cube", y)[2], lambda x, y: x**3 * y, [x, y])


def test_needs_input_grad():
    seen = []

    class Product(Function):
        @staticmethod
        def forward(ctx, x, n, y):
            seen.append(ctx.needs_input_grad)
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            x, y = ctx.saved_tensors
            return g * y, None, g * x if ctx.needs_input_grad[2] else None

    x, y = dualad.tensor(2.0, requires_grad=True), dualad.tensor(3.0)
    Product.apply(x, 5, y).backward()
    assert seen == [(True, False, False)] * 2
    assert x.grad.item() == 3.0
    seen.clear()
    assert dualad.grad(lambda y: Product.apply(x.detach(), 5, y))(3.0) == 2.0
    assert seen == [(False, False, True)] * 2


def test_missing_gradients_are_zeros_or_none():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            seen.append((g, h))
            return sum(c * k for c, k in ((g, 2), (h, 3)) if c is not None), None

        @staticmethod
        def jvp(ctx, t, _):
            return t * 2, None if t is None else t * 3

    x = dualad.ones(2, requires_grad=True)
    Two.apply(x, True)[0].sum().backward()
    assert seen.pop()[1].tolist() == [0.0, 0.0]
    Two.apply(x, False)[1].sum().backward()
    assert seen.pop()[0] is None
    assert x.grad.tolist() == [5.0, 5.0]
    assert dualad.jvp(lambda x: Two.apply(x, False)[1], (np.ones(2),), (np.ones(2),))[1].tolist() == [
        3.0,
        3.0,
    ]


def test_outputs_without_derivative():
    class Sorted(Function):
        @staticmethod
        def forward(ctx, x):
            order = dualad.argsort(x)
            rank = order.to(dualad.float64)
            ctx.mark_non_differentiable(rank)
            ctx.save_for_backward(order)
            return x[order], rank

        @staticmethod
        def backward(ctx, g, _):
            (order,) = ctx.saved_tensors
            return dualad.take(g, dualad.argsort(order))

    x = dualad.tensor([3.0, 1.0, 2.0], dtype="float64", requires_grad=True)
    y, rank = Sorted.apply(x)
    assert (y.requires_grad, rank.requires_grad) == (True, False)
    (y * dualad.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100.0, 1.0, 10.0]
    _, (t, s) = dualad.jvp(lambda x: Sorted.apply(x), (x.detach(),), (dualad.tensor([1.0, 2.0, 3.0]),))
    assert t.tolist() == [2.0, 3.0, 1.0]
    assert s.tolist() == [0.0, 0.0, 0.0]
    gradients = dualad.vmap(dualad.grad(lambda x: Sorted.apply(x)[0][0] * Sorted.apply(x)[1][0]))
    assert gradients(np.array([[3.0, 1.0], [0.0, 1.0]])).tolist() == [[0.0, 1.0], [0.0, 0.0]]


class Doubled(Function):
    """Doubles its argument in place."""

    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def test_writing_to_an_argument():
    a = dualad.tensor([1.0, 2.0], requires_grad=True)
    x = a * 3
    view, before = x[:1], x * 1
    y = Doubled.apply(x)
    assert y is x
    assert x.tolist() == [6.0, 12.0]
    assert view.tolist() == [6.0]
    assert x.grad_fn.name() == "DoubledBackward"
    (y.sum() + view.sum() + before.sum()).backward()
    assert a.grad.tolist() == [15.0, 9.0]
    b = dualad.tensor([1.0, 2.0])
    assert Doubled.apply(b) is b
    assert b.tolist() == [2.0, 4.0]
    with pytest.raises(dualad.InplaceError, match="a leaf Variable that requires grad"):
        Doubled.apply(a)
    assert a.tolist() == [1.0, 2.0]
    with dualad.no_grad():
        Doubled.apply(a)
    assert a.tolist() == [2.0, 4.0]
    assert a.is_leaf


def test_writing_inside_transforms(device):
    (x,) = _points(device, (3,))
    check_alike(lambda x: Doubled.apply(x * x), lambda x: 2 * x * x, [x])

    class Squared(Function):
        """Saves its argument, which is its output by then."""

        @staticmethod
        def forward(ctx, x):
            x.mul_(x)
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return 2 * g * dualad.sqrt(y)

    def fourth_power(x):
        y = x * x
        Squared.apply(y)
        return y

    check_alike(fourth_power, lambda x: x**4, [x])


def test_marking_what_is_no_argument():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            ctx.mark_dirty(y)
            return y

    with pytest.raises(
        dualad.GradientError, match="mark_dirty is no argument: what was written to must be both"
    ):
        Wrong.apply(dualad.ones(2))


def test_attributes_stay_the_objects_they_are():
    class Config:
        def __init__(self):
            self.seen = []

    class Logged(Function):
        @staticmethod
        def forward(ctx, x, config, log):
            ctx.config, ctx.log, ctx.parts = config, log, [x, log]
            return x * 2

        @staticmethod
        def backward(ctx, g):
            ctx.config.seen.append(1)
            ctx.log.append(ctx.parts[0].tolist())
            return 2 * g, None, None

    config, log = Config(), []
    x = dualad.ones(2, requires_grad=True)
    Logged.apply(x, config, log).sum().backward()
    assert (config.seen, log) == ([1], [[1.0, 1.0]])
    assert dualad.grad(lambda x: Logged.apply(x, config, log))(3.0) == 2.0
    assert (config.seen, log) == ([1, 1], [[1.0, 1.0], 3.0])


# -- code of other libraries -----------------------------------------------------------------------


class NumPySin(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return dualad.asarray(np.sin(x.cpu().numpy()), device=x.device)

    @staticmethod
    def backward(ctx, g):
        return g * dualad.cos(ctx.saved_tensors[0])


def test_numpy_in_the_forward_pass(device):
    check_alike(NumPySin.apply, dualad.sin, _points(device, (3,)), vmap=False)


def test_numpy_that_saves_more_is_refused_at_second_order():
    class Sin(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.slope = np.cos(x.numpy())
            return dualad.asarray(np.sin(x.numpy()))

        @staticmethod
        def backward(ctx, g):
            return g * ctx.slope

    assert dualad.grad(Sin.apply)(0.0) == 1.0
    with pytest.raises(dualad.GradientError) as caught:
        dualad.grad(dualad.grad(Sin.apply))(0.0)
    assert any("Sin: its forward pass is run again" in note for note in caught.value.__notes__)


class Once(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return dualad.asarray(np.multiply(x.numpy(), y.numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        x, y = (a.numpy() for a in ctx.saved_tensors)
        assert not dualad.is_grad_enabled()
        return dualad.asarray(g.numpy() * y), g * dualad.asarray(x)


def test_once_differentiable():
    x, y = (dualad.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 4.0]))
    Once.apply(x, y).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([3.0, 4.0], [1.0, 2.0])
    gx, gy = dualad.autograd.grad(Once.apply(x, y).sum(), (x, y), create_graph=True)
    assert (gx.tolist(), gy.tolist()) == ([3.0, 4.0], [1.0, 2.0])
    message = "differentiate twice a function that was marked with @once_differentiable"
    with pytest.raises(dualad.GradientError, match=message):
        gx.sum().backward()
    f = lambda x: Once.apply(x, x).sum()  # noqa: E731
    assert dualad.grad(f)(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]
    for second in (dualad.grad(lambda x: dualad.grad(f)(x).sum()), dualad.hessian(f)):
        with pytest.raises(dualad.GradientError, match="marked with @once_differentiable"):
            second(np.array([1.0, 2.0]))
    with pytest.raises(dualad.GradientError, match="marked with @once_differentiable"):
        dualad.jvp(dualad.grad(f), (np.ones(2),), (np.ones(2),))


def test_jacobians_of_code_of_other_libraries_are_taken_row_by_row():
    """What a rule cannot do for a batch of cotangents it does for each."""
    x = np.array([0.5, 1.5])
    with pytest.warns(BatchLoopWarning, match="the rule of Once looks at values"):
        rows = dualad.jacrev(lambda x: Once.apply(x, x))(x)
    close(rows, np.diag(2 * x))

    class Tangents(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(x)
            return dualad.asarray(np.sin(x.numpy()))

        @staticmethod
        def jvp(ctx, t):
            return dualad.asarray(t.numpy() * np.cos(ctx.saved_tensors[0].numpy()))

    push = lambda t: dualad.jvp(Tangents.apply, (x,), (t,))[1]  # noqa: E731
    with pytest.warns(BatchLoopWarning, match="the rule of Tangents looks at values"):
        columns = dualad.vmap(push)(np.eye(2))
    close(columns, np.diag(np.cos(x)))


# -- autograd inside -------------------------------------------------------------------------------


def test_a_graph_inside_the_backward_pass():
    """As checkpointing does it: forward runs without a graph, backward with one."""

    class Checkpointed(Function):
        @staticmethod
        def forward(ctx, f, x):
            ctx.f = f
            ctx.save_for_backward(x)
            return f(x)

        @staticmethod
        def backward(ctx, g):
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with dualad.enable_grad():
                y = ctx.f(x)
            return None, dualad.autograd.grad(y, x, g)[0]

    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    Checkpointed.apply(lambda x: (x**3).exp(), x).sum().backward()
    want = dualad.grad(lambda x: dualad.exp(x**3).sum())(x.detach())
    close(x.grad, want, 1e-6)


class Cube(Function):
    """A rule that differentiates in what was saved."""

    @staticmethod
    def forward(ctx, x, y):
        z = x**3 * y
        ctx.save_for_backward(x, y, z)
        ctx.k = [3]
        return z

    @staticmethod
    def backward(ctx, g):
        x, y, z = ctx.saved_tensors
        assert (x.requires_grad, y.requires_grad, z.requires_grad) == (True, ctx.needs_input_grad[1], True)
        wanted = [v for v in (x, y) if v.requires_grad]
        with dualad.enable_grad():
            gradients = dualad.autograd.grad(x**3 * y, wanted, g)
        return (*gradients, *[None] * (2 - len(wanted)))


def test_outputs_of_several_name_the_node_of_the_call():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x * 2, x * 3
            ctx.save_for_backward(a, b)
            return a, b

        @staticmethod
        def backward(ctx, g, h):
            assert all(saved.requires_grad for saved in ctx.saved_tensors)
            return g * 2 + h * 3

    x = dualad.tensor([1.0], requires_grad=True)
    a, b = Two.apply(x)
    assert repr(b) == "tensor([3.], grad_fn=<TwoBackward>)"
    assert a.grad_fn is b.grad_fn
    saved = b.grad_fn.saved_tensors
    assert [s.tolist() for s in saved] == [[2.0], [3.0]]
    assert all(s.grad_fn is a.grad_fn for s in saved)
    (a + b).sum().backward()
    assert x.grad.tolist() == [5.0]


def test_what_was_saved_can_be_differentiated_in():
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    y = dualad.tensor([3.0, 5.0])
    Cube.apply(x * 2, y).sum().backward()  # (2x)^3 y
    assert x.grad.tolist() == [72.0, 480.0]
    y.requires_grad_()
    x.grad = None
    Cube.apply(x, y).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([9.0, 60.0], [1.0, 8.0])
    assert not x.grad.requires_grad


def test_gradients_made_of_what_was_saved_have_no_history():
    class Product(Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            with dualad.enable_grad():
                (y * y).sum().backward()  # reaches nobody's .grad
                return g * y, x

    x, y = (dualad.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 5.0]))
    gx, gy = dualad.autograd.grad(Product.apply(x, y).sum(), (x, y))
    assert (gx.tolist(), gy.tolist()) == ([3.0, 5.0], [1.0, 2.0])
    assert not gx.requires_grad
    assert not gy.requires_grad
    assert x.grad is y.grad is None


def test_the_node_has_the_attributes_of_ctx():
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    a = x * 2
    z = Cube.apply(a, dualad.tensor([3.0, 5.0]))
    node = z.grad_fn
    assert node.k == [3]
    assert node.needs_input_grad == (True, False)
    saved = node.saved_tensors
    assert [s.tolist() for s in saved] == [a.tolist(), [3.0, 5.0], z.tolist()]
    assert [s.grad_fn for s in saved] == [a.grad_fn, None, node]
    assert not hasattr(node, "other")
    assert not hasattr(node, "_other")
    with pytest.raises(AttributeError, match="'CubeBackward' object has no attribute 'other'"):
        _ = node.other
    z.sum().backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        _ = node.saved_tensors
    with pytest.raises(AttributeError, match="a backward pass has freed it"):
        _ = node.k
    assert node.needs_input_grad == (True, False)


def test_backward_may_be_called_vjp():
    class Named(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def vjp(ctx, g):
            return g * ctx.saved_tensors[0].cos()

    f = Named.apply
    close(dualad.grad(dualad.grad(f))(0.5), -np.sin(0.5))
    close(dualad.jvp(f, (0.5,), (2.0,))[1], 2 * np.cos(0.5))
    x = dualad.tensor(0.5, requires_grad=True, dtype=dualad.float64)
    f(x).backward()
    close(x.grad, np.cos(0.5))

    class Both(Named):
        backward = Named.vjp

    with pytest.raises(RuntimeError, match="both 'backward' and 'vjp' for a custom Function is not allowed"):
        Both.apply(x)


def test_modes_that_forward_sets_end_with_it():
    class Rude(Function):
        @staticmethod
        def forward(ctx, x):
            dualad.set_grad_enabled(True)
            dualad.autograd.set_detect_anomaly(True)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = dualad.tensor(1.0, requires_grad=True)
    with dualad.no_grad():
        Rude.apply(x)
        assert not dualad.is_grad_enabled()
    assert Rude.apply(x).requires_grad
    assert not dualad.is_anomaly_enabled()


def test_a_function_that_calls_another(device):
    class Outer(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return SavesArguments.apply(x, x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return dualad.vjp(lambda x: SavesArguments.apply(x, x), x)[1](g)[0]

    check_alike(Outer.apply, lambda x: plain(x, x), _points(device, (3,)))


def test_hooks_and_retained_gradients():
    x = dualad.ones(2, requires_grad=True)
    y = SavesArguments.apply(x, x)
    seen = []
    y.register_hook(seen.append)
    y.retain_grad()
    (3 * y).sum().backward()
    assert seen[0].tolist() == y.grad.tolist() == [3.0, 3.0]


def test_backward_twice():
    x = dualad.ones(2, requires_grad=True)
    y = SavesArguments.apply(x, x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(dualad.GradientError, match="second time"):
        y.backward()


def test_what_is_written_later_does_not_reach_what_was_saved():
    x = dualad.tensor([1.0, 2.0], dtype="float64", requires_grad=True)
    y = dualad.tensor([3.0, 4.0], dtype="float64")
    z = SavesArguments.apply(x * 1, y)
    y.mul_(100)
    z.sum().backward()
    close(x.grad, np.cos([1.0, 2.0]) * [3.0, 4.0] + 1)


def _array_of(x):
    return weakref.ref(x._raw)


def test_a_graph_holds_no_more_than_was_saved():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = dualad.exp(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = dualad.ones(2, requires_grad=True)
    h = x * 2
    y = Exp.apply(h)
    z = y * 3
    of_h, of_y = _array_of(h), _array_of(y)
    del h, y
    assert of_h() is None
    assert of_y() is not None
    z.sum().backward()
    assert of_y() is None
    close(x.grad, 6 * np.exp(np.full(2, 2.0)), 1e-6)


def test_hooks_for_saved_tensors():
    packed, unpacked = [], []

    def unpack(x):
        unpacked.append(x)
        return x

    x, y = dualad.tensor([1.0, 2.0], requires_grad=True), dualad.tensor([3.0, 4.0], requires_grad=True)
    with dualad.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t.tolist()) or t * 1, unpack):
        z = SavesArguments.apply(x, y)
    assert packed == [[1.0, 2.0], [3.0, 4.0]]
    g = dualad.autograd.grad(z.sum(), (x, y), create_graph=True)
    close(g[1], np.sin([1.0, 2.0]), 1e-6)
    close(dualad.autograd.grad(g[1].sum(), x)[0], np.cos([1.0, 2.0]), 1e-6)
    assert len(unpacked) == 2


def test_under_a_checkpoint(device):
    (x,) = _points(device, (3,))
    for function in (SavesArguments, SavesIntermediates, WithSetup, TangentsAlone):
        layer = dualad.checkpoint(lambda x, function=function: function.apply(dualad.sin(x), x * x))
        check_alike(layer, lambda x: plain(dualad.sin(x), x * x), [x])


def test_random_numbers_are_the_same_when_forward_is_run_again():
    class Noisy(Function):
        @staticmethod
        def forward(ctx, x):
            scale = x * dualad.rand(*x.shape, dtype="float64")
            ctx.save_for_backward(scale)
            return scale * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = dualad.ones(4, dtype="float64", requires_grad=True)
    y = Noisy.apply(x)
    (g,) = dualad.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = dualad.autograd.grad(g.sum(), x)
    close(g, 2 * y)
    close(h, 2 * y)
    batch = np.ones((3, 4))
    f = lambda b: dualad.vmap(Noisy.apply, randomness="different")(b)  # noqa: E731
    value, pull = dualad.vjp(f, batch)
    gradient, hessian = dualad.vjp(lambda b: dualad.vjp(f, b)[1](np.ones((3, 4)))[0], batch)
    assert len(np.unique(value)) == 12
    close(pull(np.ones((3, 4)))[0], 2 * value)
    close(hessian(np.ones((3, 4)))[0], gradient)


# -- vmap ------------------------------------------------------------------------------------------


class Sums(Function):
    @staticmethod
    def forward(x, n):
        return x.sum(), x * n

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.n, ctx.shape = inputs[1], inputs[0].shape

    @staticmethod
    def backward(ctx, g, h):
        return dualad.broadcast_to(g, ctx.shape) + h * ctx.n, None

    @staticmethod
    def vmap(info, in_dims, x, n):
        assert in_dims == (0, None)
        assert info.batch_size == x.shape[0] == 2
        return (x.sum(tuple(range(1, x.ndim))), x * n), (0, 0)


def test_a_vmap_of_the_users():
    x = np.arange(6.0).reshape(2, 3)
    sums, products = dualad.vmap(lambda x: Sums.apply(x, 2))(x)
    assert sums.tolist() == [3.0, 12.0]
    assert products.tolist() == (2 * x).tolist()
    gradients = dualad.vmap(dualad.grad(lambda x: Sums.apply(x, 2)[0] * Sums.apply(x, 2)[1].sum()))(x)
    assert gradients.tolist() == [[12.0] * 3, [48.0] * 3]
    assert (
        dualad.grad(lambda x: dualad.vmap(lambda x: Sums.apply(x, 2)[1])(x).sum())(x).tolist()
        == [[2.0] * 3] * 2
    )


def test_a_result_that_is_the_same_for_all_examples():
    class First(Function):
        @staticmethod
        def forward(x, y):
            return y * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return None, 2 * g

        @staticmethod
        def vmap(info, in_dims, x, y):
            return (y * 2, None) if in_dims[1] is None else (y * 2, in_dims[1])

    x, y = np.ones(3), np.array([1.0, 2.0])
    assert dualad.vmap(First.apply, in_axes=(0, None))(x, y).tolist() == [[2.0, 4.0]] * 3
    total = lambda y: dualad.vmap(First.apply, in_axes=(0, None))(x, y).sum()  # noqa: E731
    assert dualad.grad(total)(y).tolist() == [6.0, 6.0]


# -- what is refused -------------------------------------------------------------------------------


def _scaled(**methods):
    def forward(ctx, x, n):
        return x * n

    methods = {"forward": forward, **methods}
    return type("Scaled", (Function,), {k: staticmethod(m) for k, m in methods.items()})


WRONG = {
    "too few": (lambda ctx, g: g, dualad.GradientError,
                r"function ScaledBackward returned an incorrect number of gradients \(expected 2, got 1\)"),
    "too many": (lambda ctx, g: (g, None, g), dualad.GradientError,
                 r"incorrect number of gradients \(expected 2, got 3\)"),
    "for a number": (lambda ctx, g: (g, g), dualad.GradientError,
                     "gradient different from None at position 2, but the corresponding forward input was no "
                     "Tensor, but int"),
    "shape": (lambda ctx, g: (g[:1], None), dualad.ShapeError,
              r"invalid gradient at index 0 - got \(1,\) but expected shape compatible with \(2,\)"),
    "a number": (lambda ctx, g: ("g", None), dualad.GradientError,
                 "function ScaledBackward: expected Tensor or None, got str"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_gradients(case):
    backward, kind, message = WRONG[case]
    y = _scaled(backward=backward).apply(dualad.ones(2, requires_grad=True), 2)
    with pytest.raises(kind, match=message) as caught:
        y.sum().backward()
    assert any("ScaledBackward" in note for note in caught.value.__notes__)


def test_gradients_that_fit_all_the_same():
    x = dualad.ones(2, requires_grad=True)
    wider = _scaled(backward=lambda ctx, g: (dualad.ones(3, 2), None, None))
    wider.apply(x, 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]  # summed, as what was broadcast
    double = _scaled(backward=lambda ctx, g: (g.to(dualad.float64) * 2, None))
    assert dualad.autograd.grad(double.apply(x, 2).sum(), x)[0].dtype is dualad.float32
    none = _scaled(backward=lambda ctx, g: (None, None))
    assert dualad.grad(lambda x: none.apply(x, 2).sum())(np.ones(2)).tolist() == [0.0, 0.0]


def test_wrong_tangents():
    x = np.ones(2)
    with pytest.raises(dualad.GradientError, match=r"incorrect number of tangents \(expected 1, got 2\)"):
        dualad.jvp(lambda x: _scaled(jvp=lambda ctx, t, n: (t, t)).apply(x, 2), (x,), (x,))
    with pytest.raises(
        dualad.ShapeError, match=r"invalid tangent at index 0 - got \(1,\) but expected shape \(2,\)"
    ):
        dualad.jvp(lambda x: _scaled(jvp=lambda ctx, t, n: t[:1]).apply(x, 2), (x,), (x,))


def test_missing_methods():
    x = dualad.ones(2, requires_grad=True)
    with pytest.raises(
        dualad.MissingDerivativeError, match=r"Scaled: define a static method backward\(ctx, \*grads\)"
    ):
        _scaled().apply(x, 2).sum().backward()
    with pytest.raises(dualad.MissingDerivativeError, match="Scaled: define"):
        dualad.jvp(lambda x: _scaled().apply(x, 2), (np.ones(2),), (np.ones(2),))
    with pytest.raises(dualad.GradientError, match=r"Empty: define a static method forward\(ctx, \*args\)"):
        type("Empty", (Function,), {}).apply(x)


def test_saving_what_is_no_tensor():
    with pytest.raises(
        TypeError, match="save_for_backward can only save Tensors, but argument 1 is of type int"
    ):
        _scaled(forward=lambda ctx, x, n: ctx.save_for_backward(x, n)).apply(dualad.ones(2), 2)


def test_wrong_batches():
    def bad(result):
        return _scaled(
            forward=lambda x, n: x * n,
            setup_context=lambda ctx, i, o: None,
            vmap=lambda info, dims, x, n: result,
        )

    x = np.ones((2, 3))
    with pytest.raises(dualad.GradientError, match=r"vmap must return a pair, \(outputs, out_dims\)"):
        dualad.vmap(lambda x: bad(dualad.ones(2)).apply(x, 2))(x)
    with pytest.raises(dualad.GradientError, match="vmap returned 1 outputs and 2 out_dims"):
        dualad.vmap(lambda x: bad((dualad.ones(2), (0, 0))).apply(x, 2))(x)
    old = _scaled(vmap=lambda info, dims, x, n: (x * n, 0), backward=lambda ctx, g: (g, None))
    assert dualad.vmap(lambda x: old.apply(x, 2))(x).tolist() == (2 * x).tolist()
    with pytest.raises(dualad.GradientError, match="define setup_context"):
        dualad.vmap(dualad.grad(lambda x: old.apply(x, 2).sum()))(x)


def test_a_failing_backward_leaves_nothing_behind():
    def backward(ctx, g):
        raise KeyError("mine")

    x = dualad.ones(2, requires_grad=True)
    y = _scaled(backward=backward).apply(x, 2).sum()
    with pytest.raises(KeyError, match="mine"):
        y.backward()
    assert x.grad is None
    assert dualad.is_grad_enabled()


def test_a_backward_or_jvp_that_is_not_linear_is_not_transposed():
    class Clipped(dualad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g.clamp(-1, 1)

    class Shifted(dualad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def jvp(ctx, t):
            return t + 1

    assert dualad.grad(lambda x: 5 * Clipped.apply(x))(1.0) == 1.0
    assert dualad.jvp(Shifted.apply, (1.0,), (1.0,))[1] == 2.0
    x = dualad.tensor(1.0, requires_grad=True)
    (5 * Clipped.apply(x)).backward()
    assert x.grad.item() == 1.0
    for transpose in (
        lambda: dualad.jvp(Clipped.apply, (1.0,), (1.0,)),
        lambda: dualad.linearize(Clipped.apply, 1.0),
    ):
        with pytest.raises(
            dualad.GradientError, match="Clipped: its backward is not linear in the cotangent"
        ):
            transpose()
    with pytest.raises(dualad.GradientError, match="Shifted: its jvp is not linear in the tangents"):
        dualad.grad(Shifted.apply)(1.0)


def test_an_array_that_is_saved():
    class Square(dualad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

    with pytest.raises(TypeError, match=r"argument 0 is of type numpy\.ndarray; give apply Tensors"):
        Square.apply(np.ones(2))
