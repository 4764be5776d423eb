"""Evaluations: what is running, what failed, whose fault it was, and what staff can do about it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from submissions.admin import bulk_actions
from submissions.admin.base import ActionOnlyAdmin, OwnChallengesAdmin, ReadOnlyInline, fits
from submissions.admin.bulk_actions import run_bulk_action
from submissions.admin.lists.display import NOTHING, age, block, breakable, change_link, duration, pretty
from submissions.admin.lists.export import evaluations_csv
from submissions.admin.lists.filters import AgeFilter, AttemptFilter, FailureCodeFilter, FaultFilter, WorkerFilter
from submissions.models import Evaluation, EvaluationEvent, Submission


class TimelineInline(ReadOnlyInline):
    """Each stage, its attempt and the seconds until the next stage."""

    model = EvaluationEvent
    verbose_name_plural = "timeline"
    fields = ["began", "attempt", "stage", "took", "note", "staff_detail"]
    readonly_fields = ["began", "took"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[EvaluationEvent]:
        """Store the end of each stage of the page's evaluation: the time of the next event."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        times = list(rows.filter(evaluation_id=match.kwargs["object_id"]).values_list("pk", "at")) if match else []
        self.ends = {pk: following for (pk, _), (_, following) in pairwise(times)}
        return rows

    @admin.display(description="at (UTC)")
    def began(self, event: EvaluationEvent) -> str:
        return f"{event.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="took")
    def took(self, event: EvaluationEvent) -> str:
        end = self.ends.get(event.pk)
        return f"{max(0.0, (end - event.at).total_seconds()):.1f} s" if end else NOTHING


