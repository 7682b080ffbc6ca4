"""What the README and the docstrings show is what happens."""

import doctest
from pathlib import Path

import dask
import dualad_dask.evaluation
import pytest

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("where", ["README", "docstrings"])
def test_examples(where):
    with dask.config.set(scheduler="synchronous"):
        if where == "README":
            readme = Path(__file__).parents[1] / "README.md"
            found = doctest.testfile(str(readme), module_relative=False, optionflags=OPTIONS)
        else:
            found = doctest.testmod(dualad_dask.evaluation, optionflags=OPTIONS)
    assert found.attempted
    assert not found.failed
