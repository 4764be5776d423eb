"""Pages of single cases: a submission's cases sorted by error, one case, and where two entries differ most."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from lunasite.http.limits.dear_work import paced
from submissions.models import Submission
from submissions.presenters.cases.table import (
    SORTS,
    case_results,
    chosen,
    differences,
    outcome_counts,
    splits_shown,
)

PER_PAGE = 25
# The windows that a case's picture can be asked for in; the first is the usual one.
WINDOWS = ("lung", "mediastinum", "bone")
MAX_CHOICES = 200


def _submission(request: HttpRequest, pk: Any) -> Submission:
    """Return a submission that the user may see, with its evaluations. Raises Http404."""
    rows = Submission.objects.visible_to(request.user).select_related(
        "phase__dataset", "phase__challenge", "team", "user"
    )
    return get_object_or_404(rows.prefetch_related("evaluations"), pk=pk)


def _asked(request: HttpRequest) -> dict[str, str]:
    """Return split, outcome and order as the address names them; an unknown order is the usual one."""
    sort = request.GET.get("sort", "error")
    asked = {name: request.GET.get(name, "") for name in ("split", "outcome")}
    return asked | {"sort": sort if sort in SORTS else "error"}


@login_required
@require_GET
@paced
def case_list(request: HttpRequest, pk: Any) -> HttpResponse:
    """List the cases that may be seen one by one, the largest error first."""
    submission, now, asked = _submission(request, pk), timezone.now(), _asked(request)
    results = case_results(submission, request.user, now)
    of_split = [each for each in results if asked["split"] in ("", each.split)]
    context = {
        "submission": submission,
        "page": Paginator(chosen(results, **asked), PER_PAGE).get_page(request.GET.get("page")),
        "asked": asked,
        "query": urlencode({name: value for name, value in asked.items() if value}) + "&",
        "sorts": SORTS.items(),
        "splits": list(dict.fromkeys(each.split for each in results)),
        "outcomes": outcome_counts(of_split),
        "n": len(of_split),
        "sees_counted": set(splits_shown(submission.phase, request.user, now)) > {"sample"},
        "others": _other_entries(submission),
        "has_pictures": any(each.has_picture for each in results),
    }
    return render(request, "submissions/cases.html", context)


def _other_entries(submission: Submission) -> list[Submission]:
    """Return the scored entries of the same team and phase, the newest first: who sees one of them sees all."""
    rows = Submission.objects.filter(phase=submission.phase_id, team=submission.team_id, evaluations__is_current=True)
    return list(rows.exclude(pk=submission.pk).order_by("-created_at")[:MAX_CHOICES])


@login_required
@require_GET
@paced
def one_case(request: HttpRequest, pk: Any) -> HttpResponse:
    """Show one case with its picture, and the ones before and after it in the list it was opened from."""
    submission, asked = _submission(request, pk), _asked(request)
    results = case_results(submission, request.user, timezone.now())
    wanted = request.GET.get("id", "")
    listed = chosen(results, **asked)
    if not any(each.public_id == wanted for each in listed):  # opened without its list
        asked = {"split": "", "outcome": "", "sort": "error"}
        listed = chosen(results, **asked)
    at = next((number for number, each in enumerate(listed) if each.public_id == wanted), None)
    if at is None:
        raise Http404("There is no such case that you may see.")
    context = {
        "submission": submission,
        "case": listed[at],
        "number": at + 1,
        "n": len(listed),
        "previous": listed[at - 1].public_id if at else "",
        "following": listed[at + 1].public_id if at + 1 < len(listed) else "",
        "query": urlencode({name: value for name, value in asked.items() if value}) + "&",
        "windows": WINDOWS,
        "window": window if (window := request.GET.get("window")) in WINDOWS else WINDOWS[0],
    }
    return render(request, "submissions/case.html", context)


@login_required
@require_GET
@paced
def case_differences(request: HttpRequest, pk: Any) -> HttpResponse:
    """List the cases on which two entries of a team differ most."""
    submission, now = _submission(request, pk), timezone.now()
    others = _other_entries(submission)
    other = _other_entry(request, submission)
    results = case_results(submission, request.user, now)
    pairs = differences(results, case_results(other, request.user, now)) if other else []
    context = {
        "submission": submission,
        "other": other,
        "others": others,
        "page": Paginator(pairs, PER_PAGE).get_page(request.GET.get("page")),
        "query": f"with={other.pk}&" if other else "",
        "n_better": sum(pair.change < 0 for pair in pairs),
        "n_worse": sum(pair.change > 0 for pair in pairs),
        "n": len(pairs),
    }
    return render(request, "submissions/case_differences.html", context)


def _other_entry(request: HttpRequest, submission: Submission) -> Submission | None:
    """Return the entry that `with` names, of the same team and phase; None if it names none. Raises Http404."""
    text = request.GET.get("with", "")
    if not text:
        return None
    try:
        wanted = uuid.UUID(text)
    except ValueError as error:
        raise Http404("There is no such entry.") from error
    other = _submission(request, wanted)
    if (other.phase_id, other.team_id) != (submission.phase_id, submission.team_id):
        raise Http404("There is no such entry of this team in this phase.")
    return other
