"""The client's address, read the same way for limits, lock-outs and logs, so that all of them agree on the caller."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the client's address; of X-Forwarded-For, only the entries that our PROXY_COUNT proxies added count."""
    proxies = int(settings.REST_FRAMEWORK["NUM_PROXIES"] or 0)  # type: ignore[arg-type]
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if proxies and forwarded[0]:
        return forwarded[-min(proxies, len(forwarded))].strip()
    return request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104  a name for an unknown client, nothing binds to it
