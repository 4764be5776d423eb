"""What is wrong with a CSV, told so that its owner can mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

SHOWN_PROBLEMS = 10
SHOWN_COLUMNS = 20
# When a file has several faults, the one that explains the others gives the code.
CODE_ORDER = ("CSV_FORMAT", "CSV_IDS", "CSV_VALUE")


@dataclass(frozen=True)
class CsvProblem:
    """One problem. line counts from 1, the header being line 1; column is None where none is to blame."""

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
    counts: how many of each sort there are in the whole file.
    """

    code: str
    note: str
    problems: list[CsvProblem] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    ignored_columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {self.note}"

    def as_details(self) -> dict[str, object]:
        """Return all of it as JSON values, for an error's `details`; the first problem's place on top."""
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

    def problems(self, missing: int, ignored: tuple[str, ...], hints: list[str]) -> CsvProblems:
        """Return the error that tells all of it. missing: how many of the phase's ids are not in the file."""
        codes = [code for code in CODE_ORDER if self.by_code[code] or (code == "CSV_IDS" and missing)]
        counts = {sort: self.by_sort[sort] for sort in ("unknown", "duplicate", "value", "format")}
        shown_first = self.first or [CsvProblem("CSV_IDS", None, None, _missing_sentence(missing))]
        counts = {"missing": missing} | counts
        return CsvProblems(codes[0], _note(counts), shown_first, counts, hints, ignored)


def _missing_sentence(missing: int) -> str:
    return f"{missing} of the phase's ids {'is' if missing == 1 else 'are'} not in the file"


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
    """Return `text` in quotes, cut, and with nothing in it that a terminal or page would obey."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return '"' + "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut) + '"'


def shown_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return at most twenty column names, each cut and printable."""
    cut = tuple(shown(name, 40)[1:-1] for name in names[:SHOWN_COLUMNS])
    return cut if len(names) <= SHOWN_COLUMNS else (*cut, f"and {len(names) - SHOWN_COLUMNS} more")
