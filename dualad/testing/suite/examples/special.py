"""Arguments on which special functions are differentiated, in each argument that has a derivative.

Parameters without one are constants inside the call: ``(name, op of a, b and x, ...)``.
"""

from __future__ import annotations

import numpy as np

import dualad
from dualad import special
from dualad.op import REGISTRY

from .example import Example, numbers, signed

EXAMPLES: list[Example] = []
F = vars(special)


def _add(name, call, *arrays, complex=False, form=""):
    EXAMPLES.append(Example(f"special.{name}{form}", call, arrays, complex, f"special.{name}"))


ANY, INSIDE, POSITIVE = signed(2, 3), numbers(2, 3), numbers(2, 3, low=0.3, high=2.7)

# -- functions of one argument -----------------------------------------------------------------

for _domain, _names in (
    (ANY, "erf erfc erfcx ndtr log_ndtr exp2 exp10 exprel cosm1 cbrt expit log_expit sindg cosdg tandg cotdg "
          "sinc rgamma gamma gammaln gammasgn psi j0 j1 i0 i0e i1 i1e expi"),
    (ANY * 0.5, "erfinv ellipk ellipe"),
    (POSITIVE, "loggamma entr y0 y1 k0 k0e k1 k1e exp1 spence"),
    (INSIDE, "erfcinv ndtri logit ellipkm1"),
):  # fmt: skip
    for _name in _names.split():
        _add(_name, F[_name], _domain)
for _name in ["erf", "erfc", "exp1", "expi"]:
    _add(_name, F[_name], POSITIVE, complex=True, form="-complex")
_add("log_ndtr", special.log_ndtr, -20 * POSITIVE, form="-far")
_add("log_ndtr", special.log_ndtr, 20 * POSITIVE, form="-above")
_add("rgamma", special.rgamma, np.array([-2.0, -1.0, 0.0, 0.3, 1.0, 4.0]), form="-poles")
_add("sinc", special.sinc, np.array([0.0, 1.0, -0.01]), form="-zero")
_add("exprel", special.exprel, np.array([0.0, 30.0, -30.0]), form="-zero")
_add("j1", special.j1, np.array([0.0, 1e-3]), form="-zero")
_add("ellipk", special.ellipk, np.array([-3.0, 0.0, 0.1, 0.99]), form="-zero")
_add("ellipe", special.ellipe, np.array([-3.0, 0.0, 0.1, 0.99]), form="-zero")
_add("ellipkm1", special.ellipkm1, np.array([1.0, 0.9, 2.0]), form="-one")
_add("spence", special.spence, np.array([1.0, 1.1, 3.0]), form="-one")

# -- functions of several arguments ------------------------------------------------------------

PAIRS = {"same": (POSITIVE, numbers(2, 3, low=0.4, high=1.9, seed=3)), "0d": (POSITIVE, np.array(0.71))}
BINARY = "xlogy xlog1py rel_entr kl_div poch beta betaln boxcox boxcox1p inv_boxcox inv_boxcox1p"
for _name in BINARY.split():
    for _form, _pair in PAIRS.items():
        _add(_name, F[_name], *_pair, form=f"-{_form}")
    _add(_name, lambda x, f=F[_name]: f(x, 0.6), POSITIVE, form="-number-right")
    _add(_name, lambda x, f=F[_name]: f(1.6, x), POSITIVE, form="-number-left")
for _name in ("xlogy", "xlog1py"):
    _add(_name, F[_name], *PAIRS["same"], complex=True, form="-complex")
_add("binom", special.binom, POSITIVE + 2.1, POSITIVE)
_add("binom", lambda x: special.binom(5, x), POSITIVE, form="-number")
for _name in ("boxcox", "boxcox1p", "inv_boxcox", "inv_boxcox1p"):
    _add(_name, F[_name], POSITIVE, np.array(0.0), form="-logarithm")
for _name in ("huber", "pseudo_huber"):
    _add(_name, F[_name], numbers(3, low=0.5, high=0.9), ANY)
    _add(_name, lambda x, f=F[_name]: f(1.05, x), ANY, form="-number")
_add("radian", special.radian, ANY, signed(3, seed=2), signed(2, 1, seed=3))
for _name in ("gdtr", "gdtrc"):
    _add(_name, lambda a, x, f=F[_name]: f(a, 2.3, x), INSIDE, POSITIVE)

