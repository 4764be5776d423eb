"""The numbers shown on a submission's page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from submissions.models import Submission
from submissions.presenters.progress import run_seconds


def report_of(submission: Submission, user: Any) -> dict[str, Any]:
    """Return what `user` may see of the current evaluation: scores, curves, timings, and the versions behind them."""
    now = timezone.now()
    view = submission.phase.view_of(user, now)
    report: dict[str, Any] = {
        "submission": str(submission.pk),
        "phase": submission.phase.slug,
        "metric": submission.phase.ranking_metric,
        "evaluation_status": submission.latest.status,
        "disclosure": view.state,
        "scores": submission.scores_shown_to(user, now),
        "score_note": score_note(submission, user, now),
    }
    if (current := submission.current_evaluation) is None:
        return report | {"curves": {}, "timings": {}}
    limit_mib = int(submission.limits.get("memory_mib") or 0)
    return report | {
        "curves": view.curves(current.curves),
        "timings": view.timings(current.timings, limit_mib) | {"total_s": run_seconds(current, now, user)},
        "sample_cases": sample_cases(submission) if view.is_full("sample_results") else [],
        "metric_version": current.metric_version,
        "code_version": current.code_version,
        **dataset_facts(submission, user, now),
    }


def sample_cases(submission: Submission) -> list[dict[str, Any]]:
    """Return truth and answer of each sample case that was answered, the answer as the kind writes it."""
    current = submission.current_evaluation
    answers = current.sample_answers if current else {}
    cases = submission.phase.dataset.sample_cases() if answers else []
    return [
        {"id": case.public_id, "truth": case.truth, "answer": answers[case.public_id]}
        for case in cases
        if case.public_id in answers
    ]


def dataset_facts(submission: Submission, user: Any, now: datetime) -> dict[str, Any]:
    """Return the commitment to the data, and the seed of the intervals where `user` may know it."""
    view, current = submission.phase.view_of(user, now), submission.current_evaluation
    assert current is not None
    facts = {"dataset_hash": current.dataset_hash, "seed": current.bootstrap_seed}
    items = {"dataset_hash": "dataset_hash", "seed": "bootstrap_seed"}
    return {name: value for name, value in facts.items() if view.is_full(items[name])}


def score_note(submission: Submission, user: Any, now: datetime) -> str:
    """Return a sentence where the ladder shows no score of a scored submission, else ""."""
    phase, current = submission.phase, submission.current_evaluation
    if current is None or current.shown_score is not None or not phase.view_of(user, now).has_ladder:
        return ""
    if submission.is_hidden or not phase.step_of_ladder:
        return "There is no public score to show."
    return f"No better than your best by {phase.step_of_ladder:g}."
