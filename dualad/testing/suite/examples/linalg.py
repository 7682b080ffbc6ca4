"""Arguments on which linear algebra is differentiated: see `examples`.

Of vectors that are known up to a phase, what is differentiated does not depend on it: products of
them and their adjoints.
"""

from __future__ import annotations

import numpy as np

import dualad
from dualad import linalg

from .example import Example, signed

EXAMPLES: list[Example] = []


def _add(call, *arrays, name, complex=True, op=""):
    EXAMPLES.append(Example(name, call, arrays, complex, f"linalg.{op}" if op else ""))


def _h(x):
    return dualad.conj(x).mT if x.dtype.is_complex else x.mT


def _regular(*shape, seed=0):
    """Return matrices far from singular, with distinct eigenvalues."""
    n = shape[-1]
    return signed(*shape, seed=seed) * 0.3 + np.diag(np.linspace(1.0, 2.5, n))


def _hermitian(x):
    return (x + _h(x)) / 2


def _positive(x):
    return x @ _h(x)


def _projections(v, weights):
    """Return the sum of the projections on the columns of v, weighted: no phase enters it."""
    return (v * dualad.asarray(weights, device=v.device).to(v.dtype)) @ _h(v)


SQUARE, BATCH = _regular(3, 3), _regular(2, 3, 3, seed=1)
TALL, WIDE = signed(4, 2), signed(2, 4, seed=3)
WEIGHTS = [1.0, -2.0, 0.5]

for _name, _x in (("one", SQUARE), ("batch", BATCH)):
    _add(linalg.inv, _x, name=f"inv-{_name}", op="inv")
    _add(linalg.det, _x, name=f"det-{_name}", op="det")
    _add(lambda x: linalg.slogdet(x), _x, name=f"slogdet-{_name}", op="slogdet")
    _add(lambda x: linalg.cholesky(_positive(x)), _x, name=f"cholesky-{_name}", op="cholesky")
    _add(lambda x: linalg.eigh(_hermitian(x)).eigenvalues, _x, name=f"eigh-values-{_name}", op="eigh")
    _add(lambda x: _projections(linalg.eigh(_hermitian(x)).eigenvectors, WEIGHTS), _x,
         name=f"eigh-vectors-{_name}", op="eigh")  # fmt: skip
_add(linalg.solve, SQUARE, signed(3), name="solve-vector", op="solve")
_add(linalg.solve, SQUARE, signed(2, 3, 2), name="solve-broadcast", op="solve")
_add(linalg.solve, BATCH, signed(3, 1), name="solve-batch", op="solve")
_add(lambda x: linalg.cholesky(_positive(x), upper=True), SQUARE, name="cholesky-upper")
_add(lambda x: linalg.eigvalsh(_hermitian(x)), SQUARE, name="eigvalsh")
_add(lambda x: linalg.eigvals(x), _regular(3, 3) * [[1], [2], [3]], name="eigvals", op="eig")
_add(lambda x: dualad.abs(linalg.eig(x).eigenvectors), _regular(3, 3), name="eig-vectors", op="eig")
for _form, _x in (("square", SQUARE), ("tall", TALL), ("wide", WIDE), ("batch", BATCH)):
    _add(linalg.svdvals, _x, name=f"svdvals-{_form}", op="svd")
    _add(linalg.pinv, _x, name=f"pinv-{_form}", op="pinv")

    def _svd(x, full):
        u, s, vh = linalg.svd(x, full_matrices=full)
        k = s.shape[-1]
        parts = [(u[..., :, :k] * (s * s)[..., None, :]) @ vh[..., :k, :]]
        if full:
            parts += [u[..., :, k:] @ _h(u[..., :, k:]), _h(vh[..., k:, :]) @ vh[..., k:, :]]
        return (
            _projections(u[..., :, :k], WEIGHTS[:k]),
            _projections(_h(vh[..., :k, :]), WEIGHTS[:k]),
            *parts,
        )

    for _full in (False, True):
        _add(lambda x, f=_svd, full=_full: f(x, full), _x, name=f"svd-{_form}-full={_full}", op="svd")
    for _mode in ("reduced", "complete"):

        def _qr(x, mode):
            q, r = linalg.qr(x, mode=mode)
            k = min(x.shape[-2:])
            rest = q[..., :, k:]
            return q[..., :, :k], r, rest @ _h(rest)

        _add(lambda x, f=_qr, m=_mode: f(x, m), _x, name=f"qr-{_form}-{_mode}", op="qr")

SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.5, -1.0, 2.0]])
_add(linalg.det, SINGULAR, name="det-singular", complex=False, op="det")
_add(linalg.det, SINGULAR[:1] * [[1.0], [2.0], [-1.0]], name="det-rank-1", complex=False, op="det")
_add(lambda x: dualad.op.REGISTRY["adjugate"](x), SQUARE, name="adjugate")
EXAMPLES[-1] = EXAMPLES[-1]._replace(op="adjugate")
for _n in (3, -2, 1):
    _add(lambda x, n=_n: linalg.matrix_power(x, n), SQUARE, name=f"matrix_power-{_n}")
for _ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
    _add(lambda x, o=_ord: linalg.matrix_norm(x, ord=o), TALL, name=f"matrix_norm-{_ord}")
_add(lambda x: linalg.diagonal(x, offset=-1), TALL, name="diagonal")
_add(lambda x: linalg.trace(x, offset=1), BATCH, name="trace")
_add(linalg.outer, signed(2), signed(3), name="outer")
_add(lambda a, b: linalg.cross(a, b, axis=0), signed(3, 2), signed(3, 1, seed=6), name="cross")
