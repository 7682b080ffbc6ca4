"""Measure every workload and print the table of ``benchmarks/README.md``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np

from . import chain, checkpoint, elements, gaussian, hvp, import_time, jacobians, memory, mlp, newton, vmap
from .timing import DUALAD, HAND, HIPS, TORCH, TORCH_ALONE, Contestant, growth, ratios

N = 2000


@dataclass(frozen=True)
class Row:
    """A workload, how it is measured, and the ratios that are required of it."""

    name: str
    measure: Callable[[int], dict[str, float]]
    bars: dict[str, float] = field(default_factory=dict)


def timed(entrants: Callable[[], dict[str, Contestant]]) -> Callable[[int], dict[str, float]]:
    """Return what measures a workload's contestants."""
    return lambda rounds: ratios(entrants(), rounds)


def doubled(entrants: Callable[[int], dict[str, Contestant]], n: int) -> Callable[[int], dict[str, float]]:
    """Return what measures how much longer twice as many elements take."""
    return lambda rounds: {"n": growth(entrants(n)[DUALAD].run, entrants(2 * n)[DUALAD].run, rounds)}


ROWS = [
    Row("150 small ops on 8 floats", timed(chain.reverse), {TORCH_ALONE: 0.65, HIPS: 0.3, HAND: 5}),
    Row("200 Newton steps on a 0-d array", timed(newton.reverse), {TORCH_ALONE: 0.7}),
    Row("MLP 64-256-256-10, batch 128, float32", timed(mlp.reverse), {HAND: 1.4, TORCH: 1.0}),
    Row("sin(x)·exp(−x²) on a million floats", timed(gaussian.reverse), {HAND: 1.3}),
    Row(f"{N} scalar reads of a vector", timed(lambda: elements.reads(N)), {TORCH_ALONE: 0.7}),
    Row("twice as many reads", doubled(elements.reads, N), {"n": 2.2}),
    Row("jvp of the 150 small ops", timed(chain.forward), {TORCH_ALONE: 0.1}),
    Row("peak memory of the MLP's backward", lambda _: {"ledger": memory.of_mlp()}, {"ledger": 1.1}),
    Row("peak memory of the 60-op chain", lambda _: {"ledger": memory.of_chain()}, {"ledger": 1.1}),
    Row(f"{N} scalar writes into a vector", timed(lambda: elements.writes(N))),
    Row("twice as many writes", doubled(elements.writes, N), {"n": 2.2}),
    Row(
        "product with the Hessian of Rosenbrock's function of 1000 variables",
        timed(hvp.products),
        {TORCH_ALONE: 0.5, HIPS: 0.5},
    ),
    Row("another product at the same point", timed(hvp.on_one_tape)),
    Row("jacrev of an MLP from 100 to 100", timed(lambda: jacobians.against_torch("jacrev")), {TORCH: 1.0}),
    Row("jacfwd of it", timed(lambda: jacobians.against_torch("jacfwd")), {TORCH: 1.0}),
    Row("hessian of a loss of it", timed(lambda: jacobians.against_torch("hessian")), {TORCH: 1.0}),
    Row("jacfwd beside a jvp for each column", timed(jacobians.against_columns), {"100 jvp": 0.1}),
    Row("vmap of 10 elementwise ops over 1000 rows of 64", timed(vmap.elementwise), {HAND: 1.3}),
    Row("vmap of an MLP over 1000 rows", timed(vmap.mlp), {HAND: 1.3}),
    Row("gradients of an MLP for each of 100 rows", timed(vmap.gradients_of_each), {TORCH_ALONE: 1.0}),
    Row(
        "peak memory of 64 layers with checkpoints",
        lambda _: checkpoint.memory(),
        {checkpoint.WITHOUT: 0.25},
    ),
    Row("64 layers with checkpoints", checkpoint.time, {checkpoint.WITHOUT: 1.5}),
    Row("import", lambda rounds: {"dependencies": import_time.ratio(rounds)}, {"dependencies": 1.5}),
]


def line(row: Row, rounds: int) -> str:
    """Measure a workload and return its line of the table."""
    measured = row.measure(rounds)
    shown = ", ".join(f"{ratio:.2f} × {name}" for name, ratio in measured.items())
    bars = ", ".join(f"≤ {bar:g} × {name}" for name, bar in row.bars.items())
    missed = [name for name, bar in row.bars.items() if measured[name] > bar]
    verdict = "missed: " + ", ".join(missed) if missed else "met" if bars else ""
    return f"| {row.name} | {shown} | {bars} | {verdict} |"


def table(rows: Iterable[Row], rounds: int) -> None:
    """Print the table, a line as soon as it is measured."""
    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "torch", "autograd"))
    print(f"dualad's time over that of each other, with {packages}\n")
    print("| workload, forward and backward | measured | must be | |\n|---|---|---|---|")
    with np.errstate(all="ignore"):
        for row in rows:
            print(line(row, rounds), flush=True)


def main() -> None:
    """Run the workloads whose names contain the words given, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only workloads with one of these in their name")
    parser.add_argument("--rounds", type=int, default=15, help="how often all take their turn")
    options = parser.parse_args()
    chosen = [r for r in ROWS if not options.words or any(w in r.name for w in options.words)]
    table(chosen, options.rounds)


if __name__ == "__main__":
    main()
