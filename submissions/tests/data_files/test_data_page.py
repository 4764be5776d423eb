"""The Data page: who may download which file, in ranges; organisers add and withdraw; counts only as disclosed."""

from datetime import timedelta
from hashlib import sha256
from urllib.parse import unquote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from submissions.data_files.actions import add_data_file
from submissions.models import AuditEvent, DataFile, Participation, Phase
from submissions.storage.base import StorageError
from submissions.storage.files import store, stream_in
from submissions.tests.factories import make_dataset, make_member, make_phase, make_staff, make_user
from submissions.uploads.handler import ReceivedFile

pytestmark = pytest.mark.django_db
BODY = bytes(range(256)) * 5000
SPLITS = ["public"] * 3 + ["private"] * 4 + ["sample"] * 2


@pytest.fixture
def phase():
    return make_phase(make_dataset(truth=[0, 1, 0, 1, 0, 1, 0, 1, 0], splits=SPLITS), slug="p")


def add(phase, audience, name="scans.zip", version="1"):
    stored = stream_in(f"submissions/test/{audience}-{version}", [BODY])
    return add_data_file(
        challenge=phase.challenge, user=None, stored=stored, name=name, audience=audience, version=version
    )


def address(file):
    return reverse("data_file", args=[file.challenge.slug, file.pk, file.name])


def page_of(phase):
    return reverse("challenge_data", args=[phase.challenge.slug])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("audience", "nobody", "stranger", "participant", "organiser"),
    [
        ("everybody", 200, 200, 200, 200),
        ("signed-in", 302, 200, 200, 200),
        ("participants", 302, 403, 200, 200),
    ],
)
def test_a_file_goes_to_those_it_is_for(client, phase, audience, nobody, stranger, participant, organiser):
    phase.challenge.needs_approval = True
    phase.challenge.save()
    file, accepted = add(phase, audience), make_member("accepted")
    Participation.objects.create(challenge=phase.challenge, user=accepted, status=Participation.Status.ACCEPTED)
    people = {
        None: nobody,
        make_member("stranger"): stranger,
        accepted: participant,
        make_staff("organiser", phase): organiser,
    }
    for user, status in people.items():
        client.logout()
        if user:
            client.force_login(user)
        answer = client.get(address(file))
        assert answer.status_code == status, user
        if status == 200:
            assert b"".join(answer.streaming_content) == BODY
        listed = client.get(page_of(phase)).content.decode()
        assert (f'href="{address(file)}"' in listed) == (status == 200), user


def test_rules_that_were_not_accepted_close_the_files_for_participants(client, phase):
    phase.challenge.rules = "Share nothing."
    phase.challenge.save()
    client.force_login(make_member())
    assert client.get(address(add(phase, "participants"))).status_code == 403


def test_an_interrupted_download_goes_on(client, phase):
    file = add(phase, "everybody")
    answer = client.get(address(file), headers={"Range": "bytes=1000000-", "If-Range": f'"{sha256(BODY).hexdigest()}"'})
    assert (answer.status_code, b"".join(answer.streaming_content)) == (206, BODY[1000000:])


@pytest.mark.s3
def test_a_file_in_an_object_store_is_sent_by_the_store_in_ranges_too(client, phase, on_s3):
    import urllib.request

    file = add(phase, "everybody")
    answer = client.get(address(file))
    assert answer.status_code == 302
    request = urllib.request.Request(answer["Location"], headers={"Range": "bytes=10-19"})
    with urllib.request.urlopen(request) as response:
        assert (response.status, response.read()) == (206, BODY[10:20])


@pytest.mark.slow
def test_organisers_add_and_withdraw_files_and_others_do_not(client, phase):
    form = {"version": "1.0", "audience": "everybody", "licence": "CC BY 4.0", "citation": "Doe 2027"}
    send = reverse("data_file_add", args=[phase.challenge.slug])
    for user in (make_member(), make_staff("organiser")):
        client.force_login(user)
        assert client.post(send, {**form, "file": SimpleUploadedFile("a.zip", BODY)}).status_code == 404
    client.force_login(make_staff("organiser", phase))
    assert client.post(send, {**form, "file": SimpleUploadedFile("a.zip", BODY)}).status_code == 302
    file = DataFile.objects.get()
    assert (file.name, file.size_bytes, file.sha256) == ("a.zip", len(BODY), sha256(BODY).hexdigest())
    assert store().size(file.key) == len(BODY)
    again = client.post(send, {**form, "file": SimpleUploadedFile("a.zip", b"other")})
    assert again.status_code == 409
    assert "There is a version 1.0 of a.zip" in again.content.decode()
    assert client.post(reverse("data_file_withdraw", args=[phase.challenge.slug, file.pk])).status_code == 302
    assert client.get(address(file)).status_code == 404
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["withdraw data file", "add data file"]


