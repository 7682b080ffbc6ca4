"""Arguments on which each op and function is differentiated: away from kinks, in every form of shape."""

from __future__ import annotations

from typing import Any

import numpy as np

import dualad
from dualad.op import REGISTRY

from .example import Example, numbers, signed

EXAMPLES: list[Example] = []


def _add(call, *arrays, name, complex=True, op=""):
    EXAMPLES.append(Example(name, call, arrays, complex, op))


# -- elementwise -------------------------------------------------------------------------------

INSIDE, ANY, ABOVE_1 = numbers(2, 3), signed(2, 3), numbers(2, 3, low=1.2, high=2.9)


for _domain, _names in (
    (ANY, "positive negative square reciprocal exp expm1 sin cos tan sinh cosh tanh asinh atan abs clone"),
    (INSIDE, "sqrt log log1p log2 log10 asin acos atanh"),
    (ABOVE_1, "acosh"),
):
    for _name in _names.split():
        _add(REGISTRY[_name], _domain, name=_name, op=_name)
        _add(REGISTRY[_name], _domain[0, 0], name=f"{_name}-0d", op=_name)

for _name in ["sigmoid", "relu"]:
    _add(REGISTRY[_name], ANY, name=_name, complex=False, op=_name)
for _name in ["sign_of_real", "floor", "ceil", "round", "trunc"]:
    _add(REGISTRY[_name], ANY * 1.3, name=_name, complex=False, op=_name)


def _other(*shape):  # no element equals one of `signed`'s, or is a multiple of it
    return signed(*shape, seed=5) * 1.0731


PAIRS = {
    "same": (signed(2, 3), _other(2, 3)),
    "row": (signed(2, 3), _other(3)),
    "column": (signed(2, 1), _other(2, 3)),
    "0d": (signed(2, 3), _other()),
    "outer": (signed(3, 1), _other(1, 2)),
}
for _name in ["add", "subtract", "multiply", "divide"]:
    for _form, _pair in PAIRS.items():
        _add(REGISTRY[_name], *_pair, name=f"{_name}-{_form}", op=_name)
    _add(lambda x, f=REGISTRY[_name]: f(2.5, x), ANY, name=f"{_name}-number-left", op=_name)
    _add(lambda x, f=REGISTRY[_name]: f(x, 2.5), ANY, name=f"{_name}-number-right", op=_name)
for _name in [
    "maximum",
    "minimum",
    "copysign",
    "hypot",
    "atan2",
    "logaddexp",
    "nextafter",
    "clip_below",
    "clip_above",
]:
    for _form, _pair in PAIRS.items():
        _add(REGISTRY[_name], *_pair, name=f"{_name}-{_form}", complex=False, op=_name)
for _name in ("remainder", "floor_divide"):
    _add(REGISTRY[_name], signed(2, 3) * 5, _other(3), name=_name, complex=False, op=_name)
for _form, _pair in PAIRS.items():
    _add(REGISTRY["pow"], abs(_pair[0]), _pair[1], name=f"pow-{_form}", op="pow")
for _p in (3, 0.5, -2, 2, 1, 0):
    _add(lambda x, p=_p: x**p, INSIDE, name=f"pow-{_p}", op="pow")
_add(lambda x: 2.0**x, ANY, name="pow-of-number", op="pow")
_add(REGISTRY["clip_both"], ANY, numbers(3, low=-0.6, high=-0.5), numbers(2, 1, low=0.5, high=0.6),
     name="clip_both", complex=False, op="clip_both")  # fmt: skip
_add(lambda x: dualad.clip(x, -0.5, 0.5), ANY, name="clip-numbers", complex=False)
_add(lambda x: dualad.sign(x), ANY, name="sign", op="sign_of_complex")
_add(lambda x: dualad.conj(x), ANY, name="conj", op="conj")
_add(lambda x: dualad.real(x), ANY, name="real", op="real")
_add(lambda x: dualad.imag(x), ANY, name="imag", op="imag")
_add(lambda x: dualad.imag(x), ANY, name="imag-of-real", complex=False, op="imag_of_real")
_add(lambda x: dualad.abs(x * (1 + 2j) if x.dtype.is_complex else x), ANY, name="abs-turned", op="abs")

# -- indexing ----------------------------------------------------------------------------------

KEYS: dict[str, Any] = {
    "integer": 1,
    "negative": (-1, 2),
    "slice": slice(1, None),
    "steps": (slice(None, None, -1), slice(None, None, 2)),
    "ellipsis": (..., 0),
    "newaxis": (None, 1, None),
    "mask": np.array([[True, False, True], [False, True, True]] * 2)[:3],
    "rows": np.array([True, False, True]),
    "repeated": np.array([0, 2, 2, -1]),
    "pairs": (np.array([0, 1, 1]), np.array([2, 0, 0])),
    "mixed": (np.array([[0], [2]]), slice(None, 2)),
    "all": ...,
    "nothing": slice(0, 0),
}
for _form, _key in KEYS.items():
    _part = signed(3, 3)[_key]
    _add(lambda x, k=_key: x[k], signed(3, 3), name=f"getitem-{_form}", op="getitem")
    _add(lambda g, k=_key: REGISTRY["scatter"](g, shape=(3, 3), key=k), _part,
         name=f"scatter-{_form}", op="scatter")  # fmt: skip
    if _form not in ("repeated", "pairs"):  # which of several values is written is not defined
        _add(lambda v, x, k=_key: REGISTRY["setitem"](v, x, key=k), signed(*_part.shape, seed=3), signed(3, 3),
             name=f"setitem-{_form}", op="setitem")  # fmt: skip
