"""Pictures of graphs: what they say, that nothing overlaps, and that large graphs are folded."""

import gc
import random
import re
import subprocess
import sys
import weakref
from dataclasses import dataclass
from math import isclose
from xml.etree import ElementTree

import numpy as np
import pytest

import dualad
from dualad.graph import draw

SVG = "{http://www.w3.org/2000/svg}"


def leaf(*shape, device="cpu"):
    return dualad.ones(shape, dtype=dualad.float32, device=device, requires_grad=True)


def chain(count):
    y = leaf(4)
    for i in range(count):
        y = (dualad.sin, dualad.exp, dualad.tanh)[i * i % 3](y)
    return y


def network(depth):
    h, named = leaf(2, 8), {}
    for i in range(depth):
        named[f"w{i}"], named[f"b{i}"] = leaf(8, 8), leaf(8)
        h = dualad.tanh(h @ named[f"w{i}"] + named[f"b{i}"])
    return h.sum(), named


def recurrence(steps):
    w, h, total = leaf(4, 4), leaf(2, 4), 0.0
    for _ in range(steps):
        h = dualad.tanh(h @ w)
        total = total + (h**2).sum()
    return total


def tangle(seed, count, reach=12):
    """A graph at random: anything may be used again, soon or never."""
    chosen = random.Random(seed)
    values = [leaf(3) for _ in range(5)]
    for _ in range(count):
        a, b = chosen.choices(values[-reach:], k=2)
        values.append(chosen.choice([lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a.sin()])(a, b))
    return values[-4:]


def decompositions():
    a = dualad.asarray(np.array([[2.0, 1.0], [1.0, 3.0]]), requires_grad=True)
    w, v = dualad.linalg.eigh(a)
    q, r = dualad.linalg.qr(a @ a)
    return {"loss": (v @ dualad.diag(w) @ q).sum() + r.sum(), "w": w}


GRAPHS = {
    "expression": lambda: (leaf(3) * leaf(3)).sum() + leaf(),
    "leaf": lambda: leaf(2),
    "constant": lambda: dualad.ones(2),
    "chain": lambda: chain(60),
    "folded chain": lambda: chain(300),
    "network": lambda: network(5)[0],
    "folded network": lambda: network(200)[0],
    "recurrence": lambda: recurrence(8),
    "folded recurrence": lambda: recurrence(100),
    "decompositions": decompositions,
    "many leaves": lambda: dualad.concat([leaf(3) for _ in range(300)]).sum(),
    "many results": lambda: [leaf(3).exp() for _ in range(300)],
    "apart": lambda: [leaf(3).exp().sum(), dualad.ones(3), leaf(2) * 2],
    **{f"tangle {seed}": lambda seed=seed: tangle(seed, 30) for seed in range(6)},
    **{f"folded tangle {seed}": lambda seed=seed: tangle(seed, 400, 40) for seed in range(6)},
}


# -- the text --------------------------------------------------------------------------------------


def test_text(device):
    x, w = leaf(2, 3, device=device), leaf(3, device=device)
    b = leaf(device=device)
    text = str(draw(((x @ w).exp() * b).sum(axis=0), params={"w": w, "layer": [b]}))
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[0] == "4 ops, 3 leaves, 48 B saved"
    assert [re.split(r"  +", line) for line in lines[3:]] == [
        ["leaf1", "leaf", "(2, 3) float32"],
        ["w", "leaf", "(3,) float32"],
        ["layer.0", "leaf", "() float32"],
        ["%1", "matmul(leaf1, w)", "(2,) float32", "36 B"],
        ["%2", "exp(%1)", "(2,) float32", "8 B"],
        ["%3", "multiply(%2, layer.0)", "(2,) float32", "12 B"],
        ["%4", "sum(%3, axis=(0,), keepdims=False)", "() float32"],
        ["result", "%4", "() float32"],
    ]


def test_several_outputs_are_told_apart():
    text = str(draw(decompositions()))
    assert re.search(r"%1 +linalg.eigh\(leaf1\) +0: \(2,\) float64, 1: \(2, 2\) float64 +48 B", text)
    assert re.search(r"result w +%1.0", text)
    assert "matmul(%1.1, " in text


