"""A function's evaluation on a tape of its own, and the way back along it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.fit import space, zeros
from ..engine.namespace import SPACES
from ..engine.node import Leaf, TransposedLevel, fresh_level
from ..engine.operands import arrays_in, is_elsewhere
from ..engine.recording import recording_from
from ..engine.tensor import Tensor, lift, wrap
from ..engine.walk import Walk
from ..errors import GradientError
from ..rules import conjugate
from . import trees


class Inputs:
    """The primals of a function, wrapped at a level of their own.

    Parameters
    ----------
    name : str
        The transform, for errors.
    primals : pytree
        Arrays, Tensors and numbers.
    transposes : bool
        Whether cotangents are pulled by the transpose rather than the adjoint, which conjugates: so
        derivatives of complex analysis come out.
    linear : bool
        Whether what is taped is a pullback, which rules must know: that of the user's may not be linear.
    argnums : tuple of int, optional
        Which of the function's arguments the primals are, for errors; all of them by default.
    """

    def __init__(
        self, name: str, primals: Any, transposes: bool = False, linear: bool = False,
        argnums: tuple[int, ...] | None = None,
    ) -> None:  # fmt: skip
        level = fresh_level()
        self.name, self.level = name, TransposedLevel(level) if linear else level
        self.transposes = transposes
        self.given, self.structure = trees.flatten(primals)
        self.values = trees.all_below(self.given, name, self.structure, argnums)
        self.leaves = [Leaf(self.level, v.shape, v.dtype) for v in self.values]

    def tensors(self) -> Any:
        """Return the primals as Tensors of this level."""
        tensors = [Tensor(v, leaf) for v, leaf in zip(self.values, self.leaves, strict=True)]
        return trees.unflatten(self.structure, tensors)

    def node_of(self, y: Any) -> Any:
        """Return a result's node if it depends on the primals."""
        if not isinstance(y, Tensor):
            return None
        y._refresh()
        node = y._node
        return node if node is not None and node.level == self.level else None

    def lowered(self, y: Any) -> Any:
        """Return a result without this level."""
        return wrap(y._value) if self.node_of(y) is not None else y

    def returned(self, tree: Any) -> Any:
        """Return a pytree of results without this level, as the primals were."""
        leaves, structure = trees.flatten(tree)
        return trees.unflatten(structure, [trees.like_inputs(self.lowered(y), self.given) for y in leaves])


