"""Rate limits per caller. Calls are counted in the call log, so a limit holds across all processes and hosts.

Counting reads every call of the last minute. So a process that has just counted grants the caller a share of the
remaining calls without another count, for at most a second. Near the limit the share is zero: each call is counted.
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
# Other processes may have granted a share too. The share is small, so that together they hardly exceed the limit.
SHARE = 32
GRANT_S = 1.0
MAX_GRANTS = 1000
# Error codes of refused calls in the log. Such calls are not counted: otherwise a caller who keeps calling would stay
# locked out.
REFUSED = ("FORBIDDEN", "TOO_MANY_REQUESTS")


@dataclass
class Grant:
    """Calls granted without another count, until a time of time.monotonic()."""

    calls: int
    until: float


_grants: dict[tuple[Any, ...], Grant] = {}
_lock = Lock()


def rate_of(scope: str) -> tuple[int, float]:
    """Return (calls, seconds) of a scope of DEFAULT_THROTTLE_RATES; 0 calls means no limit."""
    rates: Any = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    text = rates.get(scope)
    calls, seconds = SimpleRateThrottle.parse_rate(SimpleRateThrottle.__new__(SimpleRateThrottle), text)
    return calls or 0, float(seconds or 0)


def wait_s(request: Any, endpoints: tuple[str, ...]) -> float | None:
    """Return the seconds the caller must wait before the next call, or None when it may call now."""
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
    """Use up one granted call; return whether there was one."""
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
