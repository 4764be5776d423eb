"""An import of a dataset: the files an organiser sent, how far a worker is with them, and what it found."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from submissions.models.access import holds_everywhere
from submissions.models.dataset import Dataset, kind_choices
from submissions.models.evaluation import StatusConflict

# A worker reports at least once a volume, which has five minutes (submissions.datasets.volume_check).
LOST_AFTER = timedelta(minutes=10)
# The files of an import that was not kept: long enough to correct a table, short enough for hidden data.
FILES_LIVE = timedelta(days=2)
IMPORT_PERMISSION = "submissions.add_dataset"


class ImportQuerySet(models.QuerySet["DatasetImport"]):
    def visible_to(self, user: Any) -> ImportQuerySet:
        """Return the user's own imports; who imports for every phase sees all."""
        return self if holds_everywhere(user, IMPORT_PERMISSION) else self.filter(user=user)

    def waiting(self) -> ImportQuerySet:
        return self.filter(state=DatasetImport.State.WAITING)

    def running(self) -> ImportQuerySet:
        return self.filter(state=DatasetImport.State.RUNNING)

    def with_files(self) -> ImportQuerySet:
        return self.exclude(truth_key="", images_key="")

    def with_files_due(self, now: datetime) -> ImportQuerySet:
        """Return those whose files are needed no more: imported, or left alone for two days."""
        open_states = (DatasetImport.State.WAITING, DatasetImport.State.RUNNING)
        old = Q(finished_at__lte=now - FILES_LIVE) & ~Q(state__in=open_states)
        return self.with_files().filter(old | Q(state=DatasetImport.State.IMPORTED))


class DatasetImport(models.Model):
    """The row decides, never the queue: a worker claims it, reports to it, and loses it when it is stopped.

    attempt: fences off a worker that was taken for lost. truth_key, images_key: in the store of submissions; hidden
    data, deleted as soon as the dataset is stored, else two days after the last word. problems: as the command prints
    them. changes: ids that differ from the version before, no label (submissions.datasets.changes).
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting for a worker"
        RUNNING = "running", "running"
        CHECKED = "checked", "checked: nothing is stored"
        IMPORTED = "imported", "imported"
        REFUSED = "refused", "refused: nothing is stored"
        FAILED = "failed", "failed by our fault: nothing is stored"
        STOPPED = "stopped", "stopped: nothing is stored"

    TRANSITIONS = {
        State.WAITING: (State.RUNNING, State.STOPPED),
        State.RUNNING: (State.WAITING, State.CHECKED, State.IMPORTED, State.REFUSED, State.FAILED, State.STOPPED),
        State.CHECKED: (State.WAITING,),
        State.REFUSED: (State.WAITING,),
        State.FAILED: (State.WAITING,),
        State.STOPPED: (State.WAITING,),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="dataset_imports")
    kind = models.CharField(max_length=40, choices=kind_choices)
    name = models.CharField(max_length=80)
    options = models.JSONField(default=dict, help_text="As `manage.py import_dataset` takes them.")
    is_dry_run = models.BooleanField(default=False)
    truth_name = models.CharField(max_length=255)
    truth_key = models.CharField(max_length=300, blank=True)
    images_name = models.CharField(max_length=255, blank=True)
    images_key = models.CharField(max_length=300, blank=True)
    images_bytes = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING, db_index=True)
    attempt = models.PositiveIntegerField(default=0)
    step = models.CharField(max_length=60, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    problems = models.JSONField(default=list)
    n_problems = models.PositiveIntegerField(default=0)
    warnings = models.JSONField(default=list)
    counts = models.JSONField(default=dict, help_text="Cases by split.")
    changes = models.JSONField(null=True, default=None)
    dataset = models.ForeignKey(Dataset, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, help_text="The last word of its worker.")
    finished_at = models.DateTimeField(null=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} from {self.truth_name}"

    @property
    def is_over(self) -> bool:
        return self.state not in (self.State.WAITING, self.State.RUNNING)

    @property
    def has_files(self) -> bool:
        return bool(self.truth_key)

    def transition_to(self, state: str, **fields: Any) -> None:
        """Change the state and save `fields` with it, in a single UPDATE.

        Raises StatusConflict if TRANSITIONS forbids it, or another process was first.
        """
        row = DatasetImport.objects.filter(pk=self.pk, state=self.state, attempt=self.attempt)
        is_allowed = state in self.TRANSITIONS.get(self.State(self.state), ())
        if not is_allowed or row.update(state=state, **fields) == 0:
            raise StatusConflict(f"import {self.pk}: {self.state} to {state}")
        self.refresh_from_db()
