"""The foot of each page."""

import re

import pytest

pytestmark = pytest.mark.django_db


def at_the_foot(client):
    page = client.get("/terms/").content.decode().partition('<footer class="site-footer">')[2]
    return dict(re.findall(r'<a href="([^"]*)">([^<]*)</a>', page))


def test_the_foot_leads_to_guide_terms_privacy_status_and_source(client, settings):
    settings.SOURCE_URL = "https://git.example.org/lunasite"
    found = at_the_foot(client)
    assert {"Participant guide", "Terms", "Privacy", "Status", "Source"} <= set(found.values())
    assert found["https://git.example.org/lunasite"] == "Source"


def test_without_an_address_of_the_source_there_is_no_link(client, settings):
    settings.SOURCE_URL = ""
    assert "Source" not in at_the_foot(client).values()
