"""Workers, as they report themselves."""

from __future__ import annotations

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from submissions.admin.base import ReadOnly
from submissions.admin.lists.display import NOTHING, age
from submissions.models import Worker


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    list_display = [
        "name",
        "alive",
        "seen",
        "cluster",
        "takes_containers",
        "refusal",
        "engine_version",
        "free",
        "code_version",
        "up",
    ]
    list_filter = ["cluster", "takes_containers", "host"]
    search_fields = ["name", "host"]

    @admin.display(boolean=True)
    def alive(self, worker: Worker) -> bool:
        return worker.is_alive(timezone.now())

    @admin.display(description="heartbeat", ordering="seen_at")
    def seen(self, worker: Worker) -> str:
        return f"{age(worker.seen_at)} ago"

    @admin.display(description="engine's free space", ordering="engine_free_bytes")
    def free(self, worker: Worker) -> str:
        return NOTHING if worker.engine_free_bytes is None else filesizeformat(worker.engine_free_bytes)

    @admin.display(description="up for", ordering="started_at")
    def up(self, worker: Worker) -> str:
        return age(worker.started_at)
