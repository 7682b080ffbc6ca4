"""Op: a function of the array namespace, told with one map for each argument.

Calling an op peels off the innermost level of its arguments, calls itself on what is below, and
records the result at that level: a Node for reverse mode, a tangent for forward mode. At the
bottom is the backend's function. That recursion is all there is to nesting.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from threading import Lock
from typing import Any

import numpy as np

from . import batching
from .backends.registry import STREAMED
from .batching import REGISTRY
from .dtypes import DType
from .engine import shapes
from .engine.exhaustion import describe_graph, exhaustion
from .engine.fit import fit, space, zeros
from .engine.modes import is_over
from .engine.namespace import SPACES, ops
from .engine.node import Batch, Dual, Node, Output, Standin
from .engine.operands import (
    PYTHON_SCALARS,
    Functions,
    arrays_in,
    beside,
    check_operands,
    explain,
    plain_number,
    snapshot,
)  # fmt: skip
from .engine.recording import RECORDING, records
from .engine.streams import note_stream
from .engine.tensor import LEFT, Tensor, lift, of_class, plain, wrap
from .errors import BatchError, OutOfMemoryError
from .kernels import is_own
from .rules import Joint, Map, Missing

__all__ = ["REGISTRY", "Binary", "Op", "Unary"]

# Threads that call a variadic op with more arguments than any before bind its maps one at a time.
_binding = Lock()

# What a backend raises where it cannot compute an op; the general path then says why.
REFUSALS = (ValueError, TypeError, RuntimeError, IndexError, MemoryError)


class Op:
    """A differentiable function of arrays.

    Arrays go by position and everything else by keyword.

    Parameters
    ----------
    call : str
        The op as it is called: its name in the namespace and its array arguments, such as
        ``"where(condition, x1, x2)"``; ``"concat(*arrays)"`` takes any number.
    *maps : Map or None
        How the result moves with each argument; None where it does not (an index, a condition).
        Without any, the result is a constant.
    shape : callable, optional
        The result's shape, ``shape(*values, **keywords)``, for stand-ins; elementwise by default.
    dtype : callable, optional
        The result's dtype likewise, ``dtype(*values, **keywords)``; promotion by default.
    compute : callable, optional
        ``compute(xp, *values, **keywords)``, for an op that is not a backend's function of the
        same name and signature.
    batch : callable, optional
        How the op acts on a batch, a rule of `dualad.batching`. By default it broadcasts if its maps say
        that it is elementwise, which takes one that is a Scale; else it is called example by example.
    node_name : str, optional
        What `grad_fn` calls it, where PyTorch's name is not ours in capitals.

    Examples
    --------
    >>> from dualad.op import Op
    >>> from dualad.rules import Scale
    >>> cube = Op("_cube(x)", Scale(lambda xp, x: 3 * x * x), compute=lambda xp, x: x * x * x)
    >>> import dualad
    >>> dualad.grad(cube)(2.0)
    12.0
    """

    def __init__(
        self,
        call: str,
        *maps: Map | None,
        shape: Callable[..., Any] = shapes.elementwise,
        dtype: Callable[..., DType] | None = None,
        compute: Callable[..., Any] | None = None,
        batch: batching.Rule | None = None,
        node_name: str = "",
    ) -> None:
        self.name, _, arguments = call.rstrip(")").partition("(")
        self.variadic = arguments.startswith("*")
        self.arguments = () if self.variadic else tuple(arguments.split(", "))
        if "y" in self.arguments:
            raise TypeError(f"{self.name}: in rules y is the result; call the argument otherwise")
        self.maps: list[Any] = []
        self.variadic_map: Any = maps[0] if self.variadic and maps else None
        self.shape, self.dtype = shape, dtype
        self.node_name = node_name or self.name.rpartition(".")[2].title().replace("_", "")
        self.functions = Functions(self.name, compute)
        self.saves = False  # whether a node keeps values: a map that reads some says so
        self.__name__ = self.__qualname__ = self.name.rpartition(".")[2]
        for position, m in enumerate(() if self.variadic else maps):
            self.maps.append(m)
            if m is not None:
                m.bind(self, position)
        self.differentiable = any(m is not None for m in maps)
        told = [m for m in maps if m is not None and type(m) is not Missing]
        elementwise = shape is shapes.elementwise and bool(told) and all(m.elementwise for m in told)
        self.batch = batch or (batching.broadcast if elementwise else batching.loop)
        self.functions.pointwise = elementwise and is_own(compute)
        self.register()

    def register(self) -> None:
        """Put the op among those of the library."""
        REGISTRY[self.name] = self

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_ONLY
        return inspect.Signature([inspect.Parameter(a, kind) for a in self.arguments])

    def __repr__(self) -> str:
        return f"<dualad op {self.name}>"

    def __reduce__(self) -> Any:
        return _op, (self.name,)  # pickled by name, as functions are

    def __call__(self, *args: Any, **static: Any) -> Any:
        nodes: list[Any] = []
        level, top = -1, None
        for a in args:
            node = None
            if type(a) is Tensor:
                if a._alias is not None:
                    a._alias.refresh(a)
                node = a._node
                if node is not None and node.level > level:
                    level, top = node.level, node
            elif isinstance(a, Tensor):
                return self._of_subclass(args, static)
            nodes.append(node)
        values: list[Any] = []
        scalars = False
        for i, a in enumerate(args):
            if type(a) is not Tensor:
                values.append(plain_number(a))
                scalars = scalars or isinstance(a, np.generic)
            elif nodes[i] is None or nodes[i].level == level:
                values.append(a._value)
            else:
                values.append(a)  # of a lower level: the call below sees to it
                nodes[i] = None
        if scalars:
            values = beside(values)
        if type(top) is Batch:
            return self.on_batch(top, values, static)
        try:
            y = self.below(*values, **static)
            if level < 0 or not self.differentiable or not records(level):
                return _wrap_all(y)
            return self.record(y, values, nodes, level, static)
        except MemoryError as error:
            reason = exhaustion(error, self.name, arrays_in(values)) or error
            if isinstance(reason, OutOfMemoryError):
                describe_graph(reason, [n for n in nodes if n is not None])
            try:
                raise reason from (None if reason is error else error)
            finally:
                del reason  # it holds this frame: memory would wait for the collector of cycles

    def _of_subclass(self, args: Any, static: Any) -> Any:
        """Compute the op on Tensors of subclasses: the result is of the first's, or one derived of it."""
        kind = Tensor
        for a in args:
            if isinstance(a, kind):
                kind = type(a)
        return of_class(self(*map(plain, args), **static), kind)

    def below(self, *values: Any, **static: Any) -> Any:
        """Compute the op on what is below a level: arrays give an array, Tensors a Tensor."""
        kinds = {type(v) for v in values}
        if Standin in kinds:  # a stand-in has no elements: nothing is computed, at no level
            dtype = self.dtype(*values, **static) if self.dtype else shapes.result_dtype(values)
            return Standin(self.shape(*values, **static), dtype)
        if Tensor in kinds:
            return self(*values, **static)
        array = check_operands(self.name, values)
        if array is None:  # Python's numbers alone
            return self(*(ops.asarray(v) for v in values), **static)
        mode, function = RECORDING.get(), self.functions[type(array)]
        try:
            if type(mode) is bool:
                y = function(*values, **static)
            else:
                y = mode.compute(self, function, values, static)
            return tuple(y) if isinstance(y, (tuple, list)) else y  # named tuples among them
        except REFUSALS as error:
            reason = exhaustion(error, self.name, list(values)) or explain(error, self.name, values)
            try:
                if reason is error:
                    raise
                raise reason from error
            finally:
                del reason  # as above

    def on_batch(self, batch: Batch, values: Any, static: dict[str, Any]) -> Any:
        """Compute the op for all examples of a `vmap`, by its rule; return Tensors of one example."""
        if batch.ended and is_over(batch):
            raise BatchError(f"{self.name}: {LEFT}")
        y = self.batch(self, batch.size, values, static)
        return tuple(batching.into(a, batch) for a in y) if type(y) is tuple else batching.into(y, batch)

    def within(self, xp: Any, *values: Any, **static: Any) -> Any:
        """Compute the op inside a rule: on Tensors differentiably, on arrays by their backend."""
        return self(*values, **static) if xp is ops else self.functions.compute(xp, *values, **static)

    def record(self, y: Any, values: list[Any], nodes: list[Any], level: int, static: Any) -> Any:
        """Return the result `y` as Tensors of `level`, with the tape's node or with its tangent."""
        maps = self.maps_for(len(values))
        live = [n if n is not None and m is not None else None for n, m in zip(nodes, maps, strict=True)]
        forward = None
        for n in live:
            if n is not None:
                forward = type(n) is Dual
                break
        if forward is None:  # tracked only where the result does not move
            return _wrap_all(y)
        values = [
            snapshot(v) if n is None and type(v) not in PYTHON_SCALARS and m is not None else v
            for v, n, m in zip(values, nodes, maps, strict=True)
        ]
        several, mode = type(y) is tuple, RECORDING.get()
        if forward:
            if type(mode) is bool:
                t = self.push(y, values, live, static)
            else:
                t = mode.push(self, y, values, live, static)
            if several:
                return tuple(Tensor(a, Dual(level, b)) for a, b in zip(y, t, strict=True))
            return Tensor(y, Dual(level, t))
        readable = (*values, y)
        saved = tuple(None if n is None else m.pick(readable) for n, m in zip(live, maps, strict=True))
        shape, dtype = (None, tuple((a.shape, a.dtype) for a in y)) if several else (y.shape, y.dtype)
        node = Node(self, level, tuple(live), saved, static, shape, dtype)
        if STREAMED:
            note_stream(node, y)
        if type(mode) is not bool:
            mode.recorded(node)
        if not several:
            return Tensor(y, node)
        return tuple(Tensor(a, Output(node, i, a.shape, a.dtype)) for i, a in enumerate(y))

    def push(self, y: Any, values: list[Any], duals: list[Any], static: Any) -> Any:
        """Return the tangent of `y`: the pushes of all arguments' tangents, added."""
        maps = self.maps_for(len(values))
        tangents = [None if d is None else d.tangent for d in duals]
        first = y[0] if type(y) is tuple else y
        xp = space(first, *(t for t in tangents if t is not None))
        readable = (*values, y)
        if xp is ops:
            tangents, readable = [lift(t) for t in tangents], lift(readable)
        pushed = []
        if any(type(m) is Joint for m, t in zip(maps, tangents, strict=True) if t is not None):
            pushed.append(self._push_jointly(values, maps, tangents, static))
        for i, (m, t) in enumerate(zip(maps, tangents, strict=True)):
            if t is not None and type(m) is not Joint:
                call = lambda t, i=i: self.below(*values[:i], t, *values[i + 1 :], **static)  # noqa: E731
                pushed.append(m.push(xp, t, call, m.pick(readable), static))
        if type(y) is tuple:
            return tuple(_add([self.fit(p[k], part) for p in pushed]) for k, part in enumerate(y))
        return fit(_add([self.fit(p, y) for p in pushed]), y)

    def fit(self, t: Any, y: Any) -> Any:
        """Return a tangent that a map gave as one of the result."""
        return fit(t, y)

    def push_arrays(
        self, function: Any, values: Any, nodes: Any, level: int, static: dict[str, Any]
    ) -> Tensor | None:
        """Compute and push where all values and tangents are one backend's arrays; else give None.

        What `record` and `push` do, without what they look for and cannot find here: half the time.
        """
        functions = self.functions
        for node in nodes:
            if node is not None and (type(node) is not Dual or functions[type(node.tangent)] is not function):
                return None
        y = function(*values, **static)
        xp, readable, total = SPACES[type(y)], (*values, y), None
        for i, (m, node) in enumerate(zip(self.maps, nodes)):  # noqa: B905
            if node is None:
                continue
            call = lambda t, i=i: function(*values[:i], t, *values[i + 1 :], **static)  # noqa: E731
            t = node.tangent if m.is_identity else m.push(xp, node.tangent, call, m.pick(readable), static)
            if t.shape != y.shape or t.dtype is not y.dtype:
                t = fit(t, y)
            total = t if total is None else total + t
        return Tensor(y, Dual(level, total))

    def _push_jointly(self, values: Any, maps: Any, tangents: Any, static: Any) -> Any:
        """Push all Joint arguments in one call: those without a tangent have a tangent of 0."""
        beside = next(t for t in tangents if t is not None)
        arguments = []
        for v, m, t in zip(values, maps, tangents, strict=True):
            if type(m) is not Joint:
                arguments.append(v)
            elif t is not None:
                arguments.append(t)
            else:
                arguments.append(zeros(v.shape, v.dtype, beside) if hasattr(v, "shape") else 0)
        return self.below(*arguments, **static)

    def maps_for(self, count: int) -> list[Any]:
        """Return the maps of `count` arguments; a variadic op has one that serves them all."""
        if self.variadic:
            if len(self.maps) < count:
                with _binding:
                    while len(self.maps) < count:
                        m = copy(self.variadic_map)
                        m.bind(self, len(self.maps))
                        self.maps.append(m)
            return self.maps[:count]
        return self.maps


