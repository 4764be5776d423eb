"""Skeletons of user names, so that a new user cannot imitate another."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from submissions.text.confusables import MAX_SKELETON


class UsernameSkeleton(models.Model):
    """The skeleton of one user's name; the unique column decides between two users who sign up at the same time."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="name_skeleton")
    skeleton = models.CharField(max_length=MAX_SKELETON, unique=True)

    def __str__(self) -> str:
        return self.skeleton
