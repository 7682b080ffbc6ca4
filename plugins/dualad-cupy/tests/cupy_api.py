"""Write down which functions CuPy has, with which arguments, for the double: ``python cupy_api.py``.

That takes CuPy installed, and no GPU.
"""

import inspect
import json
from pathlib import Path

PATH = Path(__file__).with_name("cupy_api.json")


def table(module, like, ufunc):
    """Return the functions of a module that NumPy has too: their arguments, or None for any."""
    names = (n for n in sorted(vars(module)) if n[0] != "_" and hasattr(like, n))
    functions = {n: f for n in names if callable(f := getattr(module, n)) and not inspect.isclass(f)}
    return {n: None if isinstance(f, ufunc) else _arguments(f) for n, f in functions.items()}


def _arguments(function):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]


def api():
    """Return what CuPy, as it is installed here, has."""
    import cupy
    import cupyx.scipy.special as special
    import numpy as np

    return {
        "version": cupy.__version__,
        "cupy": table(cupy, np, cupy.ufunc),
        "linalg": table(cupy.linalg, np.linalg, cupy.ufunc),
        "fft": table(cupy.fft, np.fft, cupy.ufunc),
        "special": [n for n in sorted(vars(special)) if n[0] != "_" and n != "annotations"],
    }


if __name__ == "__main__":
    told = json.dumps(api(), indent=1)
    PATH.write_text(told + "\n")
