"""Random numbers: generators, and what is drawn from them."""

from .generators import default_generator

__all__ = ["default_generator"]
