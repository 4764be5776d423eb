"""Phases: opened, limited and checked here; warnings show what an organiser may have overlooked."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from submissions.admin import bulk_actions
from submissions.admin.base import OwnChallengesAdmin
from submissions.admin.bulk_actions import run_bulk_action
from submissions.admin.lists.display import NOTHING
from submissions.admin.phase_form import PhaseForm, QuotaForm
from submissions.datasets.access import datasets_visible_to
from submissions.models import Challenge, Evaluation, Phase, Quota, Submission
from submissions.models.access import ALL_PHASES
from submissions.models.audit import record
from submissions.phases.opening import announce_ranking
from submissions.phases.warnings import people_warnings, phase_warnings

PUBLISHED = {"is_hidden": "the phase", "board_is_public": "its leaderboard"}


class QuotaInline(admin.TabularInline):
    model = Quota
    form = QuotaForm
    extra = 1
    verbose_name_plural = "quotas: all of them hold at once"


@admin.register(Phase)
class PhaseAdmin(OwnChallengesAdmin):
    challenge_path = "challenge"
    form = PhaseForm
    list_display = ["name", "dataset", "state", "tries", "sent", "opens_at", "closes_at"]
    list_display_links = ["name"]
    list_filter = ["is_hidden", "accepts_csv", "accepts_docker", "dataset__kind"]
    list_select_related = ["dataset"]
    search_fields = ["title", "slug"]
    prepopulated_fields = {"slug": ["title"]}
    autocomplete_fields = ["dataset"]
    inlines = [QuotaInline]
    actions = ["re_evaluate_all"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": ["title", "slug", "challenge", "dataset", "description", "advice"]}),
        ("When and for whom", {"fields": [("opens_at", "closes_at"), ("is_hidden", "board_is_public"), "priority"]}),
        ("Who takes part", {"fields": ["team_size_limit"]}),
        ("What it takes", {"fields": [("accepts_csv", "accepts_docker")]}),
        ("Ranking", {"fields": ["metric", "tie_breaks", "decimals"]}),
        ("What participants see", {
            "description": "docs/reference/disclosure.md has the whole list, and what a try can read from it.",
            "fields": ["disclosure", "ladder_step", ("score_digits", "interval_digits")],
        }),
        ("Limits of a container", {
            "description": "Frozen into each submission when it is sent: a change holds for later ones.",
            "fields": [
                ("memory_mib", "root_mib", "cpus", "gpu"), ("timeout_s", "startup_s"),
                ("predict_timeout_s", "parallel"), "batch_slugs",
            ],
        }),
    ]  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Phase | None = None) -> list[str]:
        """Fix the challenge, whose rules people accepted, and the dataset, by which scores are compared.

        The challenge is fixed with the first save, the dataset with the first submission. The priority puts a phase
        before those of others: it is of whoever decides about all of them.
        """
        fixed = ["dataset"] if obj and obj.submissions.exists() else []
        of_all = [] if request.user.has_perm(ALL_PHASES) else ["priority"]
        return ["advice", *fixed, *of_all, *(["challenge"] if obj else [])]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer and take only the datasets that the user may see, and challenges that the user may change."""
        if db_field.name == "dataset":
            options["queryset"] = datasets_visible_to(request.user)
        if db_field.name == "challenge":
            options["queryset"] = Challenge.objects.managed_by(request.user, "submissions.change_challenge")
        return super().formfield_for_foreignkey(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: Phase, form: Any, change: bool) -> None:
        """Write what was published or hidden, and that it was changed, into the audit log."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            for name in {"is_hidden", "board_is_public"} & set(form.changed_data) if change else ():
                is_shown = getattr(obj, name) != (name == "is_hidden")
                record(request.user, "publish" if is_shown else "hide", obj, note=PUBLISHED[name])
            record(request.user, "change" if change else "open", obj, note=", ".join(form.changed_data))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Phase]:
        rows = super().get_queryset(request).prefetch_related("quotas")
        return rows.annotate(n_sent=Count("submissions", distinct=True))

    @admin.display(description="phase", ordering="title")
    def name(self, phase: Phase) -> SafeString:
        return format_html("{}<br><small>{}</small>", phase.title, phase.slug)

    @admin.display
    def state(self, phase: Phase) -> str:
        now = timezone.now()
        if phase.has_ended(now):
            return "ended"
        return ("open" if phase.is_open(now) else "to come") + (", hidden" if phase.is_hidden else "")

    @admin.display
    def tries(self, phase: Phase) -> str:
        return "; ".join(map(str, phase.quotas.all())) or "without limit"

    @admin.display(description="submissions", ordering="n_sent")
    def sent(self, phase: Any) -> SafeString:
        url = reverse("admin:submissions_submission_changelist")
        return format_html('<a href="{}?phase__id__exact={}">{}</a>', url, phase.pk, phase.n_sent)

    @admin.display(description="worth knowing")
    def advice(self, phase: Phase) -> str | SafeString:
        if phase.pk is None:
            found = [*people_warnings(None), "The rest is shown once the phase is saved."]
        else:
            found = phase_warnings(phase)
        lines = format_html_join("", "<li>{}</li>", ((line,) for line in found))
        return format_html("<ul>{}</ul>", lines) if lines else NOTHING

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Recompute the board when the ranking rules were changed."""
        super().save_related(request, form, formsets, change)
        if not change and not request.user.has_perm(ALL_PHASES):
            form.instance.challenge.organisers.add(request.user.pk)
        for sentence in announce_ranking(form.instance, form.changed_data) if change else ():
            self.message_user(request, sentence, messages.SUCCESS)

    @admin.action(description="Evaluate every scored submission once more…", permissions=["change"])
    def re_evaluate_all(self, request: HttpRequest, rows: QuerySet[Phase]) -> HttpResponse | None:
        """Ask for confirmation first: this may keep the workers busy for days."""
        finished = Submission.objects.filter(phase__in=rows, evaluations__is_current=True)
        if "confirmed" in request.POST:
            chosen = finished.select_related("phase__dataset", "team").order_by("created_at")
            return run_bulk_action(self, request, chosen, bulk_actions.re_evaluate, "queued again")
        context = self.admin_site.each_context(request) | {
            "title": "Evaluate every scored submission once more",
            "opts": self.opts,
            "phases": rows,
            "count": finished.count(),
            "waiting": Evaluation.objects.waiting().count(),
        }
        return TemplateResponse(request, "admin/submissions/phase/re_evaluate_all.html", context)
