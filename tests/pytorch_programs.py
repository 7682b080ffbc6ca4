"""Programs after PyTorch's documentation of its autograd: each takes ``torch``, or dualad in its place.

They give numbers, lists and strings; `EXPECTED` has what they give with PyTorch 2.13, to six decimals.
"""


def saved_tensors_on_disk(torch):
    kept, count = {}, []

    class Name:
        def __init__(self, number):
            self.number = number

        def __del__(self):
            kept.pop(self.number, None)

    def pack(tensor):
        name = Name(len(count))
        count.append(name.number)
        kept[name.number] = tensor.detach().clone()
        return name

    def unpack(name):
        return kept[name.number]

    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.pow(2)
        z = (y * x).exp().sum() * 1e-9
    held = len(kept)
    z.backward()
    return x.grad.tolist(), held > 0, len(kept)


def saved_tensors_printed(torch):
    lines = []

    def pack_hook(x):
        lines.append(f"Packing {x}")
        return x.detach()

    def unpack_hook(x):
        lines.append(f"Unpacking {x}")
        return x

    a = torch.ones(5, requires_grad=True)
    b = torch.ones(5, requires_grad=True) * 2
    with torch.autograd.graph.saved_tensors_hooks(pack_hook, unpack_hook):
        y = a * b
    y.sum().backward()
    return lines, a.grad.tolist()


def saved_tensors_in_a_loop(torch):
    calls = []
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y = x
    for i in range(3):
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda t, i=i: calls.append(("pack", i)) or (i, t.detach()),
            lambda p: calls.append(("unpack", p[0])) or p[1],
        )
        with hooks:
            y = torch.exp(torch.sin(y))
    y.sum().backward()
    return calls, x.grad.tolist()


def saved_attributes(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    z = x * y
    return (
        y.grad_fn._saved_result.tolist(),
        z.grad_fn._saved_self.tolist(),
        z.grad_fn._saved_other.tolist(),
        [z.grad_fn.name(), z.grad_fn.next_functions[1][0].name()],
        z.grad_fn.next_functions[0][0].variable is x,
    )


def tensor_hooks(torch):
    v = torch.tensor([0.0, 0.0, 0.0], requires_grad=True)
    h = v.register_hook(lambda grad: grad * 2)
    v.backward(torch.tensor([1.0, 2.0, 3.0]))
    first = v.grad.tolist()
    h.remove()
    v.grad = None
    v.backward(torch.tensor([1.0, 2.0, 3.0]))
    return first, v.grad.tolist()


def post_accumulate_hooks(torch):
    v = torch.tensor([0.0, 0.0, 0.0], requires_grad=True)
    lr = 0.01

    def step(p):
        with torch.no_grad():
            p.add_(p.grad, alpha=-lr)

    h = v.register_post_accumulate_grad_hook(step)
    v.backward(torch.tensor([1.0, 2.0, 3.0]))
    first = v.tolist()
    h.remove()
    v.backward(torch.tensor([1.0, 1.0, 1.0]))
    return first, v.tolist(), v.grad.tolist()


def node_hooks(torch):
    a = torch.tensor([0.0, 0.0, 0.0], requires_grad=True)
    results = []
    b = a.clone()
    handle = b.grad_fn.register_hook(lambda gI, gO: (gO[0] * 2,))
    b.sum().backward(retain_graph=True)
    results.append(a.grad.tolist())
    handle.remove()
    a.grad = None
    handle = b.grad_fn.register_prehook(lambda gO: (gO[0] * 3,))
    b.sum().backward(retain_graph=True)
    results.append(a.grad.tolist())
    handle.remove()
    a.grad = None
    b.sum().backward(retain_graph=True)
    results.append(a.grad.tolist())
    return results


def hook_order(torch):
    seen = []
    t = torch.tensor([1.0, -2.0], requires_grad=True)
    u = t * 3
    u.retain_grad()
    u.register_hook(lambda g: seen.append("u first"))
    u.register_hook(lambda g: g * 10)
    u.grad_fn.register_prehook(lambda gO: seen.append(("pre", gO[0].tolist())))
    u.grad_fn.register_hook(lambda gI, gO: seen.append(("post", gI[0].tolist(), gI[1] is None)))
    t.register_hook(lambda g: seen.append(("t", g.tolist())))
    t.register_post_accumulate_grad_hook(lambda p: seen.append(("accumulated", p.grad.tolist())))
    u.sum().backward()
    return seen, u.grad.tolist()


def hooks_and_writing(torch):
    seen = []
    t = torch.tensor(1.0, requires_grad=True).sin()
    t.register_hook(lambda g: seen.append(("before", round(g.item(), 4))))
    t.cos_()
    t.retain_grad()
    t.register_hook(lambda g: seen.append(("after", round(g.item(), 4))))
    t.mul_(3)
    t.backward()
    return seen, round(t.grad.item(), 4)


def multi_grad_hooks(torch):
    seen = []
    a = torch.tensor([[1.0, 2.0]], requires_grad=True)
    b = torch.tensor([[3.0, 4.0]], requires_grad=True)
    c, d = a * b, a * b
    hook = torch.autograd.graph.register_multi_grad_hook
    hook((a, b, c, d), lambda grads: seen.append([g is not None for g in grads]))
    hook((a, b, c, d), lambda g: seen.append(g.tolist()), mode="any")
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=(a,), retain_graph=True)
    return seen


