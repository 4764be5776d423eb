"""The columns of a board, defined once for page, CSV and API, in the order in which they appear there.

To add a column, add a line to COLUMNS, and a template if its cell on the page is more than text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from rest_framework import serializers

from leaderboard.boards import Board, shown_metrics
from leaderboard.standings import BoardRow
from submissions.disclosure import View
from submissions.scoring import METRICS, Metric


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
    choice: its name among the columns that the reader chooses, "" for one that is always there.
    order: the order (leaderboard.listing.search) that its heading sorts by; metric: the metric that it ranks by.
    is_narrow: whether a phone shows it without being asked.
    """

    name: str
    value: Callable[[BoardRow], Any]
    field: serializers.Field[Any, Any, Any, Any] | None = None
    heading: str = ""
    cell: str | Callable[[BoardRow, View], str] = ""
    is_number: bool = False
    in_csv: bool = True
    is_wanted: Callable[[list[BoardRow]], bool] = lambda rows: True
    choice: str = ""
    order: str = ""
    metric: str = ""
    is_narrow: bool = False


def _score_text(row: BoardRow, view: View) -> str:
    return view.score_text(row.score)


def _rank_text(row: BoardRow, view: View) -> str:
    if not row.medal:
        return "–" if row.rank is None else str(row.rank)
    medal = '<span class="medal {}">{}<span class="visually-hidden">, {}</span></span>'
    return format_html(medal, row.medal, row.rank, row.medal)


def _ends_text(row: BoardRow, view: View) -> str:
    return "–" if row.low is None else f"{view.end_text(row.low)} to {view.end_text(row.high)}"


def _has_latency(rows: list[BoardRow]) -> bool:
    return any(row.seconds_per_case is not None for row in rows)


def _has_ranks(rows: list[BoardRow]) -> bool:
    return any(row.ranks is not None for row in rows)


def _has_models(rows: list[BoardRow]) -> bool:
    return any(row.model or row.code_url or row.paper_url for row in rows)


def _has_earlier_ranks(rows: list[BoardRow]) -> bool:
    return any(row.earlier_rank is not None for row in rows)


def _rank_field(name: str, help_text: str) -> serializers.Field[Any, Any, Any, Any]:
    return serializers.IntegerField(source=f"ranks.{name}", allow_null=True, default=None, help_text=help_text)


COLUMNS: tuple[Column, ...] = (
    Column("rank", lambda row: row.rank, serializers.IntegerField(allow_null=True), "Rank",
           _rank_text, is_number=True, order="rank", is_narrow=True),
    Column("earlier_rank", lambda row: row.earlier_rank,
           serializers.IntegerField(allow_null=True, help_text="on a final board: the rank by the public cases"),
           "Before the end", "leaderboard/cells/earlier.html", is_wanted=_has_earlier_ranks),
    Column("ranks", lambda row: None, None, "Could be", "leaderboard/cells/ranks.html", in_csv=False,
           is_wanted=_has_ranks),
    Column("rank_low", lambda row: row.ranks and row.ranks.low, _rank_field("low", "the best rank that it could have")),
    Column("rank_high", lambda row: row.ranks and row.ranks.high, _rank_field("high", "the worst")),
    Column("like_above", lambda row: row.ranks and str(row.ranks.is_like_above).lower(),
           serializers.BooleanField(source="ranks.is_like_above", allow_null=True, default=None)),
    Column("team", lambda row: row.team, serializers.CharField(), "Team", "leaderboard/cells/team.html",
           order="team", is_narrow=True),
    Column("model", lambda row: row.model, None, "Model", "leaderboard/cells/model.html", in_csv=False,
           is_wanted=_has_models, choice="model", order="model"),
    Column("model_name", lambda row: row.model_name, serializers.CharField()),
    Column("model_version", lambda row: row.model_version, serializers.CharField()),
    Column("code_url", lambda row: row.code_url, serializers.URLField()),
    Column("paper_url", lambda row: row.paper_url, serializers.URLField()),
    Column("submission", lambda row: row.submission, serializers.UUIDField()),
    Column("score", lambda row: row.score, serializers.FloatField(allow_null=True), "{metric}",
           _score_text, is_number=True, is_narrow=True),
    Column("bar", lambda row: None, None, "Interval", "leaderboard/cells/bar.html", in_csv=False),
    Column("ends", lambda row: None, None, "From, to", _ends_text, is_number=True, in_csv=False),
    Column("ci_low", lambda row: row.low, serializers.FloatField(source="low", allow_null=True)),
    Column("ci_high", lambda row: row.high, serializers.FloatField(source="high", allow_null=True)),
    Column("metrics", lambda row: row.metrics, serializers.DictField(child=serializers.FloatField())),
    Column("entries", lambda row: row.n_entries, serializers.IntegerField(source="n_entries"), "Entries",
           is_number=True, choice="entries", order="entries"),
    Column("last_entry_at", lambda row: row.last_at and row.last_at.isoformat(),
           serializers.DateTimeField(source="last_at", allow_null=True), "Last entry",
           lambda row, view: f"{row.last_at:%Y-%m-%d}" if row.last_at else "–", choice="last_entry"),
    Column("seconds_per_case", lambda row: row.seconds_per_case, None, "Seconds a case", is_number=True,
           in_csv=False, is_wanted=_has_latency),
    Column("submitted_at", lambda row: row.submitted_at.isoformat(), serializers.DateTimeField(), "Submitted",
           "leaderboard/cells/submitted.html", choice="submitted", order="submitted"),
    Column("baseline", lambda row: str(row.is_baseline).lower(), serializers.BooleanField(source="is_baseline")),
)  # fmt: skip


