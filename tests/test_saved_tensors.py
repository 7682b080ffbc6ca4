"""What ops save, in the hands of hooks: packed when it is saved, unpacked when a derivative needs it."""

import threading

import numpy as np
import pytest

import dualad
import dualad as torch
from dualad.autograd.graph import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_on_cpu,
    saved_tensors_hooks,
)


def leaf(data, device="cpu", dtype=None):
    return dualad.tensor(data, device=device, dtype=dtype, requires_grad=True)


class Packed:
    """Hooks that note what they are called with, and pack into something that is no Tensor."""

    def __init__(self):
        self.packs, self.unpacks = [], []

    def pack(self, t):
        self.packs.append(t.tolist())
        assert not dualad.is_grad_enabled()
        return ("packed", t.detach())

    def unpack(self, packed):
        assert packed[0] == "packed"
        self.unpacks.append(packed[1].tolist())
        return packed[1]

    def __call__(self):
        return saved_tensors_hooks(self.pack, self.unpack)


def test_what_is_packed_and_when_is_as_in_pytorch(device):
    x = leaf([1.0, 2.0], device)
    hooks = Packed()
    with hooks():
        y = (x * x).exp()
        z = y * x
    squared, e = [1.0, 2.0], y.tolist()
    assert hooks.packs == [squared, squared, e, squared, e]
    assert hooks.unpacks == []
    z.sum().backward()
    assert hooks.unpacks == [squared, e, e, squared, squared]
    reference = leaf([1.0, 2.0], device)
    ((reference * reference).exp() * reference).sum().backward()
    assert x.grad.tolist() == reference.grad.tolist()


def test_packed_tensors_show_where_they_come_from(capsys):
    def pack_hook(x):
        print("Packing", x)
        return x.detach()

    a = torch.ones(2, requires_grad=True)
    b = torch.ones(2, requires_grad=True) * 2
    with torch.autograd.graph.saved_tensors_hooks(pack_hook, lambda x: x):
        y = a * b
    y.sum().backward()
    assert capsys.readouterr().out.splitlines() == [
        "Packing tensor([2., 2.], grad_fn=<MulBackward0>)",
        "Packing tensor([1., 1.], requires_grad=True)",
    ]
    assert a.grad.tolist() == [2.0, 2.0]


def test_each_pass_unpacks_and_the_last_one_frees():
    x = leaf([1.0, 2.0])
    hooks = Packed()
    with hooks():
        y = x.exp()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert len(hooks.unpacks) == 2
    assert x.grad.tolist() == (2 * y).tolist()
    with pytest.raises(dualad.GradientError, match="second time"):
        y.sum().backward()


def test_a_look_at_what_is_saved_unpacks_it():
    x = leaf([1.0, 2.0])
    hooks = Packed()
    with hooks():
        y = x * x
    assert y.grad_fn._saved_self.tolist() == [1.0, 2.0]
    assert y.grad_fn._saved_self.requires_grad
    assert len(hooks.unpacks) == 4


def test_numbers_on_disk(tmp_path, device):
    count = iter(range(100))

    def pack(t):
        name = tmp_path / f"{next(count)}.npy"
        np.save(name, t.detach().cpu().numpy())
        return name

    x = leaf([[1.0, -2.0], [0.5, 3.0]], device)
    with saved_tensors_hooks(pack, lambda name: dualad.asarray(np.load(name), device=device)):
        y = dualad.linalg.inv(x @ x.T + dualad.eye(2, device=device)).sum() + (x**3).tanh().sum()
    (g,) = dualad.autograd.grad(y, x, create_graph=True)
    (h,) = dualad.autograd.grad((g * g).sum(), x)
    r = leaf([[1.0, -2.0], [0.5, 3.0]], device)
    y = dualad.linalg.inv(r @ r.T + dualad.eye(2, device=device)).sum() + (r**3).tanh().sum()
    (gr,) = dualad.autograd.grad(y, r, create_graph=True)
    (hr,) = dualad.autograd.grad((gr * gr).sum(), r)
    assert g.tolist() == gr.tolist()
    assert h.tolist() == hr.tolist()


def test_an_op_of_several_outputs(device):
    a = leaf([[2.0, 1.0], [1.0, 3.0]], device)
    hooks = Packed()
    with hooks():
        values, vectors = dualad.linalg.eigh(a)
    assert len(hooks.packs) >= 2
    (values.sum() + vectors[0, 0] ** 2).backward()
    r = leaf([[2.0, 1.0], [1.0, 3.0]], device)
    values, vectors = dualad.linalg.eigh(r)
    (values.sum() + vectors[0, 0] ** 2).backward()
    assert a.grad.tolist() == r.grad.tolist()


def test_the_innermost_pair_counts():
    x = leaf([1.0, 2.0])
    outer, inner = Packed(), Packed()
    with outer():
        a = x.exp()
        with inner():
            b = x.sin()
        c = x.cos()
    assert len(outer.packs) == 2
    assert inner.packs == [[1.0, 2.0]]
    (a + b + c).sum().backward()
    assert inner.unpacks == inner.packs
    assert outer.unpacks == outer.packs[::-1]


def test_one_object_may_be_entered_twice_and_again():
    x = leaf([1.0, 2.0])
    hooks = Packed()
    mode = hooks()
    with mode, mode:
        x.exp()
    with mode:
        x.exp()
    x.exp()
    assert len(hooks.packs) == 2


def test_hooks_that_quantize():
    x = leaf([1.0, 2.0])
    with saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()):
        y = x.exp()
    y.sum().backward()
    assert x.grad.dtype is dualad.float32
    assert x.grad.tolist() == np.exp(np.float32([1, 2])).astype(np.float16).tolist()


