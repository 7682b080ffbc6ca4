"""Reverse mode as functions of functions: `vjp`, `grad`, `value_and_grad`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..engine.fit import zeros
from ..engine.modes import enable_grad
from ..engine.node import Leaf, fresh_level
from ..engine.tensor import Tensor, wrap
from ..engine.walk import Walk
from ..errors import GradientError
from . import trees


class _Taped:
    """A function's result on primals wrapped at a level of their own, and the way back."""

    def __init__(self, name: str, primals: Any) -> None:
        self.name, self.level = name, fresh_level()
        self.given, self.structure = trees.flatten(primals)
        self.values = [trees.below(leaf, name) for leaf in self.given]
        self.leaves = [Leaf(self.level, v.shape, v.dtype) for v in self.values]

    def inputs(self) -> Any:
        """Return the primals as Tensors of this level."""
        tensors = [Tensor(v, leaf) for v, leaf in zip(self.values, self.leaves, strict=True)]
        return trees.unflatten(self.structure, tensors)

    def node_of(self, y: Any) -> Any:
        """Return a result's node if it depends on the primals."""
        if type(y) is not Tensor:
            return None
        y._refresh()
        node = y._node
        return node if node is not None and node.level == self.level else None

    def lowered(self, y: Any) -> Any:
        """Return a result without this level."""
        return wrap(y._value) if self.node_of(y) is not None else y

    def pull(self, roots: list[tuple[Any, Any]], retain: bool) -> Any:
        """Return the gradients in the primals, for nodes and their cotangents, as they were given."""
        walk = Walk(retain)
        with enable_grad():
            for node, g in roots:
                walk.deposit(node, g)
            found = walk.run(self.leaves)
        out = []
        for leaf, value, given in zip(self.leaves, self.values, self.given, strict=True):
            g = found[leaf] if leaf in found else zeros(value.shape, value.dtype, beside=value)
            out.append(trees.like_input(g, given))
        return trees.unflatten(self.structure, out)


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return ``f(*primals)`` and its pullback, which carries cotangents back to the primals.

    Parameters
    ----------
    f : callable
        A function of arrays, or of pytrees of them, that gives an array or a pytree of them.
    *primals : pytree of arrays or numbers
        Where to linearize.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.

    Returns
    -------
    tuple
        ``(f(*primals), pullback)``, and the auxiliary output third if `has_aux`. The pullback
        takes a cotangent of the structure and shapes of the output, and gives a tuple with a
        gradient for each primal. It may be called any number of times.

    Raises
    ------
    DTypeError
        If a primal is not of a floating dtype.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> y, pullback = dualad.vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 1.0]))
    (array([2., 4.]),)
    """
    tape = _Taped("vjp", primals)
    with enable_grad():
        out = f(*tape.inputs())
    out, aux = _parted("vjp", out, has_aux)
    results, structure = trees.flatten(out)
    nodes = [tape.node_of(y) for y in results]
    lowered = [tape.lowered(y) for y in results]

    def pullback(cotangents: Any) -> Any:
        given, got = trees.flatten(cotangents)
        if got != structure:
            raise GradientError(f"vjp: the cotangent has the structure {got}, the output {structure}")
        roots = []
        for node, y, g in zip(nodes, lowered, given, strict=True):
            if node is not None:
                roots.append((node, trees.fitting(g, y, "vjp", "cotangent")))
        return tape.pull(roots, retain=True)

    value = trees.unflatten(structure, [trees.like_inputs(y, tape.given) for y in lowered])
    if not has_aux:
        return value, pullback
    return value, pullback, _lowered_tree(tape, aux)


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that gives the value of f and its gradient.

    Parameters
    ----------
    f : callable
        A function whose result is one real number (a 0-d array).
    argnums : int or tuple of int
        The positional arguments to differentiate in: arrays or pytrees of them.
    has_aux : bool
        Whether f gives a pair, of which the second part is not differentiated.

    Returns
    -------
    callable
        It takes the arguments of f and returns ``(value, gradient)``, or, with `has_aux`,
        ``((value, aux), gradient)``. The gradient has the structure of the argument, and is a
        tuple of such if `argnums` is one.

    Raises
    ------
    GradientError
        When called, if f gives no single real number.

    Examples
    --------
    >>> import dualad, numpy as np
    >>> dualad.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    return _gradient("value_and_grad", f, argnums, has_aux, with_value=True)


def grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that gives the gradient of f; the parameters are those of `value_and_grad`.

    Returns
    -------
    callable
        It takes the arguments of f and returns the gradient, or, with `has_aux`,
        ``(gradient, aux)``. Of a complex argument it is the vector of steepest ascent, as in
        PyTorch (the conjugate of JAX's).

    Examples
    --------
    >>> import dualad
    >>> dualad.grad(dualad.grad(lambda x: x**3))(2.0)
    12.0
    """
    return _gradient("grad", f, argnums, has_aux, with_value=False)


