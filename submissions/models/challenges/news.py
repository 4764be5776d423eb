"""News of a challenge: written by its organisers, listed newest first, sent as a feed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse

from submissions.models.challenges.challenge import Challenge


class NewsQuerySet(models.QuerySet["NewsPost"]):
    def visible_to(self, user: Any) -> NewsQuerySet:
        """Return the posts of the challenges that `user` may see."""
        return self.filter(challenge__in=Challenge.objects.visible_to(user).order_by().values("pk"))


class NewsPost(models.Model):
    """One post. The author's name is copied, so that the post still says who wrote it."""

    challenge = models.ForeignKey(Challenge, on_delete=models.CASCADE, related_name="news")
    title = models.CharField(max_length=120)
    body = models.TextField(help_text="Markdown.")
    published_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    author_name = models.CharField(max_length=150)

    objects = NewsQuerySet.as_manager()

    class Meta:
        ordering = ["-published_at", "-pk"]
        indexes = [models.Index(fields=["challenge", "-published_at"], name="news_of_a_challenge")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("challenge_news_post", kwargs={"slug": self.challenge.slug, "number": self.pk})
