"""The cases of one or two entries as rows of a table: filtered by split and outcome, and sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from submissions.disclosure import SAMPLE
from submissions.models import Evaluation, Phase, Submission
from submissions.presenters.score_table import answer_text, truth_text

from .answers import Answers, answers_of

SORTS = {"error": "largest error first", "certain": "smallest error first", "id": "by id"}


@dataclass(frozen=True)
class CaseResult:
    """One case of an entry. error: 0 is right.

    has_picture: whether the reader may look at its image, as submissions.datasets.case_access says. facts: the case's
    data for staff, empty for everybody else.
    """

    public_id: str
    split: str
    truth: str
    answer: str
    error: float
    outcome: str
    has_picture: bool
    facts: Mapping[str, str]


@dataclass(frozen=True)
class CaseDifference:
    """One case of two entries. change: error of the second minus that of the first; below 0 the second is better."""

    first: CaseResult
    second: CaseResult

    @property
    def change(self) -> float:
        return self.second.error - self.first.error


def splits_shown(phase: Phase, user: Any, now: datetime) -> tuple[str, ...]:
    """Return the splits whose cases `user` may see one by one."""
    return phase.view_of(user, now).case_splits(is_published=phase.dataset.revealed_at is not None)


def case_results(submission: Submission, user: Any, now: datetime) -> list[CaseResult]:
    """Return every case that `user` may see of the current evaluation, in the dataset's order by split."""
    evaluation = submission.current_evaluation
    if evaluation is None:
        return []
    return results_of(submission.phase, evaluation, user, now)


def results_of(phase: Phase, evaluation: Evaluation, user: Any, now: datetime) -> list[CaseResult]:
    view = phase.view_of(user, now)
    found = answers_of(phase, evaluation, splits_shown(phase, user, now))
    return [result for answers in found for result in _results(phase, answers, with_facts=view.is_staff)]


def _results(phase: Phase, answers: Answers, *, with_facts: bool) -> Iterable[CaseResult]:
    for case, prediction in zip(answers.cases, answers.predictions, strict=True):
        answer = prediction.tolist()
        judged = phase.kind.judged(case.truth, answer)
        yield CaseResult(
            public_id=case.public_id,
            split=case.split,
            truth=truth_text(phase, case.truth),
            answer=answer_text(answer),
            error=judged.error,
            outcome=judged.outcome,
            has_picture=bool(case.image) and (with_facts or case.split == SAMPLE),
            facts=phase.kind.shown(case.facts) if with_facts else {},
        )


def outcome_counts(results: Sequence[CaseResult]) -> list[tuple[str, int]]:
    """Return each outcome with its number of cases, the most frequent first."""
    return Counter(result.outcome for result in results).most_common()


def chosen(
    results: Iterable[CaseResult], *, split: str = "", outcome: str = "", sort: str = "error"
) -> list[CaseResult]:
    """Return the results of a split and an outcome (empty: of all), sorted by a key of SORTS; ties by id."""
    kept = [each for each in results if split in ("", each.split) and outcome in ("", each.outcome)]
    if sort == "id":
        return sorted(kept, key=lambda each: each.public_id)
    sign = 1 if sort == "certain" else -1
    return sorted(kept, key=lambda each: (sign * each.error, each.public_id))


def differences(first: Iterable[CaseResult], second: Iterable[CaseResult]) -> list[CaseDifference]:
    """Return the cases that both entries answered, those first whose errors differ most; ties by id."""
    others = {(each.split, each.public_id): each for each in second}
    pairs = [
        CaseDifference(each, others[each.split, each.public_id])
        for each in first
        if (each.split, each.public_id) in others
    ]
    return sorted(pairs, key=lambda pair: (-abs(pair.change), pair.first.public_id))