def gradient_edges(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    loss = (y * 3).sum()
    edge = torch.autograd.graph.get_gradient_edge(y)
    (g,) = torch.autograd.grad(loss, edge, retain_graph=True)
    (h,) = torch.autograd.grad(edge, x, grad_outputs=g)
    return edge.output_nr, g.tolist(), h.tolist()


def batched_gradients(torch):
    x = torch.tensor([0.5, 1.0, 1.5], requires_grad=True)
    y = torch.sin(x) * x.sum()
    (jacobian,) = torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True)
    return jacobian.tolist()


def vectorized_by_vmap(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x**2
    return torch.vmap(lambda v: torch.autograd.grad(y, x, v, retain_graph=True)[0])(torch.eye(3)).tolist()


def inference(torch):
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.inference_mode():
        y = weight * 2
        inside = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    @torch.inference_mode()
    def doubled(x):
        return x * 2

    z = doubled(weight)
    clone = y.clone()
    return y.requires_grad, y.is_inference(), inside, z.is_inference(), clone.is_inference(), z.tolist()


def forward_mode(torch):
    fwAD = torch.autograd.forward_ad
    primal = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    tangent = torch.tensor([[1.0, -1.0], [0.5, 0.0]])

    def fn(x, y):
        return x**2 + y**2

    with fwAD.dual_level():
        dual_input = fwAD.make_dual(primal, tangent)
        same = fwAD.unpack_dual(dual_input).tangent is tangent
        none = fwAD.unpack_dual(fwAD.unpack_dual(dual_input).primal).tangent
        dual_output = fn(dual_input, torch.ones(2, 2))
        jvp = fwAD.unpack_dual(dual_output).tangent
    return same, none, jvp.tolist(), fwAD.unpack_dual(dual_output).tangent


def forward_mode_of_a_model(torch):
    fwAD = torch.autograd.forward_ad
    parameters = {
        "weight": torch.tensor([[0.1, -0.2], [0.3, 0.4], [0.5, -0.6]], requires_grad=True),
        "bias": torch.tensor([0.0, 0.1, 0.2], requires_grad=True),
    }
    tangents = {name: torch.ones_like(p) for name, p in parameters.items()}
    x = torch.tensor([[1.0, 2.0]])
    with fwAD.dual_level():
        duals = {name: fwAD.make_dual(p, tangents[name]) for name, p in parameters.items()}
        out = torch.tanh(x @ duals["weight"].T + duals["bias"])
        jvp = fwAD.unpack_dual(out).tangent
        jvp.sum().backward()
    return jvp.tolist(), parameters["weight"].grad.tolist()


def forward_over_reverse(torch):
    fwAD = torch.autograd.forward_ad
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with fwAD.dual_level():
        d = fwAD.make_dual(x, torch.tensor([1.0, 0.5]))
        y = (d**3).sum() * d[0]
        (g,) = torch.autograd.grad(y, d, create_graph=True)
        primal, tangent = fwAD.unpack_dual(g)
    return primal.tolist(), tangent.tolist()


def functional_derivatives(torch):
    functional = torch.autograd.functional
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])

    def exp_reducer(x):
        return x.exp().sum(dim=1)

    def exp_adder(x, y):
        return 2 * x.exp() + 3 * y

    def pow_adder_reducer(x, y):
        return (2 * x.pow(2) + 3 * y.pow(2)).sum()

    ones = torch.ones(2)
    matrix = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    return [
        functional.jacobian(exp_reducer, matrix).tolist(),
        functional.jacobian(exp_reducer, matrix, vectorize=True).tolist(),
        [j.tolist() for j in functional.jacobian(exp_adder, (x, y))],
        [[h.tolist() for h in row] for row in functional.hessian(pow_adder_reducer, (x, y))],
        [t.tolist() for t in functional.vjp(exp_reducer, matrix, ones)],
        [t.tolist() for t in functional.jvp(exp_reducer, matrix, torch.ones(2, 2))],
        [t.tolist() for t in functional.vhp(pow_adder_reducer, (x, y), (ones, ones))[1]],
        [t.tolist() for t in functional.hvp(pow_adder_reducer, (x, y), (ones, 2 * ones))[1]],
    ]


