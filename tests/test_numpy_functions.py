"""NumPy's own functions on Tensors: their values and derivatives are those of NumPy's on arrays."""

import numpy as np
import pytest
from conftest import needs
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
    "fft2": np.fft.fft2, "rfft2 of s": lambda x: np.fft.rfft2(x, s=(2, 2)), "irfft2": np.fft.irfft2,
    "nanmedian": lambda x: np.nanmedian(x, axis=2), "nanquantile": lambda x: np.nanquantile(x, [0.2, 0.7], axis=1),
    "nanvar": lambda x: np.nanvar(x, axis=1, ddof=1), "nanstd": np.nanstd, "nanprod": lambda x: np.nanprod(x, axis=2),
    "cov": lambda x: np.cov(x[0], ddof=0), "cov of columns": lambda x: np.cov(x[1], rowvar=False, bias=True),
    "corrcoef": lambda x: np.corrcoef(x[0]), "vander": lambda x: np.vander(x[0, 0], 3),
    "vander increasing": lambda x: np.vander(x[0, 0], increasing=True), "diagflat": lambda x: np.diagflat(x[0], -1),
    "block": lambda x: np.block([[x[0], x[1]], [x[1] * 2, x[0]]]), "delete": lambda x: np.delete(x, 1, axis=2),
    "compress": lambda x: np.compress([True, False, True], x, axis=1), "extract": lambda x: np.extract(x > 0, x),
    "piecewise": lambda x: np.piecewise(x, [x < -0.5, x > 0.5], [lambda t: t**2, np.exp, 3.0]),
    "linspace": lambda x: np.linspace(x[0], x[1], 4), "gradient of second order": lambda x: np.gradient(x, 0.1, axis=1, edge_order=2),
    "gradient at places of second order": lambda x: np.gradient(x, np.array([0.0, 1.0, 1.5, 4.0]), axis=2, edge_order=2),
    "einsum of lists": lambda x: np.einsum(x, [0, 1, 2], x, [0, 3, 2], [3, 1]), "resize": lambda x: np.resize(x, (5, 7)),
    "dsplit": lambda x: np.dsplit(x, 2)[1], "atleast_3d": lambda x: np.atleast_3d(x[0]), "rollaxis": lambda x: np.rollaxis(x, 2),
    "take around": lambda x: np.take(x, [0, 5], axis=2, mode="wrap"), "take within": lambda x: np.take(x, [-3, 9], axis=2, mode="clip"),
    "add.accumulate": np.add.accumulate, "multiply.accumulate": lambda x: np.multiply.accumulate(x, axis=2),
    "mean as dtype": lambda x: np.mean(x, dtype=float), "inner of a number": lambda x: np.inner(x, 2.5),
    "tril": lambda x: np.tril(x, -1),
}  # fmt: skip
SQUARE = {
    "inv": np.linalg.inv, "det": np.linalg.det, "slogdet": lambda x: np.linalg.slogdet(x)[1],
    "cholesky": lambda x: np.linalg.cholesky(x @ x.T), "eigvalsh": lambda x: np.linalg.eigvalsh(x + x.T),
    "eigvalsh upper": lambda x: np.linalg.eigvalsh(x + x.T, UPLO="U"),
    "eigh": lambda x: np.abs(np.linalg.eigh(x + x.T)[1]), "pinv": np.linalg.pinv, "nuc": lambda x: np.linalg.norm(x, "nuc"),
    "svd": lambda x: np.linalg.svd(x, compute_uv=False), "qr": lambda x: np.abs(np.linalg.qr(x, mode="r")),
    "matrix_power": lambda x: np.linalg.matrix_power(x, 3), "trace": np.linalg.trace, "diag": lambda x: np.diag(x, -1),
    "spectral norm": lambda x: np.linalg.norm(x, 2), "pinv of rcond": lambda x: np.linalg.pinv(x, 1e-3),
}  # fmt: skip
TWO = {
    "convolve": np.convolve, "convolve same": lambda x, y: np.convolve(x, y[:3], "same"),
    "convolve valid": lambda x, y: np.convolve(x[:4], y, "valid"), "correlate": lambda x, y: np.correlate(x, y, "full"),
    "correlate same": lambda x, y: np.correlate(x[:4], y, "same"), "kron": np.kron,
    "interp": lambda x, y: np.interp(x * 7 - 1, np.arange(6.0), y), "interp ends": lambda x, y: np.interp(x * 7 - 1, np.arange(6.0), y, -1.0, 2.0),
    "polyval": np.polyval, "average": lambda x, y: np.average(x, weights=y), "column_stack": lambda x, y: np.column_stack([x, y]),
    "cross": lambda x, y: np.cross(x[:3], y[:3]), "where": lambda x, y: np.where(x > y, x, y), "heaviside": lambda x, y: np.heaviside(x - 0.5, y) * x,
    "interp of a period": lambda x, y: np.interp(x * 3, np.arange(6.0) / 4, y, period=1.7),
    "convolve a number": lambda x, y: np.convolve(x, 0.1) * y, "multiply.outer": np.multiply.outer,
    "cov of two": np.cov, "float_power": np.float_power, "fmod of two": lambda x, y: np.fmod(x * 5 - 2, y),
    "einsum outer": lambda x, y: np.einsum("i,j", x, y), "einsum inner": lambda x, y: np.einsum("i,i->", x, y),
}  # fmt: skip
MATRICES = {
    "einsum": lambda x, y: np.einsum("ij,kj->ik", x, y), "einsum three": lambda x, y: np.einsum("ij,kj,kl->li", x, y, y),
    "einsum broadcast": lambda x, y: np.einsum("...j,kj->k...", x, y), "einsum elementwise": lambda x, y: np.einsum("ij,ij->ji", x[:4], y),
    "einsum batch": lambda x, y: np.einsum("ab,cb->b", x, y), "multi_dot": lambda x, y: np.linalg.multi_dot([x, y.T, y]),
    "solve": lambda x, y: np.linalg.solve(x[:3] + 3 * np.eye(3), y.T), "kron": np.kron, "outer": lambda x, y: np.linalg.outer(x[0], y[1]),
    "matmul": np.linalg.matmul, "cross": np.linalg.cross,
}  # fmt: skip


