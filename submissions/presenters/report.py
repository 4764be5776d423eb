"""The numbers behind a submission's page."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from submissions.models import Submission

# What a participant may read of the timings: none of it is a case's.
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
    """Return scores, curves and timings of the counted evaluation, for the splits `user` may see."""
    now = timezone.now()
    report: dict[str, Any] = {
        "submission": str(submission.pk),
        "phase": submission.phase.slug,
        "metric": submission.phase.ranking_metric,
        "evaluation_status": submission.latest.status,
        "scores": submission.scores_shown_to(user, now),
    }
    if (counted := submission.counted) is None:
        return report | {"curves": {}, "timings": {}}
    splits = submission.phase.shown_splits(user, now)
    curves = {name: submission.phase.shown(counted.curves[name]) for name in splits if name in counted.curves}
    timings = {name: counted.timings[name] for name in SHOWN_TIMINGS if name in counted.timings}
    return report | {
        "curves": curves,
        "timings": timings,
        "metric_version": counted.metric_version,
        "dataset_hash": counted.dataset_hash,
        "code_version": counted.code_version,
        "seed": counted.bootstrap_seed,
    }
