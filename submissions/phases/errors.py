"""Errors for actions that a participant may not take now, and what to do instead; the API and the pages share them."""

from __future__ import annotations

from datetime import datetime

from lunasite.http.errors import ApiError
from submissions.models import Submission
from submissions.phases.quota import Allowance


def phase_closed(opens_at: datetime, now: datetime) -> ApiError:
    if now < opens_at:
        return ApiError(403, "PHASE_CLOSED", f"The phase opens on {opens_at:%Y-%m-%d %H:%M} UTC; come back then.")
    return ApiError(403, "PHASE_CLOSED", "The phase has ended; its leaderboard stays.")


def board_frozen() -> ApiError:
    return ApiError(409, "BOARD_FROZEN", "The final board of this phase is frozen: its entries change no more.")


def type_not_accepted(submission_type: str) -> ApiError:
    other = "a Docker image" if submission_type == Submission.Type.CSV else "predictions as CSV"
    return ApiError(400, "TYPE_NOT_ACCEPTED", f"This phase does not take that; send {other}.", field="phase")


def key_used() -> ApiError:
    message = "This form or key was sent before with another file or phase; reload the page, or use a new key."
    return ApiError(409, "IDEMPOTENCY_KEY_REUSED", message)


def team_left() -> ApiError:
    return ApiError(409, "TEAM_CHANGED", "You have left the team meanwhile; nothing was submitted. Send it again.")


def email_not_verified() -> ApiError:
    return ApiError(
        403,
        "EMAIL_NOT_VERIFIED",
        "Confirm your e-mail address first; your account page sends the link again.",
    )


def quota_exceeded(allowance: Allowance, now: datetime) -> ApiError:
    """Name the quota window that is used up, and when the next try is free."""
    used = f"All {allowance.tries} tries {allowance.period} are used."
    if allowance.next_free_at is None:
        return ApiError(429, "QUOTA_EXCEEDED", used, next_try_at=None)
    at = allowance.next_free_at
    wait = max(1.0, (at - now).total_seconds())
    message = f"{used} The next is free on {at:%Y-%m-%d %H:%M:%S} UTC."
    return ApiError(429, "QUOTA_EXCEEDED", message, retry_after_s=wait, next_try_at=at.isoformat())


def trials_exceeded(limit: int) -> ApiError:
    message = (
        f"{limit} images of your team failed on the public samples within a day; try at home first, then tomorrow."
    )
    return ApiError(429, "TRIALS_EXCEEDED", message, retry_after_s=3600)


def file_deleted() -> ApiError:
    return ApiError(409, "FILE_DELETED", "The file was deleted to make room; it cannot be run again. Send it again.")


def image_deleted() -> ApiError:
    message = "This image's file was deleted to make room; send the file again."
    return ApiError(400, "IMAGE_NOT_FOUND", message, field="image")


def already_finished(status: str) -> ApiError:
    return ApiError(409, "ALREADY_FINISHED", f"The evaluation is already {status}; there is nothing to cancel.")


def still_active() -> ApiError:
    return ApiError(409, "SUBMISSION_RUNNING", "An evaluation of this submission is still going on; wait or cancel it.")


def choice_closed() -> ApiError:
    message = "The phase has ended: the entry that counts can no longer be changed."
    return ApiError(409, "PHASE_CLOSED", message)


def choice_not_needed() -> ApiError:
    message = "In a practice phase every entry is shown in full and the best one counts; there is nothing to choose."
    return ApiError(409, "CHOICE_NOT_NEEDED", message)


def cannot_count() -> ApiError:
    message = "This entry cannot count: it is not scored, or is kept off the leaderboard. Choose a scored one."
    return ApiError(409, "NOT_SCORED", message)


def choice_of_another_team() -> ApiError:
    return ApiError(403, "FORBIDDEN", "Only a member of the team chooses which of its entries counts.")
