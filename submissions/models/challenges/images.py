"""Images that organisers uploaded for the texts of a challenge; the bytes are in the store."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse

from submissions.models.challenges.challenge import Challenge


class ChallengeImage(models.Model):
    """One image, decoded and encoded anew by us. `name` is of our making: a digest and the format's ending."""

    challenge = models.ForeignKey(Challenge, on_delete=models.CASCADE, related_name="images")
    name = models.CharField(max_length=40)
    original_name = models.CharField(max_length=120)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()
    is_logo = models.BooleanField(default=False, help_text="Shown beside the challenge's title.")
    uploaded_at = models.DateTimeField(auto_now_add=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-uploaded_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["challenge", "name"], name="an_image_is_kept_once"),
            models.UniqueConstraint(
                fields=["challenge"], condition=models.Q(is_logo=True), name="one_logo_of_a_challenge"
            ),
        ]

    def __str__(self) -> str:
        return self.original_name

    def get_absolute_url(self) -> str:
        return reverse("challenge_image", kwargs={"slug": self.challenge.slug, "name": self.name})

    @property
    def key(self) -> str:
        """Its key in the store."""
        return f"challenge-images/{self.challenge_id}/{self.name}"
