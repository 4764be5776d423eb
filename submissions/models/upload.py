"""Uploads: files that arrive part by part."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from submissions.storage.base import PartsRef

LIFETIME = timedelta(days=2)
# What organisers send for their challenges: no team's, so no team's budget pays for it.
OF_ORGANISERS = ("dataset", "data")
OF_A_SUBMISSION = ("image", "model")


def end_of_life() -> datetime:
    """Return the expiry time of an upload begun now."""
    return timezone.now() + LIFETIME


class UploadQuerySet(models.QuerySet["Upload"]):
    def visible_to(self, user: Any) -> UploadQuerySet:
        """Return the user's own unexpired uploads; staff do not see those of others."""
        return self.filter(user=user, expires_at__gt=timezone.now())

    def unfinished(self) -> UploadQuerySet:
        return self.filter(is_complete=False)

    def expired(self) -> UploadQuerySet:
        return self.filter(expires_at__lte=timezone.now())


class Upload(models.Model):
    """One resumable upload. Only the store knows which parts have arrived; `handle` is its name for the file."""

    class Purpose(models.TextChoices):
        IMAGE = "image", "image of a submission"
        MODEL = "model", "model archive"
        PREDICTIONS = "csv", "predictions, kept until their sender confirms that the same file is sent again"
        DATASET = "dataset", "images of a dataset"
        DATA = "data", "file that a challenge hands out"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.IMAGE)
    original_name = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField()
    part_bytes = models.BigIntegerField()
    key = models.CharField(max_length=300)
    handle = models.CharField(max_length=400)
    declared_sha256 = models.CharField(max_length=64, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the whole file, once it was read.")
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text="Of its size, beginning and end: by it a browser goes on with a file."
    )
    is_complete = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=end_of_life)

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["expires_at"], name="uploads_by_expiry")]

    def __str__(self) -> str:
        return self.original_name

    @property
    def parts(self) -> PartsRef:
        return PartsRef(self.key, self.handle, self.size_bytes, self.part_bytes)
