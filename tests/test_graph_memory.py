"""What a graph keeps alive: each array once, with all the memory it keeps, by op and by line."""

import gc
import weakref

import numpy as np
import pytest

import dualad
from dualad.engine.node import Packed, Tended
from dualad.graph import memory

UNKNOWN = "(unknown: record under dualad.autograd.detect_anomaly() or dualad.profile())"


def leaf(*shape, device="cpu"):
    return dualad.ones(shape, dtype=dualad.float32, device=device, requires_grad=True)


def by_op(report):
    return {row.name: (row.nodes, row.arrays, row.bytes) for row in report.by_op}


def test_what_rules_read_is_what_is_kept(device):
    x, w = leaf(8, 4, device=device), leaf(4, 2, device=device)
    report = memory(((x @ w).exp() * 2.0).sum())
    # matmul reads both arguments, exp its result, a product with a number and a sum nothing.
    assert by_op(report) == {
        "matmul": (1, 2, 4 * (8 * 4 + 4 * 2)),
        "exp": (1, 1, 4 * 8 * 2),
        "multiply": (1, 0, 0),
        "sum": (1, 0, 0),
    }
    assert (report.total, report.arrays, report.nodes) == (4 * (32 + 8 + 16), 3, 4)
    assert report.leaves == 4 * (32 + 8)
    assert [row.name for row in report.by_op] == ["matmul", "exp", "multiply", "sum"]


def test_an_array_that_several_nodes_keep_counts_once_for_the_first(device):
    x = leaf(10, device=device)
    h = x * 2.0
    report = memory([h.sin(), h.cos(), h * h])
    assert report.total == report.by_op[0].bytes == 40
    assert by_op(report)["sin"] == (1, 1, 40)
    assert by_op(report)["cos"] == (1, 0, 0)


def test_a_node_that_two_results_share_counts_once(device):
    h = leaf(10, device=device).exp()
    report = memory({"a": h.sum(), "b": [h * 3.0]})
    assert (report.nodes, report.total) == (3, 40)


def test_a_small_view_keeps_the_large_array_and_views_of_one_buffer_count_once():
    x = leaf(1000)
    large = x.exp()
    first, last = large[:1], large[-1:]
    assert memory([first.sin(), last.sin()]).total == 4000
    assert memory(leaf(1).sin()).total == 4


def test_index_arrays_are_kept_too(device):
    x = leaf(100, device=device)
    rows = np.arange(50)
    report = memory(x[rows].sum())
    assert by_op(report)["getitem"] == (1, 1, rows.nbytes)
    assert report.leaves == 0


def test_lines_of_the_program_and_what_has_none():
    x = leaf(10)
    a, b = x.exp(), x.sin()
    y = (a * b).sum()
    a._node.metadata["line"] = "model.py:12 in forward"
    b._node.metadata["line"] = "model.py:12 in forward"
    report = memory(y)
    lines = {row.name: (row.nodes, row.bytes) for row in report.by_line}
    assert lines["model.py:12 in forward"] == (2, 80)  # the result of exp, and x
    assert lines[UNKNOWN] == (2, 40)  # the result of sin, which the product reads besides
    assert "model.py:12 in forward" in str(report)
    assert sum(row.bytes for row in report.by_line) == report.total


def test_lines_are_known_under_anomaly_mode():
    with dualad.autograd.detect_anomaly():
        y = leaf(10).exp()
    (row,) = memory(y).by_line
    assert row.name.startswith("test_graph_memory.py:") or "/test_graph_memory.py:" in row.name
    assert "y = leaf(10).exp()" in row.name


def test_what_a_backward_pass_freed_is_not_counted():
    x = leaf(10)
    y = x.exp().sum()
    y.backward()
    report = memory(y)
    assert (report.total, report.nodes) == (0, 2)
    assert report.notes == ("1 op kept values that a backward pass has freed.",)


def test_what_others_keep_is_not_fetched():
    x = leaf(10)
    y = x.exp()
    z = y.sin()
    y._node.__class__ = Tended
    y._node.saved = Packed(lambda: pytest.fail("the values were fetched"))
    report = memory(z)
    assert by_op(report)["sin"] == (1, 1, 40)
    assert by_op(report)["exp"] == (1, 0, 0)
    assert "1 op gave values to saved_tensors_hooks" in report.notes[0]


