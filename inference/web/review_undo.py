"""Undo of a reviewer's last decision: kept in the session, taken back only while it still stands."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from inference.models import Feedback

KEY = "last_review"
FIRST = ("state", "review_note", "reviewer_id", "reviewed_at")
SECOND = ("second_state", "second_note", "second_reader_id", "second_at")


def kept_decision(feedback: Feedback, *, is_second: bool) -> dict[str, Any]:
    """Return what the next decision will replace, as JSON values."""
    return {name: _as_json(getattr(feedback, name)) for name in (SECOND if is_second else FIRST)}


def remember_decision(request: HttpRequest, feedback: Feedback, before: dict[str, Any], *, is_second: bool) -> None:
    """Keep the decision just made, with what it replaced, as the one to undo."""
    made = kept_decision(feedback, is_second=is_second)
    request.session[KEY] = {"feedback": feedback.pk, "is_second": is_second, "made": made, "before": before}


def undoable(request: HttpRequest) -> dict[str, Any] | None:
    """Return the decision that the reviewer could undo: feedback and what was decided; None without one."""
    if not (kept := request.session.get(KEY)):
        return None
    made = kept["made"]
    return {"feedback": kept["feedback"], "state": made["second_state" if kept["is_second"] else "state"]}


@transaction.atomic
def undo_decision(request: HttpRequest) -> Feedback | None:
    """Restore what the last decision replaced; None where there is none, or it no longer stands.

    Also None where whose decision was replaced is the other reader by now: nobody agrees with oneself.
    """
    kept = request.session.pop(KEY, None)
    if kept is None:
        return None
    feedback = Feedback.objects.select_for_update().filter(pk=kept["feedback"]).first()
    if feedback is None or kept_decision(feedback, is_second=kept["is_second"]) != kept["made"]:
        return None
    readers = {"reviewer_id": feedback.reviewer_id, "second_reader_id": feedback.second_reader_id} | kept["before"]
    if readers["reviewer_id"] is not None and readers["reviewer_id"] == readers["second_reader_id"]:
        return None
    for name, value in kept["before"].items():
        is_time = name in ("reviewed_at", "second_at")
        setattr(feedback, name, parse_datetime(value) if is_time and value else value)
    feedback.save(update_fields=[name.removesuffix("_id") for name in kept["before"]])
    return feedback


def _as_json(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