# The parameters as Python numbers, and as arrays of integers and of floating numbers.
for _name, _parameters, _x in (
    ("spherical_jn", (2,), ANY), ("spherical_jn", (0,), ANY), ("polygamma", (0,), POSITIVE),
    ("polygamma", (2,), POSITIVE), ("hurwitz_zeta", (2.5,), POSITIVE),
    ("jv", (0.7,), POSITIVE), ("jv", (2,), ANY), ("yv", (0.7,), POSITIVE), ("yn", (0,), POSITIVE),
    ("iv", (0.7,), POSITIVE), ("ive", (2,), ANY), ("kn", (1,), POSITIVE), ("kv", (0.7,), POSITIVE),
    ("kve", (0.7,), POSITIVE), ("expn", (0,), POSITIVE), ("expn", (3,), POSITIVE),
    ("gammainc", (2.3,), POSITIVE), ("gammaincc", (0.6,), POSITIVE), ("gammaincinv", (1.3,), INSIDE),
    ("gammainccinv", (2,), INSIDE), ("betainc", (0.5, 0.5), INSIDE), ("betaincc", (2, 3.1), INSIDE),
    ("betaincinv", (1.4, 2), INSIDE), ("betainccinv", (2, 1.6), INSIDE),
    ("chdtr", (3,), POSITIVE), ("chdtrc", (2.4,), POSITIVE), ("chdtri", (3,), INSIDE),
    ("fdtr", (3, 4.2), POSITIVE), ("fdtrc", (2, 1), POSITIVE), ("fdtri", (3, 4.2), INSIDE),
    ("stdtr", (2.5,), ANY), ("stdtrit", (4,), INSIDE),
    ("bdtr", (1, 4), INSIDE), ("bdtrc", (0, 3), INSIDE), ("bdtri", (1, 4), INSIDE),
    ("nbdtr", (1, 4), INSIDE), ("nbdtrc", (2, 1), INSIDE), ("nbdtri", (1, 4), INSIDE),
    ("pdtr", (2,), POSITIVE), ("pdtrc", (0,), POSITIVE), ("pdtri", (2,), INSIDE),
    ("hyp1f1", (1.3, 2), ANY), ("hyp2f1", (0.4, 1, 2.2), ANY * 0.5), ("lpmv", (1, 2.5), ANY * 0.5),
    ("lpmv", (0, 0), ANY * 0.5),
):  # fmt: skip
    _f = special.zeta if _name == "hurwitz_zeta" else F[_name]
    _add(_name, lambda x, f=_f, p=_parameters: f(*p, x), _x, form=f"-{_parameters}")
    _add(
        _name,
        lambda x, f=_f, p=_parameters: f(
            *(dualad.full((), float(a), dtype=x.dtype, device=x.device) for a in p), x
        ),
        _x,
        form=f"-{_parameters}-arrays",
    )
for _name, _parameters in (
    ("gammainc", (2,)),
    ("betainc", (1, 2)),
    ("chdtr", (4,)),
    ("expn", (2,)),
    ("yn", (1,)),
):
    _add(
        _name,
        lambda x, f=F[_name], p=_parameters: f(
            *(dualad.asarray(a, dtype=dualad.int32, device=x.device) for a in p), x
        ),
        INSIDE,
        form="-integers",
    )

# Densities of distributions, and what has no derivative at all, as a constant factor.
_add("gamma_density", REGISTRY["special.gamma_density"], POSITIVE, INSIDE)
_add("beta_density", REGISTRY["special.beta_density"], POSITIVE, POSITIVE + 0.2, POSITIVE + 1.1, INSIDE)
for _name, _f in (("zetac", special.zetac), ("riemann_zeta", special.zeta)):
    _add(_name, lambda x, f=_f: x * f(dualad.full_like(x.detach(), 2.5)), ANY)

# -- along axes --------------------------------------------------------------------------------

X = signed(2, 3, 4)
for _form, _axis in {"all": {}, "axis": {"axis": 1}, "axes": {"axis": (0, -1)}}.items():
    for _name in ("logsumexp", "softmax", "log_softmax"):
        _add(_name, lambda x, f=F[_name], a=_axis: f(x, **a), X, form=f"-{_form}")
_add("logsumexp", lambda x: special.logsumexp(x, axis=0, keepdims=True), X, form="-kept")
_add("gammaln", lambda x: special.multigammaln(x, 3), POSITIVE + 1, form="-multivariate")
EXAMPLES.append(Example("special.softplus", special.softplus, (ANY,), False, ""))
