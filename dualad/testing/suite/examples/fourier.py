"""Arguments on which the Fourier transforms are differentiated."""

from __future__ import annotations

from typing import Any

import dualad
from dualad import fft

from .example import Example, signed

EXAMPLES: list[Example] = []


def _add(call, *arrays, name, complex=True, op=""):
    EXAMPLES.append(Example(name, call, arrays, complex, op))


# Which take real arrays only, and the op that each function is made of.
TRANSFORMS: dict[str, Any] = {
    "fft": (fft.fft, True, "fft.fftn"), "ifft": (fft.ifft, True, "fft.ifftn"),
    "rfft": (fft.rfft, False, "fft.rfftn"), "irfft": (fft.irfft, True, "fft.irfftn"),
    "hfft": (fft.hfft, True, ""), "ihfft": (fft.ihfft, False, ""),
}  # fmt: skip
NORMS = ["backward", "ortho", "forward"]
LENGTHS: dict[str, Any] = {
    "default": None,
    "shorter": 3,
    "longer-odd": 9,
    "longer-even": 8,
    "one": 1,
    "two": 2,
}

for _name, (_call, _complex, _op) in TRANSFORMS.items():
    for _norm in NORMS:
        for _n in (4, 5):
            _add(lambda x, f=_call, norm=_norm: f(x, norm=norm), signed(_n),
                 name=f"{_name}-{_norm}-{_n}", complex=_complex, op=_op)  # fmt: skip
    for _form, _n in LENGTHS.items():
        _add(lambda x, f=_call, n=_n: f(x, n=n, axis=1), signed(2, 5, 3),
             name=f"{_name}-n-{_form}", complex=_complex, op=_op)  # fmt: skip

SEVERAL: dict[str, Any] = {
    "fftn": (fft.fftn, True, "fft.fftn"), "ifftn": (fft.ifftn, True, "fft.ifftn"),
    "rfftn": (fft.rfftn, False, "fft.rfftn"), "irfftn": (fft.irfftn, True, "fft.irfftn"),
}  # fmt: skip
ARGUMENTS: dict[str, Any] = {
    "all": {}, "last": {"axes": (-1,)}, "axes": {"axes": (2, 0)}, "odd": {"s": (3, 5), "axes": (0, 1)},
    "cut-and-padded": {"s": (2, 6), "axes": (1, 2)}, "at-the-end": {"s": (3, -1)},
}  # fmt: skip
for _name, (_call, _complex, _op) in SEVERAL.items():
    for _norm in NORMS:
        _add(lambda x, f=_call, norm=_norm: f(x, norm=norm), signed(3, 4),
             name=f"{_name}-{_norm}", complex=_complex, op=_op)  # fmt: skip
    for _form, _static in ARGUMENTS.items():
        _add(lambda x, f=_call, kw=_static: f(x, **kw), signed(2, 3, 4),
             name=f"{_name}-{_form}", complex=_complex, op=_op)  # fmt: skip

_add(lambda x: fft.fftshift(x), signed(3, 4), name="fftshift")
_add(lambda x: fft.ifftshift(x, axes=(-1,)), signed(2, 5), name="ifftshift")
# Not linear, so that the second derivatives say something.
for _name, _call in {"fft": fft.fft, "rfft": fft.rfft}.items():
    _add(lambda x, f=_call: dualad.abs(f(x, axis=0)) ** 2, signed(5, 2), name=f"spectrum-{_name}",
         complex=_name == "fft")  # fmt: skip
_add(
    lambda x, y: fft.irfft(fft.rfft(x, n=8) * fft.rfft(y, n=8), n=8),
    signed(5),
    signed(3, seed=1),
    name="convolution",
    complex=False,
)
_add(lambda x: dualad.exp(fft.irfftn(x * x, s=(3, 4), axes=(1, 0))), signed(2, 3), name="irfftn-of-square")
