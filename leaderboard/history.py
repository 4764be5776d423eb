"""The history of a board: one team's entries over time, or the entries that led."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leaderboard.boards import Board
from leaderboard.standings import entries_of, shown_scores
from submissions.models import Evaluation, Team
from submissions.scoring import MISSING, preferred_interval

# How many entries are searched for the leading ones.
MAX_WATCHED = 200_000


@dataclass(frozen=True)
class HistoryPoint:
    """An entry in order of time, and the best score up to it."""

    submitted_at: datetime
    submission: str
    team: str
    score: float
    low: float | None
    high: float | None
    best: float


def history(board: Board, team: Team | None, most: int = 1000) -> list[HistoryPoint]:
    """Return a team's latest entries, oldest first; without a team, the entries that led when they were submitted."""
    entries = entries_of(board).filter(is_baseline=False)
    if team is not None:
        entries = entries.filter(team=team)
    rows = entries.order_by("-submitted_at", "-evaluation_id").values_list("evaluation_id", "sort_key")
    latest = list(rows[: most if team else MAX_WATCHED])
    moments = _with_best(latest[::-1], leaders_only=team is None)
    details = _details([evaluation for evaluation, _ in moments])
    shown = {key: shown_scores(board, row) for key, row in details.items()}
    return [
        _moment(board, details[key], shown[key], shown[best])
        for key, best in moments
        if key in details and best in details
    ]


def _with_best(rows: Sequence[tuple[int, float]], *, leaders_only: bool) -> list[tuple[int, int]]:
    """Return (evaluation, the best one so far), oldest first."""
    best, best_key, found = 0, MISSING, []
    for evaluation, key in rows:
        leads = key > best_key
        if leads:
            best, best_key = evaluation, key
        if key != MISSING and (leads or not leaders_only):
            found.append((evaluation, best))
    return found


def _details(evaluations: Sequence[int]) -> dict[int, dict[str, Any]]:
    fields = ("id", "scores", "shown_score", "submission_id", "submission__created_at", "submission__team__name")
    return {row["id"]: row for row in Evaluation.objects.filter(pk__in=evaluations).values(*fields)}


def _moment(board: Board, row: dict[str, Any], scores: dict[str, Any], best: dict[str, Any]) -> HistoryPoint:
    """Return an entry with its scores beside those of the best one so far, as the board shows them."""
    low, high = preferred_interval(scores, board.metric.name) or (None, None)
    return HistoryPoint(
        submitted_at=row["submission__created_at"],
        submission=str(row["submission_id"]),
        team=row["submission__team__name"],
        score=scores[board.metric.name],
        low=low,
        high=high,
        best=best[board.metric.name],
    )
