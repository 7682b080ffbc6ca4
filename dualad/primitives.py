"""Ops of one's own, told as the library's are: one map for each argument gives both modes, at every order."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from functools import update_wrapper
from typing import Any

import numpy as np

from . import batching
from .backends.registry import BY_TYPE
from .dtypes import DType
from .engine import shapes
from .engine.fit import zeros
from .engine.node import Standin
from .engine.operands import type_name
from .engine.tensor import Tensor, raw_value
from .errors import ShapeError
from .levels import reaches
from .op import REGISTRY, Op
from .rule_checks import checked_tangent, watch
from .rules import Map

#: What rules call by these names, so that no argument can be.
_RESERVED = {
    "y": "the result", "g": "the cotangent", "t": "the tangent", "like": "what the argument is like",
    "xp": "the namespace", "position": "the place of the argument",
}  # fmt: skip

_CONSTANTS = (bool, int, float, str, type(None))

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def primitive(
    *maps: Map | None,
    name: str | None = None,
    shape: Callable[..., Any] | None = None,
    dtype: Callable[..., DType] | None = None,
    batch: batching.Rule | None = None,
    node_name: str = "",
) -> Callable[[Callable[..., Any]], Primitive]:
    """Make an op of a function of arrays, with one map for each argument that tells how the result moves.

    Parameters
    ----------
    *maps : Map or None
        One for each array argument, of `dualad.rules`: `Scale`, `Linear`, `Differential` and their kin;
        None where the result does not move.
    name : str, optional
        What errors call the op; the function's name by default.
    shape, dtype : callable, optional
        The result's shape and dtype, ``shape(*values, **keywords)``, where only those of an argument are
        known: when the rule of another op calls this one. By default those of the arguments, broadcast,
        if all maps are `Scale`; else they are found by calling the function on zeros.
    batch : callable, optional
        How the op acts on a batch, a rule of `dualad.batching`. By default it broadcasts if all maps are
        `Scale`, and else is called example by example, which it says once.
    node_name : str, optional
        What `grad_fn` calls it.

    Returns
    -------
    callable
        A decorator, for a function whose positional parameters are arrays, and whose keyword parameters
        are all else. If the first is called ``xp`` it is given the namespace of the arrays' library.
        It computes on arrays and gives an array, or a tuple of them. Rules read the arguments by their
        names, the result as ``y``, and behind ``*`` the keywords.

    Raises
    ------
    TypeError
        If the maps do not fit the function's arguments. By the op: if a keyword is a Tensor with a history.
    ValueError
        If dualad has an op of that name.

    See Also
    --------
    dualad.testing.check_rule : a ready test of an op.

    Examples
    --------
    >>> import dualad
    >>> from dualad.rules import Differential, Scale
    >>> @dualad.primitive(Scale(lambda xp, x: 3 * x * x))
    ... def cube(x):
    ...     return x * x * x
    >>> dualad.grad(dualad.grad(cube))(2.0)
    12.0

    A function of NumPy's, or of any other library, becomes differentiable:

    >>> import numpy as np
    >>> @dualad.primitive(Differential(lambda xp, t, y: -y @ t @ y))
    ... def inverse(a):
    ...     return np.linalg.inv(a)
    >>> a = dualad.asarray(np.array([[2.0, 0.0], [0.0, 4.0]]), requires_grad=True)
    >>> inverse(a).sum().backward()
    >>> a.grad
    tensor([[-0.2500, -0.1250],
            [-0.1250, -0.0625]], dtype=dualad.float64)
    """
    for m in maps:
        if m is not None and not isinstance(m, Map):
            raise TypeError(
                f"{getattr(m, '__name__', 'primitive')}: primitive expected maps, such as Scale(rule), got "
                f"{type_name(m)}; write @primitive(map, ...) above the function"
            )

    def decorate(f: Callable[..., Any]) -> Primitive:
        return Primitive(f, maps, name=name, shape=shape, dtype=dtype, batch=batch, node_name=node_name)

    return decorate


class Primitive(Op):
    """An op of the user's, made by `primitive`. It is none of the library's registry.

    Attributes
    ----------
    derives_shape : bool
        Whether the shape of a result that is not computed is found by calling the function on zeros.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        maps: tuple[Map | None, ...],
        *,
        name: str | None,
        shape: Callable[..., Any] | None,
        dtype: Callable[..., DType] | None,
        batch: batching.Rule | None,
        node_name: str,
    ) -> None:
        name = f.__name__ if name is None else name
        if name in REGISTRY:
            raise ValueError(
                f"primitive: dualad has an op named {name!r}; give this one another name, name='my_{name}'"
            )
        self._f = f
        parameters = list(inspect.signature(f).parameters.values())
        self._takes_namespace = bool(parameters) and parameters[0].name == "xp"
        self._parameters = parameters[1:] if self._takes_namespace else parameters
        arguments = _arguments(name, self._parameters)
        self._defaults = {p.name: p.default for p in self._parameters if p.kind is p.KEYWORD_ONLY}
        _check_maps(name, arguments, maps)
        scales = bool(maps) and all(m is None or m.elementwise for m in maps)
        self.derives_shape = shape is None and not scales
        super().__init__(
            f"{name}({', '.join(arguments)})",
            *(copy(m) for m in maps),  # they learn their places
            shape=shapes.elementwise if shape is None else shape,
            dtype=dtype,
            compute=self._compute,
            batch=batch if batch is not None or scales else batching.loop,
            node_name=node_name,
        )
        for m in self.maps_for(1) if self.variadic and maps else self.maps:
            for k in () if m is None else m.keywords:
                if k not in self._defaults and k != "position":
                    raise TypeError(f"primitive {name}: a rule reads {k!r}, which is none of its keywords")
        for m in self.maps:
            if m is not None:
                watch(m)
        update_wrapper(self, f)
        self.__name__ = name

    def register(self) -> None:
        """Stay out of the library's registry."""

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.Signature(self._parameters)

    def __reduce__(self) -> str:
        return self.__qualname__

    def __call__(self, *args: Any, **static: Any) -> Any:
        if not self.variadic and len(args) != len(self.arguments):
            raise TypeError(
                f"{self.name}: expected {len(self.arguments)} arrays by position, "
                f"({', '.join(self.arguments)}), got {len(args)}"
            )
        unknown = [k for k in static if k not in self._defaults]
        if unknown:
            raise TypeError(f"{self.name}: unexpected keyword argument {unknown[0]!r}")
        static = {**self._defaults, **static}
        missing = [k for k, v in static.items() if v is inspect.Parameter.empty]
        if missing:
            raise TypeError(f"{self.name}: missing keyword argument {missing[0]!r}")
        tracked = [k for k, v in static.items() if type(v) not in _CONSTANTS and reaches(v, 0)]
        if tracked:
            raise TypeError(
                f"{self.name}: the keyword argument {tracked[0]!r} is a Tensor that is differentiated, or "
                "batched by vmap, which would be lost: arrays go by position, each with a map"
            )
        return super().__call__(*args, **static)

    def fit(self, t: Any, y: Any) -> Any:
        return checked_tangent(self.name, t, y)

    def maps_for(self, count: int) -> list[Any]:
        maps = super().maps_for(count)
        if self.variadic:
            for m in maps:
                if m is not None:
                    watch(m)
        return maps

    def below(self, *values: Any, **static: Any) -> Any:
        if self.derives_shape and any(type(v) is Standin for v in values):
            return self._standin(values, static)
        return super().below(*values, **static)

    def _compute(self, xp: Any, *values: Any, **static: Any) -> Any:
        y = self._f(xp, *values, **static) if self._takes_namespace else self._f(*values, **static)
        if isinstance(y, (tuple, list)):
            return tuple(self._array(part, values) for part in y)
        return self._array(y, values)

    def _array(self, y: Any, values: Any) -> Any:
        """Return what the function gave as an array of its arguments' library."""
        if isinstance(y, Tensor):
            return raw_value(y)
        if isinstance(y, (bool, int, float, complex)) and not isinstance(y, np.generic):
            beside = next(v for v in values if BY_TYPE[type(v)] is not None)
            return zeros((), beside.dtype, beside) + y
        if BY_TYPE[type(y)] is None:
            raise TypeError(f"{self.name}: the function must return an array, got {type_name(y)}")
        return y

    def _standin(self, values: Any, static: dict[str, Any]) -> Standin:
        """Return what is known of a result of which an argument has but a shape and a dtype."""
        arrays = [raw_value(v) for v in values if type(v) is not Standin]
        beside = next((a for a in arrays if BY_TYPE[type(a)] is not None), np.zeros(()))
        filled = [zeros(v.shape, v.dtype, beside) if type(v) is Standin else raw_value(v) for v in values]
        try:
            y = self.functions[type(beside)](*filled, **static)
        except Exception as error:
            raise ShapeError(
                f"{self.name}: a rule calls it where only the shape of an argument is known, and on zeros it "
                f"raised {type(error).__name__}: {error}. Tell the result's shape: "
                "primitive(..., shape=lambda *values: ...)"
            ) from error
        if type(y) is tuple:
            raise ShapeError(f"{self.name}: an op of several outputs cannot be called in a rule")
        return Standin(y.shape, y.dtype)


