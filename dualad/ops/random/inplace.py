"""Random numbers written into Tensors, under PyTorch's names: what the methods `normal_` and so on do."""

from __future__ import annotations

from typing import Any

from ...dtypes import uint8
from ...engine.tensor import Tensor
from ..common import whole
from ..datatypes import finfo, iinfo
from ..indexing import update
from . import continuous, discrete
from .basic import integers
from .drawing import real


def normal_(x: Tensor, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Tensor:
    """Fill a Tensor with numbers of `dualad.normal`; return it."""
    return _filled("normal_", x, continuous.normal, mean, std, generator=generator)


def uniform_(x: Tensor, from_: Any = 0.0, to: Any = 1.0, *, generator: Any = None) -> Tensor:
    """Fill a Tensor with numbers of `dualad.uniform`; return it."""
    return _filled("uniform_", x, continuous.uniform, from_, to, generator=generator)


def exponential_(x: Tensor, lambd: Any = 1.0, *, generator: Any = None) -> Tensor:
    """Fill a Tensor with exponential numbers of the rate `lambd`, the mean being 1 / lambd; return it."""
    return _filled("exponential_", x, continuous.exponential, 1 / lambd, generator=generator)


def cauchy_(x: Tensor, median: Any = 0.0, sigma: Any = 1.0, *, generator: Any = None) -> Tensor:
    """Fill a Tensor with numbers of `dualad.random.cauchy`; return it."""
    return _filled("cauchy_", x, continuous.cauchy, median, sigma, generator=generator)


def log_normal_(x: Tensor, mean: Any = 1.0, std: Any = 2.0, *, generator: Any = None) -> Tensor:
    """Fill a Tensor with numbers of `dualad.random.lognormal`; return it."""
    return _filled("log_normal_", x, continuous.lognormal, mean, std, generator=generator)


def geometric_(x: Tensor, p: Any, *, generator: Any = None) -> Tensor:
    """Fill a Tensor, of any real dtype, with numbers of `dualad.random.geometric`; return it."""

    def geometric_(x: Tensor) -> Tensor:
        return discrete.geometric(p, x.shape, generator=generator, device=x.device).to(x.dtype)

    return update(x, geometric_)


def bernoulli_(x: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill a Tensor, of any dtype, with numbers of `dualad.bernoulli`; return it."""

    def bernoulli_(x: Tensor) -> Tensor:
        return discrete.bernoulli(x, p, generator=generator)

    return update(x, bernoulli_)


def random_(x: Tensor, from_: Any = 0, to: Any = None, *, generator: Any = None) -> Tensor:
    """Fill a Tensor with integers drawn evenly from [from_, to); return it.

    ``x.random_(to)`` begins at 0. Without an end, they go up to the greatest that the dtype has, or
    up to which a floating dtype has all integers.
    """

    def random_(x: Tensor) -> Tensor:
        low, high = (from_, to) if to is not None or from_ == 0 else (0, from_)
        low = whole("random_", "from_", low)
        high = _end(x) if high is None else whole("random_", "to", high)
        if low >= high:
            raise ValueError(f"random_: expects from_ < to, got {low} and {high}")
        dtype = uint8 if x.dtype.kind == "bool" else x.dtype
        return integers("random_", low, high, x.shape, dtype, x.device, generator).to(x.dtype)

    return update(x, random_)


def _end(x: Tensor) -> int:
    """Return one more than the greatest integer that `random_` draws for the dtype of x."""
    if x.dtype.is_floating_point:
        return int(2 / finfo(x.dtype).eps) + 1
    return 2 if x.dtype.kind == "bool" else iinfo(x.dtype).max + 1


def _filled(name: str, x: Tensor, draw: Any, *parameters: Any, generator: Any) -> Tensor:
    def fill(x: Tensor) -> Tensor:
        dtype = x.dtype if x.dtype.is_complex and name == "normal_" else real(name, x.dtype)
        drawn: Tensor = draw(*parameters, x.shape, generator=generator, dtype=dtype, device=x.device)
        return drawn

    fill.__name__ = name
    return update(x, fill)
