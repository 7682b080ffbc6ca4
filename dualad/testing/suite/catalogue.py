"""All checks there are, in one list: certificates print them as a table, and pytest runs them one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import dualad
from dualad.backends import Backend
from dualad.backends.functions import gap_of
from dualad.dtypes import BY_NAME
from dualad.errors import BackendError, DTypeError, GapError
from dualad.op import REGISTRY

from . import (
    constants,
    datatypes,
    derivatives,
    determinism,
    edges,
    errors,
    hooks,
    indexing,
    memory,
    moves,
    randomness,
    threads,
)
from .cases import NotHere, has, widest
from .examples import EXAMPLES, Example

#: The columns of the table of functions.
COLUMNS = ("value", "JVP", "VJP", "second order", "dtypes")


# How an op refuses a dtype that its device lacks.
_MISSING = re.compile(r"the device (\S+) has no arrays of dtype dualad\.(\w+)")


class Check(NamedTuple):
    """Something that a backend has to do right.

    Attributes
    ----------
    row : str
        The function that is checked, or the group that the check belongs to.
    column : str
        One of `COLUMNS` for a function, the check's name for others.
    case : str
        With what the function is called; "" for others.
    run : callable
        ``run(device)`` raises a `Fault`, or whatever the library raises, if something is wrong, and
        `NotHere` where the device has not what is needed.
    is_first : bool
        Whether this is among the first cases of its row, which are looked at in a quick run.
    """

    row: str
    column: str
    case: str
    run: Callable[[str], None]
    is_first: bool = True

    def __call__(self, device: str) -> None:
        """Run the check on a device; what SciPy or a missing dtype is needed for is `NotHere`."""
        try:
            self.run(device)
        except BackendError as error:
            if "needs SciPy" in str(error) and find_spec("scipy") is None:
                raise NotHere("SciPy is not installed: pip install 'dualad[special]'") from None
            raise
        except DTypeError as error:
            missing = _MISSING.search(str(error))
            if missing is not None and not has(BY_NAME[missing[2]], missing[1]):
                raise NotHere(f"{missing[1]} has no {missing[2]}") from None
            raise

    def __str__(self) -> str:
        return "-".join(part.replace(" ", "_") for part in (self.row, self.column, self.case) if part)


def _function(example: Example) -> str:
    """Return the name of the function that an example is of."""
    if example.op:
        return example.op
    head = example.name.partition("-")[0]
    for name in (f"linalg.{head}", f"fft.{head}", head):
        if name in REGISTRY or _public(name):
            return name
    return head


def _public(name: str) -> bool:
    try:
        return callable(attrgetter(name)(dualad))
    except AttributeError:
        return False


def _in_widest(check: Callable[..., None], example: Example, is_complex: bool, device: str) -> None:
    """Run a check in the dtype in which it says most."""
    check(example, widest(is_complex, device), device)


_BY_COLUMN = (
    ("value", derivatives.check_value),
    ("JVP", derivatives.check_jvp),
    ("VJP", derivatives.check_vjp),
    ("second order", derivatives.check_second),
    ("second order", derivatives.check_backward),
)
_STRIDED = (("value", derivatives.check_strided_value), ("VJP", derivatives.check_strided_gradients))
_NARROW = {False: dualad.float32, True: dualad.complex64}


def _of_example(row: str, example: Example, is_first: bool) -> Iterator[Check]:
    for is_complex in (False, True) if example.complex else (False,):
        kind = "complex" if is_complex else "real"
        for column, check in _BY_COLUMN:
            title = " by backward" if check is derivatives.check_backward else ""
            run = partial(_in_widest, check, example, is_complex)
            yield Check(row, column, f"{example.name} {kind}{title}", run, is_first)
        narrow = _NARROW[is_complex]
        run = partial(derivatives.check_narrow, example, narrow)
        yield Check(row, "dtypes", f"{example.name} {narrow.name}", run, is_first)
    for column, strided in _STRIDED:
        yield Check(row, column, f"{example.name} strided", partial(strided, example), False)
    if is_first:
        run_all = partial(datatypes.check_dtypes, example)
        yield Check(row, "dtypes", f"{example.name} in all", run_all)
        if datatypes.promotes(example):
            yield Check(
                row, "dtypes", f"{example.name} promoted", partial(datatypes.check_promotion, example)
            )


def _of_functions() -> Iterator[Check]:
    for row, examples in groupby(sorted(EXAMPLES, key=_function), key=_function):
        for k, example in enumerate(examples):
            yield from _of_example(row, example, k == 0)
    for k, constant in enumerate(constants.CONSTANTS):
        run = partial(constants.check_constant, constant)
        yield Check(constant.name, "value", f"constant {k}", run)


def _of_others() -> Iterator[Check]:
    groups: Mapping[str, Mapping[str, Callable[[str], None]]] = {
        "hooks": hooks.CHECKS,
        "moves": moves.CHECKS,
        "indexing": indexing.CHECKS,
        "memory": memory.CHECKS,
        "dtypes": {"half sums": datatypes.check_half_sums},
        "random numbers": randomness.CHECKS,
        "threads": {**{n: partial(threads.check_program, n) for n in threads.PROGRAMS}, **threads.CHECKS},
        "errors": {**{n: partial(errors.check_wrong_call, n) for n in errors.WRONG}, **errors.CHECKS},
        "determinism": {n: partial(determinism.check_again, n) for n in determinism.CALLS},
        "conventions": edges.CHECKS,
        "empty arrays": {n: partial(edges.check_empty, n) for n in edges.EMPTY},
    }
    for row, checks in groups.items():
        for name, run in checks.items():
            yield Check(row, name, "", run)


#: The checks of everything but functions: of the backend's own methods first, for what is wrong there
#: is wrong everywhere.
OTHERS = list(_of_others())
#: The checks of functions, those of one function together.
FUNCTIONS = sorted(_of_functions(), key=lambda check: check.row)


def known_names() -> set[str]:
    """Return the names that a backend may declare as gaps, as they are or by patterns."""
    return {*REGISTRY, *hooks.REACHED} | {
        n for c in (*OTHERS, *FUNCTIONS) for n in (c.row, f"{c.row}: {c.column}")
    }


# -- gaps --------------------------------------------------------------------------------------


def declared_gap(check: Check, backend: Backend, error: BaseException) -> str | None:
    """Return the name of the declared gap that a failed check has met, or None.

    It is the check's own, or that of a function which has refused to compute.
    """
    for name in (f"{check.row}: {check.column}", check.row):
        gap = gap_of(backend.gaps, name)
        if gap is not None:
            return gap
    cause: BaseException | None = error
    while cause is not None:
        gap = gap_of(backend.gaps, cause.function) if isinstance(cause, GapError) else None
        if gap is not None:
            return gap
        cause = cause.__cause__ or cause.__context__
    return None
