"""Fourier transforms: the standard's ``fft`` namespace."""

from .ops.fourier import fft, fftn, hfft, ifft, ifftn, ihfft, irfft, irfftn, rfft, rfftn
from .ops.frequencies import fftfreq, fftshift, ifftshift, rfftfreq

__all__ = [
    "fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "rfftn", "irfftn", "hfft", "ihfft",
    "fftfreq", "rfftfreq", "fftshift", "ifftshift",
]  # fmt: skip
