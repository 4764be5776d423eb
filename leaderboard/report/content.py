"""The content of a report as JSON values; page and CSV are made of it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from leaderboard.report.standing import standing_of
from submissions.models import Submission
from submissions.presenters.report import report_of
from submissions.presenters.report_details import details_of


def full_report(submission: Submission, user: Any) -> dict[str, Any]:
    """Return everything that `user` may know of a submission. Raises ApiError(429) while another one is computed.

    As `report_of`, with `details` by split and the `standing` of a scored entry.
    """
    report = report_of(submission, user) | {"details": details_of(submission, user, timezone.now())}
    scored = submission.current_evaluation is not None
    return report | {"standing": standing_of(submission, user).as_json() if scored else None}
