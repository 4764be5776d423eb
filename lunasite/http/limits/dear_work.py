"""Dear pages: what takes a processor for long is computed once for its inputs, and one at a time for each caller.

A comparison, the check of a CSV, an export or an occlusion map costs up to seconds of a processor, and a page may be
reloaded for ever. The result is kept in the cache under a digest of its inputs. What is not there yet is computed, by
a caller at most one at a time, and at most THROTTLE_DEAR of them in a period. What cannot be kept but costs some
hundredth of a second (a slice, a search) is counted alone: THROTTLE_PAGES.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from hashlib import sha256
from typing import Any, TypeVar

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from lunasite.http.client_address import client_network
from lunasite.http.errors import ApiError, busy_page
from lunasite.http.limits.throttling import forget, key_of, rate_of, seconds_to_wait
from lunasite.http.page_cache.content_version import content_version

Result = TypeVar("Result")
Answer = TypeVar("Answer", bound=HttpResponseBase)
KEPT_S = 3600
# A process that ends while it computes leaves its mark; after this time the caller may compute again.
MAX_S = 120.0
MARK = "dear-mark"


def caller_of(request: Any) -> str:
    """Return who asks: the person, or of a visitor the network."""
    return f"user:{request.user.pk}" if request.user.is_authenticated else network_of(request)


def network_of(request: Any) -> str:
    return f"network:{client_network(getattr(request, '_request', request))}"


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


def remembered_of_content(
    kind: str, inputs: tuple[object, ...], compute: Callable[[], Result], *, caller: str
) -> Result:
    """Return the same of a result that depends on the public content too; where that has no version it is not kept."""
    version = content_version()
    if version is None:
        with one_at_a_time(caller):
            return compute()
    return remembered(kind, (version, *inputs), compute, caller=caller)


@contextmanager
def one_at_a_time(caller: str) -> Iterator[None]:
    """Mark the caller as computing. Raises ApiError(429) when it already is, or has been too often.

    The mark is a row, as the counts are: the cache may drop one at any time, for others' pages.
    """
    mark = key_of(MARK, caller)
    if seconds_to_wait(mark, 1, MAX_S, time.time()) is not None:
        raise too_many("Your last page is still being computed; wait until it is there.", 2)
    try:
        count_call("dear", caller)
        yield
    finally:
        forget(mark)


def count_call(scope: str, caller: str) -> None:
    """Count a call of a scope. Raises ApiError(429) beyond its rate."""
    calls, window_s = rate_of(scope)
    if calls and (wait_s := seconds_to_wait(key_of(scope, caller), calls, window_s, time.time())) is not None:
        raise too_many(f"That was often: at most {calls} {_each(window_s)}. Wait a little.", wait_s)


def _each(window_s: float) -> str:
    names = {1.0: "a second", 60.0: "a minute", 3600.0: "an hour", 86_400.0: "a day"}
    return names.get(window_s, f"in {window_s:g} s")


def paced(
    view: Callable[..., Answer], caller: Callable[[Any], str] = caller_of
) -> Callable[..., Answer | HttpResponse]:
    """Count each call of a page by its caller; beyond THROTTLE_PAGES the answer is 429 with a sentence."""

    @wraps(view)
    def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> Answer | HttpResponse:
        try:
            count_call("pages", caller(request))
        except ApiError as busy:
            return busy_page(request, busy)
        return view(request, *args, **kwargs)

    return counted


def paced_without_session(view: Callable[..., Answer]) -> Callable[..., Answer | HttpResponse]:
    """Do the same by the network alone, for a page whose answer must not vary by a cookie."""
    return paced(view, network_of)


def dear_page(view: Callable[..., Answer]) -> Callable[..., Answer | HttpResponse]:
    """Let a page raise ApiError(429) from `remembered` and the like: it becomes the page that says so."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> Answer | HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except ApiError as busy:
            if busy.status_code != 429:
                raise
            return busy_page(request, busy)

    return answered


def too_many(message: str, wait_s: float) -> ApiError:
    return ApiError(429, "TOO_MANY_REQUESTS", message, retry_after_s=wait_s)
