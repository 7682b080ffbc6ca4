"""The checks of reading, writing and adding at keys, compared with NumPy on keys drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import dualad

from .cases import Fault, backend_of, expect, expect_equal, gradient, has, host, native, tensor

_KEYS = 60  # so many keys are drawn


def _integers(rng: np.random.Generator, n: int, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-n, n, shape)


def _part(rng: np.random.Generator, n: int) -> Any:
    """Return what a key may have for an axis of length n, arrays aside."""
    if rng.random() < 0.4:
        return int(rng.integers(-n, n))
    start, stop = (None if rng.random() < 0.3 else int(rng.integers(-n - 1, n + 2)) for _ in range(2))
    return slice(start, stop, [None, 1, 2, -1, -2][rng.integers(5)])


def draw_key(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Return a key that NumPy takes for an array of that shape."""
    kind = rng.integers(6)
    if kind == 0:  # a mask of the whole array, or of its first axis
        return rng.random(shape if rng.random() < 0.5 else shape[:1]) < 0.5
    parts = [_part(rng, n) for n in shape]
    if kind in (1, 2):  # arrays of positions, which broadcast
        axes = rng.permutation(len(shape))[: rng.integers(1, len(shape) + 1)]
        sizes = [(3,), (2, 1), (), (3,)]
        for axis in axes:
            parts[axis] = _integers(rng, shape[axis], sizes[rng.integers(len(sizes))])
    if kind == 3:
        parts.insert(int(rng.integers(len(parts) + 1)), None)
    if kind == 4:
        at = int(rng.integers(len(parts)))
        parts[at : at + 1] = [...]
    if kind == 5:
        parts = parts[: rng.integers(1, len(parts) + 1)]
    return tuple(parts) if len(parts) > 1 or rng.random() < 0.5 else parts[0]


def keys() -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield shapes, and a key for each: the same ones in every run."""
    rng = np.random.default_rng(20)
    fixed: list[tuple[tuple[int, ...], Any]] = [
        ((3, 4), -1), ((3, 4), (-1, -4)), ((3, 4), (slice(None), -2)), ((5,), slice(None, None, -1)),
        ((5,), slice(-2, None)), ((5,), slice(-1, -4, -2)), ((5,), np.array([-1, 0, -5])), ((3, 4), (np.array([0, -1]), -1)),
        ((3,), ()), ((3, 4), ...), ((3, 4), (None, 1, None)), ((2, 3), np.zeros((2, 3), bool)),
        ((3, 4, 2), (np.array([0, 1]), slice(None), np.array([1, -2]))),
    ]  # fmt: skip
    yield from fixed
    shapes = [(5,), (3, 4), (2, 3, 4), (1, 4), (2, 1, 3, 2)]
    for k in range(_KEYS):
        shape = shapes[k % len(shapes)]
        yield shape, draw_key(rng, shape)


def _words(key: Any) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return "[" + ", ".join(_word(p) for p in parts) + "]"


def _word(part: Any) -> str:
    if isinstance(part, slice):
        return ":".join("" if v is None else str(v) for v in (part.start, part.stop, part.step)).removesuffix(
            ":"
        )
    return {type(None): "None", type(...): "..."}.get(type(part), str(np.asarray(part).tolist()))


def _numbers(shape: tuple[int, ...], device: str, start: int = 1) -> np.ndarray:
    dtype = "float64" if has(dualad.float64, device) else "float32"
    return np.arange(start, start + int(np.prod(shape))).reshape(shape).astype(dtype)


def check_reading(device: str) -> None:
    """`getitem` reads at any key that NumPy takes."""
    backend = backend_of(device)
    for shape, key in keys():
        array = _numbers(shape, device)
        got = _called("getitem", shape, key, partial(backend.getitem, native(array, device), key=key))
        expect_equal(f"getitem: x{_words(key)} of shape {shape}", host(got, device), array[key])


def _called(hook: str, shape: tuple[int, ...], key: Any, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        words = f"{hook}: x{_words(key)} of shape {shape} raises {type(error).__name__}: {error}"
        raise Fault(words) from error


def check_writing(device: str) -> None:
    """`setitem` writes at any key, into a copy."""
    backend = backend_of(device)
    for shape, key in _writable_keys():
        array = _numbers(shape, device)
        value = _numbers(array[key].shape, device, start=100)
        want = array.copy()
        want[key] = value
        there, new = native(array, device), native(value, device)
        got = _called("setitem", shape, key, partial(backend.setitem, there, new, key=key))
        expect_equal(f"setitem: x{_words(key)} = ... of shape {shape}", host(got, device), want)
        after = host(there, device)
        kept = np.array_equal(after, array)
        expect(
            kept,
            f"setitem writes into its argument, where a copy is due: x{_words(key)} of shape {shape} has changed",
        )


def _writable_keys() -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield keys that name no place twice: which of several values is written there is not told."""
    for shape, key in keys():
        places = np.arange(int(np.prod(shape))).reshape(shape)[key]
        if np.unique(places).size == np.size(places):
            yield shape, key


