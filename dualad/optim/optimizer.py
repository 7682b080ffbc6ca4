"""What all optimizers share: parameters in groups, what is remembered of each, and saving it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import cache
from numbers import Real
from typing import Any, ClassVar

from ..engine.modes import enable_grad, no_grad
from ..engine.namespace import SPACES, ops
from ..engine.node import GROUND, Dual
from ..engine.operands import is_traced, type_name
from ..engine.recording import RECORDING
from ..engine.tensor import Tensor, raw_value
from ..engine.views import assign
from ..errors import ShapeError

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


class Optimizer:
    """Base class of the optimizers: a subclass says how one parameter is updated.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        What to optimize. A dict is a parameter group: its ``"params"``, and its own values of some
        of the hyperparameters.
    defaults : dict
        The hyperparameters of groups that don't set their own.

    Attributes
    ----------
    param_groups : list of dict
        The groups, each with its ``"params"`` and all hyperparameters. To change a learning rate
        while training, set ``param_groups[0]["lr"]``.
    state : dict
        For each parameter what the optimizer remembers of it, such as a momentum.
    defaults : dict
        As given.

    Raises
    ------
    TypeError
        If `params` is not an iterable of Tensors or dicts.
    ValueError
        If there are no parameters, one is given twice, or one is the result of an op; and if a
        hyperparameter is out of range.

    Examples
    --------
    An optimizer of one's own:

    >>> import dualad
    >>> class SignDescent(dualad.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...
    ...     def update(self, param, grad, state, group):
    ...         param.sub_(dualad.sign(grad) * group["lr"])
    >>> x = dualad.tensor([2.0, -3.0], requires_grad=True)
    >>> optimizer = SignDescent([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([ 1.5000, -2.5000], requires_grad=True)
    """

    #: The names under which `update` keeps what it remembers of a parameter.
    remembers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params: expected an iterable of Tensors or dicts, got a Tensor; put it in a list: [x]"
            )
        if isinstance(params, dict):
            raise TypeError(
                "params: expected an iterable of Tensors or dicts, got a dict; give list(params.values())"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups: list[Any] = _ordered(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list; if the parameters came from a generator, "
                "it may have been used up before"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimize further parameters too, such as those of layers frozen until now.

        Parameters
        ----------
        param_group : dict
            ``"params"``, a Tensor or an iterable of Tensors, and the group's own hyperparameters.

        Raises
        ------
        TypeError, ValueError
            As for the class.
        """
        if not isinstance(param_group, dict):
            raise TypeError(
                f"param_group: expected a dict, got {type(param_group).__name__}; "
                'parameter groups and Tensors cannot be mixed: use {"params": [x], ...} for all'
            )
        if "params" not in param_group:
            raise ValueError(f'param_group: "params" is missing, got {", ".join(map(str, param_group))}')
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else _ordered(params)
        seen = {id(param) for group in self.param_groups for param in group["params"]}
        own: set[int] = set()
        for param in params:
            _check_param(param, seen, own)
            own.add(id(param))
        group = {**param_group, "params": params}
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError if a hyperparameter of a group is out of range; for subclasses to define."""

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change one parameter by its gradient; for subclasses to define.

        Parameters
        ----------
        param : Tensor
            The parameter, to be changed in place. Nothing is recorded meanwhile.
        grad : Tensor
            Its gradient. It is the user's: not to be kept nor changed.
        state : dict
            What is remembered of this parameter; empty at the first step. New values are to be
            put in, rather than old ones changed, so that a `state_dict` stays as it was taken.
        group : dict
            The parameter's group, with the hyperparameters.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update(param, grad, state, group)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss anew, calls `backward` and returns the loss.

        Returns
        -------
        object
            What `closure` returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    grad = param.grad
                    if grad is not None:
                        self.update(param, grad, self.state[param], group)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients of all parameters, which `backward` would otherwise add to.

        Parameters
        ----------
        set_to_none : bool
            Whether to remove the gradients, rather than fill them with zeros: a parameter that
            the next loss does not depend on is then left alone by `step`.
        """
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad.detach_().zero_()

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on later, as PyTorch lays it out.

        Returns
        -------
        dict
            ``"state"``, for each parameter by its number a dict, and ``"param_groups"``, a list
            of dicts in which ``"params"`` are those numbers. Later steps do not change it.
        """
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers[id(param)] = len(numbers)
            groups.append({**group, "params": [numbers[id(param)] for param in group["params"]]})
        # What was remembered of Tensors that have since been taken out of the groups is not saved.
        state = {numbers[id(p)]: dict(kept) for p, kept in self.state.items() if id(p) in numbers}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`; its Tensors are copied to the parameters' devices and dtypes.

        Parameters
        ----------
        state_dict : dict
            From an optimizer of the same kind whose groups have as many parameters, in that order.

        Raises
        ------
        ValueError
            If the number of groups, or of parameters in one, differs, or a shape does; and if it
            is the state of an optimizer of another kind.
        TypeError
            If the groups are traced, as by ``jax.jit``. The state may be.
        """
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= set(state_dict):
            got = ", ".join(map(repr, state_dict)) if isinstance(state_dict, dict) else type_name(state_dict)
            raise ValueError(
                f"load_state_dict: expected 'state' and 'param_groups', as from state_dict(); got {got}"
            )
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, the optimizer has {len(self.param_groups)}"
            )
        params: dict[Any, Tensor] = {}
        groups = []
        for i, (ours, theirs) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(ours["params"]) != len(theirs["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group: group {i} has {len(theirs['params'])} parameters, "
                    f"the optimizer's {len(ours['params'])}"
                )
            if is_traced(theirs["params"]):
                raise TypeError(
                    "load_state_dict: the numbers of 'param_groups' are traced, as arguments of a compiled "
                    "function are; let only 'state' be one, and the groups those of the optimizer itself: "
                    "load_state_dict({**optimizer.state_dict(), 'state': state})"
                )
            params.update(zip(theirs["params"], ours["params"], strict=True))
            hyperparameters = {name: deepcopy(value) for name, value in theirs.items() if name != "params"}
            groups.append({**ours, **hyperparameters})
            self.check(groups[-1])
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, kept in state_dict["state"].items():
            if number in params:
                param = params[number]
                if kept and not set(self.remembers) <= set(kept):
                    raise ValueError(
                        f"loaded state dict is of another kind of optimizer: of parameter {number} it "
                        f"remembers {', '.join(kept)}, {type(self).__name__} {', '.join(self.remembers)}"
                    )
                state[param] = {name: _loaded(name, value, param) for name, value in kept.items()}
        self.param_groups, self.state = groups, state

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def elementwise(
    function: Callable[..., Any], args: Sequence[Any], numbers: dict[str, Any]
) -> Sequence[Tensor]:
    """Return the Tensors of ``function(xp, *args, **numbers)``, in one kernel where the backend can.

    Parameters
    ----------
    function : callable
        As for `Backend.fuse`; it gives a tuple.
    args : sequence of Tensor, bool or None
        Tensors, the first argument among them, and constants that the function branches on.
    numbers : dict
        What may change from step to step.
    """
    arrays = _arrays_of(args, numbers)
    if arrays is not None:
        try:
            return [Tensor(y) for y in _fused(SPACES[type(arrays[0])], function)(*arrays, **numbers)]
        except (ValueError, TypeError, RuntimeError):
            pass  # it fails again on Tensors, which explain
    return function(ops, *args, **numbers)


@cache
def _fused(xp: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    return xp.fuse(function, f"{function.__module__.rpartition('.')[2]}_{function.__name__.strip('_')}")


def _arrays_of(args: Sequence[Any], numbers: dict[str, Any]) -> list[Any] | None:
    """Return arguments with the arrays of the Tensors in their place.

    None where Tensors are more than these: at higher levels, of several backends, where somebody looks
    on, and beside numbers that are Tensors themselves.
    """
    if RECORDING.get() is not False:
        return None
    for n in numbers.values():
        if type(n) is not float and type(n) is not int:
            return None
    arrays: list[Any] = []
    space: Any = None
    for a in args:
        if isinstance(a, Tensor):
            if a._alias is not None:
                a._alias.refresh(a)
            node, a = a._node, a._value
            if node is not None and (type(node) is Dual or node.level != GROUND):
                return None
            own = SPACES[type(a)]
            if own is ops or (own is not space and space is not None):
                return None
            space = own
        arrays.append(a)
    return arrays


def replace(param: Tensor, value: Tensor) -> None:
    """Give a parameter its next value, in place."""
    old, new = param._value, value._value
    if RECORDING.get() is False and old.shape == new.shape and old.dtype is new.dtype:
        assign(param, value)
    else:
        ops.update(param, _step, value)


def _step(param: Tensor, value: Tensor) -> Tensor:
    return value


def require(holds: bool, name: str, value: object, rule: str) -> None:
    """Raise ValueError, naming the hyperparameter and the rule it breaks, unless it holds."""
    if not holds:
        raise ValueError(f"{name}: must be {rule}, got {value!r}")


def require_numbers(group: dict[str, Any], *names: str) -> None:
    """Raise unless these hyperparameters of a group are numbers that are not negative."""
    for name in names:
        value: Any = group[name]
        numeric = isinstance(value, (Real, Tensor))
        if not numeric:
            raise TypeError(f"{name}: must be a number, got {value!r}")
        require(bool(value >= 0), name, value, "at least 0")


def _ordered(params: Any) -> list[Any]:
    if isinstance(params, (set, frozenset)):
        raise TypeError(
            "params: expected an ordered collection, as state_dict numbers the parameters, got a set; "
            "use a list"
        )
    try:
        return list(params)
    except TypeError:
        raise TypeError(
            f"params: expected an iterable of Tensors or dicts, got {type(params).__name__}"
        ) from None


def _check_param(param: Any, seen: set[int], own: set[int]) -> None:
    """Raise unless `param` can be optimized beside those in other groups and in its own."""
    if not isinstance(param, Tensor):
        raise TypeError(
            f"optimizer can only optimize Tensors, but one of the params is {type_name(param)}; "
            "make it one with dualad.tensor(..., requires_grad=True)"
        )
    if not param.is_leaf:
        raise ValueError(
            "can't optimize a non-leaf Tensor: one of the params is the result of an op; use "
            ".detach().requires_grad_() to begin a new history with its value"
        )
    if id(param) in own:
        raise ValueError("params: a parameter is given twice in one group; each must be given once")
    if id(param) in seen:
        raise ValueError("some parameters appear in more than one parameter group; each must be in one")


def _loaded(name: str, value: Any, param: Tensor) -> Any:
    """Return a value of a saved state as it goes with `param`."""
    if name == "step":  # PyTorch keeps the count as a 0-d Tensor; a count that is traced is none yet
        return raw_value(value) if is_traced(value) else int(value)
    if not isinstance(value, Tensor):
        return deepcopy(value)
    if value.ndim and value.shape != param.shape:
        raise ShapeError(
            f"loaded state dict: {name!r} has shape {value.shape}, its parameter has shape {param.shape}"
        )
    dtype = param.dtype if value.dtype.is_differentiable else value.dtype
    return value.detach().clone().to(param.device).to(dtype)
