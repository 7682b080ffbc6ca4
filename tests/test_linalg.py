"""Linear algebra: values, batches, conventions and errors; its derivatives are in the walk."""

import numpy as np
import pytest
from conftest import needs

import dualad
from dualad import linalg

RNG = np.random.default_rng(0)
SQUARE = RNG.standard_normal((2, 3, 3))
POSITIVE = SQUARE @ SQUARE.swapaxes(-1, -2) + np.eye(3)

AGREE = {
    "cholesky": (POSITIVE, {}), "cholesky-upper": (POSITIVE, {"upper": True}), "det": (SQUARE, {}),
    "diagonal": (SQUARE, {"offset": 1}), "eigvalsh": (POSITIVE, {}), "inv": (SQUARE, {}),
    "matrix_norm": (SQUARE, {"ord": "nuc", "keepdims": True}), "matrix_norm-1": (SQUARE, {"ord": -1}),
    "matrix_rank": (SQUARE * [[1.0], [0.0], [1.0]], {}), "pinv": (SQUARE[..., :2], {}),
    "svdvals": (SQUARE, {}),
    "trace": (SQUARE, {"offset": -1}), "slogdet": (SQUARE, {}), "matrix_rank-rtol": (POSITIVE, {"rtol": 0.5}),
    "pinv-rtol": (POSITIVE, {"rtol": 0.3}),
}  # fmt: skip


@pytest.mark.parametrize("case", AGREE)
def test_values_agree_with_numpy(case, device):
    name, (array, keywords) = case.partition("-")[0], AGREE[case]
    x = dualad.asarray(array.astype(np.float32), device=device)
    if name == "matrix_rank":
        needs(dualad.int64, device)
    got, want = getattr(linalg, name)(x, **keywords), getattr(np.linalg, name)(array, **keywords)
    for a, b in zip(*((got, want) if isinstance(got, tuple) else ((got,), (want,))), strict=True):
        assert a.device == x.device
        np.testing.assert_allclose(a.cpu().numpy(), b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 3, 3)])
@pytest.mark.parametrize("dtype", [dualad.float32, dualad.complex64])
def test_factors_multiply_to_the_matrix(shape, dtype, device):
    needs(dtype, device)
    array = RNG.standard_normal(shape) + (1j * RNG.standard_normal(shape) if dtype.is_complex else 0)
    x = dualad.asarray(array.astype(dtype.name), device=device)
    for full in (False, True):
        u, s, vh = linalg.svd(x, full_matrices=full)
        k = s.shape[-1]
        assert _close((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], x)
        mode = "complete" if full else "reduced"
        q, r = linalg.qr(x, mode=mode)
        assert _close(q @ r, x)
    if shape[-1] == shape[-2]:
        w, v = linalg.eig(x)
        assert _close(x.to(w.dtype) @ v, v * w[..., None, :])
        h = x + dualad.conj(x).mT
        w, v = linalg.eigh(h)
        assert _close(h @ v, v * w[..., None, :])


def _close(a, b):
    return np.allclose(a.cpu().numpy(), b.cpu().numpy(), atol=1e-4)


def test_results_have_names(device):
    x = dualad.eye(2, device=device)
    assert linalg.svd(x)._fields == ("U", "S", "Vh")
    assert linalg.qr(x)._fields == ("Q", "R")
    assert linalg.eigh(x)._fields == linalg.eig(x)._fields == ("eigenvalues", "eigenvectors")
    assert linalg.slogdet(x)._fields == ("sign", "logabsdet")


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_determinants_of_singular_matrices(rank, device):
    """The derivatives are cofactors, and products of what is left out twice: no inverse is needed."""
    needs(dualad.float64, device)
    a = RNG.standard_normal((3, rank)) @ RNG.standard_normal((rank, 3))
    x = dualad.asarray(a, device=device)
    cofactors = np.array(
        [
            [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)]
            for i in range(3)
        ]
    )
    assert np.allclose(dualad.grad(linalg.det)(x).cpu().numpy(), cofactors, atol=1e-12)
    second = dualad.grad(lambda x: dualad.grad(linalg.det)(x)[0, 0])(x).cpu().numpy()
    want = np.zeros((3, 3))
    want[1:, 1:] = [[a[2, 2], -a[2, 1]], [-a[1, 2], a[1, 1]]]
    assert np.allclose(second, want, atol=1e-10)


def test_equal_eigenvalues_and_singular_values(device):
    """Symmetric functions of the values are differentiable there, and nothing is infinite."""
    x = dualad.eye(3, device=device)
    assert _close(dualad.grad(lambda x: linalg.eigvalsh(x).sum())(x), x)
    assert _close(dualad.grad(lambda x: (linalg.eigvalsh(x) ** 3).sum())(x), 3 * x)
    assert _close(dualad.grad(lambda x: linalg.svdvals(x).sum())(x), x)
    assert _close(dualad.grad(lambda x: linalg.matrix_norm(x, ord="nuc"))(x), x)
    for f in (lambda x: linalg.eigh(x).eigenvectors[0, 1], lambda x: linalg.svd(x).U[0, 0]):
        assert np.isfinite(dualad.grad(f)(x).cpu().numpy()).all()


