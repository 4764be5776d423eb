"""The address that a site's pages name."""

import os

import pytest
from django.core.management import call_command

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
