"""The queue's messages: staff see what waits, ran and failed, never what a message carries.

A mail waits there as it will be sent, with the link that resets a password or confirms an address.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django_q.admin import FailAdmin, QueueAdmin, ScheduleAdmin, TaskAdmin, resubmit_task
from django_q.models import Failure, OrmQ, Schedule, Success

# django-q2's own pages show the arguments to everyone with the view permission, and let them queue tasks again.
for model in (Schedule, Success, Failure, OrmQ):
    admin.site.unregister(model)
resubmit_task.allowed_permissions = ("change",)

NAMED = ("name", "group", "func", "cluster")
RAN = (*NAMED, "started", "stopped", "attempt_count")


class _Read:
    """Every field read-only, whoever looks."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return list(self.fields)  # type: ignore[attr-defined]


@admin.register(Success)
class SuccessAdmin(_Read, TaskAdmin):
    fields = RAN


@admin.register(Failure)
class FailureAdmin(_Read, FailAdmin):
    fields = (*RAN, "result")


@admin.register(OrmQ)
class WaitingAdmin(QueueAdmin):
    fields = ("key", "lock", "task_id", "name", "group", "func")
    readonly_fields = fields[2:]


@admin.register(Schedule)
class PlannedAdmin(ScheduleAdmin):
    """args, kwargs: given by code alone, which plans all that there is."""

    exclude = ("args", "kwargs")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "func", "hook"]
