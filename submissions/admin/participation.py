"""Requests to take part: organisers accept or decline, and the person gets a mail."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from submissions.admin.base import ActionOnlyAdmin, OwnChallengesAdmin
from submissions.admin.bulk_actions import run_bulk_action
from submissions.models import Participation
from submissions.participation.requests import decide

Status = Participation.Status


@admin.register(Participation)
class ParticipationAdmin(ActionOnlyAdmin, OwnChallengesAdmin):
    challenge_path = "challenge"
    list_display = ["user", "challenge", "status", "request", "requested_at", "decided_by"]
    list_filter = ["status", ("challenge", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "challenge", "decided_by"]
    search_fields = ["user__username", "request"]
    actions = ["accept", "decline"]
    fieldsets = [
        (None, {"fields": ["user", "challenge", "status", "request", "requested_at"]}),
        ("Decision", {"fields": ["decided_by", "decided_at"]}),
        ("Rules", {"fields": ["rules_accepted_at", "rules_digest"]}),
    ]

    def fits(self, action: str, row: Any) -> bool:
        return bool(row.status != {"accept": Status.ACCEPTED, "decline": Status.DECLINED}.get(action))

    @admin.action(description="Accept", permissions=["change"])
    def accept(self, request: HttpRequest, rows: QuerySet[Participation]) -> HttpResponse | None:
        def verb(row: Participation) -> None:
            decide(participation=row, organiser=request.user, is_accepted=True)

        return run_bulk_action(self, request, rows, verb, "accepted", audited_as="")

    @admin.action(description="Decline", permissions=["change"])
    def decline(self, request: HttpRequest, rows: QuerySet[Participation]) -> HttpResponse | None:
        def verb(row: Participation) -> None:
            decide(participation=row, organiser=request.user, is_accepted=False)

        return run_bulk_action(self, request, rows, verb, "declined", audited_as="")
