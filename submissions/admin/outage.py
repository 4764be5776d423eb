"""Pauses, incidents and hosts: what stops evaluations now, and the verbs that end it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from submissions.actions.queue import CLUSTERS
from submissions.admin.base import ReadOnly
from submissions.database_clock import database_now
from submissions.models import Host, Incident, Pause, Worker
from submissions.models.audit import record
from submissions.models.outage import MAINTENANCE, host_scope, queue_scope
from submissions.outages import hosts, pauses


class PauseForm(forms.ModelForm):
    """A new pause: of a queue, of a host that reported itself, or of everything that changes the site."""

    scope = forms.ChoiceField(label="What to stop")

    class Meta:
        model = Pause
        fields = ["scope", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scope" in self.fields:
            self.fields["scope"].choices = list(scopes().items())  # type: ignore[attr-defined]


def scopes() -> dict[str, str]:
    """Return what can be stopped now, as scope and words."""
    named = {MAINTENANCE: "Maintenance: pages can be read, nothing new is taken"}
    named |= {queue_scope(cluster): f"The queue '{cluster}'" for cluster in CLUSTERS.values()}
    names = {*Worker.objects.values_list("host", flat=True), *Host.objects.values_list("name", flat=True)}
    return named | {
        host_scope(name): f"The host {name}: it finishes what it runs and takes no more" for name in sorted(names)
    }


@admin.register(Pause)
class PauseAdmin(admin.ModelAdmin):
    """Adding a row stops something, deleting the row starts it again."""

    form = PauseForm
    list_display = ["scope", "reason", "by", "since"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Pause, form: Any, change: bool) -> None:
        pauses.pause(obj.scope, reason=obj.reason, actor=request.user)
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Pause) -> None:
        pauses.resume(obj.scope, actor=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Pause]) -> None:
        for scope in queryset.values_list("scope", flat=True):
            pauses.resume(scope, actor=request.user)


@admin.register(Incident)
class IncidentAdmin(ReadOnly):
    list_display = ["part", "scope", "opened_at", "closed_at", "waiting"]
    list_filter = ["part", ("closed_at", admin.EmptyFieldListFilter)]
    search_fields = ["scope", "detail"]


@admin.register(Host)
class HostAdmin(ReadOnly):
    list_display = ["name", "seen_at", "state", "problem", "failures_in_a_row", "last_success_at"]
    list_filter = [("quarantined_at", admin.EmptyFieldListFilter)]
    search_fields = ["name"]
    actions = ["end_quarantine"]

    @admin.display
    def state(self, host: Host) -> str:
        if host.quarantined_at:
            return f"quarantine: {host.quarantine_reason}"
        if pauses.is_drained(host.name):
            return "drained"
        return "works" if host.is_seen(database_now()) else "silent"

    @admin.action(description="End the quarantine", permissions=["view"])
    def end_quarantine(self, request: HttpRequest, rows: QuerySet[Host]) -> None:
        if not request.user.has_perm("submissions.change_host"):
            messages.error(request, "You may not change hosts.")
            return
        ended = [host for host in rows if hosts.end_quarantine(host.name)]
        for host in ended:
            record(request.user, "end quarantine", host)
        messages.success(request, f"{len(ended)} take work again.")
