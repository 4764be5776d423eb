"""News: published, edited, read in a feed reader."""

import feedparser
import pytest

from submissions.challenges.news import edit, publish
from submissions.models import AuditEvent, NewsPost
from submissions.signals import news_published
from submissions.tests.factories import make_challenge, make_phase, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def phase():
    return make_phase(slug="p")


@pytest.fixture
def olga(client, phase):
    olga = make_staff("organiser", phase, name="olga")
    client.force_login(olga)
    return olga


@pytest.mark.slow
def test_organisers_publish_edit_and_delete_in_the_browser(client, olga, phase):
    told = []

    def note(sender, post, **_):
        told.append(post.title)

    news_published.connect(note)
    try:
        form = {"title": " Data \u200bfixed ", "body": "Version **2**\x00\x0b is out."}
        assert client.post("/challenges/p/news/write/", form | {"preview": "1"}).status_code == 200
        assert not NewsPost.objects.exists()
        answer = client.post("/challenges/p/news/write/", form)
        post = NewsPost.objects.get()
        assert answer["Location"] == f"/challenges/p/news/{post.pk}/"
        assert (post.title, post.body, post.author_name) == ("Data fixed", "Version **2** is out.", "olga")
        client.post(f"/challenges/p/news/{post.pk}/edit/", {"title": "Data mended", "body": "Yes."})
    finally:
        news_published.disconnect(note)
    assert told == ["Data fixed"]
    assert "changed" in client.get(f"/challenges/p/news/{post.pk}/").content.decode()
    assert client.post(f"/challenges/p/news/{post.pk}/edit/", {"title": "", "body": "kept"}).status_code == 400
    client.post(f"/challenges/p/news/{post.pk}/edit/", {"delete": "1"})
    assert not NewsPost.objects.exists()
    actions = AuditEvent.objects.filter(challenge=phase.challenge).order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["publish", "edit", "delete"]


def test_the_feeds_are_atom_and_hold_what_everybody_may_see(client, olga, phase):
    hidden = make_challenge(slug="hidden", is_hidden=True)
    post = publish(challenge=phase.challenge, title="A < B & C", body="<b>x</b> [y](https://example.org)", author=olga)
    secret = publish(challenge=hidden, title="Secret", body="s", author=olga)
    edit(post=post, title="A < B & C", body=post.body, editor=olga)
    for address in ("/news.atom", "/challenges/p/news.atom"):
        answer = client.get(address)
        assert answer["Content-Type"].startswith("application/atom+xml")
        feed = feedparser.parse(answer.content)
        assert not feed.bozo, feed.get("bozo_exception")
        assert feed.version == "atom10"
        (entry,) = feed.entries
        assert entry.title == "A &lt; B &amp; C" or entry.title == "A < B & C"
        assert entry.link == f"http://testserver/challenges/p/news/{post.pk}/"
        assert entry.author == "olga"
        assert entry.updated_parsed >= entry.published_parsed
        assert '<a href="https://example.org"' in entry.summary
        assert "&lt;b&gt;" in entry.summary
    assert secret.title not in client.get("/news.atom").content.decode()
    assert client.get("/challenges/hidden/news.atom").status_code == 404


def test_another_challenge_s_post_is_not_found_below_this_one(client, olga, phase):
    other = publish(challenge=make_challenge(slug="q"), title="x", body="x", author=olga)
    assert client.get(f"/challenges/p/news/{other.pk}/").status_code == 404
    assert client.post(f"/challenges/p/news/{other.pk}/edit/", {"delete": "1"}).status_code == 404
    assert NewsPost.objects.filter(pk=other.pk).exists()
