# ruff: noqa: E501  a table reads best with an entry on a line
"""Subclasses of Tensor: operands everywhere, their class kept, their derivatives those of plain Tensors."""

import copy
import pickle
from random import Random

import numpy as np
import pytest
from program_laws import WRAPPERS, check_close, draw, inner
from programs import Writer

import dualad
from dualad import Tensor


class Length(Tensor):
    """A user's subclass, with a method, and attributes in its dictionary."""

    def doubled(self):
        return self * 2


class Width(Length):
    """A subclass of it, that makes itself in its own way."""

    __slots__ = ("unit",)

    def __init__(self, data, unit):
        super().__init__(data)
        self.unit = unit


class Other(Tensor):
    pass


def length(values=(1.0, 2.0), **kwargs):
    return dualad.tensor(values, **kwargs).as_subclass(Length)


ONES = dualad.ones(2)
KEEP = {
    "operator": lambda p: p + 1, "reflected": lambda p: 1 + p, "left": lambda p: p * ONES, "right": lambda p: ONES * p,
    "unary": dualad.sin, "method": lambda p: p.sum(), "index": lambda p: p[0], "mask": lambda p: p[p > 1],
    "comparison": lambda p: p == 1, "reshape": lambda p: p.reshape(2, 1), "matmul": lambda p: p @ p,
    "numpy": np.sin, "numpy left": lambda p: np.ones(2) + p, "numpy function": np.sum, "concat": lambda p: dualad.concat([ONES, p]),
    "stack": lambda p: dualad.stack([p, ONES]), "where": lambda p: dualad.where(p > 1, p, 0.0),
    "several": lambda p: dualad.unstack(p)[1], "eigh": lambda p: dualad.linalg.eigh(dualad.stack([p, p]))[1],
    "detach": lambda p: p.detach(), "data": lambda p: p.data, "clone": lambda p: p.clone(), "copy": copy.copy,
    "deepcopy": copy.deepcopy, "pickle": lambda p: pickle.loads(pickle.dumps(p)), "asarray": dualad.asarray,
    "to": lambda p: p.to(dualad.float64), "std": dualad.std, "einsum": lambda p: dualad.einsum("i,i->i", p, p),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEP)
def test_the_class_is_kept(name):
    p = length()
    y = KEEP[name](p)
    assert type(y) is Length
    plain = KEEP[name](dualad.tensor([1.0, 2.0]))
    assert type(plain) is Tensor
    assert y.tolist() == plain.tolist()