@admin.register(Evaluation)
class EvaluationAdmin(ActionOnlyAdmin, OwnChallengesAdmin):
    challenge_path = "submission__phase__challenge"
    list_display = ["id", "state", "failure_shown", "sent", "progress", "attempt", "waited", "worker"]
    list_filter = [
        "status", FaultFilter, AgeFilter, AttemptFilter, "submission__submission_type",
        ("submission__phase__challenge", admin.RelatedOnlyFieldListFilter), WorkerFilter, FailureCodeFilter,
    ]  # fmt: skip
    list_select_related = ["submission__team", "submission__phase__challenge"]
    list_per_page = 50
    search_fields = ["id", "submission__id", "submission__team__name", "submission__title", "worker", "failure_code"]
    actions = ["retry", "cancel", "re_evaluate", "refund", "mark_baseline", "hide", "unhide", "export_csv"]
    inlines = [TimelineInline]
    fieldsets = [
        (None, {"fields": ["submission_shown", "state", "is_current", "progress", "failure_sentence", "failure_note"]}),
        (
            "Attempt",
            {"fields": [("attempt", "failed_attempts"), "worker", ("heartbeat_age", "lease_until"), "available_at"]},
        ),
        ("Times", {"fields": [("created_at", "started_at", "finished_at"), "ran", "timings_shown"]}),
        ("Logs", {"fields": ["staff_detail_shown", "smoke_log_shown", "run_log_shown"]}),
        ("Judged by", {"fields": ["dataset_hash", "code_version", ("metric_version", "seed"), "limits_shown"]}),
        ("Image and engine", {"fields": ["image_id", "image_name", "contract_shown", "engine_facts"]}),
        ("Scores", {"classes": ["collapse"], "fields": ["scores_shown"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Evaluation]:
        """Do not load logs and arrays for a list."""
        rows: Any = super().get_queryset(request)
        match = request.resolver_match
        is_page = match and "object_id" in match.kwargs
        return rows.defer("predictions") if is_page else rows.without_blobs().defer("scores", "timings")

    # Columns

    @admin.display(ordering="status")
    def state(self, evaluation: Evaluation) -> SafeString:
        return format_html('<span class="state {}">{}</span>', evaluation.status, evaluation.status)

    @admin.display(description="failure", ordering="failure_code")
    def failure_shown(self, evaluation: Evaluation) -> str | SafeString:
        if (failure := evaluation.failure) is None:
            return NOTHING
        whose = "our fault" if failure.is_ours else "the participant's fault"
        code = breakable(failure.code)
        return format_html('<span title="{}">{}<br><small>{}</small></span>', failure.sentence, code, whose)

    @admin.display(description="submission", ordering="submission__team__name")
    def sent(self, evaluation: Evaluation) -> SafeString:
        """Link the submission, with its team and phase."""
        submission = evaluation.submission
        page = "{}<br><small>{} in {}</small>"
        return format_html(page, change_link(submission), submission.team, submission.phase)

    @admin.display(description="cases")
    def progress(self, evaluation: Evaluation) -> str:
        return f"{evaluation.answered} / {evaluation.total}" if evaluation.total else evaluation.stage or NOTHING

    @admin.display(description="age", ordering="created_at")
    def waited(self, evaluation: Evaluation) -> str:
        return age(evaluation.created_at)

    def fits(self, action: str, row: Evaluation) -> bool:
        return fits(action, row.submission, row)

    # The page

    @admin.display(description="submission")
    def submission_shown(self, evaluation: Evaluation) -> SafeString:
        submission = evaluation.submission
        return format_html("{} by {} in {}", change_link(submission), submission.team, change_link(submission.phase))

    @admin.display(description="failure")
    def failure_sentence(self, evaluation: Evaluation) -> str:
        if (failure := evaluation.failure) is None:
            return NOTHING
        whose = "Our" if failure.is_ours else "The participant's"
        counted = "counted" if evaluation.submission.try_counts else "was given back"
        return f"{failure.code} in {failure.stage}. {whose} fault; the try {counted}. {failure.sentence}"

    @admin.display(description="heartbeat")
    def heartbeat_age(self, evaluation: Evaluation) -> str:
        return f"{age(evaluation.heartbeat_at)} ago" if evaluation.heartbeat_at else NOTHING

    @admin.display(description="ran for")
    def ran(self, evaluation: Evaluation) -> str:
        if not (evaluation.started_at and evaluation.finished_at):
            return NOTHING
        return duration((evaluation.finished_at - evaluation.started_at).total_seconds())

    @admin.display(description="timings")
    def timings_shown(self, evaluation: Evaluation) -> str | SafeString:
        """Leave out the per-case latencies: they fill pages."""
        return pretty({name: value for name, value in evaluation.timings.items() if name != "latency_s"})

    @admin.display(description="for staff")
    def staff_detail_shown(self, evaluation: Evaluation) -> str | SafeString:
        return block(evaluation.staff_detail)

    @admin.display(description="log of the smoke run (its team sees it)")
    def smoke_log_shown(self, evaluation: Evaluation) -> str | SafeString:
        return block(evaluation.smoke_log)

    @admin.display(description="log of the hidden run (staff only)")
    def run_log_shown(self, evaluation: Evaluation) -> str | SafeString:
        return block(evaluation.run_log)

    @admin.display(description="limits")
    def limits_shown(self, evaluation: Evaluation) -> str | SafeString:
        return pretty(evaluation.submission.limits)

    @admin.display(description="image ID")
    def image_id(self, evaluation: Evaluation) -> str:
        return evaluation.submission.image_id or NOTHING

    @admin.display(description="image name")
    def image_name(self, evaluation: Evaluation) -> str:
        return evaluation.submission.docker_image_name or NOTHING

    @admin.display(description="contract")
    def contract_shown(self, evaluation: Evaluation) -> str:
        submission = evaluation.submission
        if not submission.is_docker:
            return NOTHING
        return f"{submission.get_contract_display()} {submission.model_endpoint} {submission.adapter or ''}".strip()

    @admin.display(description="facts")
    def engine_facts(self, evaluation: Evaluation) -> str | SafeString:
        """Return what intake and engine reported, from the timeline's staff notes."""
        notes = evaluation.events.filter(stage__in=["intake", "load", "start"]).exclude(staff_detail="")
        return block("\n".join(notes.values_list("staff_detail", flat=True)))

    @admin.display(description="scores (private ones too)")
    def scores_shown(self, evaluation: Evaluation) -> str | SafeString:
        return pretty(evaluation.submission.phase.rounded(evaluation.scores))

    # Decisions

    @admin.action(description="Retry what failed", permissions=["change"])
    def retry(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.retry, "queued again")

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.cancel_evaluation, "cancelled", audited_as="cancel")

    @admin.action(description="Evaluate the submission once more", permissions=["change"])
    def re_evaluate(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> HttpResponse | None:
        return run_bulk_action(self, request, _submissions(rows), bulk_actions.re_evaluate, "queued again")

    @admin.action(description="Give the try back", permissions=["change"])
    def refund(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> HttpResponse | None:
        return run_bulk_action(self, request, _submissions(rows), bulk_actions.refund, "refunded")

    @admin.action(description="Mark the submission as baseline", permissions=["change"])
    def mark_baseline(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> HttpResponse | None:
        return run_bulk_action(self, request, _submissions(rows), bulk_actions.mark_baseline, "marked as baseline")

    @admin.action(description="Hide the submission from the board", permissions=["change"])
    def hide(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> HttpResponse | None:
        return run_bulk_action(self, request, _submissions(rows), bulk_actions.hide, "hidden")

    @admin.action(description="Show the submission on the board again", permissions=["change"])
    def unhide(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> HttpResponse | None:
        return run_bulk_action(self, request, _submissions(rows), bulk_actions.unhide, "shown again")

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> HttpResponse:
        return evaluations_csv(rows)


def _submissions(rows: QuerySet[Evaluation]) -> QuerySet[Submission]:
    """Return each submission once, however many of its evaluations were chosen."""
    chosen = Submission.objects.filter(pk__in=rows.order_by().values("submission"))
    return chosen.select_related("phase__dataset", "team")
