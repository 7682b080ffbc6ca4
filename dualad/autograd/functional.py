"""Whole derivatives in PyTorch's form: inputs are a Tensor or a tuple of them, and so are results.

Unless ``create_graph`` the results have no history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import transforms
from ..engine.namespace import ops
from ..engine.tensor import Tensor
from ..errors import GradientError


def jacobian(func: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """Return the Jacobian of a function.

    Parameters
    ----------
    func : callable
        A function of Tensors that gives a Tensor or a tuple of them.
    inputs : Tensor or tuple of Tensors
        Its arguments.
    create_graph : bool
        Record how it is computed, so that it can be differentiated.

    Returns
    -------
    Tensor or tuple
        For one output of shape ``s`` and one input of shape ``t`` a Tensor of shape ``s + t``; a tuple of
        such for several inputs, a tuple of these for several outputs.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.jacobian(lambda x: x**2, dualad.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    return _finished(transforms.jacrev(func, _argnums(inputs))(*_listed(inputs)), create_graph)


def hessian(func: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """Return the Hessian of a function that gives one real number; the layout is that of `jacobian`.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.hessian(lambda x: (x**3).sum(), dualad.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return _finished(transforms.hessian(func, _argnums(inputs))(*_listed(inputs)), create_graph)


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False) -> Any:
    """Return the outputs, and the product of a vector with the Jacobian.

    Parameters
    ----------
    func, inputs, create_graph
        As for `jacobian`.
    v : Tensor or tuple of Tensors, optional
        A cotangent for each output; may be left out for one number.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.vjp(lambda x: x**2, dualad.tensor([1.0, 2.0]), dualad.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    y, pullback = transforms.vjp(func, *_listed(inputs))
    pulled = pullback(_vector("vjp", v, y))
    return _finished(y, create_graph), _finished(_as_given(pulled, inputs), create_graph)


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False) -> Any:
    """Return the outputs, and the product of the Jacobian with a vector.

    Parameters
    ----------
    func, inputs, create_graph
        As for `jacobian`.
    v : Tensor or tuple of Tensors, optional
        A direction for each input; may be left out for one number.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.jvp(lambda x: x**2, dualad.tensor([1.0, 2.0]), dualad.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    tangents = tuple(_listed(_vector("jvp", v, inputs)))
    y, t = transforms.jvp(func, tuple(_listed(inputs)), tangents)
    return _finished(y, create_graph), _finished(t, create_graph)


def hvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False) -> Any:
    """Return the output of a function that gives one real number, and its Hessian's product with a vector.

    The parameters are those of `jvp`.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.hvp(lambda x: (x**3).sum(), dualad.tensor([1.0, 2.0]), dualad.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    given = tuple(_listed(inputs))
    tangents = tuple(_listed(_vector("hvp", v, inputs)))
    both = transforms.value_and_grad(func, tuple(range(len(given))))
    (y, _), (_, product) = transforms.jvp(both, given, tangents)
    return _finished(y, create_graph), _finished(_as_given(product, inputs), create_graph)


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False) -> Any:
    """Return the output, and a vector's product with the Hessian: `hvp`, as Hessians are symmetric.

    Examples
    --------
    >>> import dualad
    >>> dualad.autograd.functional.vhp(lambda x: (x**3).sum(), dualad.tensor([1.0]), dualad.ones(1))
    (tensor(1.), tensor([6.]))
    """
    return hvp(func, inputs, v, create_graph)


def _listed(inputs: Any) -> list[Any]:
    return list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]


def _argnums(inputs: Any) -> Any:
    return tuple(range(len(inputs))) if isinstance(inputs, (tuple, list)) else 0


def _as_given(results: Any, inputs: Any) -> Any:
    return tuple(results) if isinstance(inputs, (tuple, list)) else results[0]


def _vector(name: str, v: Any, of: Any) -> Any:
    """Return the vector given for outputs or inputs, or 1 for one number."""
    if v is not None:
        return v
    parts = _listed(of)
    if len(parts) != 1 or parts[0].size != 1:
        raise GradientError(f"{name}: the vector v can only be left out for a single element; pass v")
    ones = ops.ones_like(parts[0].detach())
    return (ones,) if isinstance(of, (tuple, list)) else ones


def _finished(result: Any, create_graph: bool) -> Any:
    if isinstance(result, tuple):
        return tuple(_finished(r, create_graph) for r in result)
    return result.detach() if isinstance(result, Tensor) and not create_graph else result
