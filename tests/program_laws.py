"""What must hold for the derivatives of any program: the laws that random programs are put to."""

import gc
import weakref

import numpy as np

import dualad
from dualad.engine.modes import BATCHES
from dualad.engine.recording import observers
from dualad.op import REGISTRY

STEP = 1e-4  # the largest of the steps of finite differences, each half the one before
STEPS = 6


class Evidence:
    """What was seen: how long programs were, which ops they recorded, and how good the differences.

    Attributes
    ----------
    lengths : list of int
        Their numbers of steps.
    errors : dict
        The estimated errors of finite differences, relative to the derivatives, by order.
    ops : set of str
        The names of the ops that were recorded.
    """

    def __init__(self):
        self.lengths = []
        self.errors = {1: [], 2: []}
        self.ops = set()

    def told(self):
        """Return it in a sentence."""
        good = {k: np.mean(np.array(e) < 1e-5) for k, e in self.errors.items()}
        every = [name for name, op in REGISTRY.items() if op.differentiable]
        return (
            f"{np.mean(self.lengths):.1f} steps each, {len(self.ops)} of {len(every)} ops; differences told "
            f"five digits of {good[1]:.2%} of the first derivatives and {good[2]:.2%} of the second"
        )


def inner(a, b):
    """The real inner product of two lists of Tensors."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total = total + dualad.sum(dualad.real(dualad.conj(x) * y))
    return total


def sum_of_terms(a, b):
    """The sum of the absolute values of all terms of an inner product: what rounding is relative to."""
    return float(np.abs(vector(a)) @ np.abs(vector(b)))


def draw(like, seed):
    """Return random Tensors of the shapes and dtypes of others: a direction, or cotangents."""
    rng = np.random.default_rng(seed)
    out = []
    for x in like:
        a = rng.standard_normal(x.shape)
        if x.dtype.is_complex:
            a = a + 1j * rng.standard_normal(x.shape)
        out.append(dualad.asarray(a, device=x.device))
    return out


def vector(tensors):
    """Return Tensors as one real vector of NumPy's."""
    parts = [np.asarray(x.detach().cpu()).ravel() for x in tensors]
    return np.concatenate([np.concatenate([p.real, p.imag]) for p in parts])


def check_close(what, got, want, tolerance=1e-9):
    """Raise unless two lists of Tensors agree, relative to the largest element of either."""
    for a, b in zip(got, want, strict=True):
        if a.shape != b.shape or a.dtype is not b.dtype:
            raise AssertionError(f"{what}: {a.dtype} of shape {a.shape}, and {b.dtype} of shape {b.shape}")
    a, b = vector(got), vector(want)
    size = max(1.0, np.abs(a).max(), np.abs(b).max())
    off = np.abs(a - b).max()
    if not off <= tolerance * size:
        raise AssertionError(f"{what}: differ by {off:.3g}, of numbers up to {size:.3g}")


def differences(f, xs, ts):
    """Return the derivative of f in a direction by Ridders' method, and an estimate of its error.

    Central differences of falling steps are extrapolated; the error is what the best two of the
    table differ by (Ridders 1982; Numerical Recipes, section 5.7).
    """
    table, best, error = [], None, np.inf
    for k in range(STEPS):
        h = STEP / 2**k
        ahead = vector(f([x + t * h for x, t in zip(xs, ts, strict=True)]))
        behind = vector(f([x - t * h for x, t in zip(xs, ts, strict=True)]))
        row = [(ahead - behind) / (2 * h)]
        for j in range(k):
            row.append(row[j] + (row[j] - table[-1][j]) / (4 ** (j + 1) - 1))
        for j in range(1, len(row)):
            off = max(np.abs(row[j] - row[j - 1]).max(), np.abs(row[j] - table[-1][j - 1]).max())
            if off < error:
                best, error = row[j], off
        table.append(row)
    return best, error


def check_differences(what, got, f, xs, ts, errors):
    """Raise unless a derivative agrees with differences, as far as these can tell."""
    want, error = differences(f, xs, ts)
    got = vector(got)
    size = max(1.0, np.abs(got).max())
    errors.append(error / size)
    off = np.abs(got - want).max()
    if not off <= 1e-7 * size + 10 * error:
        raise AssertionError(
            f"{what}: off by {off:.3g}, of numbers up to {size:.3g}; differences err by {error:.3g}"
        )


