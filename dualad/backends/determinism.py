"""Whether results must be the same in every run, although sums in another order would be faster."""

from __future__ import annotations

import warnings

from ..errors import BackendError

_wanted = False
_warn_only = False


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for algorithms that give the same numbers each time, bit by bit.

    On the CPU all do. On GPUs a sum whose terms are added as they come, such as the adjoint of
    indexing with an array, rounds differently from run to run; backends then take a slower way.

    Parameters
    ----------
    mode : bool
        Whether to ask for them, in the whole process.
    warn_only : bool
        Whether an op that has no such algorithm warns, rather than raise a `BackendError`.

    Examples
    --------
    >>> import dualad
    >>> dualad.use_deterministic_algorithms(True)
    >>> dualad.are_deterministic_algorithms_enabled()
    True
    >>> dualad.use_deterministic_algorithms(False)
    """
    global _wanted, _warn_only
    _wanted, _warn_only = bool(mode), bool(warn_only)


def is_deterministic() -> bool:
    """Return whether `use_deterministic_algorithms` asks for the same numbers each time.

    Examples
    --------
    >>> import dualad
    >>> dualad.are_deterministic_algorithms_enabled()
    False
    """
    return _wanted


def report_nondeterministic(function: str, backend: str) -> None:
    """Be told by a backend that a function has no deterministic algorithm; it is called where one is wanted.

    Raises
    ------
    BackendError
        Unless the user has asked to be warned only.
    """
    message = (
        f"{function}: the {backend} backend has no deterministic algorithm for this; call "
        "use_deterministic_algorithms(True, warn_only=True) to go on all the same"
    )
    if not _warn_only:
        raise BackendError(message)
    warnings.warn(message, stacklevel=2)
