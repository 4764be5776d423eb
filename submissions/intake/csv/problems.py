"""Describe the problems of a CSV so that its owner can fix them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from submissions.text.printable import printable

SHOWN_PROBLEMS = 10
SHOWN_COLUMNS = 20
# When a file has several faults, the code is that of the fault that explains the others.
CODE_ORDER = ("CSV_FORMAT", "CSV_IDS", "CSV_VALUE")


@dataclass(frozen=True)
class CsvProblem:
    """One problem. line counts from 1 (the header); column is None if no single column is at fault."""

    code: str
    line: int | None
    column: str | None
    reason: str

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line else ""
        column = f"column {self.column}" if self.column else ""
        place = ", ".join(part for part in (line, column) if part)
        return f"{place}: {self.reason}" if place else self.reason

    def as_dict(self) -> dict[str, object]:
        """Return the names that docs/reference/csv.md gives to `details`."""
        return {"code": self.code, "row": self.line, "column": self.column, "reason": self.reason}


@dataclass(eq=False)
class CsvProblems(Exception):
    """The file cannot be scored.

    code: a CSV_* failure code. note: one sentence for the participant. problems: the first ten.
    counts: how many problems of each type the whole file has.
    missing_ids: all ids of the phase that are not in the file. unknown_ids: all ids of the file that are not in the
    phase.
    """

    code: str
    note: str
    problems: list[CsvProblem] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    ignored_columns: tuple[str, ...] = ()
    missing_ids: tuple[str, ...] = ()
    unknown_ids: tuple[str, ...] = ()

    @property
    def has_ids(self) -> bool:
        return bool(self.missing_ids or self.unknown_ids)

    def __str__(self) -> str:
        return f"{self.code}: {self.note}"

    def as_details(self, *, all_ids: bool = False) -> dict[str, object]:
        """Return the problems as JSON values for an error's `details`, with the first problem's position on top.

        all_ids: include all missing and unknown ids, instead of the first ten of each.
        """
        most = None if all_ids else SHOWN_PROBLEMS
        first = self.problems[0].as_dict() if self.problems else {"row": None, "column": None, "reason": self.note}
        return {
            "field": "file",
            "row": first["row"],
            "column": first["column"],
            "reason": first["reason"],
            "problems": [problem.as_dict() for problem in self.problems],
            "counts": self.counts,
            "hints": self.hints,
            "ignored_columns": list(self.ignored_columns),
            "missing_ids": list(self.missing_ids[:most]),
            "unknown_ids": list(self.unknown_ids[:most]),
        }


class ProblemLog:
    """Keeps the first ten problems and counts all of them."""

    def __init__(self) -> None:
        self.first: list[CsvProblem] = []
        self.by_code: Counter[str] = Counter()
        self.by_sort: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self.by_code.total()

    def add(self, code: str, line: int, column: str | None, reason: str, sort: str = "") -> None:
        self.by_code[code] += 1
        self.by_sort[sort or {"CSV_FORMAT": "format", "CSV_VALUE": "value"}[code]] += 1
        if len(self.first) < SHOWN_PROBLEMS:
            self.first.append(CsvProblem(code, line, column, reason))

    def problems(
        self, missing: Missing, ignored: tuple[str, ...], hints: list[str], unknown: Sequence[str]
    ) -> CsvProblems:
        """Return the error with all logged problems."""
        codes = [code for code in CODE_ORDER if self.by_code[code] or (code == "CSV_IDS" and missing.count)]
        counts = {sort: self.by_sort[sort] for sort in ("unknown", "duplicate", "value", "format")}
        counts = {"missing": missing.count} | counts
        shown_first = self.first or [CsvProblem("CSV_IDS", None, None, missing.sentence)]
        unknown_ids = tuple(printable(text) for text in unknown)
        return CsvProblems(codes[0], _note(counts), shown_first, counts, hints, ignored, missing.ids, unknown_ids)


@dataclass(frozen=True)
class Missing:
    """The ids of the phase that are not in the file.

    count: how many are certainly missing. ids: their names; empty if unreadable lines may hold them.
    """

    count: int = 0
    ids: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        names = ", ".join(shown(text) for text in self.ids[:SHOWN_PROBLEMS])
        more = ", …" if len(self.ids) > SHOWN_PROBLEMS else ""
        message = f"{self.count} of the phase's ids {'is' if self.count == 1 else 'are'} not in the file"
        return f"{message}: {names}{more}" if names else message


def _note(counts: dict[str, int]) -> str:
    words = {
        "missing": ("missing id", "missing ids"),
        "unknown": ("unknown id", "unknown ids"),
        "duplicate": ("id given again", "ids given again"),
        "value": ("value that cannot be used", "values that cannot be used"),
        "format": ("line with a wrong number of fields", "lines with a wrong number of fields"),
    }
    parts = [f"{count} {words[sort][count > 1]}" for sort, count in counts.items() if count]
    return f"The file has {', '.join(parts)}. Correct them and send it again; no try was spent."


def shown(text: str, length: int = 64) -> str:
    """Return `text` quoted and shortened, without characters that a terminal or page would interpret."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return f'"{printable(cut)}"'


def shown_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return at most twenty column names, each shortened and printable."""
    cut = tuple(shown(name, 40)[1:-1] for name in names[:SHOWN_COLUMNS])
    return cut if len(names) <= SHOWN_COLUMNS else (*cut, f"and {len(names) - SHOWN_COLUMNS} more")