def test_writing_to_a_tensor_does_not_reach_what_was_packed():
    x = leaf([1.0, 2.0])
    with saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x.clone()
        z = y**2
        y.mul_(100)
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_saved_on_the_cpu(device):
    x, w = leaf([1.0, 2.0], device), leaf([[1.0, 2.0], [3.0, 4.0]], device)
    with save_on_cpu(pin_memory=True):
        y = (w @ x).sigmoid()
    y.sum().backward()
    r, v = leaf([1.0, 2.0], device), leaf([[1.0, 2.0], [3.0, 4.0]], device)
    (v @ r).sigmoid().sum().backward()
    assert x.grad.device == dualad.device(device)
    assert (x.grad.tolist(), w.grad.tolist()) == (r.grad.tolist(), v.grad.tolist())


def test_inside_transforms_of_every_kind():
    def f(x):
        with saved_tensors_hooks(lambda t: t.tolist(), lambda data: dualad.tensor(data, dtype="float64")):
            return (x**3 * dualad.sin(x)).sum()

    def plain(x):
        return (x**3 * dualad.sin(x)).sum()

    x, t = dualad.tensor([0.5, 1.5], dtype="float64"), dualad.tensor([1.0, -1.0], dtype="float64")
    assert dualad.grad(f)(x).tolist() == dualad.grad(plain)(x).tolist()
    for nested in (
        lambda f: dualad.grad(lambda x: (dualad.grad(f)(x) ** 2).sum())(x),
        lambda f: dualad.jvp(dualad.grad(f), (x,), (t,))[1],
        lambda f: dualad.grad(lambda x: dualad.jvp(f, (x,), (t,))[1])(x),
        lambda f: dualad.hessian(f)(x),
    ):
        assert dualad.allclose(nested(f), nested(plain), rtol=1e-14)


def test_nothing_is_packed_where_nothing_is_recorded():
    hooks = Packed()
    x = leaf([1.0, 2.0])
    with hooks():
        dualad.ones(2).exp()
        with dualad.no_grad():
            x.exp()
        x + 1
    assert hooks.packs == []


def test_a_backward_pass_inside_packs_what_it_records_alone():
    x = leaf([[2.0, 1.0], [1.0, 3.0]])
    y = dualad.linalg.inv(x).sum()
    hooks = Packed()
    with hooks():
        y.backward(retain_graph=True)
        assert hooks.packs == []
        (g,) = dualad.autograd.grad(y, x, create_graph=True)
    assert hooks.packs
    (h,) = dualad.autograd.grad((g * g).sum(), x)
    r = leaf([[2.0, 1.0], [1.0, 3.0]])
    (gr,) = dualad.autograd.grad(dualad.linalg.inv(r).sum(), r, create_graph=True)
    assert h.tolist() == dualad.autograd.grad((gr * gr).sum(), r)[0].tolist()


# -- what is refused, and what stays ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("unpack", "error", "message"),
    [
        (
            lambda t: 3,
            TypeError,
            "unpack_hook expected to be a Tensor but got .* int.*ExpBackward0",
        ),
        (lambda t: t[:1], dualad.ShapeError, r"shape \(1,\).*ExpBackward0.*\(2,\)"),
        (lambda t: {}["mine"], KeyError, "mine"),
    ],
)
def test_hooks_that_unpack_nonsense(unpack, error, message):
    x = leaf([1.0, 2.0])
    with saved_tensors_hooks(lambda t: t.detach(), unpack):
        y = x.exp()
    with pytest.raises(error, match=message):
        y.sum().backward()
    assert x.grad is None
    x.exp().sum().backward()
    assert x.grad is not None


def test_an_exception_in_pack_leaves_nothing_behind():
    x = leaf([1.0, 2.0])

    def pack(t):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), saved_tensors_hooks(pack, lambda t: t):
        x.exp()
    x.exp().sum().backward()
    assert x.grad is not None


def test_hooks_can_be_forbidden():
    x = leaf([1.0, 2.0])
    with disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"), save_on_cpu():
            pass
        nor_here = pytest.raises(RuntimeError, match="nor here")
        with disable_saved_tensors_hooks("nor here"), nor_here, save_on_cpu():
            pass
        with pytest.raises(RuntimeError, match="not here"), save_on_cpu():
            pass
        x.exp().sum().backward()
    hooks = Packed()
    with hooks(), pytest.raises(RuntimeError, match="not here"), disable_saved_tensors_hooks("not here"):
        pass
    with hooks():
        x.exp()
    assert len(hooks.packs) == 1


def test_mutation_is_allowed_anyway():
    x = leaf([1.0, 2.0])
    with allow_mutation_on_saved_tensors() as context:
        y = x.clone()
        z = y**2
        y.zero_()
        z.sum().backward()
        context.clear()
    assert x.grad.tolist() == [2.0, 4.0]


def test_hooks_are_those_of_their_thread():
    x = leaf([1.0, 2.0])
    hooks = Packed()

    def other():
        x.exp().sum().backward()

    with hooks():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert hooks.packs == []
    assert x.grad is not None


def test_one_object_in_several_threads():
    hooks = Packed()
    mode, barrier, left = hooks(), threading.Barrier(2), []

    def work():
        x = leaf([1.0, 2.0])
        barrier.wait()
        with mode:
            barrier.wait()
            y = x.exp()
            barrier.wait()
        count = len(hooks.packs)
        barrier.wait()
        x.exp()
        barrier.wait()
        left.append(len(hooks.packs) - count)
        y.sum().backward()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(hooks.packs) == len(hooks.unpacks) == 2
    assert left == [0, 0]
