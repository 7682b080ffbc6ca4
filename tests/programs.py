"""Random programs of 1 to 30 steps, and what must hold for the derivatives of each.

``python tests/programs.py 20000`` runs so many, reports what fails with its source, and how good the
evidence was. `test_programs.py` runs a slice of them, drawn by hypothesis.
"""

from __future__ import annotations

import gc
import math
import re
import sys
import time
import warnings
from copy import copy
from random import Random

import numpy as np
from program_laws import WRAPPERS, Evidence, check_complex_steps, check_program
from program_steps import STEPS

import dualad

LARGEST = 4.0  # what a value is scaled to, so that functions of it stay finite
ELEMENTS, AXES = 24, 4  # of a value at most
NOT_ANALYTIC = re.compile(
    r"abs|complex|conj|real|imag|sign|relu|floor|ceil|trunc|round|clip|clamp|%|//|max|min|sort|topk|[<>]|hypot|atan2|logaddexp"
    r"|logsumexp|softmax|sigmoid|special|var|norm|vecdot|remainder|nextafter|fft|lambda|eig|svd|cholesky|pinv|qr|slogdet"
)


@dualad.custom_root(lambda x, a: x**3 + x - a)
def _root(x0, a):
    for _ in range(40):
        x0 = x0 - (x0**3 + x0 - a) / (3 * x0 * x0 + 1)
    return x0


def root(a):
    """Return the solution of x³ + x = a, differentiated by that equation."""
    return _root(a * 0, a)


def solve(a, b):
    """Return the solution of linear systems, differentiated by what they say."""
    return dualad.custom_linear_solve(lambda x, a: (a @ x[..., None])[..., 0], b, "dense", args=(a,))


