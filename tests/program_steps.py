# ruff: noqa: E501  a table reads best with an entry on a line
"""The steps of random programs: what can be done next with the values at hand, as Python source.

Each step is a function of a `Writer` (see programs.py) that gives the lines of the step, of which the
last is an expression, or None where it has nothing to work on. Arguments are squashed into the domain of
the function, and what has kinks or jumps is kept away from them, so that differences are good evidence.
"""

import numpy as np


def listed(templates):
    """Return the templates in a string: expressions without spaces."""
    return templates.split()


# -- one argument ------------------------------------------------------------------------------

# Of any real or complex number; the values of a program are at most 4 in size.
ENTIRE = listed(
    """dualad.sin({x}) dualad.cos({x}) dualad.exp({x}) dualad.sinh({x}) {x}.cosh() dualad.expm1({x}) {x}**2 {x}**3
    dualad.square({x}) -{x} +{x} {x}*2.5 1.5-{x} {x}/3 np.sin({x}) np.exp({x}) dualad.positive({x}) {x}.clone()
    dualad.pow(2.0,{x}) 0.5+{x} dualad.astype({x},"complex128")"""
)
# Of numbers of at most 0.8, or of a complex disc of half that size.
INSIDE = listed(
    """dualad.tan({x}) dualad.tanh({x}) dualad.asin({x}) dualad.acos({x}) dualad.atan({x}) dualad.asinh({x})
    dualad.atanh({x}) dualad.log1p({x}) np.tanh({x}) {x}.atan()"""
)
# Of numbers of about 1.5.
POSITIVE = listed(
    """dualad.sqrt({x}) dualad.log({x}) dualad.log2({x}) dualad.log10({x}) dualad.reciprocal({x}) 2.0/{x} {x}**-1
    {x}**0.5 {x}**-1.5 dualad.rsqrt({x}) dualad.acosh(1+{x}) np.log({x}) np.sqrt({x}) {x}.log()"""
)
REAL = listed(
    """dualad.sigmoid({x}) dualad.atan({x}) dualad.tanh({x}) dualad.asinh({x}) dualad.log1p({x}*{x}) np.arctan({x})
    dualad.softmax({x}.reshape(-1),0) dualad.log_softmax({x}.reshape(-1),0) dualad.logsumexp({x}.reshape(-1),0)
    {x}+dualad.imag({x}) dualad.nextafter({x},{x}+1)"""
)
COMPLEX = listed(
    """dualad.real({x}) dualad.imag({x}) dualad.conj({x}) {x}.real {x}.imag np.conj({x}) {x}*dualad.conj({x})
    dualad.real({x}*1j)"""
)
# The differences of all elements, in order: what has to stay away from 0 for one to remain the largest.
GAPS = "dualad.diff(dualad.sort({x}.reshape(-1)))"
# With what has to stay away from 0 for the function to be smooth.
KINKS = {
    "dualad.abs({x})": "{x}", "dualad.relu({x})": "{x}", "dualad.sign({x})*{x}": "{x}",
    "dualad.floor({x})+{x}": "{x}-dualad.round({x})", "dualad.ceil({x})": "{x}-dualad.round({x})",
    "dualad.trunc({x})*{x}": "{x}-dualad.round({x})", "dualad.round({x})-{x}": "{x}-dualad.floor({x})-0.5",
    "{x}%1.5": "{x}/1.5-dualad.round({x}/1.5)", "{x}//0.7*{x}": "{x}/0.7-dualad.round({x}/0.7)",
    "dualad.clip({x},-0.5,0.5)": "abs({x})-0.5", "{x}.clamp(min=0.1)": "{x}-0.1", "{x}.clip(None,0.1)": "{x}-0.1",
    "dualad.where({x}>0.2,dualad.sin({x}),{x}*0.5)": "{x}-0.2", "dualad.copysign(0.5+{x}*{x},{x})": "{x}",
    "dualad.where({x}>0.1,dualad.log({x}),0.5)": "{x}-0.1", "dualad.max({x})": GAPS, "dualad.min({x})": GAPS,
}  # fmt: skip
KINKS_OF_COMPLEX = {"dualad.abs({x})": "{x}", "dualad.sign({x})": "{x}"}
# {x} is any number, {i} between 0.1 and 0.9, {p} and {q} about 1.5.
SPECIAL = listed(
    """erf({x}) erfc({x}) erfcx({x}) ndtr({x}) log_ndtr({x}) exp2({x}) exprel({x}) cosm1({x}) expit({x}) sinc({x})
    log_expit({x}) softplus({x}) j0({x}) j1({x}) i0({x}) i0e({x}) i1({x}) i1e({x}) rgamma({x}) exp10(0.3*{x})
    gammaln({p}) loggamma({p}) gamma({p}) entr({p}) y0({p}) y1({p}) k0e({p}) k1e({p}) k0({p}) k1({p}) exp1({p})
    spence({p}) psi({p}) expi({p}) cbrt({p}) sindg({x}) cosdg({x}) tandg({x}) cotdg({p}) erfinv(2*{i}-1)
    ellipk({i}) ellipe({i}) ellipkm1({i}) erfcinv({i}) ndtri({i}) logit({i}) xlogy({p},{q}) betaln({p},{q})
    beta({p},{q}) kl_div({p},{q}) rel_entr({p},{q}) poch({p},{q}) boxcox({p},{q}) xlog1py({p},{q}) boxcox1p({p},{q})
    inv_boxcox({p},{q}) inv_boxcox1p({p},{q}) binom(2+{p},{q}) huber(9.0,{x}) huber(0.01,{p}) pseudo_huber({p},{x})
    radian({x},{p},{q}) jv(0.7,{p}) jv(2,{p}) yv(0.7,{p}) yn(1,{p}) iv(0.7,{p}) ive(2,{p}) kn(1,{p}) kv(0.7,{p})
    kve(0.7,{p}) expn(3,{p}) polygamma(1,{p}) zeta(2.5,{p}) spherical_jn(2,{p}) gammainc(2.3,{p}) gammaincc(0.6,{p})
    gammaincinv(1.3,{i}) gammainccinv(2,{i}) betainc(1.5,2.5,{i}) betaincc(2,3.1,{i}) betaincinv(1.4,2,{i})
    betainccinv(2,1.6,{i}) chdtr(3,{p}) chdtrc(2.4,{p}) chdtri(3,{i}) fdtr(3,4.2,{p}) fdtrc(2,1,{p}) fdtri(3,4.2,{i})
    stdtr(2.5,{x}) stdtrit(4,{i}) bdtr(1,4,{i}) bdtrc(0,3,{i}) bdtri(1,4,{i}) nbdtr(1,4,{i}) nbdtrc(2,1,{i})
    nbdtri(1,4,{i}) pdtr(2,{p}) pdtrc(0,{p}) pdtri(2,{i}) gdtr({p},2.3,{q}) gdtrc({p},2.3,{q}) hyp1f1(1.3,2,{x})
    hyp2f1(0.4,1,2.2,{i}*0.5) lpmv(1,2.5,{i}) multigammaln(1+{p},3)"""
)


