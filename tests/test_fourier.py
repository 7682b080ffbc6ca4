"""The Fourier transforms against NumPy's, what they refuse, and whose gradient is whose."""

import numpy as np
import pytest
from conftest import needs

import dualad
from dualad import fft

NORMS = ["backward", "ortho", "forward"]
SINGLE, DOUBLE = ("float32", "complex64"), ("float64", "complex128")


def _tensor(array, device):
    needs(getattr(dualad, array.dtype.name), device)
    return dualad.asarray(array, device=device)


def _array(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    imaginary = 1j * rng.standard_normal(shape) if "complex" in dtype else 0
    return (rng.standard_normal(shape) + imaginary).astype(dtype)


def _check(got, want, dtype):
    assert got.shape == want.shape
    single = dtype in SINGLE
    assert got.dtype.name in (SINGLE if single else DOUBLE)
    np.testing.assert_allclose(
        got.cpu().numpy(), want, rtol=1e-4 if single else 1e-12, atol=1e-5 if single else 1e-12
    )


TAKES = {
    **dict.fromkeys(("fft", "ifft", "fftn", "ifftn"), SINGLE + DOUBLE),
    **dict.fromkeys(("rfft", "rfftn", "ihfft"), ("float32", "float64")),
    **dict.fromkeys(("irfft", "irfftn", "hfft"), ("complex64", "complex128")),
}
ALONG_ONE = [(n, d) for n in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft") for d in TAKES[n]]
ALONG_SEVERAL = [(n, d) for n in ("fftn", "ifftn", "rfftn", "irfftn") for d in TAKES[n]]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "dtype"), ALONG_ONE)
def test_values_along_one_axis(name, dtype, norm, device):
    for shape, axis in [((5,), -1), ((4, 6), 0), ((2, 7, 3), 1), ((2, 3, 8), -1)]:
        for n in (None, 1, 2, 3, 8, 9):
            if shape[axis] == 1 and n is None:
                continue
            a = _array(shape, dtype)
            got = getattr(fft, name)(_tensor(a, device), n=n, axis=axis, norm=norm)
            _check(got, getattr(np.fft, name)(a, n=n, axis=axis, norm=norm), dtype)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "dtype"), ALONG_SEVERAL)
def test_values_along_several_axes(name, dtype, norm, device):
    a = _array((2, 5, 4), dtype)
    for s, axes in [
        (None, None), (None, (2, 0)), (None, (-2,)), ((3, 7), (1, 2)), ((4, 2), (2, 0)), ((1, 1), (0, 1)),
    ]:  # fmt: skip
        got = getattr(fft, name)(_tensor(a, device), s=s, axes=axes, norm=norm)
        _check(got, getattr(np.fft, name)(a, s=s, axes=axes, norm=norm), dtype)


def test_lengths_without_axes_are_those_of_the_last_axes(device):
    x = _tensor(_array((2, 3, 4), "float32"), device)
    want = np.fft.fftn(x.cpu().numpy(), s=(5, 4), axes=(1, 2))
    _check(fft.fftn(x, s=(5, -1)), want, "float32")


def test_no_axes_transform_nothing(device):
    x = dualad.tensor(2.0, device=device)
    assert fft.fftn(x).item() == 2.0
    assert fft.ifftn(x, axes=()).dtype is dualad.complex64
    with pytest.raises(dualad.AxisError, match="rfftn: there must be at least one axis"):
        fft.rfftn(x)


@pytest.mark.parametrize("n", [1, 4, 5])
def test_frequencies(n, device):
    for name in ("fftfreq", "rfftfreq"):
        f = getattr(fft, name)(n, d=0.1, dtype=dualad.float32, device=device)
        assert (f.dtype, f.device) == (dualad.float32, dualad.device(device))
        np.testing.assert_allclose(f.tolist(), getattr(np.fft, name)(n, d=0.1), rtol=1e-6)
    assert fft.fftfreq(n).dtype is dualad.get_default_dtype()


@pytest.mark.parametrize("axes", [None, 0, (1,), (0, -1)])
def test_shifts(axes, device):
    a = np.arange(15, dtype=np.float32).reshape(3, 5)
    x = _tensor(a, device)
    assert fft.fftshift(x, axes=axes).tolist() == np.fft.fftshift(a, axes=axes).tolist()
    assert fft.ifftshift(x, axes=axes).tolist() == np.fft.ifftshift(a, axes=axes).tolist()
    assert fft.ifftshift(fft.fftshift(x, axes=axes), axes=axes).tolist() == a.tolist()
    zero = dualad.tensor(1.0, device=device)
    assert fft.fftshift(zero).item() == fft.ifftshift(zero).item() == 1.0