def checkpoints(torch):
    from_checkpoint = torch.utils.checkpoint
    runs = []

    def block(x, w, *, scale=1.0):
        runs.append("run")
        return torch.tanh(x @ w) * scale

    x = torch.tensor([[0.5, -1.0]])
    w = torch.tensor([[0.1, 0.2], [-0.3, 0.4]], requires_grad=True)
    v = torch.tensor([[0.5, 0.1], [0.2, -0.4]], requires_grad=True)
    h = from_checkpoint.checkpoint(block, x, w, scale=2.0, use_reentrant=False)
    y = from_checkpoint.checkpoint(block, h, v, use_reentrant=False)
    before = len(runs)
    y.sum().backward()
    return before, len(runs), w.grad.tolist(), v.grad.tolist()


def checkpoints_in_a_sequence(torch):
    ws = [torch.tensor([[0.1 * i, 0.2], [-0.3, 0.4]], requires_grad=True) for i in range(4)]
    layers = [lambda x, w=w: torch.tanh(x @ w) + x for w in ws]
    x = torch.tensor([[0.5, -1.0]], requires_grad=True)
    y = torch.utils.checkpoint.checkpoint_sequential(layers, 2, x, use_reentrant=False)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (g * g).sum().backward()
    return g.tolist(), [w.grad.tolist() for w in ws]


def checkpoints_early_stop(torch):
    log = []

    def f(x):
        y = x.sin().exp()
        log.append("middle")
        z = y + 1
        log.append("end")
        return z

    x = torch.tensor([1.0], requires_grad=True)
    with torch.utils.checkpoint.set_checkpoint_early_stop(False):
        y = torch.utils.checkpoint.checkpoint(f, x, use_reentrant=False)
    y.backward()
    whole = list(log)
    log.clear()
    torch.utils.checkpoint.checkpoint(f, x, use_reentrant=False).backward()
    return whole, log