def entire(w):
    return w.choose(ENTIRE).format(x=w.any())


def inside(w):
    return w.choose(INSIDE).format(x=w.small(w.any()))


def positive(w):
    return w.choose(POSITIVE).format(x=f"(1.5+{w.small(w.any())})")


def real(w):
    x = w.real()
    return x and w.choose(REAL).format(x=x)


def of_complex(w):
    x = w.complex()
    return x and w.choose(COMPLEX).format(x=x)


def kinks(w):
    x = w.any()
    templates = KINKS_OF_COMPLEX if w.is_complex(x) else KINKS
    template = w.choose(list(templates))
    return template.format(x=x) if w.is_clear(templates[template].format(x=x)) else None


def special(w):
    x = w.real()
    if not x:
        return None
    s, t = w.small(x), w.small(w.partner(x))
    names = {"x": x, "i": f"(0.5+0.5*{s})", "p": f"(1.5+{s})", "q": f"(1.4+{t})"}
    return "dualad.special." + w.choose(SPECIAL).format(**names)


# -- two arguments -----------------------------------------------------------------------------

PAIRS = listed(
    """{x}+{y} {x}-{y} {x}*{y} dualad.add({x},{y}) {x}.mul({y}) np.multiply({x},{y}) dualad.where({mask},{x},{y})
    {x}/(1.5+{sy}) (1.5+{sx})**{sy} dualad.where({mask},{x},0.0) dualad.divide({x},1.5+{sy}) dualad.multiply({x},{x})-{y}"""
)
REAL_PAIRS = listed(
    """dualad.hypot(1.5+{sx},{y}) dualad.atan2({x},1.5+{sy}) dualad.logaddexp({x},{y})
    dualad.copysign(1.5+{sx},1.5+{sy})"""
)
KINK_PAIRS = {
    "dualad.maximum({x},{y})": "{x}-{y}", "dualad.minimum({x},{y})": "{x}-{y}", "dualad.clip({x},None,{y})": "{x}-{y}",
    "dualad.where({x}>{y},{x},dualad.sin({y}))": "{x}-{y}", "dualad.clip({x},{y},None)": "{x}-{y}",
    "dualad.clip({x},{y},{y}+0.7)": "({x}-{y})*({x}-{y}-0.7)",
    "dualad.remainder({x},2+{sy})": "{x}/(2+{sy})-dualad.round({x}/(2+{sy}))",
}  # fmt: skip


