"""What goes into a transform and comes out of it: pytrees of arrays, Tensors and numbers.

Transforms give back what they are given: Tensors for Tensors, a backend's arrays for its arrays,
Python's numbers for Python's numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import optree

from ..backends.registry import BY_TYPE, DTYPES
from ..dtypes import complex64, float32
from ..engine.dataclasses import NAMESPACE, registered
from ..engine.fit import zeros
from ..engine.namespace import ops
from ..engine.operands import plain_array, snapshot, type_name
from ..engine.tensor import Tensor, plain, raw_value
from ..errors import DTypeError, GradientError, ShapeError

#: The structure of one leaf.
_LEAF = optree.treespec_leaf()


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Return a pytree's leaves and its structure."""
    if type(tree) is Tensor:  # by far the most frequent result
        return [tree], _LEAF
    leaves, structure = optree.tree_flatten(tree, namespace=NAMESPACE)
    while registered(leaves):  # dataclasses, perhaps with others in them
        leaves, structure = optree.tree_flatten(tree, namespace=NAMESPACE)
    return [plain(leaf) for leaf in leaves], structure


def unflatten(structure: Any, leaves: Any) -> Any:
    """Return the pytree of a structure with these leaves."""
    return optree.tree_unflatten(structure, leaves)


def shown(structure: Any) -> str:
    """Return a structure in words: as Python writes it, with a star for each leaf."""
    if structure.is_leaf():
        return "*"
    kind, parts = structure.type, [shown(child) for child in structure.children()]
    if kind in (None, type(None)):
        return "None"
    if kind is tuple:
        return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    if kind is list:
        return f"[{', '.join(parts)}]"
    names = getattr(kind, "_fields", structure.entries())  # those of a named tuple
    if issubclass(kind, dict):
        inside = "{" + ", ".join(f"{n!r}: {p}" for n, p in zip(names, parts, strict=True)) + "}"
        return inside if kind is dict else f"{kind.__name__}({inside})"
    named = [f"{n}={p}" if isinstance(n, str) else p for n, p in zip(names, parts, strict=True)]
    return f"{kind.__name__}({', '.join(named)})"


def both_shown(got: Any, expected: Any) -> tuple[str, str]:
    """Return two structures that differ in words that differ: with what is static, if it is that."""
    words = shown(got), shown(expected)
    return words if words[0] != words[1] else (str(got), str(expected))


def path_of(structure: Any, i: int, skip: int = 0) -> str:
    """Return how Python would reach a leaf, such as ``"['w'][0]"``, from `skip` levels below the top on."""
    text: str = optree.treespec_accessors(structure)[i][skip:].codify("")
    return text


def check_function(name: str, f: Any, role: str = "") -> None:
    """Raise TypeError unless f, in the role it is given in, can be called."""
    if not callable(f):
        raise TypeError(f"{name}: expected a function{role}, got {type_name(f)}")


def parted(name: str, out: Any, has_aux: bool) -> tuple[Any, Any]:
    """Return what a function gave as its output and its auxiliary output, None if it has none.

    Raises
    ------
    GradientError
        If it should be a pair and is not.
    """
    if not has_aux:
        return out, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise GradientError(
            f"{name}: with has_aux=True the function must return (output, aux), got {type_name(out)}"
        )
    return out


def paired(name: str, primals: Any, tangents: Any) -> tuple[list[Any], list[Any], Any]:
    """Return the leaves of the primals and of the tangents, and their structure.

    Raises
    ------
    TypeError
        If they are no tuples.
    GradientError
        If their structures differ.
    """
    check_tuples(name, primals, tangents)
    given, structure = flatten(tuple(primals))
    directions, got = flatten(tuple(tangents))
    if got != structure:
        words = both_shown(got, structure)
        raise GradientError(f"{name}: the tangents have the structure {words[0]}, the primals {words[1]}")
    return given, directions, structure


def check_tuples(name: str, primals: Any, tangents: Any) -> None:
    """Raise TypeError unless both are tuples, or lists."""
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError(
            f"{name}: primals and tangents must be tuples, of as many parts as f has arguments: (x,), (t,); "
            f"got {type_name(primals)} and {type_name(tangents)}"
        )


