"""Challenges: who organises them, on which terms people take part, and whether they are seen."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from submissions.admin.base import OwnChallengesAdmin
from submissions.models import Challenge
from submissions.models.audit import record


@admin.register(Challenge)
class ChallengeAdmin(OwnChallengesAdmin):
    challenge_path = ""
    list_display = ["title", "slug", "is_hidden", "needs_approval", "of_phases", "created_at"]
    list_filter = ["is_hidden", "needs_approval"]
    search_fields = ["title", "slug", "tagline"]
    prepopulated_fields = {"slug": ["title"]}
    filter_horizontal = ["organisers"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    fieldsets = [
        (None, {"fields": ["title", "slug", "tagline", "forum_url", "is_hidden", "texts"]}),
        ("Who takes part", {"fields": ["needs_approval", "organisers"]}),
    ]

    readonly_fields = ["texts"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Challenge]:
        return super().get_queryset(request).annotate(n_phases=Count("phases", distinct=True))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer staff accounts as organisers: nobody else gets into the admin."""
        if db_field.name == "organisers":
            options["queryset"] = get_user_model().objects.filter(is_staff=True, is_active=True)
        return super().formfield_for_manytomany(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: Challenge, form: Any, change: bool) -> None:
        """Write into the audit log that it was made, changed, shown or hidden."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if change and "is_hidden" in form.changed_data:
                record(request.user, "hide" if obj.is_hidden else "publish", obj)
            record(request.user, "change" if change else "open", obj, note=", ".join(form.changed_data))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Make who opens a challenge one of its organisers."""
        super().save_related(request, form, formsets, change)
        if not change:
            form.instance.organisers.add(request.user.pk)

    @admin.display(description="overview, rules, news, pictures")
    def texts(self, challenge: Challenge) -> str | SafeString:
        """Lead to the pages that keep versions."""
        if challenge.pk is None:
            return "Edited on the challenge's page, once it is saved."
        return format_html('<a href="{}">Edit them on the challenge\'s page</a>', challenge.get_absolute_url())

    @admin.display(description="phases", ordering="n_phases")
    def of_phases(self, challenge: Any) -> SafeString:
        url = reverse("admin:submissions_phase_changelist")
        return format_html('<a href="{}?challenge__id__exact={}">{}</a>', url, challenge.pk, challenge.n_phases)