def test_the_gradient_of_functions_of_hermitian_matrices_is_hermitian(device):
    x = dualad.asarray(POSITIVE[0].astype(np.float32), device=device)
    for f in (linalg.cholesky, linalg.eigvalsh):
        g = dualad.grad(lambda x, f=f: (f(x) ** 2).sum())(x)
        assert _close(g, g.mT)


WRONG = {
    "inv": (lambda x: linalg.inv(x[0]), "inv: expected square matrices"),
    "det": (lambda x: linalg.det(x[:1]), "det: expected square matrices"),
    "svd": (lambda x: linalg.svd(x[0]), "svd: expected matrices"),
    "solve": (lambda x: linalg.solve(x, x[0, :1]), "solve: shapes"),
    "cross": (lambda x: linalg.cross(x, x), "cross: axis 1"),
    "outer": (lambda x: linalg.outer(x, x), "outer: expected two vectors"),
    "trace": (lambda x: linalg.trace(x[0]), "diagonal: expected at least two axes"),
    "matrix_norm": (lambda x: linalg.matrix_norm(x, ord=7), "matrix_norm: ord must be"),
    "matrix_power": (lambda x: linalg.matrix_power(x[0], 2), "matrix_power: expected square"),
    "qr": (lambda x: linalg.qr(x, mode="r"), "qr: mode must be"),
}


#: Of CuPy, which would wait to see it, and of JAX.
NO_LINALG_ERROR = "the library gives NaN or infinity for singular matrices, and does not tell that they are"


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, device):
    call, says = WRONG[case]
    with pytest.raises(ValueError, match=says):
        call(dualad.eye(2, device=device))


def test_integers_are_refused_and_singular_matrices_named(device):
    with pytest.raises(dualad.DTypeError, match="inv: expected a floating dtype"):
        linalg.inv(dualad.ones(2, 2, dtype=dualad.int32, device=device))
    if device.startswith(("cuda", "jax")):
        pytest.skip(NO_LINALG_ERROR)
    for f in (linalg.inv, lambda x: linalg.solve(x, dualad.ones(2, device=device))):
        with pytest.raises(np.linalg.LinAlgError, match=r"(?i)singular"):
            f(dualad.zeros(2, 2, device=device))


def test_norms_do_not_move_at_zero(device):
    x = dualad.zeros(2, 2, device=device)
    for p in ("nuc", 2, -2, 1, "fro"):
        assert dualad.grad(lambda x, p=p: linalg.matrix_norm(x, ord=p))(x).tolist() == [
            [0.0, 0.0],
            [0.0, 0.0],
        ]
    y = dualad.tensor([0.0, 1.0], device=device)
    assert dualad.grad(lambda y: linalg.vector_norm(y, ord=0.5))(y).tolist() == [0.0, 1.0]


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_where_there_is_no_derivative(device):
    """What has no derivative says so by its name; what is not a number has one that is none."""
    if device.startswith(("cuda", "jax")):
        pytest.skip(NO_LINALG_ERROR)
    singular = dualad.asarray(np.diag([1.0, 1.0, 0.0]).astype(np.float32), device=device)
    for name, f in (("slogdet", lambda x: linalg.slogdet(x)[1]), ("qr", lambda x: linalg.qr(x)[1].sum())):
        with pytest.raises(
            dualad.GradientError, match=f"(?i)linalg.{name}: there is no derivative here: .*singular"
        ):
            dualad.grad(f)(singular)
        with pytest.raises(
            dualad.GradientError, match=f"(?i)linalg.{name}: there is no derivative here: .*singular"
        ):
            dualad.jvp(f, (singular,), (singular,))
    g = dualad.grad(linalg.det)(singular * float("nan"))
    assert np.isnan(g.cpu().numpy()).all()


@pytest.mark.parametrize("ord", [None, 1, -1, 2, np.inf, "fro", "nuc"])
def test_norms_by_the_number_of_axes(ord):
    a = np.array([[1.0, -2.0, 0.5], [3.0, 4.0, -1.5]])
    x = dualad.asarray(a)
    assert dualad.linalg.norm(x, ord).item() == pytest.approx(np.linalg.norm(a, ord))
    if not isinstance(ord, str):
        np.testing.assert_allclose(dualad.linalg.norm(x, ord, dim=1).numpy(), np.linalg.norm(a, ord, axis=1))
    both = dualad.linalg.norm(x, ord, axis=(0, 1), keepdims=True).numpy()
    np.testing.assert_allclose(both, np.linalg.norm(a, ord, axis=(0, 1), keepdims=True))
