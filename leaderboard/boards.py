"""Choose the requested board, and check that the user may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q
from django.http import Http404
from django.utils import timezone

from leaderboard.models import SHOWN, Standing
from submissions.disclosure import View
from submissions.models import Phase, Split
from submissions.models.access import may
from submissions.scoring import METRICS, MISSING, Metric, canonical_name


@dataclass(frozen=True)
class Summary:
    """The standings of a split. n_entries, last_at: of all. newest, n_ranked: the last that ranks, and how many do."""

    n_entries: int
    last_at: datetime | None
    newest: int
    n_ranked: int


@dataclass(frozen=True)
class Board:
    """One view of a phase's standings. every_entry: show all of a team's entries, not only its best.

    view: what the reader may see. Staff choose the split `shown` for the board as participants see it.
    """

    phase: Phase
    metric: Metric
    split: str
    splits: tuple[str, ...]
    every_entry: bool
    now: datetime
    view: View

    @cached_property
    def summary(self) -> Summary:
        """Read once for a page: how many entries stand on the ranking board of the split, and their state."""
        standings = Standing.objects.filter(phase=self.phase, split=self.rows_split)
        is_ranked = Q(is_baseline=False, sort_key__gt=MISSING)
        found = standings.aggregate(
            n=Count("pk"), last=Max("submitted_at"),
            newest=Max("pk", filter=is_ranked), n_ranked=Count("pk", filter=is_ranked),
        )  # fmt: skip
        return Summary(found["n"], found["last"], found["newest"] or 0, found["n_ranked"])

    @property
    def rows_split(self) -> str:
        """The split of the stored rows that the board reads."""
        return SHOWN if self.view.has_ladder else self.split

    @property
    def is_full(self) -> bool:
        """Whether everything about the split is shown: all metrics, comparisons and groups of ranks."""
        return self.split in self.view.full_splits

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
        names = [first, *(name for name in shown_metrics(self.phase, self.is_full) if name != first)]
        return [METRICS[name] for name in names if METRICS[name].can_rank or name == first]

    @property
    def tie_breaks(self) -> list[Metric]:
        """Return the metrics that break ties, with or without `every_entry`; none if another metric sorts the board."""
        ranks = self.metric.name == self.phase.ranking_metric and self.is_full
        return [METRICS[name] for name in self.phase.tie_breaks] if ranks else []


def visible_phase(user: Any, name: str) -> Phase:
    """Return a phase, named by slug or number, whose board `user` may see. Raises Http404 otherwise (A21)."""
    phase = Phase.objects.boards_visible_to(user).select_related("dataset", "challenge").with_splits().named(name)
    if phase is None:
        raise Http404("There is no such leaderboard.")
    return phase


def visible_phases(user: Any, name: str) -> tuple[Phase, list[Phase] | None]:
    """Return the same phase, and the phases of its challenge that `user` may see, from one query.

    None instead of these for a phase named by its number.
    """
    has_board = Phase.objects.boards_visible_to(user).filter(pk=OuterRef("pk")).order_by()
    beside = Phase.objects.visible_to(user).beside(name).with_splits().annotate(has_board=Exists(has_board))
    phases = [] if "\0" in name else list(beside.select_related("dataset", "challenge"))
    phase = next((phase for phase in phases if phase.slug == name and vars(phase)["has_board"]), None)
    return (visible_phase(user, name), None) if phase is None else (phase, phases)


def board_of(phase: Phase, user: Any, *, metric: str = "", split: str = "", every_entry: bool = False) -> Board:
    """Return the board of a phase; a metric may be written in any case, accuracy also as `acc`.

    Raises ValueError with the name of the invalid parameter: `metric` or `split`.
    """
    now = timezone.now()
    splits = shown_splits(phase, user, now)
    chosen = split or default_split(phase, now, splits)
    if chosen not in splits:
        raise ValueError("split")
    view = phase.view_of(user, now) if chosen != SHOWN else phase.view_in(phase.state(now))
    name = canonical_name(metric) or phase.ranking_metric
    if name not in shown_metrics(phase, chosen in view.full_splits):
        raise ValueError("metric")
    return Board(phase, METRICS[name], chosen, splits, every_entry, now, view)


def shown_metrics(phase: Phase, is_full: bool) -> list[str]:
    """Return the metrics of a board: all of the kind, or only the ranking one where no other is shown."""
    return list(phase.kind.metrics) if is_full else [phase.ranking_metric]


def shown_splits(phase: Phase, user: Any, now: datetime) -> tuple[str, ...]:
    """Return the splits that the dataset has and `user` may see; `public` if there is no other."""
    existing = phase.existing_splits()
    shown = tuple(str(split) for split in phase.shown_splits(user, now) if split in existing)
    extra = (
        (SHOWN,)
        if may(user, "submissions.view_evaluation", phase) and phase.view_in(phase.state(now)).has_ladder
        else ()
    )
    return (shown or (str(Split.PUBLIC),)) + extra


def default_split(phase: Phase, now: datetime, splits: tuple[str, ...]) -> str:
    """Return the ranking split if it is one of `splits`, else the first of them."""
    ranking = str(phase.board_split(now))
    return ranking if ranking in splits else splits[0]
