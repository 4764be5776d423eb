"""User names that look alike: kept apart at sign-up, whoever is first (UTS #39)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models.signals import post_save
from django.dispatch import receiver

from submissions.models import UsernameSkeleton
from submissions.text.confusables import skeleton

RESERVED_NAMES = {"admin", "administrator", "organiser", "organizer", "staff", "root", "system", "lunasite"}
_RESERVED = {skeleton(name) for name in RESERVED_NAMES}
TAKEN = "This name is taken, or looks like one that is; choose another."


def check_username(username: str) -> None:
    """Raise ValidationError for a name that shows nothing, passes for the organisers' or is somebody's already."""
    if not (key := skeleton(username)):
        raise ValidationError("Nothing of this name can be seen; choose another.")
    if key in _RESERVED:
        raise ValidationError("This name could be taken for the organisers'; choose another.")
    if UsernameSkeleton.objects.filter(skeleton=key).exists():
        raise ValidationError(TAKEN)


def owns_its_name(user: Any) -> bool:
    """Say whether the user was the first with a name that looks like this one."""
    return UsernameSkeleton.objects.filter(user=user).exists()


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="keep the skeleton of a user's name")
def keep_skeleton(instance: Any, raw: bool = False, update_fields: Any = None, **options: Any) -> None:
    """Keep the row of a user whose name is new; an operator's user may share a skeleton and then has no row."""
    if raw or (update_fields is not None and "username" not in update_fields):
        return
    key = skeleton(instance.username)
    if not UsernameSkeleton.objects.filter(user=instance, skeleton=key).exists():
        UsernameSkeleton.objects.filter(user=instance).delete()
        UsernameSkeleton.objects.bulk_create([UsernameSkeleton(user=instance, skeleton=key)], ignore_conflicts=True)
