"""Special functions: JAX's where it has them, else SciPy's, which looks at values."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from dualad.backends import Backend

from .errors import TracedValueError

#: JAX's functions of SciPy's names that agree with SciPy's, but at poles and infinite arguments.
_NAMES = (
    "beta betainc betaln boxcox entr erf erfc erfcx erfinv expit gamma gammainc gammaincc gammaln gammasgn "
    "i0 i0e i1 i1e kl_div loggamma logit ndtr ndtri polygamma rel_entr spence xlog1py xlogy"
)

#: JAX's function for each of SciPy's.
OWN: dict[str, Callable[..., Any]] = {
    **{name: found for name in _NAMES.split() if (found := getattr(special, name, None)) is not None},
    "cbrt": jnp.cbrt,
    "exp10": lambda x: lax.exp(x * 2.302585092994045684),
    "exp2": jnp.exp2,
    "log_expit": jax.nn.log_sigmoid,
    "log_softmax": special.log_softmax,
    "logsumexp": special.logsumexp,
    "psi": special.digamma,
    "sinc": jnp.sinc,
    "softmax": special.softmax,
}


#: What JAX has less exactly than SciPy, for when SciPy cannot compute it: to about ten digits.
_TRACED: dict[str, Callable[..., Any]] = {"log_ndtr": special.log_ndtr}


class Special(Backend):
    """The part of the backend that has the special functions."""

    def special_function(self, name: str) -> Callable[..., Any]:
        """Return JAX's function of that name, or SciPy's, on the CPU, where JAX has none."""
        own, host = OWN.get(name), self._on_host(name)
        if name == "zeta":  # JAX's is Hurwitz's alone
            return lambda x, *q: special.zeta(x, *q) if q else host(x)
        return host if own is None else own

    def _on_host(self, name: str) -> Callable[..., Any]:
        by_scipy = super().special_function(name)

        @wraps(by_scipy)
        def compute(*args: Any) -> Any:
            if any(map(self.is_tracing, args)):
                if name in _TRACED:
                    return _TRACED[name](*args)
                raise TracedValueError(
                    f"special.{name}: JAX has no such function, so SciPy computes it of values, and there "
                    "are none while JAX traces the program; compute it outside"
                )
            return by_scipy(*args)

        return compute
