"""The room for feedback pictures: at most FEEDBACK_MAX_PICTURES of them, with at most FEEDBACK_MAX_SIZE bytes."""

from __future__ import annotations

from django.conf import settings
from django.db.models import BigIntegerField, Count, ExpressionWrapper, F, Sum

from inference.models import Feedback
from lunasite.http.errors import ApiError

# An 8-bit grey PNG is hardly ever longer than its pixels: a filter byte a row, and the chunks around them.
PIXELS = ExpressionWrapper((F("width") + 1) * F("height"), output_field=BigIntegerField())


def check_room() -> None:
    """Raise ApiError(507, FEEDBACK_FULL) when no further picture may be kept.

    The bytes are counted as pixels, which bounds the files from above without a look at the disk.
    """
    kept = Feedback.objects.aggregate(pictures=Count("pk"), size=Sum(PIXELS))
    is_full = kept["pictures"] >= settings.FEEDBACK_MAX_PICTURES or (kept["size"] or 0) >= settings.FEEDBACK_MAX_BYTES
    if is_full:
        message = "This site keeps no more feedback pictures; nothing was stored. Tell the organisers."
        raise ApiError(507, "FEEDBACK_FULL", message)
