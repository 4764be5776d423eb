"""What a participant may not do now, and what to do instead; the API and the pages show the same sentence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from submissions.models import Submission
from submissions.phases.quota import Allowance

# What the other fields of a form may add to its file.
FORM_OVERHEAD_BYTES = 64 * 1024


class Refusal(Exception):
    """A request turned down before anything was stored. `status_code` is HTTP's."""

    def __init__(
        self, status_code: int, error_code: str, message: str, *, wait: float | None = None, **details: Any
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.error_code = error_code
        self.message = message
        self.details = details
        self.wait = wait


def refuse_long_body(request: Any, most: int) -> None:
    """Raise Refusal (413) by the declared length, before a byte of the body is read."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isdigit() or int(declared) > most + FORM_OVERHEAD_BYTES:
        message = f"The request is larger than {most // 10**6} MB; send a smaller file."
        raise Refusal(413, "FILE_TOO_LARGE", message, field="file")


def phase_closed(opens_at: datetime, now: datetime) -> Refusal:
    if now < opens_at:
        return Refusal(403, "PHASE_CLOSED", f"The phase opens on {opens_at:%Y-%m-%d %H:%M} UTC; come back then.")
    return Refusal(403, "PHASE_CLOSED", "The phase has ended; its leaderboard stays.")


def type_not_accepted(submission_type: str) -> Refusal:
    other = "a Docker image" if submission_type == Submission.Type.CSV else "predictions as CSV"
    return Refusal(400, "TYPE_NOT_ACCEPTED", f"This phase does not take that; send {other}.", field="phase")


def key_used() -> Refusal:
    message = "This form or key was sent before with another file or phase; open the page anew, or use a new key."
    return Refusal(409, "IDEMPOTENCY_KEY_REUSED", message)


def team_left() -> Refusal:
    return Refusal(409, "TEAM_CHANGED", "You have left the team meanwhile; nothing was submitted. Send it again.")


def email_not_verified() -> Refusal:
    return Refusal(
        403,
        "EMAIL_NOT_VERIFIED",
        "Confirm your e-mail address first; your account page sends the link again.",
    )


def quota_exceeded(allowance: Allowance, now: datetime) -> Refusal:
    """Name the window that is used up and when the next try is free."""
    used = f"All {allowance.tries} tries {allowance.period} are used."
    if allowance.next_free_at is None:
        return Refusal(429, "QUOTA_EXCEEDED", used, next_try_at=None)
    at = allowance.next_free_at
    wait = max(1.0, (at - now).total_seconds())
    message = f"{used} The next is free on {at:%Y-%m-%d %H:%M:%S} UTC."
    return Refusal(429, "QUOTA_EXCEEDED", message, wait=wait, next_try_at=at.isoformat())


def already_finished(status: str) -> Refusal:
    return Refusal(409, "ALREADY_FINISHED", f"The evaluation is already {status}; there is nothing to cancel.")


def still_active() -> Refusal:
    return Refusal(409, "SUBMISSION_RUNNING", "An evaluation of this submission is still going on; wait or cancel it.")
