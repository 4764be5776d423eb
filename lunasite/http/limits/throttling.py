"""Rate limits that hold exactly, however many calls arrive at once and at however many processes.

REST framework's throttle reads a list of calls from the cache and writes it back: of 120 parallel calls at 60 a minute,
88 passed. Here the calls are counted in a row that is read and written under its lock. The window slides: after any
call, the next minute holds no more than the rate.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle, SimpleRateThrottle

from lunasite.http.client_address import client_network
from lunasite.http.models import CallCount

# A row holds at most so many times. A higher rate counts its calls at the next hundredth of the window: later, so that
# never more pass than the rate, and a caller waits at most that much longer.
MAX_TIMES = 100


@dataclass(frozen=True)
class Counted:
    """What counting led to: calls taken, with the time at which they were counted, or how long to wait."""

    taken: int
    at: float
    left: int
    wait_s: float | None = None


def rate_of(scope: str) -> tuple[int, float]:
    """Return (calls, seconds) of a scope of DEFAULT_THROTTLE_RATES; 0 calls means no limit."""
    rates: Any = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    calls, window_s = SimpleRateThrottle.parse_rate(SimpleRateThrottle.__new__(SimpleRateThrottle), rates.get(scope))
    return calls or 0, float(window_s or 0)


def key_of(scope: str, caller: str) -> str:
    """Return the row's key. It is a digest: the table holds no addresses."""
    return f"{scope}:{sha256(f'{scope} {caller}'.encode()).hexdigest()}"


def seconds_to_wait(key: str, calls: int, window_s: float, now: float) -> float | None:
    """Count a call of `key` and return None, or how long to wait where `calls` were counted in the last `window_s`."""
    return take(key, calls, window_s, now).wait_s


def take(
    key: str, calls: int, window_s: float, now: float, *, most: int = 1, within_s: float = 0.0,
    given_back: tuple[float, int] | None = None,
) -> Counted:  # fmt: skip
    """Count up to `most` calls of `key`, if there is room, and say how many more there is room for.

    within_s: how long after `now` they may be made; they are counted as of then. given_back: (time, number) of calls
    that were counted before and not made.
    """
    at = now + within_s if calls <= MAX_TIMES else _next_step(now + within_s, window_s / MAX_TIMES)
    with transaction.atomic():
        row = CallCount.objects.select_for_update().filter(key=key).first() or _new_row(key, now)
        recent = {when: number for when, number in row.times if when > now - window_s}
        if given_back and given_back[0] in recent:
            recent[given_back[0]] -= min(given_back[1], recent[given_back[0]])
        left = calls - sum(recent.values())
        if left <= 0:
            return Counted(0, at, 0, max(0.0, _leaves(recent, 1 - left) + window_s - now))
        taken = min(most, left)
        recent[at] = recent.get(at, 0) + taken
        times = sorted(pair for pair in recent.items() if pair[1])
        CallCount.objects.filter(pk=row.pk).update(times=times, expires_at=at + window_s)
    return Counted(taken, at, left - taken)


def _next_step(now: float, step_s: float) -> float:
    return math.ceil(now / step_s) * step_s


def _leaves(recent: dict[float, int], number: int) -> float:
    """Return the time of the call after which so many of the oldest have left."""
    for at, count in sorted(recent.items()):
        number -= count
        if number <= 0:
            return at
    raise ValueError("fewer calls were counted")


def forget(key: str) -> None:
    """Forget what was counted of a key."""
    CallCount.objects.filter(key=key).delete()


def _new_row(key: str, now: float) -> CallCount:
    """Make the caller's row, and drop those whose calls are past; another process may be faster with the same row."""
    CallCount.objects.filter(expires_at__lt=now).delete()
    while True:
        try:
            with transaction.atomic():
                return CallCount.objects.create(key=key, expires_at=now)
        except IntegrityError:
            if row := CallCount.objects.select_for_update().filter(key=key).first():
                return row  # otherwise it was forgotten again meanwhile


class ExactThrottle(ScopedRateThrottle):
    """The scope's rate, for the signed-in user or the caller's network."""

    def get_ident(self, request: Request) -> str:
        return client_network(getattr(request, "_request", request))

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the call."""
        self.scope = getattr(view, self.scope_attr, None)
        if not self.scope or not (rate := self.get_rate()):
            return True
        calls, window_s = self.parse_rate(rate)
        if calls is None or window_s is None:
            return True
        ident = f"user {request.user.pk}" if request.user and request.user.is_authenticated else self.get_ident(request)
        self._wait_s = seconds_to_wait(key_of(self.scope, ident), calls, window_s, time.time())
        return self._wait_s is None

    def wait(self) -> float | None:
        return self._wait_s
