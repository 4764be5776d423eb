"""Template tags and filters that format scores on a page."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from django import template
from django.template import Context, Template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import mark_safe

from leaderboard.boards import Board
from leaderboard.charts import round_ticks
from leaderboard.columns import Column
from leaderboard.comparison.two_entries import MetricComparison
from leaderboard.listing.search import Arrangement
from leaderboard.standings import BoardRow
from submissions.disclosure import View

register = template.Library()

# The width of the bar's view box in SVG units, with room at both ends for the caps.
BAR_WIDTH = 120
BAR_MARGIN = 4


@register.filter
def shown(value: float | str | None, view: View) -> str:
    """Return a score as the reader's view of the phase shows it, a dash where it is missing."""
    return view.score_text(value)


@register.filter
def shown_end(value: float | str | None, view: View) -> str:
    """Return an end of an interval as the reader's view of the phase shows it, a dash where it is missing."""
    return view.end_text(value)


@register.filter
def p_value(value: float | None) -> str:
    """Return a p-value in four decimals; a smaller one is not shown as zero."""
    if value is None:
        return "–"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


@register.filter
def reading_class(line: MetricComparison, own: str) -> str:
    """Return the CSS class of a reading: green only for a win of the reader's own entry, red for its loss.

    own: `A` or `B`, the entry of the reader's team; empty where both are, or none is: there is then nothing to colour.
    """
    if line.difference is None:
        return "muted"
    if not line.winner or not own:
        return "badge"
    return "badge ok" if line.winner == own else "badge bad"


@register.filter
def heading(column: Column, board: Board) -> str:
    """Return a column's heading on a board."""
    return column.heading.format(metric=board.metric.title)


@register.simple_tag(takes_context=True)
def row_cells(context: Context, row: BoardRow, columns: list[Column]) -> str:
    """Return the cells of a row; the template of a cell sees the page's variables, `row` and `column`.

    Written here and not in a template, where a page of fifty rows took three times as long; and once for all readers
    but the row's own team.
    """
    cells: dict[str, str] = {} if row.is_own else context["page"].cells
    if (written := cells.get(row.submission)) is None:
        written = mark_safe("".join(_cell(context, column, row) for column in columns))  # noqa: S308 — see _cell
        cells[row.submission] = written
    return written


def _cell(context: Context, column: Column, row: BoardRow) -> str:
    inside = conditional_escape(cast(str, _inside(context, column, row)))
    if column.name == "team":
        return f'<th scope="row" class="break">{inside}</th>'
    names = " ".join([*(["num"] if column.is_number else []), *([] if column.is_narrow else ["extra"])])
    return f'<td class="{names}">{inside}</td>' if names else f"<td>{inside}</td>"


def _inside(context: Context, column: Column, row: BoardRow) -> object:
    """Return what a cell holds: safe where a template wrote it, else to be escaped."""
    if callable(column.cell):
        return column.cell(row, context["board"].view)
    if column.cell:
        with context.push(column=column):
            return _cell_template(context, column.cell).render(context)
    found = value(column, row)
    return "–" if found is None else found


@register.simple_tag
def sorted_by(column: Column, board: Board, wanted: Arrangement) -> str:
    """Return the aria-sort attribute of a heading, if the rows are in its order."""
    if column.name == "score" and wanted.order == "rank":
        is_falling = board.metric.higher_is_better != wanted.is_reversed
    elif column.order and column.order == wanted.order and column.order != "rank":
        is_falling = wanted.is_reversed != (column.order == "entries")
    else:
        return ""
    return format_html('aria-sort="{}"', "descending" if is_falling else "ascending")


@register.filter
def next_order(column: Column, wanted: Arrangement) -> str:
    """Return the order that a heading's link asks for: its own, or the other way where it is there already."""
    is_there = column.order == wanted.order and not wanted.is_reversed
    return f"-{column.order}" if is_there else column.order


@register.filter
def value(column: Column, row: BoardRow) -> object:
    """Return a row's value in a column."""
    return column.value(row)


def _cell_template(context: Context, name: str) -> Template:
    """Return the template of a cell; the cached loader has compiled it once."""
    assert context.template is not None
    return context.template.engine.get_template(name)


# One string a row: as a template, the bars took half of a page's processor time.
BAR = (
    '<svg width="{width}" height="16" viewBox="0 0 {width} 16" role="img" aria-label="{label}"><title>{label}</title>'
    '<path class="gridline" d="{grid}" />'
    '<rect class="band" x="{left}" y="4" width="{band}" height="8" />'
    '<path class="axis" d="M{left} 3v10M{right} 3v10" /><circle class="dot" cx="{at}" cy="8" r="3.5" /></svg>'
)


@register.simple_tag
def interval_bar(row: BoardRow, scale: tuple[float, float], view: View) -> str:
    """Return the SVG of a row's interval and score on a scale from minimum to maximum; a dash without a score."""
    marks = bar_marks(row, scale, view)
    return format_html(BAR, width=BAR_WIDTH, **marks) if marks else mark_safe('<span class="muted">–</span>')


def bar_marks(row: BoardRow, scale: tuple[float, float], view: View) -> dict[str, str]:
    """Return the SVG attributes that draw a row's interval and score; nothing without a score."""
    if row.score is None:
        return {}
    ends = (row.score if row.low is None else row.low, row.score if row.high is None else row.high)
    left, at, right = (position(end, *scale) for end in (ends[0], row.score, ends[1]))
    return {
        "grid": gridlines(*scale),
        "left": f"{left:.1f}",
        "right": f"{right:.1f}",
        "band": f"{max(right - left, 0.5):.1f}",
        "at": f"{at:.1f}",
        "label": "no interval" if row.low is None else f"{view.end_text(row.low)} to {view.end_text(row.high)}",
    }


@lru_cache(maxsize=100)
def gridlines(least: float, most: float) -> str:
    """Return the path of a bar's gridlines, the same in every row of a page."""
    return "".join(f"M{position(tick, least, most):.1f} 0v16" for tick in round_ticks(least, most))


@register.inclusion_tag("leaderboard/_interval_axis.html")
def interval_axis(scale: tuple[float, float]) -> dict[str, object]:
    """Return the ticks of the axis above the bars: positions on it and round values, the ends aligned inwards."""
    ticks = round_ticks(*scale)
    # Only the ends and the middle have room for a number.
    labelled = {0, len(ticks) - 1} | ({len(ticks) // 2} if len(ticks) % 2 else set())
    anchors = {0: "start", len(ticks) - 1: "end"}
    return {
        "ticks": [
            {"x": f"{position(tick, *scale):.1f}", "text": f"{tick:g}" if i in labelled else "",
             "anchor": anchors.get(i, "middle")}
            for i, tick in enumerate(ticks)
        ],
        "bar_width": BAR_WIDTH,
    }  # fmt: skip


def position(value: float, least: float, most: float) -> float:
    """Return where a value lies on a bar, in SVG units."""
    share = (value - least) / (most - least) if most > least else 0.5
    return BAR_MARGIN + min(max(share, 0), 1) * (BAR_WIDTH - 2 * BAR_MARGIN)


@register.filter
def points(values: list[tuple[float, float]]) -> str:
    """Return points in the format of an SVG polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in values)
