"""The public profile, which shows nothing until its person says so."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """What other people may read of a person; without `is_public`, nothing."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile")
    is_public = models.BooleanField("Show my profile to everybody", default=False)
    display_name = models.CharField("Name", max_length=80, blank=True)
    affiliation = models.CharField(max_length=120, blank=True, help_text="University, hospital or company.")
    homepage = models.URLField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.display_name or self.user.get_username()
