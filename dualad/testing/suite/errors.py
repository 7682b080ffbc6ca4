"""The checks of errors: dualad's own, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dualad
from dualad.engine.recording import observers

from .cases import Fault, backend_of, expect, gradient, has, tensor

Call = Callable[[Any], Any]

#: What is wrong with a call: the call, on a Tensor of shape (2, 3), and what it must raise.
WRONG: dict[str, tuple[Call, type[Exception]]] = {
    "shapes that do not broadcast": (lambda x: x + dualad.ones((2, 4), device=x.device), dualad.ShapeError),
    "matrices that do not fit": (lambda x: x @ x, dualad.ShapeError),
    "a reshape to another size": (lambda x: x.reshape(4, 2), dualad.ShapeError),
    "a concat of other shapes": (lambda x: dualad.concat([x, x[:, :2]]), dualad.ShapeError),
    "an axis that is not there": (lambda x: dualad.sum(x, axis=2), dualad.AxisError),
    "reading out of bounds": (lambda x: x[5], dualad.AxisError),
    "writing out of bounds": (lambda x: _write(x.detach(), (0, 3)), dualad.AxisError),
    "too many indices": (lambda x: x[0, 0, 0], dualad.AxisError),
    "writing another shape": (lambda x: _write(x.detach(), 0, dualad.ones(2, device=x.device)), dualad.ShapeError),
    "a matrix that is not square": (dualad.linalg.inv, dualad.ShapeError),
    "a word for an array": (lambda x: dualad.add(x, "word"), dualad.UnknownOperandError),
    "a cotangent of another shape": (lambda x: (x * 2).backward(dualad.ones(3, device=x.device)), dualad.ShapeError),
    "a result of many elements": (lambda x: (x * 2).backward(), dualad.GradientError),
    "integers that require grad": (
        lambda x: dualad.ones(2, dtype=dualad.int32, device=x.device, requires_grad=True), dualad.DTypeError,
    ),
    "a device that is not there": (
        lambda x: dualad.ones(1, device=f"{str(x.device).partition(':')[0]}:4711"), dualad.DeviceError,
    ),
}  # fmt: skip


def _write(x: Any, key: Any, value: Any = 1.0) -> None:
    x = x.clone()
    x[key] = value


def check_wrong_call(name: str, device: str) -> None:
    """A wrong call raises dualad's error, and what comes after it is right."""
    call, kind = WRONG[name]
    x = tensor([[1.0, 2.0, 3.0]] * 2, dualad.float32, device).requires_grad_()
    try:
        call(x)
    except kind:
        pass
    except Exception as error:
        words = f"{name} raises {type(error).__name__} ({error}), expected dualad's {kind.__name__}"
        raise Fault(words) from error
    else:
        raise Fault(f"{name} raises nothing, expected dualad's {kind.__name__}")
    expect(x.grad is None, f"{name} left a gradient behind")
    expect(dualad.is_grad_enabled() and not observers(), f"{name} left a mode behind")
    (x * x).sum().backward()
    got = gradient(x).tolist()
    expect(got == [[2.0, 4.0, 6.0]] * 2, f"after {name} the gradient of sum(x * x) is {got}")


def check_missing_dtypes(device: str) -> None:
    """A dtype that the device lacks is refused by name."""
    for dtype in dualad.dtypes.ALL:
        try:
            x = dualad.zeros(2, dtype=dtype, device=device)
        except TypeError as error:
            words = f"zeros of {dtype.name} is refused, of which has_dtype says yes: {error}"
            expect(not has(dtype, device), words)
            expect(isinstance(error, dualad.DTypeError), f"zeros of {dtype.name} is refused by no DTypeError")
        else:
            expect(has(dtype, device), f"zeros of {dtype.name} is made, of which has_dtype says no")
            expect(x.dtype is dtype, f"zeros of {dtype.name} has dtype {x.dtype.name}")


def check_mixed_devices(device: str) -> None:
    """Arrays on different devices do not meet by accident."""
    others = [str(d) for d in backend_of(device).devices() if str(d) != device]
    for other in [*others, *(["cpu"] if device != "cpu" else [])]:
        try:
            y = dualad.ones(2, device=device) + dualad.ones(2, device=other)
        except dualad.DeviceError:
            continue
        raise Fault(
            f"an array on {device} plus one on {other} gives one on {y.device}, expected a DeviceError"
        )


CHECKS: dict[str, Callable[[str], None]] = {
    "missing dtypes": check_missing_dtypes,
    "mixed devices": check_mixed_devices,
}
