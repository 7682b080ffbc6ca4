"""The optimizers' results are PyTorch's.

The expected numbers were computed by PyTorch 2.13 in float64.
"""

import numpy as np
import pytest

import dualad
from dualad import optim

# optimizer, settings, w (row by row) and b after five steps of `_train`
REAL = [
    ("SGD", {"lr": 0.05},
     [0.597067, -1.918180085876465, -0.649778, 3.1357850049381253, 0.471956, 0.006779847999572823]),
    ("SGD", {"lr": 0.05, "momentum": 0.9},
     [-0.086177, -1.8390363710327151, -1.492052, 3.330851684991836, 0.209849, 0.9453339979019166]),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
     [0.07347929530302462, -1.731311119349342, -1.658749633000038, 3.128188571644068,
      0.47610941398081535, 0.7997345566478454]),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
     [0.061985787248090014, -1.9327121075814568, -0.9880170243112709, 3.2761269618599527,
      0.10919275235036145, 0.6009203892451944]),
    ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True, "weight_decay": 0.1},
     [1.1097310894223191, -2.048961915653008, 1.5731279835625196, 2.913188944838808,
      -0.12321320698709035, -1.075187274761675]),
    ("Adam", {"lr": 0.1},
     [0.5000753454766385, -1.532720534236299, 0.009409335111046552, 3.4937019162584217,
      0.7825244694401267, -0.2119239729692507]),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.6), "eps": 0.05, "weight_decay": 0.2},
     [0.514404412434566, -1.5465207817335065, 0.014086365846095197, 3.076109068595946,
      0.7674622223535288, -0.21955815991847727]),
    ("Adam", {"lr": 0.3, "betas": (0.8, 0.3), "amsgrad": True},
     [-0.43834569493218123, -1.445435799017757, -0.5821538971293492, 4.2177173472513685,
      1.1649918324798765, 0.3018070334958594]),
    ("Adam", {"lr": 0.1, "maximize": True, "eps": 0.5},
     [1.378863558736456, -2.311986246768411, 0.9819697833812977, 2.694454424685897,
      -0.15069575024195925, -1.1543469370587547]),
    ("AdamW", {"lr": 0.1},
     [0.49615607766800185, -1.5244560491040158, 0.007926147840243411, 3.477752635217874,
      0.7801432412195286, -0.20952246941362282]),
    ("AdamW", {"lr": 0.1, "betas": (0.5, 0.6), "eps": 0.05, "weight_decay": 0.2},
     [0.44073389319112954, -1.4375599260333534, -0.01431374106935128, 3.1509351954648745,
      0.7250284187435846, -0.17511297882851268]),
    ("AdamW", {"lr": 0.3, "betas": (0.8, 0.3), "weight_decay": 0.5, "amsgrad": True, "maximize": True},
     [1.3460040020599344, -1.9107147976987435, 1.2369421738197905, 0.31121417419905334,
      -0.8413353233217554, -1.3315943921226363]),
]  # fmt: skip

# optimizer, settings, z after four steps with gradients z * (0.5 - 0.25j * i)
COMPLEX = [
    ("SGD", {"lr": 0.1, "momentum": 0.9},
     [0.1846015625 + 1.3391640625j, -0.334791015625 + 0.046150390625j]),
    ("Adam", {"lr": 0.1, "amsgrad": True, "eps": 0.01},
     [0.6134155720976242 + 1.6238780708895915j, -0.13465081386389485 - 0.1238618968656096j]),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.1},
     [0.5742737011408586 + 1.5469962877916221j, -0.10258909160964438 - 0.15196313334464942j]),
]  # fmt: skip


def _params(device, dtype=dualad.float32):
    w = dualad.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=dtype, device=device, requires_grad=True)
    b = dualad.tensor([0.3, -0.7], dtype=dtype, device=device, requires_grad=True)
    return w, b


def _loss(w, b):
    a = dualad.tensor([[1.0, 0.5], [-2.0, 0.25]], dtype=w.dtype, device=w.device)
    c = dualad.tensor([[0.5, -1.0], [2.0, 1.5]], dtype=w.dtype, device=w.device)
    return ((w * a + b - c) ** 2).sum()


def _train(optimizer, params, steps=5):
    for _ in range(steps):
        optimizer.zero_grad()
        _loss(*params).backward()
        optimizer.step()


def _values(*params):
    return np.concatenate([np.asarray(p.tolist()).ravel() for p in params])


def _make(name, params, settings):
    return getattr(optim, name)(params, **settings)


@pytest.mark.parametrize(("name", "settings", "expected"), REAL)
def test_real_parameters(name, settings, expected, device):
    params = _params(device)
    _train(_make(name, params, settings), params)
    np.testing.assert_allclose(_values(*params), expected, rtol=1e-4, atol=1e-5)
    assert all(p.is_leaf and p.requires_grad and p.dtype is dualad.float32 for p in params)


@pytest.mark.parametrize(("name", "settings", "expected"), REAL)
def test_double_precision(name, settings, expected):
    params = _params("cpu", dualad.float64)
    _train(_make(name, params, settings), params)
    np.testing.assert_allclose(_values(*params), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "settings", "expected"), COMPLEX)
def test_complex_parameters(name, settings, expected, device):
    z = dualad.tensor([1 + 2j, -0.5 + 0.25j], dtype=dualad.complex64, device=device, requires_grad=True)
    optimizer = _make(name, [z], settings)
    for i in range(4):
        z.grad = z.detach() * (0.5 - 0.25j * i)
        optimizer.step()
    assert z.dtype is dualad.complex64
    np.testing.assert_allclose(_values(z), expected, rtol=1e-5, atol=1e-5)


def test_zero_dimensional_parameter(device):
    x = dualad.tensor(2.0, device=device, requires_grad=True)
    optimizer = optim.Adam([x], lr=0.5)
    (x * x).backward()
    optimizer.step()
    assert x.shape == ()
    assert x.item() == pytest.approx(1.5)
