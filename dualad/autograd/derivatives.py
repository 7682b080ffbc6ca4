"""`grad` in PyTorch's form: derivatives of Tensors in Tensors, for one cotangent or for a batch of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import gradients
from ..engine.namespace import ops
from ..engine.node import Dual
from ..engine.tensor import Tensor, reverse_part, wrap
from ..errors import GradientError, ShapeError
from ..transforms.vmap import vmap


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Return the derivatives of `outputs`, summed, in `inputs`; no ``.grad`` is touched.

    Parameters
    ----------
    outputs : Tensor, GradientEdge, or sequence of such
        What to differentiate.
    inputs : Tensor, GradientEdge, sequence or dict of such
        In what: leaves, or results of ops that lead to the outputs.
    grad_outputs : Tensor or sequence of Tensors, optional
        The cotangents of the outputs; None for a Tensor of one element, whose cotangent is then 1.
    retain_graph : bool, optional
        Keep what the graph has saved, for another pass; the default is `create_graph`.
    create_graph : bool
        Record the pass itself, so that the result can be differentiated.
    only_inputs : bool
        There for PyTorch's sake.
    allow_unused : bool, optional
        Give None for inputs that the outputs do not depend on, instead of raising; the default is
        `materialize_grads`.
    is_grads_batched : bool
        Take the first axis of each of the `grad_outputs` for one that counts cotangents: all are pulled
        back at once (`dualad.vmap`), and that is the first axis of the results.
    materialize_grads : bool
        Give zeros for inputs that the outputs do not depend on.

    Returns
    -------
    tuple of Tensor, or dict
        One for each input, of its shape, dtype and device; a dict where `inputs` is one.

    Raises
    ------
    GradientError
        If an output was not recorded, has several elements and no cotangent, or if an input is
        not used.
    ShapeError
        If a cotangent does not have the shape of its output.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, 2.0], requires_grad=True)
    >>> y = x**3
    >>> dualad.autograd.grad(y.sum(), x, create_graph=True)
    (tensor([ 3., 12.], grad_fn=<MulBackward0>),)
    >>> dualad.autograd.grad(y, x, dualad.eye(2), is_grads_batched=True)
    (tensor([[ 3.,  0.],
            [ 0., 12.]]),)
    """
    options = (retain_graph, create_graph, allow_unused, materialize_grads)
    if is_grads_batched:
        found = _batched(outputs, inputs, grad_outputs, options)
    else:
        found = _pulled(outputs, inputs, grad_outputs, options)
    return dict(zip(inputs, found, strict=True)) if isinstance(inputs, Mapping) else found


def _batched(outputs: Any, inputs: Any, grad_outputs: Any, options: Any) -> Any:
    """Pull back all cotangents at once."""
    roots = gradients.listed(outputs)
    given: list[Any] = [None] * len(roots) if grad_outputs is None else gradients.listed(grad_outputs)
    present = [i for i, g in enumerate(given) if g is not None]
    if not present:
        raise GradientError("grad: is_grads_batched needs grad_outputs, whose first axis counts cotangents")
    for i in present[: len(roots)]:
        shape = tuple(given[i].shape)
        if isinstance(roots[i], Tensor) and shape[1:] != roots[i].shape:
            raise ShapeError(
                "grad: If `is_grads_batched=True`, we interpret the first dimension of each grad_output as "
                "the batch dimension. The sizes of the remaining dimensions are expected to match the shape "
                f"of corresponding output, but a mismatch was detected: grad_output[{i}] has a shape of "
                f"{shape} and output[{i}] has a shape of {roots[i].shape}"
            )

    def pull(*cotangents: Any) -> Any:
        filled = list(given)
        for i, g in zip(present, cotangents, strict=True):
            filled[i] = g
        return _pulled(outputs, inputs, filled, options)

    return vmap(pull)(*(given[i] for i in present))


def _pulled(outputs: Any, inputs: Any, grad_outputs: Any, options: Any, without: Any = frozenset()) -> Any:
    """Return the gradients; where outputs have tangents, and the pass is recorded, with theirs."""
    roots = gradients.listed(outputs)
    levels = [y._node.level for y in roots if isinstance(y, Tensor) and type(y._node) is Dual]
    if not levels or not options[1]:
        retain, create, unused, materialize = options
        return gradients.grad(outputs, inputs, grad_outputs, retain, create, unused, materialize, without)
    level = max(levels)
    given = [None] * len(roots) if grad_outputs is None else gradients.listed(grad_outputs)
    values, tangents = zip(*(_apart(y, level) for y in roots), strict=True)
    sources, directions = zip(*(_apart(x, level) for x in gradients.listed(inputs)), strict=True)
    cotangents, moving = zip(*(_apart(g, level) for g in given), strict=True)
    found = _pulled(values, sources, cotangents, options, without)
    # A gradient moves as the outputs' tangents are differentiated, those of the inputs being constant,
    # and as the cotangents move.
    pairs = [
        (t, ops.ones_like(t) if g is None and t is not None else g)
        for t, g in zip(tangents, cotangents, strict=True)
    ]
    pairs += zip(values, moving, strict=True)
    pairs = [(y, g) for y, g in pairs if y is not None and g is not None and y.requires_grad]
    if not pairs:
        return found
    constant = without | {reverse_part(t)._node for t in directions if t is not None}
    ys, gs = zip(*pairs, strict=True)
    pushed = _pulled(ys, sources, gs, (True, True, True, False), constant - {None})
    return tuple(g if t is None else _dual(g, t, level) for g, t in zip(found, pushed, strict=True))


def _apart(x: Any, level: int) -> tuple[Any, Tensor | None]:
    """Return a Tensor without a level of forward mode, and its tangent there."""
    if isinstance(x, Tensor) and type(x._node) is Dual and x._node.level == level:
        return wrap(x._value), wrap(x._node.tangent)
    return x, None


def _dual(value: Tensor, tangent: Tensor, level: int) -> Tensor:
    below, direction = (x._value if x._node is None else x for x in (value, tangent))
    return Tensor(below, Dual(level, direction))
