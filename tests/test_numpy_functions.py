"""NumPy's own functions on Tensors: their values and derivatives are those of NumPy's on arrays."""

import numpy as np
import pytest
from consuming import M, N, S, V, W, check

import dualad

T = np.random.default_rng(2).standard_normal((2, 3, 4))
D = np.array([1.0, -2.0, 3.5, 0.25])

ONE = {
    "median": lambda x: np.median(x, axis=1), "median of all": np.median,
    "quantile": lambda x: np.quantile(x, [0.2, 0.7], axis=(0, 2), keepdims=True),
    "percentile": lambda x: np.percentile(x, 30, axis=-1), "average": lambda x: np.average(x, axis=0),
    "ptp": lambda x: np.ptp(x, axis=1), "nan_to_num": np.nan_to_num, "nanmean": lambda x: np.nanmean(x, axis=0),
    "nansum": np.nansum, "nanmax": lambda x: np.nanmax(x, axis=1), "nanmin": lambda x: np.nanmin(x, axis=2),
    "pad": lambda x: np.pad(x, 1, constant_values=2.0), "pad edge": lambda x: np.pad(x, ((0, 1), (1, 1), (2, 0)), "edge"),
    "pad reflect": lambda x: np.pad(x, 1, mode="reflect"), "pad wrap": lambda x: np.pad(x, (1, 0), mode="wrap"),
    "pad symmetric": lambda x: np.pad(x, 2, mode="symmetric"),
    "gradient": lambda x: np.gradient(x, 0.5, axis=1), "gradient of several": lambda x: np.gradient(x)[1],
    "gradient at places": lambda x: np.gradient(x, np.array([0.0, 1.0, 1.5, 4.0]), axis=2),
    "trapezoid": lambda x: np.trapezoid(x, dx=0.5, axis=1),
    "trapezoid at places": lambda x: np.trapezoid(x, np.array([0.0, 1.0, 1.5, 4.0])),
    "cumsum": lambda x: np.cumsum(x, axis=1), "cumprod of all": np.cumprod, "diff": lambda x: np.diff(x, 2, axis=2),
    "split": lambda x: np.split(x, 2, axis=2)[1], "array_split": lambda x: np.array_split(x, 3, axis=2)[0],
    "split at": lambda x: np.split(x, [1, 3], axis=2)[1], "hsplit": lambda x: np.hsplit(x, 3)[2],
    "vsplit": lambda x: np.vsplit(x, 2)[1], "append": lambda x: np.append(x, x * 2),
    "dstack": lambda x: np.dstack([x, x * x]), "diagonal": lambda x: np.diagonal(x, 1, 0, 2),
    "rot90": lambda x: np.rot90(x, 3, axes=(1, 2)), "fliplr": np.fliplr, "flipud": np.flipud,
    "select": lambda x: np.select([x > 1, x > 0], [x * 2, x * x], 0.5), "fmod": lambda x: np.fmod(x, 0.7),
    "fmax": lambda x: np.fmax(x, 0.1), "fmin": lambda x: np.fmin(x, 0.1), "cbrt": np.cbrt, "sinc": np.sinc,
    "degrees": np.degrees, "radians": np.radians, "exp2": np.exp2, "logaddexp2": lambda x: np.logaddexp2(x, 0.3),
    "einsum diagonal": lambda x: np.einsum("iji->ij", x[:, :, :2]), "einsum sum": lambda x: np.einsum("i...->...", x),
    "unique": lambda x: np.unique(x[0, 0]), "around": lambda x: np.around(x * 0 + 1.26, 1) + x, "matrix_transpose": np.matrix_transpose,
    "norm of vectors": lambda x: np.linalg.norm(x, axis=-1), "norm of matrices": lambda x: np.linalg.norm(x, 1, axis=(0, 2)),
    "fft": lambda x: np.fft.fft(x, 5, axis=1), "ifftn": lambda x: np.fft.ifftn(x), "rfft2": lambda x: np.fft.rfftn(x, axes=(0, 1)),
    "fftshift": lambda x: np.fft.fftshift(x, axes=(1,)), "unstack": lambda x: np.unstack(x)[1],
}  # fmt: skip
SQUARE = {
    "inv": np.linalg.inv, "det": np.linalg.det, "slogdet": lambda x: np.linalg.slogdet(x)[1],
    "cholesky": lambda x: np.linalg.cholesky(x @ x.T), "eigvalsh": lambda x: np.linalg.eigvalsh(x + x.T),
    "eigvalsh upper": lambda x: np.linalg.eigvalsh(x + x.T, UPLO="U"),
    "eigh": lambda x: np.abs(np.linalg.eigh(x + x.T)[1]), "pinv": np.linalg.pinv, "nuc": lambda x: np.linalg.norm(x, "nuc"),
    "svd": lambda x: np.linalg.svd(x, compute_uv=False), "qr": lambda x: np.abs(np.linalg.qr(x, mode="r")),
    "matrix_power": lambda x: np.linalg.matrix_power(x, 3), "trace": np.linalg.trace, "diag": lambda x: np.diag(x, -1),
    "spectral norm": lambda x: np.linalg.norm(x, 2),
}  # fmt: skip
TWO = {
    "convolve": np.convolve, "convolve same": lambda x, y: np.convolve(x, y[:3], "same"),
    "convolve valid": lambda x, y: np.convolve(x[:4], y, "valid"), "correlate": lambda x, y: np.correlate(x, y, "full"),
    "correlate same": lambda x, y: np.correlate(x[:4], y, "same"), "kron": np.kron,
    "interp": lambda x, y: np.interp(x * 7 - 1, np.arange(6.0), y), "interp ends": lambda x, y: np.interp(x * 7 - 1, np.arange(6.0), y, -1.0, 2.0),
    "polyval": np.polyval, "average": lambda x, y: np.average(x, weights=y), "column_stack": lambda x, y: np.column_stack([x, y]),
    "cross": lambda x, y: np.cross(x[:3], y[:3]), "where": lambda x, y: np.where(x > y, x, y), "heaviside": lambda x, y: np.heaviside(x - 0.5, y) * x,
    "einsum outer": lambda x, y: np.einsum("i,j", x, y), "einsum inner": lambda x, y: np.einsum("i,i->", x, y),
}  # fmt: skip
MATRICES = {
    "einsum": lambda x, y: np.einsum("ij,kj->ik", x, y), "einsum three": lambda x, y: np.einsum("ij,kj,kl->li", x, y, y),
    "einsum broadcast": lambda x, y: np.einsum("...j,kj->k...", x, y), "einsum elementwise": lambda x, y: np.einsum("ij,ij->ji", x[:4], y),
    "einsum batch": lambda x, y: np.einsum("ab,cb->b", x, y), "multi_dot": lambda x, y: np.linalg.multi_dot([x, y.T, y]),
    "solve": lambda x, y: np.linalg.solve(x[:3] + 3 * np.eye(3), y.T), "kron": np.kron, "outer": lambda x, y: np.linalg.outer(x[0], y[1]),
    "matmul": np.linalg.matmul, "cross": np.linalg.cross,
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_array(name):
    check(ONE[name], T)


@pytest.mark.parametrize("name", SQUARE)
def test_functions_of_a_matrix(name):
    check(SQUARE[name], S)


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_vectors(name):
    check(TWO[name], V, W)


@pytest.mark.parametrize("name", MATRICES)
def test_functions_of_two_matrices(name):
    if name in ("matmul", "cross"):
        check(MATRICES[name], M[:3], S)
    else:
        check(MATRICES[name], M, N)


def test_constant_results():
    x = dualad.asarray([[0.0, 2.0], [3.0, 0.0]])
    assert np.argwhere(x).tolist() == [[0, 1], [1, 0]]
    assert np.flatnonzero(x).tolist() == [1, 2]
    assert np.count_nonzero(x, axis=0).tolist() == [1, 1]
    assert np.isin(x, [2.0]).tolist() == [[False, True], [False, False]]
    assert np.searchsorted(dualad.asarray([1.0, 2.0]), dualad.asarray([1.5])).tolist() == [1]
    assert np.linalg.matrix_rank(x).item() == 2


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: np.median(x, overwrite_input=True), r"np\.median: on Tensors, got an unexpected"),
        (lambda x: np.quantile(x, 0.5, method="nearest"), "method must be 'linear'"),
        (lambda x: np.pad(x, 1, mode="linear_ramp"), "the mode 'linear_ramp'"),
        (lambda x: np.unique(x, return_index=True), r"np\.unique: on Tensors"),
        (lambda x: np.gradient(x, edge_order=2), "edge_order must be 1"),
        (lambda x: np.linalg.qr(x, mode="raw"), "the mode 'raw'"),
        (np.i0, "not available on Tensors"),
    ],
)
def test_what_is_not_available_is_named(call, says):
    with pytest.raises(dualad.NumPyFunctionError, match=says):
        call(dualad.ones(3, 3))


@pytest.mark.parametrize(
    ("subscripts", "shapes", "says"),
    [
        ("ij,jk", [(2, 3)], "names 2 operands, 1 given"),
        ("ij", [(2, 3, 4)], "does not name the axes"),
        ("ij,ij->k", [(2, 3), (2, 3)], "must name axes of the operands"),
        ("ij,jk", [(2, 3), (4, 5)], "'j' has the lengths 3 and 4"),
    ],
)
def test_einsum_names_what_does_not_fit(subscripts, shapes, says):
    with pytest.raises(dualad.ShapeError, match=says):
        dualad.einsum(subscripts, *(dualad.ones(s) for s in shapes))
