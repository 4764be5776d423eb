"""The audit log: read and searched, never written by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from submissions.admin.base import ReadOnly
from submissions.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    list_display = ["at", "actor_name", "action", "target", "team_name", "phase", "note"]
    list_filter = ["action", "target_type", "at", ("phase", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["phase"]
    list_per_page = 100
    search_fields = ["actor_name", "action", "team_name", "target_name", "target_id", "note", "phase__slug"]
    date_hierarchy = "at"
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        rows = super().get_queryset(request)
        return rows.filter(pk__in=AuditEvent.objects.visible_to(request.user).values("pk"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("submissions.view_auditevent")

    @admin.display(description="what")
    def target(self, event: AuditEvent) -> str:
        return f"{event.target_type} {event.target_name}"