def _arguments(name: str, parameters: list[inspect.Parameter]) -> list[str]:
    """Return the names of the array arguments, as an `Op` is told them."""
    arguments = []
    for p in parameters:
        if p.name in _RESERVED:
            raise TypeError(
                f"primitive {name}: an argument cannot be called {p.name!r}: in rules that is "
                f"{_RESERVED[p.name]}"
            )
        if p.kind is p.VAR_KEYWORD:
            raise TypeError(f"primitive {name}: name the keywords, instead of **{p.name}")
        if p.kind is p.VAR_POSITIONAL:
            arguments.append(f"*{p.name}")
        elif p.kind in _BY_POSITION:
            if p.default is not p.empty:
                raise TypeError(
                    f"primitive {name}: the array argument {p.name!r} has a default; put what is no array "
                    "behind *, as a keyword"
                )
            arguments.append(p.name)
    if not arguments or (len(arguments) > 1 and any(a.startswith("*") for a in arguments)):
        raise TypeError(f"primitive {name}: expected array arguments by position, or *arrays alone")
    return arguments


def _check_maps(name: str, arguments: list[str], maps: tuple[Map | None, ...]) -> None:
    """Raise unless there is a map for each argument."""
    if maps and len(maps) != len(arguments):
        raise TypeError(
            f"primitive {name}: {len(maps)} maps for {len(arguments)} arguments, {', '.join(arguments)}; "
            "give None for one with which the result does not move"
        )
