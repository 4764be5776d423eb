"""The ranks that the entries of a board could have: read for a page, computed by a worker.

Shown only where the disclosure policy says so and everything of the split is shown: a comparison uses every case.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count, Max
from django.utils import timezone
from django_q.tasks import async_task

from leaderboard.boards import Board
from leaderboard.comparison.cases import NotComparable, SplitCases, split_cases
from leaderboard.models import RankComparison, Standing
from leaderboard.ranking import RankInput, rank_entries
from submissions.actions.queue import CSV_CLUSTER
from submissions.models import Evaluation, Phase
from submissions.scoring import METRICS, MISSING
from submissions.scoring.pairs import RankInterval, rank_intervals
from submissions.scoring.resamples import Sample

# The best entries of a board; time, and Holm's correction, grow with the square of their number.
MAX_COMPARED = 200
# A fixed seed: a board that has not changed keeps its rank intervals.
SEED = 20250102
# For how long no second worker is asked for the same board.
ASKED_FOR_S = 120


@dataclass(frozen=True)
class RankRanges:
    """by_evaluation: rank intervals by evaluation number. n_left_out: ranked entries that were not compared."""

    by_evaluation: dict[int, RankInterval]
    n_left_out: int

    @property
    def n_compared(self) -> int:
        return len(self.by_evaluation)


def rank_ranges_of(board: Board) -> RankRanges | None:
    """Return the rank intervals of a board; None where it has none, or until a worker has computed them."""
    if not (board.is_ranking and board.is_full and board.view.is_full("rank_ranges")):
        return None
    found = RankComparison.objects.filter(phase=board.phase, split=board.split).first()
    # Where ranges are shown, nothing is hidden by a ladder: the board's rows are those of the split.
    state = [board.summary.newest, board.summary.n_ranked]
    if found is None or found.standings != state:
        if state[1] > 1:
            _ask_a_worker(board.phase, board.split)
        return None
    return RankRanges({int(key): RankInterval(*value) for key, value in found.ranks.items()}, found.n_left_out)


def _ask_a_worker(phase: Phase, split: str) -> None:
    if cache.add(f"rank-ranges:{phase.pk}:{split}", 1, ASKED_FOR_S):
        async_task("leaderboard.tasks.compare_entries", phase.pk, split, cluster=CSV_CLUSTER)


def compare_entries(phase: Phase, split: str) -> RankComparison:
    """Compare every two entries of a ranking board, and store the ranks that each could have.

    If the standings change meanwhile, what is stored is already stale, and the next reader asks again.
    """
    state = _state_of_standings(phase, split)
    ranked = _ranked(phase, split)
    samples = _samples(phase, split, ranked[:MAX_COMPARED])
    ranks = _intervals(phase, split, samples) if len(samples) > 1 else []
    stored = {str(key): [each.low, each.high, each.is_like_above] for key, each in zip(samples, ranks, strict=False)}
    left_out = len(ranked) - len(stored)
    cache.delete(f"rank-ranges:{phase.pk}:{split}")
    row, _ = RankComparison.objects.update_or_create(
        phase=phase,
        split=split,
        defaults={"ranks": stored, "n_left_out": left_out, "standings": state, "computed_at": timezone.now()},
    )
    return row


def _state_of_standings(phase: Phase, split: str) -> list[int]:
    """Return two numbers that change with every change: rows are never updated, only deleted and written anew."""
    standings = Standing.objects.filter(phase=phase, split=split, is_baseline=False, sort_key__gt=MISSING)
    found = standings.aggregate(newest=Max("pk"), count=Count("pk"))
    return [found["newest"] or 0, found["count"]]


def _ranked(phase: Phase, split: str) -> list[int]:
    """Return the numbers of the ranked evaluations, best first as the board lists them."""
    standings = Standing.objects.filter(phase=phase, split=split, is_baseline=False, sort_key__gt=MISSING)
    contenders = [
        RankInput(each.evaluation_id, (each.sort_key, *(MISSING if key is None else key for key in each.tie_keys)),
                  each.submitted_at.timestamp())
        for each in standings
    ]  # fmt: skip
    return [int(place.contender.identity) for place in rank_entries(contenders)]


def _samples(phase: Phase, split: str, evaluations: list[int]) -> dict[int, Sample]:
    """Return the entries that can be compared, in the given order."""
    try:
        cases = split_cases(phase, split)
    except NotComparable:
        return {}
    fields = ("predictions", "dataset_hash")
    rows = Evaluation.objects.filter(pk__in=evaluations, dataset_hash=phase.dataset.content_hash).only(*fields)
    loaded = {row.pk: _sample_or_none(cases, row) for row in rows.iterator(chunk_size=20)}
    found = {key: loaded.get(key) for key in evaluations}
    return {key: sample for key, sample in found.items() if sample is not None}


def _sample_or_none(cases: SplitCases, evaluation: Evaluation) -> Sample | None:
    try:
        return cases.sample(evaluation)
    except NotComparable:
        return None


def _intervals(phase: Phase, split: str, samples: dict[int, Sample]) -> list[RankInterval]:
    groups = split_cases(phase, split).groups
    return rank_intervals(METRICS[phase.ranking_metric], list(samples.values()), groups, SEED)
