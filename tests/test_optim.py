"""The optimizers: parameter groups, state_dict, and errors that say what to do."""

import copy
import pickle

import numpy as np
import pytest
from conftest import needs

import dualad
from dualad import optim

# w (row by row) and b after five steps of SGD with lr=0.05, as PyTorch 2.13 computed them
AFTER_FIVE = [0.597067, -1.918180085876465, -0.649778, 3.1357850049381253, 0.471956, 0.006779847999572823]

STATEFUL = [
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.1}),
]


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


# -- groups, gradients, closures ---------------------------------------------------------------


def test_groups_have_their_own_settings(device):
    w, b = _params(device)
    optimizer = optim.SGD([{"params": [w]}, {"params": b, "lr": 0.5}], lr=0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5]
    assert optimizer.param_groups[1]["params"][0] is b
    before = _values(w, b)
    (w.sum() + b.sum()).backward()
    optimizer.step()
    np.testing.assert_allclose(_values(w, b), before - np.array([0.25] * 4 + [0.5] * 2), rtol=1e-6)


def test_params_from_a_generator(device):
    params = _params(device)
    optimizer = optim.SGD((p for p in params), lr=0.05)
    _train(optimizer, params)
    np.testing.assert_allclose(_values(*params), AFTER_FIVE, rtol=1e-5)


def test_add_param_group_and_learning_rate_schedule(device):
    w, b = _params(device)
    optimizer = optim.SGD([w], lr=1.0)
    optimizer.add_param_group({"params": (p for p in [b]), "momentum": 0.5})
    optimizer.param_groups[0]["lr"] = 0.0
    before = _values(w, b)
    (w.sum() + b.sum()).backward()
    optimizer.step()
    np.testing.assert_allclose(_values(w, b), before - np.array([0.0] * 4 + [1.0] * 2), rtol=1e-6)
    assert optimizer.state[w] == {}
    assert list(optimizer.state[b]) == ["momentum_buffer"]


def test_parameters_without_gradient_are_left_alone(device):
    w, b = _params(device)
    optimizer = optim.AdamW([w, b])
    before = _values(b)
    w.sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(_values(b), before)
    assert list(optimizer.state_dict()["state"]) == [0]


def test_zero_grad(device):
    w, b = _params(device)
    optimizer = optim.SGD([w, b])
    w.sum().backward()
    grad = w.grad
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is grad
    assert grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert b.grad is None
    optimizer.zero_grad()
    assert w.grad is None


def test_zero_grad_of_a_gradient_with_history(device):
    w, b = _params(device)
    (w * w * w).sum().backward(create_graph=True)
    assert w.grad.requires_grad
    optim.SGD([w, b]).zero_grad(set_to_none=False)
    assert not w.grad.requires_grad
    assert w.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_closure_records_also_inside_no_grad(device):
    params = _params(device)
    optimizer = optim.SGD(params, lr=0.05)

    def closure():
        optimizer.zero_grad()
        loss = _loss(*params)
        loss.backward()
        return loss

    first = _loss(*params).item()
    with dualad.no_grad():
        losses = [optimizer.step(closure).item() for _ in range(5)]
    assert losses[0] == pytest.approx(first)
    np.testing.assert_allclose(_values(*params), AFTER_FIVE, rtol=1e-5)


def test_step_without_closure_returns_none(device):
    assert optim.SGD(_params(device)).step() is None


# -- state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "settings"), STATEFUL)
def test_state_has_no_history_and_is_not_the_gradient(name, settings, device):
    w, b = _params(device)
    optimizer = _make(name, [w, b], settings)
    (w * w * w).sum().backward(create_graph=True)
    optimizer.step()
    kept = [value for value in optimizer.state[w].values() if isinstance(value, dualad.Tensor)]
    before = [value.tolist() for value in kept]
    assert kept
    assert not any(value.requires_grad for value in kept)
    w.grad.detach_().zero_()
    (w * w * w).sum().backward()  # adds to the gradient, in place where it can
    assert [value.tolist() for value in kept] == before


@pytest.mark.parametrize(("name", "settings"), STATEFUL)
def test_state_dict_goes_on_where_it_was_taken(name, settings, device):
    params = _params(device)
    optimizer = _make(name, params, settings)
    _train(optimizer, params, 3)
    saved = optimizer.state_dict()
    as_taken = copy.deepcopy(saved)
    resumed = [p.detach().clone().requires_grad_() for p in params]
    _train(optimizer, params, 2)
    assert repr(saved) == repr(as_taken)

    other = _make(name, resumed, {"lr": 9.0})
    other.load_state_dict(pickle.loads(pickle.dumps(saved)))
    _train(other, resumed, 2)
    np.testing.assert_array_equal(_values(*resumed), _values(*params))


def test_state_dict_has_the_layout_of_pytorch(device):
    w, b = _params(device)
    optimizer = optim.Adam([{"params": [w]}, {"params": [b], "lr": 0.5}])
    assert optimizer.state_dict()["state"] == {}
    _train(optimizer, (w, b), 2)
    saved = optimizer.state_dict()
    assert list(saved) == ["state", "param_groups"]
    assert list(saved["state"]) == [0, 1]
    assert sorted(saved["state"][0]) == ["exp_avg", "exp_avg_sq", "step"]
    assert saved["state"][1]["step"] == 2
    assert saved["state"][1]["exp_avg"].shape == b.shape
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1]]
    assert [group["lr"] for group in saved["param_groups"]] == [1e-3, 0.5]


