"""The checks of shared memory: who writes to an array changes nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import dualad

from .cases import backend_of, expect, gradient, has, host, native, tensor

#: Functions whose results may be views of their argument.
VIEWS: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: dualad.reshape(x, (3, 2)),
    "permute_dims": lambda x: dualad.permute_dims(x, (1, 0)),
    "broadcast_to": lambda x: dualad.broadcast_to(x, (2, 2, 3)),
    "broadcast_to, of a row": lambda x: dualad.broadcast_to(x[0], (2, 3)),
    "flip": lambda x: dualad.flip(x, axis=0),
    "expand_dims": lambda x: dualad.expand_dims(x, axis=0),
    "squeeze": lambda x: dualad.squeeze(x[None], 0),
    "getitem": lambda x: x[1],
    "getitem, of all": lambda x: x[...],
    "getitem, with a step": lambda x: x[:, ::2],
    "real": lambda x: dualad.real(x),
    "conj": lambda x: dualad.conj(x),
    "positive": lambda x: dualad.positive(x),
    "astype": lambda x: dualad.astype(x, x.dtype, copy=False),
    "unstack": lambda x: dualad.unstack(x)[0],
    "clone": lambda x: x.clone(),
    "detach": lambda x: x.detach(),
    "tril": lambda x: dualad.tril(x, k=2),
    "roll": lambda x: dualad.roll(x, 0),
    "concat": lambda x: dualad.concat([x]),
    "where": lambda x: dualad.where(x > 0, x, x),
    "clip": lambda x: dualad.clip(x, -100, 100),
}


def check_owned_memory(device: str) -> None:
    """An array that `owns_memory` says yes of is seen by nobody else."""
    backend = backend_of(device)
    for name, f in VIEWS.items():
        array = np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3)
        x = dualad.asarray(native(array, device))
        y = f(x)
        raw = y._value
        if raw is x._value or not isinstance(raw, backend.array_types) or not backend.owns_memory(raw):
            continue
        want = np.array(host(raw, device))
        key = (0,) * want.ndim
        changed = want.copy()
        changed[key] = 77
        written = backend.write(raw, native(np.asarray(77, np.float32), device), key)
        what = f"owns_memory says yes of the result of {name}, and "
        got = host(x._value, device)
        kept = np.array_equal(got, array)
        expect(kept, f"{what}writing to it changed the argument: they share memory, so it must say no")
        same = np.array_equal(host(written, device), changed)
        expect(same, f"{what}writing one element of it changed others: they share memory, so it must say no")


def check_values_do_not_change(device: str) -> None:
    """Writing to a result that is no view leaves the argument as it was."""
    for name in ("clone", "positive", "tril", "roll", "concat", "where", "clip"):
        x = tensor(np.arange(1.0, 7.0).reshape(2, 3), dualad.float32, device)
        before = x.tolist()
        y = VIEWS[name](x)
        y[0, 0] = 99.0
        y += 1
        expect(x.tolist() == before, f"writing to the result of {name} changed its argument: {x.tolist()}")


def check_saved_values(device: str) -> None:
    """What a derivative needs is as it was, whoever writes afterwards."""
    x = tensor([1.0, 2.0, 3.0], dualad.float32, device).requires_grad_()
    y = x * 1
    z = (y * y).sum()
    y[0] = 100.0
    y += 5
    z.backward()
    got = gradient(x).tolist()
    expect(
        got == [2.0, 4.0, 6.0],
        f"the gradient of sum(y * y), y written to afterwards, is {got}, expected [2, 4, 6]",
    )


def check_arrays_given(device: str) -> None:
    """An array of the library that the user keeps is never written to, and `copy=True` copies."""
    backend = backend_of(device)
    array = np.arange(3, dtype=np.float32)
    there = native(array, device)
    x = dualad.asarray(there)
    x[0] = 50.0
    x *= 2
    kept = np.array_equal(host(there, device), array)
    expect(kept, "writing to a Tensor changed the array of the library that it was made of")
    copied = dualad.asarray(there, copy=True)._value
    if backend.owns_memory(copied):
        backend.write(copied, native(np.asarray(9, np.float32), device), (0,))
        kept = np.array_equal(host(there, device), array)
        expect(kept, "asarray(copy=True) shares memory with its argument, where a copy is due")


def check_gradients_are_own(device: str) -> None:
    """Gradients of different leaves can be written to one by one."""
    dtype = dualad.float64 if has(dualad.float64, device) else dualad.float32
    a, b = (tensor([1.0, 2.0], dtype, device).requires_grad_() for _ in range(2))
    (a + b).sum().backward()
    g = gradient(a)
    g[0] = 7.0
    g += 1
    expect(
        gradient(b).tolist() == [1.0, 1.0],
        f"writing to one leaf's gradient changed another's: {gradient(b).tolist()}",
    )
    (a * b).sum().backward()
    expect(
        gradient(b).tolist() == [2.0, 3.0],
        f"a gradient that others were added to is {gradient(b).tolist()}, expected [2, 3]",
    )


CHECKS: dict[str, Callable[[str], None]] = {
    "owned memory": check_owned_memory,
    "values do not change": check_values_do_not_change,
    "saved values": check_saved_values,
    "arrays given": check_arrays_given,
    "gradients": check_gradients_are_own,
}
