"""The client's address, read the same way for limits, lock-outs and logs, so that all of them agree on the caller."""

from __future__ import annotations

import ipaddress
import time

import structlog
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

log = structlog.get_logger(__name__)
UNEXPECTED_PROXY = "unexpected-forwarded-for"
REMEMBERED_S = 86_400
SAID_AGAIN_AFTER_S = 3600.0
_said_at: list[float] = []


def client_address(request: HttpRequest) -> str:
    """Return the client's address; of X-Forwarded-For, only the entries that our PROXY_COUNT proxies added count."""
    proxies = int(settings.REST_FRAMEWORK["NUM_PROXIES"] or 0)  # type: ignore[arg-type]
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if forwarded[0] and not proxies:
        _note_unexpected_proxy()
    if proxies and forwarded[0]:
        return forwarded[-min(proxies, len(forwarded))].strip()
    return request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104  a name for an unknown client, nothing binds to it


def client_network(request: HttpRequest) -> str:
    """Return the address by which a client is counted."""
    return subscriber(client_address(request))


def subscriber(address: str) -> str:
    """Return an address as it is counted: IPv4 as it is, of IPv6 the first address of its /64, without a port.

    A subscriber gets a whole /64, and may call from each of its addresses; a port is another at each connection.
    """
    try:
        parsed = ipaddress.ip_address(_host_of(address).partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network(f"{parsed}/64", strict=False).network_address)


def _host_of(address: str) -> str:
    """Return an address without the port that some proxies (IIS, Azure) write behind it into X-Forwarded-For."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _note_unexpected_proxy() -> None:
    """Log, at most once an hour, and remember for /ready: behind a proxy all clients would count as one."""
    now = time.monotonic()
    if _said_at and now - _said_at[-1] < SAID_AGAIN_AFTER_S:
        return
    _said_at[:] = [now]
    log.warning("X-Forwarded-For arrives, but PROXY_COUNT is 0: all clients behind that proxy count as one address")
    cache.set(UNEXPECTED_PROXY, "1", REMEMBERED_S)


def has_unexpected_proxy() -> bool:
    """Return whether a request within a day brought X-Forwarded-For although PROXY_COUNT is 0."""
    return not settings.REST_FRAMEWORK["NUM_PROXIES"] and cache.get(UNEXPECTED_PROXY) == "1"
