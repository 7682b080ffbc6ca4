"""Certification: all checks of `dualad.testing.suite` on a backend, and what comes of them."""

from __future__ import annotations

import platform
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import backends
from .._version import __version__
from ..backends import Backend, Device
from ..backends.functions import gap_of
from ..backends.registry import BY_TYPE
from ..batching import REGISTRY
from ..engine.namespace import SPACES, ops
from ..errors import DeviceError
from .certificate import Certificate, Finding, Gap
from .devices import usable_devices

if TYPE_CHECKING:
    from .suite.catalogue import Check

_PACKAGE = str(Path(__file__).parents[1])


def certify(
    name: str,
    *,
    only: str | Sequence[str] = (),
    devices: str | Device | Sequence[str | Device] | None = None,
    quick: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Certificate:
    """Check that a backend computes what dualad asks of it, and return what was found.

    Every function is called on examples in all its dtypes: its values are compared with those of
    NumPy's backend, its tangents with differences, its gradients with its tangents, its second
    derivatives with each other and with differences of the first. The backend's own methods,
    indexing, shared memory, random numbers, threads, errors and determinism follow.

    A backend declares what its library cannot do in `Backend.gaps`. A check that fails because of
    that is counted as a gap and not as a fault; a gap that is none is reported.

    The generators of random numbers are seeded.

    Parameters
    ----------
    name : str
        The backend's name, or rather that of which the plugin is installed or registered.
    only : str or sequence of str
        Names of functions and groups (``"sum"``, ``"linalg.*"``, ``"threads"``), or of one of their
        columns or checks (``"sum: JVP"``), in which ``*`` stands for anything. All if empty.
    devices : str, Device or sequence of them, optional
        Those to look at; all of the backend if None.
    quick : bool
        Whether one example of each function will do.
    progress : callable, optional
        ``progress(done, total)`` is called after each check.

    Returns
    -------
    Certificate
        It prints as a table; `passed` tells whether there is no fault.

    Raises
    ------
    BackendError
        If there is no such backend, or it is unavailable.
    DeviceError
        If one of the devices is none of the backend's, or it does not say which it has.
    ValueError
        If a name of `only` is that of nothing.

    Examples
    --------
    >>> from dualad.testing import certify
    >>> report = certify("numpy", only=["exp", "moves"])
    >>> report.passed
    True
    >>> print(report.verdict)
    PASSED: numpy on cpu, looked at in part: 1 function and 4 other checks are right
    """
    backend = backends.get(name)
    checks = _chosen(only, quick)
    places = _places(backend, devices)
    from .suite.catalogue import COLUMNS

    whole = not only and not quick
    report = Certificate(name, places, _versions(backend), whole, COLUMNS)
    begun, total = time.perf_counter(), len(checks) * len(places)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for device in places:
            for check in checks:
                report.findings.append(run_check(check, backend, device))
                if progress is not None:
                    progress(len(report.findings), total)
        report.gaps = [_gap(gap, reason, report, places[:1]) for gap, reason in backend.gaps.items()]
    report.seconds = time.perf_counter() - begun
    return report


def _places(backend: Backend, devices: str | Device | Sequence[str | Device] | None) -> list[str]:
    """Return the names of the devices to look at."""
    here = usable_devices(backend)
    if devices is None:
        return [str(d) for d in here]
    asked = [Device(str(d)) for d in ([devices] if isinstance(devices, (str, Device)) else devices)]
    for d in asked:
        if d.type not in backend.device_types:
            raise DeviceError(
                f"certify: {d} is no device of the {backend.name} backend, whose device types are: "
                + ", ".join(backend.device_types)
            )
    return list(dict.fromkeys(str(backend.check_device(d)) for d in asked))


def _chosen(only: str | Sequence[str], quick: bool) -> list[Check]:
    """Return the checks that are asked for."""
    from .suite.catalogue import FUNCTIONS, OTHERS  # its examples take as long to make as all of dualad

    patterns = [only] if isinstance(only, str) else list(only)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"certify: only takes names, such as 'sum', got {pattern!r}")
    checks = [c for c in (*OTHERS, *FUNCTIONS) if c.is_first or not quick]
    for pattern in patterns:
        if not any(_is_named(check, pattern) for check in checks):
            rows = ", ".join(dict.fromkeys(c.row for c in OTHERS))
            raise ValueError(
                f"certify: only={pattern!r} names nothing; the names are those of functions, such as 'sum' "
                f"or 'linalg.eigh', and these: {rows}"
            )
    return [c for c in checks if not patterns or any(_is_named(c, p) for p in patterns)]


