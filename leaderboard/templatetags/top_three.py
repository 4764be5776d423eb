"""The first three of many boards, for the page that lists the challenges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django import template

from leaderboard.boards import Board
from leaderboard.standings import BoardRow
from leaderboard.top_rows import top_rows
from submissions.models import Phase

register = template.Library()
Tops = dict[int, tuple[Board, list[BoardRow]]]


@register.simple_tag
def top_three(phases: Sequence[Phase], now: datetime) -> Tops:
    """Return the boards of the phases with their first three rows."""
    return top_rows(phases, now)


@register.inclusion_tag("leaderboard/_top_three.html")
def top_three_of(tops: Tops, phase: Phase | None) -> dict[str, object]:
    """Show the first three of one phase, nothing where there are none."""
    board, rows = tops.get(phase.pk if phase else 0, (None, []))
    return {"board": board, "rows": rows}
