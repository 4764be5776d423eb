"""Export a board as CSV, safe against formula injection in a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.http import HttpResponse

from leaderboard.boards import Board, shown_metrics
from leaderboard.columns import COLUMNS
from leaderboard.standings import BoardRow
from lunasite.http.files.csv_export import as_csv

# The most rows of a CSV; more rows are available page by page.
MAX_ROWS = 5000


def csv_response(board: Board, rows: Iterable[BoardRow]) -> HttpResponse:
    """Return the rows as a CSV file to download."""
    response = HttpResponse(board_csv(board, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{board.phase.slug}-leaderboard.csv"'
    return response


def board_csv(board: Board, rows: Iterable[BoardRow]) -> str:
    """Return the rows as CSV: texts escaped, numbers as numbers."""
    metrics = shown_metrics(board.phase, board.is_full)
    header = [
        name for column in COLUMNS if column.in_csv for name in (metrics if column.name == "metrics" else [column.name])
    ]
    return as_csv(header, (list(_cells(row, metrics)) for row in rows))


def _cells(row: BoardRow, metrics: list[str]) -> Iterator[object]:
    """Yield a row's cells in the order of COLUMNS; a map of metrics becomes one cell per metric."""
    for column in COLUMNS:
        if column.in_csv:
            value = column.value(row)
            yield from (value.get(name) for name in metrics) if isinstance(value, dict) else (value,)