def test_names_of_values_on_the_way_and_of_what_is_not_there():
    a = dualad.asarray(np.eye(2), requires_grad=True)
    w, v = dualad.linalg.eigh(a)
    h = v @ v
    named = {"a": a, "w": w, "h": h, "tied": h, "other": leaf(2), "frozen": dualad.ones(2)}
    picture = draw((h * w).sum(), params=named)
    text = str(picture)
    assert "not in the graph: frozen, other" in text
    assert re.search(r"h, tied +matmul\(%1.1, %1.1\)", text)
    assert "0 w: (2,) float64" in text
    assert "multiply(h, tied, w)" in text
    assert "h, tied = matmul" in picture.svg()


def test_names_in_dataclasses():
    @dataclass
    class Layer:
        w: object
        b: object

    layer = Layer(leaf(3, 3), leaf(3))
    text = str(draw(leaf(3) @ layer.w + layer.b, params={"layers": [layer]}))
    assert re.search(r"^layers.0.w +leaf", text, re.MULTILINE)
    assert re.search(r"^layers.0.b +leaf", text, re.MULTILINE)


def test_lines_and_hooks():
    x = leaf(3)
    y = x.exp()
    y._node.metadata["line"] = "model.py:7 in <lambda>"
    y.register_hook(lambda g: g)
    z = y.sum()
    picture = draw(z)
    assert re.search(r"%1 .*12 B  model.py:7 in <lambda>$", str(picture), re.MULTILINE)
    assert "1 hook\nmodel.py:7 in &lt;lambda&gt;" in picture.svg()
    assert "line" not in str(draw(x.exp()))


def test_freed_values():
    y = leaf(3).exp().sum()
    y.backward()
    text = str(draw(y))
    assert "saved values of 1 op: freed by a backward pass" in text
    assert re.search(r"%1 .* freed$", text, re.MULTILINE)


def test_an_array_two_nodes_save_is_shown_at_both_and_counted_once():
    h = leaf(10) * 2.0
    text = str(draw([h.sin(), h.cos()]))
    assert "3 ops, 1 leaf, 40 B saved" in text
    assert text.count("40 B") == 3


def test_inside_transforms():
    texts = []

    def f(x, w):
        y = (x.exp() * w).sum()
        texts.append(str(draw(y, params={"x": x})))
        return y

    dualad.grad(f)(dualad.ones(3), leaf(3))
    dualad.grad(lambda x: dualad.grad(f)(x, 2.0).sum())(np.ones(3))
    for text in texts:
        assert "3 ops, 1 leaf, " in text
        assert "inside a transform" in text
        assert re.search(r"^x +leaf", text, re.MULTILINE)
    with pytest.raises(dualad.GradientError, match="draw: y is a Tensor of forward mode"):
        dualad.jvp(lambda x: draw(x * 2), (1.0,), (1.0,))


def test_inside_vmap_it_is_the_graph_of_all_examples():
    texts = []

    def f(x):
        y = x.sin().sum()
        texts.append(str(draw(y)))
        return y

    dualad.grad(lambda x: dualad.vmap(f)(x).sum())(np.ones((5, 3)))
    assert re.search(r"sin\(leaf1\) +\(5, 3\) float64", texts[0])
    dualad.vmap(dualad.grad(f))(np.ones((5, 3)))
    assert re.search(r"sin\(leaf1\) +\(3,\) float64", texts[1])
    assert str(draw(dualad.vmap(lambda x: x * 2)(dualad.ones(3)))).endswith("(3,) float32")


def test_functions_with_rules_of_their_own():
    @dualad.custom_vjp
    def double(x):
        return 2 * x

    double.defvjp(lambda x: (2 * x, x), lambda kept, g: (2 * g,))
    text = str(draw(double(leaf(3)).sum()))
    assert re.search(r"%1 +custom_vjp of double\(leaf1\) +\(3,\) float32 +12 B", text)


