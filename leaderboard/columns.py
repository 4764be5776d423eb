"""The columns of a board, defined once for page, CSV and API, in the order in which they appear there.

To add a column, add a line to COLUMNS, and a template if its cell on the page is more than text.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers

from leaderboard.standings import BoardRow
from submissions.disclosure import View


@dataclass(frozen=True)
class Column:
    """One column of a board.

    name: its key in JSON and CSV. value: returns a row's value in this column.
    field: how the API describes and serialises it, None where the API omits it.
    heading: its heading on the page, "" where the page omits it; `{metric}` becomes the metric's title.
    cell: the page's template of a cell, or a function of row and view for plain text, which takes a tenth of the time;
    "" for the value itself. is_number: right-aligned.
    in_csv: whether the CSV has it; there, a value that is a map becomes one column per metric.
    is_wanted: whether a page with the given rows shows it at all.
    """

    name: str
    value: Callable[[BoardRow], Any]
    field: serializers.Field[Any, Any, Any, Any] | None = None
    heading: str = ""
    cell: str | Callable[[BoardRow, View], str] = ""
    is_number: bool = False
    in_csv: bool = True
    is_wanted: Callable[[list[BoardRow]], bool] = lambda rows: True


def _score_text(row: BoardRow, view: View) -> str:
    return view.score_text(row.score)


def _ends_text(row: BoardRow, view: View) -> str:
    return "–" if row.low is None else f"{view.end_text(row.low)} to {view.end_text(row.high)}"


def _has_latency(rows: list[BoardRow]) -> bool:
    return any(row.seconds_per_case is not None for row in rows)


def _has_ranks(rows: list[BoardRow]) -> bool:
    return any(row.ranks is not None for row in rows)


def _rank_field(name: str, help_text: str) -> serializers.Field[Any, Any, Any, Any]:
    return serializers.IntegerField(source=f"ranks.{name}", allow_null=True, default=None, help_text=help_text)


COLUMNS: tuple[Column, ...] = (
    Column("rank", lambda row: row.rank, serializers.IntegerField(allow_null=True), "Rank", is_number=True),
    Column("ranks", lambda row: None, None, "Could be", "leaderboard/cells/ranks.html", in_csv=False,
           is_wanted=_has_ranks),
    Column("rank_low", lambda row: row.ranks and row.ranks.low, _rank_field("low", "the best rank that it could have")),
    Column("rank_high", lambda row: row.ranks and row.ranks.high, _rank_field("high", "the worst")),
    Column("like_above", lambda row: row.ranks and str(row.ranks.is_like_above).lower(),
           serializers.BooleanField(source="ranks.is_like_above", allow_null=True, default=None)),
    Column("team", lambda row: row.team, serializers.CharField(), "Team", "leaderboard/cells/team.html"),
    Column("submission", lambda row: row.submission, serializers.UUIDField()),
    Column("score", lambda row: row.score, serializers.FloatField(allow_null=True), "{metric}",
           _score_text, is_number=True),
    Column("bar", lambda row: None, None, "Interval", "leaderboard/cells/bar.html", in_csv=False),
    Column("ends", lambda row: None, None, "From, to", _ends_text, is_number=True, in_csv=False),
    Column("ci_low", lambda row: row.low, serializers.FloatField(source="low", allow_null=True)),
    Column("ci_high", lambda row: row.high, serializers.FloatField(source="high", allow_null=True)),
    Column("metrics", lambda row: row.metrics, serializers.DictField(child=serializers.FloatField())),
    Column("seconds_per_case", lambda row: row.seconds_per_case, None, "Seconds a case", is_number=True,
           in_csv=False, is_wanted=_has_latency),
    Column("submitted_at", lambda row: row.submitted_at.isoformat(), serializers.DateTimeField(), "Submitted",
           "leaderboard/cells/submitted.html"),
    Column("baseline", lambda row: str(row.is_baseline).lower(), serializers.BooleanField(source="is_baseline")),
)  # fmt: skip


def page_columns(rows: list[BoardRow]) -> list[Column]:
    """Return the columns that a page shows for these rows."""
    return [column for column in COLUMNS if column.heading and column.is_wanted(rows)]


class RowSerializer(serializers.Serializer[Any]):
    """One row of a board; numbers are rounded as the phase shows them."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {column.name: deepcopy(column.field) for column in COLUMNS if column.field is not None}