# What a page shows where the reader has chosen nothing, beside the first other metrics.
CHOSEN_AT_FIRST = ("model", "entries", "submitted")
METRICS_AT_FIRST = 1


@dataclass(frozen=True)
class ColumnChoice:
    """One column that the reader may choose."""

    name: str
    title: str
    is_chosen: bool


def metric_column(metric: Metric) -> Column:
    """Return the column of a metric beside the one that sorts the board."""
    return Column(
        metric.name, lambda row: row.metrics.get(metric.name), None, metric.title,
        lambda row, view: view.score_text(row.metrics.get(metric.name)),
        is_number=True, in_csv=False, choice=metric.name, metric=metric.name,
    )  # fmt: skip


def chosen_columns(board: Board, requested: Iterable[str] | None) -> set[str]:
    """Return the names of the columns chosen; requested: as in the address, None where it names none."""
    if requested is not None:
        return set(requested)
    return {*CHOSEN_AT_FIRST, *(metric.name for metric in _others(board)[:METRICS_AT_FIRST])}


def _others(board: Board) -> list[Metric]:
    """Return the metrics that the board shows beside the one that sorts it."""
    names = shown_metrics(board.phase, board.is_full)
    return [METRICS[name] for name in names if name != board.metric.name]


def column_choices(board: Board, chosen: set[str]) -> list[ColumnChoice]:
    """Return the columns that the reader may choose on this board."""
    fixed = [(column.choice, column.heading) for column in COLUMNS if column.choice]
    offered = [*fixed, *((metric.name, metric.title) for metric in _others(board))]
    return [ColumnChoice(name, title, name in chosen) for name, title in offered]


def page_columns(board: Board, rows: list[BoardRow], chosen: set[str]) -> list[Column]:
    """Return the columns that a page shows for these rows; the metrics stand after the interval."""
    shown: list[Column] = []
    for column in COLUMNS:
        if column.name == "metrics":
            shown += [metric_column(metric) for metric in _others(board) if metric.name in chosen]
        elif column.heading and column.is_wanted(rows) and (not column.choice or column.choice in chosen):
            shown.append(column)
    return shown


class RowSerializer(serializers.Serializer[Any]):
    """One row of a board; numbers are rounded as the phase shows them."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {column.name: deepcopy(column.field) for column in COLUMNS if column.field is not None}