def test_a_graph_of_derivatives_has_each_node_once():
    x = leaf(3)
    (g,) = dualad.autograd.grad((x.sin() ** 2).sum(), x, create_graph=True)
    text = str(draw(g, params=[x]))
    assert len(re.findall(r"^%\d+ +sin", text, re.MULTILINE)) == 1
    assert len(re.findall("leaf", text)) == 2  # in the count, and once below


def test_constants_are_a_box():
    assert str(draw(dualad.ones(2))).splitlines()[-1].split() == ["result", "constant", "(2,)", "float32"]


def test_what_cannot_be_drawn():
    x = leaf(2)
    with pytest.raises(TypeError, match=r"draw: expected y to be a Tensor, .* got float"):
        draw([x, 1.0])
    with pytest.raises(TypeError, match=r"draw: expected params to be a Tensor, .* got str"):
        draw(x, params={"w": "w"})
    with pytest.raises(dualad.GradientError, match="draw: there is no Tensor in y"):
        draw({})
    with pytest.raises(ValueError, match="draw: limit must be from 16 to 1,000, got 3"):
        draw(x, limit=3)
    with pytest.raises(ValueError, match="draw: limit must be from 16 to 1,000, got 1000000"):
        draw(x, limit=1_000_000)
    with pytest.raises(TypeError, match="integer"):
        draw(x, limit="all")


# -- the picture -----------------------------------------------------------------------------------


class Parsed:
    """The boxes and edges of an SVG, as numbers."""

    def __init__(self, svg):
        root = ElementTree.fromstring(svg)
        self.size = float(root.get("width")), float(root.get("height"))
        shift = next(g for g in root.iter(f"{SVG}g") if "translate" in (g.get("transform") or ""))
        self.shift = [float(v) for v in re.findall(r"[\d.]+", shift.get("transform"))]
        self.boxes, self.edges = [], []
        for group in shift.iter(f"{SVG}g"):
            title = group.find(f"{SVG}title")
            if title is None:
                continue
            rects = [r for r in group.findall(f"{SVG}rect") if r.get("rx")]
            if rects:
                texts = [(float(t.get("x")), float(t.get("y")), t.text) for t in group.iter(f"{SVG}text")]
                self.boxes.append((title.text, [_sides(r) for r in rects], texts))
            else:
                self.edges.append((title.text, _points(group.findall(f"{SVG}path")[1].get("d"))))


def _sides(rect):
    x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
    return x, y, x + w, y + h


def _points(path):
    """Points along a path of M, V and C commands."""
    points = []
    for command, numbers in re.findall(r"([MVC])([^MVC]*)", path):
        values = [float(v) for v in numbers.split()]
        if command == "M":
            points.append(tuple(values))
        elif command == "V":
            x, y = points[-1]
            points += [(x, y + (values[0] - y) * t / 8) for t in range(1, 9)]
        else:
            ends = [points[-1], *zip(values[::2], values[1::2], strict=True)]
            for t in (k / 16 for k in range(1, 17)):
                weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3]
                points.append(
                    tuple(sum(w * p[k] for w, p in zip(weights, ends, strict=True)) for k in (0, 1))
                )
    return points


@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_overlaps_and_edges_end_at_boxes(name):
    parsed = Parsed(draw(GRAPHS[name]()).svg())
    width, height = parsed.size
    every = [(k, sides) for k, (_, rects, _) in enumerate(parsed.boxes) for sides in rects]
    for k, (left, top, right, bottom) in every:
        assert left + parsed.shift[0] >= 0
        assert right + parsed.shift[0] <= width
        assert bottom + parsed.shift[1] <= height
        for other, (x0, y0, x1, y1) in every:
            assert other == k or right <= x0 or x1 <= left or bottom <= y0 or y1 <= top
    for _, rects, texts in parsed.boxes:
        left, top, right, bottom = rects[-1]
        for x, y, text in texts:
            half = len(text) * 0.61 * 11.5 / 2
            assert left < x - half
            assert x + half < right
            assert top + 8 < y < bottom
    for _, points in parsed.edges:
        assert any(
            x0 < points[0][0] < x1 and isclose(points[0][1], y1, abs_tol=0.2) for _, (x0, _, x1, y1) in every
        )
        x, y = points[-1]
        assert any(x0 < x < x1 and isclose(y + 7, y0, abs_tol=0.2) for _, (x0, y0, x1, _) in every)
        for x, y in points:
            assert not any(x0 < x < x1 and y0 + 0.2 < y < y1 - 0.2 for _, (x0, y0, x1, y1) in every)


