"""What a team says of its method: links are plain web pages, and only the team itself changes them."""

import pytest
from rest_framework.test import APIClient

from submissions.accounts.tokens import create_token
from submissions.models import Submission
from submissions.tests.factories import GOOD, csv_file, evaluated, make_member, make_phase

pytestmark = pytest.mark.django_db
METHOD = {
    "model_name": "LungNet", "model_version": "2", "code_url": "https://x.org/code", "paper_url": "http://x.org/p",
}  # fmt: skip
BAD_LINKS = [
    "javascript:alert(1)", "ftp://x.org/code", "https://me:secret@x.org/", "data:text/html,hello", "https://",
    "//x.org/a b", "https://x.org/" + "a" * 300,
]  # fmt: skip


@pytest.fixture
def submission():
    return evaluated(user=make_member("ann"), phase=make_phase(slug="p"))


def change(client, submission, **fields):
    return client.post(f"/submissions/{submission.pk}/method/", METHOD | fields, follow=True)


@pytest.mark.slow
def test_the_team_describes_its_method_later(client, submission):
    client.force_login(submission.user)
    text = " ".join(change(client, submission).content.decode().split())
    assert "The leaderboard shows the method" in text
    assert 'href="http://x.org/p" rel="nofollow noopener noreferrer"' in text
    assert "LungNet 2" in text
    submission.refresh_from_db()
    assert {name: getattr(submission, name) for name in METHOD} == METHOD


@pytest.mark.slow
@pytest.mark.parametrize("link", BAD_LINKS)
def test_only_plain_web_pages_are_linked(client, submission, link):
    client.force_login(submission.user)
    assert "Nothing was changed" in change(client, submission, code_url=link).content.decode()
    submission.refresh_from_db()
    assert submission.code_url == ""


def test_a_refused_link_leaves_what_was_typed_in_the_form(client, submission):
    client.force_login(submission.user)
    answer = change(client, submission, model_name="A long name", code_url="ftp://x.org/code")
    page = answer.content.decode()
    assert answer.status_code == 400
    assert '<details id="method" open>' in " ".join(page.split())
    assert 'value="A long name"' in page
    assert 'value="ftp://x.org/code"' in page


@pytest.mark.slow
def test_a_link_without_a_scheme_is_https(client, submission):
    client.force_login(submission.user)
    change(client, submission, code_url="x.org/code")
    submission.refresh_from_db()
    assert submission.code_url == "https://x.org/code"


@pytest.mark.slow
def test_nobody_else_changes_it(client, admin_client, submission):
    client.force_login(make_member("eve"))
    assert change(client, submission).status_code == 404
    assert b"own team" in change(admin_client, submission).content
    submission.refresh_from_db()
    assert submission.model_name == ""


def test_it_comes_with_the_file_too(client):
    user, phase = make_member("ann"), make_phase(slug="p")
    client.force_login(user)
    client.post(f"/phases/{phase.slug}/submit/", METHOD | {"file": csv_file(GOOD)})
    sent = Submission.objects.get()
    assert {name: getattr(sent, name) for name in METHOD} == METHOD


@pytest.mark.parametrize("link", BAD_LINKS)
def test_the_api_takes_the_same_links(link):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_token(user=make_member(), name='t')[1]}")
    phase = make_phase(slug="p")
    sent = {"phase": phase.slug, "file": csv_file(GOOD), "paper_url": link}
    answer = client.post("/api/v1/submissions", sent)
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "paper_url")
    good = client.post("/api/v1/submissions", METHOD | {"phase": phase.slug, "file": csv_file(GOOD)})
    assert {name: good.json()[name] for name in METHOD} == METHOD
