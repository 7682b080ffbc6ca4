"""NumPy's functions that take no parameters but a size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine.tensor import Tensor
from .continuous import cauchy
from .drawing import Source, finish, lengths, real, source


def _standard(
    name: str, noise: Callable[[Source, tuple[int, ...]], Tensor], about: str
) -> Callable[..., Tensor]:
    """Return the function for numbers of a distribution without parameters."""

    def distribution(
        size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:  # fmt: skip
        shape = () if size is None else lengths(name, size)
        return finish(noise(source(name, real(name, dtype), device, generator), shape), requires_grad)

    distribution.__name__ = distribution.__qualname__ = name
    distribution.__doc__ = f"""Return numbers {about}.

    Parameters
    ----------
    size : int or tuple of int, optional
        The shape; one number by default.
    generator, dtype, device, requires_grad
        See `dualad.rand`.

    Examples
    --------
    >>> import dualad
    >>> dualad.random.{name}((2, 3)).shape
    (2, 3)
    """
    return distribution


random = _standard("random", Source.uniform, "drawn evenly from [0, 1)")
standard_normal = _standard("standard_normal", Source.normal, "of mean 0 and variance 1, as `dualad.randn`")
standard_exponential = _standard(
    "standard_exponential", Source.exponential, "of the exponential distribution of mean 1"
)
standard_cauchy = _standard(
    "standard_cauchy",
    lambda s, shape: cauchy(size=shape, generator=s.generator, dtype=s.dtype, device=s.device),
    "of the Cauchy distribution of location 0 and scale 1",
)