PLAIN = {
    "tensor": dualad.tensor, "zeros": dualad.zeros_like, "index": lambda p: dualad.ones(5)[p.to(dualad.int64)],
    "item": lambda p: dualad.asarray(p[0].item()), "list": lambda p: dualad.asarray(p.tolist()),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_made_anew_is_plain(name):
    assert type(PLAIN[name](length())) is Tensor


def test_which_class_a_result_has():
    p, w, o = length(), Width([1.0, 2.0], "cm"), Other([1.0, 2.0])
    assert type(p + w) is type(w + p) is Width
    assert type(p + o) is Length
    assert type(o + p) is Other
    assert w.unit == "cm"
    with pytest.raises(AttributeError):  # what a result's attributes would be, only the user knows
        (w * 2).unit  # noqa: B018


def test_writing_and_views():
    p, x = length(), dualad.zeros(3)
    x[1:] = p
    x += 1
    x[:2] += p
    assert x.tolist() == [2.0, 4.0, 3.0]
    assert type(x) is Tensor
    view = p[1:]
    view[0] = 7.0
    p *= 2
    assert (p.tolist(), view.tolist()) == ([2.0, 14.0], [14.0])
    assert type(p) is type(view) is Length
    plain = dualad.zeros(2)
    seen = plain.as_subclass(Length)
    plain[0] = 3.0
    assert seen.tolist() == [3.0, 0.0]
    seen[1] = 4.0
    assert plain.tolist() == [3.0, 4.0]


def test_copies_have_attributes_and_history_of_their_own():
    p = length(requires_grad=False).requires_grad_()
    p.unit = ["cm"]
    for made in (copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert made.unit == ["cm"]
        assert made.requires_grad
        assert made.is_leaf
    assert copy.copy(p).unit is p.unit
    assert copy.deepcopy(p).unit is not p.unit


def test_representation():
    assert repr(length()) == "Length([1., 2.])"
    assert repr(length() + dualad.zeros(2, 1)) == "Length([[1., 2.],\n        [1., 2.]])"


# -- derivatives -------------------------------------------------------------------------------


def test_backward_and_grad():
    p = length().requires_grad_()
    p.register_hook(lambda g: length((10.0, 20.0)))
    (p.doubled() * p).sum().backward(retain_graph=True)
    assert type(p.grad) is Tensor
    assert p.grad.tolist() == [10.0, 20.0]
    x = dualad.ones(2, requires_grad=True)
    y = x * p
    (g,) = dualad.autograd.grad(y, x, length((3.0, 4.0)), create_graph=True)
    assert g.tolist() == [3.0, 8.0]
    assert dualad.autograd.grad(g.sum(), p)[0].tolist() == [10.0, 20.0]
    x.grad = length((5.0, 5.0))
    (x * 2).backward(length())
    assert x.grad.tolist() == [7.0, 9.0]


def test_a_subclass_as_the_only_input_and_as_several():
    p = length().requires_grad_()
    dualad.autograd.backward(p * 1, length(), inputs=p)
    assert p.grad.tolist() == [1.0, 2.0]


CUBE = lambda x: (x * x * x).sum()  # noqa: E731
TRANSFORMS = {
    "grad": lambda f, x: dualad.grad(f)(x), "value_and_grad": lambda f, x: dualad.value_and_grad(f)(x)[1],
    "jvp": lambda f, x: dualad.jvp(f, (x,), (x,))[1], "vjp": lambda f, x: dualad.vjp(f, x)[1](dualad.tensor(1.0))[0],
    "grad of grad": lambda f, x: dualad.grad(lambda x: dualad.grad(f)(x).sum())(x), "hessian": lambda f, x: dualad.hessian(f)(x),
    "jvp of grad": lambda f, x: dualad.jvp(dualad.grad(f), (x,), (x,))[1], "jacfwd": lambda f, x: dualad.jacfwd(f)(x),
    "grad of jvp": lambda f, x: dualad.grad(lambda x: dualad.jvp(f, (x,), (x,))[1])(x), "jacrev": lambda f, x: dualad.jacrev(f)(x),
    "linearize": lambda f, x: dualad.linearize(f, x)[1](x), "hvp": lambda f, x: dualad.hvp(f, (x,), (x,)),
    "elementwise_grad": lambda f, x: dualad.elementwise_grad(f)(x), "vhp": lambda f, x: dualad.vhp(f, (x,), (x,)),
    "vmap": lambda f, x: dualad.vmap(dualad.grad(f))(dualad.stack([x, x])), "jvp of vmap": lambda f, x: dualad.jvp(
        dualad.vmap(f), (dualad.stack([x, x]),), (dualad.stack([x, x]),))[1],
    **{w: lambda f, x, w=w: dualad.grad(lambda xs: WRAPPERS[w](lambda xs: f(xs[0]))(xs))([x])[0] for w in WRAPPERS},
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_give_the_derivatives_of_plain_tensors(name):
    """Given a subclass's Tensor, met by one inside, or ending in one: nothing is cut off."""
    run, x = TRANSFORMS[name], dualad.tensor([1.0, 2.0])
    want = run(CUBE, x)
    p = length()
    for f, at in (
        (CUBE, p),
        (lambda x: (x * x * x * length((1.0, 1.0))).sum(), x),
        (lambda x: CUBE(x).as_subclass(Length), x),
        (lambda x: CUBE(x.as_subclass(Length)), p),
    ):
        got = run(f, at)
        assert type(got) is Tensor
        assert got.tolist() == want.tolist()


def test_a_subclass_between_levels():
    """Inside a transform a subclass's Tensor of an outer level is a constant of the inner one, and moves."""
    f = lambda x: dualad.grad(lambda y: (y * x.as_subclass(Length) ** 2).sum())(x).sum()  # noqa: E731
    assert dualad.grad(f)(dualad.tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert dualad.jvp(f, (dualad.tensor([1.0, 2.0]),), (dualad.ones(2),))[1].item() == 6.0


def test_pytrees_of_subclasses():
    tree = {"w": length(), "b": [dualad.tensor(1.0).as_subclass(Other)]}
    g = dualad.grad(lambda t: (t["w"] * t["b"][0]).sum())(tree)
    assert g["w"].tolist() == [1.0, 1.0]
    assert g["b"][0].item() == 3.0


@pytest.mark.parametrize("seed", range(30))
def test_random_programs(seed):
    """On subclasses' Tensors, with constants that are such, they have the bits they have on plain ones."""
    pytest.importorskip("scipy")
    writer = Writer(Random(seed))
    plainly = np.errstate(all="ignore")(writer.function())
    writer.env["const"] = lambda a: dualad.asarray(np.array(a)).as_subclass(Length)
    f = np.errstate(all="ignore")(writer.function())
    xs = [dualad.asarray(a) for a in writer.inputs]
    ps = [x.as_subclass(Length) for x in xs]
    gs, ts = draw(plainly(xs), 2), draw(xs, 1)
    scalar = lambda f: lambda xs: inner(gs, f(xs))  # noqa: E731
    gradient = dualad.grad(scalar(plainly))
    check_close("values", f(ps), plainly(xs), 0)
    check_close("grad", dualad.grad(scalar(f))(ps), gradient(xs), 0)
    check_close(
        "jvp of grad",
        *[dualad.jvp(h, (x,), (ts,))[1] for h, x in ((dualad.grad(scalar(f)), ps), (gradient, xs))],
        0,
    )
    leaves = [p.clone().requires_grad_() for p in ps]
    assert {type(leaf) for leaf in leaves} == {Length}
    value = scalar(f)(leaves)
    if value.requires_grad:
        check_close(
            "autograd.grad", dualad.autograd.grad(value, leaves, materialize_grads=True), gradient(xs)
        )

    def outer(f, of):
        """A derivative of an inner one, in which the outer variables are closed over."""
        inside = lambda xs, us: scalar(f)([u * of(x) for u, x in zip(us, xs, strict=True)])  # noqa: E731
        return lambda xs: inner(dualad.grad(lambda us: inside(xs, us))(xs), ts)

    got = dualad.grad(outer(f, lambda x: x.as_subclass(Length)))(xs)
    check_close("a closure", got, dualad.grad(outer(plainly, lambda x: x))(xs), 0)
