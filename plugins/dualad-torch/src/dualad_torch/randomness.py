"""Random numbers: what NumPy's generators draw, drawn by PyTorch's where these can."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def draw(
    generator: torch.Generator, kind: str, shape: tuple[int, ...], dtype: torch.dtype, **parameters: Any
) -> torch.Tensor:
    """Return random numbers; `kind` is a method of NumPy's Generator, the parameters its arguments."""
    own = _OWN.get(kind)
    if own is not None:
        return own(generator, shape, dtype, **parameters)
    # NumPy draws them, seeded with the next number of PyTorch's generator.
    seed = torch.randint(2**63 - 1, (), generator=generator, device=generator.device).item()
    values = getattr(np.random.default_rng(seed), kind)(size=shape, **parameters)
    return torch.asarray(np.asarray(values), dtype=dtype, device=generator.device)


def _evenly(generator: torch.Generator, shape: Any, dtype: torch.dtype) -> torch.Tensor:
    return torch.rand(shape, generator=generator, dtype=dtype, device=generator.device)


def _normally(generator: torch.Generator, shape: Any, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)


def _integers(
    generator: torch.Generator, shape: Any, dtype: torch.dtype, low: int, high: int
) -> torch.Tensor:
    wide = torch.randint(low, high, shape, generator=generator, device=generator.device)
    return wide.to(dtype)


_OWN = {"random": _evenly, "standard_normal": _normally, "integers": _integers}
