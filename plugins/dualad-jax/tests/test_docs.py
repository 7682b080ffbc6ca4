"""The examples of the docstrings and of the README give what they say."""

import doctest
import importlib
from pathlib import Path

import jax
import pytest

MODULES = ["dualad_in_jax", "jax_in_dualad", "randomness"]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.fixture(autouse=True)
def _without_64_bit_types():
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name):
    found = doctest.testmod(importlib.import_module(f"dualad_jax.{name}"), optionflags=OPTIONS)
    assert found.attempted
    assert not found.failed


def test_examples_of_the_readme():
    readme = Path(__file__).parents[1] / "README.md"
    found = doctest.testfile(str(readme), module_relative=False, optionflags=OPTIONS)
    assert found.attempted
    assert not found.failed
