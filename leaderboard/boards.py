"""Choose the requested board, and check that the user may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import Http404
from django.utils import timezone

from submissions.models import Phase, Split
from submissions.scoring import METRICS, Metric, canonical_name


@dataclass(frozen=True)
class Board:
    """One view of a phase's standings. every_entry: show all of a team's entries, not only its best."""

    phase: Phase
    metric: Metric
    split: str
    splits: tuple[str, ...]
    every_entry: bool
    now: datetime

    @property
    def is_ranking(self) -> bool:
        """Return whether this is the ranking board, which Standing keeps sorted."""
        return self.metric.name == self.phase.ranking_metric and not self.every_entry

    @property
    def has_ended(self) -> bool:
        return self.phase.has_ended(self.now)

    @property
    def metrics(self) -> list[Metric]:
        """Return the metrics that the board can be sorted by; the ranking metric comes first."""
        first = self.phase.ranking_metric
        names = [first, *(name for name in self.phase.kind.metrics if name != first)]
        return [METRICS[name] for name in names if METRICS[name].can_rank or name == first]

    @property
    def tie_breaks(self) -> list[Metric]:
        """Return the metrics that break ties, with or without `every_entry`; none if another metric sorts the board."""
        ranks = self.metric.name == self.phase.ranking_metric
        return [METRICS[name] for name in self.phase.tie_breaks] if ranks else []


def visible_phase(user: Any, name: str) -> Phase:
    """Return a phase, named by slug or number, whose board `user` may see. Raises Http404 otherwise (A21)."""
    phase = Phase.objects.boards_visible_to(user).select_related("dataset").named(name)
    if phase is None:
        raise Http404("There is no such leaderboard.")
    return phase


def board_of(phase: Phase, user: Any, *, metric: str = "", split: str = "", every_entry: bool = False) -> Board:
    """Return the board of a phase; a metric may be written in any case, accuracy also as `acc`.

    Raises ValueError with the name of the invalid parameter: `metric` or `split`.
    """
    now = timezone.now()
    splits = shown_splits(phase, user, now)
    name = canonical_name(metric) or phase.ranking_metric
    if name not in phase.kind.metrics:
        raise ValueError("metric")
    chosen = split or default_split(phase, now, splits)
    if chosen not in splits:
        raise ValueError("split")
    return Board(phase, METRICS[name], chosen, splits, every_entry, now)


def shown_splits(phase: Phase, user: Any, now: datetime) -> tuple[str, ...]:
    """Return the splits that the dataset has and `user` may see; `public` if there is no other."""
    existing = set(phase.dataset.cases.order_by().values_list("split", flat=True).distinct())
    shown = tuple(str(split) for split in phase.shown_splits(user, now) if split in existing)
    return shown or (str(Split.PUBLIC),)


def default_split(phase: Phase, now: datetime, splits: tuple[str, ...]) -> str:
    """Return the ranking split if it is one of `splits`, else the first of them."""
    ranking = str(phase.board_split(now))
    return ranking if ranking in splits else splits[0]
