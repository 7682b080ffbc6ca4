"""What a picture shows, in words: boxes with texts and the edges between them, and nothing of the graph."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..backends.registry import DTYPES
from ..engine.kept import Kept, nbytes, op_name, owner
from ..engine.node import GROUND, Node
from ..words import array_text, bytes_text, clipped, counted, listed, value_text
from .folding import Block
from .structure import Graph, Source, is_leaf, outputs

#: The arguments that are no results of ops or leaves.
CONSTANT = "const"


@dataclass
class Box:
    """One box: an op, a leaf or a result, or many of them folded.

    Attributes
    ----------
    kind : {"op", "leaf", "result", "constant"}
        What it stands for.
    name : str
        What other boxes call it.
    title : str
        The op, or the name of a leaf or result.
    call : str
        The op with its arguments, or what else there is to say.
    arrays : list of str
        Shape and dtype of each output, with its number where there are several.
    kept : int
        The bytes it saves.
    saves : str
        The same with a unit, or why it is not known; empty where there is nothing to save.
    lines : list of str
        What is written in the box below the title, besides `arrays` and `saves`.
    details : list of str
        What the tooltip says.
    line : str
        The user's line.
    folded : bool
        Whether it stands for several.
    """

    kind: str
    name: str
    title: str
    call: str = ""
    arrays: list[str] = field(default_factory=list)
    kept: int = 0
    saves: str = ""
    lines: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    line: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Edge:
    """A value, one of several outputs maybe, on its way from one box to another."""

    start: int
    stop: int
    output: int
    details: list[str]


@dataclass
class Drawing:
    """Boxes, each after those it depends on, the edges between them, and what is said above them."""

    boxes: list[Box]
    edges: list[Edge]
    counts: list[tuple[str, str]]  # the kind of what is counted, or "saved", and the words
    notes: list[str]

    @property
    def headline(self) -> str:
        """What the graph is, in a line."""
        return ", ".join(text for _, text in self.counts)


def described(graph: Graph, blocks: list[Block]) -> Drawing:
    """Return the words for a graph and the blocks it is folded into."""
    return _Describer(graph, blocks).drawing()


class _Describer:
    def __init__(self, graph: Graph, blocks: list[Block]) -> None:
        self.graph, self.blocks = graph, blocks
        self.block_of: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.counts = {"op": 0, "leaf": 0}
        self.owners: dict[int, Any] = {}  # of all saved arrays, by identity
        self.states: Counter[str] = Counter()
        for k, block in enumerate(blocks):
            for place in [] if block.kind == "result" else [*block.leaves, *block.members]:
                kind = "leaf" if is_leaf(graph.nodes[place]) else "op"
                self.counts[kind] += 1
                self.block_of[place] = k
                number = f"{'leaf' if kind == 'leaf' else '%'}{self.counts[kind]}"
                alone = len(outputs(graph.nodes[place])) == 1
                self.names[place] = graph.names.get((place, 0), number) if alone else number

    def drawing(self) -> Drawing:
        kinds = {"op": self._ops, "leaf": self._leaves, "result": self._results}
        boxes = [kinds[block.kind](block) for block in self.blocks]
        return Drawing(boxes, self._edges(), self._counts(), self._notes(boxes))

    # -- boxes ---------------------------------------------------------------------------------

    def _ops(self, block: Block) -> Box:
        box = self._op(block.members[0]) if len(block.members) == 1 else self._folded(block)
        owners: dict[int, Any] = {}
        states: Counter[str] = Counter()
        for place in block.members:
            kept = Kept(self.graph.nodes[place])
            owners.update((id(a), a) for a in map(owner, kept.arrays))
            states[kept.state] += 1
        box.kept = sum(map(nbytes, owners.values()))
        words = [bytes_text(box.kept)] if box.kept else []
        for state in ("freed", "packed"):
            if states[state]:
                words.append(state if states[state] == len(block.members) else f"{states[state]} {state}")
        box.saves = ", ".join(words)
        self.owners.update(owners)
        self.states += states
        return box

    def _op(self, place: int) -> Box:
        node = self.graph.nodes[place]
        static = [f"{k}={value_text(v)}" for k, v in (node.static or {}).items()]
        call = ", ".join([*map(self._reference, self.graph.sources[place]), *static])
        box = Box("op", self.names[place], op_name(node), clipped(f"{op_name(node)}({call})", 72))
        box.arrays = [array_text(*output) for output in outputs(node)]
        if len(box.arrays) > 1:
            labels = (f"{i} {self.graph.names.get((place, i), '')}".rstrip() for i in range(len(box.arrays)))
            box.arrays = [f"{label}: {text}" for label, text in zip(labels, box.arrays, strict=True)]
        box.line = clipped(node.line or "", 60)
        if (place, 0) in self.graph.names and len(box.arrays) == 1:
            box.title = f"{box.name} = {box.title}"
        box.details = [f"{box.name} = {op_name(node)}, {node.name()}"]
        box.details += listed(f"{a}: {self._reference(s)}" for a, s in self._arguments(place))
        box.details += static
        box.details += [f"gives {text}" for text in box.arrays]
        saved = {id(a): a for a in Kept(node).arrays}
        box.details += listed(f"saves {_array(a)}: {bytes_text(nbytes(owner(a)))}" for a in saved.values())
        box.details += _hooks(node)
        box.details += [node.line] if node.line else []
        return box

    def _folded(self, block: Block) -> Box:
        members = [self.graph.nodes[place] for place in block.members]
        names = [op_name(node) for node in members]
        times = f"{len(members) // block.pattern:,} ×" if block.pattern else ""
        if block.pattern == 1:
            title = what = f"{times} {names[0]}"
            lines = []
        elif block.pattern:
            lines = [" → ".join(listed(names[: block.pattern], 6))]
            title, what = f"{times} {counted(block.pattern, 'op')}", f"{times} ({lines[0]})"
        else:
            lines = [", ".join(listed((f"{n} ×{k:,}" for n, k in Counter(names).most_common()), 6))]
            title = counted(len(members), "op")
            what = f"{title}: {lines[0]}"
        first, last = self.names[block.members[0]], self.names[block.members[-1]]
        box = Box("op", f"{first}…{last}", title, lines=lines, folded=True)
        box.arrays = [array_text(*output) for output in outputs(members[-1])[:1]]
        inside = set(block.members) | set(block.leaves)
        outer = (s for place in block.members for s in self.graph.sources[place] if s and s[0] not in inside)
        used = ", ".join(listed(map(self._reference, dict.fromkeys(outer)), 4))
        leaves = f"with {counted(len(block.leaves), 'leaf')}"
        box.call = " ".join([what, *([f"of {used}"] if used else []), *([leaves] if block.leaves else [])])
        box.details = [f"{box.name}, folded", *(f"{n} ×{k:,}" for n, k in Counter(names).most_common(20))]
        if block.leaves:
            box.lines.append(leaves)
            box.details.append(f"{leaves}: " + ", ".join(listed(self.names[place] for place in block.leaves)))
        box.details += [f"its last result is {text}" for text in box.arrays]
        return box

    def _leaves(self, block: Block) -> Box:
        nodes = [self.graph.nodes[place] for place in block.members]
        names = [self.names[place] for place in block.members]
        arrays = [array_text(*outputs(node)[0]) for node in nodes]
        if len(nodes) == 1:
            box = Box("leaf", names[0], names[0], "leaf", arrays)
            box.details = [f"{names[0]}, a leaf", *arrays]
            box.details += _hooks(nodes[0])
            return box
        same = arrays[:1] if len(set(arrays)) == 1 else []
        what = counted(len(nodes), "leaf")
        box = Box("leaf", f"{names[0]}…{names[-1]}", what, what, same, folded=True)
        box.lines = [] if same else ["of several shapes"]
        box.details = [f"{what}, folded", *listed(map(": ".join, zip(names, arrays, strict=True)))]
        return box

    def _results(self, block: Block) -> Box:
        results = [self.graph.results[i] for i in block.members]
        arrays = [array_text(r.shape, r.dtype) for r in results]
        if len(results) > 1:
            constant = all(r.source is None for r in results)
            what = counted(len(results), "constant result" if constant else "result")
            names = (f"{r.name}: {text}" for r, text in zip(results, arrays, strict=True))
            details = [f"{what}, folded", *listed(names)]
            return Box("constant" if constant else "result", "", what, details=details, folded=True)
        (result,) = results
        title = f"result {result.name}".rstrip()
        if result.source is None:
            why = "a constant: no recorded op led to it from a Tensor that requires grad"
            return Box("constant", "", title, "constant", arrays, lines=["constant"], details=[why])
        reference = self._reference(result.source)
        return Box("result", "", title, reference, arrays, details=[f"{title} is {reference}", *arrays])

    # -- arguments and edges -------------------------------------------------------------------

    def _reference(self, source: Source | None) -> str:
        """Return what a value is called."""
        if source is None:
            return CONSTANT
        place, output = source
        if source in self.graph.names:
            return self.graph.names[source]
        several = self.graph.nodes[place].shape is None
        return f"{self.names[place]}.{output}" if several else self.names[place]

    def _arguments(self, place: int) -> list[tuple[str, Source | None]]:
        """Return the arguments of an op, by name, and where they come from."""
        names = getattr(self.graph.nodes[place].op, "arguments", ())
        sources = self.graph.sources[place]
        if not isinstance(names, tuple) or len(names) != len(sources):
            names = [f"argument {i + 1}" for i in range(len(sources))]
        return list(zip(names, sources, strict=True))

    def _edges(self) -> list[Edge]:
        found: dict[tuple[int, int, int], list[str]] = {}
        for k, block in enumerate(self.blocks):
            for member in block.members:
                if block.kind == "result":
                    arguments: Any = [("result", self.graph.results[member].source)]
                else:
                    arguments = self._arguments(member)
                for argument, source in arguments:
                    start = k if source is None else self.block_of[source[0]]
                    if start != k:
                        folded = len(self.blocks[start].members) > 1
                        uses = found.setdefault((start, k, 0 if folded else source[1]), [])
                        uses.append(self._use(argument, source, member if block.kind == "op" else None))
        return [Edge(*key, listed(uses)) for key, uses in found.items()]

    def _use(self, argument: str, source: Source, user: int | None) -> str:
        place, output = source
        text = f"{self._reference(source)}, {array_text(*outputs(self.graph.nodes[place])[output])}"
        if user is None:
            return f"{text}, is a result"
        return f"{text}, is {argument} of {op_name(self.graph.nodes[user])}, {self.names[user]}"

    # -- around it -----------------------------------------------------------------------------

    def _counts(self) -> list[tuple[str, str]]:
        total = sum(map(nbytes, self.owners.values()))
        counts = [(kind, counted(self.counts[kind], kind)) for kind in ("op", "leaf") if self.counts[kind]]
        counts.append(("saved", f"{bytes_text(total)} saved"))
        inside = any(node.level != GROUND for node in self.graph.nodes)
        return [*counts, ("", "inside a transform")] if inside else counts

    def _notes(self, boxes: list[Box]) -> list[str]:
        folded = [
            (box, block)
            for box, block in zip(boxes, self.blocks, strict=True)
            if box.folded and box.kind == "op"
        ]
        notes = []
        if folded:
            ops = sum(len(block.members) for _, block in folded)
            kept = bytes_text(sum(box.kept for box, _ in folded))
            where = "1 box" if len(folded) == 1 else f"{len(folded)} boxes"
            notes.append(f"{counted(ops, 'op')} are folded into {where}; they save {kept}")
        for state, why in (
            ("freed", "freed by a backward pass"),
            ("packed", "with saved_tensors_hooks or checkpoint"),
        ):
            if self.states[state]:
                notes.append(f"saved values of {counted(self.states[state], 'op')}: {why}")
        if self.graph.absent:
            notes.append("not in the graph: " + ", ".join(listed(self.graph.absent)))
        return notes


def _hooks(node: Node) -> list[str]:
    hooks = node.hooks
    if hooks is None:
        return []
    count = len(hooks.tensor) + len(hooks.pre) + len(hooks.accumulated) + len(hooks.post)
    return [counted(count, "hook")] if count else []


def _array(array: Any) -> str:
    return array_text(array.shape, DTYPES[array.dtype])
