"""Where PyTorch, by way of array_api_compat, is not what the standard says or lacks a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.torch as compat
import torch
from array_api_compat.torch import fft, linalg


def unique_all(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the distinct elements, sorted, where the first of each is, the inverse, and the counts.

    NaNs are distinct from each other.
    """
    flat = x.reshape(-1)
    order = _order(flat)
    ordered = flat[order]
    new = torch.ones(flat.shape, dtype=torch.bool, device=x.device)
    new[1:] = ordered[1:] != ordered[:-1]
    starts = new.nonzero()[:, 0]
    inverse = torch.empty_like(order)
    inverse[order] = new.cumsum(0) - 1
    counts = torch.diff(starts, append=starts.new_full((1,), flat.numel()))
    return ordered[starts], order[starts], inverse.reshape(x.shape), counts


def _order(flat: torch.Tensor) -> torch.Tensor:
    if not flat.dtype.is_complex:
        return torch.argsort(flat, stable=True)
    order = torch.argsort(flat.imag, stable=True)
    return order[torch.argsort(flat.real[order], stable=True)]


def vector_norm(x: torch.Tensor, *, axis: Any, keepdims: bool, ord: float = 2) -> torch.Tensor:
    """Return vectors' norms; the vectors may have no axis and one element."""
    if axis != ():
        return linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)
    return (x != 0).to(abs(x).dtype) if ord == 0 else abs(x)


def count_nonzero(x: torch.Tensor, *, axis: Any = None, keepdims: bool = False) -> torch.Tensor:
    """Return how many elements are not 0 along axes, of which there may be none."""
    return compat.sum(x != 0, axis=axis, keepdims=keepdims, dtype=torch.int64)


def broadcast_to(x: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return a view of a wider shape; by `expand`, which PyTorch has for batches of gradients too."""
    return x.expand(shape)


def matmul(x1: torch.Tensor, x2: torch.Tensor) -> torch.Tensor:
    """Return the matrix product, of truth values too, and of what `torch.autocast` has made shorter."""
    if x1.dtype is x2.dtype is torch.bool:
        return torch.matmul(x1.to(torch.float32), x2.to(torch.float32)) != 0
    if x1.dtype is not x2.dtype:
        dtype = torch.promote_types(x1.dtype, x2.dtype)
        x1, x2 = x1.to(dtype), x2.to(dtype)
    return torch.matmul(x1, x2)


def logaddexp(x1: Any, x2: Any) -> torch.Tensor:
    """Return ``log(exp(x1) + exp(x2))``; one of the two may be a number."""
    like = x1 if isinstance(x1, torch.Tensor) else x2
    if not isinstance(x1, torch.Tensor):
        x1 = like.new_full((), x1)
    if not isinstance(x2, torch.Tensor):
        x2 = like.new_full((), x2)
    return compat.logaddexp(x1, x2)


def _alike(native: Callable[..., torch.Tensor], general: Callable[..., torch.Tensor]) -> Any:
    """Return PyTorch's function for arrays of one dtype, and the general one, which promotes, for others.

    To see that there is nothing to promote takes the general one a third of its time on small arrays.
    """

    def run(x1: Any, x2: Any) -> torch.Tensor:
        if isinstance(x1, torch.Tensor) and isinstance(x2, torch.Tensor) and x1.dtype is x2.dtype:
            return native(x1, x2)
        return general(x1, x2)

    return run


def _in_single(transform: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return a Fourier transform that takes numbers of half precision as those of single."""

    def run(x: torch.Tensor, **keywords: Any) -> torch.Tensor:
        return transform(x.to(torch.float32) if x.dtype in _HALVES else x, **keywords)

    return run


_HALVES = (torch.float16, torch.bfloat16)

#: By the name of the op.
OWN: dict[str, Callable[..., Any]] = {
    "add": _alike(torch.add, compat.add),
    "broadcast_to": broadcast_to,
    "count_nonzero": count_nonzero,
    "divide": _alike(torch.divide, compat.divide),
    "fft.fft": _in_single(torch.fft.fft),
    "fft.fftn": _in_single(fft.fftn),
    "fft.ifft": _in_single(torch.fft.ifft),
    "fft.ifftn": _in_single(fft.ifftn),
    "fft.rfft": _in_single(torch.fft.rfft),
    "fft.rfftn": _in_single(fft.rfftn),
    "logaddexp": logaddexp,
    "matmul": matmul,
    "linalg.vector_norm": vector_norm,
    "multiply": _alike(torch.multiply, compat.multiply),
    "subtract": _alike(torch.subtract, compat.subtract),
    "unique_all": unique_all,
}

_special = torch.special
#: PyTorch's special functions by SciPy's names, for real numbers of single and double precision.
SPECIAL: dict[str, Callable[..., Any]] = {
    "entr": _special.entr,
    "erf": _special.erf,
    "erfc": _special.erfc,
    "erfcx": _special.erfcx,
    "erfinv": _special.erfinv,
    "exp2": _special.exp2,
    "expit": _special.expit,
    "expm1": _special.expm1,
    "gammainc": _special.gammainc,
    "gammaincc": _special.gammaincc,
    "gammaln": _special.gammaln,
    "i0": _special.i0,
    "i0e": _special.i0e,
    "i1": _special.i1,
    "i1e": _special.i1e,
    "j0": _special.bessel_j0,
    "j1": _special.bessel_j1,
    "y0": _special.bessel_y0,
    "y1": _special.bessel_y1,
    "k0": _special.modified_bessel_k0,
    "k1": _special.modified_bessel_k1,
    "k0e": _special.scaled_modified_bessel_k0,
    "k1e": _special.scaled_modified_bessel_k1,
    "log_ndtr": _special.log_ndtr,
    "logit": _special.logit,
    "ndtr": _special.ndtr,
    "ndtri": _special.ndtri,
    "psi": _special.digamma,
    "xlog1py": _special.xlog1py,
    "xlogy": _special.xlogy,
}


def is_plain(args: tuple[Any, ...]) -> bool:
    """Whether these are real arrays of single or double precision."""
    return all(isinstance(a, torch.Tensor) and a.dtype in (torch.float32, torch.float64) for a in args)