def test_load_state_dict_converts_to_the_parameter(device):
    needs(dualad.float64, device)
    x = dualad.tensor([1.0, 2.0], dtype=dualad.float32, device=device, requires_grad=True)
    optimizer = optim.Adam([x])
    double = dualad.tensor([0.5, 0.25], dtype=dualad.float64)
    saved = {
        "state": {7: {"step": dualad.tensor(3.0), "exp_avg": double, "exp_avg_sq": double}},
        "param_groups": [{"lr": 0.125, "foreach": None, "params": [7]}],
    }
    optimizer.load_state_dict(saved)
    state, (group,) = optimizer.state[x], optimizer.param_groups
    assert (state["step"], group["lr"], group["eps"]) == (3, 0.125, 1e-8)
    assert group["params"][0] is x
    assert state["exp_avg"].dtype is dualad.float32
    assert state["exp_avg"].device == x.device
    double.zero_()
    assert state["exp_avg"].tolist() == [0.5, 0.25]


def test_load_state_dict_refuses_another_shape(device):
    w, b = _params(device)
    optimizer = optim.SGD([w, b])
    with pytest.raises(ValueError, match="different number of parameter groups: 1, the optimizer has 2"):
        optim.SGD([{"params": [w]}, {"params": [b]}]).load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match="group 0 has 2 parameters, the optimizer's 1"):
        optim.SGD([w]).load_state_dict(optimizer.state_dict())


def test_repr(device):
    w, b = _params(device)
    assert repr(optim.SGD([{"params": [w], "lr": 0.5}, {"params": [b]}])).splitlines()[:4] == [
        "SGD (",
        "Parameter Group 0",
        "    dampening: 0.0",
        "    lr: 0.5",
    ]


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("SGD", {"lr": -1.0}, r"lr: must be at least 0, got -1\.0"),
        ("SGD", {"lr": float("nan")}, "lr: must be at least 0, got nan"),
        ("SGD", {"momentum": -0.5}, r"momentum: must be at least 0, got -0\.5"),
        ("SGD", {"weight_decay": -2}, "weight_decay: must be at least 0, got -2"),
        ("SGD", {"nesterov": True}, r"momentum: must be more than 0 with nesterov=True, got 0\.0"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening: must be 0 with nesterov"),
        ("Adam", {"lr": -1.0}, "lr: must be at least 0"),
        ("Adam", {"eps": -1e-8}, "eps: must be at least 0, got -1e-08"),
        ("Adam", {"betas": (0.9, 1.0)}, r"betas: must be two numbers, .*less than 1, got \(0\.9, 1\.0\)"),
        ("AdamW", {"weight_decay": -0.1}, r"weight_decay: must be at least 0, got -0\.1"),
    ],
)
def test_bad_hyperparameters(name, settings, message, device):
    with pytest.raises(ValueError, match=message):
        _make(name, _params(device), settings)


def test_bad_hyperparameter_of_a_group(device):
    w, b = _params(device)
    with pytest.raises(ValueError, match="lr: must be at least 0, got -3"):
        optim.SGD([{"params": [w]}, {"params": [b], "lr": -3}])


def test_bad_params(device):
    w, b = _params(device)
    for params, error, message in [
        (w, TypeError, r"got a Tensor; put it in a list"),
        (3, TypeError, "expected an iterable of Tensors or dicts, got int"),
        ({w}, TypeError, "got a set; use a list"),
        ([], ValueError, "empty parameter list"),
        ([w, 3.0], TypeError, "can only optimize Tensors, but one of the params is float"),
        ([w * 2], ValueError, r"can't optimize a non-leaf Tensor.*\.detach\(\)\.requires_grad_\(\)"),
        ([w, b, w], ValueError, "given twice in one group"),
        ([{"params": [w]}, {"params": [b, w]}], ValueError, "more than one parameter group"),
        ([{"params": [w]}, b], TypeError, "param_group: expected a dict, got Tensor"),
        ([{"lr": 1.0}], ValueError, 'param_group: "params" is missing, got lr'),
    ]:
        with pytest.raises(error, match=message):
            optim.SGD(params)


def test_an_optimizer_must_define_update(device):
    w, _ = _params(device)
    w.sum().backward()
    with pytest.raises(NotImplementedError, match="Optimizer must define update"):
        optim.Optimizer([w], {}).step()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda w: optim.SGD([w], lr="a"), TypeError, "lr: must be a number, got 'a'"),
        (lambda w: optim.Adam([w], betas=0.9), ValueError, "betas: must be two numbers"),
        (lambda w: optim.Adam({"w": w}), TypeError, r"list\(params.values\(\)\)"),
        (lambda w: optim.SGD([w]).load_state_dict({}), ValueError, "expected 'state' and 'param_groups'"),
        (lambda w: optim.Adam([w]).load_state_dict(_trained(optim.SGD, w)), ValueError, "of another kind"),
        (
            lambda w: optim.Adam([w]).load_state_dict(_trained(optim.Adam, dualad.ones(5))),
            dualad.ShapeError,
            r"'exp_avg' has shape \(5,\)",
        ),
    ],
)
def test_what_an_optimizer_refuses(call, error, says):
    with pytest.raises(error, match=says):
        call(dualad.ones(2, requires_grad=True))


def _trained(kind, w):
    w = w.detach().requires_grad_()
    optimizer = kind([w], lr=0.1, **({"momentum": 0.9} if kind is optim.SGD else {}))
    (w * w).sum().backward()
    optimizer.step()
    return optimizer.state_dict()
