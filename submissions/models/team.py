"""Teams: users who share a quota and a row on the board."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from submissions.text.confusables import MAX_SKELETON, skeleton

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def new_code() -> str:
    """Return a join code: 60 bits, without look-alike letters."""
    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(12))


class SkeletonField(models.CharField):
    """The skeleton of the row's `name`, updated on every save; unique, so that the database refuses look-alikes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": MAX_SKELETON, "unique": True, "editable": False, **options})

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        value = skeleton(model_instance.name)  # type: ignore[attr-defined]
        setattr(model_instance, self.attname, value)
        return value


class Team(models.Model):
    """One or more people; a user alone is a team of one, made when first needed."""

    name = models.CharField(max_length=80, unique=True)
    skeleton = SkeletonField()
    code = models.CharField(max_length=24, unique=True, default=new_code, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    served_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When a worker last claimed an evaluation of it."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Report in a form what the unique column would refuse with an error page."""
        if Team.objects.exclude(pk=self.pk).filter(skeleton=skeleton(self.name)).exists():
            raise ValidationError({"name": "That team name is taken, or looks like one that is; choose another."})


class Membership(models.Model):
    """One user in one team; the one-to-one column makes a second team impossible."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="membership")
    is_owner = models.BooleanField(default=False)
    joined_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class TeamInvitation(models.Model):
    """An invitation by mail: only the digest of its secret is stored, and it is good once, until it expires."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.email} to {self.team}"


def team_of(user: User | AnonymousUser) -> Team | None:
    """Return the user's team, or None for a user without one (or not signed in)."""
    if not user.is_authenticated:
        return None
    membership = Membership.objects.select_related("team").filter(user=user).first()
    return membership.team if membership else None
