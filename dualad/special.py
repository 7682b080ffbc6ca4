"""Special functions: what SciPy's array API support asks of a namespace's ``special``.

The values are SciPy's; ``pip install 'dualad[special]'`` brings it.
"""

from .ops.special import (
    bdtr, bdtrc, bdtri, beta, betainc, betaincc, betainccinv, betaincinv, betaln, binom, boxcox,
    boxcox1p, cbrt, chdtr, chdtrc, chdtri, cosdg, cosm1, cotdg, digamma, ellipe, ellipk, ellipkm1, entr,
    erf, erfc, erfcinv, erfcx, erfinv, exp1, exp10, exp2, expi, expit, expm1, expn, exprel, fdtr, fdtrc,
    fdtri, gamma, gammainc, gammaincc, gammainccinv, gammaincinv, gammaln, gammasgn, gdtr, gdtrc, huber,
    hyp1f1, hyp2f1, i0, i0e, i1, i1e, inv_boxcox, inv_boxcox1p, iv, ive, j0, j1, jn, jv, k0, k0e, k1,
    k1e, kl_div, kn, kv, kve, log1p, log_expit, log_ndtr, log_softmax, loggamma, logit, logsumexp, lpmv,
    multigammaln, nbdtr, nbdtrc, nbdtri, ndtr, ndtri, pdtr, pdtrc, pdtri, poch, polygamma, pseudo_huber,
    psi, radian, rel_entr, rgamma, sinc, sindg, softmax, softplus, spence, spherical_jn, stdtr, stdtrit,
    tandg, xlog1py, xlogy, y0, y1, yn, yv, zeta, zetac,
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
