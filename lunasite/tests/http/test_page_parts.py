"""Parts of pages kept for signed-in readers too: nobody sees in them what another may see, or what was before."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError
from django.test import Client

from leaderboard.tests import boards
from lunasite.http.page_cache import parts
from lunasite.http.page_cache.parts import PARTS, kept_part
from submissions.models import Challenge, Phase, Team
from submissions.tests import factories

MEMBER, STAFF = SimpleNamespace(is_staff=False), SimpleNamespace(is_staff=True)


@pytest.fixture(autouse=True)
def nothing_kept():
    PARTS.clear()


@pytest.fixture
def versions(monkeypatch):
    """The version of the content: the last of a list."""
    found = ["v1"]
    monkeypatch.setattr(parts, "content_version", lambda: found[-1])
    return found


def made(user, key="a", *, calls=[]):  # noqa: B006 — counts over all calls of a test
    return kept_part(user, key, lambda now: None, lambda: calls.append(key) or len(calls))


def test_a_part_is_made_once_for_a_version_and_a_key(versions):
    first = made(MEMBER)
    assert made(MEMBER) == first
    assert made(MEMBER, "b") == first + 1
    versions.append("v2")
    assert made(MEMBER) == first + 2


def test_for_staff_it_is_made_anew_and_kept_for_nobody(versions):
    first = made(STAFF)
    assert made(STAFF) == first + 1
    assert made(MEMBER) == first + 2


@pytest.mark.parametrize("unknown", ["none", "away"])
def test_without_a_version_nothing_is_kept(monkeypatch, unknown):
    def version():
        if unknown == "away":
            raise DatabaseError("away")

    monkeypatch.setattr(parts, "content_version", version)
    first = made(MEMBER)
    assert made(MEMBER) == first + 1


def test_no_more_than_a_hundred_are_kept(versions):
    first = made(MEMBER, 0)
    for key in range(1, parts.MAX_PARTS + 1):
        made(MEMBER, key)
    assert made(MEMBER, parts.MAX_PARTS) == first + parts.MAX_PARTS
    assert made(MEMBER, 0) == first + parts.MAX_PARTS + 1


# The real site, outside a transaction.


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_each_member_sees_the_mark_at_own_rows_alone():
    phase = boards.make_phase()
    teams = {name: boards.make_team(name) for name in ("Alveoli", "Bronchi")}
    for score, team in zip((0.7, 0.8), teams.values(), strict=True):
        boards.make_entry(phase, team, public=score)
    readers = {name: signed_in(team.memberships.get().user) for name, team in teams.items()} | {
        "": signed_in(factories.make_user("mira"))
    }
    for _ in range(2):
        for name, client in readers.items():
            page = client.get("/leaderboards/lesions/").content.decode()
            own = [row for row in page.split("<tr")[1:] if row.startswith(' class="own"')]
            assert page.count("your team") == len(own) == bool(name)
            assert all(name in row for row in own)
    Team.objects.filter(name="Bronchi").update(name="Pleura")
    assert "Pleura" in readers["Alveoli"].get("/leaderboards/lesions/").content.decode()
    boards.make_entry(phase, teams["Alveoli"], public=0.9)
    assert "0.9000" in readers[""].get("/leaderboards/lesions/").content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_a_hidden_challenge_is_on_its_organisers_first_page_alone(django_assert_max_num_queries):
    boards.make_phase()
    hidden = factories.make_phase(slug="hidden", title="Hidden")
    Challenge.objects.filter(pk=hidden.challenge_id).update(is_hidden=True, title="Not yet shown")
    organiser = factories.make_user("olga", is_staff=True)
    names = ("view_phase", "view_challenge")
    organiser.user_permissions.set(Permission.objects.filter(codename__in=names))
    hidden.challenge.organisers.add(organiser)
    member = signed_in(factories.make_user("mira"))
    for _ in range(2):
        assert b"Not yet shown" in signed_in(organiser).get("/").content
        assert b"Not yet shown" not in member.get("/").content
    with django_assert_max_num_queries(5):  # session, person, unread messages, version
        member.get("/")
    Challenge.objects.update(is_hidden=False)
    assert b"Not yet shown" in member.get("/").content
    Phase.objects.filter(pk=hidden.pk).update(is_hidden=True)
    assert b"Not yet shown" not in member.get("/").content
