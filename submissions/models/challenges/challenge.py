"""The challenge: what people come to take part in. It groups phases, which share organisers, rules and approval."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from submissions.models.access import ALL_PHASES, holds


class ChallengeQuerySet(models.QuerySet["Challenge"]):
    def visible_to(self, user: Any) -> ChallengeQuerySet:
        """Return the challenges that `user` may see.

        A challenge of which every phase is hidden is as hidden as they are; one without any phase is announced.
        """
        # By name: phases know their challenge, so this file cannot import them.
        phases = apps.get_model("submissions", "Phase")._default_manager.filter(challenge=OuterRef("pk"))
        to_everybody = Q(is_hidden=False) & (Q(Exists(phases.filter(is_hidden=False))) | ~Q(Exists(phases)))
        if not holds(user, "submissions.view_challenge"):
            return self.filter(to_everybody)
        if user.has_perm(ALL_PHASES):
            return self
        own = Challenge.organisers.through.objects.filter(user=user).values("challenge")
        return self.filter(to_everybody | Q(pk__in=own))

    def managed_by(self, user: Any, permission: str) -> ChallengeQuerySet:
        """Return the challenges for which `user` holds a permission."""
        if not holds(user, permission):
            return self.none()
        return self if user.has_perm(ALL_PHASES) else self.filter(organisers=user)


class Challenge(models.Model):
    """A place with one or more phases. Its organisers decide about the phases and about who takes part."""

    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    tagline = models.CharField(max_length=200, blank=True, help_text="One line below the title.")
    overview = models.TextField(blank=True, help_text="What it is about; Markdown.")
    forum_url = models.URLField("forum", blank=True, help_text="Where participants talk, such as https://….")
    is_hidden = models.BooleanField(default=False, help_text="Only its organisers see it, and none of its phases.")
    organisers = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="organised_challenges",
        help_text="They decide about this challenge; the group `organiser` gives them the permissions.",
    )  # fmt: skip
    needs_approval = models.BooleanField(
        "participants need approval",
        default=False,
        help_text="Each person asks with a sentence; you accept or decline.",
    )
    rules = models.TextField(
        blank=True, help_text="Markdown that each participant must accept before the first submission. Empty: none."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ChallengeQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "slug"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("challenge", kwargs={"slug": self.slug})