def _op(name: str) -> Op:
    """Return the op of a name: one that is unpickled."""
    return REGISTRY[name]


def _add(terms: list[Any]) -> Any:
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return total


def _wrap_all(y: Any) -> Any:
    if type(y) is tuple:
        return tuple(wrap(a) for a in y)
    return wrap(y)


class Unary(Op):
    """An op of one array. Its call is unrolled: the most frequent path of all."""

    def __call__(self, x: Any, **static: Any) -> Any:
        if type(x) is not Tensor:
            return super().__call__(x, **static)
        if x._alias is not None:
            x._alias.refresh(x)
        value, node = x._value, x._node
        function, mode = self.functions[type(value)], RECORDING.get()
        if function is None or (mode is not True and mode is not False):
            if type(node) is Batch:
                return self.on_batch(node, (value,), static)
            return super().__call__(x, **static)
        try:
            if type(node) is Dual and self.differentiable and mode:
                y = self.push_arrays(function, (value,), (node,), node.level, static)
                return super().__call__(x, **static) if y is None else y
            y = function(value, **static) if static else function(value)
        except REFUSALS:
            return super().__call__(x, **static)  # fails again, and explains
        if node is None or not self.differentiable or not mode:
            return Tensor(y)
        saved = self.maps[0].pick((value, y))
        new = Node(self, node.level, (node,), (saved,), static, y.shape, y.dtype)
        if STREAMED:
            note_stream(new, y)
        return Tensor(y, new)

    def below(self, *values: Any, **static: Any) -> Any:
        """Compute the op as `Op.below` does; on an array at once, as rules for batches ask."""
        function = self.functions[type(values[0])]
        if function is None or type(RECORDING.get()) is not bool:
            return super().below(*values, **static)
        try:
            return function(*values, **static)
        except REFUSALS:
            return super().below(*values, **static)  # fails again, and explains


