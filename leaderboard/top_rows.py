"""The first rows of many boards at once, as participants see them, in five queries however many they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, FloatField, OuterRef, Q, Subquery

from leaderboard.boards import Board
from leaderboard.models import Standing
from leaderboard.ranking import ENTRY_ORDER, LIGHT, RankedEntry, ranked
from leaderboard.standings import BoardRow, load_rows, row_of
from submissions.models import Case, Phase, Split
from submissions.scoring import METRICS

TOP = 3


def top_rows(phases: Sequence[Phase], now: datetime) -> dict[int, tuple[Board, list[BoardRow]]]:
    """Return the board and its first three ranked rows for each phase that has any, by the phase's number.

    Only public boards are read, in the state of the disclosure policy that holds for participants at `now`. Entries
    that share the third place all count for the order, so that tie-breaks decide it as they do on the board.
    """
    boards = _boards([phase for phase in phases if phase.board_is_public], now)
    entries = _entries(boards)
    places = {key: _first(rows) for key, rows in entries.items()}
    rows = load_rows([_evaluation(place) for found in places.values() for place in found])
    # An entry removed since it was ranked is left out, as on the board.
    kept = {key: [place for place in found if _evaluation(place) in rows] for key, found in places.items()}
    return {
        key: (boards[key], [row_of(boards[key], place.rank, rows[_evaluation(place)]) for place in found])
        for key, found in kept.items()
        if found
    }


def _boards(phases: list[Phase], now: datetime) -> dict[int, Board]:
    """Return each phase's ranking board as a participant gets it; one query, for which splits exist."""
    cases = Case.objects.filter(dataset=OuterRef("dataset"))
    existing = Phase.objects.filter(pk__in=[phase.pk for phase in phases]).annotate(
        has_public=Exists(cases.filter(split=Split.PUBLIC)), has_private=Exists(cases.filter(split=Split.PRIVATE))
    )
    found = {pk: (public, private) for pk, public, private in existing.values_list("pk", "has_public", "has_private")}
    return {phase.pk: _board(phase, now, *found[phase.pk]) for phase in phases if phase.pk in found}


def _board(phase: Phase, now: datetime, has_public: bool, has_private: bool) -> Board:
    view = phase.view_in(phase.state(now))
    existing = {Split.PUBLIC: has_public, Split.PRIVATE: has_private}
    splits = tuple(str(split) for split in view.counted_splits if existing[Split(split)]) or (str(Split.PUBLIC),)
    ranking = str(Split.PRIVATE if phase.has_ended(now) and has_private else Split.PUBLIC)
    split = ranking if ranking in splits else splits[0]
    return Board(phase, METRICS[phase.ranking_metric], split, splits, False, now, view)


def _entries(boards: dict[int, Board]) -> dict[int, list[tuple[object, ...]]]:
    """Return the standings down to the third place of each board; two queries."""
    wanted = Q(pk__in=[])
    for key, least in _third_scores(boards).items():
        of_board = Q(phase=key, split=boards[key].rows_split, is_baseline=False)
        wanted |= of_board if least is None else of_board & Q(sort_key__gte=least)
    found: dict[int, list[tuple[object, ...]]] = {}
    for phase, *row in Standing.objects.filter(wanted).order_by().values_list("phase_id", *LIGHT):
        found.setdefault(phase, []).append(tuple(row))
    return found


def _third_scores(boards: dict[int, Board]) -> dict[int, float | None]:
    """Return the score of the third place, None where there are fewer than three entries."""
    standings = Standing.objects.filter(phase=OuterRef("pk"), is_baseline=False).order_by(*ENTRY_ORDER)
    found: dict[int, float | None] = {}
    by_split: dict[str, list[int]] = {}
    for key, board in boards.items():
        by_split.setdefault(board.rows_split, []).append(key)
    for split, keys in by_split.items():
        third = standings.filter(split=split).values("sort_key")[TOP - 1 : TOP]
        phases = Phase.objects.filter(pk__in=keys).order_by()
        found |= dict(phases.values_list("pk", Subquery(third, output_field=FloatField())))
    return found


def _first(rows: list[tuple[object, ...]]) -> list[RankedEntry]:
    return [place for place in ranked(rows, 0) if place.rank is not None][:TOP]


def _evaluation(place: RankedEntry) -> int:
    identity: tuple[int, int] = place.contender.identity
    return identity[0]
