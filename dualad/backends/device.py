"""Devices: where an array lives, and thereby which backend computes with it."""

from __future__ import annotations

from typing import Any

from ..errors import DeviceError


class Device:
    """A device by type and index: ``device("cpu")``, ``device("cuda:1")``, ``device("cuda", 1)``.

    Parameters
    ----------
    type : str or Device
        The device type, which names the backend, with an index behind a colon if it needs one.
    index : int, optional
        Which of the devices of that type. The CPU has none; for others the default is 0.

    Raises
    ------
    DeviceError
        If the text is not of the form ``type`` or ``type:index``.

    Examples
    --------
    >>> import dualad
    >>> dualad.device("cuda:1")
    device(type='cuda', index=1)
    >>> str(dualad.device("cpu"))
    'cpu'
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | Device, index: int | None = None) -> None:
        if isinstance(type, Device):
            self.type, self.index = type.type, type.index
            return
        name, _, number = str(type).partition(":")
        if not name.isidentifier() or (number and not number.isdigit()) or (number and index):
            raise DeviceError(
                f"not a device: {type!r}; write a device type, with an index where there are "
                "several, such as 'cpu' or 'cuda:0'"
            )
        self.type, self.index = name, int(number) if number else index

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):  # the standard's consumers compare with plain names
            return str(self) == other
        if not isinstance(other, Device):
            return NotImplemented
        return (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash(str(self))


CPU = Device("cpu")


def devices_of(backend: Any) -> list[Device]:
    """Return the devices that a backend has at hand, as its `devices` gives them.

    Raises
    ------
    DeviceError
        If there is none, or they cannot be listed; the message says what is wrong with the method.
    """
    try:
        here = backend.devices()
    except Exception as error:
        raise DeviceError(
            f"the devices of the {backend.name} backend cannot be listed: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(here, (list, tuple)) or not all(isinstance(d, Device) for d in here):
        raise DeviceError(
            f"the devices of the {backend.name} backend cannot be listed: its method devices returned "
            f"{here!r}, and must return a list of Devices"
        )
    if not here:
        raise DeviceError(
            f"the {backend.name} backend has no device at hand: its method devices returned an empty list"
        )
    return list(here)
