"""Dear pages: what takes a processor for long is computed once for its inputs, and one at a time for each caller.

A comparison, the check of a CSV or an occlusion map costs up to seconds of a processor, and a page may be reloaded for
ever. The result is kept in the cache under a digest of its inputs. What is not there yet is computed, by a caller at
most one at a time, and at most THROTTLE_DEAR of them in a period.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from rest_framework.throttling import SimpleRateThrottle

from lunasite.http.errors import ApiError

Result = TypeVar("Result")
KEPT_S = 3600
# A process that ends while it computes leaves its mark; after this time the caller may compute again.
LONGEST_S = 120


def remembered(kind: str, inputs: tuple[object, ...], compute: Callable[[], Result], *, caller: str) -> Result:
    """Return the result for these inputs, computed now or before.

    inputs: everything that the result depends on; their texts must tell them apart. caller: who asks, such as "user:7".
    Raises ApiError(429) while the caller's last one is being computed, or beyond THROTTLE_DEAR; what compute raises
    is not kept.
    """
    key = f"dear:{kind}:{sha256(repr(inputs).encode()).hexdigest()}"
    if (kept := cache.get(key)) is not None:
        return kept[0]  # type: ignore[no-any-return]
    with one_at_a_time(caller):
        result = compute()
    cache.set(key, (result,), KEPT_S)
    return result


@contextmanager
def one_at_a_time(caller: str) -> Iterator[None]:
    """Mark the caller as computing. Raises ApiError(429) when it already is, or has been too often."""
    mark = f"dear-mark:{caller}"
    if not cache.add(mark, 1, LONGEST_S):
        raise too_many("Your last page is still being computed; wait until it is there.", 2)
    try:
        _count(caller)
        yield
    finally:
        cache.delete(mark)


def _count(caller: str) -> None:
    """Count a computation in the current period. The caller's mark makes reading and writing one step."""
    rates: Any = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    most, period_s = SimpleRateThrottle.parse_rate(SimpleRateThrottle.__new__(SimpleRateThrottle), rates.get("dear"))
    if most is None or period_s is None:
        return
    now = time.time()
    key = f"dear-count:{caller}:{int(now // period_s)}"
    count = cache.get(key, 0)
    if count >= most:
        raise too_many("That was often; wait a little.", period_s - now % period_s)
    cache.set(key, count + 1, period_s)


def too_many(message: str, wait_s: float) -> ApiError:
    return ApiError(429, "TOO_MANY_REQUESTS", message, retry_after_s=wait_s)
