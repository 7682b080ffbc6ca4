"""The CUDA table: dualad beside CuPy by hand, PyTorch and JAX on one GPU. See ``docs/cuda.md``.

``python -m benchmarks.cuda`` prints the table, with the GPU, the driver, versions and the date;
``--device cpu`` runs the same programs with NumPy, to try them where there is no GPU. What is not
installed, or has no GPU, is left out and named.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import dualad

from .cuda_programs import PROGRAMS, Program, rosenbrock, rosenbrock_product

HAND = "by hand"
N = 1_000_000


@dataclass(frozen=True)
class Library:
    """Somebody who takes part: how arrays come and go, gradients are had, and the GPU is waited for."""

    name: str
    arrays: Callable[[list[Any]], list[Any]]
    gradients: Callable[[Program, list[Any], list[Any]], Callable[[], Any]]
    hessian_product: Callable[[Any, Any], Callable[[], Any]]
    to_numpy: Callable[[Any], Any]
    wait: Callable[[], None]


def with_dualad(device: str) -> Library:
    """Return dualad: a program and `backward`, op by op."""

    def gradients(program: Program, parameters: list[Any], data: list[Any]) -> Callable[[], Any]:
        tracked = [p.requires_grad_() for p in parameters]

        def run() -> Any:
            for p in tracked:
                p.grad = None
            program.loss(dualad, tracked, *data).backward()
            return [p.grad for p in tracked]

        return run

    def hessian_product(x: Any, v: Any) -> Callable[[], Any]:
        return lambda: dualad.hvp(lambda x: rosenbrock(dualad, [x]), (x,), (v,))

    return Library(
        "dualad",
        lambda arrays: [dualad.asarray(a, device=device) for a in arrays],
        gradients,
        hessian_product,
        lambda x: x.cpu().numpy(),
        dualad.cuda.synchronize if device != "cpu" else lambda: None,
    )


def by_hand(device: str) -> Library:
    """Return CuPy, or NumPy on the CPU, with gradients written by hand."""
    if device == "cpu":
        xp: Any = np
        wait: Callable[[], None] = lambda: None  # noqa: E731
    else:
        import cupy as xp

        wait = xp.cuda.Device().synchronize
    return Library(
        HAND,
        lambda arrays: [xp.asarray(a) for a in arrays],
        lambda program, parameters, data: lambda: program.by_hand(xp, parameters, *data),
        lambda x, v: lambda: rosenbrock_product(xp, x, v),
        lambda x: x if device == "cpu" else x.get(),
        wait,
    )


def with_torch(device: str) -> Library:
    """Return PyTorch, op by op."""
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise ImportError("this PyTorch finds no GPU")

    def gradients(program: Program, parameters: list[Any], data: list[Any]) -> Callable[[], Any]:
        tracked = [p.requires_grad_() for p in parameters]

        def run() -> Any:
            for p in tracked:
                p.grad = None
            program.loss(torch, tracked, *data).backward()
            return [p.grad for p in tracked]

        return run

    def hessian_product(x: Any, v: Any) -> Callable[[], Any]:
        gradient = torch.func.grad(lambda x: rosenbrock(torch, [x]))
        return lambda: torch.func.jvp(gradient, (x,), (v,))[1]

    return Library(
        "PyTorch",
        lambda arrays: [torch.tensor(a, device=device) for a in arrays],
        gradients,
        hessian_product,
        lambda x: x.detach().cpu().numpy(),
        torch.cuda.synchronize if device != "cpu" else lambda: None,
    )


def with_jax(device: str) -> Library:
    """Return JAX, each program compiled as a whole."""
    import jax
    import jax.numpy as jnp

    try:
        place = jax.devices("cpu" if device == "cpu" else "gpu")[0]
    except RuntimeError as error:
        raise ImportError(f"this JAX finds no GPU: {error}") from error

    def gradients(program: Program, parameters: list[Any], data: list[Any]) -> Callable[[], Any]:
        compiled = jax.jit(jax.grad(lambda p, *data: program.loss(jnp, p, *data)))
        return lambda: jax.block_until_ready(compiled(parameters, *data))

    def hessian_product(x: Any, v: Any) -> Callable[[], Any]:
        gradient = jax.grad(lambda x: rosenbrock(jnp, [x]))
        compiled = jax.jit(lambda x, v: jax.jvp(gradient, (x,), (v,))[1])
        return lambda: jax.block_until_ready(compiled(x, v))

    return Library(
        "JAX, jit",
        lambda arrays: [jax.device_put(a, place) for a in arrays],
        gradients,
        hessian_product,
        np.asarray,
        lambda: None,
    )


def libraries(device: str) -> tuple[list[Library], list[str]]:
    """Return who can take part, and why others cannot."""
    present, absent = [with_dualad(device), by_hand(device)], []
    for make in (with_torch, with_jax):
        try:
            present.append(make(device))
        except ImportError as error:
            absent.append(f"{make.__name__.removeprefix('with_')}: {error}")
    return present, absent


def runs_of(program: Program, present: list[Library]) -> dict[str, tuple[Callable[[], Any], Library]]:
    """Return what each library runs for a program, its gradients compared with those by hand."""
    parameters, data = program.make()
    found = {}
    want = program.by_hand(
        np, [p.astype("float64") for p in parameters], *(d.astype("float64") for d in data)
    )
    for library in present:
        if library.name.startswith("JAX") and not program.compiles:
            continue
        run = library.gradients(program, library.arrays(parameters), library.arrays(data))
        for got, right in zip(run(), want, strict=True):
            scale = float(np.abs(right).max())
            np.testing.assert_allclose(library.to_numpy(got), right, atol=2e-2 * scale, err_msg=library.name)
        found[library.name] = run, library
    return found


def products_of(present: list[Library]) -> dict[str, tuple[Callable[[], Any], Library]]:
    """Return what each library runs for a product with the Hessian of Rosenbrock's function."""
    rng = np.random.default_rng(0)
    x, v = (rng.standard_normal(N, dtype=np.float32) for _ in range(2))
    want = rosenbrock_product(np, x, v)
    found = {}
    for library in present:
        run = library.hessian_product(*library.arrays([x, v]))
        np.testing.assert_allclose(library.to_numpy(run()), want, rtol=1e-3, atol=1e-1, err_msg=library.name)
        found[library.name] = run, library
    return found


