"""Datasets and their cases: viewed here, made by an upload or by `manage.py import_dataset`. No truth is shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from submissions.admin import bulk_actions
from submissions.admin.base import ReadOnly
from submissions.admin.bulk_actions import run_bulk_action
from submissions.admin.lists.display import NOTHING, change_link
from submissions.datasets.access import datasets_visible_to
from submissions.models import Case, Dataset, Split

SPLITS = ("public", "private", "sample")


@admin.register(Dataset)
class DatasetAdmin(admin.ModelAdmin):
    """Datasets, which cannot be edited: scores depend on them. A corrected table becomes a new version."""

    list_display = ["__str__", "kind", "public", "private", "sample", "with_image", "short_hash", "created_at"]
    list_filter = ["kind"]
    search_fields = ["name", "content_hash"]
    actions = ["reveal"]
    fields = [
        "name",
        "version",
        "kind",
        "owner",
        "description",
        "content_hash",
        "is_practice",
        "revealed_at",
        "created_at",
        "counts",
        "warned_of",
        "cases_link",
        "used_by",
    ]
    readonly_fields = [
        "name", "version", "kind", "owner", "content_hash", "is_practice", "revealed_at", "created_at", "counts",
        "warned_of", "cases_link", "used_by",
    ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        counts = {f"n_{split}": Count("cases", filter=Q(cases__split=split)) for split in SPLITS}
        with_image = Count("cases", filter=~Q(cases__image=""))
        rows = super().get_queryset(request).filter(pk__in=datasets_visible_to(request.user).values("pk"))
        return rows.annotate(**counts, n_with_image=with_image)

    @admin.display(ordering="n_public")
    def public(self, dataset: Any) -> int:
        return int(dataset.n_public)

    @admin.display(ordering="n_private")
    def private(self, dataset: Any) -> int:
        return int(dataset.n_private)

    @admin.display(ordering="n_sample")
    def sample(self, dataset: Any) -> int:
        return int(dataset.n_sample)

    @admin.display(description="with image", ordering="n_with_image")
    def with_image(self, dataset: Any) -> int:
        return int(dataset.n_with_image)

    @admin.action(description="Publish truth and nonce for ever (all phases ended)", permissions=["change"])
    def reveal(self, request: HttpRequest, rows: QuerySet[Dataset]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, bulk_actions.reveal, "published", audited_as="publish")

    @admin.display(description="commitment")
    def short_hash(self, dataset: Dataset) -> str:
        return dataset.content_hash[:12]

    @admin.display(description="cases")
    def counts(self, dataset: Any) -> str:
        shown = [f"{getattr(dataset, f'n_{split}')} {Split(split).label}" for split in SPLITS]
        return "; ".join([*shown, f"{dataset.n_with_image} with an image"])

    @admin.display(description="warnings")
    def warned_of(self, dataset: Dataset) -> str | SafeString:
        return format_html_join("", "<p>{}</p>", ((warning,) for warning in dataset.warnings)) or NOTHING

    @admin.display(description="list of cases")
    def cases_link(self, dataset: Dataset) -> SafeString:
        url = reverse("admin:submissions_case_changelist")
        return format_html('<a href="{}?dataset__id__exact={}">Show the cases</a>', url, dataset.pk)

    @admin.display(description="phases")
    def used_by(self, dataset: Dataset) -> str | SafeString:
        links = [change_link(phase) for phase in dataset.phases.all()]
        return format_html(", ".join(["{}"] * len(links)), *links) if links else NOTHING


@admin.register(Case)
class CaseAdmin(ReadOnly):
    """The origin of each case; labels and predictions are not shown."""

    list_display = ["public_id", "position", "dataset", "split", "patient", "has_image"]
    list_filter = ["split", "dataset"]
    list_select_related = ["dataset"]
    list_per_page = 100
    show_full_result_count = False
    search_fields = ["public_id", "patient"]
    fields = ["public_id", "position", "dataset", "split", "patient", "shown_facts", "image"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Hide cases on the admin's index: staff reach them through a dataset."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        return super().get_queryset(request).defer("truth", "facts")

    @admin.display(description="facts")
    def shown_facts(self, case: Case) -> str | SafeString:
        lines = case.dataset.task.shown(case.facts).items()
        return format_html_join(mark_safe("<br>"), "{}: {}", lines) if lines else NOTHING

    @admin.display(boolean=True, description="image")
    def has_image(self, case: Case) -> bool:
        return bool(case.image)