_add(
    lambda v, x: REGISTRY["setitem"](v, x, key=slice(1, 3)), signed(), signed(3, 2), name="setitem-broadcast"
)
_add(
    lambda x: dualad.take(x, dualad.asarray([2, 0, -1], dtype=dualad.int32, device=x.device), axis=1),
    signed(2, 3),
    name="take",
)
_add(lambda x: dualad.take_along_axis(x, dualad.asarray([[2, 0], [1, 1]], dtype=dualad.int32, device=x.device), axis=1),
     signed(2, 3), name="take_along_axis")  # fmt: skip

# -- manipulation ------------------------------------------------------------------------------

X = signed(2, 3, 4)
_add(lambda x: dualad.reshape(x, (4, -1)), X, name="reshape", op="reshape")
_add(lambda x: dualad.permute_dims(x, (2, 0, 1)), X, name="permute_dims", op="permute_dims")
_add(lambda x: dualad.matrix_transpose(x), X, name="matrix_transpose")
_add(lambda x: dualad.moveaxis(x, 0, -1), X, name="moveaxis")
_add(lambda x: dualad.broadcast_to(x, (2, 3, 2)), signed(3, 1), name="broadcast_to", op="broadcast_to")
_add(lambda x: dualad.expand_dims(x, axis=1), X, name="expand_dims")
_add(lambda x: dualad.squeeze(x, 1), signed(2, 1), name="squeeze")
_add(lambda x: dualad.flip(x, axis=(0, -1)), X, name="flip", op="flip")
_add(lambda x: dualad.roll(x, (1, -2), axis=(0, 2)), X, name="roll", op="roll")
_add(lambda x: dualad.roll(x, 3), X, name="roll-all", op="roll")
_add(lambda x: dualad.repeat(x, 2, axis=1), signed(2, 3), name="repeat")
_add(lambda x: dualad.tile(x, (2, 1, 2)), signed(2, 3), name="tile")
_add(lambda x, y: dualad.concat([x, y], axis=1), signed(2, 3), signed(2, 1), name="concat", op="concat")
_add(lambda x: dualad.concat([x, x * 2], axis=None), signed(2, 2), name="concat-itself", op="concat")
_add(lambda x, y: dualad.stack([x, y, x], axis=-1), signed(2), signed(2, seed=2), name="stack", op="stack")
_add(lambda x: dualad.unstack(x, axis=1), signed(2, 3), name="unstack")
_add(lambda x, y: dualad.broadcast_arrays(x, y), signed(2, 1), signed(3), name="broadcast_arrays")
_add(lambda x, y: dualad.meshgrid(x, y), signed(2), signed(3), name="meshgrid")
_add(lambda x: dualad.tril(x, k=-1), signed(3, 3), name="tril", op="tril")
_add(lambda x: dualad.triu(x, k=1), signed(2, 3, 3), name="triu", op="triu")
_add(
    lambda x: x.to(dualad.complex64 if x.dtype in (dualad.float32, dualad.complex64) else dualad.complex128),
    ANY,
    name="astype-complex",
    op="astype",
)
_add(lambda x: x.to(x.device, copy=True), ANY, name="copy")
_add(lambda x: dualad.asarray([x[0, 1], x[1, 0] * 2]), ANY, name="asarray")
_add(lambda x: dualad.full((2, 2), x[0, 0]), ANY, name="full")
_add(lambda x, y: dualad.where(dualad.asarray([True, False, True], device=x.device), x, y),
     signed(2, 3), signed(2, 1, seed=3), name="where", op="where")  # fmt: skip

# -- reductions, sorting, products -------------------------------------------------------------

AXES = {"all": {}, "axis": {"axis": 1}, "axes": {"axis": (0, -1)}, "kept": {"axis": 0, "keepdims": True}}
for _name, _op in {
    "sum": "sum",
    "mean": "mean",
    "max": "max",
    "min": "min",
    "prod": "",
    "var": "",
    "std": "",
}.items():
    for _form, _axis in AXES.items():
        _add(lambda x, f=_name, a=_axis: getattr(dualad, f)(x, **a), X, name=f"{_name}-{_form}",
             complex=_name not in ("max", "min"), op=_op)  # fmt: skip
_zero = signed(2, 4)
_zero[0, 1] = _zero[1, 0] = _zero[1, 3] = 0
_add(lambda x: dualad.prod(x, axis=1), _zero, name="prod-zeros")
_add(lambda x: dualad.std(x, axis=1, correction=1), X, name="std-corrected", complex=False)
for _p in (2, 1, 3, 1.5, float("inf"), -float("inf")):
    _add(
        lambda x, p=_p: dualad.linalg.vector_norm(x, axis=-1, ord=p),
        X,
        name=f"vector_norm-{_p}",
        op="norm" if _p == 2 else "",
    )
_add(lambda x: dualad.sort(x, axis=1, descending=True), X, name="sort", complex=False)

SHAPES = {
    "matrices": ((2, 3), (3, 4)), "vectors": ((3,), (3,)), "left-vector": ((3,), (3, 2)), "right-vector": ((2, 3), (3,)),
    "batch": ((2, 2, 3), (3, 2)), "batch-vector": ((2, 2, 3), (3,)), "vector-batch": ((3,), (2, 3, 2)),
    "batches": ((2, 1, 2, 3), (3, 3, 2)),
}  # fmt: skip
for _form, (_left, _right) in SHAPES.items():
    _add(dualad.matmul, signed(*_left), signed(*_right, seed=4), name=f"matmul-{_form}", op="matmul")
_add(lambda a, b: dualad.vecdot(a, b), signed(2, 3), signed(3, seed=4), name="vecdot")
_add(lambda a, b: dualad.tensordot(a, b, axes=((0, 2), (1, 0))), X, signed(4, 2, 3), name="tensordot")