def test_the_imaginary_parts_that_no_real_signal_has_are_ignored_and_do_not_move(device):
    a = _array((5,), "complex64")
    b = a.copy()
    b[[0, -1]] += 3j
    x, y = _tensor(a, device), _tensor(b, device)
    np.testing.assert_allclose(fft.irfft(x).tolist(), fft.irfft(y).tolist(), rtol=1e-6)
    g = dualad.grad(lambda x: dualad.sum(fft.irfft(x) ** 3))(x)
    assert [g[0].item().imag, g[-1].item().imag] == [0.0, 0.0]
    odd = dualad.grad(lambda x: dualad.sum(fft.irfft(x, n=9) ** 3))(x)
    assert odd[0].item().imag == 0.0 != odd[-1].item().imag


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [4, 5, 7])
def test_gradients_agree_with_pytorch(norm, n, device):
    torch = pytest.importorskip("torch")
    for name in TAKES:
        a = _array((3, 5), TAKES[name][0])
        static = {"s": (3, n), "axes": (0, 1)} if name.endswith("n") else {"n": n, "axis": 1}
        x = _tensor(a, device)
        y, pullback = dualad.vjp(lambda x, f=name, kw=static: getattr(fft, f)(x, norm=norm, **kw), x)
        t = torch.tensor(a, requires_grad=True)
        static = {{"axes": "dim", "axis": "dim"}.get(k, k): v for k, v in static.items()}
        z = getattr(torch.fft, name)(t, norm=norm, **static)
        g = _array(y.shape, y.dtype.name, seed=1)
        z.backward(torch.tensor(g))
        np.testing.assert_allclose(
            pullback(_tensor(g, device))[0].cpu().numpy(), t.grad.numpy(), rtol=1e-4, atol=1e-4, err_msg=name
        )


def test_the_gradient_of_energy_by_parseval(device):
    x = _tensor(_array((6,), "float32"), device)
    g = dualad.grad(lambda x: dualad.sum(dualad.abs(fft.fft(x, norm="ortho")) ** 2))(x)
    assert g.dtype is dualad.float32
    np.testing.assert_allclose(g.tolist(), (2 * x).tolist(), rtol=1e-4, atol=1e-5)


def test_nodes_have_the_names_of_pytorch():
    x = dualad.ones(4, requires_grad=True)
    assert fft.rfft(x).grad_fn.name() == "FftR2CBackward0"
    assert fft.irfft(fft.rfft(x)).grad_fn.name() == "FftC2RBackward0"
    assert fft.fft(x).grad_fn.name() == "FftC2CBackward0"


ERRORS = {
    "fft: axis 2 is out of bounds": (dualad.AxisError, lambda x: fft.fft(x, axis=2)),
    "hfft: axis -3 is out of bounds": (dualad.AxisError, lambda x: fft.hfft(x, axis=-3)),
    r"fftn: axes \(0, -2\) names one twice": (dualad.AxisError, lambda x: fft.fftn(x, axes=(0, -2))),
    "fft: n must be at least 1, got 0": (dualad.ShapeError, lambda x: fft.fft(x, n=0)),
    "irfft: n must be at least 1, got -1": (dualad.ShapeError, lambda x: fft.irfft(x, n=-1)),
    "fft: n must be an integer, got 2.5": (TypeError, lambda x: fft.fft(x, n=2.5)),
    r"irfft: a transform needs a length of at least 1, got 0 for axis 1 of \(2, 1\)": (
        dualad.ShapeError,
        lambda x: fft.irfft(x[:, :1]),
    ),
    "rfftn: a transform needs a length": (dualad.ShapeError, lambda x: fft.rfftn(x[:, :0])),
    "fftn: s has 1 lengths for 2 axes": (dualad.ShapeError, lambda x: fft.fftn(x, s=(3,), axes=(0, 1))),
    "ifftn: s has 3 lengths, and the array 2 axes": (dualad.ShapeError, lambda x: fft.ifftn(x, s=(1, 2, 3))),
    "rfft: x must be of a real dtype, got dualad.complex64": (
        dualad.DTypeError,
        lambda x: fft.rfft(x.to(dualad.complex64)),
    ),
    "ifft: x must be of a floating dtype, got dualad.int32": (
        dualad.DTypeError,
        lambda x: fft.ifft(x.to(dualad.int32)),
    ),
    "ihfft: norm must be 'backward', 'ortho' or 'forward', got 'both'": (
        ValueError,
        lambda x: fft.ihfft(x, norm="both"),
    ),
    "fftfreq: n must be at least 1": (dualad.ShapeError, lambda x: fft.fftfreq(0)),
    "rfftfreq: dtype must be a real floating one": (
        dualad.DTypeError,
        lambda x: fft.rfftfreq(4, dtype=dualad.int32),
    ),
    "fftshift: axis 5 is out of bounds": (dualad.AxisError, lambda x: fft.fftshift(x, axes=5)),
}  # fmt: skip


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_function_and_the_argument(message, device):
    kind, call = ERRORS[message]
    x = dualad.ones(2, 3, device=device)
    with pytest.raises(kind, match=message):
        call(x)