def test_tooltips_say_what_flows_where():
    w = leaf(2)
    parsed = Parsed(draw((w * w.exp()).sum(), params={"w": w}).svg())
    texts = [title for title, _ in parsed.edges]
    assert "w, (2,) float32, is x1 of multiply, %2" in texts
    assert "%3, () float32, is a result" in texts
    multiply = next(title for title, *_ in parsed.boxes if title.startswith("%2"))
    assert multiply.splitlines()[:3] == ["%2 = multiply, MulBackward0", "x1: w", "x2: %1"]
    assert multiply.count("saves (2,) float32: 8 B") == 2


def test_two_edges_from_one_value_are_drawn_as_one():
    x = leaf(2)
    parsed = Parsed(draw(x * x).svg())
    assert [title.count("\n") for title, _ in parsed.edges] == [1, 0]


def test_markup_and_control_characters_in_names():
    w = leaf(2)
    name = '<b onclick="x">&\x00\x1b'
    root = ElementTree.fromstring(draw(w.exp(), params={name: w}).svg())
    assert any(t.text == '<b onclick="x">&\ufffd\ufffd' for t in root.iter(f"{SVG}text"))


def test_long_names_are_cut_in_boxes_and_whole_in_tooltips():
    w = leaf(2)
    name = "層" * 30 + "weight"
    svg = draw(w.exp(), params={name: w}).svg()
    assert f">{name}<" not in svg
    assert f"{name}, a leaf" in svg


def test_a_picture_is_the_same_each_time():
    assert draw(network(4)[0]).svg() == draw(network(4)[0]).svg()


def test_saving(tmp_path):
    picture = draw(leaf(2).exp())
    picture.save(tmp_path / "graph.svg")
    picture.save(str(tmp_path / "graph.HTML"))
    picture.save(tmp_path / "graph.txt")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == picture.svg() + "\n"
    assert (tmp_path / "graph.HTML").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "graph.txt").read_text(encoding="utf-8") == f"{picture}\n"
    with pytest.raises(ValueError, match=r"save: a picture can be written as .svg, .html or .txt, and .*png"):
        picture.save(tmp_path / "graph.png")


def test_notebooks():
    picture = draw(leaf(2).exp())
    assert picture._repr_svg_() == picture.svg()
    assert picture.svg() in picture._repr_html_()
    ElementTree.fromstring(picture._repr_html_())
    assert repr(picture) == "<Picture of a graph: 1 op, 1 leaf, 8 B saved>"


def test_without_igraph(monkeypatch, tmp_path):
    picture = draw(leaf(2).exp())
    monkeypatch.setitem(sys.modules, "igraph", None)
    for make in (picture.svg, picture.html, lambda: picture.save(tmp_path / "graph.svg")):
        with pytest.raises(dualad.BackendError, match=r"pip install 'dualad\[graph\]'"):
            make()
    assert not list(tmp_path.iterdir())
    assert picture._repr_svg_() is None
    assert "exp(leaf1)" in picture._repr_html_()
    assert "dualad[graph]" in picture._repr_html_()


def test_a_picture_holds_nothing_of_the_graph():
    y = leaf(10).exp()
    kept = weakref.ref(y._value)
    picture = draw(y.sum())
    del y
    gc.collect()
    assert kept() is None
    assert "40 B" in str(picture)


def test_the_module_is_imported_on_first_use():
    program = "import sys, dualad; assert 'dualad.graph' not in sys.modules; dualad.graph.draw"
    subprocess.run([sys.executable, "-c", program], check=True)


# -- folding ---------------------------------------------------------------------------------------


