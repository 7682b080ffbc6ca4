"""Every function of the standard, called once with fixed arguments and compared with the referee's.

The official suite draws its arguments (``nox -s conformance``); this is the slice of it that always
runs. `docs/standard.md` lists the same functions, and fails here when one is missing from it.
"""

import inspect
from pathlib import Path

import numpy as np
import pytest
import standard_table

import dualad

strict = pytest.importorskip("array_api_strict")

A = np.array([[0.5, -1.25, 2.0], [1.5, 0.75, -0.5]])
B = np.array([[1.25, 2.5, -0.75], [0.25, -1.5, 3.0]])
I = np.array([[3, -2, 5], [0, 7, 1]])  # noqa: E741
M = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.25], [0.5, -0.25, 2.0]])
Z = A + 1j * B


def _same(names, *arrays, prefix="", **keywords):
    """Return a call for each of several functions that take the same arguments."""
    return {
        prefix + n: lambda xp, n=prefix + n: _find(xp, n)(*map(xp.asarray, arrays or (A,)), **keywords)
        for n in names.split()
    }


def _find(xp, name):
    for part in name.split("."):
        xp = getattr(xp, part)
    return xp


CALLS = {
    **_same("abs asinh atan ceil cos cosh exp expm1 floor isfinite isinf isnan negative positive reciprocal round"),
    **_same("sign signbit sin sinh square tan tanh trunc"),
    **_same("acos asin atanh", A / 3),
    **_same("acosh log log10 log1p log2 sqrt", abs(A) + 1),
    **_same("conj imag real", Z),
    **_same("add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal", A, B),
    **_same("logaddexp maximum minimum multiply nextafter not_equal remainder subtract", A, B),
    **_same("pow", abs(A), B),
    **_same("bitwise_and bitwise_or bitwise_xor", I, I + 1),
    **_same("bitwise_left_shift bitwise_right_shift", abs(I), I * 0 + 2),
    **_same("bitwise_invert", I),
    **_same("logical_and logical_or logical_xor", A > 0, B > 0),
    **_same("logical_not", A > 0),
    "clip": lambda xp: xp.clip(xp.asarray(A), -1.0, 1.0),
    # creation
    "arange": lambda xp: xp.arange(2, 9, 3, dtype=xp.float64),
    "asarray": lambda xp: xp.asarray([[1.5, 2.0]], dtype=xp.float64),
    "empty": lambda xp: xp.empty((2, 3), dtype=xp.float64) * 0,
    "empty_like": lambda xp: xp.empty_like(xp.asarray(A)) * 0,
    "eye": lambda xp: xp.eye(2, 3, k=1, dtype=xp.float64),
    "from_dlpack": lambda xp: xp.from_dlpack(xp.asarray(A)),
    "full": lambda xp: xp.full((2,), 2.5, dtype=xp.float64),
    "full_like": lambda xp: xp.full_like(xp.asarray(A), 2.5),
    "linspace": lambda xp: xp.linspace(0, 1, 5, dtype=xp.float64),
    "meshgrid": lambda xp: xp.meshgrid(xp.asarray(A[0]), xp.asarray(B[0]), indexing="ij"),
    "ones": lambda xp: xp.ones((2, 1), dtype=xp.float64),
    "ones_like": lambda xp: xp.ones_like(xp.asarray(A)),
    "tril": lambda xp: xp.tril(xp.asarray(A), k=-1),
    "triu": lambda xp: xp.triu(xp.asarray(A), k=1),
    "zeros": lambda xp: xp.zeros((2, 1), dtype=xp.int32),
    "zeros_like": lambda xp: xp.zeros_like(xp.asarray(A)),
    # data types
    "astype": lambda xp: xp.astype(xp.asarray(A), xp.float32),
    "broadcast_shapes": lambda xp: xp.broadcast_shapes((3, 1), (2,)),
    "can_cast": lambda xp: xp.can_cast(xp.int8, xp.int16),
    "finfo": lambda xp: [getattr(xp.finfo(xp.complex64), n) for n in ("bits", "eps", "max", "min", "smallest_normal")],
    "iinfo": lambda xp: [getattr(xp.iinfo(xp.int8), n) for n in ("bits", "max", "min")],
    "isdtype": lambda xp: [xp.isdtype(xp.uint8, k) for k in ("integral", "bool", ("numeric", xp.int8))],
    "result_type": lambda xp: xp.result_type(xp.asarray(A), xp.float32, 1.0),
    # indexing, manipulation
    "take": lambda xp: xp.take(xp.asarray(A), xp.asarray([2, 0]), axis=1),
    "take_along_axis": lambda xp: xp.take_along_axis(xp.asarray(A), xp.asarray([[2, 0], [1, 1]]), axis=1),
    "broadcast_arrays": lambda xp: xp.broadcast_arrays(xp.asarray(A[:1]), xp.asarray(B)),
    "broadcast_to": lambda xp: xp.broadcast_to(xp.asarray(A[0]), (2, 3)),
    "concat": lambda xp: xp.concat([xp.asarray(A), xp.asarray(B)], axis=1),
    "expand_dims": lambda xp: xp.expand_dims(xp.asarray(A), axis=1),
    "flip": lambda xp: xp.flip(xp.asarray(A), axis=1),
    "moveaxis": lambda xp: xp.moveaxis(xp.asarray(A), 0, 1),
    "permute_dims": lambda xp: xp.permute_dims(xp.asarray(A), (1, 0)),
    "repeat": lambda xp: xp.repeat(xp.asarray(A), 2, axis=0),
    "reshape": lambda xp: xp.reshape(xp.asarray(A), (3, 2)),
    "roll": lambda xp: xp.roll(xp.asarray(A), 1, axis=1),
    "squeeze": lambda xp: xp.squeeze(xp.asarray(A[:1]), axis=0),
    "stack": lambda xp: xp.stack([xp.asarray(A), xp.asarray(B)], axis=1),
    "tile": lambda xp: xp.tile(xp.asarray(A), (2, 1)),
    "unstack": lambda xp: xp.unstack(xp.asarray(A), axis=1),
    # searching, sets, sorting
    "argmax": lambda xp: xp.argmax(xp.asarray(A), axis=1),
    "argmin": lambda xp: xp.argmin(xp.asarray(A)),
    "count_nonzero": lambda xp: xp.count_nonzero(xp.asarray(I), axis=0),
    "nonzero": lambda xp: xp.nonzero(xp.asarray(I)),
    "searchsorted": lambda xp: xp.searchsorted(xp.asarray([1.0, 2.0]), xp.asarray(A[0])),
    "where": lambda xp: xp.where(xp.asarray(A > 0), xp.asarray(A), xp.asarray(B)),
    "isin": lambda xp: xp.isin(xp.asarray(I), xp.asarray([0, 5])),
    **_same("unique_all unique_counts unique_inverse unique_values", np.array([2, 1, 2, 3])),
    "argsort": lambda xp: xp.argsort(xp.asarray(A), axis=0, descending=True),
    "sort": lambda xp: xp.sort(xp.asarray(A), axis=1),
    # statistics
    "cumulative_prod": lambda xp: xp.cumulative_prod(xp.asarray(A), axis=1),
    "cumulative_sum": lambda xp: xp.cumulative_sum(xp.asarray(A), axis=0, include_initial=True),
    **_same("max mean min prod std sum var", axis=1, keepdims=True),
    "all": lambda xp: xp.all(xp.asarray(I > 0), axis=0),
    "any": lambda xp: xp.any(xp.asarray(I > 0), axis=1),
    "diff": lambda xp: xp.diff(xp.asarray(A), axis=1, n=2),
    # products
    "matmul": lambda xp: xp.matmul(xp.asarray(A), xp.asarray(M)),
    "matrix_transpose": lambda xp: xp.matrix_transpose(xp.asarray(A)),
    "tensordot": lambda xp: xp.tensordot(xp.asarray(A), xp.asarray(B), axes=((0,), (0,))),
    "vecdot": lambda xp: xp.vecdot(xp.asarray(Z), xp.asarray(Z)),
    # linalg: what is known up to a sign is made free of it
    **_same("cholesky det diagonal eigvalsh inv matrix_norm matrix_rank matrix_transpose", M, prefix="linalg."),
    **_same("pinv slogdet svdvals trace vector_norm", M, prefix="linalg."),
    "linalg.cross": lambda xp: xp.linalg.cross(xp.asarray(A), xp.asarray(B)),
    "linalg.eig": lambda xp: xp.sort(xp.real(xp.linalg.eig(xp.asarray(M)).eigenvalues)),
    "linalg.eigvals": lambda xp: xp.sort(xp.real(xp.linalg.eigvals(xp.asarray(M)))),
    "linalg.eigh": lambda xp: xp.abs(xp.linalg.eigh(xp.asarray(M)).eigenvectors),
    "linalg.matmul": lambda xp: xp.linalg.matmul(xp.asarray(A), xp.asarray(M)),
    "linalg.matrix_power": lambda xp: xp.linalg.matrix_power(xp.asarray(M), -2),
    "linalg.outer": lambda xp: xp.linalg.outer(xp.asarray(A[0]), xp.asarray(B[1])),
    "linalg.qr": lambda xp: [xp.abs(part) for part in xp.linalg.qr(xp.asarray(A), mode="complete")],
    "linalg.solve": lambda xp: xp.linalg.solve(xp.asarray(M), xp.asarray(A[0])),
    "linalg.svd": lambda xp: [xp.abs(part) for part in xp.linalg.svd(xp.asarray(A), full_matrices=False)],
    "linalg.tensordot": lambda xp: xp.linalg.tensordot(xp.asarray(A), xp.asarray(M), axes=1),
    "linalg.vecdot": lambda xp: xp.linalg.vecdot(xp.asarray(A), xp.asarray(B), axis=-1),
    # fft
    **_same("fft ifft fftn ifftn irfft irfftn hfft", Z, prefix="fft."),
    **_same("rfft rfftn ihfft fftshift ifftshift", prefix="fft."),
    "fft.fftfreq": lambda xp: xp.fft.fftfreq(5, d=0.5, dtype=xp.float64),
    "fft.rfftfreq": lambda xp: xp.fft.rfftfreq(4, dtype=xp.float64),
    # constants
    **{n: lambda xp, n=n: [float(getattr(xp, n))] for n in ("e", "inf", "nan", "pi")},
    "newaxis": lambda xp: xp.asarray(A)[:, xp.newaxis, :],
    "__array_namespace_info__": lambda xp: sorted(xp.__array_namespace_info__().dtypes(kind="numeric")),
}  # fmt: skip