def _gradient(name: str, f: Any, argnums: Any, has_aux: bool, with_value: bool) -> Callable[..., Any]:
    several = isinstance(argnums, (tuple, list))

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        places = argument_places(name, argnums, len(args))
        tape = _Taped(name, [args[n] for n in places])
        filled = list(args)
        for n, tensors in zip(places, tape.inputs(), strict=True):
            filled[n] = tensors
        with enable_grad():
            out = f(*filled, **kwargs)
        y, aux = _parted(name, out, has_aux)
        node = tape.node_of(y)
        _check_scalar(name, y)
        roots = []
        if node is not None:
            value = y._value
            roots.append((node, _one(value)))
        gradients = tape.pull(roots, retain=False)
        result = tuple(gradients) if several else gradients[0]
        value = trees.like_inputs(tape.lowered(y), tape.given)
        aux = _lowered_tree(tape, aux)
        if with_value:
            return ((value, aux) if has_aux else value), result
        return (result, aux) if has_aux else result

    return differentiated


def argument_places(name: str, argnums: Any, count: int) -> list[int]:
    """Return the places of the arguments that `argnums` names, counted from the front.

    Raises
    ------
    TypeError
        If they are no integers.
    GradientError
        If there are not so many arguments, or one is named twice.
    """
    wanted = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    if not all(isinstance(n, int) for n in wanted):
        raise TypeError(f"{name}: argnums must be an int or a tuple of ints, got {argnums!r}")
    for n in wanted:
        if not -count <= n < count:
            raise GradientError(
                f"{name}: argnums names argument {n}, but {count} positional arguments were given"
            )
    places = [n % count for n in wanted]
    if len(set(places)) < len(places):
        raise GradientError(f"{name}: argnums names an argument twice, got {argnums}")
    return places


def _one(value: Any) -> Any:
    one = zeros(value.shape, value.dtype, beside=value) + 1
    return one._value if type(one) is Tensor and one._node is None and type(value) is not Tensor else one


def _check_scalar(name: str, y: Any) -> None:
    shape = tuple(getattr(y, "shape", ()))
    if not hasattr(y, "shape") and not isinstance(y, (bool, int, float, complex)):
        raise GradientError(
            f"{name}: the function must return one real number, got {type(y).__name__}; "
            "for a function of several results use dualad.vjp"
        )
    if shape != ():
        raise GradientError(
            f"{name}: the function must return one real number, a 0-d array; got shape {shape}; "
            "sum it, or use dualad.vjp"
        )
    if isinstance(y, bool) or (type(y) is Tensor and not y.dtype.is_floating_point):
        got = y.dtype if type(y) is Tensor else "bool"
        hint = "; take its real part, or use dualad.vjp" if "complex" in str(got) else ""
        raise GradientError(f"{name}: the function must return a real number, got {got}{hint}")


def _parted(name: str, out: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return out, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise GradientError(
            f"{name}: with has_aux=True the function must return (output, aux), got {type(out).__name__}"
        )
    return out


def _lowered_tree(tape: _Taped, tree: Any) -> Any:
    leaves, structure = trees.flatten(tree)
    return trees.unflatten(structure, [trees.like_inputs(tape.lowered(y), tape.given) for y in leaves])