def drawn(y, **keywords):
    """Return the parsed picture, the number of boxes, and the counts of ops and leaves in its headline."""
    picture = draw(y, **keywords)
    parsed = Parsed(picture.svg())
    return str(picture), parsed


def ops_in(box):
    """Return how many ops a box stands for, by its own words."""
    title, _, texts = box
    if "folded" not in title.splitlines()[0]:
        return 1 if "Backward0" in title.splitlines()[0] else 0
    words = texts[0][2]
    found = re.fullmatch(r"([\d,]+) × (?:(\d+) ops|\S+)|([\d,]+) ops", words)
    if not found:
        return 0
    times, pattern, alone = (v and int(v.replace(",", "")) for v in found.groups())
    return alone or times * (pattern or 1)


@pytest.mark.parametrize("limit", [16, 40, 80])
@pytest.mark.parametrize("name", [n for n in GRAPHS if "folded" in n or "many" in n])
def test_a_folded_graph_has_few_boxes_and_every_op(name, limit):
    y = GRAPHS[name]()
    text, parsed = drawn(y, limit=limit)
    assert len(parsed.boxes) <= limit
    assert len(text.splitlines()) <= limit + 6
    count = int(re.match(r"([\d,]+) ops?", text)[1].replace(",", ""))
    assert count == dualad.graph.memory(y).nodes
    assert sum(map(ops_in, parsed.boxes)) == count


def test_up_to_the_limit_nothing_is_folded():
    _, parsed = drawn(chain(78))  # with the leaf and the result 80
    assert len(parsed.boxes) == 80
    _, parsed = drawn(chain(79))
    assert len(parsed.boxes) < 80
    _, parsed = drawn(chain(79), limit=81)
    assert len(parsed.boxes) == 81


def test_layers_are_folded_into_one_box_with_their_parameters():
    y, named = network(200)
    text, parsed = drawn(y, params=named)
    assert re.search(r"199 × \(matmul → add → tanh\) of %3", text)
    assert "597 ops are folded into 1 box; they save" in text
    assert len(parsed.boxes) == 9  # the first layer with its leaves, the others, the sum, the result
    box = next(title for title, *_ in parsed.boxes if "folded" in title)
    assert "with 398 leaves: w1, b1, w2, b2" in box
    kept = dualad.graph.memory(y)
    assert text.startswith("601 ops, 401 leaves, ")
    assert f"{kept.total / 1024:.3g} KiB saved" in text.splitlines()[0]


def test_what_is_used_in_each_repetition_is_drawn_once():
    text, _ = drawn(recurrence(100))
    assert re.search(r"99 × \(matmul → tanh → pow → sum → add\) of %\d+, leaf\d, %\d+", text)


def test_branches_built_in_turns_are_folded_apart():
    a, b = leaf(3), leaf(3)
    x, y = a, b
    for _ in range(100):
        x, y = x.sin(), y.cos()
    text, parsed = drawn((x * y).sum())
    assert "× sin of" in text
    assert "× cos of" in text
    assert len(parsed.boxes) < 12


def test_leaves_and_results_are_folded_too():
    text, parsed = drawn(dualad.concat([leaf(3) for _ in range(300)]).sum())
    assert len(parsed.boxes) == 4
    assert "300 leaves" in text
    text, parsed = drawn([leaf(3).exp() * 2] + [dualad.ones(3)] * 300)
    assert "300 constant results" in text
    assert len(parsed.boxes) == 5


def test_deep_graphs_are_folded_without_recursion():
    x = leaf(4)
    y = x
    for _ in range(20_000):
        y = y.sin() * 0.5
    text, parsed = drawn(y)
    assert text.startswith("40,000 ops, 1 leaf, 312 KiB saved")
    assert "× (sin → multiply)" in text
    assert len(parsed.boxes) < 10


def test_wide_graphs_are_folded():
    text, parsed = drawn(dualad.stack([(leaf(2) * i).sum() for i in range(3000)]).sum())
    assert text.startswith("6,002 ops, 3,000 leaves")
    assert len(parsed.boxes) < 12
