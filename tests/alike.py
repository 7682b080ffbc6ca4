"""Two functions of real arrays that should be one: values and derivatives, in every way they can be taken."""

import numpy as np

import dualad

SIZE = 3  # examples in a batch


def close(got, want, rtol=1e-10, atol=1e-10):
    a, b = (x.detach().cpu().numpy() if isinstance(x, dualad.Tensor) else np.asarray(x) for x in (got, want))
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def all_close(got, want, **tolerance):
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        close(a, b, **tolerance)


def check_alike(f, g, xs, second=True, vmap=True, **tolerance):
    """Compare functions f and g of Tensors at xs; each gives one Tensor."""
    rng = np.random.default_rng(1)
    ts, ss = ([_draw(rng, x) for x in xs] for _ in range(2))
    w = _draw(rng, g(*xs))
    ways = [*_first(xs, ts, w), *(_second(xs, ts, ss, w) if second else [])]
    for axes in _choices(len(xs)) if vmap else []:
        ways += _batched(xs, ts, w, axes, second)
    for way in ways:
        all_close(_listed(way(f)), _listed(way(g)), **tolerance)
    for axes in _choices(len(xs)) if vmap else []:
        for way in _of_one(ts, w, second):
            batch = _batch(xs, axes)
            got = dualad.vmap(way(f), in_axes=axes)(*batch)
            all_close(_listed(got), _looped(way(g), batch, axes), **tolerance)


# -- the ways: each is a function of a function ----------------------------------------------------


def scalar(h, w):
    return lambda *xs: (h(*xs) * w).sum()


def gradient(h, w):
    return lambda *xs: dualad.grad(scalar(h, w), tuple(range(len(xs))))(*xs)


def pushed(h, ts):
    return lambda *xs: dualad.jvp(h, xs, tuple(ts))[1]


def _first(xs, ts, w):
    return [
        lambda h: h(*xs),
        lambda h: gradient(h, w)(*xs),
        lambda h: dualad.jvp(h, tuple(xs), tuple(ts)),
        lambda h: by_backward(scalar(h, w), xs),
    ]


def _second(xs, ts, ss, w):
    places = tuple(range(len(xs)))
    return [
        lambda h: pushed(gradient(h, w), ts)(*xs),
        lambda h: dualad.grad(pushed(scalar(h, w), ts), places)(*xs),
        lambda h: pushed(pushed(scalar(h, w), ts), ss)(*xs),
        lambda h: dualad.grad(lambda *xs: _inner(gradient(h, w)(*xs), ts), places)(*xs),
        lambda h: twice_by_backward(scalar(h, w), xs, ts),
        lambda h: pushed(pushed(gradient(h, w), ts), ss)(*xs),
        lambda h: dualad.hessian(scalar(h, w))(*xs),
    ]


def _of_one(ts, w, second):
    """Return ways that are taken of one example, inside vmap."""
    ways = [lambda h: h, lambda h: gradient(h, w), lambda h: pushed(h, ts)]
    return [*ways, lambda h: pushed(gradient(h, w), ts)] if second else ways


def _batched(xs, ts, w, axes, second):
    """Return ways that are taken of vmap."""
    places, batch = tuple(range(len(xs))), _batch(xs, axes)
    directions = _batch(ts, axes)

    def total(h):
        return lambda *batch: dualad.vmap(scalar(h, w), in_axes=axes)(*batch).sum()

    ways = [
        lambda h: dualad.grad(total(h), places)(*batch),
        lambda h: pushed(dualad.vmap(h, in_axes=axes), directions)(*batch),
    ]
    more = [
        lambda h: pushed(dualad.grad(total(h), places), directions)(*batch),
        lambda h: twice_by_backward(total(h), batch, directions),
    ]
    return [*ways, *more] if second else ways


def by_backward(h, xs):
    leaves = [x.detach().clone().requires_grad_() for x in xs]
    h(*leaves).backward()
    return [x.grad for x in leaves]


def twice_by_backward(h, xs, ts):
    leaves = [x.detach().clone().requires_grad_() for x in xs]
    total = _inner(dualad.autograd.grad(h(*leaves), leaves, create_graph=True), ts)
    if not total.requires_grad:
        return [x * 0 for x in xs]
    return dualad.autograd.grad(total, leaves, materialize_grads=True)


# -- batches ---------------------------------------------------------------------------------------


def _choices(count):
    """Return which arguments are batched: all, and each alone."""
    alone = [tuple(0 if i == k else None for i in range(count)) for k in range(count)]
    return [(0,) * count, *(alone if count > 1 else [])]


def _batch(xs, axes):
    pairs = zip(xs, axes, strict=True)
    return [x if a is None else dualad.stack([x * (1 + 0.05 * i) for i in range(SIZE)]) for x, a in pairs]


def _looped(h, batch, axes):
    rows = []
    for i in range(SIZE):
        one = [x if a is None else x[i] for x, a in zip(batch, axes, strict=True)]
        rows.append(_listed(h(*one)))
    return [dualad.stack(parts) for parts in zip(*rows, strict=True)]


def _draw(rng, x):
    return dualad.asarray(rng.standard_normal(x.shape), dtype=x.dtype, device=x.device)


def _inner(a, b):
    return sum((x * y).sum() for x, y in zip(a, b, strict=True))


def _listed(value):
    return list(value) if isinstance(value, (tuple, list)) else [value]
