"""Rate limits that hold exactly, however many calls arrive at once and at however many processes.

REST framework's throttle reads a list of calls from the cache and writes it back: of 120 parallel calls at 60 a minute,
88 passed. Here the list is a row that is read and written under its lock. The window slides: after any call, the
next minute holds no more than the rate.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from lunasite.http.client_address import client_network
from lunasite.http.models import CallCount


def seconds_to_wait(key: str, calls: int, window_s: float, now: float) -> float | None:
    """Count a call of `key` and return None, or how long to wait where `calls` were counted in the last `window_s`."""
    with transaction.atomic():
        row = CallCount.objects.select_for_update().filter(key=key).first() or _new_row(key, now)
        recent = [at for at in row.times if at > now - window_s]
        if len(recent) >= calls:
            return max(0.0, recent[len(recent) - calls] + window_s - now)
        CallCount.objects.filter(pk=row.pk).update(times=[*recent, now], expires_at=now + window_s)
    return None


def _new_row(key: str, now: float) -> CallCount:
    """Make the caller's row, and drop those whose calls are past; another process may be faster with the same row."""
    CallCount.objects.filter(expires_at__lt=now).delete()
    try:
        with transaction.atomic():
            CallCount.objects.create(key=key, expires_at=now)
    except IntegrityError:
        pass
    return CallCount.objects.select_for_update().get(key=key)


class ExactThrottle(ScopedRateThrottle):
    """The scope's rate, for the signed-in user or the caller's network."""

    def get_ident(self, request: Request) -> str:
        return client_network(getattr(request, "_request", request))

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the call. The key is a digest: the table holds no addresses."""
        self.scope = getattr(view, self.scope_attr, None)
        if not self.scope or not (rate := self.get_rate()):
            return True
        calls, window_s = self.parse_rate(rate)
        if calls is None or window_s is None:
            return True
        ident = f"user {request.user.pk}" if request.user and request.user.is_authenticated else self.get_ident(request)
        digest = sha256(f"{self.scope} {ident}".encode()).hexdigest()
        self._wait_s = seconds_to_wait(f"{self.scope} {digest}", calls, window_s, time.time())
        return self._wait_s is None

    def wait(self) -> float | None:
        return self._wait_s