def check_program(f, arrays, evidence, wrapper, device="cpu"):
    """Hold all laws for a program: a function of a list of Tensors that gives a list."""
    xs = [dualad.asarray(a, device=device) for a in arrays]
    f = np.errstate(all="ignore")(f)  # of branches not taken; in a backward pass nothing may warn
    ys = f(xs)
    check_same_bits("the values", f(xs), ys)
    ts, gs = draw(xs, 1), draw(ys, 2)
    evidence.ops |= {n.op.name for n in reachable(y for y in f([x.clone().requires_grad_() for x in xs]))}
    gradient = check_first(f, xs, ys, ts, gs, evidence)
    check_second(f, xs, ts, gs, gradient, evidence)
    check_ground(f, xs, ts, gs, gradient)
    check_batch(f, xs, ts, gs)
    check_wrapped(wrapper, f, xs, ts, gs)
    check_freed(f, xs, gs)
    check_state()


def check_same_bits(what, a, b):
    for x, y in zip(a, b, strict=True):
        if x.detach().cpu().numpy().tobytes() != y.detach().cpu().numpy().tobytes():
            raise AssertionError(f"{what} differ from one run to the next")


def check_first(f, xs, ys, ts, gs, evidence):
    """Forward mode against differences, reverse mode against forward mode."""
    values, pushed = dualad.jvp(f, (xs,), (ts,))
    check_close("the values in jvp", values, ys, 1e-12)
    for y, t in zip(ys, pushed, strict=True):
        assert (y.shape, y.dtype) == (t.shape, t.dtype)
    check_differences("jvp", pushed, f, xs, ts, evidence.errors[1])
    values, pullback = dualad.vjp(f, xs)
    check_close("the values in vjp", values, ys, 1e-12)
    (pulled,) = pullback(gs)
    check_same_bits("two pulls", pulled, pullback(gs)[0])
    left, right = inner(gs, pushed).item(), inner(pulled, ts).item()
    size = 1 + sum(
        float(dualad.sum(dualad.abs(a * b))) for a, b in zip([*gs, *ts], [*pushed, *pulled], strict=True)
    )
    if not abs(left - right) <= 1e-10 * size:
        raise AssertionError(f"the adjoint identity: {left} and {right}, of terms up to {size:.3g}")
    check_close("linearize", dualad.linearize(f, xs)[1](ts), pushed)
    return pulled


def check_second(f, xs, ts, gs, gradient, evidence):
    """All four mixes of second derivatives against each other, and one against differences."""
    scalar = lambda xs: inner(gs, f(xs))  # noqa: E731
    first = dualad.grad(scalar)
    forward = lambda xs: dualad.jvp(scalar, (xs,), (ts,))[1]  # noqa: E731
    check_close("grad and vjp", first(xs), gradient)
    wanted, forward_over_reverse = dualad.jvp(first, (xs,), (ts,))
    check_close("the values of grad in jvp", wanted, gradient)
    check_close("reverse over forward", dualad.grad(forward)(xs), forward_over_reverse)
    reverse_over_reverse = dualad.grad(lambda xs: inner(first(xs), ts))(xs)
    check_close("reverse over reverse", reverse_over_reverse, forward_over_reverse)
    ss = draw(xs, 3)
    twice = dualad.jvp(forward, (xs,), (ss,))[1]
    want = inner(ss, forward_over_reverse)
    size = 1 + sum(
        float(dualad.sum(dualad.abs(a * b))) for a, b in zip(ss, forward_over_reverse, strict=True)
    )
    if not abs(twice.item() - want.item()) <= 1e-9 * size:
        raise AssertionError(f"forward over forward: {twice.item()} and {want.item()}")
    check_differences("second derivatives", forward_over_reverse, first, xs, ts, evidence.errors[2])
    if not any(x.dtype.is_complex for x in xs):
        check_whole(f, scalar, xs, ts, forward_over_reverse)


def check_whole(f, scalar, xs, ts, second):
    """Products with the Hessian by their names, and whole Jacobians, by rows and by columns, if small."""
    check_close("hvp", dualad.hvp(scalar, (xs,), (ts,)), second)
    check_close("vhp", dualad.vhp(scalar, (xs,), (ts,)), second)
    real = lambda xs: [dualad.real(y) for y in f(xs)]  # noqa: E731
    if sum(x.size for x in xs) > 9:
        return
    rows, columns = dualad.jacrev(real)(xs), dualad.jacfwd(real)(xs)
    for of_output, same, pushed in zip(rows, columns, dualad.jvp(real, (xs,), (ts,))[1], strict=True):
        check_close("jacrev and jacfwd", of_output, same)
        parts = [
            dualad.sum(j * t, axis=tuple(range(pushed.ndim, j.ndim))) for j, t in zip(same, ts, strict=True)
        ]
        check_close("jacfwd and jvp", [sum(parts)], [pushed])