def below(leaf: Any, name: str) -> Any:
    """Return what a transform computes with for a leaf: an array or a Tensor, that will not change.

    Raises
    ------
    DTypeError
        If the leaf is not a floating-point array or number.
    """
    if is_number(leaf):
        return np.asarray(leaf)[()]  # double precision, as Python's own
    leaf = plain_array(leaf)
    if not isinstance(leaf, Tensor) and BY_TYPE[type(leaf)] is None:
        hint = "; write 2.0 rather than 2" if isinstance(leaf, int) else ""
        raise DTypeError(f"{name}: can only differentiate in arrays and floats, got {type_name(leaf)}{hint}")
    if not DTYPES[leaf.dtype].is_differentiable:
        raise DTypeError(f"{name}: can only differentiate in floating-point arrays, got {DTYPES[leaf.dtype]}")
    if isinstance(leaf, Tensor):
        leaf._refresh()
        # Without history the array itself is the value: nothing is there to be peeled off later.
        return leaf._value if leaf._node is None else snapshot(leaf)
    return snapshot(leaf)


def all_below(
    leaves: list[Any], name: str, structure: Any = None, argnums: tuple[int, ...] | None = None
) -> list[Any]:
    """Return what a transform computes with for each leaf; numbers are put on the device of the arrays.

    `structure` is that of the tuple of arguments they are from, and `argnums` which these are among the
    function's, for errors.
    """
    try:
        values = [below(leaf, name) for leaf in leaves]
    except DTypeError:
        for i, leaf in enumerate(leaves if structure is not None else ()):
            below(leaf, f"{name}: {_argument(structure, i, argnums)}")
        raise
    numbers = [is_number(leaf) for leaf in leaves]
    home = next((raw_value(v) for v, n in zip(values, numbers, strict=True) if not n), None)
    if home is None or isinstance(home, (np.ndarray, np.generic)) or not any(numbers):
        return values
    return [number_beside(v, home) if n else v for v, n in zip(values, numbers, strict=True)]


def _argument(structure: Any, i: int, argnums: tuple[int, ...] | None) -> str:
    """Return in words where a leaf is among a function's arguments."""
    n = optree.treespec_accessors(structure)[i][0].entry
    path = path_of(structure, i, skip=1)
    return f"argument {n if argnums is None else argnums[n]}" + (f", at {path}" if path else "")


def is_number(leaf: Any) -> bool:
    """Whether a leaf is one of Python's floats or complex numbers."""
    return isinstance(leaf, (float, complex)) and not isinstance(leaf, np.generic)


def number_beside(value: Any, home: Any) -> Any:
    """Return a number on the device of an array, in double precision if there is any."""
    backend = BY_TYPE[type(home)]
    assert backend is not None
    device, wide = backend.device_of(home), DTYPES[value.dtype]
    dtype = wide if backend.has_dtype(wide, device) else (complex64 if wide.is_complex else float32)
    return backend.from_numpy(np.asarray(value).astype(dtype.host), device)


def like_input(result: Any, leaf: Any) -> Any:
    """Return a Tensor or array as what the leaf was: a Tensor, an array, or a number.

    What still has a history stays a Tensor, or a derivative around this one would be cut off.
    """
    if not isinstance(result, Tensor):
        result = Tensor(result)
    if isinstance(leaf, Tensor) or result._node is not None:
        return result
    raw = result._raw
    if BY_TYPE[type(leaf)] is None or is_number(leaf):
        known = result.size == 1 and not result.ndim and not result._backend.is_tracing(raw)
        return result.item() if known else raw
    return np.asarray(raw) if isinstance(leaf, np.ndarray) else raw


def like_inputs(result: Any, leaves: list[Any]) -> Any:
    """Return a result of a function as its inputs were: Tensors if any was, else arrays, else numbers."""
    if not isinstance(result, Tensor):
        return result
    if not leaves or any(isinstance(leaf, Tensor) for leaf in leaves):
        return result
    arrays = [
        leaf for leaf in leaves if BY_TYPE[type(leaf)] is not None and not isinstance(leaf, (float, complex))
    ]
    result = like_input(result, arrays[0] if arrays else leaves[0])
    return result[()] if isinstance(result, np.ndarray) and not result.ndim else result