def measure(runs: dict[str, tuple[Callable[[], Any], Library]], rounds: int) -> dict[str, float]:
    """Return dualad's milliseconds, and by the others' names its time over theirs; all take turns."""
    repeats = {name: max(1, round(0.05 / _time(run, library, 1))) for name, (run, library) in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (run, library) in runs.items():
            times[name].append(_time(run, library, repeats[name]))
    own = times.pop("dualad")
    ratios = {name: median(a / b for a, b in zip(own, other, strict=True)) for name, other in times.items()}
    return {"dualad": 1000 * median(own), **ratios}


def _time(run: Callable[[], Any], library: Library, repeats: int) -> float:
    run()
    library.wait()
    gc.collect()
    start = perf_counter()
    for _ in range(repeats):
        run()
    library.wait()
    return (perf_counter() - start) / repeats


def head(device: str) -> str:
    """Return what the figures are of: device, driver, versions and date."""
    told = []
    if device != "cpu":
        import cupy

        runtime = cupy.cuda.runtime
        told += [dualad.cuda.get_device_name(), f"CUDA {runtime.runtimeGetVersion()}"]
        told.append(f"driver for CUDA {runtime.driverGetVersion()}")
    for package in ("dualad", "cupy-cuda13x", "cupy-cuda12x", "cupy", "numpy", "torch", "jax"):
        try:
            told.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join([*told, date.today().isoformat()])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only programs with one of these in their name")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--rounds", type=int, default=15, help="how often all take their turn")
    options = parser.parse_args()
    if options.device != "cpu":
        dualad.cuda.init()  # or says what is missing
    present, absent = libraries(options.device)
    names = [library.name for library in present[1:]]
    print(head(options.device), *absent, sep="\n", end="\n\n")
    print("| forward and backward, float32 | dualad, ms | " + " | ".join(f"× {n}" for n in names) + " |")
    print("|---|" + "---|" * (len(names) + 1))
    makers = {p.name: lambda p=p: runs_of(p, present) for p in PROGRAMS}
    makers[f"Hessian product, Rosenbrock's function of {N:.0e} variables"] = lambda: products_of(present)
    for name, make in makers.items():
        if options.words and not any(w in name for w in options.words):
            continue
        found = measure(make(), options.rounds)
        cells = [f"{found[n]:.2f}" if n in found else "" for n in names]
        print(f"| {name} | {found['dualad']:.3f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
