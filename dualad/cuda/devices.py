"""Which GPUs there are, and which one is the current one: that of ``device="cuda"``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from ..backends import Backend, Device, for_device
from ..errors import BackendError, DeviceError

CUDA = Device("cuda")


def backend() -> Backend:
    """Return the backend of CUDA devices.

    Raises
    ------
    DeviceError
        If there is none that can be used; the message says what is missing.
    """
    return for_device(CUDA)


def native() -> Any:
    """Return the module ``cupy.cuda``, which the backend of CUDA devices has as its attribute `cuda`."""
    module = getattr(backend(), "cuda", None)
    if module is None:
        raise BackendError(
            f"dualad.cuda: the {backend().name} backend, which has the devices 'cuda', brings no module like "
            "cupy.cuda; use its own library's functions"
        )
    return module


def complete(given: Any = None) -> Device:
    """Return a CUDA device by its complete name: the current one for None, or for one without a number.

    Raises
    ------
    DeviceError
        If it is no CUDA device, or not there.
    """
    wanted = Device("cuda", given) if isinstance(given, int) else CUDA if given is None else Device(given)
    if wanted.type != "cuda":
        raise DeviceError(f"dualad.cuda: expected a CUDA device, such as 'cuda:0', got {str(wanted)!r}")
    return backend().check_device(wanted)


def device_count() -> int:
    """Return the number of CUDA devices that can be used.

    Examples
    --------
    >>> import dualad
    >>> dualad.cuda.device_count() >= 0
    True
    """
    try:
        return len(backend().devices())
    except DeviceError:
        return 0


def is_available() -> bool:
    """Return whether a CUDA device can be used: its plugin, CuPy and a working GPU are there.

    Examples
    --------
    >>> import dualad
    >>> device = "cuda" if dualad.cuda.is_available() else "cpu"
    """
    return device_count() > 0


def is_initialized() -> bool:
    """Return whether CUDA can be used at once; there is nothing to be initialized beforehand.

    Examples
    --------
    >>> import dualad
    >>> dualad.cuda.is_initialized() == dualad.cuda.is_available()
    True
    """
    return is_available()


def init() -> None:
    """Do nothing but say what is missing if CUDA cannot be used.

    Raises
    ------
    DeviceError
        If it cannot.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     dualad.cuda.init()
    """
    backend()


def current_device() -> int:
    """Return the number of the current GPU, the one that ``device="cuda"`` names in this thread.

    It is CuPy's current device: ``with cupy.cuda.Device(1)`` sets it too.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     number = dualad.cuda.current_device()
    """
    return complete().index or 0


def set_device(device: Any) -> None:
    """Make a GPU the current one, for this thread; a negative number leaves it as it is.

    Parameters
    ----------
    device : int, str or Device
        Which.

    Raises
    ------
    DeviceError
        If there is no such device.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     dualad.cuda.set_device(0)
    """
    if not isinstance(device, int) or device >= 0:
        native().Device(complete(device).index).use()


class device:
    """A context in which a GPU is the current one.

    Parameters
    ----------
    device : int, str, Device or None
        Which; None, or a negative number, leaves the current one.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     with dualad.cuda.device(0):
    ...         x = dualad.ones(1, device="cuda")
    """

    def __init__(self, device: Any) -> None:
        is_left = device is None or (isinstance(device, int) and device < 0)
        self.idx = -1 if is_left else complete(device).index or 0
        self._context: Any = nullcontext() if is_left else native().Device(self.idx)

    def __enter__(self) -> device:
        self._context.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._context.__exit__(*exc)


@contextmanager
def device_of(x: Any) -> Iterator[None]:
    """Make the GPU of a Tensor the current one; one that is not on a GPU changes nothing.

    Examples
    --------
    >>> import dualad
    >>> with dualad.cuda.device_of(dualad.ones(1)):
    ...     pass
    """
    with device(x.device) if x.device.type == "cuda" else nullcontext():
        yield


def get_device_properties(device: Any = None) -> SimpleNamespace:
    """Return what CUDA tells of a GPU, by PyTorch's names and, beside them, CUDA's.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     bytes = dualad.cuda.get_device_properties().total_memory
    """
    told = dict(native().runtime.getDeviceProperties(complete(device).index))
    told["name"] = told["name"].decode()
    known = {
        "total_memory": told["totalGlobalMem"],
        "multi_processor_count": told["multiProcessorCount"],
        "warp_size": told["warpSize"],
    }
    return SimpleNamespace(**told, **known)


def get_device_name(device: Any = None) -> str:
    """Return the name of a GPU, of the current one for None.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     name = dualad.cuda.get_device_name(0)
    """
    return str(get_device_properties(device).name)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Return a GPU's compute capability, major and minor.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     major, minor = dualad.cuda.get_device_capability()
    """
    told = get_device_properties(device)
    return told.major, told.minor


def synchronize(device: Any = None) -> None:
    """Wait until all work on a GPU is done, on the current one for None.

    Examples
    --------
    >>> import dualad
    >>> if dualad.cuda.is_available():
    ...     dualad.cuda.synchronize()
    """
    full = complete(device)
    backend().synchronize(full)
