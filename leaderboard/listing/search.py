"""Search a board, and list it in another order. Ranks stay those of the whole board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from leaderboard.boards import Board
from leaderboard.listing.row_facts import facts_of_teams
from leaderboard.ranking import RankedEntry
from submissions.models import Evaluation

# Every entry is ranked for this, so a longer board is only listed by rank.
MAX_ARRANGED = 20_000
MAX_SEARCH = 100
ORDERS = ("rank", "team", "model", "entries", "submitted")


@dataclass(frozen=True)
class Arrangement:
    """text: part of a team's or model's name. order: one of ORDERS. is_reversed: the other way round."""

    text: str = ""
    order: str = "rank"
    is_reversed: bool = False

    @property
    def is_plain(self) -> bool:
        return not self.text and self.order == "rank" and not self.is_reversed


def arrangement_of(text: str, sort: str) -> Arrangement:
    """Return what a reader asked for; an order has a minus in front for the other way. Raises ValueError (`sort`)."""
    order = sort.removeprefix("-") or "rank"
    if order not in ORDERS:
        raise ValueError("sort")
    return Arrangement(text.replace("\0", "").strip()[:MAX_SEARCH], order, sort.startswith("-"))


def arranged(board: Board, found: Sequence[RankedEntry], wanted: Arrangement) -> list[RankedEntry]:
    """Return those of the ranked entries that match the text, in the order asked for."""
    matching = _matching(board, wanted.text) if wanted.text else None
    kept = [place for place in found if matching is None or _key(place) in matching]
    if wanted.order != "rank":
        kept.sort(key=_sorting(board, kept, wanted.order))
    return kept[::-1] if wanted.is_reversed else kept


def _key(place: RankedEntry) -> int:
    return int(place.contender.identity[0])


def _matching(board: Board, text: str) -> set[int]:
    """Return the current evaluations of the phase whose team or model has the text in its name."""
    named = Q(submission__team__name__icontains=text) | Q(submission__model_name__icontains=text)
    rows = Evaluation.objects.filter(named, submission__phase=board.phase, is_current=True)
    return set(rows.values_list("pk", flat=True))


def _sorting(board: Board, found: Sequence[RankedEntry], order: str) -> Callable[[RankedEntry], Any]:
    if order == "submitted":
        return lambda place: place.contender.since
    if order == "entries":
        facts = facts_of_teams(board, {place.contender.identity[1] for place in found})
        return lambda place: -getattr(facts.get(_team(place)), "n_entries", 0)
    field = {"team": "submission__team__name", "model": "submission__model_name"}[order]
    current = Evaluation.objects.filter(submission__phase=board.phase, is_current=True)
    names = dict(current.values_list("pk", field))
    return lambda place: (not names.get(_key(place)), names.get(_key(place), "").casefold())


def _team(place: RankedEntry) -> tuple[int, bool]:
    return place.contender.identity[1], place.contender.is_baseline