def check_writing_in_place(device: str) -> None:
    """`write` gives what `setitem` gives, for an array that is its caller's own."""
    backend = backend_of(device)
    for shape, key in _writable_keys():
        array = _numbers(shape, device)
        want = array.copy()
        want[key] = 7
        own = backend.copy(native(array, device))
        seven = native(np.asarray(7, array.dtype), device)
        got = _called("write", shape, key, partial(backend.write, own, seven, key))
        expect_equal(f"write: x{_words(key)} = 7 of shape {shape}", host(got, device), want)


def check_adding(device: str) -> None:
    """`index_add` and `scatter` add at any key, a place that is named twice twice."""
    backend = backend_of(device)
    for shape, key in keys():
        array = _numbers(shape, device)
        value = _numbers(array[key].shape, device, start=3)
        want = array.copy()
        np.add.at(want, key, value)
        own, new = backend.copy(native(array, device)), native(value, device)
        got = _called("index_add", shape, key, partial(backend.index_add, own, new, key=key))
        repeated = _is_repeated(shape, key)
        expect_equal(f"index_add: x{_words(key)} += ... of shape {shape}{repeated}", host(got, device), want)
        expect_equal("index_add: the value that is added, afterwards", host(new, device), value)
        zeros = np.zeros(shape, array.dtype)
        np.add.at(zeros, key, value)
        got = _called("scatter", shape, key, partial(backend.scatter, new, shape=shape, key=key))
        expect_equal(
            f"scatter: zeros of shape {shape} with values added at {_words(key)}{repeated}",
            host(got, device),
            zeros,
        )


def _is_repeated(shape: tuple[int, ...], key: Any) -> str:
    places = np.arange(int(np.prod(shape))).reshape(shape)[key]
    return ", where a place is named twice," if np.unique(places).size < np.size(places) else ""


def check_programs(device: str) -> None:
    """Tensors are read and written as arrays of NumPy are, and gradients know of it."""
    a = tensor([1.0, 2.0], dualad.float32, device).requires_grad_()
    x = dualad.zeros(4, device=device)
    x[1:3] = a * a
    y = x.exp()
    x[1] = 0.0
    y.sum().backward()
    want = [2 * np.exp(1.0), 4 * np.exp(4.0)]
    close = np.allclose(gradient(a).tolist(), want, rtol=1e-5)
    expect(close, f"the gradient through a part that was written is {gradient(a).tolist()}, expected {want}")
    z = dualad.zeros((2, 3), device=device)
    view = z[1]
    view += 1
    z[0] = 5
    expect(z.tolist() == [[5.0] * 3, [1.0] * 3], f"z[1] += 1; z[0] = 5 gives {z.tolist()}")
    expect(view.tolist() == [1.0] * 3, f"a view of z[1] reads {view.tolist()} after z[0] was written")


def check_index_arrays(device: str) -> None:
    """Keys may be arrays on the device."""
    x = tensor(np.arange(6.0).reshape(2, 3), dualad.float32, device)
    name = backend_of(device).index_dtype(x.device)
    index = dualad.asarray([1, 0, 1], dtype=name, device=device)
    expect(x[index].tolist() == [[3, 4, 5], [0, 1, 2], [3, 4, 5]], f"x[[1, 0, 1]] is {x[index].tolist()}")
    expect(x[x > 3].tolist() == [4.0, 5.0], f"x[x > 3] is {x[x > 3].tolist()}")
    got = dualad.grad(lambda x: x[index].sum())(x).tolist()
    expect(got == [[1.0] * 3, [2.0] * 3], f"the gradient of x[[1, 0, 1]].sum() is {got}")


CHECKS: dict[str, Callable[[str], None]] = {
    "reading": check_reading,
    "writing": check_writing,
    "writing in place": check_writing_in_place,
    "adding": check_adding,
    "programs": check_programs,
    "index arrays": check_index_arrays,
}
