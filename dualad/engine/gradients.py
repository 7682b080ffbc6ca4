"""Derivatives of Tensors that require grad: `backward` and `grad`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..backends.registry import BY_TYPE
from ..errors import DeviceError, DTypeError, GradientError, ShapeError
from .accumulation import accumulate, is_retained
from .fit import zeros
from .namespace import ops
from .node import GROUND, Batch, Leaf, Node, Output
from .operands import snapshot, type_name
from .tensor import Tensor, grad_box, plain, raw_value, reverse_part, wrap
from .walk import Walk


class GradientEdge(NamedTuple):
    """A place in the graph where a gradient is computed: it can stand for its Tensor.

    Attributes
    ----------
    node : Node
        The node of the op, or of the leaf.
    output_nr : int
        Which of the op's outputs it is.
    ownership_token : None
        It is there for PyTorch's sake: here a node keeps the graph behind it alive.
    """

    node: Node
    output_nr: int
    ownership_token: None = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Return where the gradient of a Tensor is computed.

    `grad` and `backward` take it in the place of the Tensor, whose value need not be kept then.

    Raises
    ------
    GradientError
        If the Tensor does not require grad.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor(3.0, requires_grad=True)
    >>> edge = dualad.autograd.graph.get_gradient_edge(x * x)
    >>> dualad.autograd.grad(edge, x)
    (tensor(6.),)
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"get_gradient_edge: expected a Tensor, got {type_name(tensor)}")
    node = reverse_part(tensor)._node
    if node is None or type(node) is Batch:
        raise GradientError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    return GradientEdge(node.parents[0], node.index) if type(node) is Output else GradientEdge(node, 0)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Accumulate the derivatives of `tensors` in the ``.grad`` of the leaves they came from.

    Parameters
    ----------
    tensors : Tensor, GradientEdge, or sequence of such
        What to differentiate.
    grad_tensors : Tensor or sequence of Tensors, optional
        Their cotangents; None for a Tensor of one element, whose cotangent is then 1.
    retain_graph : bool, optional
        Keep what the graph has saved, for another pass; the default is `create_graph`.
    create_graph : bool
        Record the pass itself, so that the gradients can be differentiated.
    inputs : Tensor, GradientEdge of a leaf, sequence or dict of such, optional
        Accumulate in these only, which need not be leaves.

    Raises
    ------
    GradientError
        See `Tensor.backward`.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor(3.0, requires_grad=True)
    >>> dualad.autograd.backward(x * x)
    >>> x.grad
    tensor(6.)
    """
    targets = None if inputs is None else [(_target("backward", x), x) for x in listed(inputs)]
    if targets is not None and not targets:
        raise GradientError("backward: inputs must not be empty; leave it out to reach all leaves")
    retain = create_graph if retain_graph is None else retain_graph
    walk = Walk(retain, create_graph)
    walk.arrived = lambda leaf, g: accumulate(leaf.box(), g, create_graph)
    roots = _roots("backward", tensors, grad_tensors)
    if any(node.level != GROUND or _level_of(g) != GROUND for node, g in roots):
        raise GradientError(
            "backward: called inside a transform on what it differentiates; use dualad.grad there. Outside "
            "of transforms: one that has ended has written a Tensor of its own to what this is computed from "
            "(x[...] = y, x.copy_(y)); return it from the transformed function instead, or write y.detach()"
        )
    inner = [(edge, x) for edge, x in targets or () if type(edge.node) is not Leaf]
    if any(type(x) is GradientEdge for _, x in inner):
        raise GradientError(
            "backward: inputs has a GradientEdge that is no leaf's: there is no Tensor to have a .grad; pass "
            "the Tensor, or use dualad.autograd.grad"
        )
    edges = None if targets is None else [edge for edge, _ in targets]
    found = _walk(walk, roots, create_graph, edges)
    for edge, x in inner:
        g = _gradient_at(edge, found)
        if g is not None and not is_retained(reverse_part(x)._node):
            accumulate(grad_box(x), g, create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
    without: frozenset[Node] = frozenset(),
) -> tuple[Tensor | None, ...]:
    """Return the derivatives of `outputs`, summed, in `inputs`, as a tuple: see `dualad.autograd.grad`.

    No way leads through the nodes in `without`: what they give counts as constant.
    """
    if allow_unused is False and materialize_grads:
        raise ValueError("grad: allow_unused=False contradicts materialize_grads=True")
    sources = listed(inputs)
    if not sources:
        raise GradientError("grad: `inputs` argument to `grad()` cannot be empty")
    edges = [_target("grad", x) for x in sources]
    roots = _roots("grad", outputs, grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    found = _walk(Walk(retain, create_graph), roots, create_graph, edges, without)
    out: list[Tensor | None] = []
    for i, (x, edge) in enumerate(zip(sources, edges, strict=True)):
        g = _gradient_at(edge, found)
        if g is not None:
            out.append(wrap(g))
        elif materialize_grads:
            out.append(_like(edge) if type(x) is GradientEdge else ops.zeros_like(x))
        elif allow_unused:
            out.append(None)
        else:
            raise GradientError(
                f"grad: One of the differentiated Tensors (inputs[{i}]) appears to not have been "
                "used in the graph. "
                "Set allow_unused=True if this is the desired behavior, or materialize_grads=True for zeros."
            )
    return tuple(out)


def _walk(
    walk: Walk,
    roots: Any,
    create_graph: bool,
    edges: list[GradientEdge] | None,
    without: frozenset[Node] = frozenset(),
) -> dict[Node, Any]:
    """Walk from the roots, to the edges alone if there are any; return what has come to their nodes."""
    capture = {edge.node for edge in edges or ()}
    if edges is not None:
        walk.needed = _leading_to([node for node, _ in roots], capture, without)
    for node, g in roots:
        if walk.needed is None or node in walk.needed:
            walk.deposit(node, g if create_graph else _below(g, node.level))
    # Leaves that gradients are accumulated in are walked to; all else is caught on the way.
    caught = [n for n in capture if walk.arrived is None or type(n) is not Leaf]
    return walk.run(caught, recording=create_graph)


def _below(g: Tensor, level: int) -> Any:
    """Return a cotangent without the history of a level: as an array, if it has no other."""
    while isinstance(g, Tensor) and (g._node is None or g._node.level == level):
        g = g._value
    return g


def _level_of(g: Tensor) -> int:
    return GROUND if g._node is None else int(g._node.level)


def _gradient_at(edge: GradientEdge, found: dict[Node, Any]) -> Any:
    """Return what has come to an edge; None if nothing has."""
    g = found.get(edge.node)
    return g[edge.output_nr] if type(g) is list else g


def listed(tensors: Any) -> list[Any]:
    """Return what was given as a list: what is no collection stands for a list of one."""
    if isinstance(tensors, Mapping):
        return list(tensors.values())
    array = isinstance(tensors, (Tensor, GradientEdge)) or BY_TYPE[type(tensors)] is not None
    alone = array or not isinstance(tensors, Iterable)
    return [tensors] if alone else list(tensors)


def _target(name: str, x: Any) -> GradientEdge:
    if type(x) is GradientEdge:
        return x
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: inputs: expected Tensors, got {type_name(x)}")
    if (node := reverse_part(x)._node) is None or type(node) is Batch:
        raise GradientError(f"{name}: inputs: One of the differentiated Tensors does not require grad")
    return get_gradient_edge(x)


def _roots(name: str, outputs: Any, given: Any) -> list[tuple[Node, Tensor]]:
    """Return the node of each output with its cotangent, checked."""
    outputs = listed(outputs)
    given = [None] * len(outputs) if given is None else listed(given)
    if len(given) != len(outputs):
        raise GradientError(f"{name}: got {len(outputs)} tensors and {len(given)} gradients")
    roots = []
    for x, g in zip(outputs, given, strict=True):
        node, like = _root(name, x)
        roots.append((node, _implicit(name, like) if g is None else _checked(name, like, g)))
    if len({node.level for node, _ in roots}) > 1:
        raise GradientError(f"{name}: the outputs belong to different transforms; differentiate them apart")
    return roots


def _root(name: str, x: Any) -> tuple[Node, Tensor]:
    """Return where the cotangent of an output is put, and a Tensor of its shape, dtype and device."""
    if type(x) is GradientEdge:
        node = x.node
        if _has_several_outputs(node):
            node = Output(node, x.output_nr, *node.dtype[x.output_nr])
        return node, _like(x)
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected Tensors, got {type_name(x)}")
    part = reverse_part(x)
    if part._node is None:
        raise GradientError(
            f"{name}: element 0 of tensors does not require grad and does not have a "
            "grad_fn: no recorded op leads "
            "to it from a Tensor with requires_grad=True"
        )
    if type(part._node) is Batch:
        raise GradientError(f"{name}: called inside vmap on what it maps; use dualad.grad there")
    return part._node, part


def _has_several_outputs(node: Node) -> bool:
    return node.shape is None


def _like(edge: GradientEdge) -> Tensor:
    """Return zeros of the shape and dtype of an edge, on the device of what the graph there has."""
    node = edge.node
    shape, dtype = node.dtype[edge.output_nr] if _has_several_outputs(node) else (node.shape, node.dtype)
    return wrap(zeros(shape, dtype, beside=_array_behind(node)))


def _array_behind(node: Node) -> Any:
    """Return an array that a node has saved, else one that those before it have, or a leaf's value."""
    seen, queue = set(), [node]
    for node in queue:
        if node in seen:
            continue
        seen.add(node)
        values = [v for reads in node.saved or () for v in reads or ()]
        if type(node) is Leaf and node.variable is not None:
            values = [node.variable]
        for value in map(raw_value, values):
            if BY_TYPE[type(value)] is not None:
                return value
        queue.extend(p for p in node.parents if p is not None)
    return np.zeros(())


def _implicit(name: str, root: Tensor) -> Tensor:
    if root.size != 1:
        raise GradientError(
            f"grad can be implicitly created only for scalar outputs: {name} of a Tensor of "
            f"shape {root.shape} needs a "
            "gradient of that shape"
        )
    if root.dtype.is_complex:
        raise GradientError(
            "grad can be implicitly created only for real scalar outputs but got "
            f"{root.dtype}; take the real part, or pass a gradient"
        )
    return wrap(zeros(root.shape, root.dtype, beside=root._raw) + 1)


def _checked(name: str, root: Tensor, g: Any) -> Tensor:
    """Return a cotangent that the user gave, as a Tensor that fits the root."""
    if type(g) is float or (type(g) is complex and root.dtype.is_complex):  # not by way of the default dtype
        g = ops.asarray(g, dtype=root.dtype, device=root.device)
    g = ops.asarray(snapshot(plain(g)))  # what the user writes to it later must not reach a gradient
    if g.shape != root.shape:
        raise ShapeError(
            f"{name}: Mismatch in shape: the gradient has a shape of {g.shape} and the output "
            f"has a shape of {root.shape}"
        )
    if g.dtype.is_complex and not root.dtype.is_complex:
        raise DTypeError(f"{name}: the gradient is {g.dtype} and the output {root.dtype}; convert it first")
    if g.device != root.device:
        raise DeviceError(
            f"{name}: the gradient is on {g.device} and the output on {root.device}; move it "
            f"with .to({str(root.device)!r})"
        )
    return g if g.dtype is root.dtype else ops.astype(g, root.dtype)


def _leading_to(roots: list[Node], targets: set[Node], without: frozenset[Node]) -> set[Node]:
    """Return the nodes on the ways from the roots to the targets, the targets among them.

    Ways through the nodes in `without` do not count.
    """
    nodes: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.number not in nodes and node not in without:
            nodes[node.number] = node
            stack.extend(p for p in node.parents if p is not None)
    needed = set(targets)
    for number in sorted(nodes):  # parents come before those made of them
        node = nodes[number]
        if any(p in needed for p in node.parents):
            needed.add(node)
    return needed