def pairs(w):
    x = w.any()
    y = w.partner(x, w.is_complex(x) or w.below(3) == 0)
    names = {"x": x, "y": y, "sx": w.small(x), "sy": w.small(y), "mask": w.mask(w.broadcast(x, y))}
    return w.choose(PAIRS).format(**names)


def real_pairs(w):
    x = w.real()
    if not x:
        return None
    y = w.partner(x)
    names = {"x": x, "y": y, "sx": w.small(x), "sy": w.small(y)}
    if w.below(2):
        return w.choose(REAL_PAIRS).format(**names)
    template = w.choose(list(KINK_PAIRS))
    return template.format(**names) if w.is_clear(KINK_PAIRS[template].format(**names)) else None


# -- reductions and running ones ---------------------------------------------------------------


def reductions(w):
    x = w.any()
    axis = w.axes(x)
    rest = f"axis={axis}, keepdims={bool(w.below(2))}"
    name = w.choose(["sum", "mean", "prod", "sum", "var", "std", "norm", "max", "logsumexp", "average"])
    if name in ("max", "logsumexp") and w.is_complex(x):
        name = "sum"
    if name == "std":  # of numbers that differ: the root of nothing has no slope
        return f"dualad.sqrt(0.3+dualad.var({x}, {rest}))"
    if name == "norm":
        return f"dualad.linalg.vector_norm(dualad.stack([{x}, {x}*0+1.5]), axis=0)"
    if name == "average":
        return f"np.mean({x}, axis={axis})"
    if name == "max":
        return f"dualad.max({x}, {rest})" if w.is_clear(GAPS.format(x=x)) else None
    return f"dualad.{name}({x}, {rest})"


def running(w):
    x = w.having(lambda v: v.ndim)
    if not x:
        return None
    axis = w.axis(x)
    name = w.choose(["cumulative_sum", "cumulative_prod", "cumsum", "diff", "sort", "sort", "cumulative_sum"])
    if name == "sort":
        if w.is_complex(x) or not w.is_clear(f"dualad.diff(dualad.sort({x}, axis={axis}), axis={axis})"):
            return None
        return w.choose(
            [
                f"dualad.sort({x}, axis={axis}, descending={bool(w.below(2))})",
                f"dualad.take_along_axis({x}, dualad.argsort({x}, axis={axis}), axis={axis})",
                f"dualad.topk({x}, 1, dim={axis})[0]",
            ]
        )
    if name == "diff" and w.shape(x)[axis] < 2:
        return None
    initial = ", include_initial=True" if name.startswith("cumulative") and w.below(3) == 0 else ""
    return f"dualad.{name}({x}, {axis})" if name == "cumsum" else f"dualad.{name}({x}, axis={axis}{initial})"


