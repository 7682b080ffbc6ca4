"""Whole derivatives in PyTorch's form: inputs are a Tensor or a tuple of them, and so are results.

The function is called with Tensors that require grad. So it may itself call `dualad.autograd.grad`.
Unless ``create_graph`` the results have no history. With ``strict``, what does not depend on an input
is an error; otherwise its derivative is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import transforms
from ..engine.modes import enable_grad
from ..engine.namespace import ops
from ..engine.operands import snapshot, type_name
from ..engine.tensor import Tensor
from ..errors import GradientError, ShapeError
from ..transforms import trees
from .derivatives import grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_STRATEGIES = ("reverse-mode", "forward-mode")


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return the outputs, and the product of a vector with the Jacobian.

    Parameters
    ----------
    func : callable
        A function of Tensors that gives a Tensor or a tuple of them.
    inputs : Tensor or tuple of Tensors
        Its arguments.
    v : Tensor or tuple of Tensors, optional
        A cotangent for each output; may be left out for one element.
    create_graph : bool
        Let the results have the history that leads to the inputs, so that they can be differentiated.
    strict : bool
        Raise if an output does not depend on an input.

    Raises
    ------
    TypeError
        If the inputs or the outputs are no Tensors.
    ShapeError
        If `v` does not fit.
    GradientError
        If `v` is missing, or if `strict` says so.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.vjp(lambda x: x**2, dualad.tensor([1.0, 2.0]), dualad.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    call = _Call("vjp", func, inputs, create_graph, strict)
    vector = call.vector(v, call.outputs, "user-provided function returns a single Tensor")
    pulled = call.pulled(call.outputs, vector, create_graph)
    return call.returned(call.outputs, call.several_outputs), call.returned(pulled, call.several)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return the outputs, and the product of the Jacobian with a vector.

    The pullback is linear, and differentiated in turn: `dualad.jvp` costs half as much.

    Parameters
    ----------
    func, inputs, create_graph, strict
        As for `vjp`.
    v : Tensor or tuple of Tensors, optional
        A direction for each input; may be left out for one element.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.jvp(lambda x: x**2, dualad.tensor([1.0, 2.0]), dualad.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    call = _Call("jvp", func, inputs, create_graph, strict)
    vector = call.vector(v, call.inputs, "input to the user-provided function is a single Tensor")
    # Where the pullback is differentiated: not at 0, which would count as masked.
    at = [ops.ones_like(y.detach()).requires_grad_() for y in call.outputs]
    pulled = call.pulled(call.outputs, at, True)
    pushed = _gradients(pulled, at, vector, create_graph)
    found = [ops.zeros_like(w) if t is None else t for w, t in zip(at, pushed, strict=True)]
    outputs = call.returned(call.outputs, call.several_outputs)
    return outputs, call.returned(found, call.several_outputs)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return the output of a function that gives one number, and a vector's product with its Hessian.

    The parameters are those of `jvp`.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.vhp(lambda x: (x**3).sum(), dualad.tensor([1.0]), dualad.ones(1))
    (tensor(1.), tensor([6.]))
    """
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return the output of a function that gives one number, and its Hessian's product with a vector.

    It is `vhp`, as Hessians are symmetric. The parameters are those of `jvp`.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.hvp(lambda x: (x**3).sum(), dualad.tensor([1.0, 2.0]), dualad.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return the Jacobian of a function.

    Parameters
    ----------
    func, inputs, create_graph, strict
        As for `vjp`.
    vectorize : bool
        Pull all rows back at once, by `dualad.vmap`.
    strategy : {"reverse-mode", "forward-mode"}
        By rows, or by columns, all pushed at once.

    Returns
    -------
    Tensor or tuple
        For one output of shape ``s`` and one input of shape ``t`` a Tensor of shape ``s + t``; a tuple of
        such for several inputs, a tuple of these for several outputs.

    Raises
    ------
    ValueError
        If `strategy` is neither.
    GradientError
        If `strict` says so, if an output is complex, or if `strict` is combined with `vectorize` or forward
        mode, which do not tell what depends on what.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.jacobian(lambda x: x**2, dualad.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    _check("jacobian", func, strategy, strict, vectorize)
    if strategy == "forward-mode":
        return _forward("jacobian", transforms.jacfwd, func, inputs, create_graph)
    return _by_rows("jacobian", func, inputs, create_graph, strict, vectorize)


def _by_rows(
    name: str, func: Any, inputs: Any, create_graph: bool, strict: bool, vectorize: bool = False
) -> Any:
    call = _Call(name, func, inputs, create_graph, strict)
    if any(y.dtype.is_complex for y in call.outputs):
        raise GradientError(f"{name}: complex outputs have no single Jacobian; use vjp or jvp")
    rows = call.rows_at_once if vectorize else call.rows
    jacobians = [call.returned(rows(i), call.several) for i in range(len(call.outputs))]
    return tuple(jacobians) if call.several_outputs else jacobians[0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the Hessian of a function that gives one number; the layout is that of `jacobian`.

    Parameters
    ----------
    func, inputs, create_graph, strict, vectorize
        As for `jacobian`.
    outer_jacobian_strategy : {"reverse-mode", "forward-mode"}
        How the gradient is differentiated.

    Raises
    ------
    GradientError
        If `func` gives something else than one number, and as for `jacobian`.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.hessian(lambda x: (x**3).sum(), dualad.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    _check("hessian", func, outer_jacobian_strategy, strict, vectorize)

    def single(*xs: Tensor) -> Tensor:
        return _single("hessian", func(*xs))

    if outer_jacobian_strategy == "forward-mode":
        outer = transforms.jacfwd
        return _forward(
            "hessian", lambda f, n: outer(transforms.jacrev(f, n), n), single, inputs, create_graph
        )
    several = isinstance(inputs, (tuple, list))

    def gradient(*xs: Tensor) -> Any:
        return _by_rows("hessian", single, xs if several else xs[0], True, strict)

    return _by_rows("hessian", gradient, inputs, create_graph, strict, vectorize)


def _check(name: str, func: Any, strategy: str, strict: bool, vectorize: bool) -> None:
    trees.check_function(name, func)
    if strategy not in _STRATEGIES:
        raise ValueError(
            f'{name}: Expected strategy to be either "forward-mode" or "reverse-mode", got {strategy!r}'
        )
    which = 'strategy="forward-mode"' if strategy == "forward-mode" else "vectorize=True"
    if strict and (vectorize or strategy == "forward-mode"):
        raise GradientError(
            f"{name}: `strict=True` and `{which}` are not supported together, as nothing tells there what "
            "depends on what; leave one of them out"
        )


def _forward(name: str, jacobian: Any, func: Any, inputs: Any, create_graph: bool) -> Any:
    """Return what a transform of functions of several arguments gives for the inputs."""
    xs, several = _tensors(f"inputs given to {name}", inputs)
    given = [_argument(x, create_graph, False) for x in xs]
    result = jacobian(func, tuple(range(len(xs))) if several else 0)(*given)
    return result if create_graph else _without_history(result)


def _hessian_product(name: str, func: Any, inputs: Any, v: Any, create_graph: bool, strict: bool) -> Any:
    call = _Call(name, func, inputs, create_graph, strict)
    y = _single(name, call.outputs[0] if len(call.outputs) == 1 else tuple(call.outputs))
    vector = call.vector(v, call.inputs, "input to the user-provided function is a single Tensor")
    gradients = call.pulled([y], [ops.ones_like(y)], True)
    product = call.pulled(gradients, vector, create_graph, "The gradient with respect to the inputs")
    return call.returned([y], call.several_outputs), call.returned(product, call.several)


class _Call:
    """A call of a user's function on inputs that require grad.

    Attributes
    ----------
    inputs, outputs : list of Tensor
        What the function was given, and gave.
    several, several_outputs : bool
        Whether they are tuples.
    """

    def __init__(self, name: str, func: Any, inputs: Any, create_graph: bool, strict: bool) -> None:
        trees.check_function(name, func)
        self.name, self.create_graph, self.strict = name, create_graph, strict
        given, self.several = _tensors(f"inputs given to {name}", inputs)
        self.inputs = [_argument(x, create_graph, True) for x in given]
        with enable_grad():
            out = func(*map(snapshot, self.inputs))  # it may write to its arguments
        self.outputs, self.several_outputs = _tensors("outputs of the user-provided function", out)
        for i, y in enumerate(self.outputs):
            if strict and not y.requires_grad:
                raise GradientError(
                    f"{name}: Output {i} of the user-provided function does not require gradients. The "
                    "outputs must be computed in a differentiable manner from the input when running in "
                    "strict mode."
                )

    def vector(self, v: Any, like: list[Tensor], when: str) -> list[Tensor]:
        """Return the vector given for Tensors, checked, or 1 for one element."""
        if v is None:
            if len(like) != 1 or like[0].size != 1:
                raise GradientError(
                    f"{self.name}: The vector v can only be None if the {when} with a single element"
                )
            return [ops.ones_like(like[0].detach())]
        vectors, _ = _tensors(f"v given to {self.name}", v)
        if len(vectors) != len(like):
            raise ShapeError(
                f"{self.name}: v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}"
            )
        for i, (a, x) in enumerate(zip(vectors, like, strict=True)):
            if a.shape != x.shape:
                raise ShapeError(
                    f"{self.name}: v has invalid size at entry {i}: should be {x.shape} but got {a.shape}"
                )
        return vectors

    def pulled(
        self, roots: list[Tensor], cotangents: list[Tensor], create_graph: bool, what: str = "The output"
    ) -> list[Tensor]:
        """Return the gradients in the inputs: zeros for those that nothing depends on."""
        found = _gradients(roots, self.inputs, cotangents, create_graph)
        return [self._filled(i, g, what) for i, g in enumerate(found)]

    def _filled(self, i: int, g: Tensor | None, what: str = "The output") -> Tensor:
        if self.strict and g is None:
            raise GradientError(
                f"{self.name}: {what} of the user-provided function is independent of input {i}. This is not "
                "allowed in strict mode."
            )
        if self.strict and self.create_graph and g is not None and not g.requires_grad:
            raise GradientError(
                f"{self.name}: The derivative of the user-provided function is independent of input {i}. "
                "This is not allowed in strict mode when create_graph=True."
            )
        return ops.zeros_like(self.inputs[i].detach()) if g is None else g

    def rows(self, i: int) -> list[Tensor]:
        """Return the Jacobian of an output in each input, a row after the other."""
        y = self.outputs[i]
        rows = [self.pulled([y], [one], self.create_graph) for one in _basis(y)]
        if not rows:
            return [self._shaped(y, x, None) for x in self.inputs]
        columns = zip(*rows, strict=True)
        return [self._shaped(y, x, ops.stack(list(c))) for x, c in zip(self.inputs, columns, strict=True)]

    def rows_at_once(self, i: int) -> list[Tensor]:
        """Return the Jacobian of an output in each input, all rows pulled back together."""
        y = self.outputs[i]
        if not y.requires_grad or not y.size:
            return self.rows(i)
        batched = {"allow_unused": True, "is_grads_batched": True}
        found = grad(y, self.inputs, _basis(y), True, self.create_graph, **batched)
        return [self._shaped(y, x, g) for x, g in zip(self.inputs, found, strict=True)]

    def _shaped(self, y: Tensor, x: Tensor, rows: Tensor | None) -> Tensor:
        """Return rows as the Jacobian of an output in an input; None for zeros."""
        if rows is None:
            return ops.zeros((*y.shape, *x.shape), dtype=x.dtype, device=x.device)
        return ops.reshape(rows, (*y.shape, *x.shape))

    def returned(self, tensors: list[Tensor], several: bool) -> Any:
        """Return results as they were given, with a history only if there should be one."""
        results = tuple(tensors) if self.create_graph else _without_history(tuple(tensors))
        return results if several else results[0]


def _gradients(
    roots: list[Tensor], inputs: list[Tensor], cotangents: list[Tensor], create_graph: bool
) -> list[Tensor | None]:
    """Return the derivatives of those roots that have any; None where there is none."""
    pairs = [(y, g) for y, g in zip(roots, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return [None] * len(inputs)
    ys, gs = zip(*pairs, strict=True)
    return list(grad(ys, inputs, gs, retain_graph=True, create_graph=create_graph, allow_unused=True))


def _argument(x: Tensor, create_graph: bool, requires_grad: bool) -> Tensor:
    """Return what a function is given for an input: its own, with its history if results are to have one."""
    if create_graph and x.requires_grad:
        return ops.clone(x)
    x = snapshot(ops.detach(x))
    return x.requires_grad_() if requires_grad else x


def _tensors(what: str, given: Any) -> tuple[list[Tensor], bool]:
    """Return Tensors as a list, and whether there was a tuple of them.

    Raises
    ------
    TypeError
        If they are none.
    """
    several = isinstance(given, (tuple, list))
    tensors = list(given) if several else [given]
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"The {what} must be either a Tensor or a tuple of Tensors but "
                + (f"the value at index {i} has type {type_name(x)}" if several else f"got {type_name(x)}")
            )
    return tensors, several


def _single(name: str, y: Any) -> Tensor:
    if not isinstance(y, Tensor):
        raise GradientError(f"{name}: The function given should return a single Tensor, got {type_name(y)}")
    if y.size != 1:
        raise GradientError(
            f"{name}: The Tensor returned by the function given should contain a single element, its shape "
            f"is {y.shape}"
        )
    return y if not y.ndim else ops.reshape(y, ())


def _basis(y: Tensor) -> Tensor:
    """Return the unit vectors of a Tensor's space, along the first axis."""
    return ops.reshape(ops.eye(int(y.size), dtype=y.dtype, device=y.device), (int(y.size), *y.shape))


def _without_history(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(_without_history(r) for r in result)
    return result.detach()