CALLS = (
    *((n, f, (T,)) for n, f in ONE.items()),
    *((n, f, (S,)) for n, f in SQUARE.items()),
    *((n, f, (V, W)) for n, f in TWO.items()),
    *((n, f, (M[:3], S) if n in ("matmul", "cross") else (M, N)) for n, f in MATRICES.items()),
)
every_call = pytest.mark.parametrize(("f", "arrays"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])


@every_call
def test_values_and_gradients(f, arrays):
    check(f, *arrays)


def _first(result):
    return result[0] if isinstance(result, (tuple, list)) else result


@every_call
def test_forward_and_second_order(f, arrays):
    """Tangents against differences of values, and second derivatives, two ways, of gradients."""
    directions = tuple(np.random.default_rng(i).standard_normal(a.shape) for i, a in enumerate(arrays))

    def moved(h):
        return tuple(a + h * d for a, d in zip(arrays, directions, strict=True))

    _, tangent = dualad.jvp(lambda *xs: _first(f(*xs)), arrays, directions)
    slope = (np.asarray(_first(f(*moved(1e-6)))) - np.asarray(_first(f(*moved(-1e-6))))) / 2e-6
    np.testing.assert_allclose(tangent, slope, rtol=1e-4, atol=1e-5)

    weights = np.cos(np.arange(slope.size)).reshape(slope.shape)
    every = tuple(range(len(arrays)))
    gradient = dualad.grad(lambda *xs: dualad.sum(dualad.real(_first(f(*xs))) * weights), every)
    ahead, behind = gradient(*moved(1e-5)), gradient(*moved(-1e-5))
    _, over_reverse = dualad.jvp(gradient, arrays, directions)
    twice = dualad.grad(
        lambda *xs: sum(dualad.sum(g * d) for g, d in zip(gradient(*xs), directions, strict=True)), every
    )(*arrays)
    for i in every:
        second = (ahead[i] - behind[i]) / 2e-5
        np.testing.assert_allclose(over_reverse[i], second, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(twice[i], second, rtol=1e-3, atol=1e-4)


# Other arrays among their arguments are NumPy's: on another device these would have to be moved.
ON_THE_CPU = {"trapezoid at places", "solve"}


@pytest.mark.parametrize(("name", "f", "arrays"), [c for c in CALLS if c[0] not in ON_THE_CPU])
def test_on_a_device(name, f, arrays, device):
    needs(dualad.float64, device)
    needs(dualad.complex128, device)
    y = _first(f(*(dualad.asarray(a, device=device) for a in arrays)))
    assert str(y.device) == device
    np.testing.assert_allclose(y.cpu().numpy(), _first(f(*arrays)), rtol=1e-7, atol=1e-9)


# -- values that the gradients do not see --------------------------------------------------------

HOLES = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [5.0, -np.inf, 2.0]])
WHOLE = np.array([[3, 0, 1], [2, 2, 0]])
SINGLE = np.array([0.1, 0.7], dtype=np.float32)
VALUES = {
    "median of integers": (np.median, WHOLE), "median with NaN": (lambda x: np.median(x, axis=0), HOLES),
    "median beside infinity": (np.median, np.array([1.0, 2.0, np.inf])), "quantile of integers": (lambda x: np.quantile(x, 0.3), WHOLE),
    "nanmedian": (lambda x: np.nanmedian(x, axis=0), HOLES), "nanpercentile": (lambda x: np.nanpercentile(x, [10, 60], axis=1), HOLES),
    "nanmax of NaN": (lambda x: np.nanmax(x, axis=1), HOLES), "nanmin of NaN": (lambda x: np.nanmin(x, axis=1), HOLES),
    "nansum of integers": (np.nansum, WHOLE), "nanvar": (lambda x: np.nanvar(x[:1], axis=1), HOLES),
    "nan_to_num": (lambda x: np.nan_to_num(x, nan=4.0, neginf=-3.0), HOLES), "nan_to_num of integers": (np.nan_to_num, WHOLE),
    "fmod by infinity": (lambda x: np.fmod(x, np.inf), HOLES), "fmod of integers": (lambda x: np.fmod(x - 2, 2), WHOLE),
    "fmod of a large number": (lambda x: np.fmod(x * 1e17, 3.0), np.array([1.0, -1.0])),
    "heaviside of NaN": (lambda x: np.heaviside(x, 0.5), HOLES), "fmax of NaN": (lambda x: np.fmax(x, 0.0), HOLES),
    "fmin of integers": (lambda x: np.fmin(x, 1), WHOLE), "unique with NaN": (np.unique, HOLES),
    "unique": (lambda x: np.concatenate([p.ravel() for p in np.unique(x, True, True, True)]), HOLES),
    "concatenate as dtype": (lambda x: np.concatenate([x, x], dtype=np.float32), T), "var as dtype": (lambda x: np.var(x, dtype=np.float32), T),
    "sum as float": (lambda x: np.sum(x, dtype=float), WHOLE), "zeros_like as float": (lambda x: np.zeros_like(x, float), WHOLE),
    "astype float": (lambda x: np.astype(x, float), WHOLE), "var with keepdims": (lambda x: np.var(x, keepdims=1), T),
    "a number of double precision": (lambda x: np.polyval(x, 0.1), V), "a list of double precision": (lambda x: np.concatenate([[0.1], x]), V),
    "spacing of double precision": (lambda x: np.gradient(x, 0.1), V), "weights of double precision": (lambda x: np.average(x, weights=[0.1, 0.2, 0.7]), V[:3]),
    "single precision stays": (lambda x: np.exp2(np.cbrt(np.degrees(x))), SINGLE), "a tuple": (lambda x: np.add(x, (0.1, 0.2)), SINGLE),
    "around of integers": (lambda x: np.around(x * 7, -1), WHOLE), "interp with two places alike": (lambda x: np.interp(x, [0.0, 1.0, 1.0], [1.0, 2.0, 5.0]), np.array([0.5, 1.0, 2.0])),
    "interp at one place": (lambda x: np.interp(x, [1.0], [4.0]), np.array([0.5, 1.0, np.nan])), "pad by axis": (lambda x: np.pad(x, {-1: (1, 2)}), WHOLE),
    "gradient of integers": (lambda x: np.gradient(x[0], 0.5), WHOLE), "float_power of integers": (lambda x: np.float_power(x, 2), WHOLE),
    "isclose": (lambda x: np.isclose(x, x + 1e-9, equal_nan=True), HOLES), "convolve long ones": (lambda x: np.convolve(x, x[:900]), np.sin(np.arange(2000.0))),
    "angle": (np.angle, WHOLE - 1), "tril_indices_from": (lambda x: np.stack(np.tril_indices_from(x, 1)), WHOLE),
}  # fmt: skip


