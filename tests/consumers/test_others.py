"""array-api-extra, einops and opt_einsum on Tensors, differentiated."""

import pytest
from consuming import M, N, S, V, W, as_given, check

xpx = pytest.importorskip("array_api_extra")
einops = pytest.importorskip("einops.array_api")
opt_einsum = pytest.importorskip("opt_einsum")

EXTRA = {
    "atleast_nd": lambda x: xpx.atleast_nd(x, ndim=2),
    "create_diagonal": xpx.create_diagonal,
    "apply_where": lambda x: xpx.apply_where(x > 0.5, x, lambda a: a * a, lambda a: a * 3),
    "nan_to_num": xpx.nan_to_num,
    "pad": lambda x: xpx.pad(x, 2),
    "one_hot": lambda x: xpx.one_hot(as_given([0, 2, 1], x), 3) * x[0],
    "partition": lambda x: xpx.partition(x, 2),
    "sinc": xpx.sinc,
}
# In every form: into a copy, in place, by slice, integer, mask and ellipsis; of x and with x.
AT = {
    "set": lambda x: xpx.at(x * 1)[1:3].set(x[0]),
    "add": lambda x: xpx.at(x * 1)[1].add(x[0]),
    "subtract": lambda x: xpx.at(x)[1].subtract(x[2], copy=True),
    "multiply": lambda x: xpx.at(x * 1, x > 0.5).multiply(x[0]),
    "divide": lambda x: xpx.at(x)[0].divide(x[3], copy=True),
    "power": lambda x: xpx.at(x * 1)[:2].power(2),
    "min": lambda x: xpx.at(x * 1)[...].min(0.5),
    "max": lambda x: xpx.at(x)[x > 0.4].max(0.6, copy=True),
    "in place": lambda x: xpx.at(x * 1, slice(0, 2)).set(x[3], copy=False),
    "a constant": lambda x: xpx.at(x * 0 + 1)[2:].set(x[2:] ** 2),
    "a constant into x": lambda x: xpx.at(x * x)[2:].set(1.0),
}
EINOPS = {
    "rearrange": lambda x: einops.rearrange(x, "(a b) c -> b a c", a=1),
    "reduce": lambda x: einops.reduce(x, "a b -> b", "mean"),
    "repeat": lambda x: einops.repeat(x, "a b -> a b c", c=2),
    "reduce by max": lambda x: einops.reduce(x, "a b -> a", "max"),
    "reduce by prod": lambda x: einops.reduce(x, "a b -> a", "prod"),
    "rearrange a list": lambda x: einops.rearrange([x, x * x], "n a b -> a (n b)"),
    "unpack": lambda x: einops.unpack(*einops.pack([x, x * x], "* b"), "* b")[1],
    "pack": lambda x: einops.pack([x, x], "* c")[0],
}


@pytest.mark.parametrize("name", EXTRA)
def test_array_api_extra(name):
    check(EXTRA[name], V)


@pytest.mark.parametrize("name", AT)
def test_at(name):
    check(AT[name], V)


def test_array_api_extra_of_several():
    check(xpx.cov, M)
    check(xpx.kron, V, W)


@pytest.mark.parametrize("name", EINOPS)
def test_einops(name):
    check(EINOPS[name], M)


def test_opt_einsum():
    check(lambda x, y: opt_einsum.contract("ij,kj->ik", x, y), M, N)
    check(lambda x, y: opt_einsum.contract("ij,kj,kl->il", x, y, y, optimize="optimal"), M, N)
    check(lambda x, y: opt_einsum.contract_expression("ij,kj->ik", x.shape, y.shape)(x, y), M, N)
    check(lambda x: opt_einsum.contract("ii->", x), S)
    check(lambda x: opt_einsum.contract("...j,kj->...k", x, x), M)
