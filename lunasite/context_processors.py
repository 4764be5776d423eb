"""Context processor: the variables that every template gets."""

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from submissions.mail import SITE_NAME
from submissions.models import Message, Pause
from submissions.outages.pauses import recent_maintenance


def maintenance() -> Pause | None:
    """Return the current maintenance, None also where the database cannot say."""
    try:
        return recent_maintenance()
    except DatabaseError:
        return None


def unread_messages(request: HttpRequest) -> int:
    """Return how many messages the person has not read; 0 also where the database cannot say."""
    user = getattr(request, "user", None)
    try:
        return Message.objects.visible_to(user).unread().count() if user and user.is_authenticated else 0
    except DatabaseError:
        return 0


def site(request: HttpRequest) -> dict[str, object]:
    return {
        "SITE_NAME": SITE_NAME,
        "SITE_URL": settings.SITE_URL,
        "SOURCE_URL": settings.SOURCE_URL,
        "DEMO": settings.DEMO,
        "MAINTENANCE": SimpleLazyObject(maintenance),
        "IMAGE_REGISTRIES": settings.IMAGE_REGISTRIES,
        "UNREAD": SimpleLazyObject(lambda: unread_messages(request)),
        "SENDS_MAIL": bool(settings.EMAIL_HOST),
    }
