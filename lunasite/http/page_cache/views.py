"""The decorator of a view whose answer may be kept for visitors who are not signed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from datetime import datetime
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers

from lunasite.http.page_cache.content_version import content_version
from lunasite.http.page_cache.pages import KeptPage, Pages, etag_of

View = Callable[..., HttpResponse]
# What no statement tells, such as a file or a setting of another process, shows after this at the latest.
KEEP_S = 60.0
# Headers on which a kept answer may depend: they are part of its key. Whoever sends a cookie gets no kept answer.
HTMX = ("HTTP_HX_REQUEST", "HTTP_HX_HISTORY_RESTORE_REQUEST", "HTTP_HX_BOOSTED")
VARY = ("Cookie", "HX-Request", "HX-History-Restore-Request", "HX-Boosted")
# Any store may keep it, and must ask whether it is still current before each use.
CACHE_CONTROL = "public, no-cache"

PAGES: Pages[KeptPage] = Pages()
# Notices that do not come from the view: the values go into the key.
_notices: list[Callable[[], Hashable]] = []


def depends_on(notice: Callable[[], Hashable]) -> None:
    """Let every kept page depend on a value that each page shows, such as the maintenance notice."""
    _notices.append(notice)


def kept_for_visitors(until: Callable[[datetime], datetime | None]) -> Callable[[View], View]:
    """Keep a view's answers to GET requests of visitors who are not signed in.

    until: returns the next moment after the given one at which the page changes by itself, None if it does not.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def kept_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            kept_as = _asked(request)
            if kept_as is None or (page := PAGES.get(*kept_as)) is None:
                response = view(request, *args, **kwargs)
                if kept_as is None or not _may_be_kept(request, response):
                    return response
                key, version = kept_as
                page = _page_of(response, version, until)
                PAGES.keep(key, page)
            response = page.response()
            return get_conditional_response(request, etag=page.etag, response=response) or response

        return kept_view

    return decorate


def _asked(request: HttpRequest) -> tuple[Hashable, str] | None:
    """Return the key of the page and the version of the content if the request may get a kept answer, else None."""
    if request.method != "GET" or request.COOKIES.keys() - {settings.CSRF_COOKIE_NAME}:
        return None
    if "HTTP_AUTHORIZATION" in request.META:
        return None
    try:
        version = content_version()
        return None if version is None else (_key(request), version)
    except DatabaseError:  # the view meets it as well, and answers as every page does
        return None


def _key(request: HttpRequest) -> Hashable:
    sent = tuple(request.META.get(name) for name in HTMX)
    return (request.scheme, request.get_host(), request.get_full_path(), sent, *(notice() for notice in _notices))


def _may_be_kept(request: HttpRequest, response: HttpResponse) -> bool:
    """Return whether the answer is a page for everybody: nothing of it was made for this visitor."""
    if response.status_code != 200 or response.streaming or response.cookies or response.has_header("Cache-Control"):
        return False
    # Exceptions to the site's headers, which a middleware reads from the answer itself.
    if any(name.startswith(("_csp", "xframe")) for name in vars(response)):
        return False
    # A form's token belongs to one visitor, and a session that was written to will set a cookie.
    if request.META.get("CSRF_COOKIE_NEEDS_UPDATE") or request.session.modified:
        return False
    varies_on = {name.strip().lower() for name in response.get("Vary", "").split(",") if name.strip()}
    return varies_on <= {name.lower() for name in VARY}


def _page_of(response: HttpResponse, version: str, until: Callable[[datetime], datetime | None]) -> KeptPage:
    patch_vary_headers(response, VARY)
    response["Cache-Control"] = CACHE_CONTROL
    response["ETag"] = etag_of(response.content)
    return KeptPage(version, time.monotonic() + seconds_to_keep(until), response.content, dict(response.items()))


def seconds_to_keep(until: Callable[[datetime], datetime | None]) -> float:
    """Return for how long what is made now may be kept. until: as in `kept_for_visitors`."""
    now = timezone.now()
    change = until(now)
    return KEEP_S if change is None else min(KEEP_S, (change - now).total_seconds())
