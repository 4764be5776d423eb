"""A board as CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpResponse

from leaderboard.boards import Board
from leaderboard.standings import Row
from submissions.text.csv_export import as_csv

# The whole board is cut here; more than this is asked for in pages.
MAX_ROWS = 5000
COLUMNS = ("rank", "team", "submission", "score", "ci_low", "ci_high")


def csv_response(board: Board, rows: Iterable[Row]) -> HttpResponse:
    """Return the rows as a file to download."""
    response = HttpResponse(board_csv(board, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{board.phase.slug}-leaderboard.csv"'
    return response


def board_csv(board: Board, rows: Iterable[Row]) -> str:
    """Return the rows as CSV: text made safe, numbers as numbers."""
    names = list(board.phase.kind.metrics)
    header = [*COLUMNS, *names, "submitted_at", "baseline"]
    return as_csv(header, (_cells(row, names) for row in rows))


def _cells(row: Row, names: list[str]) -> list[object]:
    numbers = [row.score, row.low, row.high, *(row.metrics.get(name) for name in names)]
    ends = [row.submitted_at.isoformat(), str(row.is_baseline).lower()]
    return [row.rank, row.team, row.submission, *numbers, *ends]
