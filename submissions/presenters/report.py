"""The numbers shown on a submission's page."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from submissions.models import Submission

# The timings that a participant may see; none of them is about a single case.
SHOWN_TIMINGS = (
    "load_s",
    "start_s",
    "predict_s",
    "score_s",
    "latency_median_s",
    "latency_p95_s",
    "peak_memory_bytes",
)


def report_of(submission: Submission, user: Any) -> dict[str, Any]:
    """Return scores, curves and timings of the current evaluation, for the splits that `user` may see."""
    now = timezone.now()
    report: dict[str, Any] = {
        "submission": str(submission.pk),
        "phase": submission.phase.slug,
        "metric": submission.phase.ranking_metric,
        "evaluation_status": submission.latest.status,
        "scores": submission.scores_shown_to(user, now),
    }
    if (current := submission.current_evaluation) is None:
        return report | {"curves": {}, "timings": {}}
    splits = submission.phase.shown_splits(user, now)
    curves = {name: submission.phase.rounded(current.curves[name]) for name in splits if name in current.curves}
    timings = {name: current.timings[name] for name in SHOWN_TIMINGS if name in current.timings}
    return report | {
        "curves": curves,
        "timings": timings,
        "metric_version": current.metric_version,
        "dataset_hash": current.dataset_hash,
        "code_version": current.code_version,
        "seed": current.bootstrap_seed,
    }
