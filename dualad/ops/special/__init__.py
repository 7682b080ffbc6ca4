"""Special functions: what rules reach as ``xp.special``. Their values are SciPy's.

This package is loaded on first use: its hundred ops would take a fifth of the time of `import dualad`.
"""

import sys

from ...engine.namespace import ops
from ...op import REGISTRY
from ..elementwise import expm1, log1p
from .bessel import (
    i0,
    i0e,
    i1,
    i1e,
    iv,
    ive,
    j0,
    j1,
    jn,
    jv,
    k0,
    k0e,
    k1,
    k1e,
    kn,
    kv,
    kve,
    y0,
    y1,
    yn,
    yv,
)  # fmt: skip
from .descriptions import DESCRIPTIONS, describe
from .elementary import (
    boxcox,
    boxcox1p,
    cbrt,
    cosdg,
    cosm1,
    cotdg,
    exp2,
    exp10,
    expit,
    exprel,
    huber,
    inv_boxcox,
    inv_boxcox1p,
    log_expit,
    logit,
    pseudo_huber,
    radian,
    sinc,
    sindg,
    spherical_jn,
    tandg,
)  # fmt: skip
from .error import erf, erfc, erfcinv, erfcx, erfinv, log_ndtr, ndtr, ndtri
from .gamma import (
    beta,
    betaln,
    binom,
    digamma,
    gamma,
    gammaln,
    gammasgn,
    loggamma,
    multigammaln,
    poch,
    polygamma,
    psi,
    rgamma,
    zeta,
    zetac,
)  # fmt: skip
from .incomplete import (
    betainc,
    betaincc,
    betainccinv,
    betaincinv,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
)  # fmt: skip
from .information import entr, kl_div, rel_entr, xlog1py, xlogy
from .integrals import ellipe, ellipk, ellipkm1, exp1, expi, expn, hyp1f1, hyp2f1, lpmv, spence
from .reductions import log_softmax, logsumexp, softmax, softplus
from .statistical import (
    bdtr,
    bdtrc,
    bdtri,
    chdtr,
    chdtrc,
    chdtri,
    fdtr,
    fdtrc,
    fdtri,
    gdtr,
    gdtrc,
    nbdtr,
    nbdtrc,
    nbdtri,
    pdtr,
    pdtrc,
    pdtri,
    stdtr,
    stdtrit,
)  # fmt: skip

__all__ = [
    "bdtr", "bdtrc", "bdtri", "beta", "betainc", "betaincc", "betainccinv", "betaincinv", "betaln", "binom",
    "boxcox", "boxcox1p", "cbrt", "chdtr", "chdtrc", "chdtri", "cosdg", "cosm1", "cotdg", "digamma",
    "ellipe", "ellipk", "ellipkm1", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "exp1", "exp10",
    "exp2", "expi", "expit", "expm1", "expn", "exprel", "fdtr", "fdtrc", "fdtri", "gamma", "gammainc",
    "gammaincc", "gammainccinv", "gammaincinv", "gammaln", "gammasgn", "gdtr", "gdtrc", "huber", "hyp1f1",
    "hyp2f1", "i0", "i0e", "i1", "i1e", "inv_boxcox", "inv_boxcox1p", "iv", "ive", "j0", "j1", "jn", "jv",
    "k0", "k0e", "k1", "k1e", "kl_div", "kn", "kv", "kve", "log1p", "log_expit", "log_ndtr", "log_softmax",
    "loggamma", "logit", "logsumexp", "lpmv", "multigammaln", "nbdtr", "nbdtrc", "nbdtri", "ndtr", "ndtri",
    "pdtr", "pdtrc", "pdtri", "poch", "polygamma", "pseudo_huber", "psi", "radian", "rel_entr", "rgamma",
    "sinc", "sindg", "softmax", "softplus", "spence", "spherical_jn", "stdtr", "stdtrit", "tandg",
    "xlog1py", "xlogy", "y0", "y1", "yn", "yv", "zeta", "zetac",
]  # fmt: skip

for _name in DESCRIPTIONS:
    _op = REGISTRY[f"special.{_name}"]
    _op.__doc__ = describe(_op)

ops.special = sys.modules[__name__]
