"""Teams and their members."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from submissions.admin.bulk_actions import run_bulk_action
from submissions.models import Membership, Team
from submissions.models.team import new_code
from submissions.teams.membership import take_out


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ["user"]
    fields = ["user", "is_owner", "joined_at"]
    readonly_fields = ["joined_at"]


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    list_display = ["name", "members", "sent", "created_at"]
    search_fields = ["name", "memberships__user__username"]
    fields = ["name", "code", "created_at", "submissions_link"]
    readonly_fields = ["code", "created_at", "submissions_link"]
    inlines = [MembershipInline]
    actions = ["new_code"]

    def get_fields(self, request: HttpRequest, obj: Team | None = None) -> Any:
        """Show the code only to who may change the team: it lets anybody in."""
        may_change = self.has_change_permission(request, obj)
        return [name for name in self.fields if may_change or name != "code"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        counts = {"n_members": Count("memberships", distinct=True), "n_sent": Count("submissions", distinct=True)}
        return super().get_queryset(request).annotate(**counts)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Let whoever is removed, or replaced by another user, go as by the team page: with the code and the rest."""
        saved = formset.save(commit=False)
        for membership in formset.deleted_objects:
            take_out(form.instance, membership)
        for membership, changed in formset.changed_objects:
            if "user" in changed:
                take_out(form.instance, Membership.objects.get(pk=membership.pk))
                membership.pk = None
        for membership in saved:
            membership.save()
        formset.save_m2m()

    @admin.display(ordering="n_members")
    def members(self, team: Any) -> int:
        return int(team.n_members)

    @admin.display(description="submissions", ordering="n_sent")
    def sent(self, team: Any) -> int:
        return int(team.n_sent)

    @admin.display(description="submissions")
    def submissions_link(self, team: Team) -> SafeString:
        url = reverse("admin:submissions_submission_changelist")
        return format_html('<a href="{}?team__id__exact={}">Show what the team sent</a>', url, team.pk)

    @admin.action(description="Give a new code to join by", permissions=["change"])
    def new_code(self, request: HttpRequest, rows: QuerySet[Team]) -> HttpResponse | None:
        return run_bulk_action(self, request, rows, _renew_code, "given a new code")


def _renew_code(team: Team) -> None:
    Team.objects.filter(pk=team.pk).update(code=new_code())
