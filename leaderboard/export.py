"""A board as CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

from collections.abc import Iterable

from leaderboard.boards import Board
from leaderboard.standings import Row
from submissions.spreadsheets import as_csv, safe_text

__all__ = ["board_csv", "safe_text"]
COLUMNS = ("rank", "team", "submission", "score", "ci_low", "ci_high")


def board_csv(board: Board, rows: Iterable[Row]) -> str:
    """Return the rows as CSV: text made safe, numbers as numbers."""
    names = list(board.phase.kind.metrics)
    header = [*COLUMNS, *names, "submitted_at", "baseline"]
    return as_csv(header, (_cells(row, names) for row in rows))


def _cells(row: Row, names: list[str]) -> list[object]:
    numbers = [row.score, row.low, row.high, *(row.metrics.get(name) for name in names)]
    ends = [row.submitted_at.isoformat(), str(row.is_baseline).lower()]
    return [row.rank, row.team, row.submission, *numbers, *ends]
