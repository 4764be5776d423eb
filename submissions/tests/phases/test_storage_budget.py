"""A team and the site hold a bounded number of bytes; who would exceed it is told in a sentence, before any byte."""

import pytest
from django.utils import timezone

from submissions import actions
from submissions.models import Submission, Upload
from submissions.models.team import team_of
from submissions.phases.storage_budget import held_bytes
from submissions.storage import files as storage
from submissions.tests.api.test_submissions import client_of, post
from submissions.tests.factories import csv_bytes, make_member, make_phase, make_submission

pytestmark = pytest.mark.django_db
SIZE = len(csv_bytes())


@pytest.fixture
def ann():
    return make_member("ann", team="A-team")


@pytest.fixture
def phase():
    return make_phase(slug="p1", accepts_docker=True)


@pytest.mark.slow
def test_a_csv_beyond_the_team_s_budget_is_refused_and_nothing_is_stored(ann, phase, settings):
    settings.TEAM_STORAGE_BYTES = 2 * SIZE
    client = client_of(ann)
    assert [post(client).status_code for _ in range(3)] == [201, 201, 507]
    answer = post(client).json()
    assert answer["error_code"] == "STORAGE_BUDGET"
    assert answer["details"] == {"held_bytes": 2 * SIZE, "limit_bytes": 2 * SIZE}
    assert "Your team's files take" in answer["message"]
    assert Submission.objects.count() == 2
    assert held_bytes(team_of(ann)) == 2 * SIZE
    assert post(client_of(make_member("ben"))).status_code == 201


@pytest.mark.slow
def test_the_site_has_a_budget_too(ann, phase, settings):
    settings.SITE_STORAGE_BYTES = SIZE
    assert post(client_of(ann)).status_code == 201
    answer = post(client_of(make_member("ben")))
    assert (answer.status_code, answer.json()["error_code"]) == (507, "STORAGE_FULL")
    assert "Retry-After" in answer.headers


def begin(client, size):
    return client.post("/api/v1/uploads", {"filename": "m.tar", "size": size}, format="json")


def test_an_upload_counts_from_its_beginning(ann, phase, settings):
    settings.TEAM_STORAGE_BYTES = 1000
    client = client_of(ann)
    assert begin(client, 600).status_code == 201
    refused = begin(client, 600)
    assert (refused.status_code, refused.json()["error_code"]) == (507, "STORAGE_BUDGET")
    assert Upload.objects.count() == 1
    Upload.objects.all().delete()
    assert begin(client, 600).status_code == 201


def test_below_the_floor_of_free_space_nothing_is_taken(ann, phase, settings):
    settings.FREE_SPACE_BYTES = 2**62
    client = client_of(ann)
    for answer in (post(client), begin(client, 10)):
        assert (answer.status_code, answer.json()["error_code"]) == (507, "STORAGE_FULL")
        assert "no room" in answer.json()["message"]
    assert Submission.objects.count() == Upload.objects.count() == 0


def test_a_file_used_twice_counts_once(ann, phase):
    stored = storage.stream_in(storage.new_key("image.tar"), [b"x" * 500])
    sent = {"user": ann, "phase": phase, "submission_type": "docker", "stored": stored, "original_name": "m.tar"}
    first = actions.submit(received_at=timezone.now(), **sent)
    actions.submit_again(user=ann, phase=phase, earlier_id=first.pk, received_at=timezone.now())
    assert held_bytes(team_of(ann)) == held_bytes(None) == 500


def test_the_phase_page_shows_what_the_team_holds(ann, phase, client, settings):
    settings.TEAM_STORAGE_BYTES = 3 * 2**30
    make_submission(user=ann, phase=phase)
    client.force_login(ann)
    page = client.get("/phases/p1/").content.decode()
    assert "Your team's files" in page
    assert "3.0\xa0GB" in page
    client.logout()
    assert "Your team's files" not in client.get("/phases/p1/").content.decode()


def test_what_an_organiser_sends_is_not_the_own_teams(ann):
    facts = {"user": ann, "original_name": "x", "part_bytes": 1, "key": "k", "handle": "h"}
    for size, purpose in enumerate(Upload.Purpose.values):
        Upload.objects.create(size_bytes=2**size, purpose=purpose, **facts)
    assert Upload.Purpose.values == ["image", "model", "csv", "dataset", "data"]
    assert held_bytes(team_of(ann)) == 1 + 2 + 4
    assert held_bytes(None) == 1 + 2 + 4 + 8 + 16