def test_a_node_with_hooks_on_it_counts_as_others_do():
    y = leaf(10).exp()
    y._node.__class__ = Tended
    assert memory(y).total == 40


def test_the_graphs_of_all_levels_are_looked_at():
    seen = []

    def inner(t, h):
        y = (t.sin() * h).sum()
        seen.append(memory(y))
        return y

    def outer(x):
        h = x.exp()
        return (dualad.grad(inner)(x, h) * x).sum()

    dualad.grad(outer)(np.ones(10))
    (report,) = seen
    # exp is of the outer level and is kept by the inner product, which keeps h.
    assert set(by_op(report)) == {"exp", "sin", "multiply", "sum"}
    assert by_op(report)["exp"] == (1, 1, 80)
    assert report.total == 80 * 3  # exp(x), x, and sin(t)
    assert report.leaves == 80


def test_batches_are_kept_whole():
    seen = []

    def f(x):
        y = x.sin().sum()
        seen.append(memory(y))
        return y

    dualad.grad(lambda x: dualad.vmap(f)(x).sum())(np.ones((5, 3)))
    dualad.vmap(dualad.grad(f))(np.ones((5, 3)))
    assert [report.total for report in seen] == [120, 120]


def test_functions_with_rules_of_their_own():
    @dualad.custom_vjp
    def double(x):
        return 2 * x

    double.defvjp(lambda x: (2 * x, x), lambda kept, g: (2 * g,))
    report = memory(double(leaf(3)))
    assert by_op(report) == {"custom_vjp of double": (1, 1, 12)}
    assert "1 function with rules of their own may keep more" in report.notes[0]


def test_a_graph_of_derivatives(device):
    x = leaf(10, device=device)
    (g,) = dualad.autograd.grad(x.sin().sum(), x, create_graph=True)
    report = memory(g)
    assert by_op(report)["cos"] == (1, 1, 40)
    assert report.leaves == 40


def test_constants_and_leaves_keep_nothing():
    assert memory(dualad.ones(3)).total == 0
    report = memory(leaf(3))
    assert (report.total, report.nodes, report.by_op) == (0, 0, ())
    assert str(report) == "0 ops: 0 B in 0 arrays"


def test_a_report_holds_nothing_of_the_graph():
    x = leaf(10)
    y = x.exp()
    kept = weakref.ref(y._value)
    report = memory(y.sum())
    del y
    gc.collect()
    assert kept() is None
    assert report.total == 40


def test_deep_graphs():
    x = leaf(4)
    y = x
    for _ in range(20_000):
        y = y.sin() * 0.5
    report = memory(y)
    assert (report.nodes, report.total) == (40_000, 20_000 * 16)


def test_tables():
    x = leaf(100, 100)
    report = memory((x.exp() @ x).sum())
    lines = str(report).splitlines()
    assert lines[0] == "3 ops: 78.1 KiB in 2 arrays, 39.1 KiB of them values of leaves"
    assert lines[2].split() == ["op", "nodes", "arrays", "bytes"]
    assert lines[3].split() == ["exp", "1", "1", "39.1", "KiB"]
    assert lines[4].split() == ["matmul", "1", "1", "39.1", "KiB"]
    assert repr(report) == f"<Memory: {lines[0]}>"
    assert "<th>arrays</th>" in report._repr_html_()
    assert "<td>matmul</td>" in report._repr_html_()


def test_a_long_table_is_cut_and_adds_up():
    x = leaf(10)
    y = x
    for i in range(30):
        y = y.exp() * 0.01
        y._node.parents[0].metadata["line"] = f"model.py:{i} in <listcomp>"
    report = memory(y)
    assert len(report.by_line) == 31
    assert "… and 10 more" in str(report)
    assert "model.py:0 in &lt;listcomp&gt;" in report._repr_html_()


def test_what_has_no_graph_is_refused():
    with pytest.raises(TypeError, match=r"memory: expected y to be a Tensor, .* got numpy.ndarray"):
        memory(np.ones(3))
    with pytest.raises(dualad.GradientError, match="memory: there is no Tensor in y"):
        memory([])
    with pytest.raises(dualad.GradientError, match="memory: y is a Tensor of forward mode"):
        dualad.jvp(lambda x: memory(x * x), (1.0,), (1.0,))
