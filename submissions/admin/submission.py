"""Submissions: what was sent, who sent it, its result, and the file itself."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from submissions import actions
from submissions.admin import bulk_actions
from submissions.admin.base import ActionOnlyAdmin, OwnChallengesAdmin, ReadOnlyInline, fits
from submissions.admin.bulk_actions import run_bulk_action
from submissions.admin.lists.display import breakable, change_link, pretty
from submissions.admin.lists.export import submissions_csv
from submissions.models import Evaluation, Submission


class EvaluationInline(ReadOnlyInline):
    model = Evaluation
    fields = [
        "page",
        "status",
        "is_current",
        "failure_code",
        "attempt",
        "worker",
        "created_at",
        "finished_at",
    ]
    readonly_fields = ["page"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Evaluation]:
        rows: Any = super().get_queryset(request)
        return rows.without_blobs().defer("scores", "timings")

    @admin.display(description="evaluation")
    def page(self, evaluation: Evaluation) -> SafeString:
        return change_link(evaluation, evaluation.pk)


@admin.register(Submission)
class SubmissionAdmin(ActionOnlyAdmin, OwnChallengesAdmin):
    list_display = ["name", "sent_by", "status", "standing", "created_at"]
    list_display_links = ["name"]
    list_filter = [
        "submission_type",
        ("phase", admin.RelatedOnlyFieldListFilter),
        "is_baseline",
        "is_hidden",
        "try_counts",
        "created_at",
    ]
    list_select_related = ["team", "phase", "user"]
    list_per_page = 50
    search_fields = ["id", "title", "original_name", "team__name", "user__username", "sha256", "docker_image_name"]
    actions = ["re_evaluate", "cancel", "refund", "mark_baseline", "unmark_baseline", "hide", "unhide", "export_csv"]
    inlines = [EvaluationInline]
    fieldsets = [
        (None, {"fields": [("team", "user"), "phase", "title", "comment", "created_at", "page"]}),
        ("Method", {"fields": [("model_name", "model_version"), "code_url", "paper_url"]}),
        ("File", {"fields": ["submission_type", "original_name", "size", "sha256", "download", "ignored_columns"]}),
        ("Container", {"fields": [
            "docker_image_name", "image_id", "contract", "model_endpoint", "adapter_shown", "writable_folders",
        ]}),
        ("Limits", {"classes": ["collapse"], "fields": ["limits_shown"]}),
        ("On the board", {"fields": [("is_baseline", "is_hidden", "try_counts")]}),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Submission]:
        newest = Evaluation.objects.filter(submission=OuterRef("pk")).order_by("-pk")
        status, code = newest.values("status")[:1], newest.values("failure_code")[:1]
        rows = super().get_queryset(request)
        return rows.annotate(newest_status=Subquery(status), newest_code=Subquery(code))

    def get_urls(self) -> list[URLPattern]:
        file = path(
            "<uuid:object_id>/file/", self.admin_site.admin_view(self.file_view), name="submissions_submission_file"
        )
        return [file, *super().get_urls()]

    def file_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Redirect to the stored file for five minutes, and log which staff member downloaded it."""
        submission = get_object_or_404(Submission, pk=object_id)
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, submission):
            raise PermissionDenied
        if not submission.file:
            raise Http404
        address = actions.file_url(submission=submission, user=request.user)
        self.log_change(request, submission, "Downloaded the file.")
        return redirect(address)

    def fits(self, action: str, row: Submission) -> bool:
        return fits(action, row, row.latest)

    @admin.display(description="submission", ordering="title")
    def name(self, submission: Submission) -> SafeString:
        return format_html("{}<br><small>{}</small>", str(submission), submission.get_submission_type_display())

    @admin.display(description="sent by", ordering="team__name")
    def sent_by(self, submission: Submission) -> SafeString:
        return format_html("{}<br><small>{}</small>", submission.team, submission.phase)

    @admin.display(ordering="newest_status")
    def status(self, submission: Any) -> SafeString:
        status, code = submission.newest_status, breakable(submission.newest_code or "")
        return format_html('<span class="state {}">{}</span><br><small>{}</small>', status, status, code)

    @admin.display(description="try and board")
    def standing(self, submission: Submission) -> str:
        if submission.is_baseline:
            words = ["baseline"]
        else:
            words = ["try counts" if submission.try_counts else "try given back"]
        return ", ".join([*words, "hidden"] if submission.is_hidden else words)

    @admin.display(description="its page")
    def page(self, submission: Submission) -> SafeString:
        return format_html('<a href="{}">as its team sees it</a>', reverse("submission", args=[submission.pk]))

    @admin.display(description="size")
    def size(self, submission: Submission) -> str:
        return f"{filesizeformat(submission.size_bytes)} ({submission.size_bytes:,} bytes)"

    @admin.display(description="stored file")
    def download(self, submission: Submission) -> SafeString:
        if submission.file_deleted_at and not submission.file:
            return format_html("deleted to make room at {}", f"{submission.file_deleted_at:%Y-%m-%d %H:%M} UTC")
        if not submission.file:
            return format_html("not pulled yet: {}", submission.image_reference)
        url = reverse("admin:submissions_submission_file", args=[submission.pk])
        return format_html('<a href="{}">Download</a> <small>{}</small>', url, submission.file)

    @admin.display(description="adapter")
    def adapter_shown(self, submission: Submission) -> str | SafeString:
        return pretty(submission.adapter)

    @admin.display(description="limits it was sent under")
    def limits_shown(self, submission: Submission) -> str | SafeString:
        return pretty(submission.limits)

    # Decisions

    @admin.action(description="Evaluate once more", permissions=["change"])
    def re_evaluate(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.re_evaluate, "queued again")

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.cancel, "cancelled")

    @admin.action(description="Give the try back", permissions=["change"])
    def refund(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.refund, "refunded")

    @admin.action(description="Mark as baseline", permissions=["change"])
    def mark_baseline(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.mark_baseline, "marked as baseline")

    @admin.action(description="Mark as no baseline", permissions=["change"])
    def unmark_baseline(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.unmark_baseline, "no longer a baseline")

    @admin.action(description="Hide from the board", permissions=["change"])
    def hide(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.hide, "hidden")

    @admin.action(description="Show on the board again", permissions=["change"])
    def unhide(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.unhide, "shown again")

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse:
        return submissions_csv(rows)