# Names of the referee that are none of the standard's.
ITS_OWN = {"ArrayAPIStrictFlags", "Device", "get_array_api_strict_flags", "reset_array_api_strict_flags",
           "set_array_api_strict_flags", "__array_api_version__", "__version__", "linalg", "fft", "set_default_dtype"}  # fmt: skip
DTYPES = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
          "complex64", "complex128"}  # fmt: skip


def _names():
    """Return the names that the standard has, as the referee has them."""
    names = set(strict.__all__) - ITS_OWN - DTYPES
    for part in ("linalg", "fft"):
        names |= {f"{part}.{n}" for n in getattr(strict, part).__all__}
    return names


def test_every_function_of_the_standard_is_called():
    assert _names() - set(CALLS) == set()
    assert all(hasattr(dualad, n) for n in DTYPES)
    assert dualad.__array_api_version__ == strict.__array_api_version__


def _parts(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _comparable(part):
    """Return values and dtype of a result of either library."""
    if hasattr(part, "shape"):
        return np.asarray(part), np.asarray(part).dtype.name
    return getattr(
        part, "name", str(part).rpartition(".")[2] if "dtype" in type(part).__name__.lower() else part
    ), None


@pytest.mark.parametrize("name", CALLS)
def test_results_are_the_referees(name):
    got, want = _parts(CALLS[name](dualad)), _parts(CALLS[name](strict))
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        (a, dtype), (b, right) = _comparable(a), _comparable(b)
        assert dtype == right
        if isinstance(b, (np.ndarray, float)):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        else:
            assert str(a).rpartition(".")[2] == str(b).rpartition(".")[2]


@pytest.mark.parametrize(
    "name", [n for n in CALLS if callable(_find(strict, n)) and n != "__array_namespace_info__"]
)
def test_signatures_take_what_the_standards_take(name):
    ours, theirs = (inspect.signature(_find(xp, name)).parameters for xp in (dualad, strict))
    flexible = any(p.kind is p.VAR_POSITIONAL for p in ours.values())
    for parameter in theirs.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert parameter.name in ours or any(p.kind is p.VAR_KEYWORD for p in ours.values())
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD and not flexible:
            assert parameter.name in ours


def test_the_documentation_lists_every_function():
    """``python tests/standard_table.py > docs/standard.md`` writes it."""
    listed = (Path(__file__).parent.parent / "docs" / "standard.md").read_text()
    assert listed == standard_table.page(CALLS)
