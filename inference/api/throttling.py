"""How often a caller may ask. Calls are counted in the log, so a limit holds over all processes and hosts.

Counting reads every call of the last minute again. So a process that has counted lets a caller make a share of the
calls that are left without counting anew, for a second at most. Near the limit the share is nothing: each call counts.
"""

from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from inference.call_log import caller_of
from inference.models import Prediction

LESION_ENDPOINTS = ("lesion", "lesion_batch", "try_lesion")
SLICE_ENDPOINTS = ("slice", "slice_batch", "try_slice")
# Other processes may have granted a share too: small, so that together they hardly pass the limit.
SHARE = 32
GRANT_S = 1.0
MAX_GRANTS = 1000
# What a call over the limit is logged as: were it counted, a caller who keeps asking would never be let in again.
REFUSED = ("FORBIDDEN", "TOO_MANY_REQUESTS")


@dataclass
class Grant:
    """Calls that need no counting, until a moment of time.monotonic()."""

    calls: int
    until: float


_grants: dict[tuple[Any, ...], Grant] = {}
_lock = Lock()


def rate_of(scope: str) -> tuple[int, float]:
    """Return (calls, seconds) of a scope of DEFAULT_THROTTLE_RATES; no calls at all means no limit."""
    rates: Any = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    text = rates.get(scope)
    calls, seconds = SimpleRateThrottle.parse_rate(SimpleRateThrottle.__new__(SimpleRateThrottle), text)
    return calls or 0, float(seconds or 0)


def wait_s(request: Any, endpoints: tuple[str, ...]) -> float | None:
    """Return how long the caller has to wait for the next call, or None when it may call now."""
    calls, seconds = rate_of("lesion" if "lesion" in endpoints else "slice")
    key = (caller_of(request), endpoints, calls, seconds)
    if not calls or take_granted(key):
        return None
    since = timezone.now() - timedelta(seconds=seconds)
    counted = Prediction.objects.by(key[0], endpoints, since).exclude(error_code__in=REFUSED)
    left = calls - counted.count()
    if left > 0:
        grant(key, left // SHARE)
        return None
    oldest = counted.order_by("-at").values_list("at", flat=True)[calls - 1]
    return max(1.0, (oldest - since).total_seconds())


def take_granted(key: tuple[Any, ...]) -> bool:
    """Use up one granted call, if there is one."""
    with _lock:
        given = _grants.get(key)
        if given is None or given.calls <= 0 or monotonic() > given.until:
            return False
        given.calls -= 1
        return True


def grant(key: tuple[Any, ...], calls: int) -> None:
    with _lock:
        if len(_grants) >= MAX_GRANTS:
            _grants.clear()
        _grants[key] = Grant(calls, monotonic() + GRANT_S)
