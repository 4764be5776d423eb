"""Where an entry stands: its team's rank, and how its score changed from the team's last and best other entry."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery

from leaderboard.boards import Board, board_of
from leaderboard.models import Standing
from leaderboard.standings import own_rank
from submissions.models import Evaluation, Phase, Submission

# How many of a team's entries are looked through.
MAX_ENTRIES = 500


@dataclass(frozen=True)
class Change:
    """This entry's score minus another's of the same team. is_better: in the metric's direction; None: equal."""

    submission: str
    title: str
    submitted_at: datetime
    score: float
    change: float
    is_better: bool | None


@dataclass(frozen=True)
class EntryStanding:
    """score: of this entry on `split`, None where none is shown. rank: of the team, None without one or a board.

    is_ranked: whether this entry is the one that ranks.
    """

    split: str
    score: float | None
    rank: int | None
    n_entries: int | None
    is_ranked: bool
    last: Change | None
    best: Change | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def standing_of(submission: Submission, user: Any) -> EntryStanding:
    """Return where a submission stands, as `user` may know it: of shown scores only."""
    board = board_of(submission.phase, user)
    rows = _scored_entries(submission, board)
    found = {row["submission_id"]: _score(board, row) for row in rows}
    scores = {entry: score for entry, score in found.items() if score is not None}
    own = scores.get(submission.pk)
    others = [row for row in rows if row["submission_id"] in scores and row["submission_id"] != submission.pk]
    earlier = [row for row in others if row["submission__created_at"] < submission.created_at]
    sign = 1 if board.metric.higher_is_better else -1
    last = max(earlier, key=lambda row: row["submission__created_at"], default=None)
    best = max(others, key=lambda row: sign * scores[row["submission_id"]], default=None)

    def change(row: dict[str, Any] | None) -> Change | None:
        return None if row is None or own is None else _change(row, scores[row["submission_id"]], own, sign)

    is_shown = _shows_board(submission.phase, user)
    rank, n_entries, is_ranked = _rank(board, submission, rows) if is_shown else (None, None, False)
    return EntryStanding(board.split, own, rank, n_entries, is_ranked, change(last), change(best))


def _shows_board(phase: Phase, user: Any) -> bool:
    if phase.board_is_public and not phase.is_hidden and not phase.challenge.is_hidden:
        return True  # everybody's, and no query
    return Phase.objects.boards_visible_to(user).filter(pk=phase.pk).exists()


def _scored_entries(submission: Submission, board: Board) -> list[dict[str, Any]]:
    """Return the team's scored entries of the phase, the newest first, without those that staff hide.

    ranked_key: the sort key of the one that ranks, None of all others.
    """
    standing = Standing.objects.filter(phase=board.phase, split=board.rows_split, evaluation=OuterRef("pk"))
    counted = Evaluation.objects.filter(
        is_current=True,
        submission__phase=submission.phase,
        submission__team=submission.team,
        submission__is_hidden=False,
    )
    fields = ("submission_id", "submission__created_at", "submission__title", "submission__original_name")
    with_key = counted.annotate(ranked_key=Subquery(standing.filter(is_baseline=False).values("sort_key")[:1]))
    rows = with_key.order_by("-submission__created_at").values(*fields, "scores", "shown_score", "ranked_key")
    return list(rows[:MAX_ENTRIES])


def _score(board: Board, row: dict[str, Any]) -> float | None:
    shown = board.view.scores(row["scores"], row["shown_score"])
    score: float | None = shown.get(board.split, {}).get(board.metric.name)
    return score


def _change(row: dict[str, Any], score: float, own: float, sign: int) -> Change:
    change = round(own - score, 12)
    return Change(
        submission=str(row["submission_id"]),
        title=row["submission__title"] or row["submission__original_name"],
        submitted_at=row["submission__created_at"],
        score=score,
        change=change,
        is_better=None if change == 0 else sign * change > 0,
    )


def _rank(board: Board, submission: Submission, rows: list[dict[str, Any]]) -> tuple[int | None, int, bool]:
    """Return (rank of the team, number of entries, whether this entry is the ranked one) of the board."""
    ranked = next((row for row in rows if row["ranked_key"] is not None), None)
    key = ranked["ranked_key"] if ranked else None
    is_better = Q(sort_key__gt=key, is_baseline=False) if ranked else Q(pk__in=[])
    standings = Standing.objects.filter(phase=board.phase, split=board.rows_split)
    counts = standings.aggregate(all=Count("pk"), better=Count("pk", filter=is_better))
    if ranked is None or submission.is_baseline:
        return None, counts["all"], False
    is_this = ranked["submission_id"] == submission.pk
    rank = own_rank(board, submission.team) if board.tie_breaks else 1 + counts["better"]
    return rank, counts["all"], is_this
