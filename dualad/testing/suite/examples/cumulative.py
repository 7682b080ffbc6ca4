"""Arguments on which running sums and products, differences and sets are differentiated."""

from __future__ import annotations

import numpy as np

import dualad
from dualad.op import REGISTRY

from .example import Example, numbers, signed

EXAMPLES: list[Example] = []


def _add(call, *arrays, name, complex=True, op=""):
    EXAMPLES.append(Example(name, call, arrays, complex, op))


def _complex(x):
    return dualad.complex64 if x.dtype.itemsize == 4 or x.dtype is dualad.complex64 else dualad.complex128


X = signed(2, 5, 3)
FORMS = {"first": {"axis": 0}, "last": {"axis": -1}, "middle-initial": {"axis": 1, "include_initial": True}}
for _name in ("cumulative_sum", "cumulative_prod"):
    for _form, _static in FORMS.items():
        _add(lambda x, f=_name, kw=_static: getattr(dualad, f)(x, **kw), X, name=f"{_name}-{_form}", op=_name)
    for _n in (1, 2, 7):
        _add(lambda x, f=_name: getattr(dualad, f)(x), signed(_n), name=f"{_name}-{_n}", op=_name)
    _add(lambda x, f=_name: getattr(dualad, f)(x, dtype=_complex(x)), signed(3), name=f"{_name}-dtype")
_zeros = signed(4, 5)
_zeros[1, 0] = _zeros[2, [1, 3]] = _zeros[3, :] = 0
_add(lambda x: dualad.cumulative_prod(x, axis=1), _zeros, name="cumulative_prod-zeros", op="cumulative_prod")
_add(
    lambda x: dualad.cumulative_prod(x, axis=0), _zeros, name="cumulative_prod-zeros-0", op="cumulative_prod"
)
_factors = signed(2, 5, seed=3)
_factors[0, 2] = 0
for _n in (1, 2, 5):
    _add(lambda a, b: REGISTRY["recurrence"](a, b, axis=1), _factors[:, :_n], signed(2, _n),
         name=f"recurrence-{_n}", op="recurrence")  # fmt: skip
_add(
    lambda a, b: REGISTRY["recurrence"](a, b, axis=0), signed(4, 2, seed=3), signed(4, 2), name="recurrence-0"
)
_add(lambda x: dualad.cumsum(x * x), signed(2, 3), name="cumsum-flat")
_add(lambda x: dualad.cumprod(x, dim=0), signed(4, 2), name="cumprod")

_add(lambda x: dualad.diff(x, axis=1), X, name="diff")
_add(lambda x: dualad.diff(x, axis=1, n=3), X, name="diff-3")
_add(lambda x: dualad.diff(x, n=0), X, name="diff-0")
_add(
    lambda x, y, z: dualad.diff(x, prepend=y, append=z),
    signed(2, 3),
    signed(2, 2, seed=1),
    signed(seed=2),
    name="diff-ends",
)
_add(lambda x: dualad.diff(x * x, prepend=0.5, n=2), signed(4), name="diff-number")

ROWS = {"vector": [2, 0], "matrix": [[1, 2], [1, 0]], "number": 1, "twice": [0, 2, 2]}
for _form, _rows in ROWS.items():

    def _index(x, rows=_rows):
        return dualad.asarray(rows, dtype=dualad.int32, device=x.device)

    _read = signed(3, 2)[np.array(_rows)]
    _add(lambda x, i=_index: REGISTRY["rows"](x, i(x)), signed(3, 2), name=f"rows-{_form}", op="rows")
    _add(
        lambda g, i=_index: REGISTRY["add_rows"](g, i(g), n=3), _read, name=f"add_rows-{_form}", op="add_rows"
    )
    _add(lambda v, x, i=_index: REGISTRY["set_rows"](v, x, i(x)), signed(*_read.shape, seed=3), signed(3, 2),
         name=f"set_rows-{_form}", op="set_rows")  # fmt: skip

for _name in ("unique_all", "unique_counts", "unique_inverse"):
    _add(lambda x, f=_name: getattr(dualad, f)(x * x).values, numbers(2, 3), name=_name, complex=False)
_add(lambda x: dualad.unique_values(x), signed(3, 2), name="unique_values", complex=False)
