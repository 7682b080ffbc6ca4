"""Hooks: when they run, in which order, with what, and what they can change.

The lists of what is to be seen are those that PyTorch 2.13 gives for the same programs.
"""

import gc
import threading
import weakref

import pytest

import dualad
import dualad as torch
from dualad.autograd.graph import GradientEdge, Node, get_gradient_edge, register_multi_grad_hook


def shown(gradients):
    return tuple(None if g is None else g.tolist() for g in gradients)


def leaf(data, device="cpu"):
    return dualad.tensor(data, device=device, requires_grad=True)


# -- order -----------------------------------------------------------------------------------------


def test_the_order_is_that_of_pytorch(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    seen = []

    def told(name, result=lambda gradients: None):
        def hook(*args):
            seen.append((name, *(shown(a) if isinstance(a, tuple) else a.tolist() for a in args)))
            return result(args[0])

        return hook

    y.retain_grad()
    y.register_hook(told("tensor", lambda g: g * 10))
    y.grad_fn.register_prehook(told("pre", lambda gs: (gs[0] * 100,)))
    y.grad_fn.register_hook(told("post", lambda gs: (gs[0] * 1000, None)))
    accumulate = y.grad_fn.next_functions[0][0]
    accumulate.register_hook(lambda gi, go: seen.append(("leaf post", gi, shown(go), x.grad.tolist())))
    accumulate.register_prehook(told("leaf pre"))
    x.register_post_accumulate_grad_hook(lambda p: seen.append(("accumulated", p is x, p.grad.tolist())))
    x.register_hook(told("leaf tensor"))
    y.sum().backward()
    whole = [2e6, 2e6]
    assert seen == [
        ("tensor", [1.0, 1.0]),
        ("pre", ([10.0, 10.0],)),
        ("post", ([2000.0, 2000.0], None), ([1000.0, 1000.0],)),
        ("leaf tensor", whole),
        ("leaf pre", (whole,)),
        ("accumulated", True, whole),
        ("leaf post", (), (whole,), whole),
    ]
    assert y.grad.tolist() == [10.0, 10.0]
    assert x.grad.tolist() == whole


@pytest.mark.parametrize("register", ["register_hook", "register_prehook"])
def test_hooks_of_a_node_see_what_earlier_ones_have_left(register):
    x = leaf([1.0, 2.0])
    y = x.exp()
    add, times = (lambda gs, *_: (gs[0] + 1,)), (lambda gs, *_: (gs[0] * 10,))
    getattr(y.grad_fn, register)(add)
    getattr(y.grad_fn, register)(times)
    y.backward(dualad.zeros(2))
    expected = [10.0, 10.0] if register == "register_hook" else (10.0 * y).tolist()
    assert x.grad.tolist() == pytest.approx(expected, rel=1e-6)


def test_a_node_that_no_input_needs_is_not_walked():
    x = leaf([1.0, 2.0])
    y = x * x
    seen = []
    y.register_hook(lambda g: seen.append("tensor"))
    y.grad_fn.register_prehook(lambda gs: seen.append("pre"))
    y.grad_fn.register_hook(lambda gi, go: seen.append("post"))
    x.register_post_accumulate_grad_hook(lambda p: seen.append("accumulated"))
    z = y.exp()
    dualad.autograd.grad(z.sum(), y)
    assert seen == ["tensor"]
    y.sum().backward()  # so what it saved is there still
    assert seen == ["tensor", "tensor", "pre", "post", "accumulated"]
    assert x.grad.tolist() == [2.0, 4.0]


def test_leaves_accumulate_only_where_backward_is_to():
    a, b = leaf(2.0), leaf(3.0)
    seen = []
    a.register_post_accumulate_grad_hook(lambda p: seen.append("a"))
    b.register_post_accumulate_grad_hook(lambda p: seen.append("b"))
    y = a * b
    dualad.autograd.grad(y, [a, b], retain_graph=True)
    assert seen == []
    y.backward(inputs=[b])
    assert seen == ["b"]
    assert a.grad is None
    assert b.grad.item() == 2.0


# -- what nodes tell, and get ----------------------------------------------------------------------


def test_hooks_of_a_node_of_several_outputs(device):
    a = dualad.tensor([[2.0, 1.0], [1.0, 3.0]], device=device, requires_grad=True)
    values, vectors = dualad.linalg.eigh(a)
    node = values.grad_fn
    assert vectors.grad_fn is node
    assert values.sum().grad_fn.next_functions == ((node, 0),)
    assert vectors.sum().grad_fn.next_functions == ((node, 1),)
    seen = []
    node.register_prehook(lambda gs: seen.append(shown(gs)))
    node.register_prehook(lambda gs: (gs[0] * 2, None))
    node.register_hook(lambda gi, go: seen.append((gi[0].shape, shown(go))))
    values.sum().backward()
    assert seen == [([1.0, 1.0], None), ((2, 2), ([2.0, 2.0], None))]
    assert dualad.allclose(a.grad, 2 * dualad.eye(2, device=device), atol=1e-6)


def test_a_hook_may_let_no_gradient_pass():
    a, b = leaf(2.0), leaf(3.0)
    y = a * b
    y.grad_fn.register_hook(lambda gi, go: (None, gi[1]))
    y.backward()
    assert a.grad is None
    assert b.grad.item() == 2.0
    z = a * b
    z.grad_fn.register_prehook(lambda gs: (None,))
    z.backward()
    assert a.grad is None
    assert b.grad.item() == 2.0


def test_nodes_name_each_other_and_their_leaves():
    x = leaf([1.0, 2.0])
    y = (x * x + 1).sum()
    assert isinstance(y.grad_fn, Node)
    assert y.grad_fn.name() == "SumBackward0"
    (add, number), *rest = y.grad_fn.next_functions
    assert (add.name(), number, rest) == ("AddBackward0", 0, [])
    (product, _), (constant, _) = add.next_functions
    assert constant is None
    accumulate = product.next_functions[0][0]
    assert accumulate is product.next_functions[1][0]
    assert accumulate.name() == "AccumulateGrad"
    assert accumulate.variable is x
    product.metadata["who"] = "me"
    assert product.metadata == {"who": "me"}
    assert not accumulate.metadata


def test_what_a_node_saved_goes_by_the_names_of_pytorch():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * w
    assert y.grad_fn._saved_self.tolist() == [1.0, 2.0]
    assert y.grad_fn._saved_other.tolist() == [3.0, 4.0]
    assert y.grad_fn._saved_other.requires_grad
    e = y.exp()
    assert e.grad_fn._saved_result.tolist() == e.tolist()
    assert e.grad_fn._saved_self is None
    assert (x * 2).grad_fn._saved_self is None
    assert not any(isinstance(v, Node) for v in vars(type(e.grad_fn)).values())


def test_a_node_with_hooks_is_walked_as_others_are(device):
    x = leaf([[1.0, -2.0], [3.0, 4.0]], device)

    def f(hooked):
        h = x[0] @ x + (x**3).sum(axis=0) - x.exp().mean() * x.max()
        y = (h * dualad.where(x[1] > 3.5, h, x[1])).sum()
        if hooked:
            stack = [y.grad_fn]
            while stack:
                node = stack.pop()
                node.register_hook(lambda gi, go: None)
                node.register_prehook(lambda go: None)
                stack.extend(n for n, _ in node.next_functions if n is not None)
        return y

    (plain,) = dualad.autograd.grad(f(False), x, create_graph=True)
    (tended,) = dualad.autograd.grad(f(True), x, create_graph=True)
    assert tended.tolist() == plain.tolist()
    second = [dualad.autograd.grad((g * g).sum(), x)[0].tolist() for g in (plain, tended)]
    assert second[0] == second[1]


def test_hooks_of_nodes_under_create_graph_see_gradients_with_history():
    x = leaf(2.0)
    y = x**3
    kept = []
    y.grad_fn.register_hook(lambda gi, go: kept.append(gi[0]))
    y.backward(create_graph=True)
    (second,) = dualad.autograd.grad(kept[0], x)
    assert second.item() == pytest.approx(12.0)


def test_hooks_act_inside_transforms():
    def f(x):
        y = x * 2
        y.register_hook(lambda g: g * 10)
        y.grad_fn.register_hook(lambda gi, go: (gi[0] + 1, None))
        return y.sum()

    assert dualad.grad(f)(dualad.tensor([1.0, 2.0])).tolist() == [21.0, 21.0]


# -- handles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "register",
    [
        lambda x, y, f: y.register_hook(lambda g: f()),
        lambda x, y, f: y.grad_fn.register_hook(lambda gi, go: f()),
        lambda x, y, f: y.grad_fn.register_prehook(lambda gs: f()),
        lambda x, y, f: x.register_post_accumulate_grad_hook(lambda p: f()),
        lambda x, y, f: register_multi_grad_hook((x, y), lambda gs: f()),
        lambda x, y, f: register_multi_grad_hook((x, y), lambda g: f(), mode="any"),
    ],
    ids=["tensor", "node", "prehook", "accumulated", "all", "any"],
)
def test_every_hook_can_be_removed(register):
    x = leaf(1.0)
    y = x * 2
    seen = []
    first = register(x, y, lambda: seen.append(1))
    second = register(x, y, lambda: seen.append(2))
    assert first.id != second.id
    y.backward(retain_graph=True)
    assert seen == [1, 2]
    first.remove()
    first.remove()
    y.backward(retain_graph=True)
    assert seen == [1, 2, 2]
    with second:
        pass
    y.backward()
    assert seen == [1, 2, 2]


