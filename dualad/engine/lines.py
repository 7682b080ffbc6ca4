"""Finding the line of the user's program that an op is called from.

Anomaly mode and the profiler ask for it at every op, so that little may be done then: frames are
passed until one is not ours, and what is found is put in words only where somebody reads it.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import warnings
from itertools import islice
from traceback import FrameSummary, StackSummary
from types import CodeType, FrameType
from typing import Any

from .node import Node
from .recording import RECORDING

#: How many callers of a line are kept, so that one can tell which of a function's calls it was.
CALLERS = 4

#: Packages whose lines are never the user's: the call came from around them.
PASSED = (__package__.partition(".")[0], "numpy", "scipy", "array_api_compat", "array_api_extra", "optree")

_OURS, _LIBRARY, _USER = 0, 1, 2
_kinds: dict[str, int] = {}


class Line:
    """A line of a program: the one that called an op.

    Parameters
    ----------
    frame : FrameType
        A frame that executes it. Only its code is kept, so that nothing is kept alive.
    caller : Line, optional
        The line of the user's program from which this one was reached.

    Examples
    --------
    >>> from dualad.engine.lines import user_line
    >>> user_line().function
    '<module>'
    """

    __slots__ = ("caller", "code", "instruction", "number")

    def __init__(self, frame: FrameType, caller: Line | None = None) -> None:
        self.code: CodeType = frame.f_code
        self.instruction: int = frame.f_lasti
        self.number: int = frame.f_lineno
        self.caller = caller

    @property
    def filename(self) -> str:
        """The file, or what stands for one, such as ``"<stdin>"``."""
        return self.code.co_filename

    @property
    def function(self) -> str:
        """The function's name, qualified by its class."""
        return self.code.co_qualname

    @property
    def source(self) -> str:
        """The text of the line, without its indentation; empty where it is not known."""
        return linecache.getline(self.filename, self.number).strip()

    def __str__(self) -> str:
        return f"{_short(self.filename)}:{self.number}, in {self.function}" + (
            f": {self.source}" if self.source else ""
        )

    def __repr__(self) -> str:
        return f"<Line {self}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, int, str]:
        return self.filename, self.number, self.function

    def traceback(self) -> str:
        """Return the line and its callers as Python's tracebacks have them, the line last.

        Callers without a source, such as what starts a worker process, say nothing and are left out.
        """
        frames: list[FrameSummary] = []
        line: Line | None = self
        while line is not None:
            linecache.checkcache(line.filename)  # it may have been edited since
            if line is self or line.source:
                frames.insert(0, line._summary())
            line = line.caller
        return "".join(StackSummary.from_list(frames).format()).rstrip("\n")

    def _summary(self) -> FrameSummary:
        found: Any = next(islice(self.code.co_positions(), self.instruction // 2, None), None)
        _, last, column, end = found or (None, None, None, None)
        return FrameSummary(
            self.filename, self.number, self.function, end_lineno=last, colno=column, end_colno=end
        )  # its source is looked up where it is shown


def user_line(callers: int = 0) -> Line | None:
    """Return the line of the user's program that is being executed, with some of its callers.

    That is the innermost frame outside the packages `PASSED`. Its callers are lines of the user's
    own files: what lies in installed libraries, a test runner say, is left out.

    Returns
    -------
    Line or None
        None if no frame is the user's.
    """
    found: list[FrameType] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and len(found) <= callers:
        kind = _kinds.get(frame.f_code.co_filename)
        if kind is None:
            kind = _kind(frame)
        if kind == _USER or (kind == _LIBRARY and not found):
            found.append(frame)
        frame = frame.f_back
    line = None
    for outer in reversed(found):
        line = Line(outer, line)
    return line


#: What has been warned of, for each file: where Python's filters show a warning once, they look here.
_warned: dict[str, dict[Any, Any]] = {}


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the line of the user's program that is being executed."""
    line = user_line()
    if line is None:
        warnings.warn(message, category, stacklevel=3)
        return
    seen = _warned.setdefault(line.filename, {})
    warnings.warn_explicit(message, category, line.filename, line.number, registry=seen)


def record_line(node: Node, callers: int = 0) -> None:
    """Keep with a new node the line that made it: of a node made by a derivative, the op's own line."""
    within = RECORDING.get().within
    line = within.metadata.get("line") if isinstance(within, Node) else None
    node.metadata["line"] = line or user_line(callers)


def _kind(frame: FrameType) -> int:
    """Return whose the file of a frame is, and remember it."""
    filename = frame.f_code.co_filename
    if _within(filename, map(_folder, PASSED)):
        kind = _OURS
    elif _within(filename, _installed()) or filename.startswith("<frozen "):
        kind = _LIBRARY
    else:
        kind = _USER
        linecache.lazycache(filename, frame.f_globals)  # a source that is in no file: in a zip archive, say
    _kinds[filename] = kind
    return kind


def _within(filename: str, folders: Any) -> bool:
    return any(folder and filename.startswith(folder + os.sep) for folder in folders)


def _folder(package: str) -> str:
    """Return where a package lies, if it is imported: its code cannot be running else."""
    return os.path.dirname(getattr(sys.modules.get(package), "__file__", None) or "")


def _installed() -> list[str]:
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    return [sysconfig.get_path(name) for name in names]


def _short(filename: str) -> str:
    """Return a path as it is seen from the working directory, if it lies in there."""
    try:
        short = os.path.relpath(filename)
    except (OSError, ValueError):  # no working directory, or another drive
        return filename
    return filename if filename.startswith("<") or short.startswith(os.pardir) else short
