"""Do one verb to each chosen row, say how many it moved and why others stayed, and keep who did it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from submissions.models import StatusConflict
from submissions.refusals import Refusal

MOST_SHOWN = 5


class CannotDo(Exception):
    """Why a verb does not fit a row; a sentence for staff."""


def do(
    model_admin: ModelAdmin[Any], request: HttpRequest, rows: Iterable[Any], verb: Callable[[Any], object], done: str
) -> HttpResponse | None:
    """Call `verb` with each row. done: what then was, such as `queued again`.

    Each row is a transaction of its own: what one row refuses does not undo another.
    """
    moved, refused = 0, []
    for row in rows:
        try:
            verb(row)
        except (CannotDo, Refusal, StatusConflict, IntegrityError) as error:
            refused.append(f"{row}: {_reason(error)}")
            continue
        model_admin.log_change(request, row, f"{done.capitalize()}.")
        moved += 1
    _report(request, moved, done, refused)
    return stay(model_admin, request)


def _reason(error: Exception) -> str:
    if isinstance(error, Refusal):
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
        shown = " ".join(refused[:MOST_SHOWN])
        more = f" … and {len(refused) - MOST_SHOWN} more." if len(refused) > MOST_SHOWN else ""
        messages.warning(request, f"{len(refused)} could not be {done}. {shown}{more}")


def stay(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse | None:
    """Lead back to the row's own page when the button was there; None leads to the list."""
    if "stay" not in request.POST:
        return None
    meta = model_admin.opts
    return redirect(f"admin:{meta.app_label}_{meta.model_name}_change", request.POST["_selected_action"])
