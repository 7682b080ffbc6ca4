"""The examples of the README and of the docstrings give what they say."""

import doctest
from pathlib import Path

import pytest
from dualad_torch import dualad_in_torch, torch_in_dualad

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# PyTorch says it of code of its own, when forward mode is first used.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


def test_the_readme():
    path = Path(__file__).parents[1] / "README.md"
    assert doctest.testfile(str(path), module_relative=False, optionflags=FLAGS).failed == 0


@pytest.mark.parametrize("module", [dualad_in_torch, torch_in_dualad], ids=lambda m: m.__name__)
def test_the_docstrings(module):
    result = doctest.testmod(module, optionflags=FLAGS)
    assert result.failed == 0
    assert result.attempted
