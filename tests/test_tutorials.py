"""PyTorch's autograd tutorials run as they are written, under ``import dualad as torch``.

``tutorials/*.txt`` hold the statements of five of them and what PyTorch printed (dtypes and types
renamed). Examples marked RANDOM print random numbers, so only what is around the numbers is
compared; those marked CUDA run where there is a GPU, those marked CPU where there is none.
Statements whose result says no more than the next line does are written as ``... is x``.
"""

import doctest
import re
from pathlib import Path

import pytest

import dualad

RANDOM = doctest.register_optionflag("RANDOM")
CUDA = doctest.register_optionflag("CUDA")
CPU = doctest.register_optionflag("CPU")

TUTORIALS = sorted((Path(__file__).parent / "tutorials").glob("*.txt"))


class _Checker(doctest.OutputChecker):
    """Compares what was printed, but for addresses and random numbers."""

    def check_output(self, want, got, optionflags):
        want, got = (re.sub(r"\b0x[0-9a-f]+", "0x", text) for text in (want, got))
        if optionflags & RANDOM:
            want, got = _layout(want), _layout(got)
        return super().check_output(want, got, optionflags)


def _layout(text):
    text = re.sub(r"\s*-?\d+\.\d*(e[-+]\d+)?", "#", text)
    return re.sub(r"\s+", " ", text.replace("<BLANKLINE>", "")).strip()


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial(path):
    test = doctest.DocTestParser().get_doctest(path.read_text(), {}, path.stem, str(path), 0)
    absent = CPU if dualad.cuda.is_available() else CUDA
    test.examples = [example for example in test.examples if not example.options.get(absent)]
    dualad.manual_seed(0)
    report = []
    result = doctest.DocTestRunner(checker=_Checker(), verbose=False).run(test, out=report.append)
    assert result.attempted > 10
    assert not result.failed, "".join(report)


def test_all_tutorials_are_there():
    assert len(TUTORIALS) == 5


# -- what the tutorials say in words ---------------------------------------------------------------


def test_a_leaf_cannot_be_changed_in_place():
    f = dualad.ones(2, requires_grad=True)
    (f * f).sum().backward()
    message = "a leaf Variable that requires grad is being used in an in-place operation"
    with pytest.raises(RuntimeError, match=message):
        f.sub_(f.grad.data * 0.01)
    f.data.sub_(f.grad.data * 0.01)
    assert f.tolist() == pytest.approx([0.98, 0.98])


def test_backward_of_a_vector_needs_a_gradient():
    x = dualad.randn(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        ((x + 2) * (x + 2) * 2).backward()


def test_only_floating_point_tensors_can_require_gradients():
    with pytest.raises(RuntimeError, match=r"only Tensors of floating point.* can require gradients"):
        dualad.tensor([2, 2]).requires_grad_()


@pytest.mark.skipif(not dualad.cuda.is_available(), reason="needs a GPU")
def test_devices_do_not_mix():
    x = dualad.rand(10)
    with pytest.raises(RuntimeError, match="cuda:0"):
        x * x.to("cuda")