def _is_named(check: Check | Finding, pattern: str) -> bool:
    """Return whether a pattern is of a check's row, or of the row and the column."""
    return (
        gap_of({pattern: ""}, check.row) is not None
        or gap_of({pattern: ""}, f"{check.row}: {check.column}") is not None
    )


def run_check(check: Check, backend: Backend, device: str) -> Finding:
    """Run a check on a device of a backend, and return what it finds."""
    from ..random import manual_seed
    from .suite.cases import Fault, NotHere
    from .suite.catalogue import declared_gap

    def finding(state: Any, words: str = "") -> Finding:
        return Finding(check.row, check.column, check.case, device, state, words)

    manual_seed(0)
    try:
        check(device)
    except NotHere as reason:
        return finding("absent", str(reason))
    except Exception as error:
        gap = declared_gap(check, backend, error)
        if gap is not None:
            return finding("gap", f"{gap}: {backend.gaps[gap]}")
        return finding("wrong", str(error) if isinstance(error, Fault) else _words(error))
    return finding("right")


def _words(error: Exception) -> str:
    """Return what a library has raised, and where in the backend's own code that was."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if not f.filename.startswith(_PACKAGE)]
    place = (
        f" ({Path(outside[0].filename).name}, line {outside[0].lineno}, in {outside[0].name})"
        if outside
        else ""
    )
    text = str(error).strip() or "without a word"
    return f"{type(error).__name__}: {text}{place}"


# -- gaps --------------------------------------------------------------------------------------


def _gap(name: str, reason: str, report: Certificate, devices: Iterable[str]) -> Gap:
    """Return a declared gap, having tried whether it is one."""
    found = [f for f in report.findings if _is_named(f, name)]
    works = bool(found) and all(f.state in ("right", "absent") for f in found)
    works = works and any(f.state == "right" for f in found)
    if found and any(gap_of({name: reason}, op) for op in REGISTRY):
        works = _works_after_all(backends.get(report.backend), name, devices)
    hidden = sum(f.state == "gap" and f.words == f"{name}: {reason}" for f in report.findings)
    return Gap(name, reason, works, hidden)


def _works_after_all(backend: Backend, name: str, devices: Iterable[str]) -> bool:
    """Return whether a function that is declared a gap passes its first checks if it is called."""
    from .suite.catalogue import FUNCTIONS

    checks = [c for c in FUNCTIONS if _is_named(c, name) and c.is_first]
    with _without_gap(backend, name):
        states = [run_check(c, backend, d).state for d in devices for c in checks]
    return "right" in states and all(s in ("right", "absent") for s in states)


@contextmanager
def _without_gap(backend: Backend, name: str) -> Iterator[None]:
    """Let a backend be asked for a function although it declares it a gap."""
    own = vars(backend).get("gaps")
    backend.gaps = {n: reason for n, reason in backend.gaps.items() if n != name}
    _forget(backend, name)
    try:
        yield
    finally:
        if own is None:
            del backend.gaps
        else:
            backend.gaps = own
        _forget(backend, name)


def _forget(backend: Backend, name: str) -> None:
    """Forget which function of a backend computes an op: it is looked up again when it is called."""
    for op in REGISTRY.values():
        for kind in [k for k in op.functions if BY_TYPE[k] is backend]:
            del op.functions[kind]
    for kind in [k for k, space in SPACES.items() if space is not ops and BY_TYPE[k] is backend]:
        space = SPACES[kind]
        for part, prefix in ((space, ""), (space.fft, "fft."), (space.linalg, "linalg.")):
            for function in [f for f in vars(part) if gap_of({name: ""}, prefix + f)]:
                delattr(part, function)


def _versions(backend: Backend) -> dict[str, str]:
    origin, _, version = backends.origin(backend).rpartition(" ")
    versions = {"dualad": __version__, "Python": platform.python_version()}
    return {**versions, origin: version} if origin and version[:1].isdigit() else versions