# -- shapes ------------------------------------------------------------------------------------


def shapes(w):
    x = w.any()
    shape = w.shape(x)
    n = len(shape)
    options = [
        f"{x}.reshape(-1)",
        f"dualad.expand_dims({x}, axis={w.below(n + 1)})",
        f"{x}[None]",
        f"{x}.flatten()",
    ]
    options.append(f"dualad.broadcast_to({x}, {(2, *shape)})")
    options.append(f"dualad.roll({x}, {w.below(3) + 1})")
    options.append(f"dualad.flip({x})")
    if n:
        axis = w.axis(x)
        order = tuple(w.shuffled(range(n)))
        options += [
            f"dualad.permute_dims({x}, {order})", f"dualad.flip({x}, axis={axis})", f"dualad.moveaxis({x}, 0, -1)",
            f"dualad.roll({x}, {w.below(5) - 2}, axis={axis})", f"dualad.repeat({x}, 2, axis={axis})",
            f"dualad.tile({x}, (2, {', '.join('1' * n)}))", f"dualad.unstack({x}, axis={axis})[-1]",
            f"dualad.split({x}, 1, dim={axis})[0]", f"{x}.reshape({w.reshaped(shape)})", f"np.transpose({x})",
            f"dualad.meshgrid({x}.reshape(-1)[:3], {x}.reshape(-1)[:2])[{w.below(2)}]", f"np.ravel({x})",
        ]  # fmt: skip
        if 1 in shape:
            options.append(f"dualad.squeeze({x}, axis={shape.index(1)})")
    if n >= 2:
        k = w.below(3) - 1
        options += [
            f"{x}.mT",
            f"dualad.tril({x}, k={k})",
            f"dualad.triu({x}, k={k})",
            f"dualad.linalg.diagonal({x})",
        ]
    return w.choose(options)


def joins(w):
    x = w.any()
    shape = w.shape(x)
    y = w.having(lambda v: tuple(v.shape) == shape)
    axis = w.below(len(shape) + 1)
    options = [f"dualad.stack([{x}, {y}], axis={axis})", f"dualad.asarray([{x}, {y}])"]
    options += [
        f"dualad.concat([{x}.reshape(-1), {w.any()}.reshape(-1)])",
        f"dualad.concat([{x}, {y}, {x}], axis=None)",
    ]
    if shape:
        options += [
            f"dualad.concat([{x}, {y}], axis={w.axis(x)})",
            f"np.vstack([{x}, {y}])",
            f"np.hstack([{x}, {y}])",
        ]
    return w.choose(options)


# -- indices -----------------------------------------------------------------------------------


def reads(w):
    x = w.having(lambda v: v.ndim)
    if not x:
        return None
    if w.below(5) == 0:
        axis = w.axis(x)
        picked = [w.below(w.shape(x)[axis]) for _ in range(2)]
        return f"dualad.take({x}, const({picked}), axis={axis})"
    return f"{x}[{w.key(w.shape(x))}]"