def test_a_handle_keeps_nothing_alive():
    x = leaf(1.0)
    y = x * 2
    node = weakref.ref(y.grad_fn)
    handles = [y.register_hook(print), y.grad_fn.register_hook(print), y.grad_fn.register_prehook(print)]
    del y
    assert node() is None
    for handle in handles:
        handle.remove()


def test_a_hook_may_remove_itself():
    x = leaf(1.0)
    seen = []

    def once(g):
        seen.append(g.item())
        handle.remove()

    handle = x.register_hook(once)
    x.register_hook(lambda g: seen.append("other"))
    for _ in range(2):
        (x * 1).backward()
    assert seen == [1.0, "other", "other"]


def test_hooks_registered_before_retain_grad_can_be_removed_after():
    x = leaf(1.0)
    y = x * 2
    seen = []
    handle = y.register_hook(lambda g: seen.append(1))
    y.retain_grad()
    handle.remove()
    y.backward()
    assert seen == []
    assert y.grad.item() == 1.0


# -- tensors that are written to -------------------------------------------------------------------


def test_a_hook_stays_with_the_value_it_was_registered_on():
    x = leaf([1.0, 2.0])
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(("before", g.tolist())))
    y.mul_(5)
    y.register_hook(lambda g: seen.append(("after", g.tolist())))
    y.sum().backward()
    assert seen == [("after", [1.0, 1.0]), ("before", [5.0, 5.0])]