#: What NumPy itself cannot do, or does not tell, before 2.4.
NEW = {"pad by axis", "a string"}


def _skip_if_new(name):
    if name in NEW and np.lib.NumpyVersion(np.__version__) < "2.4.0":
        pytest.skip("NumPy has it from 2.4 on")


@pytest.mark.filterwarnings("ignore:All-NaN|Mean of empty|Degrees of freedom|invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    _skip_if_new(name)
    f, a = VALUES[name]
    want, got = np.asarray(f(a)), f(dualad.asarray(a))
    assert type(got) is dualad.Tensor
    assert (got.shape, got.dtype.name) == (want.shape, want.dtype.name)
    rtol = 1e-6 if want.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got.numpy(), want, rtol=rtol, atol=rtol)


DEFAULTS = {
    "by position": lambda x: np.median(x, 1, None), "by keyword": lambda x: np.median(x, axis=1, overwrite_input=False),
    "before another": lambda x: np.nansum(x, 1, None, None, True), "out": lambda x: np.cumsum(x, 1, None, None),
    "a string": lambda x: np.concatenate([x, x], casting="same_kind"), "of meshgrid": lambda x: np.meshgrid(x[0], sparse=False, copy=True)[0],
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_arguments_at_numpys_defaults_are_taken(name):
    _skip_if_new(name)
    np.testing.assert_array_equal(DEFAULTS[name](dualad.asarray(M)).numpy(), DEFAULTS[name](M))


def test_writing_in_place():
    x = dualad.tensor([1.0, 2.0], requires_grad=True)
    y = dualad.zeros(2, 2) + x
    np.fill_diagonal(y, x * 3)
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([[3.0, 2.0], [1.0, 6.0]], [4.0, 4.0])
    z = dualad.asarray([np.nan, 1.0])
    assert np.nan_to_num(z, copy=False) is z
    assert z.tolist() == [0.0, 1.0]


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
        (lambda x: np.unique(x, axis=0), r"np\.unique: on Tensors.*axis"),
        (lambda x: np.concatenate([x], out=np.ones((3, 3))), r"np\.concatenate: on Tensors.*out"),
        (lambda x: np.linalg.qr(x, mode="raw"), "the mode 'raw'"),
        (lambda x: np.stack([x], 0, np.ones((1, 3, 3))), r"np\.stack: on Tensors.*'out'"),
        (lambda x: np.take(x, 0, out=np.ones(1)), r"np\.take: on Tensors.*'out'"),
        (lambda x: np.nansum(x, where=np.eye(3) > 0), r"np\.nansum: on Tensors.*'where'"),
        (lambda x: np.nanmax(x, initial=1.0), r"np\.nanmax: on Tensors.*'initial'"),
        (lambda x: np.meshgrid(x[0], sparse=True), r"np\.meshgrid: on Tensors.*'sparse'"),
        (lambda x: np.pad(x, 1, "reflect", reflect_type="odd"), r"np\.pad: on Tensors.*'reflect_type'"),
        (lambda x: np.linalg.pinv(x, hermitian=True), r"np\.linalg\.pinv: on Tensors.*'hermitian'"),
        (lambda x: np.einsum("ij", x, dtype=complex), r"np\.einsum: on Tensors.*'dtype'"),
        (lambda x: np.var(x, mean=x), r"np\.var: the argument mean="),
        (lambda x: np.add(x, 1, dtype=np.float32), r"np\.add: the argument dtype="),
        (lambda x: np.vander(x[0], 0), r"np\.vander: N must be positive"),
        (lambda x: np.maximum.accumulate(x), r"np\.maximum\.accumulate: not available"),
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


CHOICES = {
    "where": lambda x: np.where(x > 0.5, 0.1, 0.2),
    "where, an integer": lambda x: np.where(x > 0.5, 1, 0.2),
    "where, integers": lambda x: np.where(x > 0.5, 1, 0),
    "where, complex": lambda x: np.where(x > 0.5, 0.1j, 0.2),
    "where, one of them": lambda x: np.where(x > 0.5, x, 0.1),
    "where, single precision": lambda x: np.where(x > 0.5, x.astype(np.float32), 0.1),
    "select": lambda x: np.select([x > 0.5], [0.1], 0.2),
    "select, default": lambda x: np.select([x > 0.5], [0.1]),
    "select, several": lambda x: np.select([x > 0.5, x > 0.2], [x, 0.1], 0.2),
    "select, single precision": lambda x: np.select([x > 0.5, x > 0.2], [x.astype(np.float32), 0.1], 0.2),
    "select, an array": lambda x: np.select([x > 0.5], [0.1], x),
    "astype(float)": lambda x: x.astype(np.float32).astype(float),
    "astype(complex)": lambda x: x.astype(complex),
    "a mask as numbers": lambda x: (x > 0.5).astype(float),
    "astype, a code": lambda x: x.astype("f4").astype("d"),
    "zeros_like": lambda x: np.zeros_like(x, dtype=float),
    "sum": lambda x: np.sum(x > 0.5, dtype=float),
    "trace": lambda x: np.outer(x, x).trace(),
    "trace, above": lambda x: np.outer(x, x).trace(1),
    "np.trace": lambda x: np.trace(np.outer(x, x), -1),
    "diagonal": lambda x: np.outer(x, x).diagonal(),
    "diagonal of axes": lambda x: (np.outer(x, x)[:, None] * x[:, None]).diagonal(-1, 2, 0),
    "searchsorted": lambda x: x.searchsorted(0.5),
    "searchsorted, right": lambda x: x.searchsorted(x, "right"),
    "searchsorted, a list": lambda x: x.searchsorted([0.1, 0.9]),
    "round()": lambda x: round(x[1], 1),
}


@pytest.mark.parametrize("how", CHOICES)
def test_numbers_have_the_dtype_that_numpy_gives_them(how):
    x = np.array([0.1, 0.34, 0.7])
    got, want = CHOICES[how](dualad.asarray(x, requires_grad=True)).detach().numpy(), CHOICES[how](x)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_python_s_rounding_without_digits_gives_a_tensor():
    assert round(dualad.tensor(2.5)).tolist() == 2.0


def test_the_trace_does_not_look_beside_the_diagonal():
    assert np.trace(dualad.tensor([[1.0, np.nan], [np.inf, 2.0]])).item() == 3.0
    with pytest.raises(TypeError, match="unexpected keyword argument 'dim3'"):
        dualad.eye(2).diagonal(dim3=1)
    assert dualad.ones(2, 3, 4).diagonal(dim1=0, dim2=2).shape == (3, 2)


BESIDE_LISTS = {
    "x * [..]": lambda x: x * [1.0, 2.0, 3.0],
    "[..] * x": lambda x: [1, 2, 3] * x,
    "[..] + x": lambda x: (1.5, 2, 3) + x,  # noqa: RUF005
    "x - (..)": lambda x: x - (1.0, 2.0, 3.0),
    "[..] - x": lambda x: [1.0, 2.0, 3.0] - x,
    "x / [[..], [..]]": lambda x: x / [[1.0], [2.0]],
    "[..] ** x": lambda x: [1.0, 2.0, 3.0] ** x,
    "x @ [..]": lambda x: x @ [1.0, 2.0, 3.0],
    "x += [..]": lambda x: (x * 1).__iadd__([1.0, 2.0, 3.0]),
    "single precision": lambda x: x.astype(np.float32) * [0.1, 0.2, 0.3],
    "a number - [..]": lambda x: x[0] - [1.0, 2.0],
    "x == [..]": lambda x: (x == [0.25, 1.0, 2.0]) * x,
    "x != [..]": lambda x: (x != [0.25, 1.0, 2.0]) * x,
    "x < [..]": lambda x: (x < [0.5, 0.25, 2.0]) * x,
    "out=": lambda x: np.multiply(x, x, out=np.zeros_like(x)),
    "out=, of several": lambda x: np.exp(x, out=x * 1.0) * x,
}


@pytest.mark.parametrize("how", BESIDE_LISTS)
def test_lists_of_numbers_beside_tensors_are_what_they_are_for_numpy(how):
    f, x = BESIDE_LISTS[how], np.array([0.25, 0.5, 0.75])
    got, want = f(dualad.asarray(x)), f(x)
    assert got.numpy().dtype == want.dtype
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-15)
    weights = np.cos(np.arange(want.size)).reshape(want.shape)
    if how not in ("single precision", "x == [..]", "x != [..]"):
        dualad.testing.check_grads(lambda x: np.sum(f(x) * weights), (x,))
    np.testing.assert_array_equal(dualad.vmap(f)(np.stack([x, x])), [want, want])


