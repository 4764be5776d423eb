"""Where a webhook may lead: never into the operator's own network (server-side request forgery)."""

import socket

import pytest

from submissions.webhooks import connection
from submissions.webhooks.connection import NoAnswer, NotAllowed, checked_url, is_public, post, resolved


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
        "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1", "2002:7f00:1::", "2001::1", "2001:db8::1", "192.0.0.8", "192.88.99.1", "fec0::1", "3fff::1",
        "5f00::1", "::7f00:1", "::ffff:0:7f00:1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_called(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_that_are(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "https://", "",
        "example.org", "//example.org/", "https://user:pw@example.org/", "https://user@example.org/",
        "https://example.org/#x", "https://example.org:0/", "https://example.org:99999/", "https://exa mple.org/",
        "https://example.org/\r\nX-Evil: 1", "https://ex\u00e4mple.org/", "javascript:alert(1)", "https://[::1/",
    ],
)  # fmt: skip
def test_urls_that_are_refused(url):
    with pytest.raises(NotAllowed):
        checked_url(url, [])


@pytest.mark.parametrize("url", ["https://example.org/", "https://example.org:8443/a?b=c", "https://[2606:4700::1]/x"])
def test_urls_that_are_taken(url):
    assert checked_url(url, []).hostname


def test_only_a_host_that_the_operator_named_may_be_private_and_plain():
    assert checked_url("http://localhost:9000/", ["localhost:9000"])
    for url in ("http://localhost:9001/", "http://localhost/", "http://other:9000/"):
        with pytest.raises(NotAllowed):
            checked_url(url, ["localhost:9000"])


def answers(monkeypatch, *addresses):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::1"]])
def test_one_private_address_among_those_of_a_name_is_enough_to_refuse(monkeypatch, addresses):
    answers(monkeypatch, *addresses)
    with pytest.raises(NotAllowed, match="not a public one"):
        resolved(checked_url("https://rebinding.example/", []), [])


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://2130706433/", "https://0x7f.1/", "https://[::1]/"])
def test_spellings_of_this_machine_are_seen_through(url):
    with pytest.raises((NotAllowed, NoAnswer)):
        resolved(checked_url(url, []), [])


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    """A second look-up would let a name answer differently the second time (DNS rebinding)."""
    answers(monkeypatch, "8.8.8.8")
    called = []

    def connect(place, timeout=None):
        called.append(place)
        raise OSError

    monkeypatch.setattr(connection.socket, "create_connection", connect)
    with pytest.raises(NoAnswer, match="the connection failed"):
        post("https://rebinding.example/", b"", {}, [])
    assert called == [("8.8.8.8", 443)]


def test_a_name_that_does_not_resolve_is_no_answer(monkeypatch):
    def fail(*args, **options):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NoAnswer, match="does not resolve"):
        post("https://nowhere.example/", b"", {}, [])
