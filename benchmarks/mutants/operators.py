"""The changes that are made: a choice of cosmic-ray's operators, and the loss of a condition or of an effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import parso.python.tree
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider

Position = tuple[tuple[int, int], tuple[int, int]]
# Of each operator the nearest change. A shift in place of a sum dies of a TypeError and says nothing about the tests.
BINARY = (
    "Add_Sub",
    "Sub_Add",
    "Mul_Div",
    "Div_Mul",
    "FloorDiv_Div",
    "Mod_Mul",
    "Pow_Mul",
    "BitOr_BitAnd",
    "BitAnd_BitOr",
)
COMPARISON = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "Gt_Lt", "Is_IsNot", "IsNot_Is")
UNARY = ("USub_UAdd", "Delete_Not", "Invert_Not")
PLAIN = (
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ExceptionReplacer",
    "NumberReplacer",
    "RemoveDecorator",
    "ZeroIterationForLoop",
)
# Calls whose keyword arguments are conditions of a query, or what it writes.
QUERIES = ("filter", "exclude", "get", "update")


class DropCondition(Operator):
    """Leave out one keyword argument of a query: the guard that a row must also meet, or a column that is written."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        for argument in self._arguments(node):
            yield argument.start_pos, argument.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        dropped = self._arguments(node)[index]
        at = node.children.index(dropped)
        del node.children[at : at + 2]  # with the comma behind it, where there is one
        return node

    def _arguments(self, node: Any) -> list[Any]:
        if node.type != "arglist" or not self._is_query(node.parent):
            return []
        return [child for child in node.children if child.type == "argument" and child.children[1] == "="]

    def _is_query(self, trailer: Any) -> bool:
        name = trailer.get_previous_leaf() if trailer.type == "trailer" else None
        return name is not None and name.value in QUERIES

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("rows.filter(pk=1, attempt=2)", "rows.filter( attempt=2)"),
            Example("rows.filter(pk=1, attempt=2)", "rows.filter(pk=1,)", occurrence=1),
        )


class DropCall(Operator):
    """Leave out a call that is made for its effect alone."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if node.type in ("atom_expr", "power") and node.parent.type in ("simple_stmt", "suite"):
            last = node.children[-1]
            if last.type == "trailer" and last.children[0] == "(":
                yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return parso.python.tree.Keyword("None", node.start_pos, node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("def f():\n    save(1)\n    return 2", "def f():\n    None\n    return 2"),)


def operators() -> list[Operator]:
    """Return one of each operator. Raises KeyError for a name that cosmic-ray does not have."""
    known = OperatorProvider()
    names = [*(f"ReplaceBinaryOperator_{name}" for name in BINARY), *PLAIN]
    names += [f"ReplaceComparisonOperator_{name}" for name in COMPARISON]
    names += [f"ReplaceUnaryOperator_{name}" for name in UNARY]
    return [known[name]() for name in names] + [DropCondition(), DropCall()]
