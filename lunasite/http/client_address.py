"""The client's address, read in one way everywhere: limits, lock-outs and logs must count the same caller as one."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the client's address; X-Forwarded-For counts only as far as PROXY_COUNT of our proxies wrote it."""
    proxies = int(settings.REST_FRAMEWORK["NUM_PROXIES"] or 0)  # type: ignore[arg-type]
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if proxies and forwarded[0]:
        return forwarded[-min(proxies, len(forwarded))].strip()
    return request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104  no address to bind: what an unknown client is called
