"""The exceptions of dualad.

Every error the library raises on purpose is a :class:`DualadError`; each also derives from the
built-in exception a user of NumPy or PyTorch would expect to catch::

    DualadError
    ├── GradientError (RuntimeError)          a derivative cannot be computed
    │   ├── MissingDerivativeError            an op has none in the argument that needs it
    │   ├── CheckpointError                   a function under a checkpoint does other things when run again
    │   └── AnomalyError                      a NaN or infinity, in anomaly mode
    ├── InplaceError (RuntimeError)           an in-place change that would break a leaf
    ├── ShapeError (ValueError, RuntimeError) shapes that do not fit
    │   └── AxisError (IndexError)            an axis, or a place on it, that an array does not have
    ├── DTypeError (TypeError, RuntimeError)  dtypes that do not fit
    ├── DeviceError (RuntimeError)            arrays on devices that cannot meet
    ├── BatchError (RuntimeError)             what cannot be done for each example of a `vmap`
    ├── UnknownOperandError (TypeError)       an argument of an op that is no array or number
    ├── NumPyFunctionError (TypeError)        a NumPy function, or argument, that Tensors lack
    ├── OutOfMemoryError (MemoryError)        no memory left for an op, on its device
    └── BackendError (RuntimeError)           a backend that is missing, broken or unavailable
        └── GapError                          a function that a backend's library lacks
"""

from typing import Any

__all__ = [
    "AnomalyError",
    "AxisError",
    "BackendError",
    "BatchError",
    "CheckpointError",
    "DTypeError",
    "DeviceError",
    "DualadError",
    "GapError",
    "GradientError",
    "InplaceError",
    "MissingDerivativeError",
    "NumPyFunctionError",
    "OutOfMemoryError",
    "ShapeError",
    "UnknownOperandError",
]


class DualadError(Exception):
    """Base class of all errors that dualad raises on purpose."""


class GradientError(DualadError, RuntimeError):
    """A derivative was asked for that cannot be computed."""


class MissingDerivativeError(GradientError):
    """An op has no derivative in the argument whose gradient is needed."""


class CheckpointError(GradientError):
    """A function under a checkpoint, run again for its derivative, does other things than the first time."""


class AnomalyError(GradientError):
    """A NaN or an infinity that a computation has made, seen by `dualad.autograd.detect_anomaly`.

    Attributes
    ----------
    op : str
        The name of the op.
    phase : {"forward", "tangent", "backward"}
        Whether the op itself made it, or its derivative in forward or in reverse mode.
    line : Line or None
        Where the op was called: it has a `filename`, a `number`, a `function` and a `source`.
    """

    op: str
    phase: str
    line: Any


class InplaceError(DualadError, RuntimeError):
    """An in-place change of a leaf Tensor that requires grad."""


class ShapeError(DualadError, ValueError, RuntimeError):
    """Shapes that do not fit together."""


class AxisError(ShapeError, IndexError):
    """An axis that an array does not have, or a place along one."""


class DTypeError(DualadError, TypeError, RuntimeError):
    """Data types that do not fit together."""


class DeviceError(DualadError, RuntimeError):
    """Arrays of different devices in one op, or a device that does not exist."""


class BackendError(DualadError, RuntimeError):
    """A backend that is not installed, failed to load, or has no working device."""


class GapError(BackendError):
    """A function that a backend declares to be a gap of its library.

    Attributes
    ----------
    function : str
        Its name.
    """

    function: str


class BatchError(DualadError, RuntimeError):
    """Something that cannot be done for each example of a `vmap`, such as looking at a value."""


class UnknownOperandError(DualadError, TypeError):
    """An argument of an op that is neither an array nor a number.

    An operator then lets the other side try.
    """


class NumPyFunctionError(DualadError, TypeError):
    """A NumPy function, or one of its arguments, that has no counterpart on Tensors."""


class OutOfMemoryError(DualadError, MemoryError, RuntimeError):
    """There is no memory left for an op on its device.

    Nothing is left behind: when the error has been handled, and the Tensors of the failed run are gone,
    so is what they held.

    Attributes
    ----------
    held : str
        What the graph behind the op has saved for the backward pass, and what to do; empty if it has
        saved nothing.
    """

    held = ""

    def __str__(self) -> str:
        return ". ".join(filter(None, (*map(str, self.args), self.held)))
