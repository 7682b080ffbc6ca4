"""Adam and its variants: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, sqrt
from typing import Any

from ..backends.registry import DTYPES
from ..dtypes import float32, float64, real_of
from ..engine.namespace import ops
from ..engine.tensor import Tensor
from .optimizer import Optimizer, Params, elementwise, replace, require, require_numbers


class Adam(Optimizer):
    r"""Adam: each element's step is scaled by running means of its gradient and its square.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        What to optimize, or parameter groups.
    lr : float
        The learning rate: about the largest change of an element in one step.
    betas : (float, float)
        How much of the running means of the gradient and of its square is kept in a step.
    eps : float
        Added to the root of the mean square, lest it be zero.
    weight_decay : float
        The factor of an L2 penalty, whose gradient is added. Adam scales it away in part; `AdamW`
        does not.
    amsgrad : bool
        Whether to scale by the largest mean square so far, as in [2]_.
    maximize : bool
        Whether to go up rather than down.

    Raises
    ------
    TypeError, ValueError
        If the parameters or hyperparameters are not such; see `Optimizer`.

    Notes
    -----
    Algorithm 1 of [1]_ in the order of computation that its section 2 recommends. With gradient
    :math:`g` at step :math:`t` and learning rate :math:`\gamma`:

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        \theta &\leftarrow \theta - \gamma \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
        \frac{m}{\sqrt{v} + \epsilon \sqrt{1 - \beta_2^t}}

    A complex element counts as two real ones, as in PyTorch.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    .. [2] S. J. Reddi, S. Kale, S. Kumar, "On the Convergence of Adam and Beyond", ICLR 2018.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = dualad.optim.Adam([x], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (x * x).sum().backward()
    ...     optimizer.step()
    >>> x
    tensor([ 0.8004, -1.8002], requires_grad=True)
    """

    remembers = ("step", "exp_avg", "exp_avg_sq")
    #: Whether weights decay by themselves rather than by way of the gradient.
    decoupled = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError if a hyperparameter of a group is out of range."""
        require_numbers(group, "lr", "eps", "weight_decay")
        betas = group["betas"]
        fine = isinstance(betas, (tuple, list)) and len(betas) == 2 and all(0 <= beta < 1 for beta in betas)
        require(fine, "betas", betas, "two numbers, each at least 0 and less than 1")

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change one parameter by its gradient."""
        if not state:
            # Detached: a gradient that was computed with create_graph has a history.
            zeros = ops.zeros_like(grad.detach())
            state.update(step=0, exp_avg=zeros, exp_avg_sq=zeros)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros
        beta1, beta2 = group["betas"]
        count = state["step"] + 1
        correction1, correction2 = _corrections(beta1, beta2, count, param)
        decay = group["weight_decay"]
        largest = state["max_exp_avg_sq"] if group["amsgrad"] else None
        value, *means = elementwise(
            _adapt,
            (
                *(param, grad, state["exp_avg"], state["exp_avg_sq"], largest, group["maximize"]),
                *(bool(decay) and not self.decoupled, bool(decay) and self.decoupled),
            ),
            {
                "decay": decay,
                "shrink": 1 - group["lr"] * decay,
                "beta1": beta1,
                "beta2": beta2,
                "fresh1": 1 - beta1,
                "fresh2": 1 - beta2,
                "eps": group["eps"] * correction2,
                "rate": group["lr"] * correction2 / correction1,
            },
        )
        replace(param, value)
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        state.update(zip(names, means, strict=False), step=count)


class AdamW(Adam):
    r"""Adam with decoupled weight decay: weights shrink by a factor, whatever their gradients.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize
        As for `Adam`.
    weight_decay : float
        Each step multiplies the weights by ``1 - lr * weight_decay``.

    Raises
    ------
    TypeError, ValueError
        If the parameters or hyperparameters are not such; see `Optimizer`.

    Notes
    -----
    Algorithm 2 of [1]_. As in PyTorch the decay is multiplied by the learning rate, which the
    paper calls :math:`\alpha`, and not by the schedule :math:`\eta_t` alone.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.

    Examples
    --------
    >>> import dualad
    >>> x = dualad.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = dualad.optim.AdamW([x], lr=0.1, weight_decay=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([ 0.8500, -1.8000], requires_grad=True)
    """

    decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


def _corrections(beta1: Any, beta2: Any, count: Any, param: Tensor) -> tuple[Any, Any]:
    """Return by what factors the mean of `count` gradients, and the root of that of squares, are small."""
    if type(count) is int:
        return 1 - beta1**count, sqrt(1 - beta2**count)
    # Not known yet, as under ``jax.jit``: arrays of the dtype that the parameter's real part has.
    dtype = real_of(DTYPES[param.dtype])
    count = ops.astype(ops.asarray(count), float64 if dtype is float64 else float32)
    parts = [-ops.expm1(count * (log(beta) if beta else -inf)) for beta in (beta1, beta2)]
    return ops.astype(parts[0], dtype), ops.astype(ops.sqrt(parts[1]), dtype)


def _adapt(
    xp: Any,
    param: Any,
    grad: Any,
    mean: Any,
    square: Any,
    largest: Any,
    maximize: bool,
    penalized: bool,
    shrinks: bool,
    *,
    decay: Any,
    shrink: Any,
    beta1: Any,
    beta2: Any,
    fresh1: Any,
    fresh2: Any,
    eps: Any,
    rate: Any,
) -> tuple[Any, ...]:
    """Return the parameter after a step, and what is remembered of its gradients."""
    if maximize:
        grad = -grad
    if penalized:
        grad = grad + param * decay
    if shrinks:
        param = param * shrink
    mean = mean * beta1 + grad * fresh1
    square = square * beta2 + _by_component(xp, lambda g: g * g, grad) * fresh2
    scale = square if largest is None else _by_component(xp, xp.maximum, largest, square)
    direction = _by_component(xp, lambda mean, scale: mean / (xp.sqrt(scale) + eps), mean, scale)
    kept = () if largest is None else (scale,)
    return param - direction * rate, mean, square, *kept


def _by_component(xp: Any, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of real arrays; on complex ones, with the real and the imaginary parts."""
    if not DTYPES[args[0].dtype].is_complex:
        return function(*args)
    real = function(*[xp.real(x) for x in args])
    imag = function(*[xp.imag(x) for x in args])
    return real + imag * 1j
