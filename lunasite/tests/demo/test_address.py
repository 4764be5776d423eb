"""The address that the demo's pages name."""

import os

import pytest

from lunasite.management.commands.start import _tell_address


@pytest.mark.parametrize(
    ("configured", "told"),
    [("http://localhost:8000", "http://localhost:8141"), ("https://lunasite.example", "unchanged")],
)
def test_the_demo_s_pages_name_its_port_unless_an_address_was_set(configured, told, settings, monkeypatch):
    monkeypatch.setenv("SITE_URL", "unchanged")
    settings.SITE_URL = configured
    _tell_address(8141)
    assert os.environ["SITE_URL"] == told
