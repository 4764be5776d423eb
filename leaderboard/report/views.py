"""The page of a report."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from leaderboard.report.content import full_report
from leaderboard.report.page import page_parts, split_of
from lunasite.http.limits.dear_work import dear_page, paced
from submissions.models import Submission


@login_required
@require_GET
@paced
@dear_page
def report_page(request: HttpRequest, pk: Any) -> HttpResponse:
    """Show everything that may be known of a submission, on a page that prints on one A4."""
    rows = Submission.objects.visible_to(request.user).select_related(
        "phase__dataset", "phase__challenge", "team", "user"
    )
    submission = get_object_or_404(rows.prefetch_related("evaluations"), pk=pk)
    now, phase = timezone.now(), submission.phase
    report = full_report(submission, request.user)
    view = phase.view_of(request.user, now)
    context = {
        "submission": submission,
        "phase": phase,
        "view": view,
        "report": report,
        "evaluation": submission.current_evaluation,
        "standing": report["standing"],
        "now": now,
        "seconds_are_exact": view.is_full("run_time"),
        "seconds": report["timings"].get("total_s"),
        **page_parts(report, split_of(report, request.GET.get("split", "")), phase, view),
    }
    return render(request, "leaderboard/report.html", context)
