"""Model archives: weights a team keeps, to be combined with any of its images."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from submissions.models.team import Team, team_of


class ModelArchiveQuerySet(models.QuerySet["ModelArchive"]):
    def visible_to(self, user: Any) -> ModelArchiveQuerySet:
        """A team's own; staff have no business with them."""
        team = team_of(user)
        return self.filter(team=team) if team else self.none()


class ModelArchive(models.Model):
    """A .tar.gz that its submissions find laid out at /opt/ml/model. Its id is that of its upload, if any."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="model_archives")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="model_archives")
    file = models.CharField(max_length=300, help_text="Key in the submissions storage.")
    original_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = ModelArchiveQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.original_name