EXPECTED = {
    "saved_tensors_on_disk": [[0.0, 3.6e-05, 14365.302734], True, 0],
    "saved_tensors_printed": [
        [
            "Packing tensor([2., 2., 2., 2., 2.], grad_fn=<MulBackward0>)",
            "Packing tensor([1., 1., 1., 1., 1.], requires_grad=True)",
            "Unpacking tensor([2., 2., 2., 2., 2.])",
            "Unpacking tensor([1., 1., 1., 1., 1.])",
        ],
        [2.0, 2.0, 2.0, 2.0, 2.0],
    ],
    "saved_tensors_in_a_loop": [
        [
            ["pack", 0],
            ["pack", 0],
            ["pack", 1],
            ["pack", 1],
            ["pack", 2],
            ["pack", 2],
            ["unpack", 2],
            ["unpack", 2],
            ["unpack", 1],
            ["unpack", 1],
            ["unpack", 0],
            ["unpack", 0],
        ],
        [0.234919, 2.072075],
    ],
    "saved_attributes": [
        [2.718282, 7.389056],
        [1.0, 2.0],
        [2.718282, 7.389056],
        ["MulBackward0", "ExpBackward0"],
        True,
    ],
    "tensor_hooks": [[2.0, 4.0, 6.0], [1.0, 2.0, 3.0]],
    "post_accumulate_hooks": [[-0.01, -0.02, -0.03], [-0.01, -0.02, -0.03], [2.0, 3.0, 4.0]],
    "node_hooks": [[2.0, 2.0, 2.0], [3.0, 3.0, 3.0], [1.0, 1.0, 1.0]],
    "hook_order": [
        [
            "u first",
            ["pre", [10.0, 10.0]],
            ["post", [30.0, 30.0], True],
            ["t", [30.0, 30.0]],
            ["accumulated", [30.0, 30.0]],
        ],
        [10.0, 10.0],
    ],
    "hooks_and_writing": [[["after", 3.0], ["before", -2.2369]], 1.0],
    "multi_grad_hooks": [[[1.0, 1.0]], [True, True, True, False], [[1.0, 1.0]], [True, False, True, False]],
    "gradient_edges": [0, [3.0, 3.0], [6.0, 12.0]],
    "batched_gradients": [
        [3.112173, 0.479426, 0.479426],
        [0.841471, 2.462378, 0.841471],
        [0.997495, 0.997495, 1.209707],
    ],
    "vectorized_by_vmap": [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]],
    "inference": [False, True, [True, False], True, False, [2.0, 4.0]],
    "forward_mode": [True, None, [[2.0, -4.0], [3.0, 0.0]], None],
    "forward_mode_of_a_model": [
        [[3.660548, 1.22008, 3.145791]],
        [[2.132728, 4.265455], [-2.03425, -4.068501], [2.907448, 5.814896]],
    ],
    "forward_over_reverse": [[12.0, 12.0], [18.0, 18.0]],
    "functional_derivatives": [
        [[[1.105171, 1.221403], [0.0, 0.0]], [[0.0, 0.0], [1.349859, 1.491825]]],
        [[[1.105171, 1.221403], [0.0, 0.0]], [[0.0, 0.0], [1.349859, 1.491825]]],
        [[[5.436563, 0.0], [0.0, 14.778112]], [[3.0, 0.0], [0.0, 3.0]]],
        [
            [[[4.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]],
            [[[0.0, 0.0], [0.0, 0.0]], [[6.0, 0.0], [0.0, 6.0]]],
        ],
        [[2.326574, 2.841684], [[1.105171, 1.221403], [1.349859, 1.491825]]],
        [[2.326574, 2.841684], [2.326574, 2.841684]],
        [[4.0, 4.0], [6.0, 6.0]],
        [[4.0, 4.0], [12.0, 12.0]],
    ],
    "checkpoints": [
        2,
        4,
        [[0.503809, -0.160468], [-1.007618, 0.320937]],
        [[0.641254, 0.615543], [-0.555348, -0.533081]],
    ],
    "checkpoints_in_a_sequence": [
        [[2.290004, 1.53997]],
        [
            [[10.419757, 8.29166], [1.672168, 0.568226]],
            [[7.377778, 7.691258], [2.646442, 1.441109]],
            [[4.918601, 7.360602], [2.060847, 1.974829]],
            [[3.165487, 7.267909], [0.587753, 2.410186]],
        ],
    ],
    "checkpoints_early_stop": [["middle", "end", "middle", "end"], ["middle", "end"]],
}
