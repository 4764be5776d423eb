"""Bulk actions of staff: run one verb on each chosen row, and report how many changed and why others did not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.models import Dataset, Evaluation, StatusConflict, Submission
from submissions.models.audit import record

MAX_SHOWN = 5


class ActionRefused(Exception):
    """Why a verb does not apply to a row; a sentence for staff."""


def run_bulk_action(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    rows: Iterable[Any],
    verb: Callable[[Any], object],
    done: str,
    *,
    audited_as: str | None = None,
) -> HttpResponse | None:
    """Call `verb` with each row. done: the result for the message, such as `queued again`.

    Each row is a transaction of its own, with its line of the audit log: one refused row does not undo another.
    audited_as: the action in the audit log, the verb's name unless given; "" where the verb writes the line itself.
    """
    action = verb.__name__.strip("_") if audited_as is None else audited_as
    moved, refused = 0, []
    for row in rows:
        try:
            with transaction.atomic():
                verb(row)
                if action:
                    record(request.user, action, row)
        except (ActionRefused, ApiError, StatusConflict, IntegrityError) as error:
            refused.append(f"{row}: {_reason(error)}")
            continue
        model_admin.log_change(request, row, f"{done.capitalize()}.")
        moved += 1
    _report(request, moved, done, refused)
    return stay(model_admin, request)


def _reason(error: Exception) -> str:
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, IntegrityError):
        return "Another evaluation of the submission is waiting or running."
    if isinstance(error, StatusConflict):
        return "Its state does not allow that, or it moved just now."
    return str(error)


def _report(request: HttpRequest, moved: int, done: str, refused: list[str]) -> None:
    if moved:
        messages.success(request, f"{moved} {done}.")
    if refused:
        shown = " ".join(refused[:MAX_SHOWN])
        more = f" … and {len(refused) - MAX_SHOWN} more." if len(refused) > MAX_SHOWN else ""
        messages.warning(request, f"{len(refused)} could not be {done}. {shown}{more}")


def stay(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse | None:
    """Redirect to the row's own page if the button was there; None redirects to the list."""
    if "stay" not in request.POST:
        return None
    meta = model_admin.opts
    return redirect(f"admin:{meta.app_label}_{meta.model_name}_change", request.POST["_selected_action"])


# What staff may decide about one row; each raises ActionRefused, ApiError or StatusConflict when it does not apply.


def retry(evaluation: Evaluation) -> None:
    if evaluation.status != Evaluation.Status.FAILED:
        raise ActionRefused(f"It is {evaluation.status}; only what failed can be retried.")
    actions.retry(evaluation=evaluation)


def cancel_evaluation(evaluation: Evaluation) -> None:
    if evaluation.is_finished:
        raise ActionRefused(f"It is already {evaluation.status}.")
    actions.cancel(submission=evaluation.submission)


def cancel(submission: Submission) -> None:
    actions.cancel(submission=submission)


def re_evaluate(submission: Submission) -> None:
    actions.re_evaluate(submission=submission)


def refund(submission: Submission) -> None:
    if not submission.try_counts:
        raise ActionRefused("Its try was given back before.")
    actions.refund(submission=submission)


def mark_baseline(submission: Submission) -> None:
    actions.mark_baseline(submission=submission, is_baseline=True)


def unmark_baseline(submission: Submission) -> None:
    actions.mark_baseline(submission=submission, is_baseline=False)


def hide(submission: Submission) -> None:
    actions.set_hidden(submission=submission, is_hidden=True)


def unhide(submission: Submission) -> None:
    actions.set_hidden(submission=submission, is_hidden=False)


def reveal(dataset: Dataset) -> None:
    actions.reveal(dataset=dataset, now=timezone.now())
