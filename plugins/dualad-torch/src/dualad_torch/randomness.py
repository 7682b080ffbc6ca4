"""Random numbers from PyTorch's generators, of the kinds that `Backend.random` lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def _evenly(generator: torch.Generator, shape: Any, dtype: torch.dtype) -> torch.Tensor:
    return torch.rand(shape, generator=generator, dtype=dtype, device=generator.device)


def _normally(generator: torch.Generator, shape: Any, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)


def _integers(
    generator: torch.Generator, shape: Any, dtype: torch.dtype, low: int, high: int
) -> torch.Tensor:
    drawn = torch.empty(shape, dtype=torch.int64, device=generator.device)
    # Without an end it is the largest of the dtype.
    return drawn.random_(low, high if high < 2**63 else None, generator=generator).to(dtype)


def _gamma(generator: torch.Generator, shape: Any, dtype: torch.dtype, a: torch.Tensor) -> torch.Tensor:
    return torch._standard_gamma(_wide(a), generator=generator).to(dtype)


def _poisson(generator: torch.Generator, shape: Any, dtype: torch.dtype, lam: torch.Tensor) -> torch.Tensor:
    return torch.poisson(_wide(lam), generator=generator).to(dtype)


def _binomial(
    generator: torch.Generator, shape: Any, dtype: torch.dtype, n: torch.Tensor, p: torch.Tensor
) -> torch.Tensor:
    return torch.binomial(_wide(n), _wide(p), generator=generator).to(dtype)


def _wide(a: torch.Tensor) -> torch.Tensor:
    """Return parameters of half precision in single."""
    return a if a.dtype is torch.float64 else a.to(torch.float32)


#: By the name of the method of NumPy's generators.
KINDS: dict[str, Callable[..., torch.Tensor]] = {
    "random": _evenly,
    "standard_normal": _normally,
    "integers": _integers,
    "standard_gamma": _gamma,
    "poisson": _poisson,
    "binomial": _binomial,
}
