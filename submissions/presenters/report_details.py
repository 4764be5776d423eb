"""The details of a report: thresholds, bins, bands and subgroups of the splits that the reader sees in full."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lunasite.http.limits.dear_work import remembered
from submissions.disclosure import SAMPLE
from submissions.disclosure.rounding import rounded
from submissions.models import Evaluation, Submission
from submissions.presenters.cases.answers import answers_of
from submissions.scoring.details import DETAILS_VERSION, details


def details_of(submission: Submission, user: Any, now: datetime) -> dict[str, Any]:
    """Return the details by split, rounded as the reader sees the phase's numbers. Raises ApiError(429)."""
    current, view = submission.current_evaluation, submission.phase.view_of(user, now)
    if current is None:
        return {}
    splits = view.full_splits
    found = remembered(
        "report",
        (
            current.pk, current.attempt, current.finished_at, current.metric_version, current.dataset_hash,
            submission.phase.dataset.content_hash, splits, DETAILS_VERSION,
        ),
        lambda: computed(submission, current, splits),
        caller=f"user:{user.pk}",
    )  # fmt: skip
    shown: dict[str, Any] = rounded(found, view.decimals)
    return shown


def computed(submission: Submission, evaluation: Evaluation, splits: tuple[str, ...]) -> dict[str, Any]:
    """Return the details of some splits in full."""
    phase = submission.phase
    return {
        answers.split: details(
            phase.kind.name,
            phase.kind.truths([case.truth for case in answers.cases]),
            answers.predictions,
            _patients([case.patient for case in answers.cases]),
            [phase.kind.subgroups(case.facts) for case in answers.cases],
            evaluation.bootstrap_seed,
            truth_is_public=answers.split == SAMPLE or phase.dataset.is_practice,
        )
        for answers in answers_of(phase, evaluation, splits)
    }


def _patients(names: list[str]) -> list[str] | None:
    """Return the patients as the score of the whole takes them: known of every case, or of none."""
    return names if all(names) else None
