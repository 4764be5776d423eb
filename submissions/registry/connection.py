"""Connect to allowed hosts only: resolve each host once, check its addresses, and connect to the checked address.

No proxies, no redirects, TLS verified; plain HTTP only to loopback, for a registry on this machine.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Collection, Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from submissions.faults import ParticipantError
from submissions.registry.errors import RegistryUnavailable

CALL_TIMEOUT_S = 30.0


class Hosts:
    """The allowed hosts, and the addresses they had when first resolved."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed)
        self._addresses: dict[str, str] = {}

    def request(self, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """GET a URL of an allowed host; the caller closes the response.

        Raises ParticipantError for a host that is not allowed, RegistryUnavailable for one that does not answer.
        """
        host, path, is_plain = self._checked(url)
        connection = self._connection(host, is_plain)
        try:
            connection.request("GET", path, headers={**headers, "Connection": "close"})
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise RegistryUnavailable(f"{host}: {type(error).__name__}: {error}") from error

    def _checked(self, url: str) -> tuple[str, str, bool]:
        parts = urlsplit(url)
        host = parts.netloc.lower()
        if host not in self._allowed:
            raise ParticipantError(
                "REGISTRY_NOT_ALLOWED",
                "The registry sends to a host that this site does not allow; upload the image instead.",
                staff_detail=f"host {host!a} is not in IMAGE_REGISTRIES",
            )
        is_plain = is_loopback(host)
        if parts.scheme != ("http" if is_plain else "https"):
            raise ParticipantError("REGISTRY_NOT_ALLOWED", staff_detail=f"scheme {parts.scheme!a} to {host}")
        return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), is_plain

    def _connection(self, host: str, is_plain: bool) -> http.client.HTTPConnection:
        name, port = split_host(host)
        address = self._address(name, port or (80 if is_plain else 443), may_be_loopback=is_plain)
        if is_plain:
            connection = http.client.HTTPConnection(name, port, timeout=CALL_TIMEOUT_S)
        else:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(name, port, timeout=CALL_TIMEOUT_S, context=context)
        # Connect to the checked address without a second look-up; TLS and the Host header still use the host's name.
        connection._create_connection = lambda place, timeout, source: socket.create_connection(  # type: ignore[attr-defined]
            (address, place[1]), timeout
        )
        return connection

    def _address(self, name: str, port: int, *, may_be_loopback: bool) -> str:
        if name not in self._addresses:
            try:
                found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise RegistryUnavailable(f"{name}: {error}") from error
            # IPv4 first: a registry on this machine often listens only there.
            addresses = sorted((str(info[4][0]) for info in found), key=lambda address: ":" in address)
            if not all(is_acceptable(address, may_be_loopback=may_be_loopback) for address in addresses):
                raise RegistryUnavailable(f"{name} resolves to {addresses}, which is not the address of a registry")
            self._addresses[name] = addresses[0]
        return self._addresses[name]


def split_host(host: str) -> tuple[str, int | None]:
    """Return a host's name and port."""
    name, _, port = host.partition(":")
    return name, int(port) if port else None


def is_loopback(host: str) -> bool:
    """Return whether an allowed host is this machine, judged by its name alone."""
    name, _ = split_host(host)
    return name in ("localhost", "127.0.0.1")


def is_acceptable(address: str, *, may_be_loopback: bool) -> bool:
    """Return whether a registry may have this address. Private addresses are allowed: the operator named the host."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return may_be_loopback
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved)