class Tape:
    """The way from the outputs of a function back to its inputs.

    Attributes
    ----------
    inputs : Inputs
        Where it leads.
    outputs : list
        The leaves of the result, without the level of the inputs.
    nodes : list of (Node or None)
        Theirs; None for what does not depend on the inputs.
    structure : PyTreeSpec
        That of the result.
    masks : bool
        Whether a zero cotangent stays zero, whatever it is multiplied by.
    """

    def __init__(self, inputs: Inputs, out: Any) -> None:
        self.inputs, self.masks = inputs, False
        results, self.structure = trees.flatten(out)
        self.nodes = [inputs.node_of(y) for y in results]
        self.outputs = [inputs.lowered(y) for y in results]

    def value(self) -> Any:
        """Return the function's result, as the primals were."""
        given = self.inputs.given
        return trees.unflatten(self.structure, [trees.like_inputs(y, given) for y in self.outputs])

    def gradients(self, cotangents: list[Any], retain: bool = True, record: bool = False) -> list[Any]:
        """Return the gradient in each leaf of the inputs, as an array or Tensor.

        Parameters
        ----------
        cotangents : list
            One for each output, an array or Tensor that fits it; None counts as zero.
        retain : bool
            Whether the tape will be walked again.
        record : bool
            Give Tensors of the level of the inputs, so that the gradients can be differentiated.
        """
        inputs = self.inputs
        walk = Walk(retain, record)
        with recording_from(self.inputs.level):
            for node, g in zip(self.nodes, cotangents, strict=True):
                if node is not None and g is not None:
                    g = conjugate(space(g), g) if inputs.transposes else g
                    walk.deposit(node, lift(g) if record else g)
                    if self.masks:
                        walk.masked.add(node.number)  # and with it all that it depends on
            found = walk.run(inputs.leaves)
            out = []
            for leaf, value in zip(inputs.leaves, inputs.values, strict=True):
                g = found[leaf] if leaf in found else zeros(value.shape, value.dtype, beside=value)
                out.append(conjugate(space(g), g) if inputs.transposes else g)
        return out

    def pull(self, cotangents: Any) -> Any:
        """Return the gradients in the inputs for a user's cotangents, a pytree like the result."""
        return self.as_given(self.gradients(self.fitted(cotangents, "cotangent")))

    def fitted(self, given: Any, what: str) -> list[Any]:
        """Return a user's pytree of cotangents as `gradients` takes them.

        Raises
        ------
        GradientError, ShapeError, DTypeError
            If it is not like the result.
        """
        leaves, structure = trees.flatten(given)
        name = self.inputs.name
        if structure != self.structure:
            got, expected = trees.both_shown(structure, self.structure)
            raise GradientError(f"{name}: the {what} has the structure {got}, expected {expected}")
        return trees.all_fitting(leaves, self.outputs, structure, name, what)

    def as_given(self, gradients: list[Any]) -> Any:
        """Return gradients, one for each leaf of the inputs, as the pytree that was given."""
        inputs = self.inputs
        parts = [trees.like_input(g, leaf) for g, leaf in zip(gradients, inputs.given, strict=True)]
        return trees.unflatten(inputs.structure, parts)

    def recorded(self, cotangents: list[Any]) -> Tape:
        """Return the tape from the gradients for these cotangents, as outputs, to the inputs.

        It goes by way of this one: second derivatives cost no evaluation and no level more.
        """
        gradients = trees.unflatten(self.inputs.structure, self.gradients(cotangents, record=True))
        return Tape(self.inputs, gradients)

    def transposed(self) -> Tape:
        """Return the tape of this one's pull, which is linear: what it pulls back is pushed here.

        Its inputs are the outputs that depend on anything here, a list, and its outputs the
        gradients in the inputs. It is laid over cotangents of 1: at 0, all would count as masked.
        What does not move stays so, as in `jvp`, also where it is multiplied by an infinite slope; such
        a slope shows in the gradients for these cotangents.
        """
        moving = [i for i, node in enumerate(self.nodes) if node is not None]
        ones = [trees.ones_like(self.outputs[i]) for i in moving]
        inputs = Inputs(self.inputs.name, ones, self.inputs.transposes, linear=True)
        cotangents: list[Any] = [None] * len(self.nodes)
        for i, g in zip(moving, inputs.tensors(), strict=True):
            cotangents[i] = g
        tape = Tape(inputs, trees.unflatten(self.inputs.structure, self.gradients(cotangents)))
        tape.masks = not all(map(_is_finite, tape.outputs))
        return tape


def _is_finite(x: Any) -> bool:
    """Return whether all numbers in a Tensor or an array, below all levels, are known to be finite."""
    spaces = [(SPACES[type(a)], a) for a in arrays_in(x)]
    return not is_elsewhere(x) and all(bool(xp.all(xp.isfinite(a))) for xp, a in spaces)


def taped(
    name: str, f: Callable[..., Any], primals: Any, has_aux: bool = False, holomorphic: bool = False,
    argnums: tuple[int, ...] | None = None,
) -> tuple[Tape, Any]:  # fmt: skip
    """Evaluate f once, on the parts of a tuple; return its tape, and its auxiliary output or None.

    Raises
    ------
    DTypeError
        If a primal is not of a floating dtype; if one, or the result, is not complex although
        `holomorphic`.
    TypeError
        If f cannot be called.
    """
    trees.check_function(name, f)
    inputs = Inputs(name, primals, transposes=holomorphic, argnums=argnums)
    if holomorphic:
        trees.check_complex(inputs.values, name, "is for complex arguments")
    with recording_from(inputs.level):
        out = f(*inputs.tensors())
    out, aux = trees.parted(name, out, has_aux)
    tape = Tape(inputs, out)
    if holomorphic:
        trees.check_complex(tape.outputs, name, "is for functions that give complex numbers")
    return tape, inputs.returned(aux) if has_aux else None
