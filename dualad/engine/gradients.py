"""Derivatives of Tensors that require grad: `backward`, `grad`, and what watches them pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any
from weakref import ref

from ..backends.registry import BY_TYPE
from ..errors import DeviceError, DTypeError, GradientError, ShapeError
from .fit import zeros
from .modes import set_grad_enabled
from .namespace import ops
from .node import GROUND, GradBox, Node
from .operands import snapshot, type_name
from .tensor import Tensor, grad_box, wrap
from .views import assign
from .walk import Walk

# Threads that run `backward` on graphs that share a leaf add to its `.grad` one at a time.
_accumulating = Lock()


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
    tensors : Tensor or sequence of Tensors
        What to differentiate.
    grad_tensors : Tensor or sequence of Tensors, optional
        Their cotangents; None for a Tensor of one element, whose cotangent is then 1.
    retain_graph : bool, optional
        Keep what the graph has saved, for another pass; the default is `create_graph`.
    create_graph : bool
        Record the pass itself, so that the gradients can be differentiated.
    inputs : Tensor or sequence of Tensors, optional
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
    roots = _sequence(tensors)
    targets = None if inputs is None else {_node_of(x, "backward: inputs"): x for x in _sequence(inputs)}
    if targets is not None and not targets:
        raise GradientError("backward: inputs must not be empty; leave it out to reach all leaves")
    cotangents = _cotangents("backward", roots, grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    if targets is None:
        walk = Walk(retain, create_graph)
        walk.arrived = lambda leaf, g: _accumulate(leaf.box(), g, create_graph)
        _walk(walk, roots, cotangents, create_graph)
        return
    walk = Walk(retain, create_graph, _leading_to(roots, set(targets)))
    for node, g in _walk(walk, roots, cotangents, create_graph, targets).items():
        if not _retains(node):
            _accumulate(grad_box(targets[node]), g, create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the derivatives of `outputs`, summed, in `inputs`; no ``.grad`` is touched.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensors
        What to differentiate.
    inputs : Tensor or sequence of Tensors
        In what: leaves, or results of ops that lead to the outputs.
    grad_outputs : Tensor or sequence of Tensors, optional
        The cotangents of the outputs; None for a Tensor of one element, whose cotangent is then 1.
    retain_graph : bool, optional
        Keep what the graph has saved, for another pass; the default is `create_graph`.
    create_graph : bool
        Record the pass itself, so that the result can be differentiated.
    allow_unused : bool, optional
        Give None for inputs that the outputs do not depend on, instead of raising; the default is
        `materialize_grads`.
    materialize_grads : bool
        Give zeros for such inputs.

    Returns
    -------
    tuple of Tensor
        One for each input, of its shape, dtype and device.

    Raises
    ------
    GradientError
        If an output was not recorded, has several elements and no cotangent, or if an input is
        not used.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor(2.0, requires_grad=True)
    >>> (g,) = dualad.autograd.grad(x**3, x, create_graph=True)
    >>> dualad.autograd.grad(g, x)
    (tensor(12.),)
    """
    roots, sources = _sequence(outputs), _sequence(inputs)
    if allow_unused is False and materialize_grads:
        raise ValueError("grad: allow_unused=False contradicts materialize_grads=True")
    nodes = [_node_of(x, "grad: inputs") for x in sources]
    cotangents = _cotangents("grad", roots, grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    walk = Walk(retain, create_graph, _leading_to(roots, set(nodes)))
    found = _walk(walk, roots, cotangents, create_graph, nodes)
    out: list[Tensor | None] = []
    for i, (x, node) in enumerate(zip(sources, nodes, strict=True)):
        if node in found:
            out.append(wrap(found[node]))
        elif materialize_grads:
            out.append(ops.zeros_like(x))
        elif allow_unused:
            out.append(None)
        else:
            raise GradientError(
                f"grad: One of the differentiated Tensors (inputs[{i}]) appears to not have been "
                "used in the graph. "
                "Set allow_unused=True if this is the desired behavior, or materialize_grads=True for zeros."
            )
    return tuple(out)


def _walk(walk: Walk, roots: Any, cotangents: Any, create_graph: bool, capture: Any = ()) -> dict[Node, Any]:
    for root, g in zip(roots, cotangents, strict=True):
        walk.deposit(root._node, g if create_graph else g._raw)
    with set_grad_enabled(create_graph):
        return walk.run(capture)


def _accumulate(box: GradBox | None, g: Any, create_graph: bool) -> None:
    """Add a gradient to what a box holds; None is that of a Tensor that is gone."""
    if box is None:
        return
    with _accumulating:
        if box.grad is None:
            box.grad = g if create_graph else Tensor(g)
        elif create_graph:
            box.grad = box.grad + g
        else:  # the same handle goes on, as those who hold `x.grad` expect
            assign(box.grad, Tensor(box.grad._raw + g))


def _sequence(tensors: Any) -> list[Any]:
    """Return what was given as a list: what is no collection stands for a list of one."""
    kind = type(tensors)
    alone = kind is Tensor or BY_TYPE[kind] is not None or not isinstance(tensors, Iterable)
    return [tensors] if alone else list(tensors)


def _node_of(x: Any, name: str) -> Node:
    if type(x) is not Tensor:
        raise TypeError(f"{name}: expected Tensors, got {type_name(x)}")
    x._refresh()
    if x._node is None:
        raise GradientError(f"{name}: One of the differentiated Tensors does not require grad")
    return x._node


def _cotangents(name: str, roots: list[Any], given: Any) -> list[Tensor]:
    """Return a cotangent for each root, checked."""
    given = [None] * len(roots) if given is None else _sequence(given)
    if len(given) != len(roots):
        raise GradientError(f"{name}: got {len(roots)} tensors and {len(given)} gradients")
    out = []
    for root, g in zip(roots, given, strict=True):
        if type(root) is not Tensor:
            raise TypeError(f"{name}: expected Tensors, got {type_name(root)}")
        if not root.requires_grad:
            raise GradientError(
                f"{name}: element 0 of tensors does not require grad and does not have a "
                "grad_fn: no recorded op leads "
                "to it from a Tensor with requires_grad=True"
            )
        if root._node.level != GROUND:
            raise GradientError(
                f"{name}: called inside a transform on what it differentiates; use dualad.grad there"
            )
        out.append(_implicit(name, root) if g is None else _checked(name, root, g))
    return out


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
    g = ops.asarray(snapshot(g))  # what the user writes to it later must not reach a gradient
    if g.shape != root.shape:
        raise ShapeError(
            f"{name}: Mismatch in shape: the gradient has a shape of {g.shape} and the output "
            f"has a shape of {root.shape}"
        )
    if (g.dtype.is_complex and not root.dtype.is_complex) or not g.dtype.is_differentiable:
        raise DTypeError(f"{name}: the gradient is {g.dtype} and the output {root.dtype}; convert it first")
    if g.device != root.device:
        raise DeviceError(
            f"{name}: the gradient is on {g.device} and the output on {root.device}; move it "
            f"with .to({str(root.device)!r})"
        )
    return g if g.dtype is root.dtype else ops.astype(g, root.dtype)


def _leading_to(roots: list[Any], targets: set[Node]) -> set[Node]:
    """Return the nodes on the ways from the roots to the targets, the targets among them."""
    nodes: dict[int, Node] = {}
    stack = [r._node for r in roots]
    while stack:
        node = stack.pop()
        if node is not None and node.number not in nodes:
            nodes[node.number] = node
            stack.extend(node.parents)
    needed = set(targets)
    for number in sorted(nodes):  # parents come before those made of them
        node = nodes[number]
        if any(p in needed for p in node.parents):
            needed.add(node)
    return needed


# -- hooks -------------------------------------------------------------------------------------


class HookHandle:
    """What `register_hook` gives: ``remove()`` takes the hook away, as does leaving a ``with``."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; again does nothing."""
        self._hooks[:] = [h for h in self._hooks if h is not self._hook]

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register_hook(x: Tensor, hook: Callable[[Tensor], Any]) -> HookHandle:
    """Call `hook` with the gradient of x whenever one is computed; see `Tensor.register_hook`."""
    if not x.requires_grad:
        raise GradientError("cannot register a hook on a tensor that doesn't require gradient")
    node = x._node
    if node.hooks is None:
        node.hooks = []
    called = lambda g: hook(g)  # noqa: E731  a function of its own, so that removing takes one away
    node.hooks.append(called)
    node.hooks.sort(key=lambda h: type(h) is _Retain)  # what is retained is what the hooks have left
    return HookHandle(node.hooks, called)


def retain_grad(x: Tensor) -> None:
    """Let `backward` keep the gradient of x in ``x.grad``, although it is no leaf."""
    if not x.requires_grad:
        raise GradientError("can't retain_grad on Tensor that has requires_grad=False")
    box = grad_box(x)
    if x.is_leaf or box.retains is not None:
        return
    box.retains = _Retain(box)
    x._node.hooks = [*(x._node.hooks or ()), box.retains]


def _retains(node: Node) -> bool:
    return any(type(h) is _Retain for h in node.hooks or ())


class _Retain:
    """A hook that adds the gradient to a Tensor's box, and keeps neither alive."""

    def __init__(self, box: GradBox) -> None:
        self.box = ref(box)

    def __call__(self, g: Tensor) -> None:
        create_graph = g._node is not None
        _accumulate(self.box(), g if create_graph else g._raw, create_graph)
