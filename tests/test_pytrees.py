"""What a pytree may be made of: a user's own classes, what is empty, and what must stay as it is."""

import dataclasses
import functools
from collections import OrderedDict, defaultdict, deque
from typing import NamedTuple

import numpy as np
import optree
import pytest

import dualad


class Pair(NamedTuple):
    a: object
    b: object


@dataclasses.dataclass
class Layer:
    w: object
    b: object
    name: str = dataclasses.field(default="linear", metadata={"static": True})
    calls: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Net:
    layers: list
    scale: float


class Own:
    """A class that its user has told optree how to take apart, for dualad."""

    def __init__(self, inside):
        self.inside = inside

    def __eq__(self, other):
        return self.inside == other.inside


optree.register_pytree_node(
    Own, lambda own: ([own.inside], None), lambda _, children: Own(*children), namespace="dualad"
)

# Each with its gradient if all its numbers are added up.
TREES = {
    "nothing": (None, None),
    "empty": ({}, {}),
    "tuple": ((2.0, [3.0]), (1.0, [1.0])),
    "none": ((2.0, None), (1.0, None)),
    "named tuple": (Pair(2.0, Pair(3.0, None)), Pair(1.0, Pair(1.0, None))),
    "deque": (deque([2.0, 3.0], 5), deque([1.0, 1.0], 5)),
    "ordered": (OrderedDict(z=2.0, a=3.0), OrderedDict(z=1.0, a=1.0)),
    "default": (defaultdict(list, z=2.0), defaultdict(list, z=1.0)),
    "keys": ({1: 2.0, "a": 3.0, None: 4.0}, {1: 1.0, "a": 1.0, None: 1.0}),
    "dataclass": (Layer(2.0, 3.0, "first"), Layer(1.0, 1.0, "first")),
    "own": (Own(2.0), Own(1.0)),
    "nested": (
        {"n": Net([Layer(2.0, None), Layer(3.0, [Own(1.0)])], 4.0)},
        {"n": Net([Layer(1.0, None), Layer(1.0, [Own(1.0)])], 1.0)},
    ),
}


def total(tree):
    """The sum of all leaves, by dualad's own eyes."""
    return sum(dualad.transforms.trees.flatten(tree)[0], 0.0)


@pytest.mark.parametrize("name", TREES)
def test_parts_of_pytrees(name):
    tree, ones = TREES[name]
    gradient = dualad.grad(total)(tree)
    assert gradient == ones
    assert type(gradient) is type(tree)
    doubled = lambda tree: dualad.transforms.trees.unflatten(  # noqa: E731
        (flat := dualad.transforms.trees.flatten(tree))[1], [2 * leaf for leaf in flat[0]]
    )
    value, tangent = dualad.jvp(doubled, (tree,), (ones,))
    assert (value, tangent) == (doubled(tree), doubled(ones))
    value, pullback = dualad.vjp(doubled, tree)
    assert value == doubled(tree)
    assert pullback(ones) == (doubled(ones),)
    assert dualad.grad(lambda x, tree: (x * x, tree), has_aux=True)(3.0, tree) == (6.0, tree)
    assert dualad.linearize(doubled, tree)[1](ones) == doubled(ones)
    assert dualad.stop_gradient(tree) == tree


def test_the_order_of_a_dict_and_its_class_stay():
    tree = OrderedDict(z=2.0, a=3.0)
    assert list(dualad.grad(lambda t: t["z"] * t["a"])(tree).items()) == [("z", 3.0), ("a", 2.0)]
    gradient = dualad.grad(lambda t: t["z"])(defaultdict(list, z=2.0))
    assert gradient["missing"] == []
    assert dualad.grad(lambda t: t[0])(deque([2.0], maxlen=3)).maxlen == 3


