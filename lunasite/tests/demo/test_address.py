"""The address that a site's pages name, and the one it listens on."""

import os
import socket

import pytest
from django.core.management import CommandError, call_command

from lunasite.management.commands import start
from lunasite.management.commands.start import _tell_address


@pytest.mark.parametrize(
    ("configured", "told"),
    [("http://localhost:8000", "http://localhost:8141"), ("https://lunasite.example", "unchanged")],
)
def test_pages_name_the_port_of_the_site_unless_an_address_was_set(configured, told, settings, monkeypatch):
    monkeypatch.setenv("SITE_URL", "unchanged")
    settings.SITE_URL = configured
    _tell_address(8141)
    assert os.environ["SITE_URL"] == told


@pytest.mark.django_db
def test_a_site_that_is_no_demo_tells_its_port_too(settings, monkeypatch):
    """Of the processes that `start` begins, none is begun here: what they would inherit is looked at."""
    inherited = {}

    class Started:
        def __init__(self, programs):
            assert programs

        def run(self):
            inherited.update(os.environ)
            return 0

    monkeypatch.setenv("SITE_URL", "http://localhost:8000")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setattr(start, "Supervisor", Started)
    monkeypatch.setattr(start, "call_command", lambda *names, **options: None)
    settings.DEMO, settings.SITE_URL = False, "http://localhost:8000"
    call_command("start", port=8142)
    assert inherited["SITE_URL"] == "http://localhost:8142"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("bind", "listens"), [("::", "[::]:8143"), ("[::1]", "[::1]:8143"), ("127.0.0.1", "127.0.0.1:8143")]
)
def test_a_site_listens_on_addresses_of_either_kind(bind, listens, settings, monkeypatch):
    """A machine that has IPv6 alone takes `--bind ::`; gunicorn wants brackets around it, the socket's call none."""
    begun = []

    class Started:
        def __init__(self, programs):
            begun.extend(programs)

        def run(self):
            return 0

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setattr(start, "Supervisor", Started)
    monkeypatch.setattr(start, "call_command", lambda *names, **options: None)
    settings.DEMO, settings.SITE_URL = False, "https://lunasite.example"
    call_command("start", port=8143, bind=bind)
    command = begun[0].command
    assert command[command.index("--bind") + 1] == listens


def test_a_taken_port_of_ipv6_is_said_to_be_taken():
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", 0))
        other.listen()
        with pytest.raises(CommandError, match="Address already in use"):
            start._check_port_is_free("::1", other.getsockname()[1])
