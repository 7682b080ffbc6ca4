"""The checks of moves between devices and backends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import dualad

from .cases import COMPARED, backend_of, expect, expect_equal, gradient, has, tensor


def check_there_and_back(device: str) -> None:
    """Arrays of every dtype go to the device and come back as they were."""
    for dtype in COMPARED:
        if has(dtype, device):
            for array in (np.ones((2, 3)), np.zeros(()), np.ones((0, 2))):
                sent = array.astype(dtype.name)
                x = dualad.asarray(sent).to(device)
                expect(str(x.device) == device, f"x.to({device!r}) of a {dtype.name} array is on {x.device}")
                expect_equal(f"{dtype.name} array moved to {device} and back", x.cpu().numpy(), sent)


def check_moves_of_gradients(device: str) -> None:
    """A gradient comes back to the device of its leaf, at every order and in both modes."""
    x = tensor([1.0, 2.0], dualad.float32, "cpu").requires_grad_()
    y = x.to(device)
    (y * y).sum().cpu().backward()
    expect(gradient(x).device == "cpu", f"the leaf is on the CPU and its gradient on {gradient(x).device}")
    expect(
        gradient(x).tolist() == [2.0, 4.0],
        f"the gradient of sum(x * x) through {device} is {gradient(x).tolist()}",
    )
    slope = dualad.grad(lambda x: (x.to(device) ** 3).sum().cpu())
    pushed = dualad.jvp(slope, (x.detach(),), (dualad.ones(2),))[1].tolist()
    expect(pushed == [6.0, 12.0], f"the second derivative of sum(x**3) through {device} is {pushed}")


def check_between_devices(device: str) -> None:
    """Parts of one graph are on different devices of the backend."""
    for other in map(str, backend_of(device).devices()):
        if not has(dualad.float32, other):
            continue
        a = tensor([1.0, 2.0], dualad.float32, device).requires_grad_()
        b = tensor([3.0, 4.0], dualad.float32, other).requires_grad_()
        (a.to(other) * b).sum().backward()
        for name, leaf, want in (("first", a, [3.0, 4.0]), ("second", b, [1.0, 2.0])):
            expect(
                gradient(leaf).device == leaf.device,
                f"the {name} leaf is on {leaf.device}, its gradient on {gradient(leaf).device}",
            )
            got = gradient(leaf).tolist()
            expect(
                got == want,
                f"with {device} and {other} in one graph the gradient of the {name} is {got}, expected {want}",
            )


def check_results_stay(device: str) -> None:
    """What is made of an array on the device, or for the device, is there."""
    x = tensor([1.0, 2.0], dualad.float32, device).requires_grad_()
    made = {
        "x + 1": x + 1, "x.sum()": x.sum(), "x[0]": x[0], "zeros_like(x)": dualad.zeros_like(x), "x > 1": x > 1,
        "x.reshape(2, 1)": x.reshape(2, 1), "stack([x, x])": dualad.stack([x, x]), "x.max()": x.max(),
        "x.clone()": x.clone(), "zeros(device=)": dualad.zeros(2, device=device),
        "full(device=)": dualad.full((2,), 3.0, device=device), "arange(device=)": dualad.arange(3, device=device, dtype=dualad.int32),
        "eye(device=)": dualad.eye(2, device=device), "linspace(device=)": dualad.linspace(0, 1, 3, device=device),
        "tensor(device=)": dualad.tensor([1.0], device=device), "rand(device=)": dualad.rand(2, device=device),
    }  # fmt: skip
    for what, y in made.items():
        expect(str(y.device) == device, f"{what} is on {y.device}, expected {device}")
    x.sum().backward()
    expect(
        str(gradient(x).device) == device, f"the gradient of a leaf on {device} is on {gradient(x).device}"
    )


CHECKS: dict[str, Callable[[str], None]] = {
    "there and back": check_there_and_back,
    "gradients": check_moves_of_gradients,
    "between devices": check_between_devices,
    "results stay": check_results_stay,
}
