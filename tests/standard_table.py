"""Print ``docs/standard.md``: what is known of each function of the standard, read off the registry."""

import dualad
from dualad.op import REGISTRY
from dualad.testing.suite.examples import EXAMPLES

HEAD = """# The standard, function by function

The functions of the Python Array API standard, 2025.12, each of which dualad has. Its *maps* say how the result moves
with each argument: by a factor (Scale; Weighted in a reduction), as the function itself (Linear; Joint in several
arguments at once), or by a differential (Differential). A function made of others has their derivatives, and a
constant does not move. What has a derivative has it in both modes, at every order, on every backend; it is compared
with finite differences in the registry walk of the tests, on NumPy and on array-api-strict.

| function | maps | differentiable | complex |
|---|---|---|---|
"""


def row(name):
    """Return a function's line of the table."""
    short = name.rpartition(".")[2]
    own = [e for e in EXAMPLES if e.op == name or e.name.partition("-")[0] == short]
    op = REGISTRY.get(name)
    if op is not None and op.differentiable:
        listed = [op.variadic_map] if op.variadic else op.maps
        maps = ", ".join("—" if m is None else type(m).__name__ for m in listed)
    elif own:
        maps = "made of others"
    else:
        maps = "constant"
    moves = "yes" if own else "no"
    return (
        f"| `{name}` | {maps} | {moves} | {'yes' if any(e.complex for e in own) else 'no' if own else '—'} |"
    )


def page(names):
    """Return the page for these functions."""
    functions = [n for n in sorted(names) if callable(_find(n))]
    return HEAD + "\n".join(row(n) for n in functions) + "\n"


def _find(name):
    found = dualad
    for part in name.split("."):
        found = getattr(found, part)
    return found


if __name__ == "__main__":
    from test_standard import CALLS

    print(page(CALLS), end="")