def writes(w):
    """Write by index or in place, as a whole or through a view, to a copy or to a value that others have seen."""
    x = w.any()
    key = w.key(w.shape(x), distinct=True)
    shape = np.empty(w.shape(x))[eval(f"np.s_[{key}]", {"np": np, "const": np.array})].shape
    allowed = lambda v, shape: (w.is_complex(x) or not v.dtype.is_complex) and w.fits(tuple(v.shape), shape)  # noqa: E731
    y = w.having(lambda v: allowed(v, shape)) or w.choose(["0.5", "0.0", "-1.5"])
    whole = w.having(lambda v: allowed(v, w.shape(x)))
    c, before = (x, "") if w.is_writable(x) and w.below(2) else (w.name(), f"{x}.clone()")
    statement = w.choose(
        [
            f"{c}[{key}] = {y}", f"{c}[{key}] += {y}", f"{c}[{key}] *= {y}", f"{c} += {whole}", f"{c}.mul_({whole})",
            f"{c}.sub_(0.5)", f"{c}[{key}].mul_({y})", f"{c}.T[...] *= 0.5", f"{c}[...] = {whole}", f"{c}.copy_({whole})",
            f"{c}.view(-1)[0] = 0.25", f"{c}.flat[::2] = 0.5", f"{c}[...] = 0.75", f"{c}[{key}] = {c}[{key}] * {c}[{key}]",
        ]
    )  # fmt: skip
    return f"{before and f'{c} = {before}'}\n{statement}\n{w.choose(['', f'{c} * '])}{c}"


# -- matrices ----------------------------------------------------------------------------------


def products(w):
    x = w.having(lambda v: v.ndim)
    if not x:
        return None
    n = w.shape(x)[-1]
    y = w.having(lambda v: v.ndim and tuple(v.shape)[-2:][0] == n and v.ndim <= 3)
    options = [
        f"dualad.vecdot({x}, {x})",
        f"dualad.linalg.outer({x}.reshape(-1)[:3], {w.any()}.reshape(-1)[:2])",
    ]
    options += [
        f"dualad.einsum('i,i->', {x}.reshape(-1), {x}.reshape(-1))",
        f"np.inner({x}.reshape(-1), {x}.reshape(-1))",
    ]
    if len(w.shape(x)) == 2:
        options += [
            f"{x} @ {x}.mT",
            f"dualad.einsum('ij,kj->ik', {x}, {x})",
            f"dualad.tensordot({x}, {x}, axes=2)",
        ]
    if y and w.fits(w.shape(y)[:-2], w.shape(x)[:-2]):
        options += [f"{x} @ {y}", f"dualad.matmul({x}, {y})", f"np.matmul({x}, {y})"] * 2
    if n == 3:
        options.append(f"dualad.linalg.cross({x}, dualad.flip({x}, axis=-1) + 0.5)")
    return w.choose(options)


def matrices(w):
    """Functions of square matrices, each brought near to one that is easy: regular, of distinct spectrum."""
    x = w.having(lambda v: v.ndim >= 2 and v.shape[-1] == v.shape[-2] and v.shape[-1] <= 3)
    if not x:
        return None
    n = w.shape(x)[-1]
    a = f"({w.small(x)} * 0.3 + dualad.diag(const({[1.0, 2.0, 3.0][:n]})))"
    h = f"({a} + dualad.conj({a}).mT)" if w.is_complex(x) else f"({a} + {a}.mT)"
    pd = f"({a} @ dualad.conj({a}).mT)" if w.is_complex(x) else f"({a} @ {a}.mT)"
    c = w.name()
    adjoint = f"dualad.conj({c}[1]).mT" if w.is_complex(x) else f"{c}[1].mT"
    weights = f"const({[1.0, -2.0, 0.5][:n]})"
    options = [
        f"dualad.linalg.inv({a})", f"dualad.linalg.det({a})", f"dualad.linalg.slogdet({a})[1]", f"dualad.linalg.slogdet({a})[0]",
        f"dualad.linalg.cholesky({pd})", f"dualad.linalg.solve({a}, {x})", f"dualad.linalg.solve({a}, {x}[..., 0, :, None])",
        f"dualad.linalg.eigvalsh({h})", f"dualad.linalg.eigh({h})[0]", f"dualad.linalg.svdvals({a})", f"dualad.linalg.pinv({a})",
        f"dualad.linalg.qr({a})[{w.below(2)}]", f"dualad.linalg.matrix_power({a}, {w.choose([-1, 0, 2, 3])})",
        f"solve({a}, {x}[..., 0])", f"dualad.linalg.trace({x})", f"dualad.linalg.matrix_norm({a})", f"dualad.linalg.eigvals({a})", f"{x} @ {x}",
        f"{c} = dualad.linalg.eigh({h})\n({c}[1] * {weights}) @ {adjoint}",
        f"{c} = dualad.linalg.svd({a})\n({c}[0] * {weights}) @ {c}[2]",
    ]  # fmt: skip
    return w.choose(options)