def test_what_is_no_list_of_numbers_stays_what_it_was():
    x, n = dualad.ones(2), dualad.tensor(2)
    assert [None] * n == [None, None]
    assert n * [1, 2] == [1, 2, 1, 2]
    for other in (["a", "b"], [[1.0], [1.0, 2.0]], (), "ab", None):
        with pytest.raises(TypeError, match="unsupported operand"):
            x + other
        assert (x == other) is False
    with pytest.raises(dualad.ShapeError, match="do not fit together"):
        x - [1.0, 2.0, 3.0]


@pytest.mark.parametrize("out", [(np.zeros(2),), (dualad.zeros(2), dualad.zeros(2))])
def test_an_array_cannot_take_a_result_with_a_history(out):
    with pytest.raises(dualad.NumPyFunctionError, match="zeros_like" if len(out) == 1 else "out= is not"):
        np.divmod(dualad.ones(2), 2.0, out=out) if len(out) > 1 else np.add(dualad.ones(2), 2.0, out=out)


REFUSED = {
    "np.array": lambda x: np.array([x[0], x[1]]),
    "np.r_": lambda x: np.r_[x, 1.0],
    "a slice of a NumPy array": lambda x: np.zeros(3).__setitem__(slice(1, None), x[1:]),
    "np.full": lambda x: np.full(3, x[0]),
    "a list in a function": lambda x: np.sum([x[0], 1.0]),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_numpy_would_put_into_an_array_of_its_own_is_refused_with_the_way_out(how):
    with pytest.raises(
        dualad.GradientError, match=r"use np\.stack\(.* or dualad\.asarray.*np\.zeros_like\(x\)"
    ):
        dualad.grad(lambda x: np.sum(REFUSED[how](x)))(np.arange(3.0))
