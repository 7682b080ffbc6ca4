"""The transforms under the name that they have in PyTorch: ``torch.func``.

Examples
--------
>>> import dualad as torch
>>> per_example = torch.func.vmap(torch.func.grad(lambda x: (x**2).sum()))
>>> per_example(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
tensor([[2., 4.],
        [6., 8.]])
"""

from .transforms import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp", "vmap"]
