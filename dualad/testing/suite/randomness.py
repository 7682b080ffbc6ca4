"""The checks of random numbers: seeds, copies of generators, and moments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import dualad
from dualad.backends import Device

from .cases import backend_of, expect, expect_equal, has, host, widest

_MANY = 20_000


class _Drawing:
    """A backend's generator, and what is drawn from it."""

    def __init__(self, device: str, seed: int) -> None:
        self.backend, self.device = backend_of(device), Device(device)
        self.generator = self.backend.generator(seed, self.device)

    def __call__(
        self, kind: str, size: int, dtype: dualad.DType, /, generator: Any = None, **parameters: Any
    ) -> Any:
        native = self.backend.native_dtypes[dtype]
        source = self.generator if generator is None else generator
        for name, value in parameters.items():
            if isinstance(value, float):  # these are arrays of the result's shape
                full = np.full((size,), value, dtype.name)
                parameters[name] = self.backend.from_numpy(full, self.device)
        return self.backend.random(source, kind, (size,), native, self.device, **parameters)


def _kinds(device: str) -> list[tuple[str, dualad.DType, dict[str, Any]]]:
    real = widest(False, device)
    integer = dualad.int64 if has(dualad.int64, device) else dualad.int32
    return [
        ("random", real, {}),
        ("standard_normal", real, {}),
        ("integers", integer, {"low": -2, "high": 5}),
        ("standard_gamma", real, {"a": 2.5}),
        ("poisson", real, {"lam": 30.0}),
        ("binomial", real, {"n": 90.0, "p": 0.4}),
    ]


def check_arrays(device: str) -> None:
    """What is drawn has the shape, dtype and device that were asked for."""
    draw = _Drawing(device, 0)
    for kind, dtype, parameters in _kinds(device):
        x = dualad.asarray(draw(kind, 7, dtype, **parameters))
        what = f"random of kind {kind!r}"
        expect(x.shape == (7,), f"{what} has shape {x.shape}, expected (7,)")
        expect(x.dtype is dtype, f"{what} has dtype {x.dtype.name}, expected {dtype.name}")
        expect(str(x.device) == device, f"{what} is on {x.device}, expected {device}")
    for dtype in (dualad.float16, dualad.float32):
        if has(dtype, device):
            got = dualad.asarray(draw("random", 3, dtype)).dtype
            expect(got is dtype, f"random of {dtype.name} has dtype {got.name}")


def check_seeds(device: str) -> None:
    """The same seed gives the same numbers, another seed others; numbers go on, they do not repeat."""
    for kind, dtype, parameters in _kinds(device):
        first, again, other = (_Drawing(device, seed) for seed in (3, 3, 4))
        a, b, c = (host(d(kind, 50, dtype, **parameters), device) for d in (first, again, other))
        expect_equal(f"{kind}: what a generator of the same seed gives", b, a)
        expect(not np.array_equal(a, c), f"{kind}: generators of the seeds 3 and 4 give the same numbers")
        more = host(first(kind, 50, dtype, **parameters), device)
        expect(not np.array_equal(a, more), f"{kind}: a generator gives the same numbers in every call")
    dualad.manual_seed(11)
    x = dualad.randn(5, device=device).cpu().numpy()
    dualad.manual_seed(11)
    expect_equal("randn after manual_seed(11), again", dualad.randn(5, device=device).cpu().numpy(), x)


def check_copies(device: str) -> None:
    """A copy of a generator gives the numbers that come next, and shares no state with it."""
    for kind, dtype, parameters in _kinds(device):
        draw = _Drawing(device, 8)
        draw(kind, 3, dtype, **parameters)  # not from its beginning
        copied = draw.backend.copy_generator(draw.generator)
        again = draw.backend.copy_generator(draw.generator)
        want = host(draw(kind, 9, dtype, **parameters), device)
        got = host(draw(kind, 9, dtype, generator=copied, **parameters), device)
        words = "copy_generator: the copy"
        same = np.array_equal(got, want)
        expect(same, f"{words} does not give the numbers that its original gives next, or shares its state")
        host(draw(kind, 9, dtype, generator=copied, **parameters), device)
        got = host(draw(kind, 9, dtype, generator=again, **parameters), device)
        expect(np.array_equal(got, want), f"{words} shares state: drawing from it moves another one on")


def check_states(device: str) -> None:
    """A generator's state is bytes, and one that is restored from it goes on as it would have."""
    for kind, dtype, parameters in _kinds(device):
        draw = _Drawing(device, 9)
        draw(kind, 3, dtype, **parameters)
        state = draw.backend.generator_state(draw.generator)
        expect(isinstance(state, bytes), f"generator_state gives {type(state).__name__}, expected bytes")
        want = host(draw(kind, 9, dtype, **parameters), device)
        restored = draw.backend.restore_generator(state, draw.device)
        got = host(draw(kind, 9, dtype, generator=restored, **parameters), device)
        expect_equal(f"{kind}: what a restored generator gives", got, want)


#: Of a kind and its parameters: the mean, the variance, and the fourth power of the distance from the mean.
_MOMENTS: tuple[tuple[str, dict[str, Any], float, float, float], ...] = (
    ("random", {}, 0.5, 1 / 12, 1 / 80),
    ("standard_normal", {}, 0.0, 1.0, 3.0),
    ("standard_gamma", {"a": 2.5}, 2.5, 2.5, 3 * 2.5**2 + 6 * 2.5),
    ("poisson", {"lam": 30.0}, 30.0, 30.0, 30.0 + 3 * 30.0**2),
    ("binomial", {"n": 90.0, "p": 0.4}, 36.0, 21.6, 21.6 * (1 + 3 * 88 * 0.24)),
)


def check_moments(device: str) -> None:
    """Means, variances and bounds are those of the distribution."""
    draw = _Drawing(device, 1)
    real = widest(False, device)
    for kind, parameters, mean, variance, fourth in _MOMENTS:
        x = host(draw(kind, _MANY, real, **parameters), device).astype(np.float64)
        # Six standard deviations of what is estimated: one run in 10**8 is further off.
        error = abs(x.mean() - mean) / (variance / _MANY) ** 0.5
        expect(error < 6, f"{kind}: the mean of {_MANY} numbers is {x.mean():.4f}, expected {mean}")
        error = abs(x.var() - variance) / ((fourth - variance**2) / _MANY) ** 0.5
        expect(
            error < 6, f"{kind}: the variance of {_MANY} numbers is {x.var():.4f}, expected {variance:.4f}"
        )
        following = np.corrcoef(x[1:], x[:-1])[0, 1] * _MANY**0.5
        expect(abs(following) < 6, f"{kind}: numbers that follow one another are correlated")
    x = host(draw("random", _MANY, real), device)
    expect(
        x.min() >= 0 and x.max() < 1, f"random: numbers reach from {x.min()} to {x.max()}, expected [0, 1)"
    )
    integer = dualad.int64 if has(dualad.int64, device) else dualad.int32
    x = host(draw("integers", _MANY, integer, low=-2, high=5), device)
    expect(set(x.tolist()) == set(range(-2, 5)), f"integers from -2 to below 5 are {sorted(set(x.tolist()))}")
    counts = np.bincount(x + 2, minlength=7)
    expect(
        abs(counts - _MANY / 7).max() < 6 * (_MANY / 7) ** 0.5, f"integers are not even: {counts.tolist()}"
    )


CHECKS: dict[str, Callable[[str], None]] = {
    "arrays": check_arrays,
    "seeds": check_seeds,
    "copies": check_copies,
    "states": check_states,
    "moments": check_moments,
}
