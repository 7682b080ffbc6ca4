"""Functions that CuPy, or array-api-compat on top of it, lacks, or computes by asking the GPU and waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

#: Functions of ``dualad.special`` that CuPy 14 does not have. They are computed by SciPy on the CPU, and
#: the GPU is waited for.
ON_CPU = frozenset({
    "betainccinv", "ellipe", "hyp1f1", "hyp2f1", "iv", "ive", "jn", "jv", "kn", "kv", "kve", "spence",
    "spherical_jn", "stdtr", "stdtrit", "yv",
})  # fmt: skip


class Functions:
    """Functions by name, in place of array-api-compat's, and special functions.

    Parameters
    ----------
    cupy : module
        The library.
    """

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy

    def clip(self, x: Any, min: Any, max: Any) -> Any:
        """Return x between two bounds; array-api-compat's writes at masks, whose size it waits for."""
        y = x
        if min is not None and not _is_beyond(min, x.dtype, below=True):
            y = self._cupy.maximum(y, min)
        if max is not None and not _is_beyond(max, x.dtype, below=False):
            y = self._cupy.minimum(y, max)
        return x.copy() if y is x else y.astype(x.dtype, copy=False)

    def sign(self, x: Any) -> Any:
        """Return the signs of x, NaN of NaN; array-api-compat's writes NaN at a mask, and waits for it."""
        if x.dtype.kind == "c":
            size = self._cupy.abs(x)
            return x / self._cupy.where(size == 0, 1, size)
        y = self._cupy.sign(x)
        return self._cupy.where(self._cupy.isnan(x), x, y) if x.dtype.kind not in "iub" else y

    def special_function(self, name: str) -> Callable[..., Any] | None:
        """Return the special function of a name that runs on the GPU; None if there is none."""
        import cupyx.scipy.special

        found = getattr(cupyx.scipy.special, name, None)
        if name == "betaincc":  # DLMF 8.17.4
            betainc = cupyx.scipy.special.betainc
            found = lambda a, b, x: betainc(b, a, 1 - x)  # noqa: E731
        elif name == "softplus":
            found = lambda x: self._cupy.logaddexp(x, 0)  # noqa: E731
        elif name == "zeta" and found is not None:  # CuPy's is Hurwitz's alone
            hurwitz, zetac = found, cupyx.scipy.special.zetac
            found = lambda x, *q: hurwitz(x, *q) if q else zetac(x) + 1  # noqa: E731
        return None if found is None else self._of_promoted_dtype(found)

    def _of_promoted_dtype(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, its result of the dtype that its arguments promote to."""

        def compute(*args: Any) -> Any:
            y = function(*args)
            if len(args) == 1 and args[0].dtype == y.dtype:
                return y
            want = self._cupy.result_type(*args)
            return y.astype(want) if want.kind == y.dtype.kind and want != y.dtype else y

        return compute


def _is_beyond(bound: Any, dtype: Any, below: bool) -> bool:
    """Whether a Python integer bounds nothing, as no element of that integer dtype lies beyond it."""
    if type(bound) is not int or dtype.kind not in "iu":
        return False
    limits = np.iinfo(dtype)
    return bound <= limits.min if below else bound >= limits.max
