"""Timing by turns: machines are noisy and drift, so only ratios within a round are trusted."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import torch

HAND, DUALAD, HIPS = "hand-written", "dualad", "HIPS autograd"
TORCH, TORCH_ALONE = "PyTorch", "PyTorch, 1 thread"

_default_threads = torch.get_num_threads()


@dataclass(frozen=True)
class Contestant:
    """A computation to be timed, and how many threads PyTorch may use for it."""

    run: Callable[[], Any]
    threads: int = 1


def contestants(dualad: Any, torch: Any, hips: Any = None, hand: Any = None) -> dict[str, Contestant]:
    """Return a workload's contestants by name. PyTorch runs with one thread and as it comes."""
    functions = {DUALAD: dualad, HAND: hand, HIPS: hips}
    found = {name: Contestant(run) for name, run in functions.items() if run is not None}
    found[TORCH_ALONE] = Contestant(torch)
    found[TORCH] = Contestant(torch, _default_threads)
    return found


def ratios(entrants: dict[str, Contestant], rounds: int, block: float = 0.05) -> dict[str, float]:
    """Return dualad's time over each other contestant's: the median of the rounds' ratios.

    Parameters
    ----------
    entrants : dict of str to Contestant
        Who takes part; one is dualad.
    rounds : int
        How often all of them are timed, in an order that turns.
    block : float
        The seconds that one timing should last, at least; short runs are repeated to fill them.
    """
    repeats = {name: _repeats(c, block) for name, c in entrants.items()}
    times: dict[str, list[float]] = {name: [] for name in entrants}
    names = list(entrants)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(_time(entrants[name], repeats[name]))
    return {name: median(map(_divide, times[DUALAD], times[name])) for name in names if name != DUALAD}


def growth(small: Callable[[], Any], large: Callable[[], Any], rounds: int, block: float = 0.05) -> float:
    """Return the time of `large` over that of `small`, the median of the rounds' ratios."""
    return ratios({DUALAD: Contestant(large), "small": Contestant(small)}, rounds, block)["small"]


def _divide(a: float, b: float) -> float:
    return a / b


def _repeats(entrant: Contestant, block: float) -> int:
    """Return how many runs fill a block, found after two runs to warm up."""
    entrant.run()
    entrant.run()
    return max(1, round(block / _time(entrant, 1)))


def _time(entrant: Contestant, repeats: int) -> float:
    torch.set_num_threads(entrant.threads)
    entrant.run()  # so that no contestant pays for caches the one before has emptied
    gc.collect()
    start = perf_counter()
    for _ in range(repeats):
        entrant.run()
    return (perf_counter() - start) / repeats
