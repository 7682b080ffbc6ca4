"""The examples of all rooms of ops, for the registry walk: a file for each room."""

from importlib import import_module

FILES = ["examples", "examples_linalg", "examples_fourier", "examples_more", "examples_special"]
EXAMPLES = [example for name in FILES for example in import_module(name).EXAMPLES]