class Writer:
    """A program in the making: its inputs, its lines, and the values they have so far.

    Parameters
    ----------
    random : random.Random
        What chooses: seeded, or hypothesis'.
    analytic : bool
        Make it of real inputs and analytic functions, which complex steps can differentiate.
    device : str
        Where its values are.
    """

    def __init__(self, random: Random, analytic: bool = False, device: str = "cpu") -> None:
        self.random, self.analytic, self.device = random, analytic, device
        const = lambda a: dualad.asarray(np.array(a), device=device)  # noqa: E731
        self.env = {"dualad": dualad, "np": np, "const": const, "root": root, "solve": solve}
        self.steps: dict[str, str] = {}
        self.values: dict[str, dualad.Tensor] = {}
        self.outputs: list[str] = []
        self.wrapper = self.choose(list(WRAPPERS))
        self.count = 0
        self.inputs = [self._input(i) for i in range(1 + self.below(3))]
        wanted = 1 + self.below(30)
        for _ in range(20 * wanted):
            if len(self.values) >= len(self.inputs) + wanted:
                break
            self._step()
        made = list(self.values)[len(self.inputs) :] or list(self.values)
        others = [self.choose(made) for _ in range(self.below(3))]
        self.outputs = list(dict.fromkeys([made[-1], *others]))

    def _input(self, i: int) -> np.ndarray:
        shape = self.choose([(), (3,), (2, 3), (3, 3), (2, 1), (1, 3), (2, 2, 2), (4,), (2, 3, 3), (1,)])
        rng = np.random.default_rng(self.below(1 << 16))
        x = rng.uniform(-1.5, 1.5, shape)
        if self.below(4) == 0 and not self.analytic:
            x = x + 1j * rng.uniform(-1.5, 1.5, shape)
        self.values[f"x{i}"] = dualad.asarray(x, device=self.device)
        return np.asarray(x)

    def _step(self) -> None:
        step = self.random.choices(list(STEPS), list(STEPS.values()))[0]
        source = step(self)
        if source is None or (self.analytic and NOT_ANALYTIC.search(source)):
            return
        *before, expression = source.split("\n")
        before = [line for line in before if line]
        name = self.name()
        env = self.env | self.values
        text = "\n".join([*before, f"{name} = {expression}"])
        with np.errstate(all="ignore"):
            try:
                exec(text, env)
            except Exception as error:
                raise RuntimeError(f"a step cannot be taken:\n{self.source(text)}") from error
        value = env[name]
        if not self._is_kept(value):
            return
        largest = float(dualad.max(dualad.abs(value)))
        if largest > LARGEST:
            scale = 2.0 ** -math.ceil(math.log2(largest / LARGEST))
            text += f"\n{name} = {name} * {scale!r}"
            value = value * scale
        self.steps[name] = text
        self.values[name] = value

    @staticmethod
    def _is_kept(value: object) -> bool:
        if type(value) is not dualad.Tensor or not value.dtype.is_differentiable:
            return False
        if value.dtype not in (dualad.float64, dualad.complex128):
            raise AssertionError(f"a step gave {value.dtype}")
        if not 0 < value.size <= ELEMENTS or value.ndim > AXES:
            return False
        largest = float(dualad.max(dualad.abs(value)))
        return math.isfinite(largest) and largest < 1e4

    # -- what steps ask ------------------------------------------------------------------------

    def below(self, n: int) -> int:
        """Return a number below n."""
        return self.random.randrange(n)

    def choose(self, items):
        """Return one of a list."""
        return items[self.random.randrange(len(items))]

    def shuffled(self, items):
        """Return a list in another order."""
        items = list(items)
        self.random.shuffle(items)
        return items

    def name(self) -> str:
        """Return a name that no value has."""
        self.count += 1
        return f"v{self.count}"

    def having(self, condition) -> str | None:
        """Return the name of a value of which the condition is true, late ones more often."""
        found = [name for name, value in self.values.items() if condition(value)]
        return self.choose(found[-4:] if found[-4:] and self.below(2) else found) if found else None

    def any(self) -> str:
        return self.having(lambda v: True)

    def real(self) -> str | None:
        return self.having(lambda v: not v.dtype.is_complex)

    def complex(self) -> str | None:
        return self.having(lambda v: v.dtype.is_complex)

    def is_complex(self, name: str) -> bool:
        return self.values[name].dtype.is_complex

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.values[name].shape)

    def is_writable(self, name: str) -> bool:
        """Return whether a value may be changed in place: it is none of the inputs, nor a view of one."""
        families = [x._alias and x._alias.family for x in list(self.values.values())[: len(self.inputs)]]
        alias = self.values[name]._alias
        return name[0] != "x" and (alias is None or all(f is not alias.family for f in families))

    def partner(self, x: str, complex: bool = False) -> str:
        """Return a value that broadcasts with another."""
        shape = self.shape(x)
        fits = lambda v: (complex or not v.dtype.is_complex) and _broadcasts(shape, tuple(v.shape))  # noqa: E731
        return self.having(fits) or x

    def broadcast(self, x: str, y: str) -> tuple[int, ...]:
        return np.broadcast_shapes(self.shape(x), self.shape(y))

    @staticmethod
    def fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
        """Return whether an array of a shape can be written into one of another."""
        return _broadcasts(shape, target) and np.broadcast_shapes(shape, target) == target

    def small(self, x: str) -> str:
        """Return an expression of x of at most 0.8, of 0.5 for complex numbers."""
        if self.is_complex(x):
            return f"({x} / (1 + dualad.real({x} * dualad.conj({x}))))"
        forms = ["(dualad.tanh({x}) * 0.8)", "({x} / (1 + {x} * {x}))", "(dualad.sin({x}) * 0.8)"]
        return self.choose(forms).format(x=x)

    def is_clear(self, margin: str) -> bool:
        """Return whether an expression is farther from 0 than differences reach."""
        return bool(dualad.all(dualad.abs(eval(margin, self.env | self.values)) > 0.02))

    def axis(self, x: str) -> int:
        n = len(self.shape(x))
        return self.below(2 * n) - n

    def axes(self, x: str):
        n = len(self.shape(x))
        if not n or self.below(3) == 0:
            return None
        return self.axis(x) if self.below(2) else tuple(sorted(self.shuffled(range(n))[: 1 + self.below(n)]))

    def mask(self, shape: tuple[int, ...]) -> str:
        chosen = np.random.default_rng(self.below(1 << 16)).random(shape) < 0.5
        return f"const({chosen.tolist()})"

    def reshaped(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        n = math.prod(shape)
        first = self.choose([k for k in range(1, n + 1) if n % k == 0])
        return self.choose([(first, n // first), (first, -1), (n,)])

    def key(self, shape: tuple[int, ...], distinct: bool = False) -> str:
        """Return an index of an array of a shape; if `distinct`, one that names no element twice."""
        parts = []
        for n in shape[: self.below(len(shape) + 1)]:
            lists = [[self.below(n) for _ in range(2)]] if not distinct else []
            kinds = [str(self.below(2 * n) - n), f"{self.below(n)}:", "::-1", "::2", ":", *map(repr, lists)]
            parts.append(self.choose(kinds))
        if self.below(6) == 0:
            parts.append("...")
        if self.below(6) == 0:
            parts.insert(0, "None")
        if shape and self.below(8) == 0:
            return self.mask(shape)
        return ", ".join(parts) if parts else "..."

    # -- the program ---------------------------------------------------------------------------

    def source(self, *further: str) -> str:
        """Return the program as Python source: a function `f` of a list of inputs.

        ``const`` makes a Tensor of a list, of NumPy's dtype, where the inputs are; `root` and `solve` are
        those above.
        """
        names = ", ".join(f"x{i}" for i in range(len(self.inputs)))
        texts = [*self.steps.values(), *further]
        body = "".join(f"    {line}\n" for text in texts for line in text.split("\n"))
        return f"def f(xs):\n    {names}, = xs\n{body}    return [{', '.join(self.outputs)}]\n"

    def listing(self) -> str:
        """Return the program as it can be run again: its inputs and its source."""
        return f"xs = {[a.tolist() for a in self.inputs]}\n{self.source()}"

    def function(self):
        env = dict(self.env)
        exec(self.source(), env)
        return env["f"]

    def check(self, evidence: Evidence) -> None:
        """Hold all laws for the program; raise AssertionError where one does not."""
        f = self.function()
        if self.analytic:
            check_complex_steps(f, self.inputs)
        check_program(f, self.inputs, evidence, self.wrapper, self.device)

    def reduced(self, fails) -> Writer:
        """Return the shortest of the programs for one of the values that fail as this one does."""
        small = copy(self)
        for name in self.steps:
            small.outputs = [name]
            small.steps = self._leading_to(name)
            if fails(small):
                return small
        return self

    def _leading_to(self, name: str) -> dict[str, str]:
        needed = {name}
        for step, text in reversed(self.steps.items()):
            if step in needed:
                needed.update(re.findall(r"\bv\d+\b", text))
        return {step: text for step, text in self.steps.items() if step in needed}


def _broadcasts(a, b) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False))


# -- the command -------------------------------------------------------------------------------


def failure(writer: Writer, evidence: Evidence | None = None) -> str:
    """Return what a program fails by, or ""."""
    try:
        writer.check(evidence or Evidence())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main(count: int, start: int = 0) -> int:
    """Check `count` programs, from a seed on; report those that fail; return how many do."""
    gc.collect()
    gc.freeze()  # so that looking for cycles looks at what a program has made
    warnings.simplefilter("error")
    evidence, failed, began = Evidence(), 0, time.perf_counter()
    for done, seed in enumerate(range(start, start + count), 1):
        writer = Writer(Random(seed), analytic=seed % 4 == 3)
        evidence.lengths.append(len(writer.steps))
        reason = failure(writer, evidence)
        if reason:
            failed += 1
            small = writer.reduced(failure)
            print(f"-- seed {seed}: {reason}\n   reduced: {failure(small)}\n{small.listing()}", flush=True)
        if done % 500 == 0 or done == count:
            seconds = time.perf_counter() - began
            print(f"{done} programs in {seconds:.0f} s, {failed} failed; {evidence.told()}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
