"""What stands beside a team's score: its entries, when the last one came, its medal, its rank before the end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, OuterRef, QuerySet, Subquery

from leaderboard.boards import Board
from leaderboard.models import SHOWN, BoardEntry, Standing
from leaderboard.ranking import LIGHT, ranked
from submissions.models import Evaluation, Split

# The ranks that get a medal once a phase has ended.
MEDALS = {1: "gold", 2: "silver", 3: "bronze"}


@dataclass(frozen=True)
class TeamFacts:
    """n_entries: scored entries of the team in the phase. last_at: when the newest of them was sent."""

    n_entries: int
    last_at: datetime


def facts_of_teams(board: Board, teams: Collection[int]) -> dict[tuple[int, bool], TeamFacts]:
    """Return the facts by team and whether they are of its baselines, in one query.

    All scored entries count, also those whose score the ladder does not show: that an entry was scored tells no score.
    """
    rows = _entries(board).filter(team__in=teams).order_by().values("team", "is_baseline")
    counted = rows.annotate(n=Count("pk"), last=Max("submitted_at"))
    return {(row["team"], row["is_baseline"]): TeamFacts(row["n"], row["last"]) for row in counted}


def with_facts(board: Board, rows: QuerySet[Evaluation]) -> QuerySet[Evaluation]:
    """Read the same beside the evaluations, in their query, as `n_entries` and `last_at`."""
    of_team = {"team": OuterRef("submission__team"), "is_baseline": OuterRef("submission__is_baseline")}
    entries = _entries(board).filter(**of_team).order_by().values("team")
    return rows.annotate(
        n_entries=Subquery(entries.annotate(n=Count("pk")).values("n")),
        last_at=Subquery(entries.annotate(at=Max("submitted_at")).values("at")),
    )


def _entries(board: Board) -> QuerySet[BoardEntry]:
    split = str(Split.PUBLIC) if board.split == SHOWN else board.split
    return BoardEntry.objects.filter(phase=board.phase, split=split, metric=board.phase.ranking_metric)


def last_change(board: Board) -> datetime | None:
    """Return when the newest of the entries that rank was sent, None on an empty board."""
    return board.summary.last_at


def is_final(board: Board) -> bool:
    """Return whether this is the ranking board of a phase that has ended."""
    decides = Split.PRIVATE if Split.PRIVATE in board.splits else Split.PUBLIC  # all of them are shown at the end
    return board.has_ended and board.is_ranking and board.split == decides


def medal_of(board: Board, rank: int | None) -> str:
    """Return the medal of a rank on a final board, or ""."""
    return MEDALS.get(rank or 0, "") if is_final(board) else ""


def earlier_ranks(board: Board) -> dict[int, int]:
    """Return the rank of each team before the end, by the public cases, on a final board that private cases decide.

    In a competition these are the ranks of the shown scores, which everybody saw; otherwise those of the public split.
    """
    if not is_final(board) or board.split != Split.PRIVATE:
        return {}
    split = SHOWN if board.phase.has_ladder else str(Split.PUBLIC)
    rows = Standing.objects.filter(phase=board.phase, split=split, is_baseline=False).order_by().values_list(*LIGHT)
    places = ranked(rows)
    return {place.contender.identity[1]: place.rank for place in places if place.rank is not None}
