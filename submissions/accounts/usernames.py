"""Confusable user names: refuse the second one at sign-up (UTS #39)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models.signals import post_save
from django.dispatch import receiver

from submissions.models import UsernameSkeleton
from submissions.text.confusables import skeleton
from submissions.text.reserved_names import is_reserved

TAKEN = "This name is taken, or looks like one that is; choose another."


def check_username(username: str) -> None:
    """Raise ValidationError for a name that is invisible, looks like an organiser, or is taken already."""
    if not (key := skeleton(username)):
        raise ValidationError("Nothing of this name can be seen; choose another.")
    if is_reserved(username):
        raise ValidationError("This name could be taken for the organisers'; choose another.")
    if UsernameSkeleton.objects.filter(skeleton=key).exists():
        raise ValidationError(TAKEN)


def owns_its_name(user: Any) -> bool:
    """Return whether the user was the first with a name that looks like this one."""
    return UsernameSkeleton.objects.filter(user=user).exists()


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="keep the skeleton of a user's name")
def keep_skeleton(instance: Any, raw: bool = False, update_fields: Any = None, **options: Any) -> None:
    """Store the skeleton of a new user name; a user made by an operator may share a skeleton and then has no row."""
    if raw or (update_fields is not None and "username" not in update_fields):
        return
    key = skeleton(instance.username)
    if not UsernameSkeleton.objects.filter(user=instance, skeleton=key).exists():
        UsernameSkeleton.objects.filter(user=instance).delete()
        UsernameSkeleton.objects.bulk_create([UsernameSkeleton(user=instance, skeleton=key)], ignore_conflicts=True)
