"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

from ..engine.tensor import Tensor
from .optimizer import Optimizer, Params, elementwise, replace, require, require_numbers


class SGD(Optimizer):
    r"""Stochastic gradient descent, plain, with momentum, or with Nesterov's momentum.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        What to optimize, or parameter groups.
    lr : float
        The learning rate.
    momentum : float
        How much of the last step's velocity is kept.
    dampening : float
        How much of the gradient is kept out of the velocity.
    weight_decay : float
        The factor of an L2 penalty, whose gradient is added.
    nesterov : bool
        Whether to take the gradient, in effect, where the momentum leads to. It needs a momentum
        and no dampening.
    maximize : bool
        Whether to go up rather than down.

    Raises
    ------
    TypeError, ValueError
        If the parameters or hyperparameters are not such; see `Optimizer`.

    Notes
    -----
    With gradient :math:`g`, momentum :math:`\mu`, dampening :math:`\tau` and learning rate
    :math:`\gamma`:

    .. math::

        b \leftarrow \mu b + (1 - \tau) g, \qquad \theta \leftarrow \theta - \gamma b

    and with Nesterov's momentum :math:`\theta \leftarrow \theta - \gamma (g + \mu b)`; the first
    :math:`b` is :math:`g`. As in PyTorch the velocity :math:`b` is free of the learning rate,
    which in [1]_ is part of it; the two differ when the rate changes.

    References
    ----------
    .. [1] I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and
       momentum in deep learning", ICML 2013, equations 1 to 4.
    .. [2] Y. Nesterov, "A method for solving the convex programming problem with convergence rate
       O(1/k^2)", Doklady Akademii Nauk SSSR 269, 1983.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = dualad.optim.SGD([x], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (x * x).sum().backward()
    ...     optimizer.step()
    >>> x
    tensor([ 0.4600, -0.9200], requires_grad=True)
    """

    remembers = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError if a hyperparameter of a group is out of range."""
        require_numbers(group, "lr", "momentum", "weight_decay")
        if group["nesterov"]:
            require(group["momentum"] > 0, "momentum", group["momentum"], "more than 0 with nesterov=True")
            require(group["dampening"] == 0, "dampening", group["dampening"], "0 with nesterov=True")

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change one parameter by its gradient."""
        maximize, decay, momentum = group["maximize"], group["weight_decay"], group["momentum"]
        numbers = {"lr": group["lr"], "decay": decay}
        if not momentum:
            (value,) = elementwise(_descend, (param, grad, maximize, bool(decay)), numbers)
        else:
            numbers.update(momentum=momentum, fresh=1 - group["dampening"])
            before = state.get("momentum_buffer")
            args = (param, grad, maximize, bool(decay), before, group["nesterov"])
            value, velocity = elementwise(_descend_with_momentum, args, numbers)
            # Detached, in case the gradient was computed with create_graph.
            state["momentum_buffer"] = velocity.detach()
        replace(param, value)


def _descend(xp: Any, param: Any, grad: Any, maximize: bool, decays: bool, *, lr: Any, decay: Any) -> Any:
    """Return the parameter after a step, in a tuple."""
    return (param - _direction(param, grad, maximize, decays, decay) * lr,)


def _descend_with_momentum(
    xp: Any,
    param: Any,
    grad: Any,
    maximize: bool,
    decays: bool,
    velocity: Any,
    nesterov: bool,
    *,
    lr: Any,
    decay: Any,
    momentum: Any,
    fresh: Any,
) -> tuple[Any, Any]:
    """Return the parameter and the velocity after a step; before the first one there is none."""
    step = _direction(param, grad, maximize, decays, decay)
    # A copy, as the next backward() may add to the gradient in place.
    velocity = xp.copy(step) if velocity is None else velocity * momentum + step * fresh
    return param - (step + velocity * momentum if nesterov else velocity) * lr, velocity


def _direction(param: Any, grad: Any, maximize: bool, decays: bool, decay: Any) -> Any:
    step = -grad if maximize else grad
    return step + param * decay if decays else step
