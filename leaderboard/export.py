"""Export a board as CSV, safe against formula injection in a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from django.http import HttpResponse

from leaderboard.boards import Board, shown_metrics
from leaderboard.columns import COLUMNS
from leaderboard.standings import BoardRow, all_rows
from lunasite.http.files.csv_export import as_csv
from lunasite.http.limits.dear_work import remembered_of_content

Made = TypeVar("Made")
# The most rows of a CSV; more rows are available page by page.
MAX_ROWS = 5000


def whole_board_csv(board: Board, *, caller: str) -> HttpResponse:
    """Return the whole board as a CSV file, made once for what it shows. Raises ApiError(429)."""
    return csv_response(board, remembered_board("csv", board, lambda rows: board_csv(board, rows), caller=caller))


def remembered_board(form: str, board: Board, make: Callable[[list[BoardRow]], Made], *, caller: str) -> Made:
    """Return what is made of all rows of a board, once for what it shows. Raises ApiError(429).

    The same for every team: neither CSV nor JSON says whose row is the reader's own.
    """
    inputs = (
        board.phase.pk, board.metric.name, board.split, board.every_entry, board.has_ended, repr(board.view)
    )  # fmt: skip
    return remembered_of_content(f"board-{form}", inputs, lambda: make(all_rows(board, None, MAX_ROWS)), caller=caller)


def csv_response(board: Board, text: str) -> HttpResponse:
    """Return a CSV as a file to download."""
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
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
