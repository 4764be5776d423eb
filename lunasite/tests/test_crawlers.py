"""robots.txt, sitemap.xml and favicon.ico, and what a shared link shows."""

import xml.etree.ElementTree as ET

import pytest

from submissions.models import NewsPost
from submissions.tests.factories import make_phase, make_staff

pytestmark = pytest.mark.django_db
NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}


def test_the_sitemap_lists_what_anybody_may_see(client):
    seen, hidden = make_phase(slug="seen"), make_phase(slug="hidden", is_hidden=True)
    make_phase(slug="private-board", board_is_public=False)
    client.force_login(make_staff("organiser", seen, hidden))  # the list is the same for everybody
    tree = ET.fromstring(client.get("/sitemap.xml").content)
    found = {node.text.partition("testserver")[2] for node in tree.iterfind("s:url/s:loc", NAMES)}
    assert {"/", "/leaderboards/", "/phases/seen/", "/leaderboards/seen/", "/phases/private-board/"} <= found
    assert not {"/phases/hidden/", "/leaderboards/hidden/", "/leaderboards/private-board/"} & found


@pytest.mark.slow
def test_the_sitemap_lists_challenges_their_tabs_and_their_news(client, django_assert_max_num_queries):
    seen = make_phase(slug="seen", rules="Be fair.").challenge
    hidden = make_phase(slug="hidden", is_hidden=True).challenge
    for challenge in (seen, hidden):
        NewsPost.objects.create(challenge=challenge, title="t", body="b", author_name="olga")
    make_phase(slug="unruled")
    with django_assert_max_num_queries(12):
        tree = ET.fromstring(client.get("/sitemap.xml").content)
    found = {node.text.partition("testserver")[2] for node in tree.iterfind("s:url/s:loc", NAMES)}
    assert {"/terms/", "/privacy/", "/imprint/"} <= found
    for tab in ("", "data/", "news/", "rules/", f"news/{seen.news.get().pk}/"):
        assert f"/challenges/seen/{tab}" in found, tab
    assert "/challenges/unruled/" in found
    assert "/challenges/unruled/rules/" not in found  # there are none
    assert not [path for path in found if "hidden" in path]
    assert {client.get(path).status_code for path in found} == {200}


def test_robots_txt_names_the_sitemap(client):
    text = client.get("/robots.txt").content.decode()
    assert "Sitemap: http://localhost:8000/sitemap.xml" in text
    assert "Disallow: /admin/" in text


def test_the_icon_is_there(client):
    assert client.get("/favicon.ico", follow=False)["Location"].endswith(".ico")


def test_a_shared_link_has_a_title_and_a_picture(client):
    make_phase(slug="p", title="Lesions & more")
    text = client.get("/leaderboards/p/").content.decode()
    assert 'content="Leaderboard of Lesions &amp; more"' in text
    assert 'content="http://localhost:8000/leaderboards/p/"' in text


@pytest.mark.parametrize("address", ["/no/such/page", "/leaderboards/none/"])
def test_an_error_keeps_the_navigation(client, address):
    text = client.get(address).content.decode()
    assert 'aria-label="Site"' in text
    assert "Sign in" in text
