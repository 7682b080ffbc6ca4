"""What a check of derivatives says: which are wrong, where most of all, and what may be the matter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import GradientError
from .functions import Function


class GradcheckError(GradientError, AssertionError):
    """A derivative that is not what finite differences say.

    It is an AssertionError too: test runners then count it as a failure of the test.
    """


@dataclass
class Report:
    """The findings of a check.

    Attributes
    ----------
    eps, atol, rtol : float
        The step of the differences, and by how much entries may differ.
    wrong, right : list of str
        What is wrong, a paragraph each, and what is right, in few words.
    """

    eps: float
    atol: float
    rtol: float
    wrong: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)

    def compare(
        self, f: Function, k: int, i: int, mode: str, found: np.ndarray, numerical: np.ndarray
    ) -> None:
        """Note whether the Jacobian matrix of result k in argument i is right."""
        pair = f"{f.outputs[k].name} with respect to {f.inputs[i].name}, in {mode} mode"
        over = excess(found, numerical, self.atol, self.rtol)
        if not over.size or over.max() <= 0:
            self.right.append(pair)
            return
        row, column = (int(n) for n in np.unravel_index(over.argmax(), over.shape))
        bad = np.count_nonzero(over > 0)
        count = f" {bad} of {over.size} entries are wrong, the worst is" if over.size > 1 else ""
        lines = [
            f"Jacobian mismatch for {pair}:{count}",
            f"    d {f.outputs[k].place(row)} / d {f.inputs[i].place(column)}",
            f"    numerical:  {numerical[row, column]:.7g}",
            f"    analytical: {found[row, column]:.7g}",
            *(f"    {hint}" for hint in _hints(f, k, i, row, column, found, numerical, self.eps)),
        ]
        self.wrong.append("\n".join(lines))

    def text(self, name: str) -> str:
        """Return all that there is to say."""
        total = len(self.wrong) + len(self.right)
        lines = [
            f"{name}: {len(self.wrong)} of {total} checks failed "
            f"(eps={self.eps:g}, atol={self.atol:g}, rtol={self.rtol:g})",
            *self.wrong,
            *(f"Right: {pair}" for pair in self.right[:_SHOWN]),
        ]
        if len(self.right) > _SHOWN:
            lines.append(f"and {len(self.right) - _SHOWN} more are right.")
        return "\n".join(lines)


_SHOWN = 10

#: The dtypes of single precision, and the step below which differences in them say little.
SINGLE, SMALL_STEP = ("float32", "complex64"), 1e-4


def excess(found: np.ndarray, numerical: np.ndarray, atol: float, rtol: float) -> np.ndarray:
    """Return by how much entries differ more than they may; infinity where one is NaN or infinite."""
    with np.errstate(invalid="ignore"):
        over = np.abs(found - numerical) - (atol + rtol * np.abs(numerical))
    return np.where(np.isfinite(over), over, np.inf)


def _hints(
    f: Function, k: int, i: int, row: int, column: int, found: np.ndarray, numerical: np.ndarray, eps: float
) -> list[str]:
    """Return what may be the matter."""
    if f.inputs[i].dtype.name in SINGLE and eps < SMALL_STEP:
        return [
            f"{f.inputs[i].name} is of single precision, in which differences with eps={eps:g} are mostly "
            "rounding: use float64, or a larger eps, atol and rtol."
        ]
    unit = np.zeros(f.inputs[i].size)
    unit[column] = eps
    here, again, ahead, behind = (f.value(i, step * unit)[k][row] for step in (0, 0, 1, -1))
    if here != again and not np.isnan(here):
        return ["The function is not deterministic: it gave another value for the same arguments."]
    if not np.isfinite([here, ahead, behind]).all():
        return [f"The function is {here:g} there, {ahead:g} ahead and {behind:g} behind: not finite."]
    if not np.isfinite(found[row, column]):
        return []
    right, left = (ahead - here) / eps, (here - behind) / eps
    if abs(right - left) > 0.1 * max(abs(right), abs(left)) + 10 * eps**0.5:  # curvature is less
        return [f"There is a kink or a jump: the slope ahead is {right:.5g}, behind {left:.5g}."]
    factor = _factor(found, numerical)
    return [] if factor is None else [f"All of its entries are {factor:.5g} times what they should be."]


def _factor(found: np.ndarray, numerical: np.ndarray) -> float | None:
    """Return the factor by which all entries are wrong, if there is one."""
    scale = np.abs(numerical).max()
    large = np.abs(numerical) > 1e-3 * scale
    ratios = found[large] / numerical[large]
    factor = float(np.median(ratios))
    same = np.allclose(found, factor * numerical, rtol=1e-3, atol=1e-5 * scale)
    return factor if same and factor != 0 and np.count_nonzero(large) > 1 else None
