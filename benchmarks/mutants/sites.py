"""Where the code can be changed, which changes mean nothing, and the sample that is drawn."""

from __future__ import annotations

import ast
import difflib
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.operators.operator import Operator

from benchmarks.mutants.operators import operators

# Keyword arguments that state something no behaviour hangs on: a column's width is kept by PostgreSQL and by forms,
# `blank` by forms alone, `strict`, `frozen` and `eq` stop a mistake of ours, the rest is text.
STATED = {"strict", "frozen", "eq", "slots", "max_length", "blank", "help_text", "verbose_name", "verbose_name_plural"}


@dataclass(frozen=True)
class Mutant:
    """One change. line: counted from 1; number: which occurrence of its operator in the file, counted from 0."""

    path: str
    line: int
    column: int
    operator: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.operator}"


def sample(root: Path, files: Iterable[str], size: int, seed: int) -> list[Mutant]:
    """Draw `size` places at random and one change in each, in the order they were drawn.

    Places are drawn, not changes: else an operator with many replacements would fill the sample.
    """
    random_ = random.Random(seed)
    places = [place for path in files for place in places_of(path, (root / path).read_text())]
    drawn = random_.sample(places, len(places))
    chosen: list[Mutant] = []
    for place in drawn:
        mutant = random_.choice(place)
        if len(chosen) < size and matters(mutant, (root / mutant.path).read_text()):
            chosen.append(mutant)
    return chosen


def places_of(path: str, source: str) -> list[list[Mutant]]:
    """Return the mutants of a file, those of one place together."""
    found: dict[Any, list[Mutant]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    known = operators()
    for node in _nodes(parso.parse(source)):
        for operator in known:
            name = type(operator).__name__
            for (line, column), end in operator.mutation_positions(node):
                found[line, column, end].append(Mutant(path, line, column, name, counts[name]))
                counts[name] += 1
    return list(found.values())


def _nodes(node: Any) -> Iterable[Any]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _nodes(child)


def mutated(mutant: Mutant, source: str) -> str:
    """Return the source with the change in it."""
    operator = next(item for item in operators() if type(item).__name__ == mutant.operator)
    tree = parso.parse(source)
    _apply(operator, tree, [mutant.number])
    return str(tree.get_code())


def change_of(before: str, after: str) -> tuple[str, str]:
    """Return the changed lines, old and new, each as one line."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[3:]
    old, new = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return old, new


def _apply(operator: Operator, node: Any, left: list[int]) -> Any:
    """Walk as cosmic-ray does, and change the occurrence that `left` counts down to."""
    for index, _ in enumerate(operator.mutation_positions(node)):
        if left[0] == 0:
            left[0] -= 1
            return operator.mutate(node, index)
        left[0] -= 1
    children = getattr(node, "children", None)
    for child in list(children or ()):
        if left[0] < 0:
            break
        new = _apply(operator, child, left)
        if new is None:
            children.remove(child)
        elif new is not child:
            children[children.index(child)] = new
    return node


def matters(mutant: Mutant, source: str) -> bool:
    """Tell whether a change is more than one of an annotation, an assertion, a log line or a stated property."""
    try:
        return _meaning(mutated(mutant, source)) != _meaning(source)
    except SyntaxError:
        return False


def _meaning(source: str) -> str:
    return ast.dump(_Stripped().visit(ast.parse(source)))


class _Stripped(ast.NodeTransformer):
    """Takes out what no test should hold on to."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.Pass:
        return ast.Pass()

    def visit_If(self, node: ast.If) -> Any:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> Any:
        called = node.value.func if isinstance(node.value, ast.Call) else None
        is_log = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "log"
        if is_log or isinstance(node.value, ast.Constant):
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        node.keywords = [keyword for keyword in node.keywords if keyword.arg not in STATED]
        return self.generic_visit(node)
