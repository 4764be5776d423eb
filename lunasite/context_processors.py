"""Context processor: the variables that every template gets."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    return {
        "SITE_NAME": "lunasite",
        "SITE_URL": settings.SITE_URL,
        "DEMO": settings.DEMO,
        "IMAGE_REGISTRIES": settings.IMAGE_REGISTRIES,
        "SENDS_MAIL": bool(settings.EMAIL_HOST),
    }