@dataclasses.dataclass
class Doubled:
    """A class whose initialization is not to happen twice."""

    w: object
    factor: dataclasses.InitVar[float]
    label: str = dataclasses.field(default="a", metadata={"static": True})
    squares: object = dataclasses.field(init=False)
    unset: object = dataclasses.field(init=False)

    def __post_init__(self, factor):
        self.w = self.w * factor
        self.squares = self.w**2
        self.log = ["made"]

    @functools.cached_property
    def cubes(self):
        return self.w**3


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """A point on a circle, which comes to lie there when it is made."""

    x: object
    y: object

    def __post_init__(self):
        norm = (self.x**2 + self.y**2) ** 0.5
        object.__setattr__(self, "x", self.x / norm)
        object.__setattr__(self, "y", self.y / norm)


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled(Unit):
    z: object
    label: str = dataclasses.field(default="", metadata={"static": True})


def test_a_dataclass_is_not_initialized_again():
    doubled = Doubled(np.array([1.0, 2.0]), 2.0, "b")
    value, gradient = dualad.value_and_grad(lambda d: d.w.sum())(doubled)
    assert (value, gradient.w.tolist(), gradient.squares.tolist()) == (6.0, [1.0, 1.0], [0.0, 0.0])
    assert (type(gradient), gradient.label, gradient.log) == (Doubled, "b", ["made"])
    assert not hasattr(gradient, "unset")
    value, gradient = dualad.value_and_grad(lambda u: u.x * u.x + u.y * u.z)(Labelled(3.0, 4.0, 2.0, "c"))
    assert value == pytest.approx(0.36 + 1.6)
    assert (gradient.x, gradient.y, gradient.z) == pytest.approx((1.2, 2.0, 0.8))
    assert gradient.label == "c"


def test_what_initialization_has_computed_is_a_part():
    """Else it would be constant where it is differentiated, and the same for all where it is batched."""
    doubled = Doubled(np.array([1.0, 2.0]), 1.0)
    gradient = dualad.grad(lambda d: (d.w * d.squares).sum())(doubled)
    assert (gradient.w.tolist(), gradient.squares.tolist()) == ([1.0, 4.0], [1.0, 2.0])
    assert dualad.vmap(lambda d: d.w + d.squares)(doubled).tolist() == [2.0, 6.0]
    made = dualad.jvp(lambda w: Doubled(w, 3.0), (np.ones(2),), (np.ones(2),))
    assert [(type(d.w), d.w.tolist(), d.squares.tolist()) for d in made] == [
        (np.ndarray, [3.0, 3.0], [9.0, 9.0]), (np.ndarray, [3.0, 3.0], [18.0, 18.0]),
    ]  # fmt: skip
    doubled.gain = np.array(2.0)
    assert dualad.grad(lambda d: (d.w * d.gain).sum())(doubled).gain == 3.0


def test_a_cached_property_is_computed_anew():
    doubled = Doubled(np.array([1.0, 2.0]), 1.0)
    assert doubled.cubes.tolist() == [1.0, 8.0]
    gradient = dualad.grad(lambda d: d.cubes.sum())(doubled)
    assert gradient.w.tolist() == [3.0, 12.0]
    assert gradient.cubes.tolist() == [27.0, 1728.0]


def test_dataclasses_in_aux_and_in_batches():
    """Nothing of a level is left in what comes out."""
    f = lambda layer: ((layer.w * layer.b).sum(), Layer(layer.w * 2, Pair(layer.b, None)))  # noqa: E731
    layer = Layer(np.ones((3, 2)), np.ones(2))
    gradient, aux = dualad.grad(f, has_aux=True)(layer)
    assert type(aux.w) is type(aux.b.a) is np.ndarray
    assert gradient.w.shape == (3, 2)
    mapped = dualad.vmap(lambda layer: Layer(layer.w * layer.b, None), in_axes=(Layer(0, None),))(layer)
    assert mapped.w.tolist() == np.ones((3, 2)).tolist()


def test_what_is_no_part_of_a_pytree_is_named():
    with pytest.raises(dualad.DTypeError, match="got str"):
        dualad.grad(lambda layer: layer.w)(Layer(1.0, "text"))
    with pytest.raises(dualad.DTypeError, match="got object"):
        dualad.grad(lambda x: x)(object())
    with pytest.raises(dualad.GradientError, match="structure"):
        dualad.vjp(lambda layer: layer, Layer(1.0, 2.0, "a"))[1](Layer(1.0, 2.0, "b"))