# Derivatives taken inside the program, of functions that others of its values take part in.
NESTED = (
    "dualad.grad(lambda z: dualad.sum(dualad.sin(z) * {x}))({y})",
    "dualad.grad(lambda z: dualad.sum(dualad.grad(lambda u: dualad.sum(u * u * z * {x}))({y})))({y})",
    "dualad.jvp(lambda z: dualad.exp(-z * z) * {x}, ({y},), (dualad.sin({y}),))[1]",
    "dualad.jvp(dualad.grad(lambda z: dualad.sum(z**3 * {x})), ({y},), ({y} + 1,))[1]",
    "dualad.vjp(lambda z: dualad.tanh(z + dualad.mean({x})), {y})[1](dualad.cos({y}))[0]",
    "dualad.linearize(lambda z: z**3 - dualad.sum({x}), {y})[1]({y} - 0.5)",
    "dualad.hvp(lambda z: dualad.sum(dualad.sin(z) * z * {x}), ({y},), ({y},))",
    "dualad.jvp(lambda z: dualad.jvp(lambda u: u * dualad.sum({x}) * z, ({y},), (z,))[1], ({y},), ({y},))[1]",
    "dualad.sum(dualad.jacrev(lambda z: dualad.sin(z) * dualad.sum(z) * dualad.mean({x}))({y}))",
    "dualad.sum(dualad.jacfwd(lambda z: z.reshape(-1)[:2] * {x}.reshape(-1)[0] * dualad.sum(z))({y}), axis=0)",
    "dualad.directional(lambda z: dualad.sin(z) * dualad.sum({x}), ({y},), (dualad.cos({y}),), order=2)[2]",
    "dualad.checkpoint(lambda z, x: dualad.sin(z) * x)({y}, {x})",
    "dualad.grad(dualad.checkpoint(lambda z: dualad.sum(z * z * {x})))({y})",
    "root({y}) * {x}",
    "dualad.grad(lambda z: dualad.sum(root(z) * {x}))({y})",
)
BATCHES = (
    "dualad.vmap(lambda z: dualad.sin(z) * dualad.mean({x}) + z)({y})",
    "dualad.vmap(dualad.grad(lambda z: dualad.sum(z**3 * dualad.mean({x}))))({y})",
    "dualad.vmap(lambda z: dualad.sum(z) * dualad.max({x}), in_axes=-1)({y})",
)


def nested(w):
    x = w.real()
    if not x:
        return None
    y = w.partner(x)
    return w.choose(NESTED + BATCHES if w.shape(y) else NESTED).format(x=x, y=y)


def fourier(w):
    x = w.having(lambda v: v.ndim)
    if not x:
        return None
    axis = w.axis(x)
    n = w.choose(["", f", n={w.below(4) + 2}"])
    norm = w.choose(["", ", norm='ortho'", ", norm='forward'"])
    names = ["fft", "ifft", "irfft", "hfft"] + ([] if w.is_complex(x) else ["rfft", "ihfft"])
    name = w.choose([*names, "fftshift", "fftn"])
    if name == "fftshift":
        return f"dualad.fft.fftshift({x})"
    if name == "fftn":
        return f"dualad.fft.fftn({x}{norm})"
    if name in ("irfft", "hfft") and not n and w.shape(x)[axis] < 2:
        n = ", n=4"
    return f"dualad.fft.{name}({x}{n}, axis={axis}{norm})"


#: Each step and how often it is taken.
STEPS = {
    entire: 4, inside: 3, positive: 3, real: 2, of_complex: 2, kinks: 2, special: 1, pairs: 6, real_pairs: 2,
    reductions: 3, running: 2, shapes: 4, joins: 2, reads: 3, writes: 3, products: 3, matrices: 2, fourier: 1, nested: 2,
}  # fmt: skip
