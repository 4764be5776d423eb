"""Context processor: the variables that every template gets."""

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from submissions.models import Pause
from submissions.outages.pauses import recent_maintenance


def maintenance() -> Pause | None:
    """Return the current maintenance, None also where the database cannot say."""
    try:
        return recent_maintenance()
    except DatabaseError:
        return None


def site(request: HttpRequest) -> dict[str, object]:
    return {
        "SITE_NAME": "lunasite",
        "SITE_URL": settings.SITE_URL,
        "DEMO": settings.DEMO,
        "MAINTENANCE": SimpleLazyObject(maintenance),
        "IMAGE_REGISTRIES": settings.IMAGE_REGISTRIES,
        "SENDS_MAIL": bool(settings.EMAIL_HOST),
    }