def test_retains_grad_tells_who_keeps_it():
    x = leaf(1.0)
    y = x * 2
    assert not x.retains_grad
    assert not y.retains_grad
    x.retain_grad()
    y.retain_grad()
    assert not x.retains_grad
    assert y.retains_grad


# -- several gradients -----------------------------------------------------------------------------


def test_all_gradients_that_come_are_waited_for(device):
    a, b = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    c, d = a * b, a * b
    seen = []
    register_multi_grad_hook((a, b, c, d), lambda gs: seen.append([g is not None for g in gs]))
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=(a,), retain_graph=True)
    dualad.autograd.grad(c.sum(), c, retain_graph=True)
    (c + d).sum().backward()
    assert seen == [
        [True, True, True, False],
        [True, False, True, False],
        [False, False, True, False],
        [True, True, True, True],
    ]


def test_the_first_gradient_of_several():
    a, b = leaf(2.0), leaf(3.0)
    c = a * b
    seen = []
    register_multi_grad_hook((a, b, c), lambda g: seen.append(g.item()), mode="any")
    c.backward(retain_graph=True)
    (c * 4).backward()
    assert seen == [1.0, 4.0]


def test_what_several_hooks_are_refused():
    with pytest.raises(ValueError, match="Expects mode to be one of"):
        register_multi_grad_hook([leaf(1.0)], print, mode="some")
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="does not require grad"):
        register_multi_grad_hook([x, dualad.ones(2)], print)
    assert not x._node.hooks
    for tensors in (None, x):
        with pytest.raises(TypeError, match="register_multi_grad_hook: expected a sequence of Tensors, got"):
            register_multi_grad_hook(tensors, print)
    with pytest.raises(TypeError, match="register_multi_grad_hook: expected a function, got int"):
        register_multi_grad_hook([x], 3)