def fitting(given: Any, primal: Any, name: str, what: str) -> Any:
    """Return a user's tangent or cotangent as the array or Tensor that goes with a primal.

    One of NumPy is put on the device of the primal.

    Raises
    ------
    ShapeError, DTypeError
        If it has another shape, or cannot have the primal's dtype.
    """
    home = raw_value(primal)
    on_host = BY_TYPE[type(home)] is None or isinstance(home, (np.ndarray, np.generic))
    if isinstance(given, np.ndarray) and not on_host:
        given = number_beside(plain_array(given), home)
    is_array = isinstance(given, Tensor) or BY_TYPE[type(given)] is not None
    if is_array and given.shape == primal.shape and DTYPES[given.dtype] is DTYPES[primal.dtype]:
        return below(given, name)
    if isinstance(given, (int, float, complex)) and not isinstance(given, np.generic):
        given = np.asarray(given) * 1.0  # double precision, as Python's own
        if not on_host:
            given = number_beside(given, home)
    try:
        t = given if isinstance(given, Tensor) else ops.asarray(given)
    except DTypeError:
        raise DTypeError(f"{name}: the {what} must be an array or a number, got {type_name(given)}") from None
    if tuple(t.shape) != tuple(primal.shape):
        raise ShapeError(f"{name}: the {what} has shape {tuple(t.shape)}, expected {tuple(primal.shape)}")
    dtype = DTYPES[primal.dtype]
    if t.dtype.is_complex and not dtype.is_complex:
        raise DTypeError(f"{name}: the {what} is {t.dtype}, expected {dtype}")
    if t.dtype is not dtype:
        t = ops.astype(t, dtype)
    return below(t, name)


def all_fitting(given: list[Any], primals: list[Any], structure: Any, name: str, what: str) -> list[Any]:
    """Return a user's tangents or cotangents as those that go with primals, or with results.

    None stands for what has no derivative: integers, and what is no array.

    Raises
    ------
    ShapeError, DTypeError
        If one does not fit; where there are several, the message has the path of that one.
    """

    def fitted(i: int, where: str) -> Any:
        return fitting(given[i], primals[i], name, what + where) if is_differentiable(primals[i]) else None

    try:
        return [fitted(i, "") for i in range(len(given))]
    except (ShapeError, DTypeError):
        for i in range(len(given) if len(given) > 1 else 0):
            fitted(i, f" at {path_of(structure, i)}")
        raise


def is_differentiable(y: Any) -> bool:
    """Return whether a result is an array of a dtype that has derivatives."""
    return hasattr(y, "dtype") and DTYPES[y.dtype].is_differentiable


def is_complex(y: Any) -> bool:
    """Return whether a result or an argument is complex."""
    return DTYPES[y.dtype].is_complex if hasattr(y, "dtype") else isinstance(y, complex)


def check_complex(values: list[Any], name: str, what: str) -> None:
    """Raise DTypeError unless all values are complex, as those of holomorphic functions are."""
    for value in values:
        if not is_complex(value):
            got = DTYPES[value.dtype] if hasattr(value, "dtype") else type_name(value)
            raise DTypeError(f"{name}: holomorphic=True {what}, got {got}; leave it out for real functions")


def ones_like(y: Tensor) -> Tensor:
    """Return ones of the shape, dtype and device of a Tensor, without history."""
    return ops.ones(y.shape, dtype=y.dtype, device=y.device)


def zero_tangent(y: Any) -> Any:
    """Return the tangent of a result that does not move; None if it is no array and no number."""
    if hasattr(y, "shape"):
        return ops.zeros_like(y) if isinstance(y, Tensor) else zeros(y.shape, y.dtype, beside=y)
    return type(y)() if isinstance(y, (int, float, complex)) else None


def zeros_for(leaf: Any) -> Any:
    """Return zeros for a primal, of its kind; Tensors for what has but a shape and a dtype."""
    leaf = plain_array(leaf)
    if isinstance(leaf, (Tensor, float, complex)) or BY_TYPE[type(leaf)] is not None:
        return zero_tangent(leaf)
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return ops.zeros(leaf.shape, dtype=leaf.dtype)
    return leaf
