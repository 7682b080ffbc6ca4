"""What NumPy and SciPy compute on the CPU where a backend's library has nothing of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import BackendError


def drawn_by_numpy(
    generator: np.random.Generator,
    kind: str,
    shape: tuple[int, ...],
    dtype: dtypes.DType,
    parameters: list[Any],
) -> np.ndarray:
    """Return random numbers of NumPy in a dtype, drawn in it where NumPy can: they are others in each."""
    draw, host = getattr(generator, kind), dtype.host
    if kind == "integers":
        return np.asarray(draw(*parameters, size=shape, dtype=host))
    if kind == "binomial":  # NumPy takes no floating n
        parameters = [parameters[0].astype(np.int64), parameters[1]]
    if kind in ("poisson", "binomial"):
        return np.asarray(draw(*parameters, size=shape)).astype(host)
    half = dtype in dtypes.HALVES
    values = np.asarray(draw(*parameters, size=shape, dtype="float32" if half else host))
    if kind == "random" and half:  # rounding would give 1
        steps = 2.0**8 if dtype is dtypes.bfloat16 else 2.0**11
        values = np.floor(values * steps) / steps
    return values.astype(host, copy=False)


def scipy_function(name: str) -> Callable[..., Any]:
    """Return a function of ``scipy.special`` on NumPy arrays, its result of the dtype they promote to.

    Raises
    ------
    BackendError
        If SciPy is not installed.
    """
    try:
        import scipy.special  # takes longer than all of dualad, and few programs need it
    except ModuleNotFoundError:
        raise BackendError(f"dualad.special.{name} needs SciPy: pip install 'dualad[special]'") from None
    function = getattr(scipy.special, name)

    # SciPy computes in double where a Python number is beside a float32 array, in single for float16.
    def compute(*args: Any) -> Any:
        y = function(*args)
        if len(args) == 1 and getattr(args[0], "dtype", None) is y.dtype:
            return y
        want = np.result_type(*args)
        return y.astype(want) if want.kind == y.dtype.kind and want != y.dtype else y

    return compute
