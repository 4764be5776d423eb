"""Connect to an address that a participant chose: no server-side request forgery (SSRF), no endless wait.

The host is resolved once, every address it has is checked, and the connection goes to a checked one, so that a second
look-up cannot give another (DNS rebinding). No proxies, no redirects, TLS verified. Of the answer only the status is
read: what an internal service would say never reaches the participant.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

STEP_TIMEOUT_S = 5.0  # to connect, and between two bytes
TOTAL_TIMEOUT_S = 15.0  # from the connection on: a server that drips bytes holds no worker
NOT_IN_TIME = "it did not answer in time"
# IPv6 addresses that lead to an IPv4 address: NAT64 (RFC 6052, 8215), 6to4 and Teredo.
TRANSLATED = [ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]
# Not of the Internet either, which older Pythons do not know: protocol assignments (RFC 6890), 6to4 relays (RFC 7526),
# site-local addresses (RFC 3879), documentation (RFC 9637), segment routing (RFC 9602).
SPECIAL = [ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "3fff::/20", "5f00::/16")]


class NotAllowed(Exception):
    """An address that this site does not call; the text says why, without naming what it resolves to."""


class NoAnswer(Exception):
    """The host did not answer as HTTP; the text says how, in words of ours."""


def checked_url(url: str, private_hosts: Collection[str]) -> SplitResult:
    """Return the parts of a URL that may be a webhook's. Raises NotAllowed.

    private_hosts: hosts (with their port, where one is named) that may be private, and may be called without TLS.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAllowed("This is not an address.") from None
    if (
        not parts.hostname
        or port == 0
        or not url.isascii()
        or any(not char.isprintable() or char == " " for char in url)
    ):
        raise NotAllowed("This is not an address.")
    if parts.username is not None or parts.password is not None:
        raise NotAllowed("An address with a user name or password is not taken; the signature proves who sends.")
    if parts.fragment:
        raise NotAllowed("An address with a # part is not taken.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_named(parts, private_hosts)):
        raise NotAllowed("The address must begin with https://.")
    return parts


def is_named(parts: SplitResult, private_hosts: Collection[str]) -> bool:
    """Return whether the operator named this host: it may be private, and called without TLS."""
    return parts.netloc.lower() in private_hosts or (parts.hostname or "") in private_hosts


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public Internet, also after any translation to IPv4."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        elif any(ip in net for net in TRANSLATED):
            return False
    if any(ip in net for net in SPECIAL):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


def resolved(parts: SplitResult, private_hosts: Collection[str]) -> str:
    """Return one address of the host, all of which are allowed. Raises NotAllowed, NoAnswer."""
    try:
        found = socket.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoAnswer("the host's name does not resolve") from None
    addresses = sorted((str(info[4][0]) for info in found), key=lambda address: ":" in address)
    if not is_named(parts, private_hosts) and not all(is_public(address) for address in addresses):
        raise NotAllowed("the host's address is not a public one")
    return addresses[0]


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def post(url: str, body: bytes, headers: Mapping[str, str], private_hosts: Collection[str]) -> int:
    """POST a body and return the HTTP status; the answer's body is not read. Raises NotAllowed, NoAnswer."""
    parts = checked_url(url, private_hosts)
    connection = _connection(parts, resolved(parts, private_hosts))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = _Deadline(connection, TOTAL_TIMEOUT_S)
    try:
        with deadline:
            connection.request("POST", path, body=body, headers={**headers, "Connection": "close"})
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(_why(error, deadline)) from None
    finally:
        connection.close()
    if deadline.has_passed:  # what was shut reads like an answer that ends
        raise NoAnswer(NOT_IN_TIME)
    return status


def _why(error: Exception, deadline: _Deadline) -> str:
    """Say how a connection ended: one that the deadline shut breaks in whatever it was doing."""
    if deadline.has_passed or isinstance(error, TimeoutError):
        return NOT_IN_TIME
    if isinstance(error, ssl.SSLError):
        return "its TLS certificate or handshake was refused"
    return "the connection failed"


def _connection(parts: SplitResult, address: str) -> http.client.HTTPConnection:
    """Return a connection to a checked address; TLS and the Host header still use the host's name."""
    host, port = str(parts.hostname), _port(parts)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return _Https(host, port, timeout=STEP_TIMEOUT_S, context=context, address=address)
    return _Http(host, port, timeout=STEP_TIMEOUT_S, address=address)


class _Checked:
    """Connects to `address` instead of looking the host up again; keeps a second handle of the socket.

    The handle is what the deadline shuts: during the TLS handshake no other is reachable from outside.
    """

    handle: socket.socket | None = None

    def __init__(self, *arguments: object, address: str, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[call-arg]
        self._create_connection = self._connect_checked
        self._address = address

    def _connect_checked(self, place: tuple[str, int], timeout: float, source: object) -> socket.socket:
        made = socket.create_connection((self._address, place[1]), timeout)
        self.handle = made.dup()
        return made

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        if self.handle is not None:
            self.handle.close()
            self.handle = None


class _Http(_Checked, http.client.HTTPConnection):
    pass


class _Https(_Checked, http.client.HTTPSConnection):
    pass


class _Deadline:
    """Shut the connection after so many seconds, whatever it is doing."""

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self._connection = connection
        self.has_passed = False
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

    def _shut(self) -> None:
        self.has_passed = True
        handle = getattr(self._connection, "handle", None)
        try:
            if handle is not None:
                handle.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