def test_several_hooks_on_what_an_iterator_gives():
    x, calls = leaf(1.0), []
    register_multi_grad_hook((y for y in [x]), calls.append)
    (x * 2).backward()
    assert calls == [[2.0]]


# -- gradient edges --------------------------------------------------------------------------------


def test_an_edge_stands_for_its_tensor(device):
    a, b = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    c = a * b
    edge = get_gradient_edge(c)
    assert edge == GradientEdge(c.grad_fn, 0)
    ones = dualad.ones(2, device=device)
    assert dualad.autograd.grad(edge, a, ones * 3, retain_graph=True)[0].tolist() == [9.0, 12.0]
    total = get_gradient_edge(c.sum())
    (gc_, gb) = dualad.autograd.grad(total, [edge, get_gradient_edge(b)], retain_graph=True)
    assert (gc_.tolist(), gb.tolist()) == ([1.0, 1.0], [1.0, 2.0])
    dualad.autograd.backward(total, inputs=get_gradient_edge(a))
    assert a.grad.tolist() == [3.0, 4.0]
    assert b.grad is None


def test_edges_of_an_op_of_several_outputs(device):
    a = dualad.tensor([[2.0, 1.0], [1.0, 3.0]], device=device, requires_grad=True)
    values, vectors = dualad.linalg.eigh(a)
    assert get_gradient_edge(vectors) == GradientEdge(values.grad_fn, 1)
    (g,) = dualad.autograd.grad(values.sum(), get_gradient_edge(values), retain_graph=True)
    assert g.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="not have been used"):
        dualad.autograd.grad(values.sum(), get_gradient_edge(vectors), retain_graph=True)
    one = dualad.ones(2, device=device)
    (g,) = dualad.autograd.grad(get_gradient_edge(values), a, one)
    assert dualad.allclose(g, dualad.eye(2, device=device), atol=1e-6)


def test_a_derivative_in_an_output_that_a_gradient_was_computed_with():
    a = leaf([[2.0, 1.0], [1.0, 3.0]])
    values, _ = dualad.linalg.eigh(a)
    (g,) = dualad.autograd.grad((values**2).sum(), values, create_graph=True)
    (second,) = dualad.autograd.grad(g.sum(), values)
    assert second.tolist() == [2.0, 2.0]


def test_edges_that_nothing_can_be_done_with():
    with pytest.raises(RuntimeError, match="not possible to get the gradient edge"):
        get_gradient_edge(dualad.ones(2))
    x = leaf(2.0)
    y = x * x
    with pytest.raises(RuntimeError, match="no Tensor to have"):
        dualad.autograd.backward(y * y, inputs=get_gradient_edge(y))
    assert x.grad is None