def test_a_refused_file_leaves_nothing_in_the_store(client, phase, settings):
    client.force_login(make_staff("organiser", phase))
    before = set(store()._root.rglob("*"))
    send = reverse("data_file_add", args=[phase.challenge.slug])
    wrong = {"version": "1", "audience": "nobody at all", "file": SimpleUploadedFile("a.zip", BODY)}
    assert client.post(send, wrong).status_code == 400
    settings.MAX_IMAGE_BYTES = 1000
    large = {"version": "1", "audience": "everybody", "file": SimpleUploadedFile("a.zip", BODY)}
    assert client.post(send, large).status_code == 413
    assert {path for path in store()._root.rglob("*") if path.is_file()} <= before


@pytest.mark.parametrize("name", ["train & test.zip", "fold+1 #2.zip", "100%25.zip", "a?b=c.zip"])
def test_signing_in_leads_back_to_the_file_whatever_its_name(client, phase, name):
    file = add(phase, "signed-in", name=name)
    login = client.get(address(file))["Location"]
    make_user("ann")
    answer = client.post(login, {"login": "ann", "password": "a-long-password"})
    assert unquote(answer["Location"]) == unquote(address(file))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("fold/scans.zip", "scans.zip"), ("C:\\fold\\scans.zip", "scans.zip"), ("fold/", "unnamed"), ("..", "unnamed"),
        ("é" * 250 + ".tar.gz", "é" * 193 + ".tar.gz"), ("a." + "b" * 250, "a." + "b" * 198),
    ],
)  # fmt: skip
def test_a_name_that_no_address_can_hold_is_made_one_that_can(client, phase, sent, kept):
    file = add(phase, "everybody", name=sent)
    assert file.name == kept
    assert f'href="{address(file)}"' in client.get(page_of(phase)).content.decode()
    assert client.get(address(file)).status_code == 200


def test_a_store_that_is_away_loses_nothing_that_was_typed(client, phase, monkeypatch):
    client.force_login(make_staff("organiser", phase))

    def away(self):
        raise StorageError("away")

    monkeypatch.setattr(ReceivedFile, "keep", away)
    form = {
        "version": "1.0",
        "audience": "everybody",
        "citation": "Doe 2027",
        "file": SimpleUploadedFile("a.zip", BODY),
    }
    answer = client.post(reverse("data_file_add", args=[phase.challenge.slug]), form)
    assert answer.status_code == 503
    assert "Doe 2027" in answer.content.decode()
    assert "Our file storage has a problem" in answer.content.decode()


def test_counts_by_split_are_shown_only_where_the_disclosure_allows(client, phase):
    def splits():
        part = client.get(page_of(phase)).context["parts"][0]
        return {table.title: (table.splits, table.rows) for table in part["counts"]}

    before_the_end = splits()
    assert before_the_end["Class"] == (["sample"], [("benign", [1]), ("malignant", [1])])
    Phase.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    assert splits()["Class"] == (["public", "private", "sample"], [("benign", [2, 2, 1]), ("malignant", [1, 2, 1])])


def test_a_hidden_challenge_has_no_data_page(client, phase):
    phase.challenge.is_hidden = True
    phase.challenge.save()
    assert client.get(page_of(phase)).status_code == 404
    assert client.get(address(add(phase, "everybody"))).status_code == 404


def test_the_page_takes_no_more_queries_with_more_files(client, phase, django_assert_max_num_queries):
    for number in range(12):
        add(phase, "participants", version=str(number))
    client.force_login(make_member())
    client.get(page_of(phase))
    with django_assert_max_num_queries(12):
        client.get(page_of(phase))