class Binary(Op):
    """An op of two arrays and no keywords. Its call is unrolled likewise."""

    def __call__(self, x1: Any, x2: Any) -> Any:
        node1 = node2 = None
        if type(x1) is Tensor:
            if x1._alias is not None:
                x1._alias.refresh(x1)
            value1, node1 = x1._value, x1._node
        elif type(x1) in PYTHON_SCALARS:
            value1 = x1
        else:
            return super().__call__(x1, x2)
        if type(x2) is Tensor:
            if x2._alias is not None:
                x2._alias.refresh(x2)
            value2, node2 = x2._value, x2._node
        elif type(x2) in PYTHON_SCALARS:
            value2 = x2
        else:
            return super().__call__(x1, x2)
        # One function for both, or a Python number on one side; all else takes another path.
        functions, kind1, kind2 = self.functions, type(value1), type(value2)
        function = functions[kind1]
        if kind1 is not kind2 and (other := functions[kind2]) is not function:
            if function is None and kind1 in PYTHON_SCALARS:
                function = other
            elif other is not None or kind2 not in PYTHON_SCALARS:
                return self._otherwise(x1, x2, value1, value2, node1, node2)
        node, mode = node1 or node2, RECORDING.get()
        if function is None or (mode is not True and mode is not False):
            return self._otherwise(x1, x2, value1, value2, node1, node2)
        if node1 is not None and node2 is not None and node1.level != node2.level:
            return super().__call__(x1, x2)
        try:
            if type(node) is Dual and self.differentiable and mode:
                y = self.push_arrays(function, (value1, value2), (node1, node2), node.level, _NO_KEYWORDS)
                return super().__call__(x1, x2) if y is None else y
            y = function(value1, value2)
        except REFUSALS:
            return super().__call__(x1, x2)
        if node is None or not self.differentiable or not mode:
            return Tensor(y)
        map1, map2 = self.maps
        if map1.reads or map2.reads:
            values = (value1, value2, y)
            saved = (
                None if node1 is None else map1.pick(values),
                None if node2 is None else map2.pick(values),
            )
        else:
            saved = _NOTHING
        new = Node(self, node.level, (node1, node2), saved, _NO_KEYWORDS, y.shape, y.dtype)
        if STREAMED:
            note_stream(new, y)
        return Tensor(y, new)

    def _otherwise(self, x1: Any, x2: Any, value1: Any, value2: Any, node1: Any, node2: Any) -> Any:
        """Take the general path, or, where there is one level, of a batch, go by the rule at once."""
        batch = node1 or node2
        if type(batch) is Batch and (node1 is None or node2 is None or node1 is node2):
            return self.on_batch(batch, (value1, value2), _NO_KEYWORDS)
        return super().__call__(x1, x2)

    def below(self, *values: Any, **static: Any) -> Any:
        """Compute the op as `Op.below` does; on two arrays, or one and a number, at once."""
        value1, value2 = values
        kind1, kind2 = type(value1), type(value2)
        function = self.functions[kind2 if kind1 in PYTHON_SCALARS else kind1]
        alike = kind1 is kind2 or kind1 in PYTHON_SCALARS or kind2 in PYTHON_SCALARS
        if function is None or not alike or type(RECORDING.get()) is not bool:
            return super().below(value1, value2)
        try:
            return function(value1, value2)
        except REFUSALS:
            return super().below(value1, value2)


_NO_KEYWORDS: dict[str, Any] = {}
_NOTHING: Any = ((), ())  # what an op saves whose rules read no values
