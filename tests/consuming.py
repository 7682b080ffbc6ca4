"""How a call into another library is checked: on Tensors, with derivatives, against its run on NumPy."""

import numpy as np

import dualad

RNG = np.random.default_rng(0)
V, W = RNG.uniform(0.2, 0.9, (2, 6))
M, N = RNG.standard_normal((5, 3)), RNG.standard_normal((4, 3))
S = M[:3] @ M[:3].T + np.eye(3)


def _first(result):
    return result[0] if isinstance(result, (tuple, list)) else result


def check(call, *arrays):
    """Compare values with those on NumPy, and gradients with differences of these."""
    want = np.asarray(_first(call(*arrays)))
    weights = np.cos(np.arange(want.size)).reshape(want.shape)
    tensors = [dualad.tensor(a, requires_grad=True) for a in arrays]
    result = _first(call(*tensors))
    assert type(result) is dualad.Tensor
    np.testing.assert_allclose(result.detach().numpy(), want, rtol=1e-7, atol=1e-9)
    weighted = dualad.sum(dualad.real(result) * dualad.asarray(weights))
    gradients = dualad.autograd.grad(weighted, tensors, materialize_grads=True)
    for i, (a, g) in enumerate(zip(arrays, gradients, strict=True)):
        direction = np.random.default_rng(i).standard_normal(a.shape)
        ahead, behind = (
            np.sum(np.real(_first(call(*arrays[:i], a + h * direction, *arrays[i + 1 :]))) * weights)
            for h in (1e-6, -1e-6)
        )
        slope = np.sum(g.numpy() * direction)
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-4, atol=1e-6)


def as_given(array, like):
    """Return a constant array as the kind that `like` is."""
    return dualad.asarray(array) if isinstance(like, dualad.Tensor) else np.asarray(array)