def check_ground(f, xs, ts, gs, gradient):
    """`backward` and `autograd.grad` on Tensors that require grad, recorded and not."""
    leaves = [x.clone().requires_grad_() for x in xs]
    ys = f(leaves)
    with dualad.no_grad():
        quiet = f(leaves)
    assert not any(y.requires_grad for y in quiet), "a result of no_grad requires grad"
    check_close("the values under no_grad", quiet, ys, 1e-12)
    recorded = [(y, g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
    if not recorded:
        return check_close("constants", gradient, [x * 0 for x in xs], 0)
    roots, seeds = map(list, zip(*recorded, strict=True))
    for times in (1, 2):
        dualad.autograd.backward(roots, seeds, retain_graph=True)
        got = [x * 0 if leaf.grad is None else leaf.grad for x, leaf in zip(xs, leaves, strict=True)]
        check_close(f"backward, done {times} times", got, [g * times for g in gradient])
    first = dualad.autograd.grad(roots, leaves, seeds, create_graph=True, materialize_grads=True)
    check_close("create_graph", first, gradient)
    total = inner(first, ts)
    want = dualad.grad(lambda xs: inner(dualad.grad(lambda xs: inner(gs, f(xs)))(xs), ts))(xs)
    if not total.requires_grad:
        return check_close("grad of a constant gradient", want, [x * 0 for x in xs], 0)
    check_close("grad of create_graph", dualad.autograd.grad(total, leaves, materialize_grads=True), want)
    inside = inner(dualad.grad(lambda xs: inner(gs, f(xs)))(leaves), ts)
    check_close("a transform, recorded", dualad.autograd.grad(inside, leaves, materialize_grads=True), want)


def check_batch(f, xs, ts, gs):
    """`vmap` is the loop: of the program, inside its derivatives and outside of them, and nested."""
    many = [[x * (1 - 0.1 * i) for x in xs] for i in range(3)]
    scalar = lambda xs: inner(gs, f(xs))  # noqa: E731
    gradient = dualad.grad(scalar)
    pushed = lambda xs: dualad.jvp(f, (xs,), (ts,))[1]  # noqa: E731
    batch = stacked(many)
    for what, function in (("vmap", f), ("vmap of grad", gradient), ("vmap of jvp", pushed)):
        check_close(what, dualad.vmap(function)(batch), stacked([function(one) for one in many]))
    every = dualad.vmap(scalar)
    want = dualad.vmap(gradient)(batch)
    check_close("grad of vmap", dualad.grad(lambda batch: dualad.sum(every(batch)))(batch), want)
    directions = stacked([ts] * 3)
    got = dualad.jvp(dualad.vmap(f), (batch,), (directions,))[1]
    check_close("jvp of vmap", got, dualad.vmap(pushed)(batch))
    last = [dualad.moveaxis(x, 0, -1) for x in batch]
    rows = [dualad.stack([x, x]) for x in last]
    nested = dualad.vmap(dualad.vmap(f, in_axes=-1, out_axes=-1), out_axes=1)(rows)
    check_close("vmap of vmap", [dualad.moveaxis(y[:, 1], -1, 0) for y in nested], dualad.vmap(f)(batch))


def stacked(many):
    """Return the lists of Tensors of several examples as one list of batches."""
    return [dualad.stack(list(parts)) for parts in zip(*many, strict=True)]


def by_custom_vjp(f):
    """Return f with a pullback of the user's own, which asks for f's."""
    told = dualad.custom_vjp(lambda xs: f(xs))
    told.defvjp(lambda xs: (f(xs), xs), lambda xs, gs: dualad.vjp(f, xs)[1](gs))
    return told


def by_custom_jvp(f):
    told = dualad.custom_jvp(lambda xs: f(xs))
    told.defjvp(lambda primals, tangents: dualad.jvp(f, primals, tangents))
    return told


def under(context):
    """Return what has a function run where somebody looks on."""

    def wrapper(f):
        def watched(xs):
            with context():
                return f(xs)

        return watched

    return wrapper


def packing():
    """Have what nodes save kept as NumPy's arrays."""
    unpack = lambda packed: dualad.asarray(packed[0], device=packed[1])  # noqa: E731
    return dualad.autograd.graph.saved_tensors_hooks(lambda x: (x.detach().cpu().numpy(), x.device), unpack)


#: What a function may be wrapped in without any of its derivatives becoming another.
WRAPPERS = {
    "checkpoint": dualad.checkpoint,
    "nested checkpoints": lambda f: dualad.checkpoint(lambda xs: dualad.checkpoint(f)(xs)),
    "custom_vjp": by_custom_vjp,
    "custom_jvp": by_custom_jvp,
    "anomaly mode": under(lambda: dualad.autograd.detect_anomaly(check_nan=False)),
    "saved_tensors_hooks": under(packing),
    "profile": under(dualad.profile),
}


def check_wrapped(name, f, xs, ts, gs):
    """A program in a wrapper has its values and its derivatives of both orders, at all levels."""
    wrapped = WRAPPERS[name](f)
    check_close(f"{name}: the values", wrapped(xs), f(xs), 1e-12)
    scalar, whole = (lambda xs, h=h: inner(gs, h(xs)) for h in (f, wrapped))
    want = dualad.grad(scalar)
    check_close(f"{name}: grad", dualad.grad(whole)(xs), want(xs))
    check_close(f"{name}: jvp", dualad.jvp(wrapped, (xs,), (ts,))[1], dualad.jvp(f, (xs,), (ts,))[1])
    second = dualad.jvp(want, (xs,), (ts,))[1]
    check_close(f"{name}: jvp of grad", dualad.jvp(dualad.grad(whole), (xs,), (ts,))[1], second)
    twice = dualad.grad(lambda xs: inner(dualad.grad(whole)(xs), ts))
    check_close(f"{name}: grad of grad", twice(xs), second)
    batch = stacked([xs, xs])
    check_close(f"{name}: vmap of grad", dualad.vmap(dualad.grad(whole))(batch), dualad.vmap(want)(batch))
    leaves = [x.clone().requires_grad_() for x in xs]
    value = whole(leaves)
    if value.requires_grad:
        got = dualad.autograd.grad(value, leaves, materialize_grads=True)
        check_close(f"{name}: autograd.grad", got, want(xs))


def check_freed(f, xs, gs):
    """Graphs go by reference counting alone, whatever was done with them."""
    gc.collect()
    gc.disable()
    try:
        nodes = []
        for create_graph in (False, True):
            leaves = [x.clone().requires_grad_() for x in xs]
            ys = f(leaves)
            roots = [(y, g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
            nodes += [weakref.ref(n) for n in reachable([y for y, _ in roots])]
            if roots:
                dualad.autograd.backward(*zip(*roots, strict=True), create_graph=create_graph)
            del leaves, ys, roots
        dualad.jvp(dualad.grad(lambda xs: inner(gs, f(xs))), (xs,), (xs,))
        alive = [n() for n in nodes if n() is not None]
        assert not alive, f"{len(alive)} nodes are alive, such as {alive[0]}"
        found = gc.collect()
        assert found == 0, f"{found} objects in cycles"
    finally:
        gc.enable()


def reachable(roots):
    """Return the nodes of the graphs of Tensors, their leaves excepted."""
    seen, stack = {}, [y._node for y in roots]
    while stack:
        node = stack.pop()
        if node is not None and node.number not in seen and node.op is not None:
            seen[node.number] = node
            stack.extend(node.parents)
    return list(seen.values())


def check_state():
    """Nothing is left of what ran: modes are as they were at first."""
    assert dualad.is_grad_enabled(), "grad mode is off"
    assert not observers(), "somebody looks on"
    assert not BATCHES.get(), "a batch is under way"
    assert dualad.get_default_dtype() is dualad.float32, "the default dtype has changed"
    assert dualad.grad(dualad.grad(lambda x: x**3))(2.0) == 12.0


def check_complex_steps(f, arrays):
    """Compare with the imaginary part of f(x + i h t) / h, exact to the last digits, if f is analytic."""
    xs = [dualad.asarray(a) for a in arrays]
    ts = draw(xs, 1)
    stepped = f([x + 1e-30j * t for x, t in zip(xs, ts, strict=True)])
    for t, y in zip(dualad.jvp(f, (xs,), (ts,))[1], stepped, strict=True):
        if y.dtype.is_complex:  # else it does not depend on the inputs
            check_close("complex steps", [t], [dualad.imag(y) / 1e-30], 1e-11)