# -- what hooks return, and raise ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("register", "wrong", "error", "message"),
    [
        (
            "register_hook",
            lambda gi, go: gi[:1],
            dualad.GradientError,
            "MulBackward0.*got 1, expected 2",
        ),
        ("register_hook", lambda gi, go: 1.0, dualad.GradientError, "returned float: expected tuple"),
        (
            "register_hook",
            lambda gi, go: (gi[0], gi[0]),
            dualad.GradientError,
            "can't replace a None",
        ),
        ("register_hook", lambda gi, go: (dualad.ones(3), None), dualad.GradientError, "changed the size"),
        ("register_prehook", lambda gs: gs[0], dualad.GradientError, "returned Tensor: expected tuple"),
        ("register_prehook", lambda gs: (gs[0].double(),), dualad.GradientError, "changed the type"),
        ("register_prehook", lambda gs: (1.0,), dualad.GradientError, "returned float"),
    ],
)
def test_hooks_of_nodes_that_return_nonsense(register, wrong, error, message):
    x = leaf([1.0, 2.0])
    y = x * 2
    getattr(y.grad_fn, register)(wrong)
    with pytest.raises(error, match=message):
        y.sum().backward()
    assert x.grad is None


def test_a_hook_that_returns_what_is_on_another_device(device):
    if device == "cpu":
        pytest.skip("needs another device")
    x = leaf([1.0, 2.0], device)
    x.register_hook(lambda g: g.cpu())
    with pytest.raises(dualad.DeviceError, match="changed the device"):
        (x * 2).sum().backward()
    assert x.grad is None


def test_an_exception_in_a_hook_leaves_nothing_behind():
    x = leaf([1.0, 2.0])
    y = x * x

    def fails(*args):
        raise KeyError("mine")

    for register in (y.register_hook, y.grad_fn.register_hook, y.grad_fn.register_prehook):
        with register(fails), pytest.raises(KeyError, match="mine"):
            y.sum().backward(retain_graph=True)
        assert dualad.is_grad_enabled()
        assert x.grad is None
    with x.register_post_accumulate_grad_hook(fails), pytest.raises(KeyError):
        y.sum().backward()
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: dualad.ones(2).register_hook(print),
            "that doesn't require gradient",
        ),
        (lambda: dualad.ones(2).register_post_accumulate_grad_hook(print), "doesn't require gradient"),
        (lambda: (leaf(1.0) * 2).register_post_accumulate_grad_hook(print), "non-leaf"),
        (lambda: dualad.ones(2).retain_grad(), "requires_grad=False"),
        (
            lambda: dualad.vmap(lambda a: (a * leaf(2.0)).register_hook(print))(dualad.ones(2)),
            "a hook on a tensor inside vmap, .* Register the hook on what is given to vmap",
        ),
    ],
)
def test_tensors_that_take_no_hook(call, message):
    with pytest.raises(dualad.GradientError, match=message):
        call()


# -- programs --------------------------------------------------------------------------------------


def test_an_optimizer_step_in_the_backward_pass():
    parameters = [torch.tensor(v, requires_grad=True) for v in (1.0, 2.0)]
    optimizers = {id(p): torch.optim.SGD([p], lr=0.1) for p in parameters}

    def step(p):
        optimizers[id(p)].step()
        optimizers[id(p)].zero_grad()

    for p in parameters:
        p.register_post_accumulate_grad_hook(step)
    for _ in range(2):
        (parameters[0] ** 2 + 3 * parameters[1]).backward()
    assert [p.item() for p in parameters] == pytest.approx([0.64, 1.4])
    assert all(p.grad is None for p in parameters)


def test_a_leaf_with_a_hook_that_nobody_else_has_gets_its_gradient():
    seen = []

    def f():
        x = leaf([1.0, 2.0])
        x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
        return (x * 3).sum()

    f().backward()
    assert seen == [[3.0, 3.0]]
    gc.collect()


def test_threads_that_share_a_leaf_and_its_hooks():
    x = leaf([0.0, 0.0])
    total = dualad.zeros(2)

    def take(p):
        total.add_(p.grad)
        p.grad = None

    x.register_post_accumulate_grad_hook(take)
    counts = []
    register_multi_grad_hook([x], lambda gs: counts.append(gs[0] is not None))

    def work(k):
        for _ in range(50):
            (x * k).sum().backward()

    threads = [threading.Thread(target=work, args=(float(k),)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert total.tolist() == [50.0 * sum(range(8))] * 2
    assert counts == [True] * 400
    assert x.grad is None
