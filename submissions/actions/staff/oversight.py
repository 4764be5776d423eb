"""What somebody does with another team's submission: only with the permission, and with a line in the audit log."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from lunasite.http.errors import ApiError
from submissions.actions.db_retry import retry_on_deadlock
from submissions.actions.triage import cancel
from submissions.models import Evaluation, Submission
from submissions.models.access import may
from submissions.models.audit import record
from submissions.models.team import team_of
from submissions.storage import files as storage


def is_another_teams(submission: Submission, user: Any) -> bool:
    return submission.team != team_of(user)


def file_url(*, submission: Submission, user: Any) -> str:
    """Return the address of the submitted file, good for five minutes; another team's goes into the audit log.

    The caller has checked that `user` may see the submission.
    """
    address = storage.url_for(submission.file, submission.original_name)
    if is_another_teams(submission, user):
        record(user, "download", submission)
    return address


def cancel_for(*, submission: Submission, user: Any) -> Evaluation:
    """Cancel for a member of the team, or for an organiser. Raises ApiError, with 403 for who may only look."""
    if not is_another_teams(submission, user):
        return cancel(submission=submission)
    if not may(user, "submissions.change_submission", submission.phase):
        raise ApiError(403, "FORBIDDEN", "You may look at this submission, but not decide about it.")

    @transaction.atomic
    def cancel_on_record() -> Evaluation:
        evaluation = cancel(submission=submission)
        record(user, "cancel", submission)
        return evaluation

    # It holds the evaluation while it waits for the team's lock: a worker that finishes another may hold that.
    return retry_on_deadlock(cancel_on_record)
