"""Code that computes element by element, as one kernel of CUDA instead of one for each operation.

On small arrays a GPU waits for launches, on large ones for memory. Both are spared where the product
of a cotangent with a slope, its sum over what was broadcast, or an optimizer's step is one kernel. What
cannot be traced (see `tracing`) is computed by plain calls, as if nothing were here. The numbers are
the same: each statement of a kernel rounds, and products and sums are not contracted.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .tracing import ARRAY, C_TYPES, Source

#: Products and sums are not contracted.
OPTIONS = ("--fmad=false",)

#: One kernel sums where it gives so many sums; CuPy's own sum spreads a few over the whole GPU.
MANY_SUMS = 1024

#: How many kernels are made of one function: a number it is given may be new at each call.
MOST_KERNELS = 32


class Fused:
    """A function of arrays that runs as one kernel, where it can be traced and they are alike.

    Parameters
    ----------
    cupy : module
        CuPy.
    function : callable
        ``function(xp, *args, **numbers)``.
    plain : callable
        ``plain(*args, **numbers)`` computes the same by calls of CuPy, one by one.
    name : str
        What the kernel is called where time is measured.
    """

    def __init__(self, cupy: Any, function: Callable[..., Any], plain: Callable[..., Any], name: str) -> None:
        self.cupy, self.function, self.plain = cupy, function, plain
        self.name = "dualad_" + re.sub(r"\W", "_", name)
        #: What to call for each combination of dtypes, constants and names of numbers: `plain`, or a kernel.
        self.known: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *args: Any, **numbers: Any) -> Any:
        """Return ``function(xp, *args, **numbers)``."""
        return self._run(args, numbers, args)

    def _run(self, args: Any, numbers: dict[str, Any], told: Any) -> Any:
        """Call what is known for arguments like these, with all that it is to be told."""
        ndarray = self.cupy.ndarray
        # A constant by what is written for it: 0.0 is not -0.0.
        key = tuple([a.dtype.char if isinstance(a, ndarray) else repr(a) for a in args])
        if numbers:
            key = (*key, *[(name, type(n)) for name, n in numbers.items()])
        launch = self.known.get(key)
        if launch is None:
            if len(self.known) >= MOST_KERNELS:
                return self.plain(*told, **numbers)
            launch = self.known[key] = self._kernel(args, numbers) or self.plain
        try:
            return launch(*told, **numbers)
        except self.cupy.cuda.compiler.CompileException as error:
            self.known[key] = self.plain
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(
                f"{self.name}: this could not be compiled, and is computed step by step: {reason}",
                RuntimeWarning,
                stacklevel=3,
            )
            return self.plain(*told, **numbers)

    def _kernel(self, args: Any, numbers: Any) -> Callable[..., Any] | None:
        """Return what launches the kernel for arguments like these; None if there is none."""
        ndarray = self.cupy.ndarray
        dtypes = {a.dtype for a in args if isinstance(a, ndarray)}
        constants = {type(a) for a in args if not isinstance(a, ndarray)}
        if (
            len(dtypes) != 1
            or (dtype := dtypes.pop()).name not in C_TYPES
            or not constants <= {bool, int, float, type(None)}
            or not {type(n) for n in numbers.values()} <= {int, float}
        ):
            return None
        try:
            places = [ARRAY if isinstance(a, ndarray) else a for a in args]
            source = Source(self.function, dtype, places, numbers)
        except Exception:  # the plain calls are to raise it, if it is an error at all
            return None
        return self._launcher(source, len(args))

    def _launcher(self, source: Source, count: int) -> Callable[..., Any] | None:
        if "\n" not in source.statements:  # a single operation, for which CuPy has a kernel
            return None
        kernel = self.cupy.ElementwiseKernel(
            source.in_params,
            ", ".join(f"{source.dtype.name} y{i}" for i in range(len(source.results))),
            "\n".join([source.statements, *(f"y{i} = {name};" for i, name in enumerate(source.results))]),
            self.name,
            return_tuple=source.several,
            options=OPTIONS,
        )
        if source.alike and len(source.arrays) == count and not source.numbers:
            return kernel

        def launch(*args: Any, **numbers: Any) -> Any:
            arrays = [args[i] for i in source.arrays]
            if not source.alike and any(a.shape != arrays[0].shape for a in arrays):
                return self.plain(*args, **numbers)
            return kernel(*arrays, *[numbers[name] for name in source.numbers])

        return launch


class FusedSum(Fused):
    """A function of arrays whose result is summed to a shape, as one kernel where that is quick.

    Parameters
    ----------
    cupy, function, plain, name
        As for `Fused`; ``plain(shape, *args)`` sums too.
    """

    def __call__(self, shape: tuple[int, ...], *args: Any) -> Any:
        """Return ``function(xp, *args)``, summed to `shape`."""
        if prod(shape) < MANY_SUMS:
            return self.plain(shape, *args)
        return self._run(args, {}, (shape, *args))

    def _launcher(self, source: Source, count: int) -> Callable[..., Any] | None:
        if source.several:
            return None
        names = [f"x{i}" for i in source.arrays]
        sums = "float" if source.ctype == "float16" else source.ctype  # half precision would soon be wrong
        kernel = self.cupy.ReductionKernel(
            source.in_params,
            f"{source.dtype.name} y",
            f"{self.name}_term({', '.join(names)})",
            "a + b",
            "y = a",
            "0",
            self.name,
            reduce_type=sums,
            preamble=(
                f"__device__ inline {source.ctype} {self.name}_term("
                + ", ".join(f"const {source.ctype} {x}" for x in names)
                + f") {{\n{source.statements}\nreturn {source.results[0]};\n}}"
            ),
            options=OPTIONS,
        )

        def launch(shape: tuple[int, ...], *args: Any) -> Any:
            arrays = [args[i] for i in source.arrays]
            whole = np.broadcast_shapes(*(a.shape for a in arrays))
            extra = len(whole) - len(shape)
            axes = tuple(i for i, n in enumerate(whole) if i < extra or shape[i - extra] == 1 != n)
            return kernel(*arrays, axis=axes).reshape(shape) if axes else self.plain(shape, *args)

        return launch
